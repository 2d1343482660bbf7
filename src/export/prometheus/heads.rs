//! The beginnings of label sets: all labels but the dimensions of a key, escaped once a page.

use super::super::plan::{BreakdownPlan, GaugePlan};
use super::super::text::{push_float, push_label, quantile_name};
use crate::kpi::{self, Kpi, QUANTILES};

/// Beginnings of the label sets of one KPI and window.
#[derive(Debug)]
pub(super) struct GaugeHeads {
    /// For the family of the KPI's values.
    pub(super) by_family: String,
    /// For the families that many KPIs share.
    pub(super) by_kpi: String,
    /// For each of [`QUANTILES`]; empty for every KPI but `handle_time`.
    pub(super) quantiles: Vec<String>,
}

impl GaugeHeads {
    pub(super) fn new(gauge: &GaugePlan, breakdown: &str) -> Self {
        let window = ("window", gauge.window_name.as_str());
        let place = [window, ("breakdown", breakdown)];
        let quantiles: Vec<_> = if gauge.kpi == Kpi::HandleTime {
            QUANTILES.map(quantile_name).into()
        } else {
            Vec::new()
        };
        Self {
            by_family: labels(&place),
            by_kpi: labels(&[("kpi", gauge.kpi.name()), place[0], place[1]]),
            quantiles: quantiles
                .iter()
                .map(|quantile| labels(&[place[0], place[1], ("quantile", quantile)]))
                .collect(),
        }
    }
}

/// Beginnings of the label sets of a breakdown's counters and histogram.
#[derive(Debug)]
pub(super) struct BreakdownHeads {
    /// Nothing but the breakdown.
    pub(super) plain: String,
    /// `abandoned` true and false.
    pub(super) abandoned: [String; 2],
    /// `question` csat, ces, nps, resolved.
    pub(super) questions: [String; 4],
    /// `category` promoter, passive, detractor.
    pub(super) categories: [String; 3],
    /// `kpi` for each counted KPI of the plan.
    pub(super) counted: Vec<String>,
    /// `le` for each bound of the histogram.
    pub(super) bounds: Vec<String>,
    /// `le="+Inf"`.
    pub(super) infinity: String,
}

impl BreakdownHeads {
    pub(super) fn new(plan: &BreakdownPlan, kpis: &kpi::Settings) -> Self {
        let place = ("breakdown", plan.label.as_str());
        let with = |name: &str, value: &str| labels(&[place, (name, value)]);
        let bounds = kpis.handle_time_bounds_ms.iter().map(|bound_ms| {
            let mut seconds = String::new();
            push_float(&mut seconds, seconds_of(*bound_ms));
            with("le", &seconds)
        });
        Self {
            plain: labels(&[place]),
            abandoned: ["true", "false"].map(|value| with("abandoned", value)),
            questions: ["csat", "ces", "nps", "resolved"].map(|value| with("question", value)),
            categories: ["promoter", "passive", "detractor"].map(|value| with("category", value)),
            counted: plan
                .counted
                .iter()
                .map(|kpi| with("kpi", kpi.name()))
                .collect(),
            bounds: bounds.collect(),
            infinity: with("le", "+Inf"),
        }
    }
}

/// An opened label set: `{a="1",b="2"`.
fn labels(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (index, (name, value)) in pairs.iter().enumerate() {
        text.push(if index == 0 { '{' } else { ',' });
        push_label(&mut text, name, value);
    }
    text
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "bounds of handle times are far below 2^53 milliseconds"
)]
fn seconds_of(millis: u64) -> f64 {
    millis as f64 / 1000.0
}
