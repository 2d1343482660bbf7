//! A rule at work: its instances by key. A burn-rate rule works as two, one of each severity.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::burn::{self, Pair, Urgency};
use super::condition::{judge, judge_absent};
use super::definition::definition;
use super::instance::{Instance, Now, Step};
use super::observation::Place;
use super::template::{self, Values};
use super::{
    Condition, DEFAULT_SEVERITY, PAGE_SEVERITY, Phase, Reason, Rule, TICKET_SEVERITY, Transition,
};
use crate::engine::{KeyView, View};
use crate::time::{Timestamp, millis_of};

/// The values of a key's dimensions.
pub(super) type KeyValues = Arc<[Arc<str>]>;

/// A rule with its instances.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub(super) rule: Rule,
    pub(super) severity: String,
    /// Of a burn-rate rule: the pairs of this severity.
    pub(super) pairs: Vec<Pair>,
    /// See [`definition`].
    pub(super) definition: u64,
    /// The rule's window, shared with the figures.
    window: Arc<str>,
    /// One for each key that the view has, and those still pending or firing without one. Bounded
    /// by the keys of the breakdown.
    pub(super) instances: BTreeMap<KeyValues, Instance>,
}

impl Track {
    /// The tracks of a rule, most urgent first.
    pub(super) fn of(rule: &Rule) -> Vec<Self> {
        let Condition::Burn(objective) = &rule.condition else {
            return vec![Self::new(rule, rule.severity.clone(), Vec::new())];
        };
        let mut tracks: Vec<Self> = Vec::new();
        for pair in burn::pairs(objective) {
            let severity = severity_of(rule, pair.urgency);
            match tracks.iter_mut().find(|track| track.severity == severity) {
                Some(track) => track.pairs.push(pair),
                None => tracks.push(Self::new(rule, severity.to_owned(), vec![pair])),
            }
        }
        tracks
    }

    fn new(rule: &Rule, severity: String, pairs: Vec<Pair>) -> Self {
        Self {
            rule: rule.clone(),
            severity,
            pairs,
            definition: definition(rule),
            window: Arc::from(rule.window.as_str()),
            instances: BTreeMap::new(),
        }
    }

    /// Whether the state of that rule continues here.
    pub(super) fn continues(&self, alert: &str, severity: &str, definition: u64) -> bool {
        self.rule.name == alert && self.severity == severity && self.definition == definition
    }

    /// Judges every key, those in the view first. Keys that are settled are passed over, unless
    /// `anew` says that windows were filled or fell short since.
    pub(super) fn evaluate(
        &mut self,
        view: &View,
        now: Now,
        key_ttl: Duration,
        anew: bool,
        transitions: &mut Vec<Transition>,
    ) {
        let breakdown = view
            .breakdowns
            .iter()
            .position(|breakdown| *breakdown.dimensions == *self.rule.breakdown);
        if let Some(breakdown) = breakdown {
            for key in self.unsettled(&view.breakdowns[breakdown].keys, now, anew) {
                let place = Place {
                    view,
                    breakdown,
                    key,
                };
                self.evaluate_key(place, now, transitions);
            }
        }
        self.evaluate_absent(now, key_ttl, transitions);
    }

    /// The places of the keys that are to be judged; the others are noted as seen.
    fn unsettled(&mut self, keys: &[Arc<KeyView>], now: Now, anew: bool) -> Vec<usize> {
        let mut unsettled = Vec::new();
        // Both are ordered by the values.
        let mut known = self.instances.iter_mut().peekable();
        for (place, key) in keys.iter().enumerate() {
            while known
                .next_if(|(values, _)| is_before(values, &key.values))
                .is_some()
            {}
            match known.next_if(|(values, _)| is_same(values, &key.values)) {
                Some((_, instance)) if !anew && instance.settled == Some(key.revision) => {
                    instance.see(key.live, now.at);
                }
                Some(_) | None => unsettled.push(place),
            }
        }
        unsettled
    }

    fn evaluate_key(&mut self, place: Place<'_>, now: Now, transitions: &mut Vec<Transition>) {
        let key = &place.view.breakdowns[place.breakdown].keys[place.key];
        if !selects(&self.rule, &key.values) {
            return;
        }
        let Self {
            rule,
            pairs,
            window,
            instances,
            ..
        } = self;
        if !instances.contains_key(&key.values) {
            let figures = judge_absent(rule, window).figures;
            instances.insert(Arc::clone(&key.values), Instance::new(figures, now.at));
        }
        let Some(instance) = instances.get_mut(&key.values) else {
            return;
        };
        instance.see(key.live, now.at);
        let firing = instance.phase() == Phase::Firing;
        let judgement = judge(rule, pairs, place, firing);
        let verdict = judgement.verdict;
        let step = instance.step(judgement, rule, now);
        let is_told = key.revision > 0;
        instance.settled = (is_told && instance.is_settled(verdict)).then_some(key.revision);
        if let Some(step) = step {
            self.tell(&key.values, step, now.at, transitions);
        }
    }

    /// Keys that the view has no more have no samples. Inactive ones are forgotten.
    fn evaluate_absent(&mut self, now: Now, key_ttl: Duration, transitions: &mut Vec<Transition>) {
        let key_ttl_ms = millis_of(key_ttl);
        let mut steps = Vec::new();
        for (key, instance) in &mut self.instances {
            if instance.last_seen == now.at {
                continue;
            }
            instance.settled = None;
            let step = if now.at.millis_since(instance.last_live) >= key_ttl_ms {
                instance.end(Reason::KeyExpired)
            } else {
                instance.step(judge_absent(&self.rule, &self.window), &self.rule, now)
            };
            steps.extend(step.map(|step| (Arc::clone(key), step)));
        }
        for (key, step) in steps {
            self.tell(&key, step, now.at, transitions);
        }
        self.instances.retain(|_, instance| {
            instance.last_seen == now.at || instance.phase() != Phase::Inactive
        });
    }

    /// Ends every instance, since the rule is no more.
    pub(super) fn end_all(
        &mut self,
        reason: Reason,
        at: Timestamp,
        transitions: &mut Vec<Transition>,
    ) {
        let keys: Vec<KeyValues> = self.instances.keys().map(Arc::clone).collect();
        for key in keys {
            let step = self
                .instances
                .get_mut(&key)
                .and_then(|instance| instance.end(reason));
            if let Some(step) = step {
                self.tell(&key, step, at, transitions);
            }
        }
        self.instances.clear();
    }

    /// Puts a step into words, and remembers what was told when it began to fire.
    fn tell(
        &mut self,
        key: &KeyValues,
        step: Step,
        at: Timestamp,
        transitions: &mut Vec<Transition>,
    ) {
        let Some(instance) = self.instances.get_mut(key) else {
            return;
        };
        let figures = &instance.figures;
        let dimensions = dimensions_of(&self.rule, key);
        let values = Values {
            value: figures.value,
            threshold: figures.threshold,
            samples: figures.samples,
            window: &figures.window,
            key: &dimensions,
        };
        let transition = Transition {
            at,
            alert: self.rule.name.clone(),
            severity: self.severity.clone(),
            labels: self.rule.labels.clone(),
            annotations: template::render_all(&self.rule.annotations, &values),
            from: step.from,
            to: step.to,
            value: figures.value,
            samples: figures.samples,
            threshold: figures.threshold,
            window: figures.window.as_ref().to_owned(),
            reason: step.reason,
            active_since: step.active_since,
            key: dimensions,
        };
        instance.fired = (step.to == Phase::Firing).then(|| Box::new(transition.clone()));
        transitions.push(transition);
    }
}

fn is_same(left: &KeyValues, right: &KeyValues) -> bool {
    Arc::ptr_eq(left, right) || left == right
}

fn is_before(left: &KeyValues, right: &KeyValues) -> bool {
    !Arc::ptr_eq(left, right) && left < right
}

fn severity_of(rule: &Rule, urgency: Urgency) -> &str {
    match urgency {
        Urgency::Page if rule.severity == DEFAULT_SEVERITY => PAGE_SEVERITY,
        Urgency::Page => &rule.severity,
        Urgency::Ticket => TICKET_SEVERITY,
    }
}

/// The key has one of the wanted values in every dimension that `where` names.
fn selects(rule: &Rule, values: &[Arc<str>]) -> bool {
    rule.only.iter().all(|(dimension, wanted)| {
        rule.breakdown
            .iter()
            .position(|name| name == dimension)
            .and_then(|index| values.get(index))
            .is_some_and(|value| wanted.iter().any(|one| **one == **value))
    })
}

/// Dimension and value of a key, in the order of the breakdown.
pub(super) fn dimensions_of(rule: &Rule, key: &[Arc<str>]) -> Vec<(String, String)> {
    rule.breakdown
        .iter()
        .zip(key)
        .map(|(dimension, value)| (dimension.clone(), value.as_ref().to_owned()))
        .collect()
}
