//! All chains: their contacts, and how they are found.
//!
//! Contacts lie in a slab by event time. A chain is found by its newest contact, and each contact
//! knows the next older one. Of that one nobody hears when it is forgotten: a link may lead to a
//! place that is empty, or to what has been put there since, which is never an older contact of the
//! same chain (whoever comes in before a contact is linked to it anew).

use hashbrown::HashTable;
use smallvec::SmallVec;

use super::capture::{RestoreError, RouteNumbers, SectionKind};
use super::chain::{Chain, Effects, Inserted, insert_at, remove_at};
use super::contact::{Contact, ContactSlot};
use super::hashing::shard_of;
use super::routes::{RouteId, Routes};
use super::slab::{Place, Slab, Slot};
use crate::event::IdHash;
use crate::time::Timestamp;

/// Shards of the chain table; bounds how long one table takes to grow.
pub(super) const SHARDS: usize = 1024;

/// Buckets of time that memory is cut into: what is in one is forgotten at once.
const BUCKETS: i64 = 2048;

/// The end of a chain that a change can touch.
#[derive(Debug, Default)]
struct End {
    /// Places of `contacts`.
    places: SmallVec<[Place; 8]>,
    contacts: Chain,
    /// Whether the first of them is the one before the change.
    has_before: bool,
}

/// All chains.
#[derive(Debug)]
pub(super) struct Chains {
    horizon_ms: i64,
    /// How long contacts stay behind stream time: horizon + 2 x lateness.
    memory_ms: i64,
    max_contacts: usize,
    /// The newest contact of each chain, by shard.
    newest: Vec<HashTable<Place>>,
    /// The contacts, by the bucket of their event time.
    slots: Slab<ContactSlot>,
    contacts: usize,
    bucket_ms: i64,
    /// The youngest contact that had to go before its time.
    evicted_until: Option<Timestamp>,
}

impl Chains {
    pub(super) fn new(horizon_ms: i64, lateness_ms: i64, max_contacts: usize) -> Self {
        let memory_ms = horizon_ms.saturating_add(lateness_ms.saturating_mul(2));
        Self {
            horizon_ms,
            memory_ms,
            max_contacts,
            newest: (0..SHARDS).map(|_| HashTable::new()).collect(),
            slots: Slab::default(),
            contacts: 0,
            bucket_ms: (memory_ms / BUCKETS).max(1),
            evicted_until: None,
        }
    }

    /// Contacts remembered.
    pub(super) fn len(&self) -> usize {
        self.contacts
    }

    fn newest_of(&self, chain: IdHash) -> Option<Place> {
        let is_it = |place: &Place| self.slots.at(*place).chain() == chain;
        let shard = &self.newest[shard_of(chain.0, SHARDS)];
        shard.find(chain.low(), is_it).copied()
    }

    /// Brings what putting a contact into each of these chains will look at into the cache.
    pub(super) fn touch(&self, chains: &[IdHash]) {
        for chain in chains {
            std::hint::black_box(self.newest_of(*chain).is_some());
        }
    }

    /// The next older contact of the chain; `None` when there is none or it has been forgotten.
    fn older_than(&self, slot: &ContactSlot) -> Option<Place> {
        let place = slot.older()?;
        let older = self.slots.at(place);
        let is_one = older.is_occupied()
            && older.chain() == slot.chain()
            && older.contact().order() < slot.contact().order();
        is_one.then_some(place)
    }

    /// The contacts of a chain that `stays` says are behind a change, and the one before them.
    fn end_of(&self, chain: IdHash, stays: impl Fn(&Contact) -> bool) -> End {
        let mut end = End::default();
        let mut next = self.newest_of(chain);
        while let Some(place) = next {
            let slot = self.slots.at(place);
            let contact = slot.contact();
            end.places.push(place);
            end.contacts.push(contact);
            end.has_before = !stays(&contact);
            if end.has_before {
                break;
            }
            next = self.older_than(slot);
        }
        end.places.reverse();
        end.contacts.reverse();
        end
    }

    /// Writes down what has changed of contacts.
    fn write(&mut self, places: &[Place], contacts: &[Contact]) {
        for (place, contact) in places.iter().zip(contacts) {
            if self.slots.at(*place).contact() != *contact {
                self.slots.change(*place).set_written(contact);
            }
        }
    }

    fn bucket_of(&self, event_time: Timestamp) -> i64 {
        event_time.as_millis().div_euclid(self.bucket_ms)
    }

    /// Puts a contact into its chain; the chain holds a reference to its route from now on.
    pub(super) fn insert(
        &mut self,
        chain: IdHash,
        mut contact: Contact,
        routes: &mut Routes,
        effects: &mut impl Effects,
    ) -> Inserted {
        routes.retain(contact.route);
        let order = contact.order();
        let mut end = self.end_of(chain, |other| other.order() >= order);
        let at = usize::from(end.has_before);
        let horizon_ms = self.horizon_ms;
        let inserted = insert_at(&mut end.contacts, at, &mut contact, horizon_ms, effects);
        self.put(chain, &contact, &mut end.places, at);
        self.write(&end.places, &end.contacts);
        self.contacts += 1;
        inserted
    }

    /// Gives a contact its place between the others at the end of a chain.
    fn put(
        &mut self,
        chain: IdHash,
        contact: &Contact,
        places: &mut SmallVec<[Place; 8]>,
        at: usize,
    ) {
        let mut slot = ContactSlot::pack(chain, contact);
        let before = at.checked_sub(1).map(|before| places[before]);
        slot.set_older(before);
        let place = self.slots.put(self.bucket_of(contact.event_time), slot);
        match places.get(at) {
            Some(next) => self.slots.change(*next).set_older(Some(place)),
            None => self.set_newest(chain, before, Some(place)),
        }
        places.insert(at, place);
    }

    /// The newest contact of a chain, until now `before`, is another one; there was, or is, none.
    fn set_newest(&mut self, chain: IdHash, before: Option<Place>, now: Option<Place>) {
        let slots = &self.slots;
        let shard = &mut self.newest[shard_of(chain.0, SHARDS)];
        let is_known = |place: &Place| Some(*place) == before;
        match (shard.find_entry(chain.low(), is_known), now) {
            (Ok(mut entry), Some(now)) => *entry.get_mut() = now,
            (Ok(entry), None) => {
                entry.remove();
            }
            (Err(_), Some(now)) => {
                let hash_of = |other: &Place| slots.at(*other).chain().low();
                shard.insert_unique(chain.low(), now, hash_of);
            }
            (Err(_), None) => {}
        }
    }

    /// Takes a contact out of its chain and hands over the chain's reference to its route. Returns
    /// `None`, and changes nothing, when the contact is not there any more.
    pub(super) fn remove(
        &mut self,
        chain: IdHash,
        event_time: Timestamp,
        id: u64,
        effects: &mut impl Effects,
    ) -> Option<RouteId> {
        // Contacts of the same time may come before it as well as behind it.
        let mut end = self.end_of(chain, |other| other.event_time >= event_time);
        let is_it = |contact: &Contact| contact.event_time == event_time && contact.id == id;
        let at = end.contacts.iter().position(is_it)?;
        let (place, contact) = (end.places[at], end.contacts[at]);
        let older = self.older_than(self.slots.at(place));
        match end.places.get(at + 1) {
            Some(next) => self.slots.change(*next).set_older(older),
            None => self.set_newest(chain, Some(place), older),
        }
        remove_at(&mut end.contacts, at, self.horizon_ms, effects);
        end.places.remove(at);
        self.write(&end.places, &end.contacts);
        self.slots.vacate(self.bucket_of(event_time), place);
        self.contacts -= 1;
        Some(contact.route)
    }

    /// Forgets contacts whose memory is over at `stream_time`, and the oldest beyond the limit.
    pub(super) fn expire(&mut self, stream_time: Timestamp, routes: &mut Routes) {
        let bound = stream_time.plus_millis(-self.memory_ms);
        while let Some(bucket) = self.slots.first_bucket() {
            let bucket_end = (bucket + 1).saturating_mul(self.bucket_ms);
            let over_limit = self.contacts > self.max_contacts;
            if bucket_end > bound.as_millis() && !over_limit {
                return;
            }
            if bucket_end > bound.as_millis() {
                let until = Timestamp::from_millis(bucket_end);
                self.evicted_until = self.evicted_until.max(Some(until));
            }
            let contacts = &mut self.contacts;
            self.slots.empty_first(
                &mut self.newest,
                |newest, place, slot| {
                    let chain = slot.chain();
                    let shard = &newest[shard_of(chain.0, SHARDS)];
                    let found = shard.find(chain.low(), |other| *other == place);
                    std::hint::black_box(found.is_some());
                },
                |newest, place, slot| {
                    let chain = slot.chain();
                    let shard = &mut newest[shard_of(chain.0, SHARDS)];
                    // Where there is a newer one, the chain goes on without this one.
                    if let Ok(entry) = shard.find_entry(chain.low(), |other| *other == place) {
                        entry.remove();
                    }
                    routes.release(slot.route());
                    *contacts -= 1;
                },
            );
        }
    }

    /// The horizon that can still be honoured.
    pub(super) fn effective_horizon_ms(&self, stream_time: Option<Timestamp>) -> i64 {
        match (self.evicted_until, stream_time) {
            (Some(evicted), Some(now)) => {
                let kept_ms = now.millis_since(evicted);
                (kept_ms - (self.memory_ms - self.horizon_ms)).clamp(0, self.horizon_ms)
            }
            _ => self.horizon_ms,
        }
    }
}

/// Capture and restore.
impl Chains {
    /// Starts a capture of the present state.
    pub(super) fn begin_capture(&mut self, numbers: RouteNumbers) {
        self.slots.begin_capture(numbers);
    }

    /// The next captured piece; `None` when all have been handed out, which ends the capture.
    pub(super) fn capture_next(&mut self) -> Option<Vec<u8>> {
        self.slots.capture_next()
    }

    /// The youngest contact that had to go before its time, for a capture.
    pub(super) fn evicted_until(&self) -> Option<Timestamp> {
        self.evicted_until
    }

    /// Sets what [`Chains::evicted_until`] captured.
    pub(super) fn set_evicted_until(&mut self, evicted_until: Option<Timestamp>) {
        self.evicted_until = evicted_until;
    }

    /// Puts the contacts of a captured piece back; `adopt` takes the reference to a contact's route
    /// and says whether it exists. [`Chains::restored`] follows the last piece.
    pub(super) fn restore(
        &mut self,
        bytes: &[u8],
        mut adopt: impl FnMut(RouteId) -> bool,
    ) -> Result<(), RestoreError> {
        let kind = SectionKind::Chains;
        let slots = ContactSlot::read_all(bytes).ok_or(RestoreError::Decode { kind })?;
        for mut slot in slots {
            let chain = slot.chain();
            // Also whether there is a contact in it at all.
            if ContactSlot::pack(chain, &slot.contact()) != slot {
                return Err(RestoreError::Decode { kind });
            }
            if !adopt(slot.route()) {
                return Err(RestoreError::Dangling { kind });
            }
            // For now in the order in which they come.
            let before = self.newest_of(chain);
            slot.set_older(before);
            let place = self.slots.put(self.bucket_of(slot.event_time()), slot);
            self.set_newest(chain, before, Some(place));
            self.contacts += 1;
        }
        Ok(())
    }

    /// Brings the contacts of every chain in order once all have been put back.
    pub(super) fn restored(&mut self) -> Result<(), RestoreError> {
        let mut places = Vec::new();
        for shard in &mut self.newest {
            for newest in shard.iter_mut() {
                places.clear();
                let mut next = Some(*newest);
                while let Some(place) = next {
                    places.push(place);
                    next = self.slots.at(place).older();
                }
                let order = |place: &Place| self.slots.at(*place).contact().order();
                if places.is_sorted_by(|newer, older| order(newer) > order(older)) {
                    continue;
                }
                places.sort_unstable_by_key(order);
                if places
                    .windows(2)
                    .any(|pair| order(&pair[0]) == order(&pair[1]))
                {
                    return Err(RestoreError::Twice {
                        kind: SectionKind::Chains,
                    });
                }
                let mut older = None;
                for place in &places {
                    self.slots.change(*place).set_older(older);
                    older = Some(*place);
                }
                *newest = older.unwrap_or(*newest);
            }
        }
        Ok(())
    }
}
