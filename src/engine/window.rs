//! One window: the ranges it covers, and its counts by key.

use smallvec::{SmallVec, smallvec};

use super::delta::{Figure, Items};
use super::key_sums::{KeySum, KeySums};
use super::routes::{KeyId, Routes};
use super::rows::Rows;
use crate::kpi::{Buckets, Count, MatureTotals, STEPS, Survival, Totals};
use crate::time::Timestamp;
use crate::window::{Range, WindowGeometry};

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
pub(super) struct Window {
    pub(super) geometry: WindowGeometry,
    /// First contacts are told by repeat contacts: there is a mature cohort.
    by_repeats: bool,
    /// The same, and the window is longer than the horizon.
    has_survival: bool,
    main: Range,
    mature: Range,
    followed: Range,
    /// The part of the followed cohort that has been followed for more than each step.
    at_risk: [Range; STEPS],
    pub(super) cells: Vec<WindowCell>,
    pub(super) revisions: Revisions,
}

/// At which view each key of a window changed last.
#[derive(Debug)]
pub(super) struct Revisions {
    /// Number of the view to come, from 1.
    pub(super) next: u64,
    /// By key; 0 for one that never changed.
    pub(super) of: Vec<u64>,
}

/// Which counts of a window a range of rows feeds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Main,
    Mature,
    Followed,
    AtRisk(usize),
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

impl Part {
    /// Whether it is counted from rows of first contacts.
    pub(super) fn is_of_first_contacts(self) -> bool {
        match self {
            Self::Main => false,
            Self::Mature | Self::Followed | Self::AtRisk(_) => true,
        }
    }
}

impl Window {
    pub(super) fn new(geometry: &WindowGeometry, by_repeats: bool) -> Self {
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

    /// The same window from its beginning, without survival counts.
    pub(super) fn anew(&self) -> Self {
        Self {
            has_survival: false,
            ..Self::new(&self.geometry, self.by_repeats)
        }
    }

    /// Whether rows of this moment are in the window now.
    pub(super) fn covers(&self, moment: Timestamp) -> bool {
        self.main.contains(moment)
    }

    /// Moves a part to what it is to cover: takes the rows out that it no longer covers, and those
    /// in that it covers now. `sums` is empty before and after.
    pub(super) fn shift(
        &mut self,
        part: Part,
        (before, after): (Range, Range),
        rows: &Rows,
        routes: &Routes,
        sums: &mut KeySums,
    ) {
        self.set(part, after);
        let is_new_day = self.geometry.day.is_some() && before.from != after.from;
        let (leave, enter) = if is_new_day {
            // A day is over: nothing of it is left, and what began is small.
            self.clear(part);
            ([Range::EMPTY; 2], [after, Range::EMPTY])
        } else {
            difference(before, after)
        };
        for (range, sign) in [(leave[0], -1), (leave[1], -1), (enter[0], 1), (enter[1], 1)] {
            rows.sweep(range, &mut |route, items| {
                let keys = &routes.route(route).keys;
                if part.is_of_first_contacts() {
                    self.follow(part, keys, items, sign);
                } else {
                    sums.add(keys, items, sign);
                }
            });
        }
        sums.drain(|key, sum| self.add(key, sum));
    }

    /// Makes room for so many keys.
    pub(super) fn make_room(&mut self, keys: usize) {
        if self.cells.len() < keys {
            self.cells.resize_with(keys, WindowCell::default);
            self.revisions.of.resize(keys, 0);
        }
    }

    /// The parts of the window with the ranges they cover now.
    pub(super) fn parts(&self) -> SmallVec<[(Part, Range); 2]> {
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
    pub(super) fn targets(&self, at: Timestamp, exact_moments: bool) -> Vec<Range> {
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

    /// Adds what a key gains in the window itself.
    pub(super) fn add(&mut self, key: KeyId, sum: &KeySum) {
        if let Some(cell) = self.changing(key) {
            cell.totals.add(&sum.totals, 1);
            cell.buckets.add_all(&sum.buckets);
        }
    }

    /// Adds a row of first contacts to a part that is made of them; takes it back with `sign` -1.
    pub(super) fn follow(&mut self, part: Part, keys: &[KeyId], items: &Items, sign: i64) {
        for key in keys {
            let Some(cell) = self.changing(*key) else {
                continue;
            };
            match part {
                Part::Main => {}
                Part::Mature => cell.apply_mature(items, sign),
                Part::Followed => cell.apply_followed(items, sign),
                Part::AtRisk(step) => cell.apply_at_risk(step, items, sign),
            }
        }
    }

    fn changing(&mut self, key: KeyId) -> Option<&mut WindowCell> {
        *self.revisions.of.get_mut(key.at())? = self.revisions.next;
        self.cells.get_mut(key.at())
    }
}

impl WindowCell {
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
