//! All chains: their contacts, and how they are found.
//!
//! A chain is found by its newest contact, and each contact that may still change knows the next older
//! one. Once the ledger has forgotten its record, a contact can neither go nor be corrected, and nothing
//! comes in before it: it is settled, and keeps only what the one after it may ask for.
//!
//! So a change goes through the contacts that came after it, which are few. Where they are not, what it has to
//! look at is found by what is noted of [long chains](super::long_chains).

use std::hint::black_box;

use smallvec::SmallVec;

use super::capture::{RestoreError, RouteNumbers, SectionKind};
use super::chain::{Chain, Effects, Inserted, append, insert_at, remove_at, run_end};
use super::contact::{Contact, Tie};
use super::contacts::{Contacts, MOST_CONTACTS};
use super::index::{Expected, Index, Spot};
use super::long_chains::Order;
use super::routes::{RouteId, Routes};
use super::slab::Place;
use crate::event::IdHash;
use crate::time::Timestamp;

/// Buckets of time that memory is cut into: what is in one is forgotten at once.
const BUCKETS: i64 = 1024;

/// What a change of a chain looks at: the contact before it, and those from it on, up to the newest one or as
/// far as a change of a long chain can reach.
#[derive(Debug, Default)]
struct Around {
    /// Places of `contacts`.
    places: SmallVec<[Place; 8]>,
    contacts: Chain,
    /// Which of them is the first that does not come before the change.
    at: usize,
    /// The last one of its run.
    run_end: usize,
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
            contacts: Contacts::new((memory_ms / BUCKETS).max(1), horizon_ms),
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

    /// What a change at a place of a chain's order looks at; `None` when all of the chain comes before it.
    fn around(&mut self, chain: IdHash, order: Order) -> Option<Around> {
        if self.contacts.is_noted(chain) {
            return self.around_in_long(chain, order);
        }
        let newest = self.newest.at(self.newest_of(chain)?);
        let mut around = Around::default();
        let mut next = Some(newest);
        while let Some(place) = next {
            let contact = self.contacts.at(place);
            let is_before = contact.order() < order;
            if !is_before && self.contacts.is_long_way(around.places.len()) {
                self.contacts.note_long(chain, newest);
                return self.around_in_long(chain, order);
            }
            around.places.push(place);
            around.contacts.push(contact);
            if is_before {
                around.at = 1;
                break;
            }
            next = self.contacts.older(place);
        }
        around.places.reverse();
        around.contacts.reverse();
        around.run_end = run_end(&around.contacts, around.at, self.horizon_ms);
        (around.at < around.places.len()).then_some(around)
    }

    /// The same of a chain that is noted as a long one, without what lies between.
    fn around_in_long(&self, chain: IdHash, order: Order) -> Option<Around> {
        let next = self.contacts.next(chain, order)?;
        let before = next.places.first().and_then(|at| self.contacts.older(*at));
        let at = usize::from(before.is_some());
        let places = before.into_iter().chain(next.places);
        let places: SmallVec<[Place; 8]> = places.collect();
        let contacts = places.iter().map(|place| self.contacts.at(*place));
        Some(Around {
            contacts: contacts.collect(),
            places,
            at,
            run_end: at + next.run_end,
        })
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
        let mut around = self.around(chain, contact.order()).unwrap_or_default();
        let (at, run_end) = (around.at, around.run_end);
        let horizon_ms = self.horizon_ms;
        let contacts = &mut around.contacts;
        let inserted = insert_at(contacts, (at, run_end), &mut contact, horizon_ms, effects);
        let older = at.checked_sub(1).map(|before| around.places[before]);
        let place = self.contacts.put(chain, &contact, false, older);
        if let Some(next) = around.places.get(at) {
            self.contacts.set_older(*next, Some(place));
        }
        around.places.insert(at, place);
        self.write(&around.places, &around.contacts);
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
        let order = (event_time, tie);
        let mut around = self.around(chain, order)?;
        let (at, run_end) = (around.at, around.run_end);
        let (place, contact) = (around.places[at], around.contacts[at]);
        if contact.order() != order {
            return None;
        }
        let older = self.contacts.older(place);
        match around.places.get(at + 1) {
            Some(next) => self.contacts.set_older(*next, older),
            None => self.retire_newest(chain, place, older),
        }
        remove_at(
            &mut around.contacts,
            (at, run_end),
            self.horizon_ms,
            effects,
        );
        around.places.remove(at);
        self.write(&around.places, &around.contacts);
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
        restarted_into(chains, Chains::new(HORIZON_MS, LATENESS_MS, usize::MAX))
    }

    fn restarted_into(chains: &mut Chains, mut other: Chains) -> Chains {
        chains.begin_capture(Arc::new(vec![0]));
        while let Some(piece) = chains.capture_next() {
            other.restore(&piece, |route| route == RouteId(0)).unwrap();
        }
        other.restored().unwrap();
        other.set_evicted_until(chains.evicted_until());
        other
    }

    fn id_of(chain: u8) -> IdHash {
        // Two chains have a line and a tag of the index in common.
        IdHash(u128::from(chain % 3) | u128::from(chain) << 64)
    }

    fn contact(event_time: Timestamp, tie: Tie, route: RouteId) -> Contact {
        Contact {
            event_time,
            tie,
            start: event_time.plus_millis(-5),
            route,
            failed: false,
            resolved: true,
            first: false,
            episode_start: event_time,
        }
    }

    /// Contacts up to so long ago have settled, sooner than above, so that there are more of them.
    const SETTLED_MS: i64 = 20;

    /// Settings of the chains below.
    #[derive(Clone, Debug)]
    struct Made {
        horizon_ms: i64,
        bucket_ms: i64,
        max_contacts: usize,
    }

    impl Made {
        /// Chains in which a way of so many contacts is a long one.
        fn chains(&self, long_way: usize) -> Chains {
            let mut chains = Chains::new(self.horizon_ms, LATENESS_MS, self.max_contacts);
            chains.contacts = Contacts::new(self.bucket_ms, self.horizon_ms);
            chains.contacts.long().set_long_way(long_way);
            chains
        }
    }

    fn made() -> impl Strategy<Value = Made> {
        let horizon_ms = prop_oneof![Just(HORIZON_MS), 0_i64..8];
        let max_contacts = prop_oneof![Just(usize::MAX), 5_usize..60];
        (horizon_ms, 1_i64..8, max_contacts).prop_map(|(horizon_ms, bucket_ms, max_contacts)| {
            Made {
                horizon_ms,
                bucket_ms,
                max_contacts,
            }
        })
    }

    /// All contacts of a chain that are found from its newest one, with their places; that one first.
    fn walked(chains: &Chains, chain: IdHash) -> Vec<(Place, Contact)> {
        let newest = chains.newest_of(chain).map(|spot| chains.newest.at(spot));
        let places = std::iter::successors(newest, |place| chains.contacts.older(*place));
        places
            .map(|place| (place, chains.contacts.at(place)))
            .collect()
    }

    /// Where a chain is noted as a long one, that says what going through it says.
    fn note_is_right(chains: &mut Chains, chain: IdHash) -> Result<bool, TestCaseError> {
        let Some((places, starts)) = chains.contacts.long().noted(chain) else {
            return Ok(false);
        };
        let mut recent = walked(chains, chain);
        recent.retain(|(place, _)| chains.contacts.is_recent(*place));
        recent.reverse();
        let orders = recent.iter().map(|(place, one)| (one.order(), *place));
        prop_assert_eq!(places, orders.collect::<Vec<_>>());
        let is_start = |pair: &&[(Place, Contact)]| {
            let gap_ms = pair[1].1.event_time.millis_since(pair[0].1.event_time);
            gap_ms > chains.horizon_ms
        };
        let expected = recent.windows(2).filter(is_start);
        let expected: Vec<Order> = expected.map(|pair| pair[1].1.order()).collect();
        prop_assert_eq!(starts, expected);
        Ok(true)
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

        /// A chain that is noted as a long one gives, takes and keeps what one does that is gone through,
        /// and what is noted of it is what going through it says.
        #[test]
        fn long_chains_are_like_others(
            steps in proptest::collection::vec(step(), 0..400),
            long_way in 1_usize..9,
            chains in 1_u8..4,
            made in made(),
            // With few of them two contacts of a chain may have the same place in its order.
            ids in prop_oneof![9 => Just(u128::MAX), 1 => Just(1_u128)],
        ) {
            let mut routes = Routes::new(&Settings::default());
            let route = routes.acquire(&[None; 8]);
            let (mut long, mut others) = (made.chains(long_way), made.chains(usize::MAX));
            let mut now = Timestamp::from_millis(1000);
            let mut known: Vec<(IdHash, Timestamp, Tie)> = Vec::new();
            for (number, step) in (1..).zip(steps) {
                let (mut log, mut expected) = (Log::default(), Log::default());
                match step {
                    Step::Insert(chain, late_ms, flags) => {
                        let event_time = now.plus_millis(-late_ms);
                        let tie = Tie::of(number % 7, IdHash(u128::from(number) % ids));
                        let mut contact = contact(event_time, tie, route);
                        (contact.failed, contact.resolved) = flags.into();
                        let chain = id_of(chain % chains);
                        known.push((chain, event_time, tie));
                        let says = long.insert(chain, contact, &mut routes, &mut log);
                        let said = others.insert(chain, contact, &mut routes, &mut expected);
                        prop_assert_eq!(says, said);
                    }
                    Step::Remove(any) if !known.is_empty() => {
                        let (chain, at, tie) = known.swap_remove(any % known.len());
                        let says = long.remove(chain, at, tie, &mut log);
                        prop_assert_eq!(says, others.remove(chain, at, tie, &mut expected));
                    }
                    Step::Remove(_) => {}
                    Step::Advance(by_ms) => {
                        now = now.plus_millis(by_ms);
                        let settled_until = now.plus_millis(-SETTLED_MS);
                        known.retain(|(_, at, _)| *at > settled_until);
                        long.expire(now, settled_until, &mut routes);
                        others.expire(now, settled_until, &mut routes);
                    }
                    Step::Restart => {
                        long = restarted_into(&mut long, made.chains(long_way));
                        others = restarted_into(&mut others, made.chains(usize::MAX));
                    }
                }
                prop_assert_eq!(log, expected);
                prop_assert_eq!(long.len(), others.len());
                for chain in (0..chains).map(id_of) {
                    prop_assert_eq!(walked(&long, chain), walked(&others, chain));
                    note_is_right(&mut long, chain)?;
                    prop_assert!(!note_is_right(&mut others, chain)?);
                }
            }
        }
    }

    /// The number of the contact that arrives at a place.
    type OrderOfArrival = fn(i64) -> i64;

    /// Contacts of a very long chain.
    const MANY: i64 = 3000;
    /// For so long they may change.
    const LONG_MS: i64 = 1_000_000;

    /// A very long chain of one customer.
    struct LongChain {
        chains: Chains,
        routes: Routes,
        route: RouteId,
        start: Timestamp,
        apart_ms: i64,
        /// Links that were followed before the last restart.
        steps: usize,
    }

    impl LongChain {
        const ID: IdHash = IdHash(1);

        fn new(apart_ms: i64) -> Self {
            let mut routes = Routes::new(&Settings::default());
            Self {
                chains: Chains::new(HORIZON_MS, LONG_MS, usize::MAX),
                route: routes.acquire(&[None; 8]),
                routes,
                start: Timestamp::from_millis(1000),
                apart_ms,
                steps: 0,
            }
        }

        fn contact(&self, number: i64) -> Contact {
            let tie = Tie::of(number.cast_unsigned(), IdHash(7));
            let event_time = self.start.plus_millis(number * self.apart_ms);
            contact(event_time, tie, self.route)
        }

        /// Puts one of them in, looking at few others.
        fn put(&mut self, number: i64) {
            let new = self.contact(number);
            let around = self.chains.around(Self::ID, new.order());
            assert!(around.is_none_or(|around| around.places.len() < 70));
            let log = &mut Log::default();
            self.chains.insert(Self::ID, new, &mut self.routes, log);
        }

        fn take(&mut self, number: i64) {
            let (old, log) = (self.contact(number), &mut Log::default());
            let removed = self.chains.remove(Self::ID, old.event_time, old.tie, log);
            assert_eq!(removed, Some(self.route));
        }

        fn restart(&mut self) {
            self.steps += self.chains.contacts.steps.get();
            let empty = Chains::new(HORIZON_MS, LONG_MS, usize::MAX);
            self.chains = restarted_into(&mut self.chains, empty);
        }

        /// All settle, a little at a time; the next ones come behind them.
        fn settle(&mut self) {
            let end = self.start.plus_millis(MANY * self.apart_ms + 10_000);
            for part in (0..100).rev() {
                let until = end.plus_millis(-part * MANY * self.apart_ms / 100);
                self.chains.expire(end, until, &mut self.routes);
            }
            self.start = end;
        }

        fn is_noted(&mut self) -> bool {
            self.chains.contacts.long().noted(Self::ID).is_some()
        }
    }

    /// Twice as many as that come, some go and come back, and all settle.
    fn come_and_settle(long: &mut LongChain, order: OrderOfArrival, may_go: bool) {
        for round in 1..=2 {
            (0..MANY).map(order).for_each(|number| long.put(number));
            let going = (0..MANY).step_by(3).filter(|_| may_go);
            for number in going.map(order) {
                long.take(number);
                long.put(number);
            }
            assert!(long.is_noted() || !may_go);
            long.restart();
            assert!(!long.is_noted());
            long.settle();
            assert!(!long.is_noted());
            assert_eq!(i64::try_from(long.chains.len()).unwrap(), round * MANY);
        }
    }

    #[test]
    fn no_way_through_a_long_chain_is_gone_for_each_change() {
        let orders: [(&str, OrderOfArrival); 3] = [
            ("sorted", |number| number),
            ("reversed", |number| MANY - 1 - number),
            ("shuffled", |number| number * 1009 % MANY),
        ];
        // All at once, one run, and each a run of its own.
        for apart_ms in [0, HORIZON_MS / 3, 2 * HORIZON_MS] {
            for (name, order) in orders {
                for may_go in [false, true] {
                    let mut long = LongChain::new(apart_ms);
                    come_and_settle(&mut long, order, may_go);
                    let steps = long.steps + long.chains.contacts.steps.get();
                    let few = 30 * usize::try_from(MANY).unwrap();
                    assert!(steps < few, "{name}, {apart_ms} ms: {steps} steps");
                }
            }
        }
    }
}
