//! `fcr_corrected`: first contact resolution without the optimism of contacts that have not been
//! followed for the whole horizon yet.
//!
//! A discrete Kaplan-Meier estimate in 28 steps of the horizon (E. L. Kaplan, P. Meier,
//! "Nonparametric estimation from incomplete observations", JASA 53 (1958)); CONTRACT section 9.

use super::Reading;
use super::interval::float;

/// Steps the horizon is cut into.
pub const STEPS: usize = 28;

/// The step a repeat falls in: min(27, floor(28 x delay / horizon)).
///
/// ```
/// use cxpulse::kpi::repeat_step;
/// assert_eq!(repeat_step(0, 2800), 0);
/// assert_eq!(repeat_step(100, 2800), 1);
/// assert_eq!(repeat_step(2800, 2800), 27);
/// ```
pub fn repeat_step(delay_ms: i64, horizon_ms: i64) -> usize {
    let step = i128::from(delay_ms) * 28 / i128::from(horizon_ms.max(1));
    usize::try_from(step).unwrap_or(0).min(STEPS - 1)
}

/// Survival counts of the first contacts of a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survival {
    /// First contacts.
    pub first: i64,
    /// Those that failed at once, by flag or transfer.
    pub failed_at_once: i64,
    /// What is counted of each step.
    pub steps: [SurvivalStep; STEPS],
}

/// Survival counts of one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SurvivalStep {
    /// First contacts that did not fail at once, have been followed for the whole step and had no
    /// repeat before it.
    pub at_risk: i64,
    /// How many of those at risk had their repeat in it.
    pub repeats: i64,
}

impl Survival {
    /// Adds what others count.
    pub(crate) fn add(&mut self, other: &Self) {
        self.first += other.first;
        self.failed_at_once += other.failed_at_once;
        for (mine, theirs) in self.steps.iter_mut().zip(&other.steps) {
            mine.at_risk += theirs.at_risk;
            mine.repeats += theirs.repeats;
        }
    }

    /// (1 - failed at once / first contacts) x product of (1 - repeats / at risk); no value where
    /// nobody is at risk before the product reaches 0, or without first contacts.
    pub(super) fn reading(&self) -> Reading {
        Reading {
            value: self.value(),
            samples: u64::try_from(self.first).unwrap_or(0),
            ..Reading::default()
        }
    }

    fn value(&self) -> Option<f64> {
        if self.first <= 0 {
            return None;
        }
        let mut survived = 1.0;
        for SurvivalStep { at_risk, repeats } in self.steps {
            if at_risk <= 0 {
                return None;
            }
            if repeats >= at_risk {
                survived = 0.0;
                break;
            }
            survived *= 1.0 - float(repeats) / float(at_risk);
        }
        Some((1.0 - float(self.failed_at_once) / float(self.first)) * survived)
    }
}
