//! The engine's state as sections, and back.
//!
//! Begin a capture between two batches, take sections between the following ones until there are no
//! more, and the sections hold the state of the moment of the beginning.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::accounting::Accounting;
use super::capture::{RestoreError, Section, SectionKind, decode, encode};
use super::ledger::{Body, Entry};
use super::routes::{CapturedRoutes, RouteId, Routes};
use super::waiting::WaitingEvent;
use super::{Engine, Settings, WaitingPolicy};
use crate::time::Timestamp;

/// Everything that is there once.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    now: Timestamp,
    stream_time: Option<Timestamp>,
    earliest_event: Option<Timestamp>,
    history_floor: Option<Timestamp>,
    order: u64,
    accounting: Accounting,
    ledger_evicted_until: Option<Timestamp>,
    chains_evicted_until: Option<Timestamp>,
    bound: Timestamp,
    waiting: Vec<WaitingEvent>,
    routes: CapturedRoutes,
}

impl Engine {
    /// Starts a capture of the present state; the first section is ready at once.
    pub fn begin_capture(&mut self) -> Section {
        self.booking.fold();
        let (routes, numbers) = self.booking.routes.capture();
        let numbers = Arc::new(numbers);
        let head = Head {
            now: self.now,
            stream_time: self.stream_time,
            earliest_event: self.earliest_event,
            history_floor: self.history_floor,
            order: self.order,
            accounting: self.accounting.clone(),
            ledger_evicted_until: self.ledger.evicted_until(),
            chains_evicted_until: self.booking.chains.evicted_until(),
            bound: self.booking.panes.bound(),
            waiting: self.waiting.all(),
            routes,
        };
        self.ledger.begin_capture(Arc::clone(&numbers));
        self.booking.chains.begin_capture(Arc::clone(&numbers));
        self.booking.panes.begin_capture(numbers);
        Section {
            kind: SectionKind::Head,
            bytes: encode(&head),
        }
    }

    /// The next section of the capture; `None` once all have been handed out.
    pub fn next_section(&mut self) -> Option<Section> {
        if let Some(bytes) = self.ledger.capture_next() {
            return Some(Section {
                kind: SectionKind::Ledger,
                bytes,
            });
        }
        if let Some(bytes) = self.booking.chains.capture_next() {
            return Some(Section {
                kind: SectionKind::Chains,
                bytes,
            });
        }
        let bytes = self.booking.panes.capture_next()?;
        Some(Section {
            kind: SectionKind::Panes,
            bytes,
        })
    }

    /// The engine whose state the sections hold. `settings` must be those it was captured with.
    ///
    /// # Errors
    /// When the sections do not fit together. That none is missing is for the file to know: empty
    /// shards have none.
    pub fn restore(
        settings: Arc<Settings>,
        policy: WaitingPolicy,
        sections: impl IntoIterator<Item = Section>,
    ) -> Result<Self, RestoreError> {
        let mut engine = Self::new(settings, policy);
        let mut sections = sections.into_iter();
        let first = sections
            .next()
            .filter(|section| section.kind == SectionKind::Head);
        let head = first.ok_or(RestoreError::NoHead)?;
        let routes = engine.take_head(decode(SectionKind::Head, &head.bytes)?)?;
        for section in sections {
            match section.kind {
                SectionKind::Head => return Err(RestoreError::NoHead),
                SectionKind::Ledger => {
                    let table = &mut engine.booking.routes;
                    engine
                        .ledger
                        .restore(&section.bytes, |entry| adopt_entry(table, routes, entry))?;
                }
                SectionKind::Chains => {
                    let booking = &mut engine.booking;
                    let table = &mut booking.routes;
                    booking
                        .chains
                        .restore(&section.bytes, |route| adopt(table, routes, route))?;
                }
                SectionKind::Panes => {
                    let booking = &mut engine.booking;
                    let table = &mut booking.routes;
                    booking
                        .panes
                        .restore(&section.bytes, |route| adopt(table, routes, route))?;
                }
            }
        }
        engine.booking.chains.restored()?;
        engine.booking.panes.restored(&engine.booking.routes);
        for route in 0..routes {
            engine.booking.routes.release(RouteId(route));
        }
        Ok(engine)
    }

    /// Takes over the head and says how many routes there are.
    fn take_head(&mut self, head: Head) -> Result<u32, RestoreError> {
        self.now = head.now;
        self.stream_time = head.stream_time;
        self.earliest_event = head.earliest_event;
        self.history_floor = head.history_floor;
        self.order = head.order;
        self.accounting = head.accounting;
        self.ledger.set_evicted_until(head.ledger_evicted_until);
        self.booking
            .chains
            .set_evicted_until(head.chains_evicted_until);
        self.booking.panes.set_bound(head.bound);
        for waiting in head.waiting {
            self.waiting.restore(waiting);
        }
        let routes = self.booking.routes.restore(head.routes);
        routes.ok_or(RestoreError::Dangling {
            kind: SectionKind::Head,
        })
    }

    /// Counters start again at 0: what they counted before cannot be continued, since part of the
    /// stream is gone.
    pub fn reset_counters(&mut self) {
        self.booking.fold();
        self.booking.routes.reset_lifetimes();
        let mut accounting = Accounting::default();
        // The waiting ones are still to be applied: received and waiting must agree.
        for waiting in self.waiting.all() {
            accounting.received(Some(waiting.event.kind()));
        }
        self.accounting = accounting;
    }
}

fn adopt(routes: &mut Routes, count: u32, route: RouteId) -> bool {
    if route.0 < count {
        routes.retain(route);
    }
    route.0 < count
}

fn adopt_entry(routes: &mut Routes, count: u32, entry: &Entry) -> bool {
    let own = match &entry.body {
        Body::Survey(survey) => adopt(routes, count, survey.own_route),
        Body::Interaction(_) => true,
    };
    own && adopt(routes, count, entry.route)
}
