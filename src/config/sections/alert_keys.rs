//! The keys of an alert, one function each, but for the condition, labels and annotations.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::kpi::{FcrMethod, Kpi, QUANTILES};

use super::super::advice::Judge;
use super::super::report::{Given, Report};
use super::super::section::Section;
use super::super::subject;
use super::super::suggestion::nearest;
use super::super::tree::Value;
use super::breakdown::{self, show_set};
use super::condition::Draft;
use super::dimension::Known;
use super::window::Length;

/// The window whose value stands for a burn-rate alert that names none.
const BURN_WINDOW: Duration = Duration::from_hours(1);

/// The name ends the NATS subject of the alert, so it has the form of one.
pub(super) fn read_name(section: &mut Section, report: &mut Report) -> Option<String> {
    let name = section.required::<String>(report, "name", "name = \"service_level_low\"")?;
    if let Some(fault) = subject::literal_fault(&name.value) {
        report.problem(
            &name.at,
            format!("`{}` {fault}", name.value),
            "the name ends a NATS subject: letters, digits, `_`, `-`, no blanks or wildcards",
        );
    }
    Some(name.value)
}

pub(super) fn read_quantile(section: &mut Section, report: &mut Report, kpi: Kpi) -> Option<u32> {
    const HINT: &str = "quantile = 0.95; one of 0.5, 0.9, 0.95, 0.99";
    let given = section.has("quantile");
    let quantile = section.optional::<f64>(report, "quantile");
    if kpi != Kpi::HandleTime {
        if let Some(quantile) = quantile {
            report.problem(
                &quantile.at,
                "goes with kpi = \"handle_time\" only",
                "leave it out",
            );
        }
        return None;
    }
    if !given {
        report.problem(
            &section.at(),
            "does not say which quantile of the handle time",
            HINT,
        );
    }
    let quantile = quantile?;
    let known = QUANTILES
        .into_iter()
        .find(|permille| (f64::from(*permille) - quantile.value * 1000.0).abs() < 1e-6);
    quantile.must(
        known.is_some(),
        report,
        "is not a quantile that is kept",
        HINT,
    );
    known
}

pub(super) fn read_window(
    section: &mut Section,
    report: &mut Report,
    draft: Option<&Draft>,
) -> Option<Given<Length>> {
    let (length, at) = match draft {
        Some(Draft::NoData(silence)) => (silence.value.clone(), &silence.at),
        Some(Draft::Burn(objective)) => (Length::of(BURN_WINDOW), &objective.at),
        Some(Draft::Threshold { .. } | Draft::Change { .. }) | None => {
            return section.required(report, "window", "window = \"1h\"");
        }
    };
    let mut window = section.read(report, "window", length);
    if !window.at.origin.is_given() {
        // What is wrong with an implied window is wrong with the condition.
        window.at = at.clone();
    }
    Some(window)
}

pub(super) fn read_breakdown(
    section: &mut Section,
    report: &mut Report,
    sets: &[Vec<String>],
) -> Given<Vec<String>> {
    let breakdown = section.read(report, "breakdown", Vec::<String>::new());
    let configured = breakdown::find(sets, &breakdown.value);
    if configured.is_none() {
        let sets: Vec<String> = sets.iter().map(|set| show_set(set)).collect();
        report.problem(
            &breakdown.at,
            format!(
                "{} is not a configured breakdown",
                show_set(&breakdown.value)
            ),
            format!(
                "add it to breakdown.sets, or use one of {}",
                sets.join(", ")
            ),
        );
    }
    Given {
        value: configured.cloned().unwrap_or(breakdown.value),
        at: breakdown.at,
    }
}

/// `where = { queue = "billing" }` or a list of values.
pub(super) fn read_where(
    section: &mut Section,
    report: &mut Report,
    breakdown: &[String],
    known: &Known,
) -> BTreeMap<String, Vec<String>> {
    let mut only = BTreeMap::new();
    let mut section = section.child(report, "where");
    for name in section.names() {
        let is_list = section
            .peek(&name)
            .is_some_and(|node| matches!(&*node.toml(), Value::Array(_)));
        let values = if is_list {
            section.optional::<Vec<String>>(report, &name)
        } else {
            section.optional::<String>(report, &name).map(|one| Given {
                value: vec![one.value],
                at: one.at,
            })
        };
        let Some(values) = values else {
            continue;
        };
        if !breakdown.contains(&name) {
            let meant = nearest(&name, breakdown.iter().map(String::as_str));
            report.problem(
                &values.at,
                format!("`{name}` is not a dimension of the alert's breakdown"),
                meant.map_or_else(
                    || "add it to `breakdown`".into(),
                    |meant| format!("did you mean `{meant}`?"),
                ),
            );
        }
        values.must(
            !values.value.is_empty(),
            report,
            "no value is allowed",
            "leave it out",
        );
        for value in &values.value {
            known.advise(&name, value, &values.at, report);
        }
        only.insert(name, values.value);
    }
    only
}

/// The threshold at which a firing alert clears lies on the good side of the one it fires at.
pub(super) fn read_clear(
    section: &mut Section,
    report: &mut Report,
    draft: Option<&Draft>,
) -> Option<f64> {
    const HINT: &str = "`below` clears with a higher clear_above, `above` with a lower clear_below";
    let clear_below = section.optional::<f64>(report, "clear_below");
    let clear_above = section.optional::<f64>(report, "clear_above");
    let (fits, other, good) = match draft {
        Some(Draft::Threshold {
            below: true,
            threshold,
        }) => (
            clear_above.as_ref(),
            clear_below.as_ref(),
            clear_above
                .as_ref()
                .is_none_or(|clear| clear.value >= threshold.value),
        ),
        Some(Draft::Threshold {
            below: false,
            threshold,
        }) => (
            clear_below.as_ref(),
            clear_above.as_ref(),
            clear_below
                .as_ref()
                .is_none_or(|clear| clear.value <= threshold.value),
        ),
        Some(Draft::Change { .. } | Draft::Burn(_) | Draft::NoData(_)) => {
            for clear in [clear_below, clear_above].into_iter().flatten() {
                report.problem(
                    &clear.at,
                    "goes with below and above only",
                    "use keep_firing_for to keep such an alert from flapping",
                );
            }
            return None;
        }
        None => return None,
    };
    if let Some(other) = other {
        report.problem(&other.at, "is on the wrong side of the condition", HINT);
    }
    if let Some(fits) = fits {
        fits.must(good, report, "is on the wrong side of the threshold", HINT);
    }
    fits.map(|clear| clear.value)
}

pub(super) fn read_min_samples(
    section: &mut Section,
    report: &mut Report,
    default: u64,
) -> Given<u64> {
    let min_samples = section.read(report, "min_samples", default);
    let hint = "without samples there is no value; use no_data_for for silence";
    min_samples.not_zero(report, hint);
    min_samples
}

pub(super) fn read_confident(
    section: &mut Section,
    report: &mut Report,
    kpi: Kpi,
    draft: Option<&Draft>,
) -> bool {
    let confident = section.read(report, "confident", false);
    if confident.value {
        confident.must(
            !matches!(kpi, Kpi::HandleTime | Kpi::FcrCorrected),
            report,
            &format!("`{}` has no interval", kpi.name()),
            "leave it out",
        );
        confident.must(
            !matches!(draft, Some(Draft::Burn(_) | Draft::NoData(_))),
            report,
            "goes with thresholds and baselines only",
            "leave it out",
        );
    }
    confident.value
}

/// Some KPIs do not exist everywhere.
pub(super) fn check_existence(
    kpi: &Given<Kpi>,
    window: &Given<Length>,
    breakdown: &Given<Vec<String>>,
    draft: &Draft,
    judge: &Judge<'_>,
    report: &mut Report,
) {
    let fcr = &judge.kpis.fcr;
    let by_flag = fcr.method == FcrMethod::Flag;
    match kpi.value {
        Kpi::FcrMature | Kpi::FcrCorrected if by_flag => report.problem(
            &kpi.at,
            format!(
                "`{}` does not exist with kpis.fcr.method = \"flag\"",
                kpi.value.name()
            ),
            "use fcr",
        ),
        Kpi::FcrCorrected if window.value.duration <= fcr.horizon => report.problem(
            &window.at,
            "`fcr_corrected` exists only in windows longer than kpis.fcr.horizon",
            "use a longer window, or fcr_mature",
        ),
        Kpi::FcrCorrected if matches!(draft, Draft::Burn(_)) => report.problem(
            &kpi.at,
            "`fcr_corrected` does not exist in the windows of a burn rate",
            "use fcr_mature",
        ),
        Kpi::HandleTime if !judge.kpis.handle_time_breakdowns.contains(&breakdown.value) => {
            report.problem(
                &breakdown.at,
                format!(
                    "handle-time quantiles are not kept at {}",
                    show_set(&breakdown.value)
                ),
                "add the breakdown to kpis.handle_time.breakdowns",
            );
        }
        Kpi::Fcr
        | Kpi::FcrMature
        | Kpi::FcrCorrected
        | Kpi::FcrSurvey
        | Kpi::Resolution
        | Kpi::Aht
        | Kpi::HandleTime
        | Kpi::Asa
        | Kpi::ServiceLevel
        | Kpi::Abandonment
        | Kpi::Transfer
        | Kpi::Csat
        | Kpi::CsatScore
        | Kpi::Ces
        | Kpi::Nps
        | Kpi::TimeToResolution => {}
    }
}
