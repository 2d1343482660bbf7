//! Handle time: the mean (`aht`) and the quantiles (`handle_time`).
//!
//! Quantiles come from log-linear bucket counts in the layout of hdrhistogram with two significant
//! digits: below 256 ms every millisecond has its bucket, above each octave has 128, so that a
//! bucket's middle is within 0.4 % of every value in it. Bucket counts add and subtract exactly.

use super::{Count, Measure, Totals};

/// The quantiles that are kept, in permille.
pub const QUANTILES: [u32; 4] = [500, 900, 950, 990];

/// Values in seconds at each of [`QUANTILES`].
pub type Quantiles = [f64; QUANTILES.len()];

/// Each octave above the linear part has this many buckets.
const HALF_STEPS: u64 = 128;

/// Counts a handled interaction with a known handle time.
pub(crate) fn record(totals: &mut Totals, handle_ms: u64, sign: i64) {
    totals.count(Count::HandleTime, sign);
    let amount = i64::try_from(handle_ms).unwrap_or(i64::MAX);
    totals.measure(Count::HandleTimeMs, Measure::HandleTime, amount, sign);
}

/// The bucket of a value.
///
/// ```
/// use cxpulse::kpi::{bucket_of, value_of_bucket};
/// for value in [0, 1, 255, 256, 300_000, 86_400_000] {
///     let middle = value_of_bucket(bucket_of(value));
///     assert!((middle - value as f64).abs() <= 0.005 * value as f64);
/// }
/// ```
pub fn bucket_of(value_ms: u64) -> u16 {
    let octave = u64::from((value_ms | (2 * HALF_STEPS - 1)).ilog2()) - 7;
    let bucket = octave * HALF_STEPS + (value_ms >> octave);
    u16::try_from(bucket).unwrap_or(u16::MAX)
}

/// The middle of a bucket in milliseconds; the value itself where a bucket holds only one.
#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "within half a bucket"
)]
pub fn value_of_bucket(bucket: u16) -> f64 {
    let bucket = u64::from(bucket);
    if bucket < 2 * HALF_STEPS {
        return bucket as f64;
    }
    let octave = bucket / HALF_STEPS - 1;
    let step = bucket % HALF_STEPS + HALF_STEPS;
    let lowest = (step << octave) as f64;
    let width = (1_u64 << octave) as f64;
    lowest + (width - 1.0) / 2.0
}

/// Counts by bucket, sparse and ordered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buckets {
    /// Bucket and count, ordered by bucket; no zero counts.
    counts: Vec<(u16, i32)>,
}

impl Buckets {
    /// Adds `count` (may be negative) to a bucket.
    pub fn add(&mut self, bucket: u16, count: i32) {
        match self.counts.binary_search_by_key(&bucket, |entry| entry.0) {
            Ok(at) => {
                self.counts[at].1 += count;
                if self.counts[at].1 == 0 {
                    self.counts.remove(at);
                }
            }
            Err(at) => {
                if count != 0 {
                    self.counts.insert(at, (bucket, count));
                }
            }
        }
    }

    /// Adds changes of different buckets, ordered by bucket.
    pub fn add_all(&mut self, changes: &[(u16, i32)]) {
        if changes.len() * 8 < self.counts.len() {
            for (bucket, count) in changes {
                self.add(*bucket, *count);
            }
            return;
        }
        // Merged from the end, in place.
        let known = self.counts.len();
        let mut from = known;
        let mut to = known + self.count_missing(changes);
        self.counts.resize(to, (0, 0));
        for (bucket, count) in changes.iter().rev() {
            while from > 0 && self.counts[from - 1].0 > *bucket {
                from -= 1;
                to -= 1;
                self.counts[to] = self.counts[from];
            }
            let mut sum = *count;
            if from > 0 && self.counts[from - 1].0 == *bucket {
                from -= 1;
                sum += self.counts[from].1;
            }
            to -= 1;
            self.counts[to] = (*bucket, sum);
        }
        self.counts.retain(|entry| entry.1 != 0);
    }

    /// How many of these buckets, which are ordered, hold no count.
    fn count_missing(&self, changes: &[(u16, i32)]) -> usize {
        let mut known = self.counts.iter().peekable();
        let is_missing = |change: &&(u16, i32)| {
            while known.next_if(|entry| entry.0 < change.0).is_some() {}
            known.peek().is_none_or(|entry| entry.0 != change.0)
        };
        changes.iter().filter(is_missing).count()
    }

    /// Nothing counted.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Bucket and count, ordered by bucket.
    pub fn iter(&self) -> impl Iterator<Item = (u16, i32)> + '_ {
        self.counts.iter().copied()
    }

    /// Nearest-rank quantiles in seconds: the bucket of the value with rank
    /// ceil(n x permille / 1000). `None` without samples.
    pub fn quantiles(&self) -> Option<Quantiles> {
        let total: i64 = self.counts.iter().map(|entry| i64::from(entry.1)).sum();
        if total <= 0 {
            return None;
        }
        let ranks = QUANTILES.map(|permille| (total * i64::from(permille) + 999) / 1000);
        let mut quantiles = [0.0; QUANTILES.len()];
        let mut next = 0;
        let mut seen = 0;
        for (bucket, count) in self.iter() {
            seen += i64::from(count);
            while next < ranks.len() && seen >= ranks[next] {
                quantiles[next] = value_of_bucket(bucket) / 1000.0;
                next += 1;
            }
        }
        Some(quantiles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layout is hdrhistogram's: equal buckets hold equivalent values.
    #[test]
    fn buckets_are_those_of_hdrhistogram() {
        let oracle = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 1 << 42, 2).unwrap();
        let mut value = 1_u64;
        while value < 1 << 42 {
            for near in [value - 1, value, value + 1] {
                let same = bucket_of(near) == bucket_of(near + 1);
                assert_eq!(same, oracle.equivalent(near, near + 1), "at {near}");
            }
            value += value / 97 + 1;
        }
    }

    #[test]
    fn the_middle_is_within_half_a_percent() {
        let mut value = 1_u64;
        while value < 4_000_000_000_000 {
            #[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "test")]
            let exact = value as f64;
            let middle = value_of_bucket(bucket_of(value));
            assert!(
                (middle - exact).abs() <= exact * 0.004,
                "{value} reads {middle}"
            );
            value += value / 89 + 1;
        }
    }

    proptest::proptest! {
        /// One by one or all at once is the same.
        #[test]
        fn many_changes_are_each_of_them(rounds in proptest::collection::vec(
            proptest::collection::btree_map(0_u16..40, -3_i32..4, 0..30), 0..6)) {
            let (mut at_once, mut one_by_one) = (Buckets::default(), Buckets::default());
            for round in rounds {
                let changes: Vec<(u16, i32)> = round.into_iter().collect();
                at_once.add_all(&changes);
                for (bucket, count) in changes {
                    one_by_one.add(bucket, count);
                }
                proptest::prop_assert_eq!(&at_once, &one_by_one);
            }
        }
    }

    #[test]
    fn ranks_are_nearest() {
        let mut buckets = Buckets::default();
        assert_eq!(buckets.quantiles(), None);
        for value in 1..=100_u64 {
            buckets.add(bucket_of(value), 1);
        }
        assert_eq!(buckets.quantiles(), Some([0.050, 0.090, 0.095, 0.099]));
        buckets.add(bucket_of(1), -1);
        assert_eq!(buckets.iter().count(), 99);
    }
}
