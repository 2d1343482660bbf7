//! First contacts by window pane and key. A cohort moves as a whole: from one pane to the next it is
//! followed for longer, and each step of the horizon counts it in and later out again. So its panes
//! are added up once, and not row by row for each step.

use std::collections::BTreeMap;

use hashbrown::{DefaultHashBuilder, HashMap};
use smallvec::SmallVec;

use super::first_rows::{Fate, FirstRow, PackedFirstRow};
use super::routes::{KeyId, Routes};
use super::window::WindowCell;
use crate::kpi::STEPS;
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
        let count = i64::from(row.count);
        sum.first = count;
        match row.fate {
            Fate::Resolved => sum.resolved = count,
            Fate::Failed => sum.failed_at_once = count,
            Fate::Repeated(step) => sum.repeats.push((step, count)),
        }
        sum
    }

    fn add(&mut self, other: &Self) {
        self.first += other.first;
        self.resolved += other.resolved;
        self.failed_at_once += other.failed_at_once;
        for (step, count) in &other.repeats {
            match self.repeats.binary_search_by_key(step, |known| known.0) {
                Ok(at) => {
                    self.repeats[at].1 += count;
                    if self.repeats[at].1 == 0 {
                        self.repeats.remove(at);
                    }
                }
                Err(at) => self.repeats.insert(at, (*step, *count)),
            }
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
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
        let survival = cell.survival.get_or_insert_default();
        if parts.followed {
            survival.first += sign * self.first;
            survival.failed_at_once += sign * self.failed_at_once;
        }
        let mut at_risk = self.first - self.failed_at_once;
        let mut repeats = self.repeats.as_slice();
        let mut steps = parts.at_risk;
        while steps != 0 {
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
            survival.at_risk[step] += sign * at_risk;
            survival.repeats[step] += sign * in_step;
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

    /// Those of them that are not among the others.
    fn without(self, others: Self) -> Self {
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

/// The first contacts of one pane.
#[derive(Debug, Default)]
struct Cohort {
    /// By key, ordered as the cells that they are counted in lie in memory.
    settled: Vec<(KeyId, FirstContacts)>,
    /// Those that have not been added up by key yet.
    recent: Vec<PackedFirstRow>,
}

impl Cohort {
    /// Adds recent rows up by key, where they are not so few that it is not worth it.
    fn settle(&mut self, routes: &Routes) {
        if self.recent.len() * 8 <= self.settled.len() {
            return;
        }
        let mut sums: HashMap<KeyId, FirstContacts, DefaultHashBuilder> = HashMap::default();
        for row in self.recent.drain(..).map(PackedFirstRow::row) {
            let contacts = FirstContacts::of(row);
            for key in &routes.route(row.route).keys {
                sums.entry(*key).or_default().add(&contacts);
            }
        }
        for (key, sum) in &mut self.settled {
            if let Some(added) = sums.remove(key) {
                sum.add(&added);
            }
        }
        self.settled.extend(sums);
        self.settled.retain(|(_, sum)| !sum.is_empty());
        self.settled.sort_unstable_by_key(|known| known.0);
    }

    /// Calls `visit` with what there is, each key once or more.
    fn each(&self, routes: &Routes, visit: &mut impl FnMut(KeyId, &FirstContacts)) {
        for (key, sum) in &self.settled {
            visit(*key, sum);
        }
        for row in self.recent.iter().copied().map(PackedFirstRow::row) {
            let contacts = FirstContacts::of(row);
            for key in &routes.route(row.route).keys {
                visit(*key, &contacts);
            }
        }
    }
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
        let cohort = self.panes.entry(pane).or_default();
        cohort.recent.extend(PackedFirstRow::of(row));
    }

    /// Calls `visit` for each key of each pane whose parts change, with the sign of the change.
    pub(super) fn moved(
        &mut self,
        (before, after): (&Covered, &Covered),
        routes: &Routes,
        mut visit: impl FnMut(KeyId, &FirstContacts, Parts, i64),
    ) {
        if before == after {
            return;
        }
        for (pane, cohort) in &mut self.panes {
            let start = Timestamp::from_millis(pane.saturating_mul(self.pane_ms));
            let (was, is) = (before.parts_at(start), after.parts_at(start));
            let changes = [(is.without(was), 1), (was.without(is), -1)];
            if was != is {
                cohort.settle(routes);
            }
            for (parts, sign) in changes.into_iter().filter(|change| change.0 != Parts::NONE) {
                cohort.each(routes, &mut |key, contacts| {
                    visit(key, contacts, parts, sign)
                });
            }
        }
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
    use super::super::routes::RouteId;
    use super::*;

    fn contacts(first: i64, failed_at_once: i64, repeats: &[(u8, i64)]) -> FirstContacts {
        FirstContacts {
            first,
            resolved: first - failed_at_once,
            failed_at_once,
            repeats: SmallVec::from_slice(repeats),
        }
    }

    #[test]
    fn what_is_taken_back_is_gone() {
        let mut sum = contacts(7, 2, &[(3, 1), (9, 2)]);
        sum.add(&contacts(1, 0, &[(0, 1), (9, -2)]));
        assert_eq!(sum, contacts(8, 2, &[(0, 1), (3, 1)]));
        sum.add(&contacts(-8, -2, &[(0, -1), (3, -1)]));
        assert!(sum.is_empty());
    }

    #[test]
    fn a_row_is_what_it_says() {
        let of = |fate, count| {
            FirstContacts::of(FirstRow {
                route: RouteId(0),
                fate,
                count,
            })
        };
        assert_eq!(of(Fate::Resolved, 3), contacts(3, 0, &[]));
        assert_eq!(of(Fate::Failed, -2), contacts(-2, -2, &[]));
        let repeated = of(Fate::Repeated(9), 2);
        assert_eq!((repeated.first, repeated.resolved), (2, 0));
        assert_eq!(repeated.repeats.as_slice(), [(9, 2)]);
    }

    #[test]
    fn who_came_back_is_at_risk_up_to_that_step() {
        let mut cell = WindowCell::default();
        let parts = Parts {
            at_risk: 0b1_1010,
            ..Parts::NONE
        };
        contacts(10, 2, &[(1, 3), (2, 1), (4, 1)]).count(&mut cell, parts, 1);
        let survival = cell.survival.unwrap();
        assert_eq!(survival.at_risk[..6], [0, 8, 0, 4, 4, 0]);
        assert_eq!(survival.repeats[..6], [0, 3, 0, 0, 1, 0]);
        assert_eq!((survival.first, cell.mature.first), (0, 0));
    }
}
