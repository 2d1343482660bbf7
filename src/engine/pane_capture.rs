//! Rows and rows of first contacts for a checkpoint, and back.

use std::collections::BTreeMap;

use super::capture::{RestoreError, RouteNumbers, SectionKind, decode, encode};
use super::filling;
use super::panes::Panes;
use super::routes::{RouteId, Routes};
use super::row::WrittenRow;
use super::rows::renumbered;
use crate::time::Timestamp;

/// A capture of the rows: panes only grow while it lasts (see [`super::compaction`]), so it is enough to
/// remember how long each was. A pane that is dropped meanwhile is out of every window for good and need
/// not be captured.
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

/// The same in the bytes that are decoded.
type BorrowedPane<'b> = (i64, &'b [u8], &'b [u8]);

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
    /// says whether it exists. [`Panes::restored`] follows the last run.
    pub(super) fn restore(
        &mut self,
        bytes: &[u8],
        mut adopt: impl FnMut(RouteId) -> bool,
    ) -> Result<(), RestoreError> {
        let kind = SectionKind::Panes;
        let run: Vec<BorrowedPane<'_>> = decode(kind, bytes)?;
        for (pane, rows, first_rows) in run {
            let mut rest = rows;
            // Whether they are rows all through is seen when they are gone through.
            while let Some((route, row)) = WrittenRow::next(&mut rest) {
                if u64::try_from(self.rows.pane_ms()).is_ok_and(|pane_ms| row.offset_ms >= pane_ms)
                {
                    return Err(RestoreError::Decode { kind });
                }
                if !adopt(route) {
                    return Err(RestoreError::Dangling { kind });
                }
            }
            if !rest.is_empty() || !self.first_rows.restore(pane, first_rows, &mut adopt) {
                return Err(RestoreError::Decode { kind });
            }
            self.rows.restore(pane, rows);
        }
        Ok(())
    }

    /// Hands rows to the cohorts and moves the windows to the instant `at`, T of the capture, once all
    /// panes have been put back. Nothing is dropped yet: how long rows are to be kept is said later.
    pub(super) fn restored(&mut self, at: Timestamp, routes: &Routes) -> Result<(), RestoreError> {
        self.make_room(routes.key_count());
        let windows = self.windows.iter_mut();
        for window in windows.filter(|window| window.has_cohorts()) {
            filling::follow(window, &self.first_rows, routes, &mut self.marks);
        }
        // A replay has its T behind all events, and is looked at where they end.
        let has_windows = Timestamp::MIN < at && at < Timestamp::MAX;
        let spans = if has_windows {
            self.begin_at(at)
        } else {
            Vec::new()
        };
        let are_whole = self.fill(&spans, routes);
        if !are_whole || !filling::others_are_whole(&spans, &self.rows) {
            let kind = SectionKind::Panes;
            return Err(RestoreError::Decode { kind });
        }
        if has_windows {
            self.move_windows(at, routes);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::Settings;
    use crate::engine::row::Row;
    use crate::kpi::{Count, Totals};
    use crate::window::{WindowGeometry, WindowSpec};

    /// A row that is none all through is told wherever it lies, whether a window covers it or not.
    #[test]
    fn what_is_no_row_is_refused() {
        let geometry = WindowGeometry::new(&WindowSpec::new("1m", Duration::from_mins(1)), 0);
        let pane_ms = geometry.pane_ms;
        let at = Timestamp::from_millis(100 * pane_ms);
        let mut totals = Totals::default();
        totals.count(Count::Records, 300);
        let mut row = Row::default();
        row.fill(&totals, std::iter::empty());
        let mut whole = Vec::new();
        row.write(RouteId(0), 0, &mut whole);
        let mut broken = whole.clone();
        // The number goes on, where the row ends.
        *broken.last_mut().unwrap() |= 0x80;
        // A row and then a route without anything, which nobody has.
        let empty = [whole.as_slice(), &[89, 0]].concat();
        for (pane, now) in [(99, at), (1, at), (100, at), (99, Timestamp::MAX)] {
            for (bytes, is_row) in [(&whole, true), (&broken, false), (&empty, false)] {
                let mut routes = Routes::new(&Settings::default());
                let route = routes.acquire(&[None; 8]);
                let mut panes = Panes::new(std::slice::from_ref(&geometry), vec![true; 8], true);
                let run = encode(&vec![(pane, bytes, Vec::<u8>::new())]);
                let restored = panes.restore(&run, |found| found == route);
                let restored = restored.and_then(|()| panes.restored(now, &routes));
                assert_eq!(restored.is_ok(), is_row, "{pane}");
            }
        }
    }
}
