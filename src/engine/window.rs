//! One window: the ranges it covers, and its counts by key.

use super::cohorts::{Cohorts, Covered, FirstContacts, Parts};
use super::key_sums::{KeySum, KeySums};
use super::routes::{KeyId, Routes};
use super::rows::Rows;
use crate::kpi::{Buckets, MatureTotals, Survival, Totals};
use crate::time::Timestamp;
use crate::window::{Range, Ranges, WindowGeometry};

/// The counts of one key in one window.
#[derive(Clone, Debug, Default)]
pub(super) struct WindowCell {
    pub(super) totals: Totals,
    pub(super) mature: MatureTotals,
    pub(super) survival: Option<Box<Survival>>,
    pub(super) buckets: Buckets,
}

/// One window: what it covers now, and its cells by key.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) geometry: WindowGeometry,
    /// First contacts are told by repeat contacts: there is a mature cohort.
    by_repeats: bool,
    main: Range,
    covered: Covered,
    /// The same, and the window is longer than the horizon.
    cohorts: Option<Cohorts>,
    pub(super) cells: Vec<WindowCell>,
    pub(super) revisions: Revisions,
}

/// At which view each key of a window changed last.
#[derive(Debug)]
pub(super) struct Revisions {
    /// Number of the view to come, from 1.
    pub(super) next: u64,
    /// By key; 0 for one that never changed.
    pub(super) of: Vec<u64>,
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
            cells: Vec::new(),
            revisions: Revisions {
                next: 1,
                of: Vec::new(),
            },
        }
    }

    /// The same window from its beginning, without survival counts.
    pub(super) fn anew(&self) -> Self {
        Self {
            cohorts: None,
            ..Self::new(&self.geometry, self.by_repeats)
        }
    }

    /// Whether rows of this moment are in the window now.
    pub(super) fn covers(&self, moment: Timestamp) -> bool {
        self.main.contains(moment)
    }

    /// Moves the window to the instant `at`: takes out what it no longer covers, and in what it
    /// covers now. Without delays all rows lie before T, so the window's end is left open. `sums` is
    /// empty before and after.
    pub(super) fn move_to(
        &mut self,
        at: Timestamp,
        exact_moments: bool,
        (rows, first_rows): (&Rows, &Rows),
        routes: &Routes,
        sums: &mut KeySums,
    ) {
        let ranges = self.geometry.ranges(at);
        let mut main = ranges.window;
        if !exact_moments || self.geometry.delay_ms == 0 {
            main.to = Timestamp::MAX;
        }
        self.move_main(main, rows, routes, sums);
        if self.cohorts.is_some() {
            self.move_cohorts(&ranges);
        } else {
            self.move_mature(ranges.mature, first_rows, routes);
        }
    }

    /// Moves the window itself.
    pub(super) fn move_main(
        &mut self,
        after: Range,
        rows: &Rows,
        routes: &Routes,
        sums: &mut KeySums,
    ) {
        let before = std::mem::replace(&mut self.main, after);
        if before == after {
            return;
        }
        for (range, sign) in self.changes(before, after, |cell| {
            cell.totals = Totals::default();
            cell.buckets = Buckets::default();
        }) {
            rows.sweep(range, &mut |_, route, items| {
                sums.add(&routes.route(route).keys, items, sign);
            });
        }
        sums.drain(|key, sum| self.add(key, sum));
    }

    /// Moves the mature cohort, where there is one, by rows of first contacts.
    pub(super) fn move_mature(&mut self, after: Range, first_rows: &Rows, routes: &Routes) {
        if !self.by_repeats || after == self.covered.mature {
            return;
        }
        let before = std::mem::replace(&mut self.covered.mature, after);
        let parts = Parts {
            mature: true,
            ..Parts::NONE
        };
        for (range, sign) in self.changes(before, after, |cell| {
            cell.mature = MatureTotals::default();
        }) {
            first_rows.sweep(range, &mut |_, route, items| {
                let contacts = FirstContacts::of(items);
                for key in &routes.route(route).keys {
                    self.count(*key, &contacts, parts, sign);
                }
            });
        }
    }

    /// Moves everything that counts first contacts.
    fn move_cohorts(&mut self, ranges: &Ranges) {
        let mut after = Covered {
            mature: ranges.mature,
            followed: ranges.followed,
            at_risk: Covered::NOTHING.at_risk,
        };
        for (range, steps) in after.at_risk.iter_mut().zip(1..) {
            *range = self.geometry.followed_for(ranges, steps, 28);
        }
        let Some(mut cohorts) = self.cohorts.take() else {
            return;
        };
        let before = std::mem::replace(&mut self.covered, Covered::NOTHING);
        cohorts.moved(&before, &after, |key, contacts, parts, sign| {
            self.count(key, contacts, parts, sign);
        });
        self.covered = after;
        self.cohorts = Some(cohorts);
    }

    /// The ranges that change when a part moves, with the sign of their rows. What is left of a day
    /// that is over is nothing, and what began is small: then `clear` empties each cell.
    fn changes(
        &mut self,
        before: Range,
        after: Range,
        clear: impl Fn(&mut WindowCell),
    ) -> [(Range, i64); 4] {
        let is_new_day = self.geometry.day.is_some() && before.from != after.from;
        let (leave, enter) = if is_new_day {
            self.revisions.of.fill(self.revisions.next);
            self.cells.iter_mut().for_each(clear);
            ([Range::EMPTY; 2], [after, Range::EMPTY])
        } else {
            difference(before, after)
        };
        [(leave[0], -1), (leave[1], -1), (enter[0], 1), (enter[1], 1)]
    }

    /// Takes a row of first contacts in that has just been added.
    pub(super) fn follow(&mut self, moment: Timestamp, keys: &[KeyId], contacts: &FirstContacts) {
        if let Some(cohorts) = &mut self.cohorts {
            cohorts.add(moment, keys, contacts);
        }
        let parts = self.covered.parts_at(moment);
        if parts != Parts::NONE {
            for key in keys {
                self.count(*key, contacts, parts, 1);
            }
        }
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
        if self.cells.len() < keys {
            self.cells.resize_with(keys, WindowCell::default);
            self.revisions.of.resize(keys, 0);
        }
    }

    /// Adds what a key gains in the window itself.
    pub(super) fn add(&mut self, key: KeyId, sum: &KeySum) {
        if let Some(cell) = self.changing(key) {
            cell.totals.add(&sum.totals, 1);
            cell.buckets.add_all(&sum.buckets);
        }
    }

    fn count(&mut self, key: KeyId, contacts: &FirstContacts, parts: Parts, sign: i64) {
        if let Some(cell) = self.changing(key) {
            contacts.count(cell, parts, sign);
        }
    }

    fn changing(&mut self, key: KeyId) -> Option<&mut WindowCell> {
        *self.revisions.of.get_mut(key.at())? = self.revisions.next;
        self.cells.get_mut(key.at())
    }
}
