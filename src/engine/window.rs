//! One window: the ranges it covers, and its counts by key.

use super::ahead::Ahead;
use super::cohorts::{Cohorts, Counted, Covered, FirstContacts, Parts};
use super::first_rows::{FirstRow, FirstRows};
use super::followed::Followed;
use super::kept_totals::KeptTotals;
use super::marks::Marks;
use super::routes::{KeyId, RouteId, Routes};
use super::row::Row;
use super::rows::Rows;
use super::sums::Sum;
use crate::kpi::{Buckets, Count, MatureTotals};
use crate::time::Timestamp;
use crate::window::{Range, Ranges, WindowGeometry};

/// The counts of one key in one window.
#[derive(Clone, Debug, Default)]
pub(super) struct WindowCell {
    /// What the window has beyond the sum that all windows share, and lacks of it: nearly all that
    /// comes is in every window and is added to that sum alone. See [`super::panes::Panes`].
    pub(super) own: KeptTotals,
    /// First contacts of the mature cohort.
    pub(super) mature: MatureTotals,
    /// Those that are followed, in a window longer than the horizon.
    pub(super) followed: Followed,
    /// Handle times, at breakdowns that keep their quantiles.
    pub(super) buckets: Buckets,
}

impl WindowCell {
    /// Takes over what another counts in the window itself, which is nothing in the other then.
    pub(super) fn take_main(&mut self, other: &mut Self) {
        let own = std::mem::take(&mut other.own);
        self.own.add(&own.totals(), 1);
        let buckets = std::mem::take(&mut other.buckets);
        self.buckets.add_counts(&buckets);
    }

    /// The same with what it counts of first contacts in cohorts.
    pub(super) fn take_firsts(&mut self, other: &mut Self) {
        self.mature.add(std::mem::take(&mut other.mature), 1);
        let followed = std::mem::take(&mut other.followed);
        self.followed.add(&followed);
    }
}

/// Cells by key.
#[derive(Debug, Default)]
pub(super) struct Cells(pub(super) Vec<WindowCell>);

/// One window: what it covers now, and its cells by key.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) geometry: WindowGeometry,
    /// First contacts are told by repeat contacts: there is a mature cohort.
    pub(super) by_repeats: bool,
    pub(super) main: Range,
    pub(super) covered: Covered,
    /// The same, and the window is longer than the horizon.
    pub(super) cohorts: Option<Cohorts>,
    pub(super) cells: Cells,
    /// What moving it next will change.
    pub(super) ahead: Ahead,
}

/// What the parts of a window cover that count rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spans {
    pub(super) main: Range,
    /// Empty where there is no mature cohort, or where it is counted otherwise.
    pub(super) mature: Range,
}

/// What moving a window reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored<'p> {
    pub(super) rows: &'p Rows,
    pub(super) first_rows: &'p FirstRows,
    pub(super) routes: &'p Routes,
    /// Breakdowns with handle-time quantiles.
    pub(super) has_quantiles: &'p [bool],
    /// By key, what all windows share.
    pub(super) shared: &'p [KeptTotals],
}

/// What lies in `before` but not in `after`, and the reverse; each at most two ranges.
fn difference(before: Range, after: Range) -> ([Range; 2], [Range; 2]) {
    (minus(before, after), minus(after, before))
}

fn minus(left: Range, right: Range) -> [Range; 2] {
    if right.is_empty() || left.is_empty() {
        return [left, Range::EMPTY];
    }
    let head = Range {
        from: left.from,
        to: left.to.min(right.from),
    };
    let tail = Range {
        from: left.from.max(right.to),
        to: left.to,
    };
    [head, tail]
}

impl Window {
    pub(super) fn new(geometry: &WindowGeometry, by_repeats: bool) -> Self {
        let has_survival = by_repeats && geometry.length_ms > geometry.horizon_ms;
        Self {
            geometry: geometry.clone(),
            by_repeats,
            main: Range::EMPTY,
            covered: Covered::NOTHING,
            cohorts: has_survival.then(|| Cohorts::new(geometry.pane_ms)),
            cells: Cells::default(),
            ahead: Ahead::default(),
        }
    }

    /// What the window covered at a past instant.
    pub(super) fn spans_at(&self, at: Timestamp) -> Spans {
        let ranges = self.geometry.ranges(at);
        Spans {
            main: ranges.window,
            mature: if self.by_repeats {
                ranges.mature
            } else {
                Range::EMPTY
            },
        }
    }

    /// Says that a window that covers nothing covers from now on what it does at the instant `at`,
    /// which is to be counted.
    pub(super) fn begin(&mut self, at: Timestamp, exact_moments: bool) -> Spans {
        let mut spans = self.spans_at(at);
        self.main = self.main_at(spans.main, exact_moments);
        spans.main = self.main;
        if self.cohorts.is_some() {
            // They are counted when the window is moved, from nothing.
            spans.mature = Range::EMPTY;
        } else if self.by_repeats {
            self.covered.mature = spans.mature;
        }
        spans
    }

    /// What the window is to cover of its range. Without delays all rows lie before T, so its end is
    /// left open.
    fn main_at(&self, mut range: Range, exact_moments: bool) -> Range {
        if !exact_moments || self.geometry.delay_ms == 0 {
            range.to = Timestamp::MAX;
        }
        range
    }

    /// Whether rows of this moment are in the window now.
    pub(super) fn covers(&self, moment: Timestamp) -> bool {
        self.main.contains(moment)
    }

    /// Moves the window to the instant `at`: takes out what it no longer covers, and in what it
    /// covers now.
    pub(super) fn move_to(
        &mut self,
        at: Timestamp,
        exact_moments: bool,
        stored: Stored<'_>,
        marks: &mut Marks,
    ) {
        self.pass(at, stored, marks);
        let ranges = self.geometry.ranges(at);
        let main = self.main_at(ranges.window, exact_moments);
        self.move_main(main, stored, marks);
        if self.cohorts.is_some() {
            self.move_cohorts(&ranges, stored.routes, marks);
        } else {
            self.move_mature(ranges.mature, stored, marks);
        }
    }

    /// Moves the window itself.
    fn move_main(&mut self, after: Range, stored: Stored<'_>, marks: &mut Marks) {
        let before = std::mem::replace(&mut self.main, after);
        if before == after {
            return;
        }
        if self.is_new_day(before, after) {
            self.clear_main(stored.shared);
            marks.touch_all();
        }
        for (range, sign) in self.changes(before, after) {
            stored.rows.sweep(range, &mut |rows| {
                self.cells.add_rows(rows, sign, stored, marks);
            });
            stored.first_rows.sweep(range, &mut |_, row| {
                let contacts = FirstContacts::of(row);
                let keys = &stored.routes.route(row.route).keys;
                self.cells.add_firsts(&contacts, keys, sign, marks);
            });
        }
    }

    /// What is left of a day that is over is nothing, and what began is small.
    fn is_new_day(&self, before: Range, after: Range) -> bool {
        self.geometry.day.is_some() && before.from != after.from
    }

    fn clear_main(&mut self, shared: &[KeptTotals]) {
        for (at, cell) in self.cells.0.iter_mut().enumerate() {
            cell.own = KeptTotals::default();
            if let Some(shared) = shared.get(at) {
                cell.own.add(&shared.totals(), -1);
            }
            cell.buckets = Buckets::default();
        }
    }

    /// Moves the mature cohort, where there is one, by rows of first contacts.
    fn move_mature(&mut self, after: Range, stored: Stored<'_>, marks: &mut Marks) {
        if !self.by_repeats || after == self.covered.mature {
            return;
        }
        let before = std::mem::replace(&mut self.covered.mature, after);
        if self.is_new_day(before, after) {
            for cell in &mut self.cells.0 {
                cell.mature = MatureTotals::default();
            }
            marks.touch_all();
        }
        let parts = Parts::MATURE;
        for (range, sign) in self.changes(before, after) {
            stored.first_rows.sweep(range, &mut |_, row| {
                let contacts = FirstContacts::of(row);
                for key in &stored.routes.route(row.route).keys {
                    self.cells.count(*key, &contacts, parts, sign);
                    marks.touch(*key);
                }
            });
        }
    }

    /// What counts first contacts covers, where the window covers these ranges.
    pub(super) fn covered_with(&self, ranges: &Ranges) -> Covered {
        let mut covered = Covered {
            mature: ranges.mature,
            followed: ranges.followed,
            at_risk: Covered::NOTHING.at_risk,
        };
        for (range, steps) in covered.at_risk.iter_mut().zip(1..) {
            *range = self.geometry.followed_for(ranges, steps, 28);
        }
        covered
    }

    /// Moves everything that counts first contacts.
    fn move_cohorts(&mut self, ranges: &Ranges, routes: &Routes, marks: &mut Marks) {
        let after = self.covered_with(ranges);
        let Some(cohorts) = &mut self.cohorts else {
            return;
        };
        let keys_of = |route| routes.keys_of_route(route);
        let mut counted = Counted {
            cells: &mut self.cells.0,
            marks,
        };
        cohorts.moved((&self.covered, &after), &keys_of, &mut counted);
        self.covered = after;
    }

    /// The ranges that change when a part moves, with the sign of their rows. Where a new day has
    /// begun nothing is left to be taken out.
    fn changes(&self, before: Range, after: Range) -> [(Range, i64); 4] {
        let (leave, enter) = if self.is_new_day(before, after) {
            ([Range::EMPTY; 2], [after, Range::EMPTY])
        } else {
            difference(before, after)
        };
        [(leave[0], -1), (leave[1], -1), (enter[0], 1), (enter[1], 1)]
    }

    /// Counts rows of first contacts that have just been added where they are followed; `contacts` is what
    /// they come to.
    pub(super) fn follow(
        &mut self,
        moment: Timestamp,
        rows: impl Iterator<Item = FirstRow>,
        (route, contacts): (RouteId, &FirstContacts),
        keys: &[KeyId],
        marks: &mut Marks,
    ) {
        if let Some(cohorts) = &mut self.cohorts {
            for row in rows {
                cohorts.add(moment, row);
            }
        }
        let parts = self.covered.parts_at(moment);
        if parts != Parts::NONE {
            for key in keys {
                self.cells.count(*key, contacts, parts, 1);
                marks.touch(*key);
            }
        }
        self.ahead.follow(moment, (route, contacts), keys, parts);
    }

    /// Whether restored rows of first contacts are to be handed to it.
    pub(super) fn has_cohorts(&self) -> bool {
        self.cohorts.is_some()
    }

    /// Drops cohorts that are not looked at from the instant `at` on.
    pub(super) fn drop_cohorts(&mut self, at: Timestamp) {
        let ranges = self.geometry.ranges(at);
        if let Some(cohorts) = &mut self.cohorts {
            cohorts.drop_before(ranges.mature.from.min(ranges.followed.from));
        }
    }

    /// Makes room for so many keys.
    pub(super) fn make_room(&mut self, keys: usize) {
        self.cells.make_room(keys);
        self.ahead.make_room(keys);
    }
}

impl Cells {
    /// Makes room for so many keys.
    pub(super) fn make_room(&mut self, keys: usize) {
        if self.0.len() < keys {
            self.0.resize_with(keys, WindowCell::default);
        }
    }

    /// Adds rows that the window covers, or takes them out with `sign` -1.
    pub(super) fn add_rows(
        &mut self,
        rows: &[(RouteId, Row)],
        sign: i64,
        stored: Stored<'_>,
        marks: &mut Marks,
    ) {
        self.fetch_rows(rows, stored);
        for (route, row) in rows {
            let keys = &stored.routes.route(*route).keys;
            for (key, quantiles) in keys.iter().zip(stored.has_quantiles) {
                self.add_row(*key, row, sign);
                if *quantiles {
                    self.add_buckets(*key, &row.buckets, if sign > 0 { 1 } else { -1 });
                }
                marks.touch(*key);
            }
        }
    }

    /// The same for what a row of first contacts counts in the window itself.
    pub(super) fn add_firsts(
        &mut self,
        contacts: &FirstContacts,
        keys: &[KeyId],
        sign: i64,
        marks: &mut Marks,
    ) {
        for key in keys {
            self.add_first(*key, contacts, sign);
            marks.touch(*key);
        }
    }

    /// Brings what taking rows out or in will look at into the cache. No load waits for another of the
    /// same round.
    fn fetch_rows(&self, rows: &[(RouteId, Row)], stored: Stored<'_>) {
        for (route, _) in rows {
            stored.routes.fetch(*route);
        }
        for (route, _) in rows {
            for key in &stored.routes.route(*route).keys {
                self.fetch_own(*key);
            }
        }
        for (route, row) in rows {
            let Some((bucket, _)) = row.buckets.first() else {
                continue;
            };
            let keys = stored.routes.route(*route).keys.iter();
            for (key, _) in keys.zip(stored.has_quantiles).filter(|key| *key.1) {
                self.fetch_bucket(*key, *bucket);
            }
        }
    }

    /// Brings what counting a handle time in a bucket will look at into the cache.
    #[inline]
    pub(super) fn fetch_bucket(&self, key: KeyId, bucket: u16) {
        if let Some(cell) = self.0.get(key.at()) {
            cell.buckets.fetch(bucket);
        }
    }

    /// The same for what counts first contacts.
    #[inline]
    pub(super) fn fetch_survival(&self, key: KeyId) {
        if let Some(cell) = self.0.get(key.at()) {
            cell.followed.fetch_first();
        }
    }

    /// The same for what the window has of its own.
    #[inline]
    fn fetch_own(&self, key: KeyId) {
        if let Some(cell) = self.0.get(key.at()) {
            cell.own.fetch();
        }
    }

    /// Adds a row to what the window has of its own, or takes it out with `sign` -1.
    #[inline]
    pub(super) fn add_row(&mut self, key: KeyId, row: &Row, sign: i64) {
        if let Some(cell) = self.0.get_mut(key.at()) {
            cell.own.add_row(row, sign);
        }
    }

    /// The same for a row of first contacts.
    #[inline]
    pub(super) fn add_first(&mut self, key: KeyId, contacts: &FirstContacts, sign: i64) {
        self.add_counts(key, contacts.counts(sign));
    }

    /// The same for counts.
    #[inline]
    pub(super) fn add_counts(&mut self, key: KeyId, counts: [(Count, i64); 2]) {
        if let Some(cell) = self.0.get_mut(key.at()) {
            for (count, amount) in counts {
                cell.own.count(count, amount);
            }
        }
    }

    /// Counts handle times that the window covers, or no longer covers with `sign` -1.
    #[inline]
    pub(super) fn add_buckets(&mut self, key: KeyId, buckets: &[(u16, i32)], sign: i32) {
        if let Some(cell) = self.0.get_mut(key.at()) {
            for (bucket, count) in buckets {
                cell.buckets.add(*bucket, sign * count);
            }
            if sign < 0 {
                cell.buckets.trim();
            }
        }
    }

    /// Adds what many rows come to to what the window has of its own.
    pub(super) fn add_sum(&mut self, key: KeyId, sum: &Sum, has_quantiles: bool) {
        if let Some(cell) = self.0.get_mut(key.at()) {
            cell.own.add(&sum.totals, 1);
            if has_quantiles {
                cell.buckets.add_counts(&sum.buckets);
            }
        }
    }

    /// The same in the mature cohort.
    pub(super) fn add_mature(&mut self, key: KeyId, firsts: MatureTotals) {
        if let Some(cell) = self.0.get_mut(key.at()) {
            cell.mature.add(firsts, 1);
        }
    }

    /// Counts first contacts of a key in parts of the window, or takes them back with `sign` -1.
    pub(super) fn count(&mut self, key: KeyId, contacts: &FirstContacts, parts: Parts, sign: i64) {
        if let Some(cell) = self.0.get_mut(key.at()) {
            contacts.count(cell, parts, sign);
        }
    }
}
