//! The past hours of each overview key: what its windows came to at the multiples of a step. A point
//! is what the records known when it was made come to at its instant, exactly; when state was
//! restored, the points of the hours before are made anew out of the panes. So it needs no place in
//! a checkpoint, and a reload of the page or a restart of the process shows the past hours.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::kpi::Kpi;
use crate::time::Timestamp;

/// Points kept of each KPI.
pub const HISTORY_POINTS: usize = 240;

/// Time between two points, milliseconds, where the panes divide it; 240 points are 8 hours.
const STEP_MS: i64 = 120_000;

/// Most keys with a history; those of the breakdowns with the fewest.
pub(super) const MOST_KEYS: usize = 256;

/// KPIs with a history: all that have one value and are final. `fcr` and `fcr_corrected` still
/// change for a horizon, and `handle_time` has quantiles.
pub const HISTORY_KPIS: [Kpi; 13] = [
    Kpi::FcrMature,
    Kpi::FcrSurvey,
    Kpi::Resolution,
    Kpi::Aht,
    Kpi::Asa,
    Kpi::ServiceLevel,
    Kpi::Abandonment,
    Kpi::Transfer,
    Kpi::Csat,
    Kpi::CsatScore,
    Kpi::Ces,
    Kpi::Nps,
    Kpi::TimeToResolution,
];

/// The values of all [`HISTORY_KPIS`] at one instant; not a number where there is none.
pub(super) type Point = [f64; HISTORY_KPIS.len()];

/// A point without any value.
pub(super) const NO_VALUES: Point = [f64::NAN; HISTORY_KPIS.len()];

/// Breakdown and values of a key.
type Place = (usize, Arc<[Arc<str>]>);

/// What one key came to in each window, the oldest point first.
pub(super) type KeyPoints = (Place, Vec<Vec<Point>>);

/// The past of all overview keys: `overall`, and the keys of breakdowns by one dimension.
#[derive(Clone, Debug, Default)]
pub struct History {
    step_ms: i64,
    /// The instant of the newest point; `None` before there is one.
    newest: Option<Timestamp>,
    /// Points per window, the newest last. All windows of a key have as many; a key that came
    /// later has fewer.
    keys: BTreeMap<Place, Vec<VecDeque<Point>>>,
}

impl History {
    /// An empty history over panes of `pane_ms`.
    pub(super) fn new(pane_ms: i64) -> Self {
        let panes = STEP_MS.div_euclid(pane_ms) + i64::from(STEP_MS.rem_euclid(pane_ms) > 0);
        Self {
            step_ms: panes.saturating_mul(pane_ms),
            ..Self::default()
        }
    }

    /// Time between two points, milliseconds.
    pub fn step_ms(&self) -> i64 {
        self.step_ms
    }

    /// The instant of the newest point; `None` before there is one.
    pub fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    /// The values of a KPI at a window, breakdown and key, one step apart, the newest last and at
    /// most [`HISTORY_POINTS`]; `None` where nothing is kept.
    pub fn values(
        &self,
        kpi: Kpi,
        window: usize,
        breakdown: usize,
        key: &Arc<[Arc<str>]>,
    ) -> Option<impl Iterator<Item = Option<f64>> + '_> {
        let index = HISTORY_KPIS.iter().position(|kept| *kept == kpi)?;
        let points = self.keys.get(&(breakdown, Arc::clone(key)))?.get(window)?;
        Some(
            points
                .iter()
                .map(move |point| (!point[index].is_nan()).then_some(point[index])),
        )
    }

    /// How far back the points reach, milliseconds.
    pub(super) fn reach_ms(&self) -> i64 {
        let points = i64::try_from(HISTORY_POINTS).unwrap_or(i64::MAX);
        self.step_ms.saturating_mul(points)
    }

    /// The instants of all points, were they made at `now`.
    pub(super) fn instants(&self, now: Timestamp) -> Vec<Timestamp> {
        let newest = now.floor_to(self.step_ms);
        let steps = (0..i64::try_from(HISTORY_POINTS).unwrap_or(i64::MAX)).rev();
        steps
            .map(|steps| newest.plus_millis(-steps * self.step_ms))
            .collect()
    }

    /// The next instant, if `now` has reached it and there are points already. After a long pause
    /// the instants that would be dropped again are passed over.
    pub(super) fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let next = self.newest?.plus_millis(self.step_ms);
        let oldest = now
            .floor_to(self.step_ms)
            .plus_millis(self.step_ms - self.reach_ms());
        (next <= now).then_some(next.max(oldest))
    }

    /// Takes these points, which end at `newest`, for all there are.
    pub(super) fn fill(&mut self, newest: Timestamp, keys: impl Iterator<Item = KeyPoints>) {
        self.newest = Some(newest);
        self.keys = keys
            .filter(|(_, windows)| windows.iter().flatten().any(has_values))
            .map(|(place, windows)| (place, windows.into_iter().map(VecDeque::from).collect()))
            .collect();
    }

    /// Adds the points of the instant `at`: those of one key per item, one per window. Keys that
    /// are not among them have none there; a key without any left is forgotten.
    pub(super) fn push(&mut self, at: Timestamp, keys: impl Iterator<Item = (Place, Vec<Point>)>) {
        let skipped = self.newest.map_or(0, |newest| {
            (at.millis_since(newest) / self.step_ms.max(1) - 1).max(0)
        });
        self.newest = Some(at);
        let mut new: BTreeMap<Place, Vec<Point>> = keys.collect();
        for (place, windows) in &mut self.keys {
            let points = new.remove(place);
            for (window, kept) in windows.iter_mut().enumerate() {
                for _ in 0..skipped {
                    append(kept, NO_VALUES);
                }
                let point = points
                    .as_ref()
                    .and_then(|points| points.get(window).copied());
                append(kept, point.unwrap_or(NO_VALUES));
            }
        }
        self.keys.retain(|_, windows| {
            let mut points = windows.iter().flatten();
            points.any(has_values)
        });
        for (place, points) in new {
            if self.keys.len() >= MOST_KEYS {
                break;
            }
            let windows = points.into_iter().map(|point| VecDeque::from([point]));
            self.keys.insert(place, windows.collect());
        }
    }
}

fn append(points: &mut VecDeque<Point>, point: Point) {
    if points.len() >= HISTORY_POINTS {
        points.pop_front();
    }
    points.push_back(point);
}

fn has_values(point: &Point) -> bool {
    point.iter().any(|value| !value.is_nan())
}
