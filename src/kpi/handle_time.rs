//! Handle time: the mean (`aht`) and the quantiles (`handle_time`).
//!
//! Quantiles come from log-linear bucket counts in the layout of hdrhistogram with two significant
//! digits: below 256 ms every millisecond has its bucket, above each octave has 128, so that a
//! bucket's middle is within 0.4 % of every value in it. Bucket counts add and subtract exactly.

use std::hint::black_box;

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

/// Counts by bucket. Few are kept as a list, many as an array: adding to one takes the same short
/// time, and a key with few contacts does not pay for one with many.
#[derive(Clone, Debug)]
pub struct Buckets(Counts);

#[derive(Clone, Debug)]
enum Counts {
    /// Bucket and count, ordered by bucket; no zero counts.
    List(Vec<(u16, i32)>),
    /// The counts from bucket `first` on, and how many of them are not zero.
    Array {
        first: u16,
        counts: Vec<i32>,
        used: usize,
    },
}

/// An array of this many bytes for each that the list would take is not too large.
const ARRAY_BYTES_A_LIST_BYTE: usize = 2;
/// An array begins and ends at multiples of so many buckets.
const ARRAY_STEP: usize = 32;

impl Default for Buckets {
    fn default() -> Self {
        Self(Counts::List(Vec::new()))
    }
}

impl PartialEq for Buckets {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Buckets {}

impl Buckets {
    /// Adds `count` (may be negative) to a bucket.
    #[inline]
    pub fn add(&mut self, bucket: u16, count: i32) {
        if let Counts::Array {
            first,
            counts,
            used,
        } = &mut self.0
            && let Some(at) = bucket.checked_sub(*first)
            && let Some(known) = counts.get_mut(usize::from(at))
        {
            let was_used = usize::from(*known != 0);
            *known += count;
            *used = *used + usize::from(*known != 0) - was_used;
            return;
        }
        self.add_outside(bucket, count);
    }

    /// Adds where no array has room for the bucket.
    fn add_outside(&mut self, bucket: u16, count: i32) {
        let counts = self.list();
        match counts.binary_search_by_key(&bucket, |entry| entry.0) {
            Ok(at) => {
                counts[at].1 += count;
                if counts[at].1 == 0 {
                    counts.remove(at);
                }
            }
            Err(at) if count != 0 => counts.insert(at, (bucket, count)),
            Err(_) => {}
        }
        self.choose_form();
    }

    /// The counts as a list, whatever they were.
    fn list(&mut self) -> &mut Vec<(u16, i32)> {
        if matches!(self.0, Counts::Array { .. }) {
            self.0 = Counts::List(self.iter().collect());
        }
        match &mut self.0 {
            Counts::List(counts) => counts,
            Counts::Array { .. } => unreachable!("has just been made a list"),
        }
    }

    /// Makes an array of a list that is long for the buckets it spans.
    fn choose_form(&mut self) {
        let Counts::List(list) = &self.0 else { return };
        let (Some(&(lowest, _)), Some(&(highest, _))) = (list.first(), list.last()) else {
            return;
        };
        let from = usize::from(lowest) / ARRAY_STEP * ARRAY_STEP;
        let length = usize::from(highest) / ARRAY_STEP * ARRAY_STEP + ARRAY_STEP - from;
        let bytes = length * size_of::<i32>();
        if bytes > list.len() * size_of::<(u16, i32)>() * ARRAY_BYTES_A_LIST_BYTE {
            return;
        }
        let mut counts = vec![0; length];
        for (bucket, count) in list {
            counts[usize::from(*bucket) - from] = *count;
        }
        self.0 = Counts::Array {
            first: u16::try_from(from).unwrap_or(lowest),
            used: list.len(),
            counts,
        };
    }

    /// Gives back what an array takes that has become empty for its length.
    pub(crate) fn trim(&mut self) {
        if let Counts::Array { counts, used, .. } = &self.0 {
            // Half as full as when it was made, so that it does not come and go.
            let listed = used * size_of::<(u16, i32)>() * ARRAY_BYTES_A_LIST_BYTE;
            if counts.len() * size_of::<i32>() > 2 * listed {
                self.list();
            }
        }
    }

    /// Adds changes of different buckets, ordered by bucket.
    pub fn add_all(&mut self, changes: &[(u16, i32)]) {
        match &mut self.0 {
            Counts::List(counts) if changes.len() * 8 >= counts.len() => {
                merge(counts, changes);
                self.choose_form();
            }
            Counts::List(_) | Counts::Array { .. } => {
                for (bucket, count) in changes {
                    self.add(*bucket, *count);
                }
                self.trim();
            }
        }
    }

    /// Adds the counts of others.
    pub(crate) fn add_counts(&mut self, others: &Self) {
        match &others.0 {
            Counts::List(counts) => self.add_all(counts),
            Counts::Array { .. } => {
                let counts: Vec<(u16, i32)> = others.iter().collect();
                self.add_all(&counts);
            }
        }
    }

    /// Brings what counting in a bucket will look at into the cache.
    #[inline]
    pub(crate) fn fetch(&self, bucket: u16) {
        match &self.0 {
            // It will be searched through.
            Counts::List(counts) => {
                const A_LINE: usize = 64 / size_of::<(u16, i32)>();
                let lines = counts.iter().step_by(A_LINE);
                black_box(lines.fold(0, |all, one| all ^ one.1));
            }
            Counts::Array { first, counts, .. } => {
                let at = usize::from(bucket.saturating_sub(*first));
                black_box(counts.get(at).copied());
            }
        }
    }

    /// Nothing counted.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Counts::List(counts) => counts.is_empty(),
            Counts::Array { used, .. } => *used == 0,
        }
    }

    /// Bucket and count, ordered by bucket; no zero counts.
    pub fn iter(&self) -> impl Iterator<Item = (u16, i32)> + '_ {
        let (list, first, array): (&[_], _, &[_]) = match &self.0 {
            Counts::List(counts) => (counts, 0, &[]),
            Counts::Array { first, counts, .. } => (&[], *first, counts),
        };
        let array = (first..).zip(array.iter().copied());
        let listed = list.iter().copied();
        listed.chain(array.filter(|(_, count)| *count != 0))
    }

    /// Nearest-rank quantiles in seconds: the bucket of the value with rank
    /// ceil(n x permille / 1000). `None` without samples.
    pub fn quantiles(&self) -> Option<Quantiles> {
        let total: i64 = self.iter().map(|entry| i64::from(entry.1)).sum();
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

/// Adds changes of different buckets, ordered by bucket, to a list: from the end, in place.
fn merge(known: &mut Vec<(u16, i32)>, changes: &[(u16, i32)]) {
    let mut from = known.len();
    let mut to = from + count_missing(known, changes);
    known.resize(to, (0, 0));
    for (bucket, count) in changes.iter().rev() {
        while from > 0 && known[from - 1].0 > *bucket {
            from -= 1;
            to -= 1;
            known[to] = known[from];
        }
        let mut sum = *count;
        if from > 0 && known[from - 1].0 == *bucket {
            from -= 1;
            sum += known[from].1;
        }
        to -= 1;
        known[to] = (*bucket, sum);
    }
    known.retain(|entry| entry.1 != 0);
}

/// How many of these buckets, which are ordered, have no count in an ordered list.
fn count_missing(known: &[(u16, i32)], changes: &[(u16, i32)]) -> usize {
    let mut known = known.iter().peekable();
    let is_missing = |change: &&(u16, i32)| {
        while known.next_if(|entry| entry.0 < change.0).is_some() {}
        known.peek().is_none_or(|entry| entry.0 != change.0)
    };
    changes.iter().filter(is_missing).count()
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
            proptest::collection::btree_map(0_u16..140, -3_i32..4, 0..90), 0..9)) {
            let (mut at_once, mut one_by_one) = (Buckets::default(), Buckets::default());
            for round in rounds {
                let changes: Vec<(u16, i32)> = round.into_iter().collect();
                at_once.add_all(&changes);
                for (bucket, count) in changes {
                    one_by_one.add(bucket, count);
                }
                proptest::prop_assert_eq!(&at_once, &one_by_one);
                proptest::prop_assert!(at_once.iter().all(|(_, count)| count != 0));
                proptest::prop_assert_eq!(at_once.is_empty(), at_once.iter().next().is_none());
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
