//! A row: what a moment and route gained, in as few bytes as it takes.
//!
//! ```text
//! route | length of the rest | offset in the pane | counts there are: u32 | what else: u8
//!       | counts | sums of squares | number of buckets | buckets (each less the one before) and counts
//! ```
//! Most rows are of one record. Of such a row there are only the sums: each other count is 1, the
//! squares are those of the sums, and the bucket is that of the handle time.

use smallvec::SmallVec;

use super::numbers::{
    read_unsigned, read_wide, take, unzigzag, write_unsigned, write_wide, zigzag,
};
use super::routes::RouteId;
use crate::kpi::{Buckets, Count, Measure, Totals, bucket_of};

/// Bits of the measures in the byte that says what else there is.
const MEASURES: u8 = (1 << Measure::LENGTH) - 1;
/// Bit of that byte: there are handle-time buckets.
const HAS_BUCKETS: u8 = 1 << Measure::LENGTH;
/// All of that byte where the row is of one record: what is not there follows from what is.
const OF_ONE: u8 = 1 << (Measure::LENGTH + 1);
/// No value of 64 bits has its handle-time bucket there.
const BUCKETS: u16 = 8192;

/// Number of the count that is the sum of the first measure.
const FIRST_SUM: u8 = Measure::ALL[0].sum().number();
/// Numbers of what a resolved episode counts.
const EPISODES: u8 = Count::Episodes.number();
const EPISODES_MS: u8 = Count::EpisodesMs.number();
const EPISODE: u8 = Measure::Episode.number();
/// Numbers of what a handle time counts.
const HANDLED: u8 = Count::HandleTime.number();
const HANDLED_MS: u8 = Count::HandleTimeMs.number();

/// The measure that a count is the sum of, by its number.
#[inline]
fn measure_of(index: u8) -> Option<u8> {
    index.checked_sub(FIRST_SUM)
}

/// What one moment and route gained. Kept and filled again, so that it needs no memory of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// Counts that are not zero, by [`Count::index`], in order.
    pub(super) counts: SmallVec<[(u8, i64); Count::LENGTH]>,
    /// Sums of squares that are not zero, by [`Measure::index`], in order.
    pub(super) squares: SmallVec<[(u8, i128); Measure::LENGTH]>,
    /// Handle-time buckets and what they gained, in order.
    pub(super) buckets: SmallVec<[(u16, i32); 16]>,
}

impl Row {
    /// Nothing was gained.
    pub(super) fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.squares.is_empty() && self.buckets.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.counts.clear();
        self.squares.clear();
        self.buckets.clear();
    }

    /// Takes over what is not zero.
    pub(super) fn fill(&mut self, totals: &Totals, buckets: impl Iterator<Item = (u16, i32)>) {
        self.clear();
        // First which they are: to ask that of each in turn would be guessed wrong again and again.
        let counts = (0..).zip(&totals.counts);
        let mut counted = counts.fold(0_u32, |bits, (at, count)| {
            bits | u32::from(*count != 0) << at
        });
        while counted != 0 {
            let index = lowest(counted);
            self.counts.push((index, totals.counts[usize::from(index)]));
            counted &= counted - 1;
        }
        for (index, squares) in (0_u8..).zip(totals.squares) {
            if squares != 0 {
                self.squares.push((index, squares));
            }
        }
        self.buckets.extend(buckets);
    }

    /// Takes over a resolved episode, or one that is taken back (`sign` -1).
    pub(super) fn episode(&mut self, milliseconds: i64, sign: i64) {
        self.clear();
        self.counts.push((EPISODES, sign));
        let squares = i128::from(milliseconds) * i128::from(milliseconds);
        if milliseconds != 0 {
            self.counts.push((EPISODES_MS, sign * milliseconds));
            self.squares.push((EPISODE, i128::from(sign) * squares));
        }
    }

    /// Adds it to totals.
    pub(super) fn add_to(&self, totals: &mut Totals) {
        for (index, count) in &self.counts {
            add_count(&mut totals.counts, *index, *count);
        }
        for (index, sum) in &self.squares {
            let mine = &mut totals.squares[usize::from(*index)];
            *mine = mine.wrapping_add(*sum);
        }
    }

    /// Appends it to the bytes of a pane.
    pub(super) fn write(&self, route: RouteId, offset_ms: u64, bytes: &mut Vec<u8>) {
        write_unsigned(bytes, route.0.into());
        // Most are short: room for a length of one byte, and more only where it takes more.
        let at = bytes.len();
        bytes.push(0);
        self.write_rest(offset_ms, bytes);
        let length = bytes.len() - at - 1;
        if let Ok(short @ ..0x80) = u8::try_from(length) {
            bytes[at] = short;
        } else {
            let mut long = Vec::new();
            write_unsigned(&mut long, u64::try_from(length).unwrap_or(u64::MAX));
            bytes.splice(at..=at, long);
        }
    }

    fn write_rest(&self, offset_ms: u64, bytes: &mut Vec<u8>) {
        write_unsigned(bytes, offset_ms);
        let counts = self
            .counts
            .iter()
            .fold(0_u32, |bits, (at, _)| bits | 1 << at);
        bytes.extend_from_slice(&counts.to_le_bytes());
        if self.is_of_one() {
            bytes.push(OF_ONE);
            for (index, sum) in &self.counts {
                if measure_of(*index).is_some() {
                    write_unsigned(bytes, zigzag(*sum));
                }
            }
            return;
        }
        let squares = self
            .squares
            .iter()
            .fold(0_u8, |bits, (at, _)| bits | 1 << at);
        let has_buckets = if self.buckets.is_empty() {
            0
        } else {
            HAS_BUCKETS
        };
        bytes.push(squares | has_buckets);
        for (_, count) in &self.counts {
            write_unsigned(bytes, zigzag(*count));
        }
        for (_, sum) in &self.squares {
            write_wide(bytes, *sum);
        }
        if self.buckets.is_empty() {
            return;
        }
        write_unsigned(bytes, u64::try_from(self.buckets.len()).unwrap_or(0));
        let mut before = 0;
        for (bucket, count) in &self.buckets {
            write_unsigned(bytes, u64::from(bucket - before));
            write_unsigned(bytes, zigzag((*count).into()));
            before = *bucket;
        }
    }

    /// Whether everything follows from which counts there are and from the sums.
    fn is_of_one(&self) -> bool {
        let mut handle_ms = None;
        let mut squares = self.squares.iter();
        for (index, count) in &self.counts {
            let is_as_of_one = match measure_of(*index) {
                Some(measure) => {
                    let square = i128::from(*count) * i128::from(*count);
                    squares.next() == Some(&(measure, square))
                }
                None => *count == 1,
            };
            if !is_as_of_one {
                return false;
            }
            note_handle_time(&mut handle_ms, *index, *count);
        }
        let bucket = match handle_ms.map(u64::try_from) {
            Some(Ok(handle_ms)) => Some((bucket_of(handle_ms), 1)),
            Some(Err(_)) => return false,
            None => None,
        };
        squares.next().is_none() && self.buckets.iter().copied().eq(bucket)
    }

    /// Reads the next row of a pane in place of what it holds: its route and its offset in the pane.
    /// `None` at the end, or where the bytes are not those of a row.
    pub(super) fn read(&mut self, bytes: &mut &[u8]) -> Option<(RouteId, u64)> {
        let (route, mut rest) = split_row(bytes)?;
        let offset_ms = self.read_rest(&mut rest)?;
        rest.is_empty().then_some((route, offset_ms))
    }

    #[inline]
    fn read_rest(&mut self, bytes: &mut &[u8]) -> Option<u64> {
        self.clear();
        let Self {
            counts,
            squares,
            buckets,
        } = self;
        let offset_ms = read_unsigned(bytes)?;
        let others = each_total(
            bytes,
            |index, count| counts.push((index, count)),
            |index, sum| squares.push((index, sum)),
        );
        each_bucket(others?, bytes, |bucket, count| {
            buckets.push((bucket, count));
        })?;
        Some(offset_ms)
    }
}

/// A row as it lies in its pane, to be added to sums as it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct WrittenRow<'b> {
    pub(super) offset_ms: u64,
    /// From the numbers of its counts on.
    figures: &'b [u8],
}

impl<'b> WrittenRow<'b> {
    /// The next row of a pane and its route; `None` as [`Row::read`].
    #[inline]
    pub(super) fn next(bytes: &mut &'b [u8]) -> Option<(RouteId, Self)> {
        // One without an offset is none, and still there for whoever looks whether all have been read.
        let mut after = *bytes;
        let (route, mut figures) = split_row(&mut after)?;
        let offset_ms = read_unsigned(&mut figures)?;
        *bytes = after;
        Some((route, Self { offset_ms, figures }))
    }

    /// Whether it is a row, as [`Row::read`] tells.
    #[inline]
    pub(super) fn is_whole(self) -> bool {
        let mut bytes = self.figures;
        let others = each_total(&mut bytes, |_, _| {}, |_, _| {});
        let is_read = others.and_then(|others| each_bucket(others, &mut bytes, |_, _| {}));
        is_read.is_some() && bytes.is_empty()
    }

    /// Adds its counts alone. Of what is not whole a part may be added.
    #[inline]
    pub(super) fn add_counts_to(self, totals: &mut Totals) {
        let mut bytes = self.figures;
        let add = |index, count| add_count(&mut totals.counts, index, count);
        let _is_whole: Option<()> = each_count(&mut bytes, add);
    }

    /// Adds it to totals, and its handle times to buckets, and says as [`WrittenRow::is_whole`] whether
    /// it is a row. Of what is not whole a part may be added.
    #[inline]
    pub(super) fn add_to(self, totals: &mut Totals, buckets: &mut Buckets) -> bool {
        let mut bytes = self.figures;
        let Totals { counts, squares } = totals;
        let others = each_total(
            &mut bytes,
            |index, count| add_count(counts, index, count),
            |index, sum| {
                let mine = &mut squares[usize::from(index)];
                *mine = mine.wrapping_add(sum);
            },
        );
        let is_read = others.and_then(|others| {
            each_bucket(others, &mut bytes, |bucket, count| {
                buckets.add(bucket, count);
            })
        });
        is_read.is_some() && bytes.is_empty()
    }
}

#[inline]
fn add_count(counts: &mut [i64; Count::LENGTH], index: u8, count: i64) {
    let mine = &mut counts[usize::from(index)];
    *mine = mine.wrapping_add(count);
}

/// What else there is of a row than its counts.
#[derive(Clone, Copy, Debug)]
enum Others {
    /// What the byte says that stands there.
    Written(u8),
    /// What follows from the sums of one record, of which this is the handle time, milliseconds.
    OfOne { handle_ms: Option<i64> },
}

/// The counts and sums of squares of a row, by their numbers, and what else there is; `None` as
/// [`Row::read`].
#[inline]
fn each_total(
    bytes: &mut &[u8],
    mut count: impl FnMut(u8, i64),
    mut square: impl FnMut(u8, i128),
) -> Option<Others> {
    let (counts, others) = read_head(bytes)?;
    if others == OF_ONE {
        return each_of_one(counts, bytes, |index, amount, measure| {
            count(index, amount);
            if let Some(measure) = measure {
                square(measure, i128::from(amount) * i128::from(amount));
            }
        });
    }
    each_written(counts, bytes, count)?;
    let mut squares = u32::from(others & MEASURES);
    while squares != 0 {
        square(lowest(squares), read_wide(bytes)?);
        squares &= squares - 1;
    }
    Some(Others::Written(others))
}

/// The counts of a row alone, by their numbers; `None` as [`Row::read`].
#[inline]
fn each_count(bytes: &mut &[u8], mut count: impl FnMut(u8, i64)) -> Option<()> {
    let (counts, others) = read_head(bytes)?;
    if others == OF_ONE {
        each_of_one(counts, bytes, |index, amount, _| count(index, amount)).map(|_| ())
    } else {
        each_written(counts, bytes, count)
    }
}

/// Which counts there are, and what else.
#[inline]
fn read_head(bytes: &mut &[u8]) -> Option<(u32, u8)> {
    let counts = u32::from_le_bytes(*take(bytes)?);
    let [others] = *take(bytes)?;
    let is_known = others == OF_ONE || others & !(MEASURES | HAS_BUCKETS) == 0;
    (counts >> Count::LENGTH == 0 && is_known).then_some((counts, others))
}

#[inline]
fn each_written(mut counts: u32, bytes: &mut &[u8], mut count: impl FnMut(u8, i64)) -> Option<()> {
    while counts != 0 {
        count(lowest(counts), unzigzag(read_unsigned(bytes)?));
        counts &= counts - 1;
    }
    Some(())
}

/// The same of one record, with the measure that a sum is of.
#[inline]
fn each_of_one(
    mut counts: u32,
    bytes: &mut &[u8],
    mut visit: impl FnMut(u8, i64, Option<u8>),
) -> Option<Others> {
    let mut handle_ms = None;
    while counts != 0 {
        let index = lowest(counts);
        let measure = measure_of(index);
        let amount = match measure {
            Some(_) => unzigzag(read_unsigned(bytes)?),
            None => 1,
        };
        note_handle_time(&mut handle_ms, index, amount);
        visit(index, amount, measure);
        counts &= counts - 1;
    }
    Some(Others::OfOne { handle_ms })
}

/// Notes the handle time of one record while its counts are gone through in order: one of 0 has no sum.
#[inline]
fn note_handle_time(handle_ms: &mut Option<i64>, index: u8, amount: i64) {
    if index == HANDLED {
        *handle_ms = Some(0);
    } else if let (HANDLED_MS, Some(known)) = (index, handle_ms) {
        *known = amount;
    }
}

/// The handle-time buckets of a row and what they gained; `None` as [`Row::read`].
#[inline]
fn each_bucket(others: Others, bytes: &mut &[u8], mut visit: impl FnMut(u16, i32)) -> Option<()> {
    match others {
        Others::OfOne { handle_ms } => {
            if let Some(handle_ms) = handle_ms {
                visit(bucket_of(u64::try_from(handle_ms).ok()?), 1);
            }
        }
        Others::Written(others) if others & HAS_BUCKETS != 0 => {
            let mut bucket = 0;
            for _ in 0..read_unsigned(bytes)? {
                let more = u16::try_from(read_unsigned(bytes)?).ok()?;
                bucket = more
                    .checked_add(bucket)
                    .filter(|bucket| *bucket < BUCKETS)?;
                visit(bucket, i32::try_from(unzigzag(read_unsigned(bytes)?)).ok()?);
            }
        }
        Others::Written(_) => {}
    }
    Some(())
}

/// The route of the next row of a pane, which is passed over; `None` as [`Row::read`].
#[inline]
pub(super) fn skip_row(bytes: &mut &[u8]) -> Option<RouteId> {
    split_row(bytes).map(|(route, _)| route)
}

/// Appends the next row of a pane to other bytes, with the route that `route_of` gives in place of
/// its own. `None` as [`Row::read`].
pub(super) fn copy_row(
    bytes: &mut &[u8],
    to: &mut Vec<u8>,
    route_of: impl FnOnce(RouteId) -> RouteId,
) -> Option<()> {
    let (route, rest) = split_row(bytes)?;
    write_unsigned(to, route_of(route).0.into());
    write_unsigned(to, u64::try_from(rest.len()).ok()?);
    to.extend_from_slice(rest);
    Some(())
}

/// Route and rest of the row that comes first.
#[inline]
fn split_row<'b>(bytes: &mut &'b [u8]) -> Option<(RouteId, &'b [u8])> {
    let route = u32::try_from(read_unsigned(bytes)?).ok()?;
    let length = usize::try_from(read_unsigned(bytes)?).ok()?;
    let (rest, after) = bytes.split_at_checked(length)?;
    *bytes = after;
    Some((RouteId(route), rest))
}

/// The number of the lowest bit that is set.
#[inline]
fn lowest(bits: u32) -> u8 {
    u8::try_from(bits.trailing_zeros()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::super::kept_totals::KeptTotals;
    use super::*;

    fn row() -> impl Strategy<Value = Row> {
        let counts = btree_map(0_u8..29, any::<i64>(), 0..29);
        let squares = btree_map(
            0_u8..5,
            prop_oneof![any::<i128>(), any::<i64>().prop_map(i128::from)],
            0..5,
        );
        let buckets = btree_map(0..BUCKETS, any::<i32>(), 0..40);
        let any = (counts, squares, buckets).prop_map(|(counts, squares, buckets)| Row {
            counts: counts.into_iter().collect(),
            squares: squares.into_iter().collect(),
            buckets: buckets.into_iter().collect(),
        });
        prop_oneof![any, of_one().prop_map(|(row, _)| row)]
    }

    /// What one record of any kind may come to, or a little else, and whether all follows that should.
    fn of_one() -> impl Strategy<Value = (Row, bool)> {
        let amount = prop_oneof![0_i64..1000, 0_i64..1 << 48];
        let sums = [(); Measure::LENGTH].map(|()| amount.clone());
        (any::<u32>(), sums, 0_u8..8).prop_map(|(bits, sums, change)| {
            let mut totals = Totals::default();
            for count in &Count::ALL[..Count::FIRST_SUM] {
                totals.count(*count, (bits >> count.index() & 1).into());
            }
            for (measure, sum) in Measure::ALL.into_iter().zip(sums) {
                if bits >> measure.sum().index() & 1 != 0 {
                    totals.measure(measure.sum(), measure, sum, 1);
                }
            }
            let handle_ms = totals.get(Count::HandleTimeMs).cast_unsigned();
            let bucket = (totals.get(Count::HandleTime) == 1).then_some((bucket_of(handle_ms), 1));
            match change {
                0 => totals.squares[0] += 1,
                1 => totals.counts[0] -= 2,
                _ => {}
            }
            let mut row = Row::default();
            row.fill(&totals, bucket.into_iter().filter(|_| change != 2));
            (row, change > 2)
        })
    }

    proptest! {
        #[test]
        fn rows_read_back(rows in vec((row(), any::<u32>(), any::<u64>()), 0..5)) {
            let mut bytes = Vec::new();
            for (row, route, offset_ms) in &rows {
                row.write(RouteId(*route), *offset_ms, &mut bytes);
            }
            let mut copied = Vec::new();
            let mut rest = bytes.as_slice();
            while copy_row(&mut rest, &mut copied, |route| RouteId(route.0 / 3)).is_some() {}
            let mut skipped = copied.as_slice();
            let mut written = bytes.as_slice();
            let (mut first, mut second) = (bytes.as_slice(), copied.as_slice());
            let mut read = Row::default();
            for (row, route, offset_ms) in &rows {
                prop_assert_eq!(read.read(&mut first), Some((RouteId(*route), *offset_ms)));
                prop_assert_eq!(&read, row);
                prop_assert_eq!(read.read(&mut second), Some((RouteId(route / 3), *offset_ms)));
                prop_assert_eq!(&read, row);
                prop_assert_eq!(skip_row(&mut skipped), Some(RouteId(route / 3)));
                let (written_route, as_written) = WrittenRow::next(&mut written).unwrap();
                prop_assert_eq!((written_route, as_written.offset_ms), (RouteId(*route), *offset_ms));
                let (mut totals, mut expected) = (Totals::default(), KeptTotals::default());
                let (mut buckets, mut expected_buckets) = (Buckets::default(), Buckets::default());
                prop_assert!(as_written.is_whole());
                prop_assert!(as_written.add_to(&mut totals, &mut buckets));
                let mut counted = Totals::default();
                as_written.add_counts_to(&mut counted);
                prop_assert_eq!(counted.counts, totals.counts);
                expected.add_row(row, 1);
                expected_buckets.add_all(&row.buckets);
                prop_assert_eq!((totals, buckets), (expected.totals(), expected_buckets));
            }
            prop_assert!(rest.is_empty() && first.is_empty());
            prop_assert!(second.is_empty() && skipped.is_empty());
        }

        #[test]
        fn what_follows_is_not_written((row, follows) in of_one()) {
            let mut bytes = Vec::new();
            row.write(RouteId(5), 7, &mut bytes);
            prop_assert!(row.is_of_one() || !follows);
            // Route, length, offset, which counts, what else, and sums of at most 49 bits.
            prop_assert!(bytes.len() <= 8 + 7 * row.squares.len() || !row.is_of_one());
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
            let (mut rest, mut written) = (bytes.as_slice(), bytes.as_slice());
            let mut row = Row::default();
            while let Some((_, as_written)) = WrittenRow::next(&mut written) {
                let is_whole =
                    as_written.add_to(&mut Totals::default(), &mut Buckets::default());
                prop_assert_eq!(is_whole, as_written.is_whole());
                prop_assert_eq!(row.read(&mut rest).is_some(), as_written.is_whole());
                rest = written;
            }
        }

        #[test]
        fn what_is_added_and_taken_back_leaves_nothing(row in row()) {
            let mut kept = KeptTotals::default();
            // Halved, so that none has no opposite.
            let row = Row {
                counts: row.counts.iter().map(|(index, count)| (*index, count / 2)).collect(),
                squares: row.squares.iter().map(|(index, sum)| (*index, sum / 2)).collect(),
                ..row
            };
            kept.add_row(&row, 1);
            let totals = kept.totals();
            let mut again = Row::default();
            again.fill(&totals, row.buckets.iter().copied());
            for (index, count) in &row.counts {
                prop_assert_eq!(totals.counts[usize::from(*index)], *count);
            }
            kept.add_row(&row, -1);
            prop_assert!(kept.totals().is_empty());
        }
    }
}
