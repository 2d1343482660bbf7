//! The ledger: the newest version of each interaction and survey within memory, with all that is
//! needed to take its contribution back.

use super::capture::{RestoreError, RouteNumbers, SectionKind};
use super::hashing::{IdentityState, shard_of};
use super::routes::RouteId;
use super::slab::{Place, Slab};
use super::slot::Slot;
use crate::event::{IdHash, Record};
use crate::time::Timestamp;
use hashbrown::{HashMap, HashTable};

/// Shards of the ledger; bounds how long one table takes to grow.
pub(super) const SHARDS: usize = 1024;

/// Buckets of time that memory is cut into: what is in one is forgotten at once.
const BUCKETS: i64 = 2048;

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

/// Where entries are found.
#[derive(Debug, Default)]
struct Shard {
    /// Places of the entries, by id.
    index: HashTable<Place>,
    /// Surveys that take dimensions from an interaction, by interaction.
    joins: HashMap<u128, Vec<u128>, IdentityState>,
}

/// All entries.
#[derive(Debug)]
pub(super) struct Ledger {
    lateness_ms: i64,
    join_ms: i64,
    max_entries: usize,
    shards: Vec<Shard>,
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
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
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

    fn shard(&self, id: IdHash) -> &Shard {
        &self.shards[shard_of(id.0, SHARDS)]
    }

    /// Where the entry of a record is; it stays there until the record is put anew or forgotten.
    pub(super) fn find(&self, id: IdHash) -> Option<Place> {
        let is_it = |place: &Place| self.slots.at(*place).id() == id;
        self.shard(id).index.find(id.low(), is_it).copied()
    }

    /// Brings what finding these records will look at into the cache.
    pub(super) fn touch(&self, records: &[IdHash]) {
        for id in records {
            std::hint::black_box(self.find(*id).is_some());
        }
    }

    /// The entry at a place that [`Ledger::find`] gave.
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
            std::cmp::Ordering::Equal if record.content == known.content => {
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
        let joins = joined_interaction(entry);
        let Some((place, known)) = known else {
            self.insert(id, slot);
            self.link(id, joins);
            return;
        };
        self.replace(id, place, slot);
        let before = joined_interaction(known);
        if before != joins {
            self.unlink(id, before);
            self.link(id, joins);
        }
    }

    fn insert(&mut self, id: IdHash, slot: Slot) {
        let place = self.slots.put(self.expiry_bucket(&slot), slot);
        let slots = &self.slots;
        let hash_of = |other: &Place| slots.at(*other).id().low();
        let index = &mut self.shards[shard_of(id.0, SHARDS)].index;
        index.insert_unique(id.low(), place, hash_of);
        self.entries += 1;
    }

    fn replace(&mut self, id: IdHash, place: Place, slot: Slot) {
        let before = self.expiry_bucket(self.slots.at(place));
        let bucket = self.expiry_bucket(&slot);
        if before == bucket {
            *self.slots.change(place) = slot;
            return;
        }
        self.slots.vacate(before, place);
        let moved = self.slots.put(bucket, slot);
        let index = &mut self.shards[shard_of(id.0, SHARDS)].index;
        if let Some(known) = index.find_mut(id.low(), |other| *other == place) {
            *known = moved;
        }
    }

    fn link(&mut self, survey: IdHash, interaction: Option<IdHash>) {
        if let Some(interaction) = interaction {
            let at = shard_of(interaction.0, SHARDS);
            self.shards[at]
                .joins
                .entry(interaction.0)
                .or_default()
                .push(survey.0);
        }
    }

    /// The surveys that take dimensions from an interaction.
    pub(super) fn surveys_of(&self, interaction: IdHash) -> Vec<IdHash> {
        match self.shard(interaction).joins.get(&interaction.0) {
            Some(surveys) => surveys.iter().copied().map(IdHash).collect(),
            None => Vec::new(),
        }
    }

    fn unlink(&mut self, survey: IdHash, interaction: Option<IdHash>) {
        unlink(&mut self.shards, survey, interaction);
    }

    /// When the memory of an entry ends: once stream time is greater. Interactions stay for late
    /// surveys; a survey that takes its dimensions from an interaction stays as long as that one
    /// can still be corrected.
    fn expires_at(&self, slot: &Slot) -> Timestamp {
        let memory_ms = if !slot.is_survey() {
            self.lateness_ms
                .saturating_add(self.lateness_ms.max(self.join_ms))
        } else if slot.joins().is_some() {
            self.lateness_ms.saturating_mul(3)
        } else {
            self.lateness_ms.saturating_mul(2)
        };
        slot.event_time().plus_millis(memory_ms)
    }

    fn expiry_bucket(&self, slot: &Slot) -> i64 {
        self.expires_at(slot).as_millis().div_euclid(self.bucket_ms)
    }

    /// Forgets entries whose memory is over at `stream_time`, and the oldest beyond the limit;
    /// hands each to `forgotten`.
    pub(super) fn expire(&mut self, stream_time: Timestamp, mut forgotten: impl FnMut(Entry)) {
        while let Some(bucket) = self.slots.first_bucket() {
            let over = (bucket + 1).saturating_mul(self.bucket_ms) <= stream_time.as_millis();
            if !over && self.entries <= self.max_entries {
                return;
            }
            let (entries, evicted_until) = (&mut self.entries, &mut self.evicted_until);
            self.slots.empty_first(
                &mut self.shards,
                |shards, place, slot| shards[shard_of(slot.id().0, SHARDS)].touch(place, slot),
                |shards, place, slot| {
                    let id = slot.id();
                    let index = &mut shards[shard_of(id.0, SHARDS)].index;
                    if let Ok(entry) = index.find_entry(id.low(), |other| *other == place) {
                        entry.remove();
                    }
                    *entries -= 1;
                    unlink(shards, id, slot.joins());
                    if !over {
                        *evicted_until = (*evicted_until).max(Some(slot.event_time()));
                    }
                    forgotten(slot.entry());
                },
            );
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

    /// Puts the entries of a captured piece back; hands each to `adopt`, which takes the references
    /// to its routes and says whether they exist.
    pub(super) fn restore(
        &mut self,
        bytes: &[u8],
        mut adopt: impl FnMut(&Entry) -> bool,
    ) -> Result<(), RestoreError> {
        let kind = SectionKind::Ledger;
        let slots = Slot::read_all(bytes).ok_or(RestoreError::Decode { kind })?;
        for slot in slots {
            let (id, entry) = (slot.id(), slot.entry());
            // Also whether there is an entry in it at all.
            if Slot::pack(id, &entry) != slot {
                return Err(RestoreError::Decode { kind });
            }
            if !adopt(&entry) {
                return Err(RestoreError::Dangling { kind });
            }
            if self.find(id).is_some() {
                return Err(RestoreError::Twice { kind });
            }
            self.insert(id, slot);
            self.link(id, joined_interaction(&entry));
        }
        Ok(())
    }
}

impl Shard {
    /// Brings what finding the entry will look at into the cache.
    fn touch(&self, place: Place, slot: &Slot) {
        let found = self.index.find(slot.id().low(), |other| *other == place);
        std::hint::black_box(found.is_some());
    }
}

fn unlink(shards: &mut [Shard], survey: IdHash, interaction: Option<IdHash>) {
    let Some(interaction) = interaction else {
        return;
    };
    let joins = &mut shards[shard_of(interaction.0, SHARDS)].joins;
    if let Some(surveys) = joins.get_mut(&interaction.0) {
        surveys.retain(|other| *other != survey.0);
        if surveys.is_empty() {
            joins.remove(&interaction.0);
        }
    }
}

fn joined_interaction(entry: &Entry) -> Option<IdHash> {
    match &entry.body {
        Body::Survey(survey) => survey.joins,
        Body::Interaction(_) => None,
    }
}
