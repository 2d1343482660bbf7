//! What works but is hardly meant: rules that cannot fire, or always do; variables that are not
//! read.

use crate::alert::Amount;
use crate::kpi::{self, FcrMethod, Kpi, Unit};

use super::duration::format_duration;
use super::finding::Origin;
use super::report::{At, Given, Report};
use super::sections::{Draft, Known, Length};

/// Below this number of samples chance decides more than the center does.
const FEW_SAMPLES: u64 = 10;

/// Knows the KPIs well enough to judge rules about them.
pub(super) struct Judge<'a> {
    pub(super) known: &'a Known,
    pub(super) kpis: &'a kpi::Settings,
    pub(super) csat_scale_milli: (i32, i32),
    pub(super) ces_scale_milli: (i32, i32),
}

/// What of a rule is judged.
pub(super) struct Watched<'a> {
    pub(super) kpi: &'a Given<Kpi>,
    pub(super) window: &'a Given<Length>,
    pub(super) draft: &'a Draft,
    pub(super) min_samples: &'a Given<u64>,
    pub(super) confident: bool,
}

impl Judge<'_> {
    /// Warns of rules that are hardly meant.
    pub(super) fn advise(&self, rule: &Watched<'_>, report: &mut Report) {
        self.advise_on_range(rule, report);
        self.advise_on_optimism(rule, report);
        let silence = matches!(rule.draft, Draft::NoData(_));
        if rule.min_samples.value < FEW_SAMPLES && !rule.confident && !silence {
            report.warning(
                &rule.min_samples.at,
                format!("{} samples say little", rule.min_samples.value),
                "30 or more, or confident = true, which looks at the whole interval",
            );
        }
    }

    /// The least and the greatest value a KPI can have.
    fn range(&self, kpi: Kpi) -> (f64, f64) {
        match kpi.unit() {
            Unit::Ratio => (0.0, 1.0),
            Unit::NetScore => (-100.0, 100.0),
            Unit::Seconds => (0.0, f64::INFINITY),
            Unit::Score => {
                let (low, high) = if kpi == Kpi::Ces {
                    self.ces_scale_milli
                } else {
                    self.csat_scale_milli
                };
                (f64::from(low) / 1000.0, f64::from(high) / 1000.0)
            }
        }
    }

    fn advise_on_range(&self, rule: &Watched<'_>, report: &mut Report) {
        let (least, greatest) = self.range(rule.kpi.value);
        let (at, never, always) = match rule.draft {
            Draft::Threshold { below, threshold } => {
                let value = threshold.value;
                let (never, always) = if *below {
                    (value <= least, value > greatest)
                } else {
                    (value >= greatest, value < least)
                };
                (&threshold.at, never, always)
            }
            Draft::Change { drops, by, .. } => {
                let never = match by.value {
                    Amount::Absolute(by) => by >= greatest - least,
                    Amount::Ratio(by) => *drops && by >= 1.0,
                };
                (&by.at, never, false)
            }
            Draft::Burn(_) | Draft::NoData(_) => return,
        };
        let range = if greatest.is_finite() {
            format!(
                "`{}` lies between {least} and {greatest}",
                rule.kpi.value.name()
            )
        } else {
            format!("`{}` is at least {least}", rule.kpi.value.name())
        };
        let hint = match rule.kpi.value.unit() {
            Unit::Ratio => format!("{range}: 80 % is 0.8"),
            Unit::Seconds | Unit::Score | Unit::NetScore => range,
        };
        if never {
            report.warning(at, "this alert can never fire", hint);
        } else if always {
            report.warning(at, "this alert fires whatever the value is", hint);
        }
    }

    /// `fcr` is near 1 in short windows by construction.
    fn advise_on_optimism(&self, rule: &Watched<'_>, report: &mut Report) {
        let fcr = &self.kpis.fcr;
        let short =
            rule.window.value.duration < fcr.horizon || matches!(rule.draft, Draft::Burn(_));
        let watches = rule.kpi.value == Kpi::Fcr && fcr.method == FcrMethod::RepeatContact;
        if watches && short && !matches!(rule.draft, Draft::NoData(_)) {
            report.warning(
                if rule.window.at.origin.is_given() { &rule.window.at } else { &rule.kpi.at },
                format!(
                    "`fcr` looks good in windows shorter than the horizon of {}: repeats are still to come",
                    format_duration(fcr.horizon)
                ),
                "watch fcr_mature, or fcr in a longer window",
            );
        }
    }
}

/// Warns of variables that look like ours but have one underscore where two belong.
pub(super) fn overlooked_variables(names: &[String], report: &mut Report) {
    for name in names {
        let Some(rest) = name
            .strip_prefix("CXPULSE_")
            .filter(|rest| !rest.starts_with('_'))
        else {
            continue;
        };
        let meant = report.known.iter().find(|key| {
            let flat = key.replace('.', "_");
            key.contains('.') && flat.eq_ignore_ascii_case(&rest.replace("__", "_"))
        });
        if let Some(key) = meant.cloned() {
            let at = At {
                key: key.clone(),
                origin: Origin::Environment { name: name.clone() },
            };
            let right = key.to_ascii_uppercase().replace('.', "__");
            report.warning(
                &at,
                "is not read",
                format!("did you mean CXPULSE__{right}?"),
            );
        }
    }
}
