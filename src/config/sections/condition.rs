//! When an alert is true: exactly one of the conditions.

use std::time::Duration;

use crate::alert::{Amount, Change, Condition, Objective};
use crate::kpi::{Kpi, Unit};

use super::super::report::{At, Given, Report};
use super::super::section::Section;
use super::window::Length;

/// The keys of which an alert has exactly one.
const KEYS: [&str; 8] = [
    "below",
    "above",
    "drops_by",
    "drops_by_ratio",
    "rises_by",
    "rises_by_ratio",
    "slo",
    "no_data_for",
];

/// Shortest and longest period of an objective.
const PERIODS: (Duration, Duration) = (Duration::from_hours(24), Duration::from_hours(366 * 24));

/// A condition before its baseline has a window.
pub(in super::super) enum Draft {
    Threshold {
        below: bool,
        threshold: Given<f64>,
    },
    Change {
        drops: bool,
        by: Given<Amount>,
        baseline: Given<Length>,
    },
    Burn(Given<Objective>),
    NoData(Given<Length>),
}

/// Reads the one condition; `None` when there is none or it is wrong.
pub(super) fn read(section: &mut Section, report: &mut Report, kpi: Kpi) -> Option<Draft> {
    let given: Vec<&str> = KEYS.into_iter().filter(|key| section.has(key)).collect();
    let conditions = KEYS.join(", ");
    match given.as_slice() {
        [_] => {}
        [] => report.problem(
            &section.at(),
            "has no condition",
            format!("give one of {conditions}"),
        ),
        several => report.problem(
            &section.at(),
            format!("has several conditions: {}", several.join(", ")),
            "an alert has one; write one [[alert]] for each",
        ),
    }
    let below = section.optional::<f64>(report, "below");
    let above = section.optional::<f64>(report, "above");
    let change = read_change(section, report, kpi);
    let objective = read_objective(section, report, kpi);
    let no_data = section.optional::<Length>(report, "no_data_for");
    if given.len() != 1 {
        return None;
    }
    let threshold = |is_below| {
        move |threshold| Draft::Threshold {
            below: is_below,
            threshold,
        }
    };
    below
        .map(threshold(true))
        .or_else(|| above.map(threshold(false)))
        .or(change)
        .or_else(|| objective.map(Draft::Burn))
        .or_else(|| no_data.map(Draft::NoData))
}

fn read_change(section: &mut Section, report: &mut Report, kpi: Kpi) -> Option<Draft> {
    let mut found = None;
    for (key, drops, ratio) in [
        ("drops_by", true, false),
        ("drops_by_ratio", true, true),
        ("rises_by", false, false),
        ("rises_by_ratio", false, true),
    ] {
        let Some(by) = section.optional::<f64>(report, key) else {
            continue;
        };
        by.must(
            by.value > 0.0,
            report,
            "must be above 0",
            "the direction is in the key",
        );
        by.must(
            !(ratio && kpi.unit() == Unit::NetScore),
            report,
            "a share of a net promoter score has no meaning",
            "use drops_by or rises_by, in points",
        );
        by.must(
            kpi != Kpi::HandleTime,
            report,
            "quantiles have no baseline",
            "use below or above, or watch aht",
        );
        let amount = if ratio {
            Amount::Ratio
        } else {
            Amount::Absolute
        };
        let by = Given {
            value: amount(by.value),
            at: by.at,
        };
        found = Some((drops, by));
    }
    let baseline_given = section.has("baseline");
    let baseline = section.optional::<Length>(report, "baseline");
    match (found, baseline) {
        (Some((drops, by)), Some(baseline)) => Some(Draft::Change {
            drops,
            by,
            baseline,
        }),
        (Some((_, by)), None) => {
            by.must(
                baseline_given,
                report,
                "needs a baseline",
                "baseline = \"7d\": the longer window to compare with",
            );
            None
        }
        (None, Some(baseline)) => {
            report.problem(
                &baseline.at,
                "goes with drops_by and rises_by only",
                "leave it out",
            );
            None
        }
        (None, None) => None,
    }
}

fn read_objective(
    section: &mut Section,
    report: &mut Report,
    kpi: Kpi,
) -> Option<Given<Objective>> {
    let mut slo = section.optional_child(report, "slo")?;
    let at = slo.at();
    if kpi.unit() != Unit::Ratio {
        report.problem(
            &at,
            format!("`{}` is not a ratio", kpi.name()),
            "objectives are shares; use below or above",
        );
    }
    let objective = slo.required::<f64>(report, "objective", "slo = { objective = 0.80 }");
    let period = slo.read(report, "period", Duration::from_hours(30 * 24));
    slo.finish(report);
    let objective = objective?;
    objective.must(
        objective.value > 0.0 && objective.value < 1.0,
        report,
        "must lie between 0 and 1, without the ends",
        "a share: 0.80 promises 80 of 100",
    );
    period.must(
        (PERIODS.0..=PERIODS.1).contains(&period.value),
        report,
        "must lie between 1d and 366d",
        "the period the objective is promised over: \"30d\"",
    );
    Some(Given {
        value: Objective {
            objective: objective.value,
            period: period.value,
        },
        at,
    })
}

impl Draft {
    /// Where the condition stands.
    pub(super) fn at(&self) -> &At {
        match self {
            Self::Threshold { threshold, .. } => &threshold.at,
            Self::Change { by, .. } => &by.at,
            Self::Burn(objective) => &objective.at,
            Self::NoData(silence) => &silence.at,
        }
    }

    /// The condition, once the baseline has a window.
    pub(super) fn finish(&self, baseline: String) -> Condition {
        match self {
            Self::Threshold {
                below: true,
                threshold,
            } => Condition::Below(threshold.value),
            Self::Threshold {
                below: false,
                threshold,
            } => Condition::Above(threshold.value),
            Self::Change { drops, by, .. } => {
                let change = Change {
                    baseline,
                    by: by.value,
                };
                if *drops {
                    Condition::Drops(change)
                } else {
                    Condition::Rises(change)
                }
            }
            Self::Burn(objective) => Condition::Burn(objective.value.clone()),
            Self::NoData(silence) => Condition::NoData(silence.value.duration),
        }
    }
}
