//! Service level by the six formulas of the contract, over inbound interactions.

use super::cell::Shares;
use super::{Count, ServiceLevelFormula, Totals};

/// Counts whether the wait of an inbound interaction lies within its target. An unknown wait is
/// within no limit.
pub(crate) fn record(
    totals: &mut Totals,
    abandoned: bool,
    wait_ms: Option<u64>,
    target_ms: u64,
    sign: i64,
) {
    if wait_ms.is_some_and(|wait_ms| wait_ms <= target_ms) {
        let count = if abandoned {
            Count::AbandonedInTarget
        } else {
            Count::AnsweredInTarget
        };
        totals.count(count, sign);
    }
}

/// Numerator and denominator by `formula`.
pub(crate) fn shares(totals: &Totals, formula: ServiceLevelFormula) -> Shares {
    let answered = totals.get(Count::Answered);
    let in_target = totals.get(Count::AnsweredInTarget);
    let abandoned = totals.get(Count::AbandonedInbound);
    let abandoned_in_target = totals.get(Count::AbandonedInTarget);
    let short = totals.get(Count::AbandonedShort);
    let (numerator, denominator) = match formula {
        ServiceLevelFormula::ExcludeShort => (in_target, answered + abandoned - short),
        ServiceLevelFormula::AbandonPositive => {
            (in_target + abandoned_in_target, answered + abandoned)
        }
        ServiceLevelFormula::AnsweredOnly => (in_target, answered),
        ServiceLevelFormula::AbandonNegative => (in_target, answered + abandoned),
        ServiceLevelFormula::IgnoreEarlyAbandon => {
            (in_target, answered + abandoned - abandoned_in_target)
        }
        ServiceLevelFormula::ShortPositive => (in_target + short, answered + abandoned),
    };
    Shares {
        numerator,
        denominator,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1000 answered (860 within T), 60 abandoned (20 within T, 10 within S): the vectors of the
    /// contract's tests for all six formulas.
    #[test]
    fn six_formulas() {
        let mut totals = Totals::default();
        totals.counts[Count::Answered.index()] = 1000;
        totals.counts[Count::AnsweredInTarget.index()] = 860;
        totals.counts[Count::AbandonedInbound.index()] = 60;
        totals.counts[Count::AbandonedInTarget.index()] = 20;
        totals.counts[Count::AbandonedShort.index()] = 10;
        let expected = [81.90, 83.02, 86.00, 81.13, 82.69, 82.08];
        for (formula, percent) in ServiceLevelFormula::ALL.into_iter().zip(expected) {
            let Shares {
                numerator,
                denominator,
            } = shares(&totals, formula);
            let value = 100.0 * super::super::interval::float(numerator)
                / super::super::interval::float(denominator);
            assert!(
                (value - percent).abs() < 0.005,
                "{} is {value}",
                formula.name()
            );
        }
    }
}
