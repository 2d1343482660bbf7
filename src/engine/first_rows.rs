//! Rows of first contacts by pane: how many of a route came to what. Kept for as long as first
//! contacts are followed, which is the FCR horizon longer than the windows.

use std::collections::BTreeMap;
use std::hint::black_box;

use super::capture::{RouteNumbers, number_of};
use super::compaction::{Grown, Growth, first_rows_together, is_short};
use super::routes::{RouteId, Routes};
use super::spare::Spare;
use crate::kpi::STEPS;
use crate::time::Timestamp;
use crate::window::Range;

/// What became of a first contact so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nobody came back.
    Resolved,
    /// Failed at once, by flag or transfer.
    Failed,
    /// Did not fail at once, and the customer came back in this step of the horizon.
    Repeated(u8),
}

impl Fate {
    /// How many there are, numbered from 0.
    pub(super) const COUNT: usize = STEPS + 2;
    const RESOLVED: u8 = 28;
    const FAILED: u8 = 29;

    pub(super) fn number(self) -> u8 {
        match self {
            Self::Repeated(step) => step,
            Self::Resolved => Self::RESOLVED,
            Self::Failed => Self::FAILED,
        }
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        match number {
            Self::RESOLVED => Some(Self::Resolved),
            Self::FAILED => Some(Self::Failed),
            step if usize::from(step) < STEPS => Some(Self::Repeated(step)),
            _ => None,
        }
    }
}

/// First contacts of a route that came to the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FirstRow {
    pub(super) route: RouteId,
    pub(super) fate: Fate,
    /// How many; negative where they are taken back.
    pub(super) count: i32,
}

/// Bits of a word that hold the fate; the rest hold the count.
const FATE_BITS: u32 = 5;
const FATE_MASK: i32 = (1 << FATE_BITS) - 1;
/// What a word can count; more takes several rows.
const MOST: i32 = i32::MAX >> FATE_BITS;

/// A [`FirstRow`] in eight bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackedFirstRow {
    route: RouteId,
    word: i32,
}

impl PackedFirstRow {
    /// What holds a row, which is nearly always one.
    pub(super) fn of(row: FirstRow) -> impl Iterator<Item = Self> {
        let FirstRow { route, fate, count } = row;
        let mut left = count;
        std::iter::from_fn(move || {
            let part = left.clamp(-MOST, MOST);
            left -= part;
            (part != 0).then(|| Self {
                route,
                word: part << FATE_BITS | i32::from(fate.number()),
            })
        })
    }

    #[inline]
    pub(super) fn route(self) -> RouteId {
        self.route
    }

    #[inline]
    pub(super) fn fate(self) -> Fate {
        // Written by `new` or checked by `read`: there is no other fate.
        let fate = Fate::from_number(u8::try_from(self.word & FATE_MASK).unwrap_or(0));
        fate.unwrap_or(Fate::Failed)
    }

    #[inline]
    pub(super) fn count(self) -> i32 {
        self.word >> FATE_BITS
    }

    /// Those of one route and fate, and they alone, have the same.
    pub(super) fn order(self) -> (RouteId, i32) {
        (self.route, self.word & FATE_MASK)
    }

    /// Adds one of the same order, if there is room for both in one; says whether it has.
    pub(super) fn merge(&mut self, other: Self) -> bool {
        let sum = self.count() + other.count();
        if self.order() != other.order() || sum.abs() > MOST {
            return false;
        }
        self.word = sum << FATE_BITS | self.word & FATE_MASK;
        true
    }

    #[inline]
    pub(super) fn row(self) -> FirstRow {
        FirstRow {
            route: self.route,
            fate: self.fate(),
            count: self.count(),
        }
    }

    fn read(bytes: [u8; 8]) -> Option<Self> {
        let [r0, r1, r2, r3, w0, w1, w2, w3] = bytes;
        let packed = Self {
            route: RouteId(u32::from_le_bytes([r0, r1, r2, r3])),
            word: i32::from_le_bytes([w0, w1, w2, w3]),
        };
        let fate = Fate::from_number(u8::try_from(packed.word & FATE_MASK).ok()?);
        fate.map(|_| packed)
    }
}

/// Rows of a pane that is worth the while to bring together.
const LEAST: usize = 4;

/// The rows of one pane.
#[derive(Clone, Debug)]
struct Pane {
    rows: Vec<PackedFirstRow>,
    /// Of each its offset in the pane, where exact moments are kept; else empty.
    offsets_ms: Vec<i64>,
    growth: Growth,
}

impl Pane {
    /// One with memory for rows.
    fn in_memory(rows: Vec<PackedFirstRow>) -> Self {
        Self {
            rows,
            offsets_ms: Vec::new(),
            growth: Growth::new(LEAST),
        }
    }
}

/// The rows of consecutive panes. Each holds a reference to its route.
#[derive(Debug)]
pub(super) struct FirstRows {
    pane_ms: i64,
    exact_moments: bool,
    panes: BTreeMap<i64, Pane>,
    grown: Grown,
    /// Memory of panes that were dropped, for those to come.
    spare: Spare<PackedFirstRow>,
    /// Nothing is kept of what lies before.
    bound: Timestamp,
}

impl FirstRows {
    pub(super) fn new(pane_ms: i64, exact_moments: bool) -> Self {
        Self {
            pane_ms,
            exact_moments,
            panes: BTreeMap::new(),
            grown: Grown::default(),
            spare: Spare::default(),
            bound: Timestamp::MIN,
        }
    }

    /// Nothing is kept of what lies before this moment.
    pub(super) fn bound(&self) -> Timestamp {
        self.bound
    }

    /// Sets the bound of restored rows.
    pub(super) fn set_bound(&mut self, bound: Timestamp) {
        self.bound = bound;
    }

    /// Appends rows to the pane of their moment, and with each a reference to its route.
    pub(super) fn add_all(&mut self, moment: Timestamp, rows: &[FirstRow], routes: &mut Routes) {
        if moment < self.bound || rows.is_empty() {
            return;
        }
        let number = moment.as_millis().div_euclid(self.pane_ms);
        let spare = &mut self.spare;
        let pane = self.panes.entry(number);
        let pane = pane.or_insert_with(|| Pane::in_memory(spare.take()));
        pane.growth.make_room(&mut pane.rows, rows.len());
        for row in rows {
            for packed in PackedFirstRow::of(*row) {
                pane.rows.push(packed);
                if self.exact_moments {
                    let offset_ms = moment.as_millis().rem_euclid(self.pane_ms);
                    pane.offsets_ms.push(offset_ms);
                }
                routes.retain(row.route);
            }
        }
        self.grown.note(number, &mut pane.growth, pane.rows.len());
    }

    /// See [`Rows::fetch`](super::rows::Rows::fetch).
    pub(super) fn fetch(&self, moment: Timestamp) {
        let pane = moment.as_millis().div_euclid(self.pane_ms);
        let pane = self.panes.get(&pane);
        black_box(pane.and_then(|pane| pane.rows.last().map(|row| row.count())));
    }

    /// See [`Rows::compact`](super::rows::Rows::compact).
    pub(super) fn compact(&mut self, is_free: &impl Fn(Timestamp) -> bool, routes: &mut Routes) {
        let Self { panes, spare, .. } = self;
        self.grown.each(self.pane_ms, is_free, |number| {
            let Some(pane) = panes.get_mut(&number) else {
                return 0;
            };
            let bytes = size_of_val(pane.rows.as_slice());
            let mut looked_at = 0;
            if pane.growth.is_due() && is_short(bytes) {
                looked_at = bytes;
                let release = |route| routes.release(route);
                match first_rows_together(&pane.rows, &pane.offsets_ms, release) {
                    Some((rows, offsets_ms)) => {
                        spare.give(std::mem::replace(&mut pane.rows, rows));
                        pane.offsets_ms = offsets_ms;
                    }
                    None => pane.rows.shrink_to_fit(),
                }
            }
            pane.growth = Growth::of(pane.rows.len(), LEAST);
            looked_at
        });
    }

    /// Calls `visit` for every row whose moment lies in `range`.
    pub(super) fn sweep(&self, range: Range, visit: &mut impl FnMut(Timestamp, FirstRow)) {
        for (start, rows) in self.panes_in(range) {
            for (at, row) in rows.rows.iter().enumerate() {
                let offset_ms = rows.offsets_ms.get(at).copied().unwrap_or(0);
                let moment = start.plus_millis(offset_ms);
                if range.contains(moment) {
                    visit(moment, row.row());
                }
            }
        }
    }

    /// When the first pane with rows begins that begins in a range.
    pub(super) fn next_pane(&self, range: Range) -> Option<Timestamp> {
        let mut panes = self.panes_in(range);
        panes.find_map(|(start, _)| range.contains(start).then_some(start))
    }

    /// How many rows the panes of a range have.
    pub(super) fn count_in(&self, range: Range) -> usize {
        self.panes_in(range).map(|(_, rows)| rows.rows.len()).sum()
    }

    /// The panes that may hold rows of a range, with the moments at which they begin.
    fn panes_in(&self, range: Range) -> impl Iterator<Item = (Timestamp, &Pane)> {
        let pane_of = |moment: Timestamp| moment.as_millis().div_euclid(self.pane_ms);
        let (first, last) = (pane_of(range.from), pane_of(range.to.plus_millis(-1)));
        let panes = (!range.is_empty()).then(|| self.panes.range(first..=last));
        panes.into_iter().flatten().map(|(pane, rows)| {
            let start = Timestamp::from_millis(pane.saturating_mul(self.pane_ms));
            (start, rows)
        })
    }

    /// Calls `visit` with at most `most` rows of the pane that begins at `start`, from the number
    /// `place` on, which moves on. Returns how many; fewer where the pane ends.
    pub(super) fn sweep_some(
        &self,
        start: Timestamp,
        place: &mut usize,
        most: usize,
        visit: &mut impl FnMut(FirstRow),
    ) -> usize {
        let pane = start.as_millis().div_euclid(self.pane_ms);
        let rows = self.panes.get(&pane).map_or(&[][..], |pane| &pane.rows);
        let rest = rows.get(*place..).unwrap_or_default();
        let swept = rest.len().min(most);
        for row in &rest[..swept] {
            visit(row.row());
        }
        *place += swept;
        swept
    }

    /// Drops the panes that end before `bound`, which never goes back.
    pub(super) fn drop_before(&mut self, bound: Timestamp, routes: &mut Routes) {
        if bound <= self.bound {
            return;
        }
        self.bound = bound;
        let first_kept = bound.as_millis().div_euclid(self.pane_ms);
        while let Some(entry) = self.panes.first_entry() {
            if *entry.key() >= first_kept {
                return;
            }
            let rows = entry.remove().rows;
            for row in &rows {
                routes.release(row.route);
            }
            self.spare.give(rows);
        }
    }
}

/// Capture and restore.
impl FirstRows {
    /// The panes with rows, and how many those are.
    pub(super) fn lengths(&self) -> impl Iterator<Item = (i64, usize)> {
        self.panes
            .iter()
            .map(|(pane, rows)| (*pane, rows.rows.len()))
    }

    /// Appends the rows `from` to `to` of a pane to `bytes`, with the canonical numbers of their
    /// routes; nothing when the pane has been dropped.
    pub(super) fn write(
        &self,
        pane: i64,
        rows: std::ops::Range<usize>,
        numbers: &RouteNumbers,
        bytes: &mut Vec<u8>,
    ) {
        let Some(pane) = self.panes.get(&pane) else {
            return;
        };
        for at in rows {
            let Some(row) = pane.rows.get(at) else { return };
            bytes.extend_from_slice(&number_of(numbers, row.route).0.to_le_bytes());
            bytes.extend_from_slice(&row.word.to_le_bytes());
            if let Some(offset_ms) = pane.offsets_ms.get(at) {
                bytes.extend_from_slice(&offset_ms.to_le_bytes());
            }
        }
    }

    /// Puts the rows of a pane back; `adopt` takes the reference of a row to its route. False where
    /// the bytes are not those of rows, or a route does not exist.
    pub(super) fn restore(
        &mut self,
        pane: i64,
        bytes: &[u8],
        mut adopt: impl FnMut(RouteId) -> bool,
    ) -> bool {
        let row_bytes = if self.exact_moments { 16 } else { 8 };
        if !bytes.len().is_multiple_of(row_bytes) {
            return false;
        }
        let known = self.panes.entry(pane);
        let known = known.or_insert_with(|| Pane::in_memory(Vec::new()));
        known.rows.reserve(bytes.len() / row_bytes);
        for row in bytes.chunks_exact(row_bytes) {
            let Some((head, offset)) = row.split_first_chunk() else {
                return false;
            };
            let Some(packed) = PackedFirstRow::read(*head).filter(|packed| adopt(packed.route))
            else {
                return false;
            };
            known.rows.push(packed);
            if let Some(offset_ms) = offset.first_chunk() {
                let offset_ms = i64::from_le_bytes(*offset_ms);
                if !(0..self.pane_ms).contains(&offset_ms) {
                    return false;
                }
                known.offsets_ms.push(offset_ms);
            }
        }
        known.growth = Growth::of(known.rows.len(), LEAST);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        let fates = (0..28)
            .map(Fate::Repeated)
            .chain([Fate::Resolved, Fate::Failed]);
        for fate in fates {
            for count in [1, -1, 7, MOST, -MOST] {
                let row = FirstRow {
                    route: RouteId(u32::MAX - 3),
                    fate,
                    count,
                };
                let packed = PackedFirstRow::of(row);
                let rows: Vec<FirstRow> = packed.map(PackedFirstRow::row).collect();
                assert_eq!(rows, [row]);
            }
        }
    }

    #[test]
    fn what_is_too_much_for_one_row_takes_several() {
        let packed = PackedFirstRow::of(FirstRow {
            route: RouteId(5),
            fate: Fate::Resolved,
            count: -MOST - 2,
        });
        let counts: Vec<i32> = packed.map(PackedFirstRow::count).collect();
        assert_eq!(counts, [-MOST, -2]);
    }

    #[test]
    fn there_are_thirty_fates() {
        for number in 0..=u8::MAX {
            let fate = Fate::from_number(number);
            assert_eq!(fate.is_some(), usize::from(number) < Fate::COUNT);
            assert!(fate.is_none_or(|fate| fate.number() == number));
        }
    }
}
