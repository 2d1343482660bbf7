//! The alert states as metrics and the API show them; immutable, to be shared with readers.

use serde::{Serialize, Serializer};

use super::instance::InstanceState;
use super::track::{Track, dimensions_of};
use super::{Amount, Condition, Phase};
use crate::time::Timestamp;

/// All rules with their instances at one evaluation; `/api/v1/alerts` is its JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Snapshot {
    /// The last evaluation; `None` before the first.
    #[serde(serialize_with = "moment", skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The rules in configured order; a burn-rate rule is there once for each severity.
    pub rules: Vec<RuleSnapshot>,
}

/// One rule and severity.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleSnapshot {
    /// Name of the rule.
    pub alert: String,
    /// Value of the `severity` label.
    pub severity: String,
    /// Name of the KPI.
    pub kpi: &'static str,
    /// The quantile watched, of `handle_time`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantile: Option<f64>,
    /// The window watched.
    pub window: String,
    /// The breakdown watched.
    pub breakdown: Vec<String>,
    /// The condition in words, such as `below 0.7`.
    pub condition: String,
    /// One for each key, ordered by key.
    pub instances: Vec<InstanceSnapshot>,
}

/// One instance of a rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InstanceSnapshot {
    /// Dimension and value, in the order of the breakdown.
    #[serde(serialize_with = "object")]
    pub key: Vec<(String, String)>,
    /// Where it stands.
    pub state: Phase,
    /// When the condition became true; `None` while inactive.
    #[serde(serialize_with = "moment", skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When it began to fire.
    #[serde(serialize_with = "moment", skip_serializing_if = "Option::is_none")]
    pub fired_at: Option<Timestamp>,
    /// The condition has ended and the alert is kept firing by `keep_firing_for`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub kept_firing: bool,
    /// Value of the KPI; `None` without samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Samples behind the value.
    pub samples: u64,
    /// What the value is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// The window judged.
    pub window: String,
    /// The data do not suffice to judge by.
    pub insufficient: bool,
}

/// The labels and values of one alert instance on the metrics page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series<'a> {
    /// Label `alert`.
    pub alert: &'a str,
    /// Label `severity`.
    pub severity: &'a str,
    /// Dimension and value.
    pub key: &'a [(String, String)],
    /// Value of `cx_alert_state`: 0 inactive, 1 pending, 2 firing.
    pub state: u8,
    /// Value of `cx_alert_insufficient`.
    pub insufficient: bool,
}

impl Snapshot {
    pub(super) fn of(at: Option<Timestamp>, tracks: &[Track]) -> Self {
        Self {
            at,
            rules: tracks.iter().map(rule_snapshot).collect(),
        }
    }

    /// The series of `cx_alert_state` and `cx_alert_insufficient`, in the order of the rules.
    pub fn series(&self) -> impl Iterator<Item = Series<'_>> {
        self.rules.iter().flat_map(|rule| {
            rule.instances.iter().map(|instance| Series {
                alert: &rule.alert,
                severity: &rule.severity,
                key: &instance.key,
                state: instance.state.number(),
                insufficient: instance.insufficient,
            })
        })
    }
}

fn rule_snapshot(track: &Track) -> RuleSnapshot {
    let rule = &track.rule;
    RuleSnapshot {
        alert: rule.name.clone(),
        severity: track.severity.clone(),
        kpi: rule.kpi.name(),
        quantile: rule
            .quantile_permille
            .map(|permille| f64::from(permille) / 1000.0),
        window: rule.window.clone(),
        breakdown: rule.breakdown.clone(),
        condition: in_words(&rule.condition),
        instances: track
            .instances
            .iter()
            .map(|(key, instance)| InstanceSnapshot {
                key: dimensions_of(rule, key),
                state: instance.phase(),
                since: instance.active_since(),
                fired_at: instance.fired.as_ref().map(|fired| fired.at),
                kept_firing: matches!(
                    instance.state,
                    InstanceState::Firing {
                        ended_ms: Some(_),
                        ..
                    }
                ),
                value: instance.figures.value,
                samples: instance.figures.samples,
                threshold: instance.figures.threshold,
                window: instance.figures.window.as_ref().to_owned(),
                insufficient: instance.insufficient_since_ms.is_some(),
            })
            .collect(),
    }
}

/// A condition in the words of the configuration.
pub(super) fn in_words(condition: &Condition) -> String {
    let change = |verb: &str, change: &super::Change| match change.by {
        Amount::Absolute(by) => format!("{verb} by {by} against {}", change.baseline),
        Amount::Ratio(by) => format!("{verb} by ratio {by} against {}", change.baseline),
    };
    match condition {
        Condition::Below(threshold) => format!("below {threshold}"),
        Condition::Above(threshold) => format!("above {threshold}"),
        Condition::Drops(by) => change("drops", by),
        Condition::Rises(by) => change("rises", by),
        Condition::Burn(objective) => format!("burns the budget of {}", objective.objective),
        Condition::NoData(silence) => format!("no data for {}s", silence.as_secs_f64()),
    }
}

#[expect(clippy::ref_option, reason = "asked for by serde")]
fn moment<S: Serializer>(moment: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match moment {
        Some(moment) => serializer.collect_str(moment),
        None => serializer.serialize_none(),
    }
}

fn object<S: Serializer>(key: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(key.iter().map(|(dimension, value)| (dimension, value)))
}
