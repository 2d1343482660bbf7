//! All chains: their contacts, and how they are found.
//!
//! Contacts lie in a slab by event time. A chain is found by its newest contact, and each contact
//! knows the next older one. Of that one nobody hears when it is forgotten: a link may lead to a
//! place that is empty, or to what has been put there since, which is never an older contact of the
//! same chain (whoever comes in before a contact is linked to it anew).

use std::hint::black_box;

use smallvec::SmallVec;

use super::capture::{RestoreError, RouteNumbers, SectionKind};
use super::chain::{Chain, Effects, Inserted, append, insert_at, remove_at};
use super::contact::{Contact, ContactSlot, MOST_CONTACTS, Tie};
use super::index::{Expected, Index, Spot};
use super::routes::{RouteId, Routes};
use super::slab::{Place, Slab, Slot};
use crate::event::IdHash;
use crate::time::Timestamp;

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
    /// The newest contact of each chain.
    newest: Index,
    /// What restored contacts will add to it; empty at any other time.
    expected: Expected,
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
            max_contacts: max_contacts.min(MOST_CONTACTS),
            newest: Index::default(),
            expected: Expected::default(),
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

    /// Where the index leads to the newest contact of a chain.
    #[inline]
    fn newest_of(&self, chain: IdHash) -> Option<Spot> {
        let is_it = |place| self.slots.at(place).chain() == chain;
        self.newest.find(chain.low(), is_it)
    }

    /// Brings what putting a contact into each of these chains will look at into the cache: first of
    /// all of them where they would be found, then the newest contacts. No load waits for another of
    /// the same round.
    pub(super) fn touch(&self, chains: &[IdHash]) {
        for chain in chains {
            black_box(self.newest.touch(chain.low()));
        }
        for chain in chains {
            black_box(self.newest.touch_behind(chain.low()));
        }
        for chain in chains {
            let touch = |place| _ = black_box(self.slots.touch(place));
            self.newest.each(chain.low(), touch);
        }
    }

    /// The next older contact of the chain; `None` when there is none or it has been forgotten.
    fn older_than(&self, slot: &ContactSlot) -> Option<Place> {
        let place = slot.older()?;
        let older = self.slots.get(place)?;
        let is_one =
            older.is_occupied() && older.chain() == slot.chain() && older.order() < slot.order();
        is_one.then_some(place)
    }

    /// The contacts of a chain that `stays` says are behind a change, and the one before them.
    fn end_of(&self, chain: IdHash, stays: impl Fn(&Contact) -> bool) -> End {
        let mut end = End::default();
        let newest = self.newest_of(chain);
        let mut next = newest.map(|spot| self.newest.at(spot));
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
        self.contacts += 1;
        let newest = self.newest_of(chain);
        let place = newest.map(|spot| self.newest.at(spot));
        let known = place.map(|place| self.slots.at(place).contact());
        if known.is_none_or(|known| known.order() < contact.order()) {
            let inserted = append(known.as_ref(), &mut contact, self.horizon_ms, effects);
            self.put_newest(chain, &contact, newest.zip(place));
            return inserted;
        }
        self.insert_behind(chain, contact, effects)
    }

    /// Gives a contact its place behind all others of its chain.
    fn put_newest(&mut self, chain: IdHash, contact: &Contact, before: Option<(Spot, Place)>) {
        let mut slot = ContactSlot::pack(chain, contact);
        slot.set_newest(true);
        slot.set_older(before.map(|(_, place)| place));
        let place = self.slots.put(self.bucket_of(contact.event_time), slot);
        if let Some((spot, before)) = before {
            self.slots.change(before).set_newest(false);
            self.newest.set(spot, place);
        } else {
            let hash_of = |other| self.slots.at(other).chain().low();
            self.newest.insert(chain.low(), place, hash_of);
        }
    }

    /// Puts a contact into its chain somewhere before the newest one.
    fn insert_behind(
        &mut self,
        chain: IdHash,
        mut contact: Contact,
        effects: &mut impl Effects,
    ) -> Inserted {
        let order = contact.order();
        let mut end = self.end_of(chain, |other| other.order() >= order);
        let at = usize::from(end.has_before);
        let horizon_ms = self.horizon_ms;
        let inserted = insert_at(&mut end.contacts, at, &mut contact, horizon_ms, effects);
        let mut slot = ContactSlot::pack(chain, &contact);
        slot.set_older(at.checked_sub(1).map(|before| end.places[before]));
        let place = self.slots.put(self.bucket_of(contact.event_time), slot);
        if let Some(next) = end.places.get(at) {
            self.slots.change(*next).set_older(Some(place));
        }
        end.places.insert(at, place);
        self.write(&end.places, &end.contacts);
        inserted
    }

    /// Takes a contact out of its chain and hands over the chain's reference to its route. Returns
    /// `None`, and changes nothing, when the contact is not there any more.
    pub(super) fn remove(
        &mut self,
        chain: IdHash,
        event_time: Timestamp,
        tie: Tie,
        effects: &mut impl Effects,
    ) -> Option<RouteId> {
        // Contacts of the same time may come before it as well as behind it.
        let mut end = self.end_of(chain, |other| other.event_time >= event_time);
        let is_it = |contact: &Contact| contact.order() == (event_time, tie);
        let at = end.contacts.iter().position(is_it)?;
        let (place, contact) = (end.places[at], end.contacts[at]);
        let older = self.older_than(self.slots.at(place));
        match end.places.get(at + 1) {
            Some(next) => self.slots.change(*next).set_older(older),
            None => self.retire_newest(chain, place, older),
        }
        remove_at(&mut end.contacts, at, self.horizon_ms, effects);
        end.places.remove(at);
        self.write(&end.places, &end.contacts);
        self.slots.vacate(self.bucket_of(event_time), place);
        self.contacts -= 1;
        Some(contact.route)
    }

    /// The newest contact of a chain goes; what comes before it, if anything does, is the newest now.
    fn retire_newest(&mut self, chain: IdHash, place: Place, older: Option<Place>) {
        let Some(older) = older else {
            self.newest.remove(chain.low(), place);
            return;
        };
        self.slots.change(older).set_newest(true);
        if let Some(spot) = self.newest.find(chain.low(), |other| other == place) {
            self.newest.set(spot, older);
        }
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
            // Where there is a newer one, the chain goes on without this one.
            self.slots.empty_first(
                &mut self.newest,
                |newest, slot, round| {
                    if slot.is_newest() {
                        let touch = [Index::touch, Index::touch_behind][round];
                        black_box(touch(newest, slot.chain().low()));
                    }
                },
                |newest, place, slot| {
                    if slot.is_newest() {
                        newest.remove(slot.chain().low(), place);
                    }
                    routes.release(slot.route());
                    *contacts -= 1;
                },
            );
            let slots = &self.slots;
            self.newest.tighten(|place| slots.at(place).chain().low());
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
        let bucket_ms = self.bucket_ms;
        let (contacts, expected) = (&mut self.contacts, &mut self.expected);
        self.slots.restore(kind, bytes, |slot| {
            if !slot.is_occupied() {
                return Err(RestoreError::Decode { kind });
            }
            if !adopt(slot.route()) {
                return Err(RestoreError::Dangling { kind });
            }
            *contacts += 1;
            if slot.is_newest() {
                expected.add(slot.chain().low());
            }
            Ok(slot.event_time().as_millis().div_euclid(bucket_ms))
        })
    }

    /// Makes the chains found once all contacts have been put back. Their links are as they were:
    /// one that leads to something else than an older contact of the same chain leads nowhere, as at
    /// any other time.
    pub(super) fn restored(&mut self) -> Result<(), RestoreError> {
        self.slots.restored();
        let slots = &self.slots;
        let newest = || {
            let newest = slots.occupied().filter(|(_, slot)| slot.is_newest());
            newest.map(|(place, slot)| (slot.chain().low(), place))
        };
        self.newest.make_room(std::mem::take(&mut self.expected));
        let chain_of = |place| slots.at(place).chain();
        let is_same = |one, other| chain_of(one) == chain_of(other);
        if self.newest.fill(newest(), is_same) {
            return Ok(());
        }
        let kind = SectionKind::Chains;
        Err(RestoreError::Twice { kind })
    }
}
