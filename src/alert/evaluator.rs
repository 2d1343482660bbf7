//! The evaluator: all rules over one view after the other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::instance::Now;
use super::saved::{SavedRule, State};
use super::snapshot::Snapshot;
use super::template::{self, TemplateError};
use super::track::Track;
use super::{Phase, Reason, Rule, Settings, Transition};
use crate::engine::View;
use crate::time::Timestamp;

/// How long what ended is remembered, so that a crash between saving and sending does not lose the
/// resolve. Longer than sinks re-send it.
const REMEMBER_ENDED_MS: i64 = 15 * 60 * 1000;
/// Most ended alerts remembered; beyond it the oldest go.
const MAX_ENDED: usize = 10_000;

/// The states of all alerts.
#[derive(Clone, Debug)]
pub struct Evaluator {
    key_ttl: Duration,
    tracks: Vec<Track>,
    /// The last evaluation.
    last_at: Option<Timestamp>,
    /// Time that counted: how long evaluations have gone on, without the time that was frozen.
    counted_ms: i64,
    /// Alerts that ceased to fire of late, oldest first.
    ended: VecDeque<Transition>,
    /// Which windows history filled at the last evaluation, without and with the horizon.
    filled: Vec<(bool, bool)>,
}

impl Evaluator {
    /// An evaluator of these rules, all inactive. `key_ttl` is how long the engine keeps a key
    /// without records (`breakdown.key_ttl`); alerts of keys that are gone end after it too.
    ///
    /// # Errors
    ///
    /// When an annotation is not a valid template; the configuration has checked that before.
    pub fn new(settings: &Settings, key_ttl: Duration) -> Result<Self, TemplateError> {
        for rule in &settings.rules {
            check_templates(rule)?;
        }
        Ok(Self {
            key_ttl,
            tracks: settings.rules.iter().flat_map(Track::of).collect(),
            last_at: None,
            counted_ms: 0,
            ended: VecDeque::new(),
            filled: Vec::new(),
        })
    }

    /// Judges every rule at every key of the view, which must be the one at exactly `at`, a multiple
    /// of `alerts.interval`. Transitions come in the order of the rules, then of the keys.
    ///
    /// With `behind` the states are frozen: nothing changes, and the time since the evaluation
    /// before does not count for any duration. An `at` that is not after the one before (a clock
    /// set back) is judged, with no time passed.
    pub fn evaluate(&mut self, view: &View, at: Timestamp, behind: bool) -> Vec<Transition> {
        let elapsed_ms = self.last_at.map_or(0, |last| at.millis_since(last).max(0));
        self.last_at = Some(at);
        if behind {
            return Vec::new();
        }
        self.counted_ms += elapsed_ms;
        let now = Now {
            at,
            counted_ms: self.counted_ms,
        };
        let windows = view.windows.iter();
        let filled: Vec<(bool, bool)> = windows
            .map(|window| (window.complete, window.complete_for_fcr))
            .collect();
        let anew = filled != self.filled;
        self.filled = filled;
        let mut transitions = Vec::new();
        for track in &mut self.tracks {
            track.evaluate(view, now, self.key_ttl, anew, &mut transitions);
        }
        self.remember(&transitions, at);
        transitions
    }

    /// Takes over changed settings (SIGHUP). Unchanged rules keep their state, also when only their
    /// annotations differ; the alerts of removed and changed ones end.
    ///
    /// # Errors
    ///
    /// When an annotation is not a valid template; nothing has changed then.
    pub fn reload(
        &mut self,
        settings: &Settings,
        at: Timestamp,
    ) -> Result<Vec<Transition>, TemplateError> {
        let mut next = Self::new(settings, self.key_ttl)?;
        let mut transitions = Vec::new();
        for mut track in std::mem::take(&mut self.tracks) {
            let heir = next.heir(&track.rule.name, &track.severity, track.definition);
            match heir {
                Ok(heir) => heir.instances = track.instances,
                Err(reason) => track.end_all(reason, at, &mut transitions),
            }
        }
        self.tracks = next.tracks;
        self.remember(&transitions, at);
        Ok(transitions)
    }

    /// Continues a saved state, before the first evaluation. Answers with the ends of alerts whose
    /// rules were removed or changed since.
    pub fn restore(&mut self, state: State, at: Timestamp) -> Vec<Transition> {
        let mut transitions = Vec::new();
        self.last_at = state.at_ms.map(Timestamp::from_millis);
        self.counted_ms = state.counted_ms;
        self.ended = state.ended.into();
        for saved in state.rules {
            match self.heir(&saved.alert, &saved.severity, saved.definition) {
                Ok(heir) => {
                    for instance in saved.instances {
                        let key = instance.key.iter().map(|value| Arc::from(value.as_str()));
                        heir.instances
                            .insert(key.collect(), instance.into_instance());
                    }
                }
                Err(reason) => transitions.extend(saved.into_ends(reason, at)),
            }
        }
        self.remember(&transitions, at);
        transitions
    }

    /// What must survive a restart. To be saved after each answer with transitions, before they are
    /// sent, and now and then besides, so that little counted time is lost.
    pub fn state(&self) -> State {
        State {
            version: State::VERSION,
            at_ms: self.last_at.map(Timestamp::as_millis),
            counted_ms: self.counted_ms,
            rules: self.tracks.iter().filter_map(SavedRule::of).collect(),
            ended: self.ended.iter().cloned().collect(),
        }
    }

    /// What receivers should know after a restart, whether or not they were told before: the alerts
    /// that fire, as they were told then, and those that ended in the last quarter of an hour.
    pub fn announce(&self) -> Vec<Transition> {
        let firing = self
            .tracks
            .iter()
            .flat_map(|track| track.instances.values())
            .filter_map(|instance| instance.fired.as_deref().cloned());
        self.ended.iter().cloned().chain(firing).collect()
    }

    /// The states as metrics and API show them.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(self.last_at, &self.tracks)
    }

    /// Where the state of a rule continues, or why nowhere.
    fn heir(&mut self, alert: &str, severity: &str, definition: u64) -> Result<&mut Track, Reason> {
        let is_known = self.tracks.iter().any(|track| track.rule.name == alert);
        self.tracks
            .iter_mut()
            .find(|track| track.continues(alert, severity, definition))
            .ok_or(if is_known {
                Reason::RuleChanged
            } else {
                Reason::RuleRemoved
            })
    }

    fn remember(&mut self, transitions: &[Transition], at: Timestamp) {
        let ended = transitions
            .iter()
            .filter(|transition| transition.from == Phase::Firing);
        self.ended.extend(ended.cloned());
        let excess = self.ended.len().saturating_sub(MAX_ENDED);
        self.ended.drain(..excess);
        self.ended
            .retain(|transition| at.millis_since(transition.at) < REMEMBER_ENDED_MS);
    }
}

fn check_templates(rule: &Rule) -> Result<(), TemplateError> {
    for source in rule.annotations.values() {
        template::check(source, &rule.breakdown)?;
    }
    Ok(())
}
