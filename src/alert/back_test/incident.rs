//! An incident as people remember it: from when to when something was wrong, and where.

use super::{Episode, Key};
use crate::alert::Rule;
use crate::time::Timestamp;

/// Something was wrong from `start` to before `end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// The first moment.
    pub start: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
    /// Where: dimension and value. A value without a dimension may be that of any. Empty for
    /// everywhere.
    pub key: Vec<(Option<String>, String)>,
}

impl Incident {
    /// Whether any of it lies between the two moments.
    pub(super) fn overlaps(&self, from: Timestamp, to: Timestamp) -> bool {
        self.start < to && from < self.end
    }

    /// The alert fired at some time of the incident, where it was.
    pub(super) fn is_seen_by(&self, episode: &Episode) -> bool {
        // An episode that began at the last evaluation has no length yet.
        let to = episode.to.max(episode.from.plus_millis(1));
        self.overlaps(episode.from, to) && self.is_at(&episode.key)
    }

    /// A dimension that only one of both has is not looked at: an alert without breakdown sees
    /// incidents of every queue.
    fn is_at(&self, key: &Key) -> bool {
        self.key.iter().all(|(dimension, value)| match dimension {
            Some(dimension) => key
                .iter()
                .find(|(name, _)| name == dimension)
                .is_none_or(|(_, found)| found == value),
            None => key.is_empty() || key.iter().any(|(_, found)| found == value),
        })
    }

    /// Whether the rule looks where the incident was, as far as its `where` tells.
    pub(super) fn concerns(&self, rule: &Rule) -> bool {
        self.key.iter().all(|(dimension, value)| {
            let Some(dimension) = dimension else {
                return true;
            };
            rule.only
                .get(dimension)
                .is_none_or(|wanted| wanted.contains(value))
        })
    }
}
