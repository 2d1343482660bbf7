//! The ledger: the newest version of each interaction and survey within memory, with all that is
//! needed to take its contribution back.

use std::collections::BTreeMap;

use hashbrown::{HashMap, HashTable};
use serde::{Deserialize, Serialize};

use super::capture::{
    RestoreError, RouteNumbers, SectionKind, ShardCapture, decode, encode, number_of,
};
use super::hashing::{IdentityState, shard_of};
use super::routes::RouteId;
use super::slot::Slot;
use crate::event::{IdHash, Record};
use crate::time::Timestamp;

/// Shards of the ledger; bounds how long one table takes to grow.
pub(super) const SHARDS: usize = 1024;

/// Slots of one chunk.
const CHUNK: usize = 1 << 12;

/// The winning version of a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Body {
    Interaction(InteractionBody),
    Survey(SurveyBody),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

/// Where the slot of an entry is.
type Place = u32;

#[derive(Debug, Default)]
struct Shard {
    /// Places of the entries, by id.
    index: HashTable<Place>,
    /// Surveys that take dimensions from an interaction, by interaction.
    joins: HashMap<u128, Vec<u128>, IdentityState>,
}

/// Slots by place, in chunks: what is there is never moved to make room. Entries that came together
/// lie together, and go together.
#[derive(Debug, Default)]
struct Slots {
    chunks: Vec<Box<[Slot]>>,
    free: Vec<Place>,
}

/// All entries.
#[derive(Debug)]
pub(super) struct Ledger {
    lateness_ms: i64,
    join_ms: i64,
    max_entries: usize,
    shards: Vec<Shard>,
    slots: Slots,
    entries: usize,
    /// Records by the bucket in which their memory ends; one that has moved on meanwhile stands in
    /// a later bucket, too, and one that has gone may have left its place to another.
    expiry: BTreeMap<i64, Vec<Place>>,
    bucket_ms: i64,
    /// The youngest event time that had to go before its time.
    evicted_until: Option<Timestamp>,
    capture: Option<ShardCapture>,
}

impl Ledger {
    pub(super) fn new(lateness_ms: i64, join_ms: i64, max_entries: usize) -> Self {
        let longest_ms = lateness_ms.saturating_add(lateness_ms.max(join_ms));
        Self {
            lateness_ms,
            join_ms,
            max_entries,
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            slots: Slots::default(),
            entries: 0,
            expiry: BTreeMap::new(),
            bucket_ms: (longest_ms / 512).max(1),
            evicted_until: None,
            capture: None,
        }
    }

    /// Records remembered.
    pub(super) fn len(&self) -> usize {
        self.entries
    }

    fn shard(&self, id: IdHash) -> &Shard {
        &self.shards[shard_of(id.0, SHARDS)]
    }

    /// The entry of a record is about to change: a capture takes its shard as it is.
    fn before_change(&mut self, id: IdHash) {
        let at = shard_of(id.0, SHARDS);
        if let Some(capture) = &mut self.capture
            && capture.is_due(at)
        {
            let bytes = self.shards[at].encoded(&self.slots, &capture.numbers);
            capture.store(at, bytes);
        }
    }

    fn place_of(&self, id: IdHash) -> Option<Place> {
        let is_it = |place: &Place| self.slots.at(*place).id() == id;
        self.shard(id).index.find(id.low(), is_it).copied()
    }

    pub(super) fn get(&self, id: IdHash) -> Option<Entry> {
        self.place_of(id).map(|place| self.slots.at(place).entry())
    }

    /// The record is booked elsewhere.
    pub(super) fn set_route(&mut self, id: IdHash, route: RouteId) {
        self.before_change(id);
        if let Some(place) = self.place_of(id) {
            self.slots.at_mut(place).set_route(route);
        }
    }

    /// The version rule, applied here and nowhere else: the greatest version time counts; with
    /// equal ones an equal record is a duplicate and of changed ones the later in the stream wins.
    pub(super) fn judge(&mut self, known: Option<&Entry>, record: &Record, order: u64) -> Version {
        let Some(known) = known else {
            return Version::First;
        };
        match record.version_time.cmp(&known.version_time) {
            std::cmp::Ordering::Greater => Version::Newer,
            std::cmp::Ordering::Equal if record.content == known.content => {
                if order > known.order {
                    self.before_change(record.id);
                    if let Some(place) = self.place_of(record.id) {
                        self.slots.at_mut(place).set_order(order);
                    }
                }
                Version::Duplicate
            }
            std::cmp::Ordering::Equal if order > known.order => Version::Newer,
            std::cmp::Ordering::Equal | std::cmp::Ordering::Less => Version::Duplicate,
        }
    }

    /// Puts a version in the place of the one `known`, which the ledger has under this id.
    pub(super) fn put(&mut self, id: IdHash, entry: &Entry, known: Option<&Entry>) {
        self.before_change(id);
        let slot = Slot::pack(id, entry);
        let place = match self.place_of(id) {
            Some(place) => {
                *self.slots.at_mut(place) = slot;
                place
            }
            None => self.insert(id, slot),
        };
        self.schedule(place, &slot);
        let before = known.and_then(joined_interaction);
        let joins = joined_interaction(entry);
        if before != joins {
            self.unlink(id, before);
            self.link(id, joins);
        }
    }

    fn insert(&mut self, id: IdHash, slot: Slot) -> Place {
        let place = self.slots.put(slot);
        let slots = &self.slots;
        let hash_of = |other: &Place| slots.at(*other).id().low();
        let index = &mut self.shards[shard_of(id.0, SHARDS)].index;
        index.insert_unique(id.low(), place, hash_of);
        self.entries += 1;
        place
    }

    fn schedule(&mut self, place: Place, slot: &Slot) {
        let bucket = self.expiry_bucket(slot);
        self.expiry.entry(bucket).or_default().push(place);
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

    fn unlink(&mut self, survey: IdHash, interaction: Option<IdHash>) {
        let Some(interaction) = interaction else {
            return;
        };
        let joins = &mut self.shards[shard_of(interaction.0, SHARDS)].joins;
        if let Some(surveys) = joins.get_mut(&interaction.0) {
            surveys.retain(|other| *other != survey.0);
            if surveys.is_empty() {
                joins.remove(&interaction.0);
            }
        }
    }

    /// The surveys that take dimensions from an interaction.
    pub(super) fn surveys_of(&self, interaction: IdHash) -> Vec<IdHash> {
        match self.shard(interaction).joins.get(&interaction.0) {
            Some(surveys) => surveys.iter().copied().map(IdHash).collect(),
            None => Vec::new(),
        }
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
        while let Some(first) = self.expiry.first_entry() {
            let bucket = *first.key();
            let over = (bucket + 1).saturating_mul(self.bucket_ms) <= stream_time.as_millis();
            if !over && self.entries <= self.max_entries {
                return;
            }
            for place in first.remove() {
                self.forget(place, bucket, over, &mut forgotten);
            }
        }
    }

    fn forget(&mut self, place: Place, bucket: i64, over: bool, forgotten: &mut impl FnMut(Entry)) {
        let slot = *self.slots.at(place);
        if !slot.is_occupied() || self.expiry_bucket(&slot) != bucket {
            return;
        }
        let id = slot.id();
        self.before_change(id);
        let index = &mut self.shards[shard_of(id.0, SHARDS)].index;
        if let Ok(entry) = index.find_entry(id.low(), |other| *other == place) {
            entry.remove();
        }
        self.slots.clear(place);
        self.entries -= 1;
        self.unlink(id, slot.joins());
        if !over {
            self.evicted_until = self.evicted_until.max(Some(slot.event_time()));
        }
        forgotten(slot.entry());
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
        self.capture = Some(ShardCapture::new(SHARDS, numbers));
    }

    /// The next captured shard; `None` when all have been handed out, which ends the capture.
    pub(super) fn capture_next(&mut self) -> Option<Vec<u8>> {
        let capture = self.capture.as_mut()?;
        if let Some(bytes) = capture.take() {
            return Some(bytes);
        }
        while let Some(at) = capture.next_due() {
            let bytes = self.shards[at].encoded(&self.slots, &capture.numbers);
            capture.store(at, bytes);
            let written = capture.take();
            if written.is_some() {
                return written;
            }
        }
        self.capture = None;
        None
    }

    /// The youngest event time that had to go before its time, for a capture.
    pub(super) fn evicted_until(&self) -> Option<Timestamp> {
        self.evicted_until
    }

    /// Sets what [`Ledger::evicted_until`] captured.
    pub(super) fn set_evicted_until(&mut self, evicted_until: Option<Timestamp>) {
        self.evicted_until = evicted_until;
    }

    /// Puts the entries of a captured shard back; hands each to `adopt`, which takes the references
    /// to its routes and says whether they exist.
    pub(super) fn restore(
        &mut self,
        bytes: &[u8],
        mut adopt: impl FnMut(&Entry) -> bool,
    ) -> Result<(), RestoreError> {
        let kind = SectionKind::Ledger;
        let entries: Vec<(u128, Entry)> = decode(kind, bytes)?;
        for (id, entry) in entries {
            if !adopt(&entry) {
                return Err(RestoreError::Dangling { kind });
            }
            let id = IdHash(id);
            let slot = Slot::pack(id, &entry);
            if slot.id() != id || slot.entry() != entry {
                return Err(RestoreError::Decode { kind });
            }
            if self.place_of(id).is_some() {
                return Err(RestoreError::Twice { kind });
            }
            let place = self.insert(id, slot);
            self.schedule(place, &slot);
            self.link(id, joined_interaction(&entry));
        }
        Ok(())
    }
}

impl Slots {
    fn at(&self, place: Place) -> &Slot {
        let (chunk, at) = within(place);
        &self.chunks[chunk][at]
    }

    fn at_mut(&mut self, place: Place) -> &mut Slot {
        let (chunk, at) = within(place);
        &mut self.chunks[chunk][at]
    }

    /// Finds a place for a slot.
    fn put(&mut self, slot: Slot) -> Place {
        if self.free.is_empty() {
            let first = self.chunks.len() * CHUNK;
            self.chunks.push(vec![Slot::EMPTY; CHUNK].into());
            let places = first..first + CHUNK;
            // The last one is taken first.
            let places = places.rev().filter_map(|place| Place::try_from(place).ok());
            self.free.extend(places);
        }
        let place = self.free.pop().unwrap_or(Place::MAX);
        *self.at_mut(place) = slot;
        place
    }

    fn clear(&mut self, place: Place) {
        *self.at_mut(place) = Slot::EMPTY;
        self.free.push(place);
    }
}

/// Chunk and place in it.
#[expect(
    clippy::as_conversions,
    reason = "u32 to usize never loses on supported targets"
)]
fn within(place: Place) -> (usize, usize) {
    (place as usize / CHUNK, place as usize % CHUNK)
}

impl Shard {
    /// The entries ordered by id, routes by their canonical numbers; `None` without entries.
    fn encoded(&self, slots: &Slots, numbers: &RouteNumbers) -> Option<Vec<u8>> {
        if self.index.is_empty() {
            return None;
        }
        let mut entries: Vec<(u128, Entry)> = self
            .index
            .iter()
            .map(|place| slots.at(*place))
            .map(|slot| (slot.id().0, slot.entry()))
            .collect();
        entries.sort_unstable_by_key(|entry| entry.0);
        for (_, entry) in &mut entries {
            entry.route = number_of(numbers, entry.route);
            if let Body::Survey(survey) = &mut entry.body {
                survey.own_route = number_of(numbers, survey.own_route);
            }
        }
        Some(encode(&entries))
    }
}

fn joined_interaction(entry: &Entry) -> Option<IdHash> {
    match &entry.body {
        Body::Survey(survey) => survey.joins,
        Body::Interaction(_) => None,
    }
}
