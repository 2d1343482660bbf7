//! First contacts by window pane and route. A cohort moves as a whole: from one pane to the next it is
//! followed for longer, and each step of the horizon counts it in and later out again. So its panes
//! are added up once, and not row by row for each step.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::first_rows::{Fate, FirstRow, PackedFirstRow};
use super::followed::FollowedCount;
use super::marks::Marks;
use super::routes::{KeyId, RouteId};
use super::window::WindowCell;
use crate::kpi::{Count, STEPS};
use crate::time::Timestamp;
use crate::window::Range;

/// What first contacts add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FirstContacts {
    first: i64,
    resolved: i64,
    failed_at_once: i64,
    /// Step and repeats of those that did not fail at once, ordered by step, without zeros.
    repeats: SmallVec<[(u8, i64); 1]>,
}

impl FirstContacts {
    /// Those of a row.
    #[inline]
    pub(super) fn of(row: FirstRow) -> Self {
        let mut sum = Self::default();
        sum.add_row(row.fate, row.count);
        sum
    }

    /// Those of rows in the order of their fates' numbers.
    #[inline]
    pub(super) fn of_rows(rows: impl Iterator<Item = FirstRow>) -> Self {
        let mut sum = Self::default();
        for row in rows {
            sum.add_row(row.fate, row.count);
        }
        sum
    }

    /// What they count in the window itself, with `sign` -1 to be taken back.
    #[inline]
    pub(super) fn counts(&self, sign: i64) -> [(Count, i64); 2] {
        [
            (Count::FcrFirst, sign * self.first),
            (Count::FcrResolved, sign * self.resolved),
        ]
    }

    fn clear(&mut self) {
        self.first = 0;
        self.resolved = 0;
        self.failed_at_once = 0;
        self.repeats.clear();
    }

    /// Adds those of a row whose step, if it has one, is not before any that there are.
    fn add_row(&mut self, fate: Fate, count: i32) {
        let count = i64::from(count);
        self.first += count;
        match fate {
            Fate::Resolved => self.resolved += count,
            Fate::Failed => self.failed_at_once += count,
            Fate::Repeated(step) => match self.repeats.last_mut() {
                Some(last) if last.0 == step => last.1 += count,
                Some(_) | None => self.repeats.push((step, count)),
            },
        }
    }

    /// Counts them in the parts of a window, or takes them back with `sign` -1.
    pub(super) fn count(&self, cell: &mut WindowCell, parts: Parts, sign: i64) {
        if parts.mature {
            cell.mature.first += sign * self.first;
            cell.mature.resolved += sign * self.resolved;
        }
        if !parts.followed && parts.at_risk == 0 {
            return;
        }
        cell.followed.count(self, parts, sign);
    }

    /// Hands out what they come to in the counts of a followed cohort.
    #[inline]
    pub(super) fn each_followed(&self, parts: Parts, mut visit: impl FnMut(FollowedCount, i64)) {
        use FollowedCount::{AtRisk, FailedAtOnce, First, Repeats};
        if parts.followed {
            visit(First, self.first);
            visit(FailedAtOnce, self.failed_at_once);
        }
        let mut at_risk = self.first - self.failed_at_once;
        let mut repeats = self.repeats.as_slice();
        let mut steps = parts.at_risk;
        while steps != 0 {
            if at_risk == 0 {
                // As where a repeat is noted in the step that is under way: nothing before it changes.
                let Some((of, _)) = repeats.first() else {
                    return;
                };
                steps &= u32::MAX << of;
                if steps == 0 {
                    return;
                }
            }
            let step = steps.trailing_zeros();
            steps &= steps - 1;
            while let [(of, count), rest @ ..] = repeats
                && u32::from(*of) < step
            {
                at_risk -= count;
                repeats = rest;
            }
            let in_step = match repeats {
                [(of, count), ..] if u32::from(*of) == step => *count,
                _ => 0,
            };
            let step = usize::try_from(step).unwrap_or(usize::MAX);
            visit(AtRisk(step), at_risk);
            visit(Repeats(step), in_step);
        }
    }
}

/// Parts of a window that count first contacts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    /// The mature cohort.
    pub(super) mature: bool,
    /// The followed cohort.
    pub(super) followed: bool,
    /// By step, one bit each: that part of the followed cohort that has been followed for more.
    pub(super) at_risk: u32,
}

impl Parts {
    pub(super) const NONE: Self = Self {
        mature: false,
        followed: false,
        at_risk: 0,
    };

    pub(super) const MATURE: Self = Self {
        mature: true,
        ..Self::NONE
    };

    /// Those of them that are not among the others.
    pub(super) fn without(self, others: Self) -> Self {
        Self {
            mature: self.mature && !others.mature,
            followed: self.followed && !others.followed,
            at_risk: self.at_risk & !others.at_risk,
        }
    }
}

/// What the parts of a window cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Covered {
    pub(super) mature: Range,
    pub(super) followed: Range,
    pub(super) at_risk: [Range; STEPS],
}

impl Covered {
    pub(super) const NOTHING: Self = Self {
        mature: Range::EMPTY,
        followed: Range::EMPTY,
        at_risk: [Range::EMPTY; STEPS],
    };

    /// The parts that cover a moment.
    pub(super) fn parts_at(&self, moment: Timestamp) -> Parts {
        if moment >= self.mature.to.max(self.followed.to) {
            return Parts::NONE;
        }
        let followed = self.followed.contains(moment);
        let steps = if followed { self.steps_at(moment) } else { 0 };
        Parts {
            mature: self.mature.contains(moment),
            followed,
            at_risk: !(u32::MAX << steps),
        }
    }

    /// How many whole steps a moment of the followed cohort has been followed for: each is followed
    /// for no longer than the one before.
    fn steps_at(&self, moment: Timestamp) -> usize {
        self.at_risk.partition_point(|range| moment < range.to)
    }
}

/// Rows that are brought in order at a time.
const RUN: usize = 1024;

/// The first contacts of one pane.
#[derive(Debug, Default)]
struct Cohort {
    /// Added up by route and fate, and ordered by them, as the cells that they are counted in lie in
    /// memory: numbers of routes and of keys grow together. Each at least twice as long as the next.
    runs: Vec<Vec<PackedFirstRow>>,
    /// Those that have not been added up yet.
    recent: Vec<PackedFirstRow>,
}

impl Cohort {
    fn add(&mut self, row: FirstRow) {
        self.recent.extend(PackedFirstRow::of(row));
        if self.recent.len() >= RUN {
            self.settle();
        }
    }

    /// Adds recent rows up. A little at a time: no pane that has become large is to be brought in order
    /// when it closes.
    fn settle(&mut self) {
        add_up(&mut self.recent);
        self.runs.push(self.recent.clone());
        self.recent.clear();
        while let [.., longer, last] = self.runs.as_mut_slice()
            && longer.len() < 2 * last.len()
        {
            longer.append(last);
            add_up(longer);
            longer.shrink_to_fit();
            self.runs.pop();
        }
        self.runs.pop_if(|last| last.is_empty());
    }

    /// Adds up what there is, of a pane of which little more will come.
    fn settle_all(&mut self) {
        if !self.recent.is_empty() {
            self.settle();
            self.recent = Vec::new();
        }
    }
}

/// Routes whose cells are visited for all panes before those of the next routes are: so many fit into a
/// near cache.
const ROUTES_AT_A_TIME: u32 = 256;

/// First contacts of a cohort whose parts change, while they are counted.
struct Moving<'c> {
    /// Rows of a run that have not been counted.
    rest: &'c [PackedFirstRow],
    enters: Parts,
    leaves: Parts,
}

impl Moving<'_> {
    /// The number of the first route that has not been counted.
    fn next_route(&self) -> Option<u32> {
        self.rest.first().map(|row| row.route().0)
    }

    /// Counts the routes before `bound`, and says how many rows they were.
    fn count_before<'k>(
        &mut self,
        bound: u32,
        keys_of: &impl Fn(RouteId) -> &'k [KeyId],
        counted: &mut Counted<'_>,
    ) -> usize {
        let before = self.rest.len();
        let mut contacts = FirstContacts::default();
        while let Some(route) = self.rest.first().map(|row| row.route())
            && route.0 < bound
        {
            contacts.clear();
            while let Some((row, rest)) = self.rest.split_first()
                && row.route() == route
            {
                contacts.add_row(row.fate(), row.count());
                self.rest = rest;
            }
            for key in keys_of(route) {
                self.count(*key, &contacts, counted);
            }
        }
        before - self.rest.len()
    }

    fn count(&self, key: KeyId, contacts: &FirstContacts, counted: &mut Counted<'_>) {
        let Some(cell) = counted.cells.get_mut(key.at()) else {
            return;
        };
        for (parts, sign) in [(self.enters, 1), (self.leaves, -1)] {
            if parts != Parts::NONE {
                contacts.count(cell, parts, sign);
            }
        }
        counted.marks.touch(key);
    }
}

/// Where first contacts are counted.
#[derive(Debug)]
pub(super) struct Counted<'w> {
    /// By key.
    pub(super) cells: &'w mut [WindowCell],
    pub(super) marks: &'w mut Marks,
}

impl Counted<'_> {
    /// Brings what counting first contacts of a key will look at into the cache.
    fn fetch(&self, key: KeyId) {
        if let Some(cell) = self.cells.get(key.at()) {
            cell.followed.fetch();
        }
    }
}

/// How far the routes of cohorts have been counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// The number of the route that comes next; the greatest there is once all have been counted.
    pub(super) next: u32,
    /// What that cost: rows that were counted, and routes and runs that were looked at, of which there
    /// are more where routes are rare.
    pub(super) cost: usize,
}

/// Adds up what has the same order, and brings it in order.
fn add_up(rows: &mut Vec<PackedFirstRow>) {
    // The stable sort finds that most is in order already.
    rows.sort_by_key(|row| row.order());
    rows.dedup_by(|later, earlier| earlier.merge(*later));
    rows.retain(|row| row.count() != 0);
}

/// The cohorts of a window that is longer than the horizon, by its panes. What is in them is in the
/// rows of first contacts as well, which hold the references to routes and stay for longer.
#[derive(Debug)]
pub(super) struct Cohorts {
    pane_ms: i64,
    panes: BTreeMap<i64, Cohort>,
}

impl Cohorts {
    pub(super) fn new(pane_ms: i64) -> Self {
        Self {
            pane_ms,
            panes: BTreeMap::new(),
        }
    }

    /// Adds first contacts of a moment.
    pub(super) fn add(&mut self, moment: Timestamp, row: FirstRow) {
        let pane = moment.as_millis().div_euclid(self.pane_ms);
        self.panes.entry(pane).or_default().add(row);
    }

    /// Counts each key of each pane whose parts change. Of a route that there is not there are no keys.
    pub(super) fn moved<'k>(
        &mut self,
        change: (&Covered, &Covered),
        keys_of: &impl Fn(RouteId) -> &'k [KeyId],
        counted: &mut Counted<'_>,
    ) {
        self.moved_some(change, 0, usize::MAX, keys_of, counted);
    }

    /// The same for routes from the number `first` on, until it has cost `most`.
    pub(super) fn moved_some<'k>(
        &mut self,
        (before, after): (&Covered, &Covered),
        first: u32,
        most: usize,
        keys_of: &impl Fn(RouteId) -> &'k [KeyId],
        counted: &mut Counted<'_>,
    ) -> Progress {
        let mut progress = Progress {
            next: first,
            cost: 0,
        };
        let mut moving = self.moving(before, after, first);
        // Some routes of all panes, then the next: with very many keys their cells are in no cache, and
        // are fetched once and not for each step of the horizon.
        let rows: usize = moving.iter().map(|run| run.rest.len()).sum();
        while progress.cost < most {
            let Some(next) = moving.iter().filter_map(Moving::next_route).min() else {
                progress.next = u32::MAX;
                break;
            };
            let bound = (next - next % ROUTES_AT_A_TIME).saturating_add(ROUTES_AT_A_TIME);
            if rows > counted.cells.len() {
                for route in next..bound {
                    for key in keys_of(RouteId(route)) {
                        counted.fetch(*key);
                    }
                }
            }
            for run in &mut moving {
                progress.cost += 1 + run.count_before(bound, keys_of, counted);
            }
            progress.next = bound;
            progress.cost += usize::try_from(bound - next).unwrap_or(0);
        }
        progress
    }

    /// The runs of panes whose parts change, from a route on.
    fn moving(&mut self, before: &Covered, after: &Covered, first: u32) -> Vec<Moving<'_>> {
        let mut moving = Vec::new();
        if before == after {
            return moving;
        }
        for (pane, cohort) in &mut self.panes {
            let start = Timestamp::from_millis(pane.saturating_mul(self.pane_ms));
            let (was, is) = (before.parts_at(start), after.parts_at(start));
            if was == is {
                continue;
            }
            let (enters, leaves) = (is.without(was), was.without(is));
            cohort.settle_all();
            moving.extend(cohort.runs.iter().map(|run| {
                let counted = run.partition_point(|row| row.route().0 < first);
                Moving {
                    rest: &run[counted..],
                    enters,
                    leaves,
                }
            }));
        }
        moving
    }

    /// Drops the panes that end before `bound`.
    pub(super) fn drop_before(&mut self, bound: Timestamp) {
        let first_kept = bound.as_millis().div_euclid(self.pane_ms);
        while let Some(entry) = self.panes.first_entry() {
            if *entry.key() >= first_kept {
                return;
            }
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kpi::SurvivalStep;

    fn contacts(first: i64, failed_at_once: i64, repeats: &[(u8, i64)]) -> FirstContacts {
        FirstContacts {
            first,
            resolved: first - failed_at_once,
            failed_at_once,
            repeats: SmallVec::from_slice(repeats),
        }
    }

    fn first(route: u32, fate: Fate, count: i32) -> FirstRow {
        FirstRow {
            route: RouteId(route),
            fate,
            count,
        }
    }

    /// A route leads to the key of its own number.
    fn keys_of(route: RouteId) -> &'static [KeyId] {
        const KEYS: [KeyId; 4] = [KeyId(0), KeyId(1), KeyId(2), KeyId(3)];
        KEYS.get(route.at()..=route.at()).unwrap_or_default()
    }

    /// What a cohort comes to by key: first contacts and repeats.
    fn sums(cohort: &mut Cohort) -> Vec<(u32, i64, i64)> {
        let enters = Parts {
            followed: true,
            at_risk: u32::MAX >> 4,
            ..Parts::NONE
        };
        let mut cells = vec![WindowCell::default(); 4];
        let mut counted = Counted {
            cells: &mut cells,
            marks: &mut Marks::new(),
        };
        cohort.settle_all();
        for rest in &cohort.runs {
            let mut moving = Moving {
                rest,
                enters,
                leaves: Parts::NONE,
            };
            moving.count_before(2, &keys_of, &mut counted);
            moving.count_before(u32::MAX, &keys_of, &mut counted);
        }
        let sums = (0..).zip(cells).filter_map(|(key, cell)| {
            let survival = cell.followed.survival()?;
            let repeats = survival.steps.iter().map(|step| step.repeats).sum();
            Some((key, survival.first, repeats))
        });
        sums.filter(|sum| (sum.1, sum.2) != (0, 0)).collect()
    }

    #[test]
    fn what_is_taken_back_is_gone() {
        let mut cohorts = Cohorts::new(1000);
        let moment = Timestamp::from_millis(500);
        let rows = [
            (3, Fate::Resolved, 2),
            (1, Fate::Failed, 1),
            (3, Fate::Repeated(4), 1),
            (3, Fate::Resolved, -1),
        ];
        for (route, fate, count) in rows {
            cohorts.add(moment, first(route, fate, count));
        }
        let cohort = cohorts.panes.get_mut(&0).unwrap();
        assert_eq!(sums(cohort), [(1, 1, 0), (3, 2, 1)]);
        let lengths = |of: &Cohort| of.runs.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!((lengths(cohort), cohort.recent.len()), (vec![3], 0));
        for (route, fate, count) in [(1, Fate::Failed, -1), (3, Fate::Repeated(4), -1)] {
            cohorts.add(moment, first(route, fate, count));
        }
        let again = cohorts.panes.get_mut(&0).unwrap();
        assert_eq!(sums(again), [(3, 1, 0)]);
        assert_eq!((lengths(again), again.recent.len()), (vec![1], 0));
        cohorts.add(moment, first(3, Fate::Resolved, -1));
        let at_last = cohorts.panes.get_mut(&0).unwrap();
        assert_eq!(sums(at_last), []);
        assert!(lengths(at_last).is_empty());
    }

    #[test]
    fn runs_are_few_however_much_comes() {
        let mut cohort = Cohort::default();
        for number in 0..40 * u32::try_from(RUN).unwrap() {
            cohort.add(first(number * 7919 % 65_521, Fate::Resolved, 1));
        }
        let lengths: Vec<usize> = cohort.runs.iter().map(Vec::len).collect();
        assert!(
            lengths.is_sorted_by(|long, short| *long >= 2 * short),
            "{lengths:?}"
        );
        assert_eq!(
            lengths.iter().sum::<usize>() + cohort.recent.len(),
            40 * RUN
        );
        let in_order = |run: &Vec<PackedFirstRow>| run.is_sorted_by_key(|row| row.order());
        assert!(cohort.runs.iter().all(in_order));
    }

    #[test]
    fn a_row_is_what_it_says() {
        let of = |fate, count| FirstContacts::of(first(0, fate, count));
        assert_eq!(of(Fate::Resolved, 3), contacts(3, 0, &[]));
        assert_eq!(of(Fate::Failed, -2), contacts(-2, -2, &[]));
        let repeated = of(Fate::Repeated(9), 2);
        assert_eq!((repeated.first, repeated.resolved), (2, 0));
        assert_eq!(repeated.repeats.as_slice(), [(9, 2)]);
    }

    #[test]
    fn who_comes_back_now_changes_nothing_before_that_step() {
        let rows = [(Fate::Repeated(5), 1), (Fate::Resolved, -1)];
        let came_back = FirstContacts::of_rows(rows.map(|row| first(0, row.0, row.1)).into_iter());
        let changes = |at_risk| {
            let mut changes = Vec::new();
            let parts = Parts {
                at_risk,
                ..Parts::NONE
            };
            came_back.each_followed(parts, |counted, amount| changes.push((counted, amount)));
            changes.retain(|change| change.1 != 0);
            changes
        };
        assert_eq!(changes(0b1_1111), []);
        assert_eq!(
            changes(0xFF),
            [
                (FollowedCount::Repeats(5), 1),
                (FollowedCount::AtRisk(6), -1),
                (FollowedCount::AtRisk(7), -1),
            ]
        );
        assert_eq!(
            came_back.counts(-1),
            [(Count::FcrFirst, 0), (Count::FcrResolved, 1)]
        );
    }

    #[test]
    fn who_came_back_is_at_risk_up_to_that_step() {
        let mut cell = WindowCell::default();
        let parts = Parts {
            at_risk: 0b1_1010,
            ..Parts::NONE
        };
        contacts(10, 2, &[(1, 3), (2, 1), (4, 1)]).count(&mut cell, parts, 1);
        let survival = cell.followed.survival().unwrap();
        let of_steps =
            |of: fn(&SurvivalStep) -> i64| survival.steps[..6].iter().map(of).collect::<Vec<_>>();
        assert_eq!(of_steps(|step| step.at_risk), [0, 8, 0, 4, 4, 0]);
        assert_eq!(of_steps(|step| step.repeats), [0, 3, 0, 0, 1, 0]);
        assert_eq!((survival.first, cell.mature.first), (0, 0));
    }
}
