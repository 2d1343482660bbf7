//! Panes and windows: contributions are gathered per moment and route, folded into the running
//! totals of each window and kept as rows in the pane of their event time. As the windows move,
//! rows that leave are subtracted and rows that enter (a delayed window, a mature cohort) are
//! added. All of it is integer arithmetic, so a total is exactly the sum of the rows in its range.

use std::collections::BTreeMap;

use hashbrown::{DefaultHashBuilder, HashMap};
use smallvec::{SmallVec, smallvec};

use super::capture::{RestoreError, RouteNumbers, SectionKind, decode, encode, number_of};
use super::delta::{Delta, Figure, Item, Items, read_row, write_row};
use super::routes::{KeyId, RouteId, Routes};
use crate::kpi::{Buckets, Count, MatureTotals, STEPS, Survival, Totals};
use crate::time::Timestamp;
use crate::window::{Range, WindowGeometry, common_pane_ms};

/// Deltas gathered before they are folded even without a view.
const MAX_PENDING: usize = 8192;

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
struct Window {
    geometry: WindowGeometry,
    /// First contacts are told by repeat contacts: there is a mature cohort.
    by_repeats: bool,
    /// The same, and the window is longer than the horizon.
    has_survival: bool,
    main: Range,
    mature: Range,
    followed: Range,
    /// The part of the followed cohort that has been followed for more than each step.
    at_risk: [Range; STEPS],
    cells: Vec<WindowCell>,
    revisions: Revisions,
}

/// At which view each key of a window changed last.
#[derive(Debug)]
struct Revisions {
    /// Number of the view to come, from 1.
    next: u64,
    /// By key; 0 for one that never changed.
    of: Vec<u64>,
}

/// Which counts of a window a range of rows feeds.
#[derive(Clone, Copy, Debug)]
enum Part {
    Main,
    Mature,
    Followed,
    AtRisk(usize),
}

/// All panes and windows.
#[derive(Debug)]
pub(super) struct Panes {
    pane_ms: i64,
    /// Rows keep their exact moment, since a delayed window ends inside a pane.
    exact_moments: bool,
    /// Breakdowns with handle-time quantiles.
    has_quantiles: Vec<bool>,
    windows: Vec<Window>,
    /// The instant the windows stand at; `None` until the first view.
    at: Option<Timestamp>,
    /// Rows by pane number; a pane is dropped once no window can come back to it.
    rows: BTreeMap<i64, Vec<u8>>,
    /// No window looks before this moment any more.
    bound: Timestamp,
    /// Rows are kept for so much longer than the windows look back, milliseconds.
    kept_ms: i64,
    pending: Vec<(Timestamp, RouteId, Delta)>,
    pending_index: HashMap<(Timestamp, RouteId), usize, DefaultHashBuilder>,
    spare: Vec<Delta>,
    capture: Option<PaneCapture>,
}

/// A capture of the rows: panes only grow, so it is enough to remember how long each was. A pane
/// that is dropped meanwhile is out of every window for good and need not be captured.
#[derive(Debug)]
struct PaneCapture {
    numbers: RouteNumbers,
    /// Pane and length of its rows when the capture began, the last first.
    lengths: Vec<(i64, usize)>,
}

/// Bytes of rows in one captured section.
const SECTION_BYTES: usize = 1 << 18;

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
            has_quantiles,
            windows,
            at: None,
            rows: BTreeMap::new(),
            bound: Timestamp::MIN,
            kept_ms: 0,
            pending: Vec::new(),
            pending_index: HashMap::default(),
            spare: Vec::new(),
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
        if moment < self.bound {
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
            routes.retain(route);
            let delta = self.spare.pop().unwrap_or_default();
            self.pending.push((moment, route, delta));
            self.pending_index
                .insert((moment, route), self.pending.len() - 1);
            self.pending.len() - 1
        };
        self.pending.get_mut(at).map(|entry| &mut entry.2)
    }

    /// Whether so much has been gathered that it should be folded.
    pub(super) fn is_full(&self) -> bool {
        self.pending.len() >= MAX_PENDING
    }

    /// Folds what has been gathered into the windows and the panes.
    pub(super) fn fold(&mut self, routes: &mut Routes) {
        let mut pending = std::mem::take(&mut self.pending);
        self.pending_index.clear();
        pending.sort_unstable_by_key(|entry| (entry.0, entry.1));
        for (moment, route, mut delta) in pending.drain(..) {
            let items = delta.items();
            if !items.is_empty() {
                self.fold_row(moment, route, &items, routes);
            }
            routes.release(route);
            delta.clear();
            self.spare.push(delta);
        }
        self.pending = pending;
    }

    fn fold_row(&mut self, moment: Timestamp, route: RouteId, items: &Items, routes: &mut Routes) {
        if moment < self.bound {
            return;
        }
        let pane = moment.as_millis().div_euclid(self.pane_ms);
        let offset_ms = moment.as_millis().rem_euclid(self.pane_ms);
        let bytes = self.rows.entry(pane).or_default();
        write_row(bytes, u64::try_from(offset_ms).unwrap_or(0), route.0, items);
        routes.retain(route);
        let keys = &routes.route(route).keys;
        for window in &mut self.windows {
            window.make_room(routes.key_count());
            for (part, range) in window.parts() {
                if range.contains(moment) {
                    window.apply(part, keys, items, 1, &self.has_quantiles);
                }
            }
        }
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
            let targets = window.targets(at, self.exact_moments);
            for ((part, before), after) in window.parts().into_iter().zip(targets) {
                if before == after {
                    continue;
                }
                window.shift(
                    part,
                    (before, after),
                    &self.rows,
                    self.pane_ms,
                    routes,
                    &self.has_quantiles,
                );
                window.set(part, after);
            }
        }
        self.drop_before(self.earliest(at), routes);
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
        let mut moved = Window {
            has_survival: false,
            ..Window::new(&kept.geometry, kept.by_repeats)
        };
        moved.make_room(routes.key_count());
        // Quantiles have no history.
        let has_quantiles = vec![false; self.has_quantiles.len()];
        for at in instants {
            let ranges = moved.geometry.ranges(*at);
            let targets = [ranges.window, ranges.mature];
            for ((part, before), after) in moved.parts().into_iter().zip(targets) {
                let change = (before, after);
                moved.shift(
                    part,
                    change,
                    &self.rows,
                    self.pane_ms,
                    routes,
                    &has_quantiles,
                );
                moved.set(part, after);
            }
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
            self.drop_before(self.earliest(stream_time), routes);
        }
    }

    /// The earliest moment any window looks at from the instant `at` on.
    fn earliest(&self, at: Timestamp) -> Timestamp {
        let earliest_of = |window: &Window| {
            let ranges = window.geometry.ranges(at);
            ranges
                .window
                .from
                .min(ranges.mature.from)
                .min(ranges.followed.from)
        };
        let earliest = self.windows.iter().map(earliest_of).min().unwrap_or(at);
        earliest.plus_millis(-self.kept_ms)
    }

    fn drop_before(&mut self, bound: Timestamp, routes: &mut Routes) {
        if bound <= self.bound {
            return;
        }
        self.bound = bound;
        let first_kept = bound.as_millis().div_euclid(self.pane_ms);
        let mut items = Items::new();
        while let Some(entry) = self.rows.first_entry() {
            if *entry.key() >= first_kept {
                return;
            }
            let bytes = entry.remove();
            let mut rest = bytes.as_slice();
            while let Some((route, _)) = read_row(&mut rest, &mut items) {
                routes.release(RouteId(route));
            }
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
        let lengths = self
            .rows
            .iter()
            .rev()
            .map(|(pane, bytes)| (*pane, bytes.len()))
            .collect();
        self.capture = Some(PaneCapture { numbers, lengths });
    }

    /// The next captured run of panes; `None` when all have been handed out.
    pub(super) fn capture_next(&mut self) -> Option<Vec<u8>> {
        let capture = self.capture.as_mut()?;
        let mut run: Vec<(i64, Vec<u8>)> = Vec::new();
        let mut size = 0;
        while size < SECTION_BYTES {
            let Some((pane, length)) = capture.lengths.pop() else {
                break;
            };
            let Some(bytes) = self.rows.get(&pane) else {
                continue;
            };
            let rows = canonical_rows(&bytes[..length.min(bytes.len())], &capture.numbers);
            size += rows.len();
            run.push((pane, rows));
        }
        if run.is_empty() {
            self.capture = None;
            return None;
        }
        Some(encode(&run))
    }

    /// The moment no window looks before, for a capture.
    pub(super) fn bound(&self) -> Timestamp {
        self.bound
    }

    /// Sets what [`Panes::bound`] captured.
    pub(super) fn set_bound(&mut self, bound: Timestamp) {
        self.bound = bound;
    }

    /// Puts a captured run of panes back; `adopt` takes the reference of a row to its route and
    /// says whether it exists. The windows are filled by the next move.
    pub(super) fn restore(
        &mut self,
        bytes: &[u8],
        mut adopt: impl FnMut(RouteId) -> bool,
    ) -> Result<(), RestoreError> {
        let kind = SectionKind::Panes;
        let run: Vec<(i64, Vec<u8>)> = decode(kind, bytes)?;
        let mut items = Items::new();
        for (pane, rows) in run {
            let mut rest = rows.as_slice();
            while let Some((route, _)) = read_row(&mut rest, &mut items) {
                if !adopt(RouteId(route)) {
                    return Err(RestoreError::Dangling { kind });
                }
            }
            if !rest.is_empty() {
                return Err(RestoreError::Decode { kind });
            }
            self.rows.insert(pane, rows);
        }
        Ok(())
    }
}

/// The rows of a pane added up by moment and route, in order, routes by their canonical numbers:
/// the same for the same contributions, however they were gathered.
fn canonical_rows(bytes: &[u8], numbers: &RouteNumbers) -> Vec<u8> {
    let mut sums: BTreeMap<(u64, u32), BTreeMap<u16, i128>> = BTreeMap::new();
    let mut items = Items::new();
    let mut rest = bytes;
    while let Some((route, offset_ms)) = read_row(&mut rest, &mut items) {
        let route = number_of(numbers, RouteId(route)).0;
        let row = sums.entry((offset_ms, route)).or_default();
        for item in &items {
            *row.entry(item.tag()).or_default() += item.wide();
        }
    }
    let mut rows = Vec::with_capacity(bytes.len());
    for ((offset_ms, route), row) in sums {
        let sum: Items = row
            .into_iter()
            .filter(|(_, amount)| *amount != 0)
            .map(|(tag, amount)| Item::new(tag, amount))
            .collect();
        if !sum.is_empty() {
            write_row(&mut rows, offset_ms, route, &sum);
        }
    }
    rows
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

/// Calls `visit` for every row whose moment lies in `range`.
fn sweep(
    panes: &BTreeMap<i64, Vec<u8>>,
    pane_ms: i64,
    range: Range,
    visit: &mut impl FnMut(RouteId, &Items),
) {
    if range.is_empty() {
        return;
    }
    let first = range.from.as_millis().div_euclid(pane_ms);
    let last = range.to.plus_millis(-1).as_millis().div_euclid(pane_ms);
    let mut items = Items::new();
    for (pane, bytes) in panes.range(first..=last) {
        let start = Timestamp::from_millis(pane.saturating_mul(pane_ms));
        let mut rest = bytes.as_slice();
        while let Some((route, offset_ms)) = read_row(&mut rest, &mut items) {
            let offset_ms = i64::try_from(offset_ms).unwrap_or(i64::MAX);
            if range.contains(start.plus_millis(offset_ms)) {
                visit(RouteId(route), &items);
            }
        }
    }
}

impl Window {
    fn new(geometry: &WindowGeometry, by_repeats: bool) -> Self {
        Self {
            geometry: geometry.clone(),
            by_repeats,
            has_survival: by_repeats && geometry.length_ms > geometry.horizon_ms,
            main: Range::EMPTY,
            mature: Range::EMPTY,
            followed: Range::EMPTY,
            at_risk: [Range::EMPTY; STEPS],
            cells: Vec::new(),
            revisions: Revisions {
                next: 1,
                of: Vec::new(),
            },
        }
    }

    /// Takes the rows out that a part no longer covers, and those in that it covers now.
    fn shift(
        &mut self,
        part: Part,
        (before, after): (Range, Range),
        rows: &BTreeMap<i64, Vec<u8>>,
        pane_ms: i64,
        routes: &Routes,
        has_quantiles: &[bool],
    ) {
        let is_new_day = self.geometry.day.is_some() && before.from != after.from;
        let (leave, enter) = if is_new_day {
            // A day is over: nothing of it is left, and what began is small.
            self.clear(part);
            ([Range::EMPTY; 2], [after, Range::EMPTY])
        } else {
            difference(before, after)
        };
        for (range, sign) in [(leave[0], -1), (leave[1], -1), (enter[0], 1), (enter[1], 1)] {
            sweep(rows, pane_ms, range, &mut |route, items| {
                self.apply(part, &routes.route(route).keys, items, sign, has_quantiles);
            });
        }
    }

    fn make_room(&mut self, keys: usize) {
        if self.cells.len() < keys {
            self.cells.resize_with(keys, WindowCell::default);
            self.revisions.of.resize(keys, 0);
        }
    }

    /// The parts of the window with the ranges they cover now.
    fn parts(&self) -> SmallVec<[(Part, Range); 2]> {
        let mut parts = smallvec![(Part::Main, self.main)];
        if self.by_repeats {
            parts.push((Part::Mature, self.mature));
        }
        if self.has_survival {
            parts.push((Part::Followed, self.followed));
            parts.extend((0..STEPS).map(|step| (Part::AtRisk(step), self.at_risk[step])));
        }
        parts
    }

    /// The ranges the same parts cover at the instant `at`. Without delays all rows lie before T,
    /// so the window's end is left open.
    fn targets(&self, at: Timestamp, exact_moments: bool) -> Vec<Range> {
        let ranges = self.geometry.ranges(at);
        let main = if exact_moments && self.geometry.delay_ms > 0 {
            ranges.window
        } else {
            Range {
                from: ranges.window.from,
                to: Timestamp::MAX,
            }
        };
        let mut targets = vec![main];
        if self.by_repeats {
            targets.push(ranges.mature);
        }
        if self.has_survival {
            targets.push(ranges.followed);
            for steps in 1..=28 {
                targets.push(self.geometry.followed_for(&ranges, steps, 28));
            }
        }
        targets
    }

    /// Forgets what a part of a day so far has counted.
    fn clear(&mut self, part: Part) {
        self.revisions.of.fill(self.revisions.next);
        for cell in &mut self.cells {
            match part {
                Part::Main => {
                    cell.totals = Totals::default();
                    cell.buckets = Buckets::default();
                }
                Part::Mature => cell.mature = MatureTotals::default(),
                // They exist in rolling windows alone.
                Part::Followed | Part::AtRisk(_) => {}
            }
        }
    }

    fn set(&mut self, part: Part, range: Range) {
        match part {
            Part::Main => self.main = range,
            Part::Mature => self.mature = range,
            Part::Followed => self.followed = range,
            Part::AtRisk(step) => self.at_risk[step] = range,
        }
    }

    fn apply(
        &mut self,
        part: Part,
        keys: &[KeyId],
        items: &Items,
        sign: i64,
        has_quantiles: &[bool],
    ) {
        for (key, quantiles) in keys.iter().zip(has_quantiles) {
            let Some(cell) = self.cells.get_mut(key.at()) else {
                continue;
            };
            if let Some(revision) = self.revisions.of.get_mut(key.at()) {
                *revision = self.revisions.next;
            }
            match part {
                Part::Main => cell.apply(items, sign, *quantiles),
                Part::Mature => cell.apply_mature(items, sign),
                Part::Followed => cell.apply_followed(items, sign),
                Part::AtRisk(step) => cell.apply_at_risk(step, items, sign),
            }
        }
    }
}

impl WindowCell {
    fn apply(&mut self, items: &Items, sign: i64, quantiles: bool) {
        for item in items {
            match item.figure() {
                Figure::Count(at) => self.totals.counts[at] += sign * item.amount(),
                Figure::Squares(at) => self.totals.squares[at] += i128::from(sign) * item.wide(),
                Figure::Repeats(_) => {}
                Figure::Bucket(bucket) => {
                    if quantiles {
                        let count = i32::try_from(sign * item.amount()).unwrap_or(0);
                        self.buckets.add(bucket, count);
                    }
                }
            }
        }
    }

    fn apply_mature(&mut self, items: &Items, sign: i64) {
        self.mature.first += sign * count_of(items, Count::FcrFirst);
        self.mature.resolved += sign * count_of(items, Count::FcrResolved);
    }

    fn apply_followed(&mut self, items: &Items, sign: i64) {
        let survival = self.survival.get_or_insert_default();
        survival.first += sign * count_of(items, Count::FcrFirst);
        survival.failed_at_once += sign * count_of(items, Count::FcrFailedAtOnce);
    }

    fn apply_at_risk(&mut self, step: usize, items: &Items, sign: i64) {
        let mut at_risk =
            count_of(items, Count::FcrFirst) - count_of(items, Count::FcrFailedAtOnce);
        let mut repeats = 0;
        for item in items {
            if let Figure::Repeats(of) = item.figure() {
                if of < step {
                    at_risk -= item.amount();
                } else if of == step {
                    repeats += item.amount();
                }
            }
        }
        if at_risk != 0 || repeats != 0 {
            let survival = self.survival.get_or_insert_default();
            survival.at_risk[step] += sign * at_risk;
            survival.repeats[step] += sign * repeats;
        }
    }
}

fn count_of(items: &Items, count: Count) -> i64 {
    items
        .iter()
        .find(|item| item.figure() == Figure::Count(count.index()))
        .map_or(0, |item| item.amount())
}
