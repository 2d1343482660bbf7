//! What a back-test says of the rules: how often each fired and for how long, and, where the
//! incidents of the time are known, how many of its pages were right, how many incidents it found
//! and how late.

mod incident;
mod summary;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::track::Track;
use super::{Phase, Rule, Settings, Transition};
use crate::time::Timestamp;

pub use incident::Incident;
pub use summary::{Delay, FLAP_WITHIN_MS, RuleSummary, Score, Summary};

/// Gathers the transitions of a back-test.
#[derive(Clone, Debug)]
pub struct Tally {
    rows: Vec<Row>,
}

/// One rule and severity.
#[derive(Clone, Debug)]
struct Row {
    rule: Rule,
    severity: String,
    /// Since when the keys fire that do.
    firing: BTreeMap<Key, Timestamp>,
    episodes: Vec<Episode>,
}

/// Dimension and value, in the order of the breakdown.
type Key = Vec<(String, String)>;

/// One time an alert fired at one key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Episode {
    key: Key,
    from: Timestamp,
    /// When it ended; for one that went on, the end of the back-test.
    to: Timestamp,
    has_ended: bool,
}

impl Tally {
    /// A tally of these rules that have not fired yet.
    pub fn new(settings: &Settings) -> Self {
        let tracks = settings.rules.iter().flat_map(Track::of);
        let rows = tracks
            .map(|track| Row {
                rule: track.rule,
                severity: track.severity,
                firing: BTreeMap::new(),
                episodes: Vec::new(),
            })
            .collect();
        Self { rows }
    }

    /// Takes a transition down; they come in order.
    pub fn record(&mut self, transition: &Transition) {
        let row = self
            .rows
            .iter_mut()
            .find(|row| row.rule.name == transition.alert && row.severity == transition.severity);
        let Some(row) = row else {
            return;
        };
        if transition.to == Phase::Firing {
            row.firing.insert(transition.key.clone(), transition.at);
        } else if let Some(from) = row.firing.remove(&transition.key) {
            row.episodes.push(Episode {
                key: transition.key.clone(),
                from,
                to: transition.at,
                has_ended: true,
            });
        }
    }

    /// Sums up what went on between the first and the last evaluation. `incidents` is `None` when
    /// nothing is known of them.
    pub fn finish(
        mut self,
        from: Timestamp,
        to: Timestamp,
        incidents: Option<&[Incident]>,
    ) -> Summary {
        for row in &mut self.rows {
            let open = std::mem::take(&mut row.firing);
            row.episodes
                .extend(open.into_iter().map(|(key, since)| Episode {
                    key,
                    from: since,
                    to,
                    has_ended: false,
                }));
            row.episodes
                .sort_by(|left, right| (left.from, &left.key).cmp(&(right.from, &right.key)));
        }
        Summary::of(&self.rows, from, to, incidents)
    }
}
