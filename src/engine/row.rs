//! A row: what a moment and route gained, in as few bytes as it takes.
//!
//! ```text
//! route | length of the rest | offset in the pane | counts there are: u32 | what else: u8
//!       | counts | sums of squares | number of buckets | buckets (each less the one before) and counts
//! ```
//! Numbers are of variable length, seven bits a byte, signed ones in zigzag.

use smallvec::SmallVec;

use super::routes::RouteId;
use crate::kpi::{Buckets, Count, Measure, Totals};

/// Bits of the measures in the byte that says what else there is.
const MEASURES: u8 = (1 << Measure::LENGTH) - 1;
/// Bit of that byte: there are handle-time buckets.
const HAS_BUCKETS: u8 = 1 << Measure::LENGTH;
/// No value of 64 bits has its handle-time bucket there.
const BUCKETS: u16 = 8192;

/// Numbers of what a resolved episode counts; its milliseconds follow the count.
const EPISODES: u8 = Count::Episodes.number();
const EPISODE: u8 = Measure::Episode.number();

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
        for (index, count) in (0_u8..).zip(totals.counts) {
            if count != 0 {
                self.counts.push((index, count));
            }
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
            self.counts.push((EPISODES + 1, sign * milliseconds));
            self.squares.push((EPISODE, i128::from(sign) * squares));
        }
    }

    /// Adds what records count, and not contacts, to totals; wraps as [`Totals::add`].
    pub(super) fn add_records_to(&self, totals: &mut Totals, sign: i64) {
        self.add_to(totals, sign);
        for (index, count) in &self.counts {
            if *index == EPISODES || *index == EPISODES + 1 {
                let mine = &mut totals.counts[usize::from(*index)];
                *mine = mine.wrapping_sub(sign.wrapping_mul(*count));
            }
        }
        for (index, squares) in &self.squares {
            if *index == EPISODE {
                let mine = &mut totals.squares[usize::from(*index)];
                *mine = mine.wrapping_sub(i128::from(sign).wrapping_mul(*squares));
            }
        }
    }

    /// Adds it to totals `sign` times; wraps as [`Totals::add`].
    #[inline]
    pub(super) fn add_to(&self, totals: &mut Totals, sign: i64) {
        for (index, count) in &self.counts {
            let mine = &mut totals.counts[usize::from(*index)];
            *mine = mine.wrapping_add(sign.wrapping_mul(*count));
        }
        for (index, squares) in &self.squares {
            let mine = &mut totals.squares[usize::from(*index)];
            *mine = mine.wrapping_add(i128::from(sign).wrapping_mul(*squares));
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
        if others? {
            each_bucket(bytes, |bucket, count| buckets.push((bucket, count)))?;
        }
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
        let (route, mut figures) = split_row(bytes)?;
        let offset_ms = read_unsigned(&mut figures)?;
        Some((route, Self { offset_ms, figures }))
    }

    /// Whether it is a row, as [`Row::read`] tells.
    #[inline]
    pub(super) fn is_whole(self) -> bool {
        let mut bytes = self.figures;
        let has_buckets = each_total(&mut bytes, |_, _| {}, |_, _| {});
        let is_read = match has_buckets {
            Some(true) => each_bucket(&mut bytes, |_, _| {}).is_some(),
            Some(false) => true,
            None => false,
        };
        is_read && bytes.is_empty()
    }

    /// Adds its counts alone. Of what is not whole a part may be added.
    #[inline]
    pub(super) fn add_counts_to(self, totals: &mut Totals) {
        let mut bytes = self.figures;
        let add = |index, count| add_count(&mut totals.counts, index, count);
        let _others: Option<u8> = each_count(&mut bytes, add);
    }

    /// Adds it to totals, as [`Row::add_to`], and its handle times to buckets. Of what is not whole a
    /// part may be added.
    #[inline]
    pub(super) fn add_to(self, totals: &mut Totals, buckets: &mut Buckets) {
        let mut bytes = self.figures;
        let Totals { counts, squares } = totals;
        let has_buckets = each_total(
            &mut bytes,
            |index, count| add_count(counts, index, count),
            |index, sum| {
                let mine = &mut squares[usize::from(index)];
                *mine = mine.wrapping_add(sum);
            },
        );
        if has_buckets == Some(true) {
            each_bucket(&mut bytes, |bucket, count| buckets.add(bucket, count));
        }
    }
}

#[inline]
fn add_count(counts: &mut [i64; Count::LENGTH], index: u8, count: i64) {
    let mine = &mut counts[usize::from(index)];
    *mine = mine.wrapping_add(count);
}

/// The counts and sums of squares of a row, by their numbers, and whether buckets follow; `None` as
/// [`Row::read`].
#[inline]
fn each_total(
    bytes: &mut &[u8],
    count: impl FnMut(u8, i64),
    mut square: impl FnMut(u8, i128),
) -> Option<bool> {
    let other = each_count(bytes, count)?;
    let mut squares = u32::from(other & MEASURES);
    while squares != 0 {
        square(lowest(squares), read_wide(bytes)?);
        squares &= squares - 1;
    }
    Some(other & HAS_BUCKETS != 0)
}

/// The counts of a row, by their numbers, and the byte that says what else there is.
#[inline]
fn each_count(bytes: &mut &[u8], mut count: impl FnMut(u8, i64)) -> Option<u8> {
    let mut counts = u32::from_le_bytes(*take(bytes)?);
    let [other] = *take(bytes)?;
    if counts >> Count::LENGTH != 0 || other & !(MEASURES | HAS_BUCKETS) != 0 {
        return None;
    }
    while counts != 0 {
        count(lowest(counts), unzigzag(read_unsigned(bytes)?));
        counts &= counts - 1;
    }
    Some(other)
}

/// The handle-time buckets of a row and what they gained; `None` as [`Row::read`].
#[inline]
fn each_bucket(bytes: &mut &[u8], mut visit: impl FnMut(u16, i32)) -> Option<()> {
    let mut bucket = 0;
    for _ in 0..read_unsigned(bytes)? {
        let more = u16::try_from(read_unsigned(bytes)?).ok()?;
        bucket = more
            .checked_add(bucket)
            .filter(|bucket| *bucket < BUCKETS)?;
        visit(bucket, i32::try_from(unzigzag(read_unsigned(bytes)?)).ok()?);
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

#[inline]
fn take<'b, const COUNT: usize>(bytes: &mut &'b [u8]) -> Option<&'b [u8; COUNT]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(taken)
}

/// The number of the lowest bit that is set.
#[inline]
fn lowest(bits: u32) -> u8 {
    u8::try_from(bits.trailing_zeros()).unwrap_or(u8::MAX)
}

#[inline]
fn zigzag(amount: i64) -> u64 {
    (amount << 1).cast_unsigned() ^ (amount >> 63).cast_unsigned()
}

#[inline]
fn unzigzag(amount: u64) -> i64 {
    (amount >> 1).cast_signed() ^ -((amount & 1).cast_signed())
}

#[inline]
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "seven bits at a time"
)]
fn write_unsigned(bytes: &mut Vec<u8>, mut amount: u64) {
    while amount >= 0x80 {
        bytes.push((amount as u8 & 0x7f) | 0x80);
        amount >>= 7;
    }
    bytes.push(amount as u8);
}

#[inline]
fn read_unsigned(bytes: &mut &[u8]) -> Option<u64> {
    if let [byte @ ..0x80, rest @ ..] = bytes {
        *bytes = rest;
        return Some(u64::from(*byte));
    }
    read_long(bytes)
}

fn read_long(bytes: &mut &[u8]) -> Option<u64> {
    if let Some((head, _)) = bytes.split_first_chunk() {
        let word = u64::from_le_bytes(*head);
        let last = (!word & TOP_BITS).trailing_zeros();
        if let Some(unused) = (u64::BITS - 1).checked_sub(last) {
            let (_, rest) = bytes.split_at_checked(usize::try_from(last / 8 + 1).ok()?)?;
            *bytes = rest;
            return Some(sevens_together(word << unused >> unused));
        }
    }
    let mut amount = 0_u64;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        let part = u64::from(byte & 0x7f);
        let shifted = part << (7 * at);
        if shifted >> (7 * at) != part {
            return None;
        }
        amount |= shifted;
        if byte & 0x80 == 0 {
            *bytes = &bytes[at + 1..];
            return Some(amount);
        }
    }
    None
}

/// The bit of each byte that says that another one follows.
const TOP_BITS: u64 = 0x8080_8080_8080_8080;

/// The lower seven bits of each byte side by side.
#[inline]
fn sevens_together(word: u64) -> u64 {
    let sevens = word & !TOP_BITS;
    let fourteens = (sevens & 0x007f_007f_007f_007f) | (sevens & 0x7f00_7f00_7f00_7f00) >> 1;
    let half = (fourteens & 0x0000_3fff_0000_3fff) | (fourteens & 0x3fff_0000_3fff_0000) >> 2;
    (half & 0x0fff_ffff) | (half & 0x0fff_ffff_0000_0000) >> 4
}

/// A number of 128 bits: its lower half in zigzag where that is all of it, else both.
fn write_wide(bytes: &mut Vec<u8>, amount: i128) {
    match i64::try_from(amount) {
        // One more, since 0 says that both halves follow.
        Ok(short) if zigzag(short) < u64::MAX => write_unsigned(bytes, zigzag(short) + 1),
        Ok(_) | Err(_) => {
            bytes.push(0);
            bytes.extend_from_slice(&amount.to_le_bytes());
        }
    }
}

#[inline]
fn read_wide(bytes: &mut &[u8]) -> Option<i128> {
    match read_unsigned(bytes)? {
        0 => Some(i128::from_le_bytes(*take(bytes)?)),
        more => Some(unzigzag(more - 1).into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    fn row() -> impl Strategy<Value = Row> {
        let counts = btree_map(0_u8..29, any::<i64>(), 0..29);
        let squares = btree_map(
            0_u8..5,
            prop_oneof![any::<i128>(), any::<i64>().prop_map(i128::from)],
            0..5,
        );
        let buckets = btree_map(0..BUCKETS, any::<i32>(), 0..40);
        (counts, squares, buckets).prop_map(|(counts, squares, buckets)| Row {
            counts: counts.into_iter().collect(),
            squares: squares.into_iter().collect(),
            buckets: buckets.into_iter().collect(),
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
                let (mut totals, mut expected) = (Totals::default(), Totals::default());
                let (mut buckets, mut expected_buckets) = (Buckets::default(), Buckets::default());
                prop_assert!(as_written.is_whole());
                as_written.add_to(&mut totals, &mut buckets);
                let mut counted = Totals::default();
                as_written.add_counts_to(&mut counted);
                prop_assert_eq!(counted.counts, totals.counts);
                row.add_to(&mut expected, 1);
                expected_buckets.add_all(&row.buckets);
                prop_assert_eq!((totals, buckets), (expected, expected_buckets));
            }
            prop_assert!(rest.is_empty() && first.is_empty());
            prop_assert!(second.is_empty() && skipped.is_empty());
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
            let (mut rest, mut written) = (bytes.as_slice(), bytes.as_slice());
            let mut row = Row::default();
            while let Some((_, as_written)) = WrittenRow::next(&mut written) {
                as_written.add_to(&mut Totals::default(), &mut Buckets::default());
                prop_assert_eq!(row.read(&mut rest).is_some(), as_written.is_whole());
                rest = written;
            }
        }

        #[test]
        fn numbers_read_back(amount in any::<u64>(), unused in 0..64_u32, behind in vec(any::<u8>(), 0..9)) {
            let mut bytes = Vec::new();
            write_unsigned(&mut bytes, amount >> unused);
            bytes.extend_from_slice(&behind);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(read_unsigned(&mut rest), Some(amount >> unused));
            prop_assert_eq!(rest, behind);
        }

        #[test]
        fn what_is_added_and_taken_back_leaves_nothing(row in row()) {
            let mut totals = Totals::default();
            // Halved, so that none has no opposite.
            let row = Row {
                counts: row.counts.iter().map(|(index, count)| (*index, count / 2)).collect(),
                squares: row.squares.iter().map(|(index, sum)| (*index, sum / 2)).collect(),
                ..row
            };
            row.add_to(&mut totals, 1);
            let mut again = Row::default();
            again.fill(&totals, row.buckets.iter().copied());
            for (index, count) in &row.counts {
                prop_assert_eq!(totals.counts[usize::from(*index)], *count);
            }
            row.add_to(&mut totals, -1);
            prop_assert!(totals.is_empty());
        }
    }
}
