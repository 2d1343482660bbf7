//! What became of notifications: `cxpulse_alert_notifications_total{sink,outcome}`.

use prometheus::{IntCounter, IntCounterVec};

/// Counters of one sink. Clones count into the same series.
#[derive(Clone, Debug)]
pub struct Outcomes {
    /// The receiver accepted it; re-sendings count too.
    pub delivered: IntCounter,
    /// The attempt failed and will be repeated.
    pub failed: IntCounter,
    /// The receiver found the alert itself at fault; repeating it would not help.
    pub rejected: IntCounter,
    /// Lost: the queue was full, or it could not be delivered for too long.
    pub dropped: IntCounter,
}

impl Outcomes {
    /// Values of the label `outcome`.
    pub const NAMES: [&str; 4] = ["delivered", "failed", "rejected", "dropped"];

    /// The counters of a sink in a family with the labels `sink` and `outcome`, all beginning at 0.
    pub fn of(family: &IntCounterVec, sink: &str) -> Self {
        let [delivered, failed, rejected, dropped] =
            Self::NAMES.map(|outcome| family.with_label_values(&[sink, outcome]));
        Self {
            delivered,
            failed,
            rejected,
            dropped,
        }
    }
}
