//! What a reader sees of one KPI in one window at one key.

use super::handle_time::Quantiles;

/// The finished figures of one KPI, window and key.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// The value in the KPI's unit; `None` without samples.
    pub value: Option<f64>,
    /// The denominator behind the value, a count of interactions, surveys or contacts.
    pub samples: u64,
    /// The counted part, for a mean the sum in the KPI's unit; `None` where the KPI has none.
    pub numerator: Option<f64>,
    /// What the numerator is divided by; `None` where the KPI has none.
    pub denominator: Option<f64>,
    /// Lower end of the 95 % interval.
    pub lower: Option<f64>,
    /// Upper end of the 95 % interval.
    pub upper: Option<f64>,
    /// Handle-time quantiles, for `handle_time` only.
    pub quantiles: Option<Quantiles>,
}

/// The unit of a KPI's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A share, 0..=1.
    Ratio,
    /// Seconds.
    Seconds,
    /// A mean on the configured scale.
    Score,
    /// -100..=100.
    NetScore,
}
