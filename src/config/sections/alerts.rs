//! `[alerts]` and `[[alert]]`: the rules.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::alert::{Rule, Settings};
use crate::kpi::{FcrMethod, Kpi, QUANTILES};

use super::super::advice::{Judge, Watched};
use super::super::report::{Given, Report};
use super::super::section::Section;
use super::super::suggestion::nearest;
use super::super::tree::Value;
use super::breakdown::{self, show_set};
use super::condition::{self, Draft};
use super::window::{Length, Windows};
use super::{annotation, burn, dimension};

/// Fewest samples unless configured.
const MIN_SAMPLES: u64 = 30;

/// Value of the `severity` label unless configured.
const SEVERITY: &str = "warning";

/// Shortest interval of evaluation.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

/// Labels that every notification has already.
const TAKEN_LABELS: [&str; 9] = [
    "alertname",
    "alert",
    "severity",
    "kpi",
    "window",
    "breakdown",
    "quantile",
    "le",
    "value",
];

/// What rules are checked against.
struct Around<'a> {
    windows: &'a mut Windows,
    sets: &'a [Vec<String>],
    judge: &'a Judge<'a>,
}

pub(super) fn read(
    root: &mut Section,
    report: &mut Report,
    windows: &mut Windows,
    sets: &Given<Vec<Vec<String>>>,
    judge: &Judge<'_>,
) -> Settings {
    let default = Settings::default();
    let mut section = root.child(report, "alerts");
    let interval = section.read(report, "interval", default.interval);
    interval.must(
        interval.value >= SHORTEST_INTERVAL,
        report,
        "is shorter than 10ms",
        "rules are evaluated this often: \"15s\"",
    );
    let max_behind = section.read(report, "max_behind", default.max_behind);
    max_behind.must(!max_behind.value.is_zero(), report, "must be above 0", "");
    section.finish(report);
    let mut around = Around {
        windows,
        sets: &sets.value,
        judge,
    };
    let mut rules: Vec<Rule> = Vec::new();
    for alert in root.children(report, "alert").unwrap_or_default() {
        let at = alert.at();
        let Some(rule) = read_rule(alert, report, &mut around) else {
            continue;
        };
        if rules.iter().any(|other| other.name == rule.name) {
            report.problem(
                &at,
                format!("there is another alert `{}`", rule.name),
                "names are unique: they are the alert's identity",
            );
        }
        rules.push(rule);
    }
    Settings {
        interval: interval.value,
        max_behind: max_behind.value,
        rules,
    }
}

/// Reads every key before it gives up, so that all problems of a rule are told at once.
fn read_rule(mut section: Section, report: &mut Report, around: &mut Around<'_>) -> Option<Rule> {
    let name = read_name(&mut section, report);
    let kpi = section.required::<Kpi>(report, "kpi", "kpi = \"service_level\"");
    // Without a KPI the rest is still checked, as far as it does not depend on it.
    let watched_kpi = kpi.as_ref().map_or(Kpi::ServiceLevel, |kpi| kpi.value);
    let quantile_permille = read_quantile(&mut section, report, watched_kpi);
    let draft = condition::read(&mut section, report, watched_kpi);
    let window = read_window(&mut section, report, draft.as_ref());
    let breakdown = read_breakdown(&mut section, report, around.sets);
    let only = read_where(&mut section, report, &breakdown.value);
    let hold = section.read(report, "for", Duration::ZERO).value;
    let keep_firing = section
        .read(report, "keep_firing_for", Duration::ZERO)
        .value;
    let clear = read_clear(&mut section, report, draft.as_ref());
    let min_samples = read_min_samples(&mut section, report);
    let confident = read_confident(&mut section, report, watched_kpi, draft.as_ref());
    let whole_window = window
        .as_ref()
        .map_or(Duration::ZERO, |window| window.value.duration);
    let insufficient_for = section.read(report, "insufficient_for", whole_window).value;
    let severity = section.read(report, "severity", SEVERITY.to_owned()).value;
    let labels = read_labels(&mut section, report, &breakdown.value);
    let annotations = read_annotations(&mut section, report, &breakdown.value);
    section.finish(report);

    let (name, kpi, draft, window) = (name?, kpi?, draft?, window?);
    check_existence(&kpi, &window, &breakdown, &draft, around.judge, report);
    around.judge.advise(
        &Watched {
            kpi: &kpi,
            window: &window,
            draft: &draft,
            min_samples: &min_samples,
            confident,
        },
        report,
    );
    let (window, baseline) = needed_windows(&window, &draft, around.windows, report);
    Some(Rule {
        name,
        kpi: kpi.value,
        quantile_permille,
        window,
        breakdown: breakdown.value,
        only,
        condition: draft.finish(baseline),
        hold,
        keep_firing,
        clear,
        min_samples: min_samples.value,
        confident,
        insufficient_for,
        severity,
        labels,
        annotations,
    })
}

/// The name ends the NATS subject of the alert, so it has the form of one.
fn read_name(section: &mut Section, report: &mut Report) -> Option<String> {
    let name = section.required::<String>(report, "name", "name = \"service_level_low\"")?;
    if let Some(fault) = super::super::subject::literal_fault(&name.value) {
        report.problem(
            &name.at,
            format!("`{}` {fault}", name.value),
            "the name ends a NATS subject: letters, digits, `_`, `-`, no blanks or wildcards",
        );
    }
    Some(name.value)
}

fn read_quantile(section: &mut Section, report: &mut Report, kpi: Kpi) -> Option<u32> {
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

fn read_window(
    section: &mut Section,
    report: &mut Report,
    draft: Option<&Draft>,
) -> Option<Given<Length>> {
    let implied = match draft {
        Some(Draft::NoData(silence)) => Some(silence.value.clone()),
        Some(Draft::Burn(_)) => Some(Length::of(burn::USUAL)),
        Some(Draft::Threshold { .. } | Draft::Change { .. }) | None => None,
    };
    match implied {
        Some(length) => Some(section.read(report, "window", length)),
        None => section.required(report, "window", "window = \"1h\""),
    }
}

fn read_breakdown(
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
fn read_where(
    section: &mut Section,
    report: &mut Report,
    breakdown: &[String],
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
        only.insert(name, values.value);
    }
    only
}

/// The threshold at which a firing alert clears lies on the good side of the one it fires at.
fn read_clear(section: &mut Section, report: &mut Report, draft: Option<&Draft>) -> Option<f64> {
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

fn read_min_samples(section: &mut Section, report: &mut Report) -> Given<u64> {
    let min_samples = section.read(report, "min_samples", MIN_SAMPLES);
    min_samples.must(
        min_samples.value > 0,
        report,
        "must be above 0",
        "without samples there is no value; use no_data_for for silence",
    );
    min_samples
}

fn read_confident(
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

fn read_labels(
    section: &mut Section,
    report: &mut Report,
    breakdown: &[String],
) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut section = section.child(report, "labels");
    for name in section.names() {
        let Some(value) = section.optional::<String>(report, &name) else {
            continue;
        };
        if !dimension::is_label_name(&name) || name.starts_with("__") {
            report.problem(
                &value.at,
                format!("`{name}` is not a label name"),
                "letters, digits and underscores, not beginning with a digit or two underscores",
            );
        } else if TAKEN_LABELS.contains(&name.as_str()) || breakdown.contains(&name) {
            report.problem(
                &value.at,
                format!("every notification has a label `{name}` already"),
                if name == "severity" {
                    "use the key `severity` of the alert"
                } else {
                    "choose another name"
                },
            );
        }
        labels.insert(name, value.value);
    }
    labels
}

fn read_annotations(
    section: &mut Section,
    report: &mut Report,
    breakdown: &[String],
) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::new();
    let mut section = section.child(report, "annotations");
    for name in section.names() {
        let Some(text) = section.optional::<String>(report, &name) else {
            continue;
        };
        if !dimension::is_label_name(&name) {
            report.problem(
                &text.at,
                format!("`{name}` is not a name for an annotation"),
                "letters, digits and underscores, not beginning with a digit",
            );
        }
        if let Some((message, hint)) = annotation::fault(&text.value, breakdown) {
            report.problem(&text.at, message, hint);
        }
        annotations.insert(name, text.value);
    }
    annotations
}

/// Some KPIs do not exist everywhere.
fn check_existence(
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

/// Makes sure that the windows of a rule are kept; gives the names of window and baseline.
fn needed_windows(
    window: &Given<Length>,
    draft: &Draft,
    windows: &mut Windows,
    report: &mut Report,
) -> (String, String) {
    let watched = windows.need(&window.value, None, &window.at, report);
    let mut baseline_name = String::new();
    match draft {
        Draft::Threshold { .. } => {}
        Draft::Change { baseline, .. } => {
            baseline.must(
                baseline.value.duration > window.value.duration,
                report,
                "is not longer than the window",
                "the baseline is the longer window less the short one: \"7d\"",
            );
            let delay = Some(watched.delay);
            baseline_name = windows
                .need(&baseline.value, delay, &baseline.at, report)
                .name;
        }
        Draft::Burn(objective) => {
            for length in burn::windows() {
                let delay = Some(watched.delay);
                windows.need(&Length::of(length), delay, &objective.at, report);
            }
        }
        Draft::NoData(silence) => {
            let delay = Some(watched.delay);
            windows.need(&silence.value, delay, &silence.at, report);
        }
    }
    (watched.name, baseline_name)
}
