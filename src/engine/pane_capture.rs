//! Rows and rows of first contacts for a checkpoint, and back.

use std::collections::BTreeMap;

use super::capture::{RestoreError, RouteNumbers, SectionKind, decode, encode};
use super::panes::Panes;
use super::routes::{RouteId, Routes};
use super::row::Row;
use super::rows::renumbered;
use crate::time::Timestamp;
use crate::window::Range;

/// A capture of the rows: panes only grow, so it is enough to remember how long each was. A pane
/// that is dropped meanwhile is out of every window for good and need not be captured.
#[derive(Debug)]
pub(super) struct PaneCapture {
    numbers: RouteNumbers,
    /// Pane, bytes of its rows and number of those of first contacts when the capture began, the
    /// last first.
    lengths: Vec<(i64, [usize; 2])>,
    /// The pane under way, a copy of its rows, and how much of that has been handed out: it may be
    /// long, and dropped before its end.
    pane: i64,
    rest: Vec<u8>,
    taken: usize,
}

/// A pane, its rows and its rows of first contacts, or a part of each.
type CapturedPane = (i64, Vec<u8>, Vec<u8>);

/// Bytes of rows in one captured section.
const SECTION_BYTES: usize = 1 << 16;

impl Panes {
    /// Starts a capture of the rows as they are; everything gathered must have been folded.
    pub(super) fn begin_capture(&mut self, numbers: RouteNumbers) {
        let mut lengths: BTreeMap<i64, [usize; 2]> = BTreeMap::new();
        for (pane, length) in self.rows.lengths() {
            lengths.entry(pane).or_default()[0] = length;
        }
        for (pane, length) in self.first_rows.lengths() {
            lengths.entry(pane).or_default()[1] = length;
        }
        let lengths = lengths.into_iter().rev().collect();
        self.capture = Some(PaneCapture {
            numbers,
            lengths,
            pane: 0,
            rest: Vec::new(),
            taken: 0,
        });
    }

    /// The next captured run of panes; `None` when all have been handed out.
    pub(super) fn capture_next(&mut self) -> Option<Vec<u8>> {
        let capture = self.capture.as_mut()?;
        let mut run: Vec<CapturedPane> = Vec::new();
        let mut size = 0;
        while size < SECTION_BYTES {
            let mut first_rows = Vec::new();
            if capture.rest.is_empty() {
                let Some((pane, [bytes, of_first_contacts])) = capture.lengths.pop() else {
                    break;
                };
                let rows = self.rows.first_bytes(pane, bytes);
                capture.pane = pane;
                capture.rest.extend_from_slice(rows.unwrap_or_default());
                capture.taken = 0;
                let all = 0..of_first_contacts;
                self.first_rows
                    .write(pane, all, &capture.numbers, &mut first_rows);
            }
            let rest = &capture.rest[capture.taken..];
            let (rows, taken) = renumbered(rest, SECTION_BYTES, &capture.numbers);
            capture.taken += taken;
            if taken == 0 || capture.taken == capture.rest.len() {
                capture.rest.clear();
            }
            if !rows.is_empty() || !first_rows.is_empty() {
                size += rows.len() + first_rows.len();
                run.push((capture.pane, rows, first_rows));
            }
        }
        if run.is_empty() {
            self.capture = None;
            return None;
        }
        Some(encode(&run))
    }

    /// The moment no window looks before.
    pub(super) fn bound(&self) -> Timestamp {
        self.rows.bound().min(self.first_rows.bound())
    }

    /// Sets what [`Panes::bound`] was at a capture.
    pub(super) fn set_bound(&mut self, bound: Timestamp) {
        self.rows.set_bound(bound);
        self.first_rows.set_bound(bound);
    }

    /// Puts a captured run of panes back; `adopt` takes the reference of a row to its route and
    /// says whether it exists. [`Panes::restored`] follows the last run; the windows are filled by the
    /// next move.
    pub(super) fn restore(
        &mut self,
        bytes: &[u8],
        mut adopt: impl FnMut(RouteId) -> bool,
    ) -> Result<(), RestoreError> {
        let kind = SectionKind::Panes;
        let run: Vec<CapturedPane> = decode(kind, bytes)?;
        let mut row = Row::default();
        for (pane, rows, first_rows) in run {
            let mut rest = rows.as_slice();
            while let Some((route, _)) = row.read(&mut rest) {
                if !adopt(route) {
                    return Err(RestoreError::Dangling { kind });
                }
            }
            if !rest.is_empty() || !self.first_rows.restore(pane, &first_rows, &mut adopt) {
                return Err(RestoreError::Decode { kind });
            }
            self.rows.restore(pane, rows);
        }
        Ok(())
    }

    /// Hands the rows to the cohorts once all panes have been put back; the windows cover nothing
    /// yet.
    pub(super) fn restored(&mut self, routes: &Routes) {
        let all = Range {
            from: Timestamp::MIN,
            to: Timestamp::MAX,
        };
        let windows = self.windows.iter_mut();
        for window in windows.filter(|window| window.has_cohorts()) {
            self.first_rows.sweep(all, &mut |moment, row| {
                let keys = &routes.route(row.route).keys;
                window.follow(moment, row, keys, &mut self.marks);
            });
        }
    }
}
