//! What a record, or a contact, adds to one moment and route: the unit that is folded into windows
//! and kept as a row in its pane.

use smallvec::SmallVec;

use crate::kpi::{Count, Measure, STEPS, Totals, bucket_of};

/// Tag of a sum of squares in a row.
const SQUARES: u16 = 32;
/// Tag of a repeat step in a row.
const REPEATS: u16 = 64;
/// Tag of a handle-time bucket in a row.
const BUCKETS: u16 = 128;

/// One figure of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    tag: u16,
    amount: i128,
}

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    /// A count or sum.
    Count(usize),
    /// A sum of squares.
    Squares(usize),
    /// Repeats of first contacts that did not fail at once, by step of the horizon.
    Repeats(usize),
    /// Handled contacts in a handle-time bucket.
    Bucket(u16),
}

impl Item {
    pub(super) fn new(tag: u16, amount: i128) -> Self {
        Self { tag, amount }
    }

    pub(super) fn tag(self) -> u16 {
        self.tag
    }

    /// The amount, exact.
    pub(super) fn wide(self) -> i128 {
        self.amount
    }

    /// The amount of anything but a sum of squares.
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        reason = "made from an i64"
    )]
    pub(super) fn amount(self) -> i64 {
        self.amount as i64
    }

    pub(super) fn figure(self) -> Figure {
        match self.tag {
            0..SQUARES => Figure::Count(usize::from(self.tag)),
            SQUARES..REPEATS => Figure::Squares(usize::from(self.tag - SQUARES)),
            REPEATS..BUCKETS => Figure::Repeats(usize::from(self.tag - REPEATS)),
            BUCKETS.. => Figure::Bucket(self.tag - BUCKETS),
        }
    }

    /// Whether a tag read back from disk is one that is written.
    pub(super) fn is_valid_tag(tag: u16) -> bool {
        let within = |offset: u16, length: usize| usize::from(offset) < length;
        match tag {
            0..SQUARES => within(tag, Count::LENGTH),
            SQUARES..REPEATS => within(tag - SQUARES, Measure::LENGTH),
            REPEATS..BUCKETS => within(tag - REPEATS, STEPS),
            BUCKETS.. => tag < BUCKETS + 8192,
        }
    }
}

/// The figures of a row, without zeros, ordered by tag.
pub(super) type Items = SmallVec<[Item; 32]>;

/// Figures on their way to the windows.
#[derive(Clone, Debug, Default)]
pub(super) struct Delta {
    pub(super) totals: Totals,
    repeats: SmallVec<[(u8, i64); 4]>,
    buckets: SmallVec<[(u16, i32); 8]>,
}

impl Delta {
    /// Counts a handle time in its bucket, or takes it back.
    pub(super) fn handle_time(&mut self, handle_ms: u64, sign: i32) {
        let bucket = bucket_of(handle_ms);
        match self.buckets.iter_mut().find(|entry| entry.0 == bucket) {
            Some(entry) => entry.1 += sign,
            None => self.buckets.push((bucket, sign)),
        }
    }

    /// Counts a repeat in its step, or takes it back.
    pub(super) fn repeat(&mut self, step: usize, sign: i64) {
        let step = u8::try_from(step).unwrap_or(u8::MAX);
        match self.repeats.iter_mut().find(|entry| entry.0 == step) {
            Some(entry) => entry.1 += sign,
            None => self.repeats.push((step, sign)),
        }
    }

    /// Writes the figures that are not zero, ordered by tag, in place of what `items` holds.
    pub(super) fn items(&mut self, items: &mut Items) {
        items.clear();
        for (tag, count) in (0_u16..).zip(self.totals.counts) {
            if count != 0 {
                items.push(Item::new(tag, i128::from(count)));
            }
        }
        for (tag, squares) in (SQUARES..).zip(self.totals.squares) {
            if squares != 0 {
                items.push(Item::new(tag, squares));
            }
        }
        self.repeats.sort_unstable();
        for (step, count) in self.repeats.iter().filter(|entry| entry.1 != 0) {
            items.push(Item::new(REPEATS + u16::from(*step), i128::from(*count)));
        }
        self.buckets.sort_unstable();
        for (bucket, count) in self.buckets.iter().filter(|entry| entry.1 != 0) {
            items.push(Item::new(BUCKETS + bucket, i128::from(*count)));
        }
    }

    /// Empties the delta and keeps its memory.
    pub(super) fn clear(&mut self) {
        self.totals = Totals::default();
        self.repeats.clear();
        self.buckets.clear();
    }
}

/// Appends a row to the bytes of a pane.
pub(super) fn write_row(bytes: &mut Vec<u8>, offset_ms: u64, route: u32, items: &Items) {
    write_unsigned(bytes, u128::from(route));
    write_unsigned(bytes, u128::from(offset_ms));
    write_unsigned(bytes, u128::try_from(items.len()).unwrap_or(0));
    for item in items {
        write_unsigned(bytes, u128::from(item.tag()));
        write_unsigned(bytes, zigzag(item.wide()));
    }
}

/// Reads the next row of a pane into `items`: its route and its offset in the pane. `None` at the
/// end, or where the bytes are not those of a row.
pub(super) fn read_row(bytes: &mut &[u8], items: &mut Items) -> Option<(u32, u64)> {
    items.clear();
    if bytes.is_empty() {
        return None;
    }
    let route = u32::try_from(read_unsigned(bytes)?).ok()?;
    let offset_ms = u64::try_from(read_unsigned(bytes)?).ok()?;
    let length = usize::try_from(read_unsigned(bytes)?).ok()?;
    for _ in 0..length {
        let tag = u16::try_from(read_unsigned(bytes)?).ok()?;
        if !Item::is_valid_tag(tag) {
            return None;
        }
        items.push(Item::new(tag, unzigzag(read_unsigned(bytes)?)));
    }
    Some((route, offset_ms))
}

/// Appends the next row of a pane to other bytes, with the route that `route_of` gives in place of
/// its own. `None` as [`read_row`].
pub(super) fn copy_row(
    bytes: &mut &[u8],
    to: &mut Vec<u8>,
    route_of: impl FnOnce(u32) -> u32,
) -> Option<()> {
    let route = u32::try_from(read_unsigned(bytes)?).ok()?;
    let row = *bytes;
    read_unsigned(bytes)?;
    let length = read_unsigned(bytes)?;
    for _ in 0..length {
        // Tag and amount: each ends with a byte below 128.
        for _ in 0..2 {
            let last = bytes.iter().position(|byte| byte & 0x80 == 0)?;
            *bytes = &bytes[last + 1..];
        }
    }
    write_unsigned(to, u128::from(route_of(route)));
    to.extend_from_slice(&row[..row.len() - bytes.len()]);
    Some(())
}

fn zigzag(amount: i128) -> u128 {
    (amount.cast_unsigned() << 1) ^ (amount >> 127).cast_unsigned()
}

fn unzigzag(amount: u128) -> i128 {
    (amount >> 1).cast_signed() ^ -((amount & 1).cast_signed())
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "seven bits at a time"
)]
fn write_unsigned(bytes: &mut Vec<u8>, amount: u128) {
    // Nearly all fit, and 128 bits are slow to shift.
    if let Ok(mut amount) = u64::try_from(amount) {
        while amount >= 0x80 {
            bytes.push((amount as u8 & 0x7f) | 0x80);
            amount >>= 7;
        }
        bytes.push(amount as u8);
    } else {
        write_long_unsigned(bytes, amount);
    }
}

#[cold]
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "seven bits at a time"
)]
fn write_long_unsigned(bytes: &mut Vec<u8>, mut amount: u128) {
    while amount >= 0x80 {
        bytes.push((amount as u8 & 0x7f) | 0x80);
        amount >>= 7;
    }
    bytes.push(amount as u8);
}

/// Bytes of a number that fits into 63 bits: nearly all of them do.
const SHORT_BYTES: usize = 9;

#[inline]
fn read_unsigned(bytes: &mut &[u8]) -> Option<u128> {
    let mut amount = 0_u64;
    for (at, byte) in bytes.iter().take(SHORT_BYTES).enumerate() {
        amount |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            *bytes = &bytes[at + 1..];
            return Some(u128::from(amount));
        }
    }
    read_long_unsigned(bytes)
}

#[cold]
fn read_long_unsigned(bytes: &mut &[u8]) -> Option<u128> {
    let mut amount = 0_u128;
    let mut shift = 0_u32;
    loop {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        if shift > 126 {
            return None;
        }
        amount |= u128::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(amount);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_read_back(amounts in prop::collection::vec((0_u16..30, any::<i128>()), 0..20), offset: u64, route: u32) {
            let items: Items = amounts.iter().map(|(tag, amount)| Item::new(*tag, *amount)).collect();
            let mut bytes = Vec::new();
            write_row(&mut bytes, offset, route, &items);
            let mut read = Items::new();
            let mut rest = bytes.as_slice();
            prop_assert_eq!(read_row(&mut rest, &mut read), Some((route, offset)));
            prop_assert_eq!(&read, &items);
            prop_assert!(rest.is_empty());
            let mut copied = Vec::new();
            rest = bytes.as_slice();
            prop_assert_eq!(copy_row(&mut rest, &mut copied, |before| before / 3), Some(()));
            prop_assert!(rest.is_empty());
            rest = copied.as_slice();
            prop_assert_eq!(read_row(&mut rest, &mut read), Some((route / 3, offset)));
            prop_assert_eq!(read, items);
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut rest = bytes.as_slice();
            let mut items = Items::new();
            while read_row(&mut rest, &mut items).is_some() {}
        }
    }

    #[test]
    fn what_is_taken_back_leaves_no_item() {
        let mut delta = Delta::default();
        delta.handle_time(1000, 1);
        delta.repeat(3, 1);
        delta.totals.count(Count::Records, 1);
        let mut items = Items::new();
        delta.items(&mut items);
        assert_eq!(items.len(), 3);
        delta.handle_time(1000, -1);
        delta.repeat(3, -1);
        delta.totals.count(Count::Records, -1);
        delta.items(&mut items);
        assert!(items.is_empty());
    }
}
