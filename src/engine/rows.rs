//! Rows by pane: what was added at each moment and route.

use std::collections::BTreeMap;
use std::hint::black_box;

use super::capture::{RouteNumbers, number_of};
use super::compaction::{Grown, Growth, is_short, rows_together};
use super::routes::{RouteId, Routes};
use super::row::{Row, WrittenRow, copy_row, skip_row};
use super::spare::Spare;
use crate::time::Timestamp;
use crate::window::Range;

/// Rows that are gone through at a time.
const GROUP: usize = 16;

/// Bytes of a pane that is worth the while to bring together.
const LEAST: usize = 64;
/// Bytes that a row hardly has more of.
const ROW_BYTES: usize = 128;

/// The rows of one pane.
#[derive(Debug)]
struct Pane {
    bytes: Vec<u8>,
    growth: Growth,
}

/// The rows of consecutive panes. Each row holds a reference to its route.
#[derive(Debug)]
pub(super) struct Rows {
    pane_ms: i64,
    panes: BTreeMap<i64, Pane>,
    grown: Grown,
    /// Memory of panes that were dropped, for those to come.
    spare: Spare<u8>,
    /// Nothing is kept of what lies before.
    bound: Timestamp,
}

impl Rows {
    pub(super) fn new(pane_ms: i64) -> Self {
        Self {
            pane_ms,
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

    /// Appends a row to its pane, and with it a reference to its route; nothing where that is no
    /// longer kept.
    pub(super) fn add(
        &mut self,
        moment: Timestamp,
        route: RouteId,
        row: &Row,
        routes: &mut Routes,
    ) {
        if moment < self.bound || row.is_empty() {
            return;
        }
        let pane = moment.as_millis().div_euclid(self.pane_ms);
        let offset_ms = moment.as_millis().rem_euclid(self.pane_ms);
        let spare = &mut self.spare;
        // Most go to the newest pane, which need not be searched for.
        let newest = self.panes.last_entry();
        let newest = newest.filter(|newest| *newest.key() == pane);
        let Pane { bytes, growth } = match newest {
            Some(newest) => newest.into_mut(),
            None => self.panes.entry(pane).or_insert_with(|| Pane {
                bytes: spare.take(),
                growth: Growth::new(LEAST),
            }),
        };
        growth.make_room(bytes, ROW_BYTES);
        row.write(route, u64::try_from(offset_ms).unwrap_or(0), bytes);
        self.grown.note(pane, growth, bytes.len());
        routes.retain(route);
    }

    /// Brings what a row of that moment is appended to into the cache.
    pub(super) fn fetch(&self, moment: Timestamp) {
        let pane = moment.as_millis().div_euclid(self.pane_ms);
        let pane = self.panes.get(&pane);
        black_box(pane.and_then(|pane| pane.bytes.last().copied()));
    }

    /// Calls `visit` with the rows whose moment lies in `range`, some at a time.
    pub(super) fn sweep(&self, range: Range, visit: &mut impl FnMut(&[(RouteId, Row)])) {
        let mut rows = vec![(RouteId(0), Row::default()); GROUP];
        let mut count = 0;
        for (start, bytes) in self.panes_in(range) {
            let mut rest = bytes;
            while let Some((route, offset_ms)) = rows[count].1.read(&mut rest) {
                if range.contains(moment_in(start, offset_ms)) {
                    rows[count].0 = route;
                    count += 1;
                    if count == GROUP {
                        visit(&rows);
                        count = 0;
                    }
                }
            }
        }
        visit(&rows[..count]);
    }

    /// The panes are so long, milliseconds.
    pub(super) fn pane_ms(&self) -> i64 {
        self.pane_ms
    }

    /// When the first pane with rows begins that begins in a range.
    pub(super) fn next_pane(&self, range: Range) -> Option<Timestamp> {
        let mut panes = self.panes_in(range);
        panes.find_map(|(start, _)| range.contains(start).then_some(start))
    }

    /// How many bytes the rows of the panes of a range are.
    pub(super) fn bytes_in(&self, range: Range) -> usize {
        self.panes_in(range).map(|(_, bytes)| bytes.len()).sum()
    }

    /// Calls `visit` with at most `most` rows of the pane that begins at `start`, from the byte `place`
    /// on, which moves on. Returns how many; fewer where the pane ends.
    pub(super) fn sweep_some(
        &self,
        start: Timestamp,
        place: &mut usize,
        most: usize,
        visit: &mut impl FnMut(&[(RouteId, Row)]),
    ) -> usize {
        let mut rows = vec![(RouteId(0), Row::default()); GROUP];
        let mut swept = 0;
        let pane = start.as_millis().div_euclid(self.pane_ms);
        let bytes = self.panes.get(&pane).map_or(&[][..], |pane| &pane.bytes);
        let mut rest = bytes.get(*place..).unwrap_or_default();
        while swept < most {
            let mut count = 0;
            while count < GROUP.min(most - swept)
                && let Some((route, _)) = rows[count].1.read(&mut rest)
            {
                rows[count].0 = route;
                count += 1;
            }
            if count == 0 {
                break;
            }
            visit(&rows[..count]);
            swept += count;
        }
        *place = bytes.len() - rest.len();
        swept
    }

    /// All rows whose moment lies in `range`, as they lie there, for those who only add them up.
    pub(super) fn sweep_written(
        &self,
        range: Range,
        visit: &mut impl FnMut(RouteId, WrittenRow<'_>),
    ) {
        for (start, bytes) in self.panes_in(range) {
            let mut rest = bytes;
            while let Some((route, row)) = WrittenRow::next(&mut rest) {
                if range.contains(moment_in(start, row.offset_ms)) {
                    visit(route, row);
                }
            }
        }
    }

    /// The panes that may hold rows of a range, with the moments at which they begin.
    fn panes_in(&self, range: Range) -> impl Iterator<Item = (Timestamp, &[u8])> {
        let pane_of = |moment: Timestamp| moment.as_millis().div_euclid(self.pane_ms);
        let (first, last) = (pane_of(range.from), pane_of(range.to.plus_millis(-1)));
        let panes = (!range.is_empty()).then(|| self.panes.range(first..=last));
        panes.into_iter().flatten().map(|(pane, rows)| {
            let start = Timestamp::from_millis(pane.saturating_mul(self.pane_ms));
            (start, rows.bytes.as_slice())
        })
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
            let bytes = entry.remove().bytes;
            let mut rest = bytes.as_slice();
            while let Some(route) = skip_row(&mut rest) {
                routes.release(route);
            }
            self.spare.give(bytes);
        }
    }

    /// The panes with rows, and how many bytes they are.
    pub(super) fn lengths(&self) -> impl Iterator<Item = (i64, usize)> {
        self.panes
            .iter()
            .map(|(pane, rows)| (*pane, rows.bytes.len()))
    }

    /// The first `length` bytes of the rows of a pane; `None` when it has been dropped.
    pub(super) fn first_bytes(&self, pane: i64, length: usize) -> Option<&[u8]> {
        let bytes = &self.panes.get(&pane)?.bytes;
        Some(&bytes[..length.min(bytes.len())])
    }

    /// Puts rows of a restored pane back.
    pub(super) fn restore(&mut self, pane: i64, rows: &[u8]) {
        let known = self.panes.entry(pane).or_insert_with(|| Pane {
            bytes: Vec::new(),
            growth: Growth::new(LEAST),
        });
        known.bytes.extend_from_slice(rows);
        known.growth = Growth::of(known.bytes.len(), LEAST);
    }

    /// When the newest pane with rows begins.
    pub(super) fn newest_pane(&self) -> Option<Timestamp> {
        let (pane, _) = self.panes.last_key_value()?;
        Some(Timestamp::from_millis(pane.saturating_mul(self.pane_ms)))
    }

    /// Brings rows of panes together that have grown, a little at a time. Nobody may be amid a pane of
    /// which `is_free` says by its beginning that it may be.
    pub(super) fn compact(&mut self, is_free: &impl Fn(Timestamp) -> bool, routes: &mut Routes) {
        let Self { panes, spare, .. } = self;
        self.grown.each(self.pane_ms, is_free, |pane| {
            let Some(Pane { bytes, growth }) = panes.get_mut(&pane) else {
                return 0;
            };
            let mut looked_at = 0;
            if growth.is_due() && is_short(bytes.len()) {
                looked_at = bytes.len();
                match rows_together(bytes, |route| routes.release(route)) {
                    Some(together) => spare.give(std::mem::replace(bytes, together)),
                    None => bytes.shrink_to_fit(),
                }
            }
            *growth = Growth::of(bytes.len(), LEAST);
            looked_at
        });
    }
}

fn moment_in(pane: Timestamp, offset_ms: u64) -> Timestamp {
    pane.plus_millis(i64::try_from(offset_ms).unwrap_or(i64::MAX))
}

/// The first rows of `bytes`, and no more than make about `size`, with the canonical numbers of their
/// routes, and how many bytes they were.
pub(super) fn renumbered(bytes: &[u8], size: usize, numbers: &RouteNumbers) -> (Vec<u8>, usize) {
    let mut rows = Vec::with_capacity(bytes.len().min(size) + size / 8);
    let mut rest = bytes;
    while rows.len() < size
        && copy_row(&mut rest, &mut rows, |route| number_of(numbers, route)).is_some()
    {}
    (rows, bytes.len() - rest.len())
}
