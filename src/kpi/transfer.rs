//! Transfer rate: handled and transferred / handled.

use super::cell::Shares;
use super::{Count, Totals};

/// Counts a handled interaction of either direction.
pub(crate) fn record(totals: &mut Totals, transferred: bool, sign: i64) {
    totals.count(Count::Handled, sign);
    if transferred {
        totals.count(Count::Transferred, sign);
    }
}

pub(super) fn shares(totals: &Totals) -> Shares {
    Shares {
        numerator: totals.get(Count::Transferred),
        denominator: totals.get(Count::Handled),
    }
}
