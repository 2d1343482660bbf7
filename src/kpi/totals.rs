//! The integer counts behind the KPIs.

use std::hint::black_box;

use serde::{Deserialize, Serialize};

/// A count or an integer sum of a [`Totals`]. Each is owned by the KPI file that records it. What one
/// interaction counts stands together, and what one survey counts: less memory is touched for it.
/// Sums come last, in the order of their measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Count {
    /// Records (interactions and surveys) that are not withdrawn.
    Records,
    /// Inbound interactions.
    Inbound,
    /// Handled interactions.
    Handled,
    /// Handled interactions that were transferred.
    Transferred,
    /// Handled interactions with `resolved` known.
    Resolution,
    /// Handled interactions with `resolved` true.
    Resolved,
    /// Handled interactions with a known handle time.
    HandleTime,
    /// Handled inbound interactions with a known wait: "answered".
    Answered,
    /// Answered within their target.
    AnsweredInTarget,
    /// First contacts; under `fcr.method = "flag"` handled inbound with `resolved` known.
    FcrFirst,
    /// Resolved first contacts; under `flag` resolved and not transferred.
    FcrResolved,
    /// Episodes that ended resolved.
    Episodes,
    /// Abandoned interactions of either direction.
    Abandoned,
    /// Abandoned inbound interactions.
    AbandonedInbound,
    /// Abandoned inbound interactions with a wait within their target.
    AbandonedInTarget,
    /// Abandoned inbound interactions with a wait within `short_abandon`.
    AbandonedShort,
    /// Surveys with `resolved`.
    SurveyResolution,
    /// Surveys with `resolved` true.
    SurveyResolved,
    /// Satisfaction answers.
    Csat,
    /// Satisfied answers.
    CsatSatisfied,
    /// Effort answers.
    Ces,
    /// Recommendation answers.
    Nps,
    /// Answers 9 and 10.
    NpsPromoters,
    /// Answers 0 to 6.
    NpsDetractors,
    /// Sum of the handle times of [`Count::HandleTime`], milliseconds.
    HandleTimeMs,
    /// Sum of the waits of [`Count::Answered`], milliseconds.
    AnsweredWaitMs,
    /// Sum of the times to resolution of [`Count::Episodes`], milliseconds.
    EpisodesMs,
    /// Sum of satisfaction scores, thousandths.
    CsatMilli,
    /// Sum of effort scores, thousandths.
    CesMilli,
}

impl Count {
    /// How many counts there are.
    pub const LENGTH: usize = 29;
    /// The number of the first sum: those of lower numbers count things.
    pub const FIRST_SUM: usize = Self::LENGTH - Measure::LENGTH;
    /// All counts, in the order of their numbers.
    pub const ALL: [Self; Self::LENGTH] = [
        Self::Records,
        Self::Inbound,
        Self::Handled,
        Self::Transferred,
        Self::Resolution,
        Self::Resolved,
        Self::HandleTime,
        Self::Answered,
        Self::AnsweredInTarget,
        Self::FcrFirst,
        Self::FcrResolved,
        Self::Episodes,
        Self::Abandoned,
        Self::AbandonedInbound,
        Self::AbandonedInTarget,
        Self::AbandonedShort,
        Self::SurveyResolution,
        Self::SurveyResolved,
        Self::Csat,
        Self::CsatSatisfied,
        Self::Ces,
        Self::Nps,
        Self::NpsPromoters,
        Self::NpsDetractors,
        Self::HandleTimeMs,
        Self::AnsweredWaitMs,
        Self::EpisodesMs,
        Self::CsatMilli,
        Self::CesMilli,
    ];

    /// The place of this count in a [`Totals`].
    #[expect(
        clippy::as_conversions,
        reason = "the discriminant of a fieldless enum"
    )]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The same as a small number.
    #[expect(
        clippy::as_conversions,
        reason = "the discriminant of a fieldless enum"
    )]
    pub(crate) const fn number(self) -> u8 {
        self as u8
    }
}

/// A measured quantity whose sum of squares is kept, for the deviation behind a mean's interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Measure {
    /// Handle time, milliseconds.
    HandleTime,
    /// Wait of answered interactions, milliseconds.
    Wait,
    /// Time to resolution, milliseconds.
    Episode,
    /// Satisfaction score, thousandths.
    Csat,
    /// Effort score, thousandths.
    Ces,
}

impl Measure {
    /// How many measures there are.
    pub const LENGTH: usize = 5;
    /// All measures, in the order of their numbers.
    pub const ALL: [Self; Self::LENGTH] = [
        Self::HandleTime,
        Self::Wait,
        Self::Episode,
        Self::Csat,
        Self::Ces,
    ];

    /// The sum of its values.
    pub const fn sum(self) -> Count {
        match self {
            Self::HandleTime => Count::HandleTimeMs,
            Self::Wait => Count::AnsweredWaitMs,
            Self::Episode => Count::EpisodesMs,
            Self::Csat => Count::CsatMilli,
            Self::Ces => Count::CesMilli,
        }
    }

    /// The place of its sum of squares in a [`Totals`].
    #[expect(
        clippy::as_conversions,
        reason = "the discriminant of a fieldless enum"
    )]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The same as a small number.
    #[expect(
        clippy::as_conversions,
        reason = "the discriminant of a fieldless enum"
    )]
    pub(crate) const fn number(self) -> u8 {
        self as u8
    }
}

/// Integer counts and sums; a commutative group under [`Totals::add`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Counts and sums by [`Count::index`].
    pub counts: [i64; Count::LENGTH],
    /// Sums of squares by [`Measure::index`].
    pub squares: [i128; Measure::LENGTH],
}

impl Totals {
    /// The count; negative only between two halves of a change.
    pub fn get(&self, count: Count) -> i64 {
        self.counts[count.index()]
    }

    /// The count where a whole number of things is meant; never negative in a finished view.
    pub fn samples(&self, count: Count) -> u64 {
        u64::try_from(self.get(count)).unwrap_or(0)
    }

    /// Sum of squares of a measure.
    pub fn squares(&self, measure: Measure) -> i128 {
        self.squares[measure.index()]
    }

    /// Counts one thing, or takes it back with `sign` -1; wraps as [`Totals::add`].
    pub fn count(&mut self, count: Count, sign: i64) {
        let mine = &mut self.counts[count.index()];
        *mine = mine.wrapping_add(sign);
    }

    /// Adds `amount` to a sum, or takes it back with `sign` -1, and its square to the measure's.
    pub fn measure(&mut self, sum: Count, measure: Measure, amount: i64, sign: i64) {
        self.counts[sum.index()] += sign * amount;
        let amount = i128::from(amount);
        self.squares[measure.index()] += i128::from(sign) * amount * amount;
    }

    /// Adds another `Totals` `sign` times; 1 gives, -1 takes back. Wraps: a sum that never ends to
    /// grow may overflow, and its difference to another one is exact all the same.
    pub fn add(&mut self, other: &Self, sign: i64) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine = mine.wrapping_add(sign.wrapping_mul(*theirs));
        }
        for (mine, theirs) in self.squares.iter_mut().zip(&other.squares) {
            *mine = mine.wrapping_add(i128::from(sign).wrapping_mul(*theirs));
        }
    }

    /// Brings it into the cache: reads a word of each of its cache lines.
    #[inline]
    pub(crate) fn fetch(&self) {
        const WORDS: usize = 8;
        let counts = self
            .counts
            .iter()
            .step_by(WORDS)
            .fold(0, |all, one| all ^ one);
        let squares = self.squares.iter().step_by(WORDS / 2);
        black_box(counts);
        black_box(squares.fold(0, |all, one| all ^ one));
    }

    /// Nothing counted, or everything taken back.
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0) && self.squares.iter().all(|sum| *sum == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_measures_stand_at_their_numbers() {
        for (index, count) in Count::ALL.into_iter().enumerate() {
            assert_eq!(count.index(), index);
        }
        for (index, measure) in Measure::ALL.into_iter().enumerate() {
            assert_eq!(measure.index(), index);
            assert_eq!(measure.sum().index(), Count::FIRST_SUM + index);
        }
    }

    #[test]
    fn taking_back_leaves_nothing() {
        let mut totals = Totals::default();
        totals.count(Count::HandleTime, 1);
        totals.measure(
            Count::HandleTimeMs,
            Measure::HandleTime,
            3_000_000_000_000,
            1,
        );
        assert!(!totals.is_empty());
        totals.count(Count::HandleTime, -1);
        totals.measure(
            Count::HandleTimeMs,
            Measure::HandleTime,
            3_000_000_000_000,
            -1,
        );
        assert!(totals.is_empty());
    }
}
