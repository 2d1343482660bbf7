//! Long chains: which contacts they have, in order, so that none has to be gone through to get to a place far
//! from its newest contact.
//!
//! Nearly all chains are a few contacts long, and what comes out of order comes close to the newest one. But
//! all customers who give no id may be one (`anonymous`), and a chain of theirs, gone through for each contact
//! that comes out of order, would cost the square of its length. So a chain through which a way was long is
//! noted here once, and kept in step from then on, for as long as it is not short again. All of it follows
//! from the contacts and their links: no capture holds it, and after a restart the next long way notes it
//! anew.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};

use hashbrown::{DefaultHashBuilder, HashMap};
use smallvec::SmallVec;

use super::contact::Tie;
use super::slab::Place;
use crate::event::IdHash;
use crate::time::Timestamp;

/// Contacts of a chain that are gone through before it is noted: more than is usual, and few enough not to
/// count.
const LONG_WAY: usize = 64;
/// It is no more than a fourth of that when a chain is short again: what noting it cost has been paid for by
/// then.
const SHORT_AGAIN: usize = 4;
/// Contacts from a change on that it looks at one after the other: the one that changes, and what the two
/// behind it are for each other.
const NEXT: usize = 3;

/// Where a contact is in the order of its chain.
pub(super) type Order = (Timestamp, Tie);

/// The first contact from some moment on, then the last one before it; `None` unless there are both.
pub(super) type Across = Option<(Place, Place)>;

/// What a change looks at from where it is.
#[derive(Debug, PartialEq)]
pub(super) struct Next {
    /// The next contacts; where the last one of the run of the first is not among them, it comes behind them.
    pub(super) places: SmallVec<[Place; NEXT + 1]>,
    /// Which of them is the last one of that run.
    pub(super) run_end: usize,
}

/// Contacts with their places, and those that start runs.
#[cfg(test)]
pub(super) type Noted = (Vec<(Order, Place)>, Vec<Order>);

/// The long chains.
#[derive(Debug)]
pub(super) struct LongChains {
    horizon_ms: i64,
    long_way: usize,
    /// Written wherever a contact of one comes or goes; a chain is taken out when it is short again.
    chains: HashMap<IdHash, LongChain, DefaultHashBuilder>,
}

/// The contacts of a long chain that may still change.
#[derive(Debug, Default)]
struct LongChain {
    places: BTreeMap<Order, Place>,
    /// Those that come more than a horizon after the one before them. Of the first one of all, whose
    /// predecessor may be settled or forgotten, it says nothing.
    starts: BTreeSet<Order>,
}

impl LongChains {
    pub(super) fn new(horizon_ms: i64) -> Self {
        Self {
            horizon_ms,
            long_way: LONG_WAY,
            chains: HashMap::default(),
        }
    }

    /// Whether a way of so many steps is a long one.
    #[inline]
    pub(super) fn is_long_way(&self, steps: usize) -> bool {
        steps >= self.long_way
    }

    /// Whether there is none, which is so of most streams.
    #[inline]
    fn is_empty(&self) -> bool {
        self.chains.is_empty()
    }

    /// Whether this is one.
    #[inline]
    pub(super) fn has(&self, chain: IdHash) -> bool {
        !self.is_empty() && self.chains.contains_key(&chain)
    }

    /// Notes a chain with all its contacts that may still change.
    pub(super) fn note(&mut self, chain: IdHash, places: BTreeMap<Order, Place>) {
        let starts = places
            .keys()
            .zip(places.keys().skip(1))
            .filter(|(before, order)| is_apart(**before, **order, self.horizon_ms))
            .map(|(_, order)| *order)
            .collect();
        self.chains.insert(chain, LongChain { places, starts });
    }

    /// A contact has come into a chain.
    #[inline]
    pub(super) fn put(&mut self, chain: IdHash, order: Order, place: Place) {
        if self.is_empty() {
            return;
        }
        if let Some(long) = self.chains.get_mut(&chain)
            && !long.put(order, place, self.horizon_ms)
        {
            self.chains.remove(&chain);
        }
    }

    /// A contact goes out of a chain.
    #[inline]
    pub(super) fn take(&mut self, chain: IdHash, order: Order) {
        if self.is_empty() {
            return;
        }
        if let Some(long) = self.chains.get_mut(&chain) {
            long.take(order, self.horizon_ms);
            self.drop_if_short(chain);
        }
    }

    /// The contacts of a chain before a moment settle, or are forgotten. Says the way to them, which the
    /// first that stays has to the last of them.
    #[inline]
    pub(super) fn close(&mut self, chain: IdHash, until: Timestamp) -> Across {
        if self.is_empty() {
            return None;
        }
        let across = self.chains.get_mut(&chain)?.close(until);
        self.drop_if_short(chain);
        across
    }

    fn drop_if_short(&mut self, chain: IdHash) {
        let few = self.long_way / SHORT_AGAIN;
        let is_short = |long: &LongChain| long.places.len() <= few;
        if self.chains.get(&chain).is_some_and(is_short) {
            self.chains.remove(&chain);
        }
    }

    /// Sets how long a way is a long one.
    #[cfg(test)]
    pub(super) fn set_long_way(&mut self, steps: usize) {
        self.long_way = steps;
    }

    /// The contacts of a chain that is noted, in order, and where runs start but for the first.
    #[cfg(test)]
    pub(super) fn noted(&self, chain: IdHash) -> Option<Noted> {
        let long = self.chains.get(&chain)?;
        let places = long.places.iter().map(|(order, place)| (*order, *place));
        let places: Vec<_> = places.collect();
        let starts = long.starts.iter().copied();
        let starts = starts.filter(|order| places.first().is_none_or(|first| first.0 != *order));
        let starts = starts.collect();
        Some((places, starts))
    }

    /// What a change of a chain looks at from its place on; `None` when nothing is there.
    pub(super) fn next(&self, chain: IdHash, order: Order) -> Option<Next> {
        self.chains.get(&chain)?.next(order)
    }
}

impl LongChain {
    /// Says `false` when there is one in the same place of the order: ids of both are taken for one, and what
    /// comes before is not found any more.
    fn put(&mut self, order: Order, place: Place, horizon_ms: i64) -> bool {
        let after = self.places.range(order..).next();
        let after = after.map(|(after, _)| *after);
        if after == Some(order) {
            return false;
        }
        self.mark(self.before(order), order, horizon_ms);
        if let Some(after) = after {
            self.mark(Some(order), after, horizon_ms);
        }
        self.places.insert(order, place);
        true
    }

    fn take(&mut self, order: Order, horizon_ms: i64) {
        self.places.remove(&order);
        self.starts.remove(&order);
        let after = self.places.range(order..).next();
        if let Some((after, _)) = after {
            self.mark(self.before(order), *after, horizon_ms);
        }
    }

    fn before(&self, order: Order) -> Option<Order> {
        let before = self.places.range(..order).next_back();
        before.map(|(before, _)| *before)
    }

    /// Notes whether a run starts with a contact.
    fn mark(&mut self, before: Option<Order>, order: Order, horizon_ms: i64) {
        if before.is_some_and(|before| is_apart(before, order, horizon_ms)) {
            self.starts.insert(order);
        } else {
            self.starts.remove(&order);
        }
    }

    fn close(&mut self, until: Timestamp) -> Across {
        let mut last = None;
        while let Some(first) = self.places.first_entry()
            && first.key().0 < until
        {
            last = Some(first.remove());
        }
        while self.starts.first().is_some_and(|first| first.0 < until) {
            self.starts.pop_first();
        }
        let (_, stays) = self.places.first_key_value()?;
        Some((*stays, last?))
    }

    fn next(&self, order: Order) -> Option<Next> {
        let (first, _) = self.places.range(order..).next()?;
        let next_run = self.starts.range((Excluded(*first), Unbounded)).next();
        let (last, last_place) = match next_run {
            Some(start) => self.places.range(..start).next_back()?,
            None => self.places.last_key_value()?,
        };
        let mut places = SmallVec::new();
        let mut run_end = None;
        for (at, (other, place)) in self.places.range(order..).take(NEXT).enumerate() {
            places.push(*place);
            if other == last {
                run_end = Some(at);
            }
        }
        let run_end = run_end.unwrap_or_else(|| {
            places.push(*last_place);
            places.len() - 1
        });
        Some(Next { places, run_end })
    }
}

/// Whether a contact comes more than a horizon after another one.
fn is_apart(before: Order, order: Order, horizon_ms: i64) -> bool {
    order.0.millis_since(before.0) > horizon_ms
}
