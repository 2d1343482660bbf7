//! Rows of a stretch of time added up by route, on their way to keys. Much is looked at only as a sum
//! when windows are filled or the past is recalled: a row is read once then, whichever windows cover
//! it, and added to one route instead of to all of its keys.

use super::cohorts::FirstContacts;
use super::first_rows::{Fate, FirstRow};
use super::routes::RouteId;
use super::window::Stored;
use crate::kpi::{Buckets, MatureTotals, Totals};
use crate::window::Range;

/// Routes that are added up at a time: their sums stay in a near cache, and take no more memory where
/// every record has a route of its own.
const MOST_ROUTES: usize = 2048;

/// Says that a route has no sum.
const NO_PLACE: u32 = u32::MAX;

/// What rows add up to.
#[derive(Debug, Default)]
pub(super) struct Sum {
    /// First contacts, and what is wanted of the others.
    pub(super) totals: Totals,
    /// First contacts once more, for a mature cohort.
    pub(super) firsts: MatureTotals,
    /// Handle times, where they are wanted.
    pub(super) buckets: Buckets,
}

/// What of the rows of records and episodes is wanted; those of first contacts are always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Nothing.
    Firsts,
    /// Their counts.
    Counts,
    /// Their counts, sums of squares and handle times.
    All,
}

/// A sum by route, for few routes at a time.
#[derive(Debug)]
struct ByRoute<S> {
    /// By route, where in `sums` its sum is.
    places: Vec<u32>,
    sums: Vec<(RouteId, S)>,
}

impl<S: Default> ByRoute<S> {
    fn new() -> Self {
        Self {
            places: Vec::new(),
            sums: Vec::new(),
        }
    }

    /// The sum of a route; all of them are handed to `flush` before there are too many.
    #[inline]
    fn of(&mut self, route: RouteId, flush: &mut impl FnMut(RouteId, &S)) -> &mut S {
        let at = route.at();
        if self.places.len() <= at {
            self.places.resize(at + 1, NO_PLACE);
        }
        if self.places[at] == NO_PLACE {
            if self.sums.len() >= MOST_ROUTES {
                self.flush(flush);
            }
            self.places[at] = u32::try_from(self.sums.len()).unwrap_or(NO_PLACE);
            self.sums.push((route, S::default()));
        }
        let place = usize::try_from(self.places[at]).unwrap_or(usize::MAX);
        &mut self.sums[place].1
    }

    fn flush(&mut self, flush: &mut impl FnMut(RouteId, &S)) {
        for (route, sum) in self.sums.drain(..) {
            self.places[route.at()] = NO_PLACE;
            flush(route, &sum);
        }
    }
}

/// Sums of stretches of time.
#[derive(Debug)]
pub(super) struct Sums {
    of_rows: ByRoute<Sum>,
    /// All rows of records and episodes were whole that were wanted with all there is of them.
    pub(super) are_whole: bool,
}

impl Sums {
    pub(super) fn new() -> Self {
        Self {
            of_rows: ByRoute::new(),
            are_whole: true,
        }
    }

    /// Calls `visit` with what the rows of a range of time come to by route, once or more for each.
    pub(super) fn each(
        &mut self,
        stored: Stored<'_>,
        range: Range,
        wanted: Wanted,
        visit: &mut impl FnMut(RouteId, &Sum),
    ) {
        let sums = &mut self.of_rows;
        match wanted {
            Wanted::Firsts => {}
            Wanted::Counts => stored.rows.sweep_written(range, &mut |route, row| {
                row.add_counts_to(&mut sums.of(route, visit).totals);
            }),
            Wanted::All => stored.rows.sweep_written(range, &mut |route, row| {
                let sum = sums.of(route, visit);
                self.are_whole &= row.add_to(&mut sum.totals, &mut sum.buckets);
            }),
        }
        stored.first_rows.sweep(range, &mut |_, row| {
            let sum = sums.of(row.route, visit);
            for (count, amount) in FirstContacts::of(row).counts(1) {
                sum.totals.count(count, amount);
            }
            let count = i64::from(row.count);
            sum.firsts.first += count;
            if row.fate == Fate::Resolved {
                sum.firsts.resolved += count;
            }
        });
        sums.flush(visit);
    }
}

/// How many first contacts of each route came to what.
#[derive(Debug)]
pub(super) struct Fates {
    counts: ByRoute<[i32; Fate::COUNT]>,
}

impl Fates {
    pub(super) fn new() -> Self {
        Self {
            counts: ByRoute::new(),
        }
    }

    /// Adds a row; rows that come to the same as all before may be handed to `visit`.
    #[inline]
    pub(super) fn add(&mut self, row: FirstRow, visit: &mut impl FnMut(FirstRow)) {
        let counts = self.counts.of(row.route, &mut |route, counts| {
            each_fate(route, counts, visit);
        });
        let Some(count) = counts.get_mut(usize::from(row.fate.number())) else {
            return;
        };
        match count.checked_add(row.count) {
            Some(sum) => *count = sum,
            // Too many for one row.
            None => visit(row),
        }
    }

    /// Hands rows to `visit` that come to the same as all that were added and not handed out.
    pub(super) fn flush(&mut self, visit: &mut impl FnMut(FirstRow)) {
        self.counts.flush(&mut |route, counts| {
            each_fate(route, counts, visit);
        });
    }
}

fn each_fate(route: RouteId, counts: &[i32; Fate::COUNT], visit: &mut impl FnMut(FirstRow)) {
    for (number, count) in (0_u8..).zip(counts) {
        if let (Some(fate), true) = (Fate::from_number(number), *count != 0) {
            visit(FirstRow {
                route,
                fate,
                count: *count,
            });
        }
    }
}
