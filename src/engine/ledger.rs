//! The ledger: the newest version of each interaction and survey within memory, with all that is
//! needed to take its contribution back.

use std::hint::black_box;

use super::capture::{RestoreError, RouteNumbers, SectionKind};
use super::index::{Expected, Index};
use super::joins::Joins;
use super::routes::RouteId;
use super::slab::{Place, Slab};
use super::slot::{CONTENT_MASK, Slot};
use crate::event::{IdHash, Record};
use crate::time::Timestamp;

/// Buckets of time that memory is cut into: what is in one is forgotten at once.
const BUCKETS: i64 = 1024;

/// The winning version of a record.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) event_time: Timestamp,
    pub(super) version_time: Timestamp,
    /// Place in the stream of the winning version; decides between equal version times.
    pub(super) order: u64,
    pub(super) content: u64,
    pub(super) excluded: bool,
    /// The counters have counted the record.
    pub(super) counted: bool,
    /// Where the record is booked. The entry holds a reference.
    pub(super) route: RouteId,
    pub(super) body: Body,
}

/// What is needed of a record to give and take its contribution.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    Interaction(InteractionBody),
    Survey(SurveyBody),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct InteractionBody {
    /// The chain of a handled inbound interaction with a customer.
    pub(super) chain: Option<IdHash>,
    pub(super) inbound: bool,
    pub(super) abandoned: bool,
    pub(super) transferred: bool,
    pub(super) resolved: Option<bool>,
    pub(super) wait_ms: Option<u64>,
    pub(super) handle_ms: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct SurveyBody {
    /// The interaction that missing dimensions are taken from.
    pub(super) joins: Option<IdHash>,
    /// The survey's own dimensions, before the join. The entry holds a reference.
    pub(super) own_route: RouteId,
    pub(super) csat_milli: Option<i32>,
    pub(super) ces_milli: Option<i32>,
    pub(super) nps: Option<u8>,
    pub(super) resolved: Option<bool>,
}

/// What the version rule says of an arriving version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// The record is not known.
    First,
    /// It replaces the known version.
    Newer,
    /// It changes nothing.
    Duplicate,
}

/// Why entries are forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forgotten {
    /// Their memory is over.
    Over,
    /// There are too many.
    OverLimit,
}

/// All entries.
#[derive(Debug)]
pub(super) struct Ledger {
    lateness_ms: i64,
    join_ms: i64,
    max_entries: usize,
    /// Places of the entries, by the id of their record.
    index: Index,
    /// Places of the surveys that take dimensions from an interaction, by the id of that one.
    joins: Joins,
    /// What restored entries will add to the two; empty at any other time.
    expected: [Expected; 2],
    /// The entries, by the bucket in which their memory ends.
    slots: Slab<Slot>,
    entries: usize,
    bucket_ms: i64,
    /// The youngest event time that had to go before its time.
    evicted_until: Option<Timestamp>,
}

impl Ledger {
    pub(super) fn new(lateness_ms: i64, join_ms: i64, max_entries: usize) -> Self {
        let longest_ms = lateness_ms.saturating_add(lateness_ms.max(join_ms));
        Self {
            lateness_ms,
            join_ms,
            max_entries,
            index: Index::default(),
            joins: Joins::default(),
            expected: Default::default(),
            slots: Slab::default(),
            entries: 0,
            bucket_ms: (longest_ms / BUCKETS).max(1),
            evicted_until: None,
        }
    }

    /// Records remembered.
    pub(super) fn len(&self) -> usize {
        self.entries
    }

    /// Where the entry of a record is; it stays there until the record is put anew or forgotten.
    #[inline]
    pub(super) fn find(&self, id: IdHash) -> Option<Place> {
        let is_it = |place| self.slots.at(place).id() == id;
        let spot = self.index.find(id.low(), is_it)?;
        Some(self.index.at(spot))
    }

    /// Brings what judging these records will look at into the cache: first of all of them where they
    /// would be found, then the entries that are there. No load waits for another of the same round.
    pub(super) fn touch(&self, records: &[IdHash]) {
        for id in records {
            black_box(self.index.touch(id.low()));
        }
        for id in records {
            black_box(self.index.touch_behind(id.low()));
        }
        if !self.joins.is_empty() {
            for id in records {
                black_box(self.joins.touch(*id));
            }
        }
        for id in records {
            let touch = |place| _ = black_box(self.slots.touch(place));
            self.index.each(id.low(), touch);
        }
    }

    /// The entry at a place that [`Ledger::find`] gave.
    #[inline]
    pub(super) fn at(&self, place: Place) -> Entry {
        self.slots.at(place).entry()
    }

    /// The entry of a record.
    pub(super) fn get(&self, id: IdHash) -> Option<Entry> {
        self.find(id).map(|place| self.at(place))
    }

    /// The record at `place` is booked elsewhere.
    pub(super) fn set_route(&mut self, place: Place, route: RouteId) {
        self.slots.change(place).set_route(route);
    }

    /// The version rule, applied here and nowhere else: the greatest version time counts; with
    /// equal ones an equal record is a duplicate and of changed ones the later in the stream wins.
    pub(super) fn judge(
        &mut self,
        known: Option<(Place, &Entry)>,
        record: &Record,
        order: u64,
    ) -> Version {
        let Some((place, known)) = known else {
            return Version::First;
        };
        match record.version_time.cmp(&known.version_time) {
            std::cmp::Ordering::Greater => Version::Newer,
            std::cmp::Ordering::Equal if record.content & CONTENT_MASK == known.content => {
                if order > known.order {
                    self.slots.change(place).set_order(order);
                }
                Version::Duplicate
            }
            std::cmp::Ordering::Equal if order > known.order => Version::Newer,
            std::cmp::Ordering::Equal | std::cmp::Ordering::Less => Version::Duplicate,
        }
    }

    /// Puts a version in the place of the one `known`, which the ledger has under this id.
    pub(super) fn put(&mut self, id: IdHash, entry: &Entry, known: Option<(Place, &Entry)>) {
        let slot = Slot::pack(id, entry);
        match known {
            None => self.insert(id, slot),
            Some((place, _)) => self.replace(id, place, slot),
        }
    }

    fn insert(&mut self, id: IdHash, slot: Slot) {
        let place = self.slots.put(self.expiry_bucket(&slot), slot);
        let hash_of = |other| self.slots.at(other).id().low();
        self.index.insert(id.low(), place, hash_of);
        self.entries += 1;
        self.join(place, slot.joins());
    }

    fn replace(&mut self, id: IdHash, place: Place, slot: Slot) {
        let known = *self.slots.at(place);
        let (before, bucket) = (self.expiry_bucket(&known), self.expiry_bucket(&slot));
        let mut now = place;
        if before == bucket {
            *self.slots.change(place) = slot;
        } else {
            self.slots.vacate(before, place);
            now = self.slots.put(bucket, slot);
            if let Some(spot) = self.index.find(id.low(), |other| other == place) {
                self.index.set(spot, now);
            }
        }
        if (place, known.joins()) != (now, slot.joins()) {
            if let Some(interaction) = known.joins() {
                self.joins.remove(interaction, place);
            }
            self.join(now, slot.joins());
        }
    }

    /// The survey at `place` takes dimensions from an interaction.
    fn join(&mut self, place: Place, interaction: Option<IdHash>) {
        if let Some(interaction) = interaction {
            let joined = |other| self.slots.at(other).joins();
            self.joins.insert(interaction, place, joined);
        }
    }

    /// The surveys that take dimensions from an interaction.
    pub(super) fn surveys_of(&self, interaction: IdHash) -> Vec<IdHash> {
        let mut surveys = Vec::new();
        if self.joins.is_empty() {
            return surveys;
        }
        self.joins.each(interaction, |place| {
            let slot = self.slots.at(place);
            if slot.joins() == Some(interaction) {
                surveys.push(slot.id());
            }
        });
        surveys
    }

    /// Whether there are very many of them.
    #[inline]
    pub(super) fn is_crowded(&self, interaction: IdHash) -> bool {
        self.joins.is_crowded(interaction)
    }

    /// When the memory of an entry ends: once stream time is greater. Interactions stay for late
    /// surveys; a survey that takes its dimensions from an interaction stays as long as that one
    /// can still be corrected.
    fn expires_at(&self, slot: &Slot) -> Timestamp {
        let memory_ms = if !slot.is_survey() {
            self.memory_of_interactions_ms()
        } else if slot.joins().is_some() {
            self.lateness_ms.saturating_mul(3)
        } else {
            self.lateness_ms.saturating_mul(2)
        };
        slot.event_time().plus_millis(memory_ms)
    }

    fn memory_of_interactions_ms(&self) -> i64 {
        self.lateness_ms
            .saturating_add(self.lateness_ms.max(self.join_ms))
    }

    /// No interaction up to this moment is remembered, and none of the past will be any more: late ones
    /// are refused. Holds when memory has been gone through at `stream_time`.
    pub(super) fn interactions_until(&self, stream_time: Timestamp) -> Timestamp {
        stream_time
            .plus_millis(-self.memory_of_interactions_ms())
            .plus_millis(-self.bucket_ms)
    }

    fn expiry_bucket(&self, slot: &Slot) -> i64 {
        self.expires_at(slot).as_millis().div_euclid(self.bucket_ms)
    }

    /// Whether [`Ledger::expire`] would forget something.
    pub(super) fn is_about_to_forget(&self, stream_time: Timestamp) -> bool {
        self.next_forgotten(stream_time).is_some()
    }

    /// Why the entries of the first bucket are to be forgotten, if they are.
    fn next_forgotten(&self, stream_time: Timestamp) -> Option<Forgotten> {
        let bucket = self.slots.first_bucket()?;
        if (bucket + 1).saturating_mul(self.bucket_ms) <= stream_time.as_millis() {
            Some(Forgotten::Over)
        } else {
            (self.entries > self.max_entries).then_some(Forgotten::OverLimit)
        }
    }

    /// Forgets entries whose memory is over at `stream_time`, and the oldest beyond the limit; each
    /// reference that one of them held to a route is handed to `release`.
    pub(super) fn expire(&mut self, stream_time: Timestamp, mut release: impl FnMut(RouteId)) {
        while let Some(forgotten) = self.next_forgotten(stream_time) {
            let over = forgotten == Forgotten::Over;
            let (entries, evicted_until) = (&mut self.entries, &mut self.evicted_until);
            self.slots.empty_first(
                &mut (&mut self.index, &mut self.joins),
                |(index, joins), slot| {
                    black_box(index.touch(slot.id().low()));
                    if let Some(interaction) = slot.joins() {
                        black_box(joins.touch(interaction));
                    }
                },
                |(index, joins), slot| {
                    black_box(index.touch_behind(slot.id().low()));
                    if let Some(interaction) = slot.joins() {
                        black_box(joins.touch_behind(interaction));
                    }
                },
                |(index, joins), place, slot| {
                    index.remove(slot.id().low(), place);
                    if let Some(interaction) = slot.joins() {
                        joins.remove(interaction, place);
                    }
                    *entries -= 1;
                    if !over {
                        *evicted_until = (*evicted_until).max(Some(slot.event_time()));
                    }
                    release(slot.route());
                    if let Some(own_route) = slot.own_route() {
                        release(own_route);
                    }
                },
            );
            let slots = &self.slots;
            self.index.tighten(|place| slots.at(place).id().low());
            self.joins.tighten(|place| slots.at(place).joins());
        }
    }

    /// The lateness that can still be honoured: the configured one until the limit has bitten.
    pub(super) fn effective_lateness_ms(&self, stream_time: Option<Timestamp>) -> i64 {
        match (self.evicted_until, stream_time) {
            (Some(evicted), Some(now)) => {
                (now.millis_since(evicted) / 2).clamp(0, self.lateness_ms)
            }
            _ => self.lateness_ms,
        }
    }
}

/// Capture and restore.
impl Ledger {
    /// Starts a capture of the present state.
    pub(super) fn begin_capture(&mut self, numbers: RouteNumbers) {
        self.slots.begin_capture(numbers);
    }

    /// The next captured piece; `None` when all have been handed out, which ends the capture.
    pub(super) fn capture_next(&mut self) -> Option<Vec<u8>> {
        self.slots.capture_next()
    }

    /// The youngest event time that had to go before its time, for a capture.
    pub(super) fn evicted_until(&self) -> Option<Timestamp> {
        self.evicted_until
    }

    /// Sets what [`Ledger::evicted_until`] captured.
    pub(super) fn set_evicted_until(&mut self, evicted_until: Option<Timestamp>) {
        self.evicted_until = evicted_until;
    }

    /// Puts the entries of a captured piece back; `adopt` takes each reference to a route and says
    /// whether that exists. [`Ledger::restored`] follows the last piece.
    pub(super) fn restore(
        &mut self,
        bytes: &[u8],
        mut adopt: impl FnMut(RouteId) -> bool,
    ) -> Result<(), RestoreError> {
        let kind = SectionKind::Ledger;
        let mut slots = std::mem::take(&mut self.slots);
        let restored = slots.restore(kind, bytes, |slot| {
            // Also whether there is an entry in it at all.
            if !slot.is_packed() {
                return Err(RestoreError::Decode { kind });
            }
            if !adopt(slot.route()) || !slot.own_route().is_none_or(&mut adopt) {
                return Err(RestoreError::Dangling { kind });
            }
            self.entries += 1;
            let [ids_expected, joins_expected] = &mut self.expected;
            ids_expected.add(slot.id().low());
            if let Some(interaction) = slot.joins() {
                joins_expected.add(interaction.low());
            }
            Ok(self.expiry_bucket(slot))
        });
        self.slots = slots;
        restored
    }

    /// Makes the entries found once all have been put back.
    pub(super) fn restored(&mut self) -> Result<(), RestoreError> {
        self.slots.restored();
        let slots = &self.slots;
        let ids = || {
            let entries = slots.occupied();
            entries.map(|(place, slot)| (slot.id().low(), place))
        };
        let joins = || {
            let entries = slots.occupied();
            entries.filter_map(|(place, slot)| Some((slot.joins()?, place)))
        };
        let [ids_expected, joins_expected] = std::mem::take(&mut self.expected);
        self.index.make_room(ids_expected);
        self.joins.make_room(joins_expected);
        let is_same = |one, other| slots.at(one).id() == slots.at(other).id();
        if !self.index.fill(ids(), is_same) {
            let kind = SectionKind::Ledger;
            return Err(RestoreError::Twice { kind });
        }
        self.joins.fill(joins(), |place| slots.at(place).joins());
        Ok(())
    }
}
