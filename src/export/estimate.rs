//! How many series a configuration will put on the page, before any event has come.

use super::plan::{Plan, Shape};
use super::{Extra, Settings};
use crate::engine;

/// The most series that a configuration exports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// The breakdowns, fewest dimensions first: the order in which `max_series` keeps them.
    pub breakdowns: Vec<BreakdownEstimate>,
    /// Series without a breakdown: the definitions. Alert states come on top, two per instance.
    pub definitions: usize,
}

/// The most series of one breakdown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakdownEstimate {
    /// The `breakdown` label.
    pub label: String,
    /// Series of one key that has samples of everything.
    pub series_per_key: usize,
    /// Most keys: the product of the known values (and `__other__`) where every dimension lists
    /// them, else `breakdown.max_keys` and the overflow key.
    pub most_keys: usize,
}

impl BreakdownEstimate {
    /// The most series of the breakdown.
    pub fn most_series(&self) -> usize {
        self.series_per_key.saturating_mul(self.most_keys)
    }
}

impl Estimate {
    /// The most series of the page; `export.max_series` cuts what is above.
    pub fn most_series(&self) -> usize {
        let breakdowns = self.breakdowns.iter().map(BreakdownEstimate::most_series);
        breakdowns.fold(self.definitions, usize::saturating_add)
    }
}

/// Estimates the page of an engine with these settings. `extras` is what the alerts read.
///
/// ```
/// use cxpulse::{engine, export};
/// let estimate = export::estimate(&engine::Settings::default(), &export::Settings::default(), &[]);
/// let queues = estimate.breakdowns.iter().find(|breakdown| breakdown.label == "queue").unwrap();
/// assert!(200 * queues.series_per_key < 20_000);
/// ```
pub fn estimate(engine: &engine::Settings, settings: &Settings, extras: &[Extra]) -> Estimate {
    let plan = Plan::new(&Shape::of_settings(engine), settings, extras);
    let bounds = engine.kpis.handle_time_bounds_ms.len();
    let breakdowns = plan.breakdowns.iter().map(|breakdown| BreakdownEstimate {
        label: breakdown.label.clone(),
        series_per_key: breakdown.most_series_per_key(bounds),
        most_keys: most_keys(engine, breakdown.index),
    });
    Estimate {
        breakdowns: breakdowns.collect(),
        definitions: plan.definitions.len(),
    }
}

fn most_keys(engine: &engine::Settings, breakdown: usize) -> usize {
    let Some(dimensions) = engine.breakdowns.get(breakdown) else {
        return 0;
    };
    let bounded = engine.max_keys.saturating_add(1);
    let known: Option<usize> = dimensions
        .iter()
        .map(|dimension| Some(engine.known_values.get(dimension)?.len() + 1))
        .try_fold(1_usize, |keys, values| Some(keys.saturating_mul(values?)));
    match known {
        Some(keys) => keys.min(bounded),
        None => bounded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kpi::Kpi;

    /// Issue 2: the default page for 200 queues and 4 channels stays under 20 000 series.
    #[test]
    fn the_default_page_stays_under_twenty_thousand() {
        let mut engine = engine::Settings::default();
        let names = |count: usize| (0..count).map(|n| format!("name {n}")).collect::<Vec<_>>();
        engine.known_values.insert("queue".into(), names(200));
        engine.known_values.insert("channel".into(), names(4));
        let estimate = estimate(&engine, &Settings::default(), &[]);
        let keys: Vec<_> = estimate.breakdowns.iter().map(|b| b.most_keys).collect();
        assert_eq!(keys, [1, 201, 5]);
        assert!(estimate.most_series() < 20_000, "{estimate:?}");
    }

    #[test]
    fn an_alert_adds_what_it_reads() {
        let engine = engine::Settings::default();
        let extra = Extra {
            kpi: Kpi::Ces,
            window: "1h".into(),
            breakdown: "channel".into(),
            intervals: true,
        };
        let without = estimate(&engine, &Settings::default(), &[]);
        let with = estimate(&engine, &Settings::default(), &[extra]);
        let more: Vec<_> = with
            .breakdowns
            .iter()
            .zip(&without.breakdowns)
            .map(|(with, without)| with.series_per_key - without.series_per_key)
            .collect();
        // Value, samples, two interval ends, numerator and denominator.
        assert_eq!(more, [0, 0, 6]);
        assert_eq!(with.definitions, without.definitions + 1);
    }

    #[test]
    fn unlisted_dimensions_are_bounded_by_max_keys() {
        let estimate = estimate(&engine::Settings::default(), &Settings::default(), &[]);
        assert_eq!(estimate.breakdowns[0].most_keys, 1);
        assert_eq!(estimate.breakdowns[1].most_keys, 1001);
    }
}
