//! Every event ends in exactly one of: applied, replaced, duplicate, rejected, waiting.

use serde::{Deserialize, Serialize};

use crate::event::{Kind, Reason};

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The first version of its record.
    Applied,
    /// A newer version took the place of the known one.
    Replaced,
    /// Nothing changed.
    Duplicate,
    /// At or after T; outside all state until T has passed it.
    Waiting,
    /// Not counted.
    Rejected(Reason),
}

/// The counters behind `cxpulse_events_*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Accounting {
    /// Interactions, surveys, unknown.
    pub(super) received: [u64; 3],
    pub(super) applied: u64,
    pub(super) replaced: u64,
    pub(super) duplicates: u64,
    pub(super) rejected: [u64; Reason::ALL.len()],
    pub(super) late: u64,
    pub(super) truncated_dimensions: u64,
}

impl Accounting {
    pub(super) fn received(&mut self, kind: Option<Kind>) {
        let at = match kind {
            Some(Kind::Interaction) => 0,
            Some(Kind::Survey) => 1,
            None => 2,
        };
        self.received[at] += 1;
    }

    pub(super) fn rejected(&mut self, reason: Reason) {
        for (count, other) in self.rejected.iter_mut().zip(Reason::ALL) {
            if other == reason {
                *count += 1;
            }
        }
    }
}
