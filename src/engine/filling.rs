//! Windows that cover nothing yet are filled: after a restart with state, and at the first view of a
//! replay. The rows are gone through once for all windows together, one stretch of time after the other
//! between the moments at which one of them begins or ends.

use super::cohorts::FirstContacts;
use super::first_rows::{FirstRow, FirstRows};
use super::marks::Marks;
use super::routes::Routes;
use super::rows::Rows;
use super::sums::{Fates, Sums, Wanted};
use super::window::{Spans, Stored, Window};
use crate::time::Timestamp;
use crate::window::Range;

/// Fills windows that cover nothing with what they cover from now on. Says whether all rows of records and
/// episodes that were gone through are whole.
pub(super) fn fill(
    windows: &mut [Window],
    spans: &[Spans],
    stored: Stored<'_>,
    marks: &mut Marks,
) -> bool {
    let mut sums = Sums::new();
    for stretch in stretches(spans) {
        let within = |range: Range| range.from <= stretch.from && stretch.to <= range.to;
        let in_main: Vec<bool> = spans.iter().map(|spans| within(spans.main)).collect();
        let in_mature: Vec<bool> = spans.iter().map(|spans| within(spans.mature)).collect();
        let wanted = match (in_main.contains(&true), in_mature.contains(&true)) {
            (true, _) => Wanted::All,
            (false, true) => Wanted::Firsts,
            (false, false) => continue,
        };
        sums.each(stored, stretch, wanted, &mut |route, sum| {
            let keys = &stored.routes.route(route).keys;
            for (key, quantiles) in keys.iter().zip(stored.has_quantiles) {
                marks.touch(*key);
                for (at, window) in windows.iter_mut().enumerate() {
                    if in_main[at] {
                        window.cells.add_sum(*key, sum, *quantiles);
                    }
                    if in_mature[at] {
                        window.cells.add_mature(*key, sum.firsts);
                    }
                }
            }
        });
    }
    sums.are_whole
}

/// Whether all rows of records and episodes are whole that lie where no window covers them.
pub(super) fn others_are_whole(spans: &[Spans], rows: &Rows) -> bool {
    let mut from = Timestamp::MIN;
    let mut mains: Vec<Range> = spans.iter().map(|spans| spans.main).collect();
    mains.retain(|main| !main.is_empty());
    mains.sort_unstable_by_key(|main| main.from);
    mains.push(Range {
        from: Timestamp::MAX,
        to: Timestamp::MAX,
    });
    let mut are_whole = true;
    for main in mains {
        let uncovered = Range {
            from,
            to: main.from,
        };
        rows.sweep_written(uncovered, &mut |_, row| are_whole &= row.is_whole());
        from = from.max(main.to);
    }
    are_whole
}

/// The stretches of time between the ends of ranges, in order: a range covers all of one or nothing.
fn stretches(spans: &[Spans]) -> Vec<Range> {
    let ranges = spans.iter().flat_map(|spans| [spans.main, spans.mature]);
    let ranges = ranges.filter(|range| !range.is_empty());
    let mut ends: Vec<Timestamp> = ranges.flat_map(|range| [range.from, range.to]).collect();
    ends.sort_unstable();
    ends.dedup();
    let pairs = ends.windows(2);
    pairs
        .map(|pair| Range {
            from: pair[0],
            to: pair[1],
        })
        .collect()
}

/// Hands restored rows of first contacts to a window that follows them, those of one of its panes and of
/// one route and fate as one: it would add them up itself, and needs them in no order.
pub(super) fn follow(
    window: &mut Window,
    first_rows: &FirstRows,
    routes: &Routes,
    marks: &mut Marks,
) {
    let pane_ms = window.geometry.pane_ms;
    let mut fates = Fates::new();
    let mut pane = Timestamp::MIN;
    let mut hand_over = |from, sum: FirstRow| {
        let (rows, contacts) = (std::iter::once(sum), FirstContacts::of(sum));
        let keys = &routes.route(sum.route).keys;
        window.follow(from, rows, (sum.route, &contacts), keys, marks);
    };
    first_rows.sweep(Range::ALL, &mut |moment, row| {
        let its_pane = moment.floor_to(pane_ms);
        if its_pane != pane {
            fates.flush(&mut |sum| hand_over(pane, sum));
            pane = its_pane;
        }
        fates.add(row, &mut |sum| hand_over(pane, sum));
    });
    fates.flush(&mut |sum| hand_over(pane, sum));
}
