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

/// A busier center than most: what is rare there is rare everywhere.
const BUSY_CONTACTS_PER_DAY: f64 = 1_000_000.0;
/// Answers to a survey for each contact there.
const BUSY_ANSWERS: f64 = 0.2;
/// The normal quantile behind all our 95 % intervals.
const Z: f64 = 1.959_963_984_540_054;

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
    pub(super) breakdown: &'a [String],
    pub(super) min_samples: &'a Given<u64>,
    pub(super) confident: bool,
}

impl Judge<'_> {
    /// Warns of rules that are hardly meant.
    pub(super) fn advise(&self, rule: &Watched<'_>, report: &mut Report) {
        self.advise_on_range(rule, report);
        self.advise_on_optimism(rule, report);
        self.advise_on_traffic(rule, report);
        advise_on_confidence(rule, report);
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

    /// A rule that asks for more samples than its window will hold neither fires nor clears.
    fn advise_on_traffic(&self, rule: &Watched<'_>, report: &mut Report) {
        let window = match rule.draft {
            Draft::Threshold { .. } | Draft::Change { .. } => rule.window.value.duration,
            Draft::Burn(_) | Draft::NoData(_) => return,
        };
        let keys: f64 = rule
            .breakdown
            .iter()
            .filter_map(|dimension| self.known.count(dimension))
            .product();
        let share = match rule.kpi.value {
            Kpi::FcrSurvey | Kpi::Csat | Kpi::CsatScore | Kpi::Ces | Kpi::Nps => BUSY_ANSWERS,
            Kpi::Fcr
            | Kpi::FcrMature
            | Kpi::FcrCorrected
            | Kpi::Resolution
            | Kpi::Aht
            | Kpi::HandleTime
            | Kpi::Asa
            | Kpi::ServiceLevel
            | Kpi::Abandonment
            | Kpi::Transfer
            | Kpi::TimeToResolution => 1.0,
        };
        let expected = BUSY_CONTACTS_PER_DAY * share * window.as_secs_f64() / 86_400.0 / keys;
        if expected < float(rule.min_samples.value) {
            report.warning(
                &rule.min_samples.at,
                format!(
                    "even at a million contacts a day, {} holds only about {expected:.1} samples of \
                     `{}` at each key, fewer than min_samples = {}",
                    format_duration(window),
                    rule.kpi.value.name(),
                    rule.min_samples.value
                ),
                "with fewer the alert neither fires nor clears: a longer window, or fewer samples",
            );
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

/// The fewest samples of which the whole interval can lie past a threshold on a share: all of them
/// good or all of them bad, Wilson's interval reaches to z^2 / (n + z^2).
fn samples_to_be_confident(below: bool, threshold: f64) -> f64 {
    let distance = if below { threshold } else { 1.0 - threshold };
    (Z * Z * (1.0 - distance) / distance).floor() + 1.0
}

fn advise_on_confidence(rule: &Watched<'_>, report: &mut Report) {
    let Draft::Threshold { below, threshold } = rule.draft else {
        return;
    };
    let is_possible = threshold.value > 0.0 && threshold.value < 1.0;
    if !rule.confident || rule.kpi.value.unit() != Unit::Ratio || !is_possible {
        return;
    }
    let needed = samples_to_be_confident(*below, threshold.value);
    if needed > float(rule.min_samples.value) {
        report.warning(
            &rule.min_samples.at,
            format!(
                "this alert cannot fire with fewer than {needed} samples, whatever min_samples says"
            ),
            "so close to the end of the range, confident = true takes that many; a longer window has more",
        );
    }
}

fn float(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
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
