//! Net promoter score: 100 x (promoters 9..10 - detractors 0..6) / answers.

use super::interval::{adjusted_wald_nps, float};
use super::{Count, Reading, Totals};

/// Counts one answer, 0..=10.
pub(crate) fn record(totals: &mut Totals, answer: u8, sign: i64) {
    totals.count(Count::Nps, sign);
    match answer {
        0..=6 => totals.count(Count::NpsDetractors, sign),
        7..=8 => {}
        _ => totals.count(Count::NpsPromoters, sign),
    }
}

pub(super) fn reading(totals: &Totals, intervals: bool) -> Reading {
    let promoters = totals.get(Count::NpsPromoters);
    let detractors = totals.get(Count::NpsDetractors);
    let answers = totals.get(Count::Nps);
    let interval = intervals
        .then(|| adjusted_wald_nps(promoters, detractors, answers))
        .flatten();
    Reading {
        value: (answers > 0).then(|| 100.0 * float(promoters - detractors) / float(answers)),
        samples: totals.samples(Count::Nps),
        numerator: Some(float(promoters - detractors)),
        denominator: Some(float(answers)),
        lower: interval.map(|ends| ends.0),
        upper: interval.map(|ends| ends.1),
        quantiles: None,
    }
}
