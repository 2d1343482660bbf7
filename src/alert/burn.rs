//! Burn rates of a service-level objective: which pairs of windows are watched, and how fast the
//! error budget may burn in them.
//!
//! Source: B. Beyer and others, "The Site Reliability Workbook" (2018), chapter 5, "Multiwindow,
//! multi-burn-rate alerts". A burn rate is the share of bad contacts divided by the promised one,
//! 1 - objective. An alert needs both windows of a pair above the pair's factor: the long one says
//! that it matters, the short one that it still goes on.
//!
//! Two things differ from the workbook, whose factors are meant for 30 days and objectives of 99 %
//! and more:
//!
//! - **Period.** The windows stay, and so does the share of the budget a pair may use up: the factor
//!   is share x period / long window. It is never below 1, which is the objective itself; pairs
//!   longer than the period are left out.
//! - **Ceiling.** No burn rate exceeds 1 / (1 - objective): 5 at an objective of 80 %, so that 14.4
//!   would never be reached. The fastest factor is lowered to half way between 1 and the ceiling,
//!   where the KPI stands at half its objective, and the others keep their places between it and
//!   1: f' = 1 + (f - 1) x (limit - 1) / (fastest - 1). At 80 % and 30 days, 14.4, 6, 3, 1 become
//!   3, 1.75, 1.30, 1: the KPI at 40 %, 65 %, 74 %, 80 %.

use std::time::Duration;

use super::Objective;
use crate::kpi::Kpi;

const DAY: Duration = Duration::from_hours(24);

/// A row of the workbook's table.
struct Row {
    urgency: Urgency,
    long: Duration,
    short: Duration,
    /// The share of the period's error budget that is gone when the long window is full.
    budget_share: f64,
}

/// The workbook's table, fastest first.
const TABLE: [Row; 4] = [
    Row {
        urgency: Urgency::Page,
        long: Duration::from_hours(1),
        short: Duration::from_mins(5),
        budget_share: 0.02,
    },
    Row {
        urgency: Urgency::Page,
        long: Duration::from_hours(6),
        short: Duration::from_mins(30),
        budget_share: 0.05,
    },
    Row {
        urgency: Urgency::Ticket,
        long: DAY,
        short: Duration::from_hours(2),
        budget_share: 0.10,
    },
    Row {
        urgency: Urgency::Ticket,
        long: Duration::from_hours(72),
        short: Duration::from_hours(6),
        budget_share: 0.10,
    },
];

/// Whether somebody is woken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// The budget is gone within days: now.
    Page,
    /// The budget is gone by the end of the period: in office hours.
    Ticket,
}

/// Two windows, both of which must burn faster than the factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// How urgent it is.
    pub urgency: Urgency,
    /// Length of the long window.
    pub long: Duration,
    /// Length of the short window.
    pub short: Duration,
    /// The burn rate that is too fast; at least 1.
    pub factor: f64,
}

/// The pairs of an objective, fastest first; none when its period is shorter than an hour.
pub(crate) fn pairs(objective: &Objective) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = TABLE
        .iter()
        .filter(|row| row.long <= objective.period)
        .map(|row| Pair {
            urgency: row.urgency,
            long: row.long,
            short: row.short,
            factor: (row.budget_share * objective.period.div_duration_f64(row.long)).max(1.0),
        })
        .collect();
    let fastest = pairs.iter().map(|pair| pair.factor).fold(1.0, f64::max);
    let limit = f64::midpoint(1.0, ceiling(objective));
    if fastest > limit {
        for pair in &mut pairs {
            pair.factor = 1.0 + (pair.factor - 1.0) * (limit - 1.0) / (fastest - 1.0);
        }
    }
    pairs
}

/// The greatest burn rate there can be: nothing but bad contacts.
fn ceiling(objective: &Objective) -> f64 {
    1.0 / (1.0 - objective.objective)
}

/// Lengths of all windows of the pairs, rising, each once.
pub(super) fn windows(objective: &Objective) -> Vec<Duration> {
    let mut lengths: Vec<Duration> = pairs(objective)
        .iter()
        .flat_map(|pair| [pair.short, pair.long])
        .collect();
    lengths.sort_unstable();
    lengths.dedup();
    lengths
}

/// Whether the good end of a ratio KPI is 1; abandonment and transfer are better when low, and an
/// objective of 0.95 promises that at most 5 % abandon.
pub(crate) fn higher_is_better(kpi: Kpi) -> bool {
    !matches!(kpi, Kpi::Abandonment | Kpi::Transfer)
}

/// The value of the KPI at which its budget burns at `factor`.
pub(crate) fn value_at(kpi: Kpi, objective: &Objective, factor: f64) -> f64 {
    let bad = factor * (1.0 - objective.objective);
    if higher_is_better(kpi) {
        1.0 - bad
    } else {
        bad
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(objective: f64, days: u64) -> Vec<f64> {
        let objective = Objective {
            objective,
            period: DAY * u32::try_from(days).unwrap(),
        };
        pairs(&objective).iter().map(|pair| pair.factor).collect()
    }

    fn close(left: &[f64], right: &[f64]) {
        assert_eq!(left.len(), right.len(), "{left:?} {right:?}");
        for (one, other) in left.iter().zip(right) {
            assert!((one - other).abs() < 5e-3, "{left:?} is not {right:?}");
        }
    }

    #[test]
    fn the_workbook_at_thirty_days() {
        close(&factors(0.999, 30), &[14.4, 6.0, 3.0, 1.0]);
        close(&factors(0.97, 30), &[14.4, 6.0, 3.0, 1.0]);
    }

    #[test]
    fn a_shorter_period_has_less_budget_to_lose() {
        close(&factors(0.999, 7), &[3.36, 1.4, 1.0, 1.0]);
        close(&factors(0.999, 1), &[1.0, 1.0, 1.0]);
        close(&factors(0.999, 90), &[43.2, 18.0, 9.0, 3.0]);
        assert!(factors(0.999, 0).is_empty());
    }

    #[test]
    fn a_contact_center_objective_is_reachable() {
        close(&factors(0.8, 30), &[3.0, 1.746, 1.299, 1.0]);
        close(&factors(0.5, 30), &[1.5, 1.187, 1.075, 1.0]);
        for objective in [0.01, 0.3, 0.5, 0.8, 0.9, 0.95] {
            for factor in factors(objective, 30) {
                assert!(factor >= 1.0 && factor < 1.0 / (1.0 - objective));
            }
        }
    }

    #[test]
    fn the_value_says_where_the_budget_burns() {
        let objective = Objective {
            objective: 0.8,
            period: DAY * 30,
        };
        assert!((value_at(Kpi::ServiceLevel, &objective, 3.0) - 0.4).abs() < 1e-12);
        assert!((value_at(Kpi::Abandonment, &objective, 3.0) - 0.6).abs() < 1e-12);
    }

    #[test]
    fn windows_are_named_once() {
        let objective = Objective {
            objective: 0.8,
            period: DAY * 30,
        };
        let minutes: Vec<u64> = windows(&objective)
            .iter()
            .map(|length| length.as_secs() / 60)
            .collect();
        assert_eq!(minutes, [5, 30, 60, 120, 360, 1440, 4320]);
    }
}
