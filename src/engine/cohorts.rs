//! First contacts by window pane and key. A cohort moves as a whole: from one pane to the next it is
//! followed for longer, and each step of the horizon counts it in and later out again. So its panes
//! are added up once, and not row by row for each step.

use std::collections::BTreeMap;

use hashbrown::{DefaultHashBuilder, HashMap};
use smallvec::SmallVec;

use super::delta::{Figure, Items};
use super::routes::KeyId;
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
    pub(super) fn of(items: &Items) -> Self {
        let mut sum = Self::default();
        for item in items {
            match item.figure() {
                Figure::Count(at) if at == Count::FcrFirst.index() => sum.first = item.amount(),
                Figure::Count(at) if at == Count::FcrResolved.index() => {
                    sum.resolved = item.amount();
                }
                Figure::Count(at) if at == Count::FcrFailedAtOnce.index() => {
                    sum.failed_at_once = item.amount();
                }
                // Ordered by step, as items are.
                Figure::Repeats(step) => {
                    let step = u8::try_from(step).unwrap_or(u8::MAX);
                    sum.repeats.push((step, item.amount()));
                }
                Figure::Count(_) | Figure::Squares(_) | Figure::Bucket(_) => {}
            }
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
        let mut at_risk = 0;
        if self.followed.contains(moment) {
            for (step, range) in self.at_risk.iter().enumerate() {
                at_risk |= u32::from(range.contains(moment)) << step;
            }
        }
        Parts {
            mature: self.mature.contains(moment),
            followed: self.followed.contains(moment),
            at_risk,
        }
    }
}

/// The first contacts of one pane by key.
#[derive(Debug, Default)]
struct Cohort {
    /// Ordered by key, as the cells that they are counted in lie in memory.
    settled: Vec<(KeyId, FirstContacts)>,
    /// Keys that are not among them.
    recent: HashMap<KeyId, FirstContacts, DefaultHashBuilder>,
}

impl Cohort {
    fn add(&mut self, key: KeyId, added: &FirstContacts) {
        match self.settled.binary_search_by_key(&key, |known| known.0) {
            Ok(at) => self.settled[at].1.add(added),
            Err(_) => self.recent.entry(key).or_default().add(added),
        }
    }

    /// Brings recent keys in order, where they are not so few that it is not worth it.
    fn settle(&mut self) {
        if self.recent.len() * 8 <= self.settled.len() {
            return;
        }
        self.settled.retain(|(_, sum)| !sum.is_empty());
        let recent = self.recent.drain().filter(|(_, sum)| !sum.is_empty());
        self.settled.extend(recent);
        self.settled.sort_unstable_by_key(|known| known.0);
    }

    fn iter(&self) -> impl Iterator<Item = (&KeyId, &FirstContacts)> {
        let settled = self.settled.iter().map(|(key, sum)| (key, sum));
        settled.chain(&self.recent)
    }
}

/// The cohorts of a window that is longer than the horizon, by its panes.
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

    /// Adds first contacts of a moment to their keys.
    pub(super) fn add(&mut self, moment: Timestamp, keys: &[KeyId], added: &FirstContacts) {
        let pane = moment.as_millis().div_euclid(self.pane_ms);
        let cohort = self.panes.entry(pane).or_default();
        for key in keys {
            cohort.add(*key, added);
        }
    }

    /// Calls `visit` for each key of each pane whose parts change, with the sign of the change.
    pub(super) fn moved(
        &mut self,
        before: &Covered,
        after: &Covered,
        mut visit: impl FnMut(KeyId, &FirstContacts, Parts, i64),
    ) {
        if before == after {
            return;
        }
        for (pane, cohort) in &mut self.panes {
            let start = Timestamp::from_millis(pane.saturating_mul(self.pane_ms));
            let (was, is) = (before.parts_at(start), after.parts_at(start));
            for (parts, sign) in [(is.without(was), 1), (was.without(is), -1)] {
                if parts == Parts::NONE {
                    continue;
                }
                cohort.settle();
                for (key, sum) in cohort.iter() {
                    visit(*key, sum, parts, sign);
                }
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
    fn keys_are_the_same_before_and_after_they_are_brought_in_order() {
        let mut cohort = Cohort::default();
        for key in [3, 1, 2, 1] {
            cohort.add(KeyId(key), &contacts(1, 0, &[]));
        }
        cohort.settle();
        assert!(cohort.recent.is_empty());
        cohort.add(KeyId(2), &contacts(-1, 0, &[]));
        cohort.add(KeyId(0), &contacts(5, 0, &[(27, 4)]));
        cohort.settle();
        let seen: Vec<(u32, i64)> = cohort.iter().map(|(key, sum)| (key.0, sum.first)).collect();
        assert_eq!(seen, [(0, 5), (1, 2), (3, 1)]);
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
