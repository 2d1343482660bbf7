//! The one owner of state: ledger, contact chains, panes, breakdowns, and the view made of them.
//!
//! Every event is a contribution that can be given and taken back. Contributions add up in any
//! order, so a duplicate, a correction or a late arrival is one more addition or subtraction, and
//! the view is a function of the set of accepted records. Nothing in here does IO, reads a clock or
//! starts a thread.

mod accounting;
mod address;
mod ahead;
mod booking;
mod capture;
mod chain;
mod chains;
mod cohorts;
mod compaction;
mod contact;
mod contacts;
mod counted;
mod delta;
mod filling;
mod first_rows;
mod followed;
mod gathered;
mod history;
mod index;
mod joins;
mod kept_totals;
mod kept_view;
mod key_sums;
mod ledger;
mod long_chains;
mod marks;
mod numbers;
mod packed;
mod pane_capture;
mod panes;
mod past;
mod persist;
mod recall;
mod routes;
mod row;
mod rows;
mod settings;
mod settled;
mod slab;
mod slot;
mod snapshot;
mod spare;
mod sums;
mod sweep;
mod tally;
mod view;
mod waiting;
mod window;

use std::collections::BTreeSet;
use std::sync::Arc;

use smallvec::SmallVec;

pub use accounting::Outcome;
pub use address::{Address, Addresses, Addressing};
pub use ahead::WORK_AT_A_TIME;
pub use capture::{RestoreError, Section, SectionKind};
pub use history::{HISTORY_KPIS, HISTORY_POINTS, History};
pub use kept_view::KeptView;
pub use persist::{Part, Restoring};
pub use settings::Settings;
pub use view::{BreakdownView, KeyView, Lifetime, Stats, View, WindowView};

use accounting::Accounting;
use booking::{Booking, Counters};
use ledger::{Entry, Ledger, Version};
use slab::Place;
use waiting::Waiting;

use crate::event::{Event, IdHash, Kind, Reason};
use crate::time::{Timestamp, millis_of};
use crate::window::WindowGeometry;

/// Events of which [`Engine::prepare`] keeps no list on the heap.
const GROUP: usize = 64;

/// The values of an event's dimensions, in the order of [`Settings::dimensions`].
pub trait Dimensions {
    /// The value of one dimension; `None` when the event does not have it.
    fn value(&self, dimension: usize) -> Option<&str>;

    /// The address that the engine's [`Addressing`] made of these values; `None` where it was not
    /// asked.
    fn address(&self) -> Option<Address<'_>> {
        None
    }
}

impl Dimensions for [Option<String>] {
    fn value(&self, dimension: usize) -> Option<&str> {
        self.get(dimension)?.as_deref()
    }
}

/// What becomes of accepted events at or after T.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitingPolicy {
    /// They are kept and enter when T passes them.
    Keep,
    /// They are counted only: T does not move (a replay that ends at a fixed instant).
    CountOnly,
}

/// Ledger, chains, panes and counters of one stream.
#[derive(Debug)]
pub struct Engine {
    settings: Arc<Settings>,
    geometries: Vec<WindowGeometry>,
    ledger: Ledger,
    booking: Booking,
    waiting: Waiting,
    accounting: Accounting,
    /// The present instant T: all state lies before it.
    now: Timestamp,
    /// The greatest event time that moved the stream.
    stream_time: Option<Timestamp>,
    /// Stream time when memory was last gone through.
    expired_at: Option<Timestamp>,
    /// The smallest accepted event time.
    earliest_event: Option<Timestamp>,
    /// Where the source began, when it left older messages out.
    history_floor: Option<Timestamp>,
    /// Events seen, for the order of equal versions.
    order: u64,
    /// The past hours; `None` where nobody asked for them. Shared with the views until the next
    /// point.
    history: Option<Arc<History>>,
    /// Interactions with very many surveys that have changed since those were last booked by them.
    moved_crowds: BTreeSet<IdHash>,
    /// Which part of a capture comes next.
    turn: persist::Turn,
    /// By key what the last view shows of it: most of very many keys are the same in the next one.
    shown: Vec<Option<Arc<KeyView>>>,
}

impl Engine {
    /// An empty engine. T stands at the beginning of time: call [`Engine::advance`] first.
    pub fn new(settings: Arc<Settings>, policy: WaitingPolicy) -> Self {
        let horizon_ms = millis_of(settings.kpis.fcr.horizon);
        let lateness_ms = millis_of(settings.allowed_lateness);
        let geometries: Vec<WindowGeometry> = settings
            .windows
            .iter()
            .map(|spec| WindowGeometry::new(spec, horizon_ms))
            .collect();
        Self {
            ledger: Ledger::new(
                lateness_ms,
                millis_of(settings.kpis.survey_join_within),
                settings.max_entries,
            ),
            booking: Booking::new(&settings, &geometries),
            waiting: Waiting::new(policy),
            accounting: Accounting::default(),
            now: Timestamp::MIN,
            stream_time: None,
            expired_at: None,
            earliest_event: None,
            history_floor: None,
            order: 0,
            history: None,
            moved_crowds: BTreeSet::new(),
            turn: persist::Turn::default(),
            shown: Vec::new(),
            geometries,
            settings,
        }
    }

    /// The settings the engine runs with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What makes addresses of events for this engine.
    pub fn addressing(&self) -> Addressing {
        self.booking.routes.addressing().clone()
    }

    /// The present instant T.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The greatest event time that moved the stream; `None` before the first accepted event.
    pub fn stream_time(&self) -> Option<Timestamp> {
        self.stream_time
    }

    /// Says that the source left out what was stored before `moment`, so that no window is complete
    /// that reaches back further.
    pub fn history_begins(&mut self, moment: Timestamp) {
        self.history_floor = Some(moment);
    }

    /// Counts an event that decoding rejected.
    pub fn count_reject(&mut self, reason: Reason, kind: Option<Kind>) {
        self.accounting.received(kind);
        self.accounting.rejected(reason);
    }

    /// Counts values of dimensions that decoding cut.
    pub fn count_truncated(&mut self, values: u64) {
        self.accounting.truncated_dimensions += values;
    }

    /// Judges one event and, when it is accepted and lies before T, applies it.
    ///
    /// `stored_at` is the message's store time; the checks are those of CONTRACT section 9 in their
    /// order: ahead of the store time, at or after T, too late, version.
    pub fn accept(
        &mut self,
        event: &Event,
        dimensions: &(impl Dimensions + ?Sized),
        stored_at: Timestamp,
    ) -> Outcome {
        self.order += 1;
        self.accounting.received(Some(event.kind()));
        let event_time = event.record().event_time;
        if event_time.millis_since(stored_at) > millis_of(self.settings.max_clock_skew) {
            self.accounting.rejected(Reason::Future);
            return Outcome::Rejected(Reason::Future);
        }
        if event_time >= self.now {
            self.waiting
                .push(event, self.order, self.booking.values_of(dimensions));
            return Outcome::Waiting;
        }
        let lateness_ms = millis_of(self.settings.allowed_lateness);
        if self
            .stream_time
            .is_some_and(|stream_time| stream_time.millis_since(event_time) > lateness_ms)
        {
            self.accounting.rejected(Reason::TooLate);
            return Outcome::Rejected(Reason::TooLate);
        }
        let route = self.booking.route_of(dimensions);
        let outcome = self.enter(event, self.order, route);
        self.expire();
        outcome
    }

    /// Brings what judging these events will look at into the cache: the memory of a group is fetched
    /// together, which takes little longer than that of one. Changes nothing; the group should be small
    /// (16 to 64), and [`Engine::accept`] follow for each of it.
    pub fn prepare<'e>(&self, events: impl Iterator<Item = &'e Event>) {
        let mut records: SmallVec<[IdHash; GROUP]> = SmallVec::new();
        let mut chains: SmallVec<[IdHash; GROUP]> = SmallVec::new();
        for event in events {
            records.push(event.record().id);
            chains.extend(self.booking.chain_of(event));
        }
        self.ledger.touch(&records);
        self.booking.chains.touch(&chains);
    }

    /// The same for the routes of events with these addresses.
    pub fn prepare_routes<'a>(&self, addresses: impl Iterator<Item = Address<'a>>) {
        self.booking.routes.fetch_addressed(addresses);
    }

    /// Moves T to `now` (never backwards) and lets the waiting events in that it passes.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some(at) = self.history.as_ref().and_then(|history| history.due(now)) {
            self.pass(at);
            self.record_history(at);
        }
        self.pass(now);
    }

    fn pass(&mut self, now: Timestamp) {
        if now <= self.now {
            return;
        }
        self.now = now;
        for waiting in self.waiting.take_before(now) {
            let values: Vec<Option<&str>> = waiting.values.iter().map(Option::as_deref).collect();
            let route = self.booking.acquire(&values);
            self.enter(&waiting.event, waiting.order, route);
        }
        // Only now: nothing that entered together may find the other forgotten.
        self.expire();
    }

    /// Lets an accepted event into state. The caller's reference to `route` is passed on.
    fn enter(&mut self, event: &Event, order: u64, route: routes::RouteId) -> Outcome {
        let record = event.record();
        if self
            .stream_time
            .is_some_and(|stream_time| record.event_time < stream_time)
        {
            self.accounting.late += 1;
        }
        self.earliest_event = Some(self.earliest_event.map_or(record.event_time, |earliest| {
            earliest.min(record.event_time)
        }));
        let known = self.ledger.find(record.id);
        let known = known.map(|place| (place, self.ledger.at(place)));
        let known = known.as_ref().map(|(place, entry)| (*place, entry));
        let outcome = match self.ledger.judge(known, record, order) {
            Version::Duplicate => {
                self.booking.release(route);
                self.accounting.duplicates += 1;
                Outcome::Duplicate
            }
            Version::First => {
                self.apply(event, order, route, None);
                self.accounting.applied += 1;
                Outcome::Applied
            }
            Version::Newer => {
                self.apply(event, order, route, known);
                self.accounting.replaced += 1;
                Outcome::Replaced
            }
        };
        self.stream_time = self.stream_time.max(Some(record.event_time));
        outcome
    }

    /// Takes the known version of a record back, gives the new one, and moves along the surveys
    /// that take their dimensions from it.
    fn apply(
        &mut self,
        event: &Event,
        order: u64,
        route: routes::RouteId,
        known: Option<(Place, &Entry)>,
    ) {
        let id = event.record().id;
        let counted = known.is_some_and(|(_, known)| known.counted);
        let mut entry = self
            .booking
            .entry(event, order, route, counted, &self.ledger);
        if let Some((_, known)) = known {
            self.booking.take(known, event);
        }
        let is_first_count = !entry.counted && !entry.excluded;
        let counters = if is_first_count {
            Counters::Move
        } else {
            Counters::Stay
        };
        self.booking.give(&entry, event, counters);
        entry.counted |= is_first_count;
        self.booking.count_overflow(entry.route);
        let moves_surveys = event.kind() == Kind::Interaction;
        self.ledger.put(id, &entry, known);
        if let Some((_, known)) = known {
            self.booking.forget(known);
        }
        if moves_surveys {
            // A placeholder may be the id of very many interactions, each a version of the one before, and
            // of very many surveys: these go along once for all versions, and not with each.
            if self.ledger.is_crowded(id) {
                self.moved_crowds.insert(id);
            } else {
                self.rejoin(id);
            }
        }
        if self.booking.is_full() {
            self.booking.fold();
        }
    }

    /// Moves along the surveys that take their dimensions from an interaction that has changed.
    fn rejoin(&mut self, interaction: IdHash) {
        for survey in self.ledger.surveys_of(interaction) {
            self.booking.rejoin(survey, &mut self.ledger);
        }
    }

    /// The same where that was put off.
    fn rejoin_crowds(&mut self) {
        while let Some(interaction) = self.moved_crowds.pop_first() {
            self.rejoin(interaction);
        }
    }

    /// Brings all that has been accepted into the windows and the panes.
    fn fold(&mut self) {
        self.rejoin_crowds();
        self.booking.fold();
    }

    /// Forgets what stream time has passed, and what is over the limits.
    fn expire(&mut self) {
        let Some(stream_time) = self.stream_time else {
            return;
        };
        let is_over = self.ledger.len() > self.settings.max_entries;
        if self.expired_at == Some(stream_time) && !is_over {
            return;
        }
        self.expired_at = Some(stream_time);
        // As long as all are there: whoever is forgotten stays booked as it is.
        if !self.moved_crowds.is_empty() && self.ledger.is_about_to_forget(stream_time) {
            self.rejoin_crowds();
        }
        let booking = &mut self.booking;
        self.ledger
            .expire(stream_time, |route| booking.release(route));
        let settled_until = self.ledger.interactions_until(stream_time);
        self.booking.expire(stream_time, settled_until);
    }
}
