//! The engine's state as sections, and back.
//!
//! Begin a capture between two batches, take sections between the following ones until there are no
//! more, and the sections hold the state of the moment of the beginning. On the way back ledger, chains
//! and panes have nothing in common but the routes: they can be filled on threads of their own.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::accounting::Accounting;
use super::capture::{RestoreError, Section, SectionKind, decode, encode};
use super::chains::Chains;
use super::ledger::Ledger;
use super::panes::Panes;
use super::routes::{CapturedRoutes, RouteId, Routes};
use super::waiting::WaitingEvent;
use super::{Engine, Settings, WaitingPolicy};
use crate::time::Timestamp;

/// The kinds of sections in their turn. Panes come first, since most is to be done with them.
const SECTIONS_IN_TURN: [SectionKind; 3] =
    [SectionKind::Panes, SectionKind::Ledger, SectionKind::Chains];

/// How far a capture has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    /// Which kind is next.
    next: usize,
    /// Of which kinds the last section has been handed out.
    ended: [bool; SECTIONS_IN_TURN.len()],
}

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
        self.fold();
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
        self.turn = Turn::default();
        Section {
            kind: SectionKind::Head,
            bytes: encode(&head),
        }
    }

    /// The next section of the capture; `None` once all have been handed out. Ledger, chains and panes
    /// come in turn: on the way back each has something to do from the beginning. The last of each is
    /// empty, so that what is to be done with all of them need not wait for the others.
    pub fn next_section(&mut self) -> Option<Section> {
        for _ in 0..SECTIONS_IN_TURN.len() {
            let at = self.turn.next;
            self.turn.next = (at + 1) % SECTIONS_IN_TURN.len();
            if self.turn.ended[at] {
                continue;
            }
            let kind = SECTIONS_IN_TURN[at];
            let bytes = match kind {
                SectionKind::Ledger => self.ledger.capture_next(),
                SectionKind::Chains => self.booking.chains.capture_next(),
                SectionKind::Panes => self.booking.panes.capture_next(),
                // It comes first and once.
                SectionKind::Head => None,
            };
            self.turn.ended[at] = bytes.is_none();
            let bytes = bytes.unwrap_or_default();
            return Some(Section { kind, bytes });
        }
        None
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
        let mut sections = sections.into_iter();
        let head = sections.next().ok_or(RestoreError::NoHead)?;
        let mut restoring = Restoring::begin(settings, policy, &head)?;
        let mut parts = restoring.parts();
        for section in sections {
            let part = parts.iter_mut().find(|part| part.kind() == section.kind);
            part.ok_or(RestoreError::NoHead)?.take(&section)?;
        }
        for part in parts {
            part.finish()?;
        }
        Ok(restoring.finish())
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
        self.fold();
        self.booking.routes.reset_lifetimes();
        let mut accounting = Accounting::default();
        // The waiting ones are still to be applied: received and waiting must agree.
        for waiting in self.waiting.all() {
            accounting.received(Some(waiting.event.kind()));
        }
        self.accounting = accounting;
    }
}

/// State on its way back: made from the head, then filled part by part.
#[derive(Debug)]
pub struct Restoring {
    engine: Engine,
    /// How often each part refers to each route.
    references: [Vec<u32>; 3],
}

/// Ledger, chains or panes on their way back: takes all sections of its kind in the order of the
/// capture, then finishes.
#[derive(Debug)]
pub struct Part<'r> {
    state: PartState<'r>,
    references: &'r mut [u32],
}

#[derive(Debug)]
enum PartState<'r> {
    Ledger(&'r mut Ledger),
    Chains(&'r mut Chains),
    Panes(&'r mut Panes, &'r Routes, Timestamp),
}

impl Restoring {
    /// Takes the first section, with the settings it was captured with.
    ///
    /// # Errors
    /// When it is not a head or does not fit the settings.
    pub fn begin(
        settings: Arc<Settings>,
        policy: WaitingPolicy,
        head: &Section,
    ) -> Result<Self, RestoreError> {
        if head.kind != SectionKind::Head {
            return Err(RestoreError::NoHead);
        }
        let mut engine = Engine::new(settings, policy);
        let routes = engine.take_head(decode(SectionKind::Head, &head.bytes)?)?;
        let none = vec![0; usize::try_from(routes).unwrap_or(0)];
        Ok(Self {
            engine,
            references: [none.clone(), none.clone(), none],
        })
    }

    /// The parts that take the other sections, each on whichever thread.
    pub fn parts(&mut self) -> [Part<'_>; 3] {
        let [ledger, chains, panes] = &mut self.references;
        let booking = &mut self.engine.booking;
        [
            Part {
                state: PartState::Ledger(&mut self.engine.ledger),
                references: ledger,
            },
            Part {
                state: PartState::Chains(&mut booking.chains),
                references: chains,
            },
            Part {
                state: PartState::Panes(&mut booking.panes, &booking.routes, self.engine.now),
                references: panes,
            },
        ]
    }

    /// The engine, once all parts have finished.
    pub fn finish(mut self) -> Engine {
        let booking = &mut self.engine.booking;
        for references in &self.references {
            for (route, count) in (0..).map(RouteId).zip(references) {
                booking.routes.retain_more(route, *count);
            }
        }
        for (route, _) in (0..).map(RouteId).zip(&self.references[0]) {
            booking.routes.release(route);
        }
        self.engine
    }
}

impl Part<'_> {
    /// The sections it takes.
    pub fn kind(&self) -> SectionKind {
        match self.state {
            PartState::Ledger(_) => SectionKind::Ledger,
            PartState::Chains(_) => SectionKind::Chains,
            PartState::Panes(..) => SectionKind::Panes,
        }
    }

    /// Takes a section of its kind; the last one is empty.
    ///
    /// # Errors
    /// When that is not one, or does not fit what was taken before.
    pub fn take(&mut self, section: &Section) -> Result<(), RestoreError> {
        if section.is_last() {
            return Ok(());
        }
        let adopt = |route: RouteId| {
            let at = usize::try_from(route.0).unwrap_or(usize::MAX);
            let count = self.references.get_mut(at);
            count.map(|count| *count += 1).is_some()
        };
        match &mut self.state {
            PartState::Ledger(ledger) => ledger.restore(&section.bytes, adopt),
            PartState::Chains(chains) => chains.restore(&section.bytes, adopt),
            PartState::Panes(panes, ..) => panes.restore(&section.bytes, adopt),
        }
    }

    /// Makes what was taken ready for use.
    ///
    /// # Errors
    /// When something was taken twice.
    pub fn finish(self) -> Result<(), RestoreError> {
        match self.state {
            PartState::Ledger(ledger) => ledger.restored(),
            PartState::Chains(chains) => chains.restored(),
            PartState::Panes(panes, routes, now) => panes.restored(now, routes),
        }
    }
}
