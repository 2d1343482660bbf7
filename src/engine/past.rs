//! What keys came to at many past instants, out of the rows in one go: sums of all rows before a
//! moment are exact, so what a window covered is the difference of two of them, however long the
//! window is and however many there are.

use std::rc::Rc;

use super::panes::Panes;
use super::routes::{KeyId, Routes};
use super::sums::{Sums, Wanted};
use super::window::{Spans, Window};
use crate::kpi::{MatureTotals, Totals};
use crate::time::Timestamp;
use crate::window::Range;

/// Which key in which window at which instant, as places in what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Past {
    pub(super) window: usize,
    pub(super) instant: usize,
    pub(super) key: usize,
}

/// A moment at which the range of a window at an instant begins or ends. In this order where several
/// are of one moment: a mature cohort ends no later than its window, and is known by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    at: Timestamp,
    kind: EndKind,
    window: usize,
    instant: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum EndKind {
    MatureBegins,
    MatureEnds,
    MainBegins,
    MainEnds,
}

/// What is known of one window at one instant so far, by key: the sums of all rows before its range.
#[derive(Clone, Debug, Default)]
struct Known {
    before_main: Option<Rc<[Totals]>>,
    before_mature: Option<Rc<[MatureTotals]>>,
    /// The mature cohort itself, where it is over.
    mature: Option<Box<[MatureTotals]>>,
}

/// The sums by key of all rows before a moment, and the copies of them that are kept: several ranges
/// begin at one moment.
#[derive(Debug)]
struct Running {
    totals: Vec<Totals>,
    firsts: Vec<MatureTotals>,
    kept_totals: Option<Rc<[Totals]>>,
    kept_firsts: Option<Rc<[MatureTotals]>>,
}

impl Running {
    fn new(keys: usize) -> Self {
        Self {
            totals: vec![Totals::default(); keys],
            firsts: vec![MatureTotals::default(); keys],
            kept_totals: None,
            kept_firsts: None,
        }
    }

    /// The moment is another one now.
    fn go_on(&mut self) {
        self.kept_totals = None;
        self.kept_firsts = None;
    }

    fn totals(&mut self) -> Rc<[Totals]> {
        let kept = self
            .kept_totals
            .get_or_insert_with(|| Rc::from(&*self.totals));
        Rc::clone(kept)
    }

    fn firsts(&mut self) -> Rc<[MatureTotals]> {
        let kept = self
            .kept_firsts
            .get_or_insert_with(|| Rc::from(&*self.firsts));
        Rc::clone(kept)
    }

    /// What first contacts have come to since sums were these.
    fn firsts_since(&self, before: &[MatureTotals]) -> Box<[MatureTotals]> {
        let pairs = self.firsts.iter().zip(before);
        let differences = pairs.map(|(now, then)| {
            let mut difference = *now;
            difference.add(*then, -1);
            difference
        });
        differences.collect()
    }
}

impl Panes {
    /// Calls `visit` with what each of these keys came to in each window at each of these instants,
    /// which rise: the counts, without sums of squares. All rows before the last must have been folded.
    /// Leaves the windows where they are.
    pub(super) fn recall(
        &self,
        instants: &[Timestamp],
        keys: &[KeyId],
        routes: &Routes,
        visit: &mut impl FnMut(Past, &Totals, MatureTotals),
    ) {
        let spans = |window: &Window| instants.iter().map(|at| window.spans_at(*at)).collect();
        let spans: Vec<Vec<Spans>> = self.windows.iter().map(spans).collect();
        let mut known = vec![vec![Known::default(); instants.len()]; spans.len()];
        let mut running = Running::new(keys.len());
        let places = places_of(keys);
        let stored = self.stored(routes);
        let mut sums = Sums::new();
        let mut wanted = Wanted::Firsts;
        let mut reached: Option<Timestamp> = None;
        for end in ends(&spans) {
            if let Some(from) = reached.filter(|reached| *reached < end.at) {
                let range = Range { from, to: end.at };
                sums.each(stored, range, wanted, &mut |route, sum| {
                    for key in &routes.route(route).keys {
                        if let Some(Some(place)) = places.get(key.at()) {
                            running.totals[*place].add(&sum.totals, 1);
                            running.firsts[*place].add(sum.firsts, 1);
                        }
                    }
                });
                running.go_on();
            }
            reached = Some(end.at);
            if end.kind == EndKind::MainBegins {
                wanted = Wanted::Counts;
            }
            reach(
                end,
                &mut known[end.window][end.instant],
                &mut running,
                visit,
            );
        }
    }
}

/// A range begins or ends, and all rows before that are in the running sums.
fn reach(
    end: End,
    known: &mut Known,
    running: &mut Running,
    visit: &mut impl FnMut(Past, &Totals, MatureTotals),
) {
    match end.kind {
        EndKind::MatureBegins => known.before_mature = Some(running.firsts()),
        EndKind::MatureEnds => {
            let then = known.before_mature.take();
            known.mature = then.map(|then| running.firsts_since(&then));
        }
        EndKind::MainBegins => known.before_main = Some(running.totals()),
        EndKind::MainEnds => {
            let Known {
                before_main,
                mature,
                ..
            } = std::mem::take(known);
            for (key, now) in running.totals.iter().enumerate() {
                let mut totals = now.clone();
                if let Some(then) = &before_main {
                    totals.add(&then[key], -1);
                }
                let mature = mature.as_ref().map(|mature| mature[key]);
                let past = Past {
                    window: end.window,
                    instant: end.instant,
                    key,
                };
                visit(past, &totals, mature.unwrap_or_default());
            }
        }
    }
}

/// All moments at which a range begins or ends, in order.
fn ends(spans: &[Vec<Spans>]) -> Vec<End> {
    let mut ends = Vec::new();
    for (window, instants) in spans.iter().enumerate() {
        for (instant, Spans { main, mature }) in instants.iter().enumerate() {
            let mut add = |at, kind| {
                ends.push(End {
                    at,
                    kind,
                    window,
                    instant,
                });
            };
            if !mature.is_empty() {
                add(mature.from, EndKind::MatureBegins);
                add(mature.to, EndKind::MatureEnds);
            }
            // A day that has just begun covers nothing, and is visited all the same.
            add(main.from.min(main.to), EndKind::MainBegins);
            add(main.to, EndKind::MainEnds);
        }
    }
    ends.sort_unstable();
    ends
}

/// By key number the place in `keys`, where it is one of them.
fn places_of(keys: &[KeyId]) -> Vec<Option<usize>> {
    let numbers = keys.iter().map(|key| key.at() + 1).max().unwrap_or(0);
    let mut places = vec![None; numbers];
    for (place, key) in keys.iter().enumerate() {
        places[key.at()] = Some(place);
    }
    places
}
