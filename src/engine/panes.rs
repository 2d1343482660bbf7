//! Panes and windows: contributions are gathered per moment and route, folded into the running
//! totals of each window and kept as rows in the pane of their event time. As the windows move,
//! rows that leave are subtracted and rows that enter (a delayed window, a mature cohort) are
//! added. All of it is integer arithmetic, so a total is exactly the sum of the rows in its range.

use std::collections::BTreeMap;

use hashbrown::{DefaultHashBuilder, HashMap};
use smallvec::SmallVec;

use super::capture::{RestoreError, RouteNumbers, SectionKind, decode, encode};
use super::cohorts::FirstContacts;
use super::delta::{Delta, Figure, Item, Items, read_row, write_row};
use super::key_sums::KeySums;
use super::routes::{KeyId, RouteId, Routes};
use super::rows::{Rows, renumbered};
use super::window::{Window, WindowCell};
use crate::kpi::Count;
use crate::time::Timestamp;
use crate::window::{Range, WindowGeometry, common_pane_ms};

/// Deltas gathered before they are folded even without a view: a few milliseconds of work.
const MAX_PENDING: usize = 1024;

/// All panes and windows.
#[derive(Debug)]
pub(super) struct Panes {
    pane_ms: i64,
    /// Rows keep their exact moment, since a delayed window ends inside a pane.
    exact_moments: bool,
    /// On their way to the windows; empty but for the time of a fold or a move.
    sums: KeySums,
    windows: Vec<Window>,
    /// The instant the windows stand at; `None` until the first view.
    at: Option<Timestamp>,
    /// All that was added; a pane is dropped once it has left every window for good.
    rows: Rows,
    /// Of that what follows from first contacts: kept for as long as they are followed, which is the
    /// FCR horizon longer.
    first_rows: Rows,
    /// Rows are kept for so much longer than the windows look back, milliseconds.
    kept_ms: i64,
    /// First contacts are told by repeat contacts.
    by_repeats: bool,
    /// What is gathered before it is folded: moment, route and place in `deltas`.
    pending: Vec<(Timestamp, RouteId, usize)>,
    pending_index: HashMap<(Timestamp, RouteId), usize, DefaultHashBuilder>,
    /// Those behind the last pending one are empty and keep their memory.
    deltas: Vec<Delta>,
    capture: Option<PaneCapture>,
}

/// Which windows cover a moment, in their order.
type Covering = SmallVec<[bool; 8]>;

/// A capture of the rows: panes only grow, so it is enough to remember how long each was. A pane
/// that is dropped meanwhile is out of every window for good and need not be captured.
#[derive(Debug)]
struct PaneCapture {
    numbers: RouteNumbers,
    /// Pane, and length of its rows and of those of first contacts when the capture began, the last
    /// first.
    lengths: Vec<(i64, [usize; 2])>,
    /// The pane under way, a copy of its rows, and how much of that has been handed out: it may be
    /// long, and dropped before its end.
    pane: i64,
    rest: Vec<u8>,
    taken: usize,
}

/// The counts that follow from first contacts, beside their repeats.
const FIRST_CONTACTS: [Count; 3] = [Count::FcrFirst, Count::FcrResolved, Count::FcrFailedAtOnce];

/// Bytes of rows in one captured section.
const SECTION_BYTES: usize = 1 << 16;

impl Panes {
    pub(super) fn new(
        geometries: &[WindowGeometry],
        has_quantiles: Vec<bool>,
        by_repeats: bool,
    ) -> Self {
        let windows = geometries
            .iter()
            .map(|geometry| Window::new(geometry, by_repeats))
            .collect();
        Self {
            pane_ms: common_pane_ms(geometries),
            exact_moments: geometries.iter().any(|geometry| geometry.delay_ms > 0),
            sums: KeySums::new(has_quantiles),
            windows,
            at: None,
            rows: Rows::new(common_pane_ms(geometries)),
            first_rows: Rows::new(common_pane_ms(geometries)),
            kept_ms: 0,
            by_repeats,
            pending: Vec::new(),
            pending_index: HashMap::default(),
            deltas: Vec::new(),
            capture: None,
        }
    }

    /// The delta of a moment and route; `None` when no window can look back that far.
    pub(super) fn delta(
        &mut self,
        moment: Timestamp,
        route: RouteId,
        routes: &mut Routes,
    ) -> Option<&mut Delta> {
        if moment < self.bound() {
            return None;
        }
        let moment = if self.exact_moments {
            moment
        } else {
            moment.floor_to(self.pane_ms)
        };
        let at = if let Some(at) = self.pending_index.get(&(moment, route)) {
            *at
        } else {
            let at = self.pending.len();
            routes.retain(route);
            self.pending.push((moment, route, at));
            self.pending_index.insert((moment, route), at);
            if self.deltas.len() == at {
                self.deltas.push(Delta::default());
            }
            at
        };
        self.deltas.get_mut(at)
    }

    /// Whether so much has been gathered that it should be folded.
    pub(super) fn is_full(&self) -> bool {
        self.pending.len() >= MAX_PENDING
    }

    /// Folds what has been gathered into the windows and the panes.
    pub(super) fn fold(&mut self, routes: &mut Routes) {
        let mut pending = std::mem::take(&mut self.pending);
        let mut deltas = std::mem::take(&mut self.deltas);
        self.pending_index.clear();
        pending.sort_unstable();
        for window in &mut self.windows {
            window.make_room(routes.key_count());
        }
        let mut items = Items::new();
        let mut covering = Covering::new();
        for (moment, route, at) in pending.drain(..) {
            let delta = &mut deltas[at];
            delta.items(&mut items);
            delta.clear();
            if !items.is_empty() && moment >= self.bound() {
                let covers = |window: &Window| window.covers(moment);
                if self.windows.iter().map(covers).ne(covering.iter().copied()) {
                    self.hand_on(&covering);
                    covering = self.windows.iter().map(covers).collect();
                }
                self.fold_row(moment, route, &items, routes);
            }
            routes.release(route);
        }
        self.hand_on(&covering);
        self.pending = pending;
        self.deltas = deltas;
    }

    fn fold_row(&mut self, moment: Timestamp, route: RouteId, items: &Items, routes: &mut Routes) {
        self.rows.add(moment, route, items, routes);
        self.sums.add(&routes.route(route).keys, items, 1);
        if !self.by_repeats {
            return;
        }
        let first_contacts = of_first_contacts(items);
        if first_contacts.is_empty() {
            return;
        }
        self.first_rows.add(moment, route, &first_contacts, routes);
        let keys = &routes.route(route).keys;
        let contacts = FirstContacts::of(&first_contacts);
        for window in &mut self.windows {
            window.follow(moment, keys, &contacts);
        }
    }

    /// Hands what has been added up by key to the windows that cover it.
    fn hand_on(&mut self, covering: &Covering) {
        let windows = &mut self.windows;
        self.sums.drain(|key, sum| {
            for (window, covers) in windows.iter_mut().zip(covering) {
                if *covers {
                    window.add(key, sum);
                }
            }
        });
    }

    /// Moves every window to the instant `at`; never backwards.
    pub(super) fn move_to(&mut self, at: Timestamp, routes: &mut Routes) {
        self.fold(routes);
        if self.at.is_some_and(|before| before >= at) {
            return;
        }
        self.at = Some(at);
        for window in &mut self.windows {
            window.make_room(routes.key_count());
            let rows = (&self.rows, &self.first_rows);
            window.move_to(at, self.exact_moments, rows, routes, &mut self.sums);
        }
        self.drop_before(at, routes);
    }

    /// What the cells of a window come to at each of these instants, which rise; all rows before the
    /// last must have been folded. Leaves the windows where they are.
    pub(super) fn recall(
        &self,
        window: usize,
        instants: &[Timestamp],
        routes: &Routes,
        visit: &mut impl FnMut(&[WindowCell]),
    ) {
        let Some(kept) = self.windows.get(window) else {
            return;
        };
        let mut moved = kept.anew();
        moved.make_room(routes.key_count());
        // Quantiles have no history.
        let mut sums = KeySums::new(Vec::new());
        for at in instants {
            let ranges = moved.geometry.ranges(*at);
            moved.move_main(ranges.window, &self.rows, routes, &mut sums);
            moved.move_mature(ranges.mature, &self.first_rows, routes);
            visit(&moved.cells);
        }
    }

    /// The longest pane that all panes are multiples of, milliseconds.
    pub(super) fn pane_ms(&self) -> i64 {
        self.pane_ms
    }

    /// Keeps rows for so much longer than the windows look back.
    pub(super) fn keep_for(&mut self, kept_ms: i64) {
        self.kept_ms = kept_ms;
    }

    /// Drops panes that no window will look at once stream time is here, when no view is asked for
    /// on the way (replay).
    pub(super) fn trim(&mut self, stream_time: Timestamp, routes: &mut Routes) {
        if self.at.is_none() {
            self.drop_before(stream_time, routes);
        }
    }

    /// Drops what no window looks at from the instant `at` on.
    fn drop_before(&mut self, at: Timestamp, routes: &mut Routes) {
        let ranges = || self.windows.iter().map(|window| window.geometry.ranges(at));
        let main = ranges().map(|ranges| ranges.window.from).min();
        let followed = ranges().map(|ranges| ranges.mature.from.min(ranges.followed.from));
        let followed = followed.min();
        let kept_ms = self.kept_ms;
        let bound = |earliest: Option<Timestamp>| earliest.unwrap_or(at).plus_millis(-kept_ms);
        self.rows.drop_before(bound(main), routes);
        self.first_rows.drop_before(bound(followed), routes);
        for window in &mut self.windows {
            window.drop_cohorts(at);
        }
    }

    /// The cell of a key in a window; `None` while nothing was ever booked there.
    pub(super) fn cell(&self, window: usize, key: KeyId) -> Option<&WindowCell> {
        self.windows.get(window)?.cells.get(key.at())
    }

    /// A number from 1 that grows whenever a cell of the key has changed since a view showed it.
    pub(super) fn revision(&self, key: KeyId) -> u64 {
        let revisions = self.windows.iter().map(|window| &window.revisions.of);
        let last = revisions.filter_map(|of| of.get(key.at())).max();
        last.map_or(1, |last| last + 1)
    }

    /// A view has shown the cells as they are.
    pub(super) fn shown(&mut self) {
        for window in &mut self.windows {
            window.revisions.next += 1;
        }
    }

    /// Whether a record of the key lies in a window or a mature cohort.
    pub(super) fn is_live(&self, key: KeyId) -> bool {
        self.windows.iter().any(|window| {
            window
                .cells
                .get(key.at())
                .is_some_and(|cell| cell.totals.get(Count::Records) > 0 || cell.mature.first > 0)
        })
    }
}

/// Capture and restore.
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
        let mut run: Vec<(i64, Vec<u8>)> = Vec::new();
        let mut size = 0;
        while size < SECTION_BYTES {
            if capture.rest.is_empty() {
                let Some((pane, [all, of_first_contacts])) = capture.lengths.pop() else {
                    break;
                };
                let bytes = match self.rows.first_bytes(pane, all).filter(|_| all > 0) {
                    Some(bytes) => Some(bytes),
                    None => self.first_rows.first_bytes(pane, of_first_contacts),
                };
                capture.pane = pane;
                capture.rest.extend_from_slice(bytes.unwrap_or_default());
                capture.taken = 0;
            }
            let rest = &capture.rest[capture.taken..];
            let (rows, taken) = renumbered(rest, SECTION_BYTES, &capture.numbers);
            capture.taken += taken;
            if taken == 0 || capture.taken == capture.rest.len() {
                capture.rest.clear();
            }
            if !rows.is_empty() {
                size += rows.len();
                run.push((capture.pane, rows));
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
        let run: Vec<(i64, Vec<u8>)> = decode(kind, bytes)?;
        let mut items = Items::new();
        for (pane, rows) in run {
            let mut first_rows = Vec::new();
            let mut rest = rows.as_slice();
            while let Some((route, offset_ms)) = read_row(&mut rest, &mut items) {
                let first_contacts = of_first_contacts(&items);
                let is_followed = self.by_repeats && !first_contacts.is_empty();
                if is_followed {
                    write_row(&mut first_rows, offset_ms, route, &first_contacts);
                }
                for _ in 0..=usize::from(is_followed) {
                    if !adopt(RouteId(route)) {
                        return Err(RestoreError::Dangling { kind });
                    }
                }
            }
            if !rest.is_empty() {
                return Err(RestoreError::Decode { kind });
            }
            self.rows.restore(pane, rows);
            if !first_rows.is_empty() {
                self.first_rows.restore(pane, first_rows);
            }
        }
        Ok(())
    }

    /// Adds up the cohorts once all panes have been put back; the windows cover nothing yet.
    pub(super) fn restored(&mut self, routes: &Routes) {
        let all = Range {
            from: Timestamp::MIN,
            to: Timestamp::MAX,
        };
        for window in self
            .windows
            .iter_mut()
            .filter(|window| window.has_cohorts())
        {
            self.first_rows.sweep(all, &mut |moment, route, items| {
                let contacts = FirstContacts::of(items);
                window.follow(moment, &routes.route(route).keys, &contacts);
            });
        }
    }
}

/// The items that the mature cohort and the survival analysis look at.
fn of_first_contacts(items: &Items) -> Items {
    let is_of_first_contacts = |item: &&Item| match item.figure() {
        Figure::Count(at) => FIRST_CONTACTS.iter().any(|count| count.index() == at),
        Figure::Repeats(_) => true,
        Figure::Squares(_) | Figure::Bucket(_) => false,
    };
    items.iter().filter(is_of_first_contacts).copied().collect()
}
