//! What is counted of the first contacts of one key that a window follows, in as few bytes as it
//! takes: where keys are many each has few, and 58 whole words would be the most of what it costs.

use std::hint::black_box;

use smallvec::SmallVec;

use super::cohorts::{FirstContacts, Parts};
use crate::kpi::{STEPS, Survival, SurvivalStep};

/// How many counts there are: see [`place_of`].
const COUNTS: usize = 2 * STEPS + 2;

/// One of the counts of a [`Survival`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FollowedCount {
    First,
    FailedAtOnce,
    AtRisk(usize),
    Repeats(usize),
}

/// The counts of a [`Survival`].
#[derive(Clone, Debug, Default)]
pub(super) enum Followed {
    /// Nobody has been counted.
    #[default]
    Nobody,
    /// No count was ever below 0 or above 255.
    Few(Box<[u8; COUNTS]>),
    /// Some count was. It stays so: a key that had many is likely to have many again.
    Many(Box<[i64; COUNTS]>),
}

impl Followed {
    /// Counts first contacts in the parts of a window, or takes them back with `sign` -1.
    pub(super) fn count(&mut self, contacts: &FirstContacts, parts: Parts, sign: i64) {
        if let Self::Nobody = self {
            *self = Self::Few(Box::new([0; COUNTS]));
        }
        let mut too_much: SmallVec<[(usize, i64); 4]> = SmallVec::new();
        match self {
            Self::Nobody => {}
            Self::Few(counts) => contacts.each_followed(parts, |counted, amount| {
                let place = place_of(counted);
                let known = &mut counts[place];
                match u8::try_from(i64::from(*known) + sign * amount) {
                    Ok(sum) => *known = sum,
                    Err(_) => too_much.push((place, sign * amount)),
                }
            }),
            Self::Many(counts) => contacts.each_followed(parts, |counted, amount| {
                counts[place_of(counted)] += sign * amount;
            }),
        }
        if !too_much.is_empty() {
            let mut counts = self.counts();
            for (place, amount) in too_much {
                counts[place] += amount;
            }
            *self = Self::Many(Box::new(counts));
        }
    }

    /// Whether nobody has been counted.
    pub(super) fn is_nobody(&self) -> bool {
        matches!(self, Self::Nobody)
    }

    /// Adds others.
    pub(super) fn add(&mut self, other: &Self) {
        match (&*self, other) {
            (_, Self::Nobody) => return,
            (Self::Nobody, _) => {
                self.clone_from(other);
                return;
            }
            (Self::Few(_) | Self::Many(_), _) => {}
        }
        let mut counts = self.counts();
        for (mine, theirs) in counts.iter_mut().zip(other.counts()) {
            *mine += theirs;
        }
        if let Self::Few(few) = self
            && counts.iter().all(|count| u8::try_from(*count).is_ok())
        {
            for (mine, sum) in few.iter_mut().zip(counts) {
                *mine = u8::try_from(sum).unwrap_or_default();
            }
        } else {
            *self = Self::Many(Box::new(counts));
        }
    }

    /// The counts as they are shown; `None` where nobody has been counted.
    pub(super) fn survival(&self) -> Option<Box<Survival>> {
        if let Self::Nobody = self {
            return None;
        }
        let counts = self.counts();
        let mut survival = Survival {
            first: counts[place_of(FollowedCount::First)],
            failed_at_once: counts[place_of(FollowedCount::FailedAtOnce)],
            ..Survival::default()
        };
        for (step, counted) in survival.steps.iter_mut().enumerate() {
            *counted = SurvivalStep {
                at_risk: counts[place_of(FollowedCount::AtRisk(step))],
                repeats: counts[place_of(FollowedCount::Repeats(step))],
            };
        }
        Some(Box::new(survival))
    }

    /// All counts by their place.
    fn counts(&self) -> [i64; COUNTS] {
        match self {
            Self::Nobody => [0; COUNTS],
            Self::Few(counts) => counts.map(i64::from),
            Self::Many(counts) => **counts,
        }
    }

    /// Brings what counting new first contacts will look at into the cache.
    #[inline]
    pub(super) fn fetch_first(&self) {
        match self {
            Self::Nobody => {}
            Self::Few(counts) => {
                black_box(counts[place_of(FollowedCount::First)]);
            }
            Self::Many(counts) => {
                black_box(counts[place_of(FollowedCount::First)]);
            }
        }
    }

    /// The same for first contacts that any step may count.
    #[inline]
    pub(super) fn fetch(&self) {
        const A_LINE: usize = 64 / size_of::<i64>();
        match self {
            Self::Nobody => {}
            Self::Few(counts) => {
                black_box(counts[0] ^ counts[COUNTS - 1]);
            }
            Self::Many(counts) => {
                let lines = counts.iter().step_by(A_LINE);
                black_box(lines.fold(0, |all, count| all ^ count));
            }
        }
    }
}

/// The place of a count: what one step counts stands together.
#[inline]
fn place_of(counted: FollowedCount) -> usize {
    match counted {
        FollowedCount::First => 0,
        FollowedCount::FailedAtOnce => 1,
        FollowedCount::AtRisk(step) => 2 + 2 * step,
        FollowedCount::Repeats(step) => 3 + 2 * step,
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::first_rows::{Fate, FirstRow};
    use super::super::routes::RouteId;
    use super::*;

    fn contacts(fate: Fate, count: i32) -> FirstContacts {
        FirstContacts::of(FirstRow {
            route: RouteId(0),
            fate,
            count,
        })
    }

    proptest! {
        /// As counts that are wide from the start.
        #[test]
        fn few_are_counted_as_many(changes in vec((0_u8..30, -3_i32..200, 0_u32..1 << 28), 1..9)) {
            let mut followed = Followed::default();
            let mut wide = Followed::Many(Box::new([0; COUNTS]));
            prop_assert_eq!(followed.survival(), None);
            for (fate, count, at_risk) in changes {
                let contacts = contacts(Fate::from_number(fate).unwrap(), count);
                let parts = Parts { followed: true, at_risk, ..Parts::NONE };
                followed.count(&contacts, parts, 1);
                wide.count(&contacts, parts, 1);
                prop_assert_eq!(followed.survival(), wide.survival());
                let mut change = Followed::default();
                change.count(&contacts, parts, -1);
                followed.add(&change);
                wide.add(&change);
                prop_assert_eq!(followed.survival(), wide.survival());
            }
        }
    }

    #[test]
    fn what_is_too_much_for_a_byte_is_counted() {
        let parts = Parts {
            followed: true,
            at_risk: 1,
            ..Parts::NONE
        };
        let mut followed = Followed::default();
        followed.count(&contacts(Fate::Resolved, 255), parts, 1);
        assert!(matches!(followed, Followed::Few(_)));
        followed.count(&contacts(Fate::Repeated(0), 2), parts, 1);
        assert!(matches!(followed, Followed::Many(_)));
        let survival = followed.survival().unwrap();
        assert_eq!((survival.first, survival.failed_at_once), (257, 0));
        let (at_risk, repeats) = (257, 2);
        assert_eq!(survival.steps[0], SurvivalStep { at_risk, repeats });
        let mut taken_back = Followed::default();
        taken_back.count(&contacts(Fate::Failed, 1), parts, -1);
        taken_back.count(&contacts(Fate::Failed, 1), parts, 1);
        assert_eq!(taken_back.survival(), Some(Box::default()));
    }
}
