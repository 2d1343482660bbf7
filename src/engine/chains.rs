//! All chains: their contacts, and how they are found.
//!
//! A chain is found by its newest contact, and each contact that may still change knows the next older
//! one. Once the ledger has forgotten its record, a contact can neither go nor be corrected, and nothing
//! comes in before it: it is settled, and keeps only what the one after it may ask for.

use std::hint::black_box;

use smallvec::SmallVec;

use super::capture::{RestoreError, RouteNumbers, SectionKind};
use super::chain::{Chain, Effects, Inserted, append, insert_at, remove_at};
use super::contact::{Contact, Tie};
use super::contacts::{Contacts, MOST_CONTACTS};
use super::index::{Expected, Index, Spot};
use super::routes::{RouteId, Routes};
use super::slab::Place;
use crate::event::IdHash;
use crate::time::Timestamp;

/// Buckets of time that memory is cut into: what is in one is forgotten at once.
const BUCKETS: i64 = 1024;

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
    contacts: Contacts,
    /// How many.
    count: usize,
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
            contacts: Contacts::new((memory_ms / BUCKETS).max(1)),
            count: 0,
            evicted_until: None,
        }
    }

    /// Contacts remembered.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Where the index leads to the newest contact of a chain.
    #[inline]
    fn newest_of(&self, chain: IdHash) -> Option<Spot> {
        let is_it = |place| self.contacts.chain_at(place) == chain;
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
            self.newest
                .each(chain.low(), |place| self.contacts.touch(place));
        }
    }

    /// The contacts of a chain that `stays` says are behind a change, and the one before them.
    fn end_of(&self, chain: IdHash, stays: impl Fn(&Contact) -> bool) -> End {
        let mut end = End::default();
        let newest = self.newest_of(chain);
        let mut next = newest.map(|spot| self.newest.at(spot));
        while let Some(place) = next {
            let contact = self.contacts.at(place);
            end.places.push(place);
            end.contacts.push(contact);
            end.has_before = !stays(&contact);
            if end.has_before {
                break;
            }
            next = self.contacts.older(place);
        }
        end.places.reverse();
        end.contacts.reverse();
        end
    }

    /// Writes down what has changed of contacts.
    fn write(&mut self, places: &[Place], contacts: &[Contact]) {
        for (place, contact) in places.iter().zip(contacts) {
            self.contacts.write(*place, contact);
        }
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
        self.count += 1;
        let newest = self.newest_of(chain);
        let place = newest.map(|spot| self.newest.at(spot));
        let known = place.map(|place| self.contacts.at(place));
        if known.is_none_or(|known| known.order() < contact.order()) {
            let inserted = append(known.as_ref(), &mut contact, self.horizon_ms, effects);
            self.put_newest(chain, &contact, newest.zip(place));
            return inserted;
        }
        self.insert_behind(chain, contact, effects)
    }

    /// Gives a contact its place behind all others of its chain.
    fn put_newest(&mut self, chain: IdHash, contact: &Contact, before: Option<(Spot, Place)>) {
        let older = before.map(|(_, place)| place);
        let place = self.contacts.put(chain, contact, true, older);
        if let Some((spot, before)) = before {
            self.contacts.set_newest(before, false);
            self.newest.set(spot, place);
        } else {
            let contacts = &self.contacts;
            let hash_of = |other| contacts.chain_at(other).low();
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
        let older = at.checked_sub(1).map(|before| end.places[before]);
        let place = self.contacts.put(chain, &contact, false, older);
        if let Some(next) = end.places.get(at) {
            self.contacts.set_older(*next, Some(place));
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
        let older = self.contacts.older(place);
        match end.places.get(at + 1) {
            Some(next) => self.contacts.set_older(*next, older),
            None => self.retire_newest(chain, place, older),
        }
        remove_at(&mut end.contacts, at, self.horizon_ms, effects);
        end.places.remove(at);
        self.write(&end.places, &end.contacts);
        self.contacts.vacate(place, event_time);
        self.count -= 1;
        Some(contact.route)
    }

    /// The newest contact of a chain goes; what comes before it, if anything does, is the newest now.
    fn retire_newest(&mut self, chain: IdHash, place: Place, older: Option<Place>) {
        let Some(older) = older else {
            self.newest.remove(chain.low(), place);
            return;
        };
        self.contacts.set_newest(older, true);
        if let Some(spot) = self.newest.find(chain.low(), |other| other == place) {
            self.newest.set(spot, older);
        }
    }

    /// Settles the contacts up to `settled_until`, where no record of one is remembered, and forgets
    /// those whose memory is over at `stream_time`, and the oldest beyond the limit.
    pub(super) fn expire(
        &mut self,
        stream_time: Timestamp,
        settled_until: Timestamp,
        routes: &mut Routes,
    ) {
        let bound = stream_time.plus_millis(-self.memory_ms);
        while let Some(until) = self.contacts.oldest_until() {
            let is_over = until <= bound;
            if !is_over && self.count <= self.max_contacts {
                break;
            }
            if !is_over {
                self.evicted_until = self.evicted_until.max(Some(until));
            }
            let count = &mut self.count;
            self.contacts.forget_oldest(&mut self.newest, |route| {
                routes.release(route);
                *count -= 1;
            });
            let contacts = &self.contacts;
            self.newest.tighten(|place| contacts.chain_at(place).low());
        }
        self.contacts.settle(settled_until, &mut self.newest);
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
        self.contacts.begin_capture(numbers);
    }

    /// The next captured piece; `None` when all have been handed out, which ends the capture.
    pub(super) fn capture_next(&mut self) -> Option<Vec<u8>> {
        self.contacts.capture_next()
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
        let (count, expected) = (&mut self.count, &mut self.expected);
        self.contacts.restore(bytes, |restored| {
            if !adopt(restored.route) {
                return Err(RestoreError::Dangling { kind });
            }
            *count += 1;
            if restored.is_newest {
                expected.add(restored.chain.low());
            }
            Ok(())
        })
    }

    /// Makes the chains found once all contacts have been put back.
    pub(super) fn restored(&mut self) -> Result<(), RestoreError> {
        self.contacts.restored();
        self.newest.make_room(std::mem::take(&mut self.expected));
        let contacts = &self.contacts;
        let is_same = |one, other| contacts.chain_at(one) == contacts.chain_at(other);
        if self.newest.fill(contacts.newest(), is_same) {
            return Ok(());
        }
        let kind = SectionKind::Chains;
        Err(RestoreError::Twice { kind })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::Settings;
    use crate::engine::chain::FirstContact;

    /// Contacts change for so long.
    const MEMORY_MS: i64 = 40;
    const LATENESS_MS: i64 = 15;
    const HORIZON_MS: i64 = 60;

    #[derive(Clone, Debug)]
    enum Step {
        /// Chain, how late, and what is so of it.
        Insert(u8, i64, [bool; 2]),
        /// One of those that may change.
        Remove(usize),
        Advance(i64),
        Restart,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            20 => (0_u8..6, 0..LATENESS_MS, any::<[bool; 2]>())
                .prop_map(|(chain, late_ms, flags)| Step::Insert(chain, late_ms, flags)),
            5 => any::<usize>().prop_map(Step::Remove),
            10 => (0_i64..12).prop_map(Step::Advance),
            1 => Just(Step::Restart),
        ]
    }

    /// All that was given and taken, in order.
    #[derive(Debug, Default, PartialEq)]
    struct Log(Vec<(Timestamp, Option<FirstContact>, i64, i64)>);

    impl Effects for Log {
        fn first_contact(&mut self, at: Timestamp, _: RouteId, first: FirstContact, sign: i64) {
            self.0.push((at, Some(first), 0, sign));
        }

        fn episode(&mut self, at: Timestamp, _: RouteId, milliseconds: i64, sign: i64) {
            self.0.push((at, None, milliseconds, sign));
        }
    }

    /// Captured and restored.
    fn restarted(chains: &mut Chains) -> Chains {
        let mut other = Chains::new(HORIZON_MS, LATENESS_MS, usize::MAX);
        chains.begin_capture(Arc::new(vec![0]));
        while let Some(piece) = chains.capture_next() {
            other.restore(&piece, |route| route == RouteId(0)).unwrap();
        }
        other.restored().unwrap();
        other
    }

    fn id_of(chain: u8) -> IdHash {
        // Two chains have a line and a tag of the index in common.
        IdHash(u128::from(chain % 3) | u128::from(chain) << 64)
    }

    proptest! {
        /// Chains whose contacts settle, and that are restarted, give and take what others do.
        #[test]
        fn settling_changes_nothing(steps in proptest::collection::vec(step(), 0..400)) {
            let mut routes = Routes::new(&Settings::default());
            let route = routes.acquire(&[None; 8]);
            let mut settling = Chains::new(HORIZON_MS, LATENESS_MS, usize::MAX);
            let mut others = Chains::new(HORIZON_MS, LATENESS_MS, usize::MAX);
            let mut now = Timestamp::from_millis(1000);
            let mut changing: Vec<(IdHash, Timestamp, Tie)> = Vec::new();
            for (number, step) in (1..).zip(steps) {
                let (mut log, mut expected) = (Log::default(), Log::default());
                match step {
                    Step::Insert(chain, late_ms, flags) => {
                        let event_time = now.plus_millis(-late_ms);
                        let contact = Contact {
                            event_time,
                            tie: Tie::of(number % 7, IdHash(number.into())),
                            start: event_time.plus_millis(-late_ms),
                            route,
                            failed: flags[0],
                            resolved: flags[1],
                            first: false,
                            episode_start: event_time,
                        };
                        let chain = id_of(chain);
                        changing.push((chain, event_time, contact.tie));
                        let says = settling.insert(chain, contact, &mut routes, &mut log);
                        let said = others.insert(chain, contact, &mut routes, &mut expected);
                        prop_assert_eq!(says, said);
                    }
                    Step::Remove(any) if !changing.is_empty() => {
                        let (chain, at, tie) = changing.swap_remove(any % changing.len());
                        let says = settling.remove(chain, at, tie, &mut log);
                        let said = others.remove(chain, at, tie, &mut expected);
                        prop_assert_eq!(says, Some(route));
                        prop_assert_eq!(said, Some(route));
                    }
                    Step::Remove(_) => {}
                    Step::Advance(by_ms) => {
                        now = now.plus_millis(by_ms);
                        let settled_until = now.plus_millis(-MEMORY_MS);
                        changing.retain(|(_, at, _)| *at > settled_until);
                        settling.expire(now, settled_until, &mut routes);
                        others.expire(now, Timestamp::MIN, &mut routes);
                    }
                    Step::Restart => settling = restarted(&mut settling),
                }
                prop_assert_eq!(log, expected);
                prop_assert_eq!(settling.len(), others.len());
            }
        }
    }
}
