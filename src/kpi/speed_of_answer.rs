//! Average speed of answer: wait over handled inbound interactions.

use super::{Count, Measure, Totals};

/// Counts an answered interaction (handled, inbound, wait known).
pub(crate) fn record(totals: &mut Totals, wait_ms: u64, sign: i64) {
    totals.count(Count::Answered, sign);
    let amount = i64::try_from(wait_ms).unwrap_or(i64::MAX);
    totals.measure(Count::AnsweredWaitMs, Measure::Wait, amount, sign);
}
