//! The alert states as they are saved: JSON with a version. Only instances that are pending or
//! firing are in it; the others begin anew without anybody noticing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::condition::Figures;
use super::instance::{Instance, InstanceState};
use super::track::Track;
use super::{Phase, Reason, Transition};
use crate::time::Timestamp;

/// Why a saved state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Not what was written.
    #[error("saved alert state is damaged")]
    Damaged(#[source] serde_json::Error),
    /// Written by another version.
    #[error(
        "saved alert state has version {found}, this build reads {}",
        State::VERSION
    )]
    Version {
        /// The version found.
        found: u32,
    },
}

/// What must survive a restart; made by [`super::Evaluator::state`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub(super) version: u32,
    /// The last evaluation, milliseconds since the epoch.
    pub(super) at_ms: Option<i64>,
    pub(super) counted_ms: i64,
    pub(super) rules: Vec<SavedRule>,
    /// Alerts that ceased to fire of late.
    pub(super) ended: Vec<Transition>,
}

impl State {
    /// The version of the format.
    pub const VERSION: u32 = 1;

    /// The state as text for a file.
    ///
    /// # Errors
    ///
    /// None that can happen: everything in it has a form in JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, StateError> {
        serde_json::to_vec(self).map_err(StateError::Damaged)
    }

    /// The state from the text of a file.
    ///
    /// # Errors
    ///
    /// When the text is damaged or of another version.
    pub fn from_json(text: &[u8]) -> Result<Self, StateError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } = serde_json::from_slice(text).map_err(StateError::Damaged)?;
        if version != Self::VERSION {
            return Err(StateError::Version { found: version });
        }
        serde_json::from_slice(text).map_err(StateError::Damaged)
    }
}

/// The instances of one rule and severity that are not inactive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SavedRule {
    pub(super) alert: String,
    pub(super) severity: String,
    pub(super) definition: u64,
    labels: BTreeMap<String, String>,
    breakdown: Vec<String>,
    pub(super) instances: Vec<SavedInstance>,
}

impl SavedRule {
    /// `None` where every instance is inactive.
    pub(super) fn of(track: &Track) -> Option<Self> {
        let instances: Vec<SavedInstance> = track
            .instances
            .iter()
            .filter_map(|(key, instance)| SavedInstance::of(key, instance))
            .collect();
        (!instances.is_empty()).then(|| Self {
            alert: track.rule.name.clone(),
            severity: track.severity.clone(),
            definition: track.definition,
            labels: track.rule.labels.clone(),
            breakdown: track.rule.breakdown.clone(),
            instances,
        })
    }

    /// The ends of all its alerts.
    pub(super) fn into_ends(
        self,
        reason: Reason,
        at: Timestamp,
    ) -> impl Iterator<Item = Transition> {
        let Self {
            alert,
            severity,
            definition: _,
            labels,
            breakdown,
            instances,
        } = self;
        instances.into_iter().map(move |saved| {
            let instance = saved.clone().into_instance();
            let key = breakdown.iter().cloned().zip(saved.key);
            Transition {
                at,
                alert: alert.clone(),
                key: key.collect(),
                severity: severity.clone(),
                labels: labels.clone(),
                annotations: saved
                    .fired
                    .map(|fired| fired.annotations)
                    .unwrap_or_default(),
                from: instance.phase(),
                to: Phase::Inactive,
                value: saved.value,
                samples: saved.samples,
                threshold: saved.threshold,
                window: saved.window,
                reason,
                active_since: instance.active_since().unwrap_or(at),
            }
        })
    }
}

/// One instance that is pending or firing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SavedInstance {
    pub(super) key: Vec<String>,
    phase: SavedPhase,
    insufficient_since_ms: Option<i64>,
    last_live_ms: i64,
    last_seen_ms: i64,
    value: Option<f64>,
    samples: u64,
    threshold: Option<f64>,
    window: String,
    fired: Option<Box<Transition>>,
}

/// Phase and moments of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SavedPhase {
    Pending {
        active_since_ms: i64,
        since_ms: i64,
    },
    Firing {
        active_since_ms: i64,
        ended_ms: Option<i64>,
    },
}

impl SavedInstance {
    fn of(key: &[Arc<str>], instance: &Instance) -> Option<Self> {
        let phase = match instance.state {
            InstanceState::Inactive => return None,
            InstanceState::Pending {
                active_since,
                since_ms,
            } => SavedPhase::Pending {
                active_since_ms: active_since.as_millis(),
                since_ms,
            },
            InstanceState::Firing {
                active_since,
                ended_ms,
            } => SavedPhase::Firing {
                active_since_ms: active_since.as_millis(),
                ended_ms,
            },
        };
        Some(Self {
            key: key.iter().map(|value| value.as_ref().to_owned()).collect(),
            phase,
            insufficient_since_ms: instance.insufficient_since_ms,
            last_live_ms: instance.last_live.as_millis(),
            last_seen_ms: instance.last_seen.as_millis(),
            value: instance.figures.value,
            samples: instance.figures.samples,
            threshold: instance.figures.threshold,
            window: instance.figures.window.as_ref().to_owned(),
            fired: instance.fired.clone(),
        })
    }

    pub(super) fn into_instance(self) -> Instance {
        let state = match self.phase {
            SavedPhase::Pending {
                active_since_ms,
                since_ms,
            } => InstanceState::Pending {
                active_since: Timestamp::from_millis(active_since_ms),
                since_ms,
            },
            SavedPhase::Firing {
                active_since_ms,
                ended_ms,
            } => InstanceState::Firing {
                active_since: Timestamp::from_millis(active_since_ms),
                ended_ms,
            },
        };
        Instance {
            state,
            insufficient_since_ms: self.insufficient_since_ms,
            figures: Figures {
                value: self.value,
                samples: self.samples,
                threshold: self.threshold,
                window: Arc::from(self.window.as_str()),
            },
            last_live: Timestamp::from_millis(self.last_live_ms),
            last_seen: Timestamp::from_millis(self.last_seen_ms),
            fired: self.fired,
            settled: None,
        }
    }
}
