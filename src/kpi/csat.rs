//! Customer satisfaction: the share of satisfied answers (`csat`) and the mean (`csat_score`).

use super::cell::Shares;
use super::{Count, Measure, Totals};

/// Counts one answer, in thousandths of the scale.
pub(crate) fn record(totals: &mut Totals, score_milli: i32, satisfied_from_milli: i32, sign: i64) {
    totals.count(Count::Csat, sign);
    if score_milli >= satisfied_from_milli {
        totals.count(Count::CsatSatisfied, sign);
    }
    totals.measure(
        Count::CsatMilli,
        Measure::Csat,
        i64::from(score_milli),
        sign,
    );
}

pub(super) fn shares(totals: &Totals) -> Shares {
    Shares {
        numerator: totals.get(Count::CsatSatisfied),
        denominator: totals.get(Count::Csat),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 74 of 107 satisfied answers are 69.16 %.
    #[test]
    fn satisfied_of_all() {
        let mut totals = Totals::default();
        for answer in 0..107 {
            record(&mut totals, if answer < 74 { 4000 } else { 3999 }, 4000, 1);
        }
        assert_eq!(
            shares(&totals),
            Shares {
                numerator: 74,
                denominator: 107
            }
        );
        let percent: f64 = 100.0 * 74.0 / 107.0;
        assert!((percent - 69.16).abs() < 0.005);
    }
}
