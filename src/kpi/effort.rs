//! Customer effort score: the mean on its scale. Polarity says only which way is better.

use super::{Count, Measure, Totals};

/// Counts one answer, in thousandths of the scale.
pub(crate) fn record(totals: &mut Totals, score_milli: i32, sign: i64) {
    totals.count(Count::Ces, sign);
    totals.measure(Count::CesMilli, Measure::Ces, i64::from(score_milli), sign);
}
