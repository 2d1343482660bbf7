//! What a window of a view shows of a rule's KPI at one key.

use super::Rule;
use crate::engine::View;
use crate::kpi::{Cell, QUANTILES, Reading};

/// One key of a view.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) view: &'a View,
    pub(super) breakdown: usize,
    pub(super) key: usize,
}

/// What a window shows of the rule's KPI.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Observation {
    pub(super) value: Option<f64>,
    pub(super) samples: u64,
    pub(super) lower: Option<f64>,
    pub(super) upper: Option<f64>,
    pub(super) complete: bool,
}

impl Observation {
    /// The value, where there are enough samples in a complete window to judge by.
    pub(super) fn judged(&self, min_samples: u64) -> Option<f64> {
        self.value
            .filter(|_| self.complete && self.samples >= min_samples)
    }
}

pub(super) fn observe(rule: &Rule, place: Place<'_>, window: Option<usize>) -> Observation {
    let Some(index) = window else {
        return Observation::default();
    };
    let reading = place
        .view
        .reading(rule.kpi, index, place.breakdown, place.key);
    let complete = place.view.windows[index].complete_for(rule.kpi);
    observation(rule, reading, complete)
}

/// What the longer window shows without the part that the short one covers.
pub(super) fn observe_baseline(
    rule: &Rule,
    place: Place<'_>,
    short: usize,
    long: usize,
) -> Observation {
    let cells = &place.view.breakdowns[place.breakdown].keys[place.key].cells;
    let (Some(short_cell), Some(long_cell)) = (cells.get(short), cells.get(long)) else {
        return Observation::default();
    };
    let long_view = &place.view.windows[long];
    let rest = difference(long_cell, short_cell);
    let reading = rest.reading(rule.kpi, false, long_view.length_ms, &place.view.kpis);
    observation(rule, reading, long_view.complete_for(rule.kpi))
}

/// The longer window's counts less the short one's. Bucket counts are not in a view and survival
/// counts of two windows follow their contacts to different ends, so there are neither quantiles nor
/// a corrected rate of it.
fn difference(long: &Cell, short: &Cell) -> Cell {
    let mut totals = long.totals.clone();
    totals.add(&short.totals, -1);
    let mut mature = long.mature;
    mature.first -= short.mature.first;
    mature.resolved -= short.mature.resolved;
    Cell {
        totals,
        mature,
        survival: None,
        quantiles: None,
    }
}

fn observation(rule: &Rule, reading: Option<Reading>, complete: bool) -> Observation {
    let Some(reading) = reading else {
        return Observation::default();
    };
    let value = match rule.quantile_permille {
        Some(permille) => reading.quantiles.and_then(|quantiles| {
            let index = QUANTILES.iter().position(|known| *known == permille)?;
            Some(quantiles[index])
        }),
        None => reading.value,
    };
    Observation {
        value,
        samples: reading.samples,
        lower: reading.lower,
        upper: reading.upper,
        complete,
    }
}

pub(super) fn window_of_name(view: &View, name: &str) -> Option<usize> {
    view.windows.iter().position(|window| &*window.name == name)
}

/// The rule's own window where it has the length, else the first that has.
pub(super) fn window_of_length(rule: &Rule, view: &View, length_ms: i64) -> Option<usize> {
    let fits = |index: &usize| view.windows[*index].length_ms == length_ms;
    window_of_name(view, &rule.window)
        .filter(fits)
        .or_else(|| (0..view.windows.len()).find(fits))
}
