//! What of a view is exported at which breakdown: settings and what alerts use, laid over the
//! windows and breakdowns that exist. The page follows it and the estimate counts it.

use super::{Settings, definition};
use crate::engine::{self, BreakdownView, View};
use crate::kpi::{self, Cell, Kpi, QUANTILES};
use crate::time::millis_of;

/// A KPI that an alert reads at a window and breakdown, and that is therefore on the page there,
/// whatever `export.kpis` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    /// The KPI.
    pub kpi: Kpi,
    /// Name of the window.
    pub window: String,
    /// Label of the breakdown: its dimensions joined by commas, `overall` for none.
    pub breakdown: String,
    /// The alert looks at the interval.
    pub intervals: bool,
}

/// The windows and breakdowns there are, whether from a view or from a configuration.
#[derive(Debug)]
pub(super) struct Shape<'a> {
    windows: Vec<WindowShape<'a>>,
    breakdowns: Vec<BreakdownShape>,
    kpis: &'a kpi::Settings,
}

#[derive(Debug)]
struct WindowShape<'a> {
    name: &'a str,
    length_ms: i64,
    for_alert_only: bool,
}

#[derive(Debug)]
struct BreakdownShape {
    label: String,
    dimensions: usize,
    handle_time: bool,
}

impl<'a> Shape<'a> {
    /// The shape of a view.
    pub(super) fn of_view(view: &'a View) -> Self {
        let windows = view.windows.iter().map(|window| WindowShape {
            name: &window.name,
            length_ms: window.length_ms,
            for_alert_only: window.for_alert_only,
        });
        let breakdowns = view.breakdowns.iter().map(|breakdown| BreakdownShape {
            label: breakdown.label.to_string(),
            dimensions: breakdown.dimensions.len(),
            handle_time: breakdown.handle_time,
        });
        Self {
            windows: windows.collect(),
            breakdowns: breakdowns.collect(),
            kpis: &view.kpis,
        }
    }

    /// The shape of the views that an engine with these settings makes.
    pub(super) fn of_settings(settings: &'a engine::Settings) -> Self {
        let windows = settings.windows.iter().map(|window| WindowShape {
            name: &window.name,
            length_ms: millis_of(window.length),
            for_alert_only: window.for_alert_only,
        });
        let breakdowns = settings.breakdowns.iter().map(|dimensions| BreakdownShape {
            label: BreakdownView::label_of(dimensions),
            dimensions: dimensions.len(),
            handle_time: settings.kpis.handle_time_breakdowns.contains(dimensions),
        });
        Self {
            windows: windows.collect(),
            breakdowns: breakdowns.collect(),
            kpis: &settings.kpis,
        }
    }
}

/// What is exported.
#[derive(Debug)]
pub(super) struct Plan {
    /// The breakdowns, fewest dimensions first: the order in which series are kept.
    pub(super) breakdowns: Vec<BreakdownPlan>,
    /// Every KPI that is on the page somewhere, with its definition.
    pub(super) definitions: Vec<(Kpi, String)>,
}

/// What is exported of each key of a breakdown.
#[derive(Debug)]
pub(super) struct BreakdownPlan {
    /// Place in the view.
    pub(super) index: usize,
    /// The `breakdown` label.
    pub(super) label: String,
    /// KPIs and windows, in the order of [`Kpi::ALL`].
    pub(super) gauges: Vec<GaugePlan>,
    /// The ratio KPIs with counters.
    pub(super) counted: Vec<Kpi>,
    /// `cx_handle_time_seconds` is here.
    pub(super) histogram: bool,
}

/// One KPI in one window.
#[derive(Debug)]
pub(super) struct GaugePlan {
    pub(super) kpi: Kpi,
    /// Place of the window in the view.
    pub(super) window: usize,
    /// Name of the window.
    pub(super) window_name: String,
    pub(super) intervals: bool,
    pub(super) partials: bool,
}

impl Plan {
    /// Lays `settings` and `extras` over `shape`.
    pub(super) fn new(shape: &Shape<'_>, settings: &Settings, extras: &[Extra]) -> Self {
        let mut breakdowns: Vec<_> = shape.breakdowns.iter().enumerate().collect();
        breakdowns.sort_by_key(|(index, breakdown)| (breakdown.dimensions, *index));
        let breakdowns: Vec<_> = breakdowns
            .into_iter()
            .map(|(index, breakdown)| BreakdownPlan::new(index, breakdown, shape, settings, extras))
            .collect();
        let on_page = |kpi: &Kpi| {
            let mut gauges = breakdowns.iter().flat_map(|breakdown| &breakdown.gauges);
            gauges.any(|gauge| gauge.kpi == *kpi)
        };
        let definitions = Kpi::ALL
            .into_iter()
            .filter(on_page)
            .filter_map(|kpi| Some((kpi, definition(kpi, shape.kpis)?)))
            .collect();
        Self {
            breakdowns,
            definitions,
        }
    }
}

impl BreakdownPlan {
    fn new(
        index: usize,
        breakdown: &BreakdownShape,
        shape: &Shape<'_>,
        settings: &Settings,
        extras: &[Extra],
    ) -> Self {
        let extras: Vec<_> = extras
            .iter()
            .filter(|extra| extra.breakdown == breakdown.label)
            .collect();
        let chosen =
            |kpi: Kpi| settings.kpis.contains(&kpi) || extras.iter().any(|extra| extra.kpi == kpi);
        let mut gauges = Vec::new();
        for kpi in Kpi::ALL {
            for (window, window_shape) in shape.windows.iter().enumerate() {
                let configured = settings.kpis.contains(&kpi) && !window_shape.for_alert_only;
                let used: Vec<_> = extras
                    .iter()
                    .filter(|extra| extra.kpi == kpi && extra.window == window_shape.name)
                    .collect();
                let exists = exists(
                    kpi,
                    breakdown.handle_time,
                    window_shape.length_ms,
                    shape.kpis,
                );
                if !exists || (!configured && used.is_empty()) {
                    continue;
                }
                gauges.push(GaugePlan {
                    kpi,
                    window,
                    window_name: window_shape.name.to_owned(),
                    intervals: (configured && settings.intervals)
                        || used.iter().any(|extra| extra.intervals),
                    partials: settings.partials || breakdown.dimensions == 0 || !used.is_empty(),
                });
            }
        }
        Self {
            index,
            label: breakdown.label.clone(),
            gauges,
            counted: COUNTED.into_iter().filter(|kpi| chosen(*kpi)).collect(),
            histogram: breakdown.handle_time && (chosen(Kpi::Aht) || chosen(Kpi::HandleTime)),
        }
    }

    /// Series of a live key that has samples of everything.
    pub(super) fn most_series_per_key(&self, histogram_bounds: usize) -> usize {
        let gauges: usize = self.gauges.iter().map(GaugePlan::most_series).sum();
        let histogram = if self.histogram {
            histogram_bounds + HISTOGRAM_OVERHEAD
        } else {
            0
        };
        gauges + PLAIN_COUNTERS + 2 * self.counted.len() + histogram
    }
}

impl GaugePlan {
    fn most_series(&self) -> usize {
        let values = if self.kpi == Kpi::HandleTime {
            QUANTILES.len()
        } else {
            1
        };
        let has_parts = !matches!(self.kpi, Kpi::HandleTime | Kpi::FcrCorrected);
        let pairs = usize::from(self.intervals) + usize::from(self.partials);
        values + 1 + if has_parts { 2 * pairs } else { 0 }
    }
}

/// The ratio KPIs whose numerators and denominators are counted since the start: all but first
/// contact resolution, whose credits are taken back.
const COUNTED: [Kpi; 6] = [
    Kpi::FcrSurvey,
    Kpi::Resolution,
    Kpi::ServiceLevel,
    Kpi::Abandonment,
    Kpi::Transfer,
    Kpi::Csat,
];

/// Interactions 2, survey answers 4, recommendation categories 3, contacts 3.
const PLAIN_COUNTERS: usize = 12;

/// The bucket of everything, the sum and the count.
const HISTOGRAM_OVERHEAD: usize = 3;

fn exists(kpi: Kpi, handle_time: bool, window_ms: i64, kpis: &kpi::Settings) -> bool {
    Cell::default()
        .reading(kpi, handle_time, window_ms, kpis)
        .is_some()
}
