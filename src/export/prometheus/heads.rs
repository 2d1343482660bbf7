//! The beginnings of lines: family and all labels but the dimensions of a key, escaped once a page.

use super::super::families::Family;
use super::super::plan::{BreakdownPlan, GaugePlan};
use super::super::text::{push_float, push_label, quantile_name};
use crate::kpi::{self, Kpi, QUANTILES};

/// Beginning of a line and the family it belongs to.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) family: Family,
    /// `name{label="value"`, the label set left open.
    pub(super) text: String,
}

impl Head {
    pub(super) fn new(family: Family, labels: &[(&str, &str)]) -> Self {
        Self::with_suffix(family, "", labels)
    }

    fn with_suffix(family: Family, suffix: &str, labels: &[(&str, &str)]) -> Self {
        let mut text = String::from(family.name());
        text.push_str(suffix);
        for (index, (name, value)) in labels.iter().enumerate() {
            text.push(if index == 0 { '{' } else { ',' });
            push_label(&mut text, name, value);
        }
        Self { family, text }
    }
}

/// Beginnings of the lines of one KPI and window.
#[derive(Debug)]
pub(super) struct GaugeHeads {
    pub(super) value: Head,
    /// For each of [`QUANTILES`]; empty for every KPI but `handle_time`.
    pub(super) quantiles: Vec<Head>,
    pub(super) samples: Head,
    pub(super) lower: Head,
    pub(super) upper: Head,
    pub(super) numerator: Head,
    pub(super) denominator: Head,
}

impl GaugeHeads {
    pub(super) fn new(gauge: &GaugePlan, breakdown: &str) -> Self {
        let window = ("window", gauge.window_name.as_str());
        let breakdown = ("breakdown", breakdown);
        let values = Family::Value(gauge.kpi);
        let with_kpi = |family| Head::new(family, &[("kpi", gauge.kpi.name()), window, breakdown]);
        let quantiles: &[u32] = if gauge.kpi == Kpi::HandleTime {
            &QUANTILES
        } else {
            &[]
        };
        let quantiles = quantiles.iter().map(|permille| {
            let quantile = quantile_name(*permille);
            Head::new(values, &[window, breakdown, ("quantile", &quantile)])
        });
        Self {
            value: Head::new(values, &[window, breakdown]),
            quantiles: quantiles.collect(),
            samples: with_kpi(Family::Samples),
            lower: with_kpi(Family::Lower),
            upper: with_kpi(Family::Upper),
            numerator: with_kpi(Family::WindowNumerator),
            denominator: with_kpi(Family::WindowDenominator),
        }
    }
}

/// Beginnings of the lines of a breakdown's counters and histogram.
#[derive(Debug)]
pub(super) struct BreakdownHeads {
    /// `abandoned` true and false.
    pub(super) interactions: [Head; 2],
    /// `question` csat, ces, nps, resolved.
    pub(super) answers: [Head; 4],
    /// `category` promoter, passive, detractor.
    pub(super) recommendations: [Head; 3],
    /// First, retracted and unidentified contacts.
    pub(super) contacts: [Head; 3],
    /// Numerator and denominator of each counted KPI of the plan.
    pub(super) counted: Vec<(Head, Head)>,
    /// The buckets of the histogram but the last.
    pub(super) bounds: Vec<Head>,
    /// The bucket of everything.
    pub(super) infinity: Head,
    pub(super) sum: Head,
    pub(super) count: Head,
}

impl BreakdownHeads {
    pub(super) fn new(plan: &BreakdownPlan, kpis: &kpi::Settings) -> Self {
        let place = ("breakdown", plan.label.as_str());
        let with = |family, name, value| Head::new(family, &[place, (name, value)]);
        let bucket =
            |bound: &str| Head::with_suffix(Family::HandleTime, "_bucket", &[place, ("le", bound)]);
        let bounds = kpis.handle_time_bounds_ms.iter().map(|bound_ms| {
            let mut seconds = String::new();
            push_float(&mut seconds, seconds_of(*bound_ms));
            bucket(&seconds)
        });
        let contacts = [
            Family::ContactsFirst,
            Family::ContactsRetracted,
            Family::ContactsUnidentified,
        ];
        let counted = plan.counted.iter().map(|kpi| {
            let of = |family| with(family, "kpi", kpi.name());
            (of(Family::KpiNumerator), of(Family::KpiDenominator))
        });
        Self {
            interactions: ["true", "false"]
                .map(|value| with(Family::Interactions, "abandoned", value)),
            answers: ["csat", "ces", "nps", "resolved"]
                .map(|value| with(Family::SurveyResponses, "question", value)),
            recommendations: ["promoter", "passive", "detractor"]
                .map(|value| with(Family::NpsResponses, "category", value)),
            contacts: contacts.map(|family| Head::new(family, &[place])),
            counted: counted.collect(),
            bounds: bounds.collect(),
            infinity: bucket("+Inf"),
            sum: Head::with_suffix(Family::HandleTime, "_sum", &[place]),
            count: Head::with_suffix(Family::HandleTime, "_count", &[place]),
        }
    }
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "bounds of handle times are far below 2^53 milliseconds"
)]
fn seconds_of(millis: u64) -> f64 {
    millis as f64 / 1000.0
}
