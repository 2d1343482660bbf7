//! What keys gain at once: rows are added up by key before they go to the windows, so that a key is
//! touched once for all of its routes and all of its moments.

use super::delta::{Figure, Items};
use super::routes::KeyId;
use crate::kpi::Totals;

/// No sum yet.
const NONE: u32 = u32::MAX;

/// Sums by key.
#[derive(Debug)]
pub(super) struct KeySums {
    /// Breakdowns with handle-time quantiles.
    has_quantiles: Vec<bool>,
    /// By key: the place of its sum, or [`NONE`].
    places: Vec<u32>,
    /// The keys that have a sum, in the order of `sums`.
    keys: Vec<KeyId>,
    /// Those behind the last key are empty and keep their memory.
    sums: Vec<KeySum>,
}

/// What one key gains.
#[derive(Debug, Default)]
pub(super) struct KeySum {
    pub(super) totals: Totals,
    /// Changes of handle-time buckets, each bucket once and in order when it is handed out.
    pub(super) buckets: Vec<(u16, i32)>,
}

impl KeySums {
    /// `has_quantiles` says by breakdown whether handle-time buckets are wanted.
    pub(super) fn new(has_quantiles: Vec<bool>) -> Self {
        Self {
            has_quantiles,
            places: Vec::new(),
            keys: Vec::new(),
            sums: Vec::new(),
        }
    }

    /// Adds a row to its keys, one of each breakdown; takes it back with `sign` -1.
    pub(super) fn add(&mut self, keys: &[KeyId], items: &Items, sign: i64) {
        for (at, key) in keys.iter().enumerate() {
            let quantiles = self.has_quantiles.get(at).copied().unwrap_or_default();
            self.sum_of(*key).add(items, sign, quantiles);
        }
    }

    fn sum_of(&mut self, key: KeyId) -> &mut KeySum {
        if self.places.len() <= key.at() {
            self.places.resize(key.at() + 1, NONE);
        }
        let known = self.places[key.at()];
        let place = if known == NONE {
            let place = self.keys.len();
            self.keys.push(key);
            if self.sums.len() == place {
                self.sums.push(KeySum::default());
            }
            self.places[key.at()] = u32::try_from(place).unwrap_or(NONE);
            place
        } else {
            usize::try_from(known).unwrap_or(usize::MAX)
        };
        &mut self.sums[place]
    }

    /// Hands out every key with its sum, and forgets them.
    pub(super) fn drain(&mut self, mut visit: impl FnMut(KeyId, &KeySum)) {
        for (key, sum) in self.keys.drain(..).zip(&mut self.sums) {
            sum.merge_buckets();
            visit(key, sum);
            sum.totals = Totals::default();
            sum.buckets.clear();
            self.places[key.at()] = NONE;
        }
    }
}

impl KeySum {
    fn add(&mut self, items: &Items, sign: i64, quantiles: bool) {
        for item in items {
            match item.figure() {
                Figure::Count(at) => self.totals.counts[at] += sign * item.amount(),
                Figure::Squares(at) => self.totals.squares[at] += i128::from(sign) * item.wide(),
                Figure::Repeats(_) => {}
                Figure::Bucket(bucket) => {
                    if quantiles {
                        let count = i32::try_from(sign * item.amount()).unwrap_or(0);
                        self.buckets.push((bucket, count));
                    }
                }
            }
        }
    }

    fn merge_buckets(&mut self) {
        self.buckets.sort_unstable_by_key(|change| change.0);
        self.buckets.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                earlier.1 += later.1;
            }
            same
        });
        self.buckets.retain(|change| change.1 != 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::delta::Delta;
    use crate::kpi::Count;

    #[test]
    fn routes_add_up_by_key_and_leave_nothing_behind() {
        let mut delta = Delta::default();
        delta.totals.count(Count::Records, 2);
        delta.handle_time(9000, 1);
        delta.handle_time(5, 1);
        let mut items = Items::new();
        delta.items(&mut items);
        let mut sums = KeySums::new(vec![true, false]);
        for _ in 0..2 {
            sums.add(&[KeyId(7), KeyId(1)], &items, 1);
            sums.add(&[KeyId(7), KeyId(3)], &items, 1);
            sums.add(&[KeyId(7), KeyId(3)], &items, -1);
            let mut seen = Vec::new();
            sums.drain(|key, sum| {
                let buckets: Vec<i32> = sum.buckets.iter().map(|change| change.1).collect();
                seen.push((key, sum.totals.get(Count::Records), buckets));
            });
            seen.sort_unstable();
            let expected = [
                (KeyId(1), 2, vec![]),
                (KeyId(3), 0, vec![]),
                (KeyId(7), 2, vec![1, 1]),
            ];
            assert_eq!(seen, expected);
        }
    }
}
