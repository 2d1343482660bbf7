//! Rows that a window lets go and takes in when it moves, gone through a few at a time.

use super::cohorts::{FirstContacts, Parts};
use super::marks::Marks;
use super::window::{Cells, Stored};
use crate::time::Timestamp;
use crate::window::Range;

/// What a row costs, where one of a cohort costs 1.
const COST_OF_ROW: usize = 4;

/// Rows that leave and rows that enter, pane by pane.
#[derive(Debug)]
pub(super) struct Sweep {
    pub(super) leaves: Range,
    /// Later than those that leave.
    pub(super) enters: Range,
    /// All rows before this moment have been gathered; it is the beginning of a pane.
    reached: Timestamp,
    /// What has been gathered of that pane: bytes of rows, and rows of first contacts.
    bytes: usize,
    first_rows: usize,
}

impl Sweep {
    /// Nothing has been gathered yet.
    pub(super) fn new(leaves: Range, enters: Range) -> Self {
        Self {
            leaves,
            enters,
            reached: leaves.from,
            bytes: 0,
            first_rows: 0,
        }
    }

    /// With which sign rows of a moment have been gathered; 0 where they have not.
    pub(super) fn sign_at(&self, moment: Timestamp) -> i64 {
        if moment >= self.reached {
            0
        } else if self.leaves.contains(moment) {
            -1
        } else {
            i64::from(self.enters.contains(moment))
        }
    }

    /// Whether a part of the pane that begins then has been gathered.
    pub(super) fn is_amid(&self, pane: Timestamp) -> bool {
        self.reached == pane && (self.bytes > 0 || self.first_rows > 0)
    }

    /// The pane that is to be gathered, and with which sign; `next` finds the first one of a range.
    fn pane(&mut self, next: impl Fn(Range) -> Option<Timestamp>) -> Option<(Timestamp, i64)> {
        for (range, sign) in [(self.leaves, -1), (self.enters, 1)] {
            let from = range.from.max(self.reached);
            if let Some(pane) = next(Range { from, ..range }) {
                if pane != self.reached {
                    self.reach(pane);
                }
                return Some((pane, sign));
            }
        }
        self.reach(self.reached.max(self.leaves.to).max(self.enters.to));
        None
    }

    fn reach(&mut self, reached: Timestamp) {
        self.reached = reached;
        self.bytes = 0;
        self.first_rows = 0;
    }

    /// Gathers rows of the window itself.
    pub(super) fn gather_rows(
        &mut self,
        cells: &mut Cells,
        stored: Stored<'_>,
        marks: &mut Marks,
        budget: &mut usize,
    ) {
        let next = |range| {
            let (of_rows, of_firsts) = (&stored.rows, &stored.first_rows);
            let panes = [of_rows.next_pane(range), of_firsts.next_pane(range)];
            panes.into_iter().flatten().min()
        };
        while *budget > 0
            && let Some((pane, sign)) = self.pane(next)
        {
            let most = budget.div_ceil(COST_OF_ROW);
            let rows = stored
                .rows
                .sweep_some(pane, &mut self.bytes, most, &mut |rows| {
                    cells.add_rows(rows, sign, stored, marks);
                });
            let left = most - rows;
            let firsts =
                stored
                    .first_rows
                    .sweep_some(pane, &mut self.first_rows, left, &mut |row| {
                        let keys = &stored.routes.route(row.route).keys;
                        cells.add_firsts(&FirstContacts::of(row), keys, sign, marks);
                    });
            if firsts < left {
                self.reach(pane.plus_millis(stored.rows.pane_ms()));
            }
            *budget = budget.saturating_sub((rows + firsts).saturating_mul(COST_OF_ROW));
        }
    }

    /// Gathers first contacts of a mature cohort.
    pub(super) fn gather_mature(
        &mut self,
        cells: &mut Cells,
        stored: Stored<'_>,
        marks: &mut Marks,
        budget: &mut usize,
    ) {
        while *budget > 0
            && let Some((pane, sign)) = self.pane(|range| stored.first_rows.next_pane(range))
        {
            let most = budget.div_ceil(COST_OF_ROW);
            let rows = stored
                .first_rows
                .sweep_some(pane, &mut self.first_rows, most, &mut |row| {
                    let contacts = FirstContacts::of(row);
                    for key in &stored.routes.route(row.route).keys {
                        cells.count(*key, &contacts, Parts::MATURE, sign);
                        marks.touch(*key);
                    }
                });
            if rows < most {
                self.reach(pane.plus_millis(stored.rows.pane_ms()));
            }
            *budget = budget.saturating_sub(rows.saturating_mul(COST_OF_ROW));
        }
    }
}
