//! First contact resolution: `fcr` and `fcr_mature`. Which contact is a first one and which is
//! resolved is the business of the engine's contact chains; here they are only counted.

use super::cell::Shares;
use super::{Count, Totals};

/// Resolved first contacts / first contacts, a first contact without a repeat so far counting as
/// resolved. Under `fcr.method = "flag"`: resolved and not transferred / handled inbound with
/// `resolved` known.
pub(super) fn so_far(totals: &Totals) -> Shares {
    Shares {
        numerator: totals.get(Count::FcrResolved),
        denominator: totals.get(Count::FcrFirst),
    }
}

/// First contacts of a mature cohort: booked in `[T' - W, T')` with T' one horizon ago, so that all
/// have been followed for the whole horizon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MatureTotals {
    /// First contacts.
    pub first: i64,
    /// Resolved ones.
    pub resolved: i64,
}

impl MatureTotals {
    /// Adds other first contacts `sign` times; 1 gives, -1 takes back.
    pub(crate) fn add(&mut self, other: Self, sign: i64) {
        self.first += sign * other.first;
        self.resolved += sign * other.resolved;
    }

    pub(super) fn shares(self) -> Shares {
        Shares {
            numerator: self.resolved,
            denominator: self.first,
        }
    }
}
