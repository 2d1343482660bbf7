//! Abandonment over inbound interactions: (abandoned - short abandons) / (all - short abandons).

use super::cell::Shares;
use super::{Count, Totals};

/// Counts an inbound interaction.
pub(crate) fn record(
    totals: &mut Totals,
    abandoned: bool,
    wait_ms: Option<u64>,
    short_abandon_ms: u64,
    sign: i64,
) {
    totals.count(Count::Inbound, sign);
    if abandoned {
        totals.count(Count::AbandonedInbound, sign);
        if wait_ms.is_some_and(|wait_ms| wait_ms <= short_abandon_ms) {
            totals.count(Count::AbandonedShort, sign);
        }
    }
}

pub(super) fn shares(totals: &Totals) -> Shares {
    let short = totals.get(Count::AbandonedShort);
    Shares {
        numerator: totals.get(Count::AbandonedInbound) - short,
        denominator: totals.get(Count::Inbound) - short,
    }
}
