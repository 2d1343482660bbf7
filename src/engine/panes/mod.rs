//! Panes and windows: contributions are gathered per moment and route, folded into what the windows
//! count and kept as rows in the pane of their event time. As the windows move, rows that leave are
//! subtracted and rows that enter (a delayed window, a mature cohort) are added. All of it is integer
//! arithmetic, so a total is exactly the sum of the rows in its range.
//!
//! What comes is nearly always in every window. So it is added once to a sum that all windows share,
//! and a window that does not cover it takes it out of its own. A window's total is the shared sum and
//! its own together, whichever way a row has gone; that sum never ends to grow, and may wrap.

mod folding;

use super::ahead::Turn;
use super::counted::CountedCell;
use super::delta::Delta;
use super::filling;
use super::first_rows::{Fate, FirstRows};
use super::gathered::{Change, Gathered, Older};
use super::kept_totals::KeptTotals;
use super::key_sums::KeySums;
use super::marks::Marks;
use super::pane_capture::PaneCapture;
use super::routes::{KeyId, RouteId, Routes};
use super::rows::Rows;
use super::window::{Spans, Stored, Window};
use crate::kpi::{self, Totals};
use crate::time::Timestamp;
use crate::window::{Range, WindowGeometry, common_pane_ms};

/// All panes and windows.
#[derive(Debug)]
pub(super) struct Panes {
    pane_ms: i64,
    /// Rows keep their exact moment, since a delayed window ends inside a pane.
    exact_moments: bool,
    /// Breakdowns with handle-time quantiles.
    has_quantiles: Vec<bool>,
    pub(super) windows: Vec<Window>,
    /// By key, the sum of all rows that came while most windows covered them.
    shared: Vec<KeptTotals>,
    pub(super) marks: Marks,
    /// The instant the windows stand at; `None` until the first view.
    at: Option<Timestamp>,
    /// What records added, and episodes; a pane is dropped once it has left every window for good.
    pub(super) rows: Rows,
    /// What first contacts came to: kept for as long as they are followed, which is the FCR horizon
    /// longer.
    pub(super) first_rows: FirstRows,
    /// Rows are kept for so much longer than the windows look back, milliseconds.
    kept_ms: i64,
    /// Where stream time was when panes were last dropped for it: within one pane there is hardly more.
    trimmed_in: Option<Timestamp>,
    gathered: Gathered,
    /// Empty but for while something is folded.
    sums: KeySums,
    pub(super) capture: Option<PaneCapture>,
}

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
        let pane_ms = common_pane_ms(geometries);
        let exact_moments = geometries.iter().any(|geometry| geometry.delay_ms > 0);
        Self {
            pane_ms,
            exact_moments,
            has_quantiles,
            windows,
            shared: Vec::new(),
            marks: Marks::new(),
            at: None,
            rows: Rows::new(pane_ms),
            first_rows: FirstRows::new(pane_ms, exact_moments),
            kept_ms: 0,
            trimmed_in: None,
            gathered: Gathered::new(),
            sums: KeySums::default(),
            capture: None,
        }
    }

    /// The delta of a moment and route; `None` when no window can look back that far.
    #[inline]
    pub(super) fn delta(
        &mut self,
        moment: Timestamp,
        route: RouteId,
        routes: &mut Routes,
    ) -> Option<&mut Delta> {
        if self.gathered.head.contains(moment) {
            return self.gathered.in_head(route, routes);
        }
        self.delta_elsewhere(moment, route, routes)
    }

    fn delta_elsewhere(
        &mut self,
        moment: Timestamp,
        route: RouteId,
        routes: &mut Routes,
    ) -> Option<&mut Delta> {
        if moment < self.bound() {
            return None;
        }
        if self.exact_moments {
            return self.gathered.elsewhere(moment, route, routes);
        }
        let from = moment.floor_to(self.pane_ms);
        if from < self.gathered.head.from {
            return self.gathered.elsewhere(from, route, routes);
        }
        let to = from.plus_millis(self.pane_ms);
        self.gathered.advance(Range { from, to });
        self.gathered.in_head(route, routes)
    }

    /// A first contact at a moment came to that, or is taken back (`sign` -1).
    pub(super) fn first_contact(
        &mut self,
        moment: Timestamp,
        route: RouteId,
        fate: Fate,
        sign: i32,
        routes: &mut Routes,
    ) {
        if self.gathered.head.contains(moment) {
            if let Some(delta) = self.gathered.in_head(route, routes) {
                delta.first_contact(fate, sign);
            }
        } else {
            self.change_older(moment, route, Change::First(fate, sign), routes);
        }
    }

    /// An episode ended at a moment after so long, or is taken back (`sign` -1).
    pub(super) fn episode(
        &mut self,
        moment: Timestamp,
        route: RouteId,
        milliseconds: i64,
        sign: i32,
        routes: &mut Routes,
    ) {
        if self.gathered.head.contains(moment) {
            if let Some(delta) = self.gathered.in_head(route, routes) {
                kpi::record_time_to_resolution(&mut delta.totals, milliseconds, sign.into());
            }
        } else {
            self.change_older(moment, route, Change::Episode(milliseconds, sign), routes);
        }
    }

    fn change_older(
        &mut self,
        moment: Timestamp,
        route: RouteId,
        change: Change,
        routes: &mut Routes,
    ) {
        if moment < self.bound() {
            return;
        }
        routes.retain(route);
        self.gathered.older.push(Older {
            moment,
            route,
            change,
        });
    }

    /// Whether so much has been gathered that it should be folded.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.gathered.is_full()
    }

    /// Folds what has been gathered into the windows and the panes.
    pub(super) fn fold(&mut self, routes: &mut Routes) {
        self.make_room(routes.key_count());
        self.fold_deltas(routes);
        self.fold_older(routes);
        self.compact(routes);
    }

    /// Brings rows together in panes that have grown, but for the one that events are still coming to, and
    /// not while a capture counts on it that panes only become longer.
    fn compact(&mut self, routes: &mut Routes) {
        if self.capture.is_some() {
            return;
        }
        let (newest, windows) = (self.rows.newest_pane(), &self.windows);
        let is_free = |pane: Timestamp| {
            Some(pane) < newest && !windows.iter().any(|window| window.ahead.is_amid(pane))
        };
        self.rows.compact(&is_free, routes);
        self.first_rows.compact(&is_free, routes);
    }

    pub(super) fn make_room(&mut self, keys: usize) {
        if self.shared.len() < keys {
            self.shared.resize_with(keys, KeptTotals::default);
            self.marks.make_room(keys);
            for window in &mut self.windows {
                window.make_room(keys);
            }
        }
    }

    /// Moves every window to the instant `at`; never backwards.
    pub(super) fn move_to(&mut self, at: Timestamp, routes: &mut Routes) {
        self.fold(routes);
        if self.at.is_some_and(|before| before >= at) {
            return;
        }
        self.move_windows(at, routes);
        self.drop_before(at, routes);
    }

    /// Moves every window to the instant `at`, which is not before that of the last time. What they
    /// need of key numbers is there.
    pub(super) fn move_windows(&mut self, at: Timestamp, routes: &Routes) {
        if self.at.is_none() {
            let spans = self.begin_at(at);
            self.fill(&spans, routes);
        }
        self.at = Some(at);
        let exact_moments = self.exact_moments;
        let (windows, stored, marks) = self.apart(routes);
        for window in windows {
            window.move_to(at, exact_moments, stored, marks);
        }
    }

    /// Makes the windows, which cover nothing yet, cover what they do at the instant `at`, but for their
    /// cohorts; [`Panes::fill`] is to follow.
    pub(super) fn begin_at(&mut self, at: Timestamp) -> Vec<Spans> {
        self.at = Some(at);
        let exact_moments = self.exact_moments;
        let begin = |window: &mut Window| window.begin(at, exact_moments);
        self.windows.iter_mut().map(begin).collect()
    }

    /// Fills windows that have begun; says whether all rows that were gone through are whole.
    pub(super) fn fill(&mut self, spans: &[Spans], routes: &Routes) -> bool {
        let (windows, stored, marks) = self.apart(routes);
        filling::fill(windows, spans, stored, marks)
    }

    /// Does some of the work that windows will have when they move next, at most about `most`, while T
    /// is at `now`. Says whether there is more to do at once.
    pub(super) fn work_ahead(&mut self, now: Timestamp, most: usize, routes: &Routes) -> bool {
        let Some(at) = self.at else {
            return false;
        };
        let mut turn = Turn {
            at,
            now,
            most,
            left: most,
        };
        let (windows, stored, _) = self.apart(routes);
        for window in windows {
            window.work_ahead(&mut turn, stored);
        }
        turn.left == 0
    }

    /// The windows, apart from what they are filled from and where it is noted.
    fn apart<'p>(
        &'p mut self,
        routes: &'p Routes,
    ) -> (&'p mut [Window], Stored<'p>, &'p mut Marks) {
        let stored = Stored {
            rows: &self.rows,
            first_rows: &self.first_rows,
            routes,
            has_quantiles: &self.has_quantiles,
            shared: &self.shared,
        };
        (&mut self.windows, stored, &mut self.marks)
    }

    /// What windows are filled from.
    pub(super) fn stored<'p>(&'p self, routes: &'p Routes) -> Stored<'p> {
        Stored {
            rows: &self.rows,
            first_rows: &self.first_rows,
            routes,
            has_quantiles: &self.has_quantiles,
            shared: &self.shared,
        }
    }

    /// Breakdowns with handle-time quantiles.
    pub(super) fn has_quantiles(&self) -> &[bool] {
        &self.has_quantiles
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
        let pane = stream_time.floor_to(self.pane_ms);
        if self.at.is_none() && self.trimmed_in != Some(pane) {
            self.trimmed_in = Some(pane);
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

    /// The counts of a key in a window, of which this is its own.
    pub(super) fn totals(&self, key: KeyId, counted: CountedCell<'_>) -> Totals {
        let mut totals = Totals::default();
        if let Some(shared) = self.shared.get(key.at()) {
            shared.add_to(&mut totals);
        }
        counted.add_own_to(&mut totals);
        totals
    }

    /// What a key has counted in a window beside what all share; `None` while nothing was ever booked
    /// there.
    pub(super) fn counted(&self, window: usize, key: KeyId) -> Option<CountedCell<'_>> {
        self.windows.get(window)?.counted(key)
    }

    /// A number from 1 that grows whenever a cell of the key has changed since a view showed it.
    pub(super) fn revision(&self, key: KeyId) -> u64 {
        self.marks.revision(key)
    }

    /// A view has shown the cells as they are.
    pub(super) fn shown(&mut self) {
        self.marks.shown();
    }

    /// The keys whose cells have changed since the last call, each once.
    pub(super) fn take_changed(&mut self) -> Vec<KeyId> {
        self.marks.take_listed()
    }

    /// Whether a record of the key lies in a window or a mature cohort.
    pub(super) fn is_live(&self, key: KeyId) -> bool {
        let Some(shared) = self.shared.get(key.at()) else {
            return false;
        };
        let mut windows = self.windows.iter();
        windows.any(|window| window.is_live(key, shared))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::Settings;
    use crate::kpi::Count;
    use crate::window::WindowSpec;

    /// A replay of hours keeps no more panes than its windows, and what follows first contacts, look at.
    #[test]
    fn nothing_that_no_window_looks_at_is_kept() {
        let minute = Duration::from_mins(1);
        let settings = Settings::default();
        let geometry = WindowGeometry::new(&WindowSpec::new("1m", minute), 2 * 60_000);
        let mut routes = Routes::new(&settings);
        let mut panes = Panes::new(&[geometry], vec![true; settings.breakdowns.len()], true);
        let pane_ms = panes.pane_ms();
        for second in 0..2 * 3600 {
            let moment = Timestamp::from_millis(second * 1000);
            let route = routes.acquire(&[None; 8]);
            let delta = panes.delta(moment, route, &mut routes).unwrap();
            delta.totals.count(Count::Records, 1);
            panes.first_contact(moment, route, Fate::Resolved, 1, &mut routes);
            panes.fold(&mut routes);
            panes.trim(moment, &mut routes);
            routes.release(route);
            let (minutes, all) = (60_000 / pane_ms, second * 1000 / pane_ms + 1);
            let kept = |looked_at: i64| usize::try_from(all.min(looked_at * minutes + 2)).unwrap();
            assert!(panes.rows.lengths().count() <= kept(1), "{second}");
            assert!(panes.first_rows.lengths().count() <= kept(3), "{second}");
        }
    }
}
