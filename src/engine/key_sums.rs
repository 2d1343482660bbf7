//! What a fold adds to each key, added up before it is booked: several routes lead to a key, and all of
//! them to the one of everything.

use super::cohorts::FirstContacts;
use super::routes::KeyId;
use super::row::Row;
use crate::kpi::{Count, Totals};

/// Keys that are summed at a time: what a cache holds.
const MAX_KEYS: usize = 1024;

/// Sums by key. Kept from fold to fold, so that it needs no memory of its own.
#[derive(Debug, Default)]
pub(super) struct KeySums {
    /// By key: one more than the place of its sum in `sums`; 0 where it has none.
    places: Vec<usize>,
    /// The keys that have one, in the order of the sums.
    keys: Vec<KeyId>,
    /// Those behind the last key are empty.
    sums: Vec<KeySum>,
}

/// What is to be added to a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeySum {
    /// What records count, and episodes.
    totals: Totals,
    /// First contacts.
    first: i64,
    /// Those of them that are resolved.
    resolved: i64,
}

impl KeySum {
    /// Writes what is not zero, but for first contacts, in place of what `row` holds.
    pub(super) fn fill(&self, row: &mut Row) {
        row.fill(&self.totals, std::iter::empty());
    }

    /// What first contacts count, `sign` times.
    pub(super) fn firsts(&self, sign: i64) -> [(Count, i64); 2] {
        [
            (Count::FcrFirst, sign * self.first),
            (Count::FcrResolved, sign * self.resolved),
        ]
    }
}

impl KeySums {
    /// Whether so many keys have sums that they should be booked.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.keys.len() >= MAX_KEYS
    }

    #[inline]
    fn of(&mut self, key: KeyId) -> &mut KeySum {
        let at = key.at();
        if self.places.len() <= at {
            self.places.resize(at + 1, 0);
        }
        if self.places[at] == 0 {
            self.keys.push(key);
            self.places[at] = self.keys.len();
            if self.sums.len() < self.keys.len() {
                self.sums.push(KeySum::default());
            }
        }
        &mut self.sums[self.places[at] - 1]
    }

    /// Adds what a route counts to each of its keys.
    #[inline]
    pub(super) fn add(&mut self, keys: &[KeyId], totals: &Totals) {
        for key in keys {
            self.of(*key).totals.add(totals, 1);
        }
    }

    /// The same for a row of an episode.
    #[inline]
    pub(super) fn add_row(&mut self, keys: &[KeyId], row: &Row) {
        for key in keys {
            row.add_to(&mut self.of(*key).totals);
        }
    }

    /// The same for first contacts.
    #[inline]
    pub(super) fn add_firsts(&mut self, keys: &[KeyId], contacts: &FirstContacts) {
        let [(_, first), (_, resolved)] = contacts.counts(1);
        for key in keys {
            let sum = self.of(*key);
            sum.first += first;
            sum.resolved += resolved;
        }
    }

    /// The keys that have sums, and those.
    pub(super) fn all(&self) -> (&[KeyId], &[KeySum]) {
        (&self.keys, &self.sums[..self.keys.len()])
    }

    /// No key has a sum.
    pub(super) fn clear(&mut self) {
        self.sums[..self.keys.len()].fill(KeySum::default());
        for key in self.keys.drain(..) {
            self.places[key.at()] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::engine::first_rows::{Fate, FirstRow};
    use crate::engine::routes::RouteId;

    proptest! {
        /// Each key gets what came to it since they were cleared, whatever came before.
        #[test]
        fn each_key_has_its_sum(
            rounds in vec(vec((vec(0_u32..9, 0..4), -5_i64..5), 0..20), 1..4),
        ) {
            let mut sums = KeySums::default();
            for round in rounds {
                let mut expected = std::collections::BTreeMap::new();
                for (keys, amount) in round {
                    let keys: Vec<KeyId> = keys.into_iter().map(KeyId).collect();
                    let mut totals = Totals::default();
                    totals.count(Count::Records, amount);
                    sums.add(&keys, &totals);
                    let mut row = Row::default();
                    row.episode(amount, 1);
                    sums.add_row(&keys, &row);
                    let count = i32::try_from(amount).unwrap();
                    let first = FirstRow { route: RouteId(0), fate: Fate::Resolved, count };
                    sums.add_firsts(&keys, &FirstContacts::of(first));
                    for key in keys {
                        let sum = expected.entry(key.0).or_insert_with(KeySum::default);
                        sum.first += amount;
                        sum.resolved += amount;
                        sum.totals.count(Count::Records, amount);
                        sum.totals.count(Count::Episodes, 1);
                        sum.totals.measure(Count::EpisodesMs, crate::kpi::Measure::Episode, amount, 1);
                    }
                }
                let (keys, sum_of) = sums.all();
                let found: std::collections::BTreeMap<_, _> =
                    keys.iter().map(|key| key.0).zip(sum_of.iter().cloned()).collect();
                prop_assert_eq!(keys.len(), found.len());
                prop_assert_eq!(found, expected);
                sums.clear();
            }
        }
    }
}
