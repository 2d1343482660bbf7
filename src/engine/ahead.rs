//! What a window changes when it moves next, worked out before it does. Where panes of very many keys
//! close, that is long work, and ingest would stand still for it. But what will leave and enter is
//! known half a pane before. So it is gathered a little at a time, in cells beside those of the window,
//! which stays where it is. Once the window has moved, those cells count as well, which takes no time;
//! then they are handed to the window's own, again a little at a time.
//!
//! Whoever does not call for any of it finds the windows moved all the same, in one go: it is for
//! those who would rather wait often and shortly.

use super::cohorts::{Counted, Covered, FirstContacts, Parts};
use super::counted::CountedCell;
use super::kept_totals::KeptTotals;
use super::marks::Marks;
use super::routes::{KeyId, RouteId};
use super::row::Row;
use super::sweep::Sweep;
use super::window::{Cells, Stored, Window};
use crate::kpi::Count;
use crate::time::Timestamp;
use crate::window::Range;

/// What work ahead at a time should cost at most, some two milliseconds: 1 is a row of a cohort.
pub const WORK_AT_A_TIME: usize = 1 << 15;
/// What a cell costs that is handed over, and one that room is made for.
const COST_OF_CELL: usize = 6;
const COST_OF_ROOM: usize = 3;

/// Rows are not gathered ahead where they are no more than so many bytes for each 1 of a turn: to go
/// through them at once takes a few turns, and to gather them is twice the work.
const FEW_BYTES: usize = 16;

/// One turn of work.
#[derive(Debug)]
pub(super) struct Turn {
    /// The instant that the windows stand at.
    pub(super) at: Timestamp,
    /// The present instant T.
    pub(super) now: Timestamp,
    /// What it may cost, and what is left of that.
    pub(super) most: usize,
    pub(super) left: usize,
}

/// Of one window.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// By key; none before there was anything to gather.
    cells: Cells,
    /// The window itself lets go of a pane.
    main: Stage<Sweep>,
    /// What counts first contacts moves by a pane.
    firsts: Stage<FirstsMove>,
}

/// How far work on a move has come.
#[derive(Debug)]
enum Stage<M> {
    /// There is nothing in the cells, and no key is listed.
    Idle(Marks),
    /// The cells do not count yet.
    Gathering(Gathering<M>),
    /// The window has moved, so the cells count. Those of these keys are still to be handed over.
    Handing(Vec<KeyId>, Marks),
}

#[derive(Debug)]
struct Gathering<M> {
    /// The first instant at which the window stands where it moves to.
    since: Timestamp,
    /// The keys that change.
    marks: Marks,
    of: M,
}

#[derive(Debug)]
enum FirstsMove {
    /// The mature cohort alone, by rows.
    Mature(Sweep),
    Cohorts(CohortsMove),
}

/// Cohorts move route by route.
#[derive(Debug)]
struct CohortsMove {
    after: Box<Covered>,
    /// Those of routes with a smaller number have been gathered; the greatest there is after the last.
    next_route: u32,
}

impl<M> Default for Stage<M> {
    fn default() -> Self {
        Self::Idle(Marks::new())
    }
}

impl<M> Stage<M> {
    /// Begins with a move, where none is under way.
    fn begin(&mut self, since: Timestamp, of: M, keys: usize) {
        if let Self::Idle(marks) = self {
            let mut marks = std::mem::replace(marks, Marks::new());
            marks.make_room(keys);
            *self = Self::Gathering(Gathering { since, marks, of });
        }
    }

    fn is_idle(&self) -> bool {
        matches!(self, Self::Idle(_))
    }

    fn counts(&self) -> bool {
        matches!(self, Self::Handing(..))
    }

    /// Whether it is one that moving to the instant `at` makes.
    fn is_due(&self, at: Timestamp) -> bool {
        matches!(self, Self::Gathering(gathering) if gathering.since <= at)
    }

    fn gathering(&mut self) -> Option<&mut Gathering<M>> {
        match self {
            Self::Gathering(gathering) => Some(gathering),
            Self::Idle(_) | Self::Handing(..) => None,
        }
    }

    /// The window moves to the instant `at`: takes the move out if it is one of those on the way.
    fn take_due(&mut self, at: Timestamp, marks: &mut Marks) -> Option<M> {
        match std::mem::take(self) {
            Self::Gathering(mut gathering) if gathering.since <= at => {
                let keys = gathering.marks.take_listed();
                for key in &keys {
                    marks.touch(*key);
                }
                *self = Self::Handing(keys, gathering.marks);
                Some(gathering.of)
            }
            other @ (Self::Idle(_) | Self::Gathering(_) | Self::Handing(..)) => {
                *self = other;
                None
            }
        }
    }

    /// Hands cells over with `hand`.
    fn hand(&mut self, budget: &mut usize, mut hand: impl FnMut(KeyId)) {
        let Self::Handing(keys, marks) = self else {
            return;
        };
        while *budget > 0
            && let Some(key) = keys.pop()
        {
            hand(key);
            *budget = budget.saturating_sub(COST_OF_CELL);
        }
        if keys.is_empty() {
            *self = Self::Idle(std::mem::replace(marks, Marks::new()));
        }
    }
}

impl Ahead {
    /// Makes room for so many keys, where cells are in use.
    pub(super) fn make_room(&mut self, keys: usize) {
        if self.main.is_idle() && self.firsts.is_idle() {
            return;
        }
        self.cells.make_room(keys);
        if let Some(gathering) = self.main.gathering() {
            gathering.marks.make_room(keys);
        }
        if let Some(gathering) = self.firsts.gathering() {
            gathering.marks.make_room(keys);
        }
    }

    /// Whether a part of the rows of the pane that begins then has been gathered.
    pub(super) fn is_amid(&self, pane: Timestamp) -> bool {
        let main = match &self.main {
            Stage::Gathering(gathering) => gathering.of.is_amid(pane),
            Stage::Idle(_) | Stage::Handing(..) => false,
        };
        main || matches!(
            &self.firsts,
            Stage::Gathering(Gathering { of: FirstsMove::Mature(sweep), .. }) if sweep.is_amid(pane)
        )
    }

    /// Whether the rows of a moment that the window covers have been gathered as rows that leave it.
    pub(super) fn has_left(&self, moment: Timestamp) -> bool {
        match &self.main {
            Stage::Gathering(gathering) => gathering.of.sign_at(moment) < 0,
            Stage::Idle(_) | Stage::Handing(..) => false,
        }
    }

    /// One more row of such a moment.
    pub(super) fn leave(&mut self, key: KeyId, row: &Row, has_quantiles: bool) {
        if let Some(gathering) = self.main.gathering() {
            self.cells.add_row(key, row, -1);
            if has_quantiles {
                self.cells.add_buckets(key, &row.buckets, -1);
            }
            gathering.marks.touch(key);
        }
    }

    /// The same with first contacts.
    pub(super) fn leave_first(&mut self, key: KeyId, contacts: &FirstContacts) {
        if let Some(gathering) = self.main.gathering() {
            self.cells.add_first(key, contacts, -1);
            gathering.marks.touch(key);
        }
    }

    /// First contacts of a moment have been added that are counted in these parts; those before have
    /// been gathered where they move.
    pub(super) fn follow(
        &mut self,
        moment: Timestamp,
        (route, contacts): (RouteId, &FirstContacts),
        keys: &[KeyId],
        parts: Parts,
    ) {
        let Some(Gathering { marks, of, .. }) = self.firsts.gathering() else {
            return;
        };
        let (leaves, enters) = match of {
            FirstsMove::Mature(sweep) => match sweep.sign_at(moment) {
                0 => return,
                sign if sign < 0 => (Parts::MATURE, Parts::NONE),
                _ => (Parts::NONE, Parts::MATURE),
            },
            FirstsMove::Cohorts(cohorts) => {
                if route.0 >= cohorts.next_route {
                    return;
                }
                let after = cohorts.after.parts_at(moment);
                (parts.without(after), after.without(parts))
            }
        };
        for (changing, sign) in [(leaves, -1), (enters, 1)] {
            if changing != Parts::NONE {
                for key in keys {
                    self.cells.count(*key, contacts, changing, sign);
                    marks.touch(*key);
                }
            }
        }
    }
}

impl Window {
    /// Does some of the work of moving the window next.
    pub(super) fn work_ahead(&mut self, turn: &mut Turn, stored: Stored<'_>) {
        // A day so far does not let go of panes.
        if self.geometry.day.is_some() {
            return;
        }
        self.hand_over(&mut turn.left);
        self.begin_main(turn, stored);
        self.gather_main(stored, &mut turn.left);
        self.begin_firsts(turn, stored);
        self.gather_firsts(stored, &mut turn.left);
    }

    /// Makes the moves that have been worked at and lie before the instant `at`. What is not ready yet
    /// is made so.
    pub(super) fn pass(&mut self, at: Timestamp, stored: Stored<'_>, marks: &mut Marks) {
        if self.ahead.main.is_due(at) {
            self.gather_main(stored, &mut { usize::MAX });
        }
        if let Some(sweep) = self.ahead.main.take_due(at, marks) {
            self.main.from = sweep.leaves.to;
        }
        if self.ahead.firsts.is_due(at) {
            self.gather_firsts(stored, &mut { usize::MAX });
        }
        match self.ahead.firsts.take_due(at, marks) {
            Some(FirstsMove::Mature(sweep)) => {
                self.covered.mature = Range {
                    from: sweep.leaves.to,
                    to: sweep.enters.to,
                };
            }
            Some(FirstsMove::Cohorts(cohorts)) => self.covered = *cohorts.after,
            None => {}
        }
    }

    fn hand_over(&mut self, budget: &mut usize) {
        let Ahead {
            cells,
            main,
            firsts,
        } = &mut self.ahead;
        let own = &mut self.cells.0;
        main.hand(budget, |key| {
            if let (Some(own), Some(change)) = (own.get_mut(key.at()), cells.0.get_mut(key.at())) {
                own.take_main(change);
            }
        });
        firsts.hand(budget, |key| {
            if let (Some(own), Some(change)) = (own.get_mut(key.at()), cells.0.get_mut(key.at())) {
                own.take_firsts(change);
            }
        });
    }

    /// Whether it is time to begin with what moves at the instant `since`. Not at once: what comes to a
    /// pane that has been gathered is counted one by one.
    fn is_time(&self, since: Timestamp, now: Timestamp) -> bool {
        since.millis_since(now) <= self.geometry.pane_ms / 2
    }

    /// Makes room for a part of very many keys at a time.
    fn has_room(&mut self, budget: &mut usize) -> bool {
        let Ahead {
            cells,
            main,
            firsts,
        } = &mut self.ahead;
        let keys = self.cells.0.len();
        if cells.0.capacity() < keys && main.is_idle() && firsts.is_idle() {
            // Nothing is in them: to copy them would be long work.
            cells.0 = Vec::with_capacity(keys + keys / 4);
        }
        let lacking = keys.saturating_sub(cells.0.len());
        let made = lacking.min(budget.div_ceil(COST_OF_ROOM));
        cells.make_room(keys - lacking + made);
        *budget = budget.saturating_sub(made * COST_OF_ROOM);
        made == lacking
    }

    fn begin_main(&mut self, turn: &mut Turn, stored: Stored<'_>) {
        if !self.ahead.main.is_idle() {
            return;
        }
        let since = self.geometry.next_move(turn.at, 1);
        let leaves = Range {
            from: self.main.from,
            to: self.geometry.ranges(since).window.from,
        };
        // A delayed window of one pane has not come to the end of what it will let go.
        let is_known = leaves.to <= self.main.to;
        if !is_known || !self.is_time(since, turn.now) {
            return;
        }
        let are_few = stored.rows.bytes_in(leaves) <= turn.most.saturating_mul(FEW_BYTES);
        if are_few || !self.has_room(&mut turn.left) {
            return;
        }
        let sweep = Sweep::new(leaves, Range::EMPTY);
        self.ahead.main.begin(since, sweep, self.cells.0.len());
    }

    fn begin_firsts(&mut self, turn: &mut Turn, stored: Stored<'_>) {
        if !self.by_repeats || !self.ahead.firsts.is_idle() {
            return;
        }
        let mut since = self.geometry.next_move(turn.at, self.geometry.horizon_ms);
        if self.cohorts.is_some() {
            since = since.min(self.geometry.next_move(turn.at, 0));
        }
        if !self.is_time(since, turn.now) {
            return;
        }
        let ranges = self.geometry.ranges(since);
        let of = if self.cohorts.is_some() {
            FirstsMove::Cohorts(CohortsMove {
                after: Box::new(self.covered_with(&ranges)),
                next_route: 0,
            })
        } else {
            let (before, after) = (self.covered.mature, ranges.mature);
            let leaves = Range {
                from: before.from,
                to: after.from,
            };
            let enters = Range {
                from: before.to,
                to: after.to,
            };
            let rows = stored.first_rows.count_in(leaves) + stored.first_rows.count_in(enters);
            if rows <= turn.most / 2 {
                return;
            }
            FirstsMove::Mature(Sweep::new(leaves, enters))
        };
        if !self.has_room(&mut turn.left) {
            return;
        }
        self.ahead.firsts.begin(since, of, self.cells.0.len());
    }

    fn gather_main(&mut self, stored: Stored<'_>, budget: &mut usize) {
        if let Some(Gathering { marks, of, .. }) = self.ahead.main.gathering() {
            of.gather_rows(&mut self.ahead.cells, stored, marks, budget);
        }
    }

    fn gather_firsts(&mut self, stored: Stored<'_>, budget: &mut usize) {
        let Some(Gathering { marks, of, .. }) = self.ahead.firsts.gathering() else {
            return;
        };
        let cells = &mut self.ahead.cells;
        match of {
            FirstsMove::Mature(sweep) => sweep.gather_mature(cells, stored, marks, budget),
            FirstsMove::Cohorts(moving) => {
                let has_more = *budget > 0 && moving.next_route < u32::MAX;
                let Some(cohorts) = self.cohorts.as_mut().filter(|_| has_more) else {
                    return;
                };
                let mut counted = Counted {
                    cells: &mut cells.0,
                    marks,
                };
                let keys_of = |route| stored.routes.keys_of_route(route);
                let progress = cohorts.moved_some(
                    (&self.covered, &moving.after),
                    moving.next_route,
                    *budget,
                    &keys_of,
                    &mut counted,
                );
                moving.next_route = progress.next;
                *budget = budget.saturating_sub(progress.cost);
            }
        }
    }

    /// What a key has counted; `None` where there is no cell of it.
    pub(super) fn counted(&self, key: KeyId) -> Option<CountedCell<'_>> {
        let ahead = self.ahead.cells.0.get(key.at());
        Some(CountedCell {
            cell: self.cells.0.get(key.at())?,
            main: ahead.filter(|_| self.ahead.main.counts()),
            firsts: ahead.filter(|_| self.ahead.firsts.counts()),
        })
    }

    /// Whether a record of the key lies in the window or its mature cohort, where the sum that windows
    /// share is `shared`.
    pub(super) fn is_live(&self, key: KeyId, shared: &KeptTotals) -> bool {
        let Some(cell) = self.cells.0.get(key.at()) else {
            return false;
        };
        let mut records = shared.get(Count::Records);
        records = records.wrapping_add(cell.own.get(Count::Records));
        let mut mature = cell.mature.first;
        if let Some(change) = self.ahead.cells.0.get(key.at()) {
            if self.ahead.main.counts() {
                records = records.wrapping_add(change.own.get(Count::Records));
            }
            if self.ahead.firsts.counts() {
                mature += change.mature.first;
            }
        }
        records > 0 || mature > 0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::panes::Panes;
    use super::super::routes::{KeyId, Routes};
    use crate::engine::Settings;
    use crate::kpi::{Buckets, bucket_of};
    use crate::time::Timestamp;
    use crate::window::{WindowGeometry, WindowSpec};

    fn come(panes: &mut Panes, routes: &mut Routes, moment: Timestamp, handle_ms: u64) {
        let route = routes.acquire(&[None; 8]);
        let delta = panes.delta(moment, route, routes).unwrap();
        delta.handle_time(handle_ms, 1);
        panes.fold(routes);
        routes.release(route);
    }

    fn work(panes: &mut Panes, routes: &Routes, now: Timestamp) {
        for _ in 0..100 {
            panes.work_ahead(now, 1, routes);
        }
    }

    /// Both windows count these.
    fn check(panes: &Panes, handle_ms: &[u64]) {
        let mut expected = Buckets::default();
        for one in handle_ms {
            expected.add(bucket_of(*one), 1);
        }
        for window in [0, 1] {
            let counted = panes.counted(window, KeyId(0)).unwrap();
            assert_eq!(counted.quantiles(), expected.quantiles(), "{window}");
        }
    }

    /// A handle time that comes to a pane whose rows have been gathered leaves the window with them.
    #[test]
    fn what_comes_late_leaves_with_its_pane() {
        let geometry = WindowGeometry::new(&WindowSpec::new("5m", Duration::from_mins(5)), 0);
        let (length_ms, pane_ms) = (geometry.length_ms, geometry.pane_ms);
        let mut routes = Routes::new(&Settings::default());
        let mut panes = Panes::new(&[geometry.clone(), geometry], vec![true; 8], true);
        let at = Timestamp::from_millis(1000 * length_ms);
        let first = at.plus_millis(-length_ms);
        for handle_ms in [100, 110, 120, 130] {
            come(&mut panes, &mut routes, first, handle_ms);
        }
        come(&mut panes, &mut routes, at.plus_millis(-1), 140);
        panes.move_to(at, &mut routes);
        let now = at.plus_millis(pane_ms / 2);
        work(&mut panes, &routes, now);
        let mut windows = panes.windows.iter();
        assert!(windows.all(|window| window.ahead.has_left(first)));
        come(&mut panes, &mut routes, first, 150);
        check(&panes, &[100, 110, 120, 130, 140, 150]);
        panes.move_to(at.plus_millis(pane_ms), &mut routes);
        check(&panes, &[140]);
        work(&mut panes, &routes, now);
        check(&panes, &[140]);
    }
}
