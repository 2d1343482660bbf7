//! What an evaluation answers with: an alert instance that changed its phase.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The phase of an alert instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing wrong.
    Inactive,
    /// The condition is true, not yet for long enough.
    Pending,
    /// It fires.
    Firing,
}

impl Phase {
    /// The name in output: `inactive`, `pending`, `firing`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }

    /// The value of `cx_alert_state`: 0, 1, 2.
    pub fn number(self) -> u8 {
        match self {
            Self::Inactive => 0,
            Self::Pending => 1,
            Self::Firing => 2,
        }
    }
}

/// Why an instance changed its phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The value is past its threshold.
    Threshold,
    /// The value moved away from its baseline.
    Baseline,
    /// The error budget burns too fast.
    BurnRate,
    /// No sample arrived for the configured time.
    NoData,
    /// The condition ended.
    Cleared,
    /// The data did not suffice for `insufficient_for`.
    Insufficient,
    /// The key left the state after `key_ttl` without a record.
    KeyExpired,
    /// A rule of that name exists no more.
    RuleRemoved,
    /// The rule says something else now and starts anew.
    RuleChanged,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 9] = [
        Self::Threshold,
        Self::Baseline,
        Self::BurnRate,
        Self::NoData,
        Self::Cleared,
        Self::Insufficient,
        Self::KeyExpired,
        Self::RuleRemoved,
        Self::RuleChanged,
    ];

    /// The name in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Threshold => "threshold",
            Self::Baseline => "baseline",
            Self::BurnRate => "burn_rate",
            Self::NoData => "no_data",
            Self::Cleared => "cleared",
            Self::Insufficient => "insufficient",
            Self::KeyExpired => "key_expired",
            Self::RuleRemoved => "rule_removed",
            Self::RuleChanged => "rule_changed",
        }
    }
}

/// One alert instance changed its phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// The evaluation instant.
    #[serde(with = "millis")]
    pub at: Timestamp,
    /// Name of the rule.
    pub alert: String,
    /// Dimension and value, in the order of the breakdown; empty for overall.
    pub key: Vec<(String, String)>,
    /// Value of the `severity` label.
    pub severity: String,
    /// The rule's further labels.
    pub labels: BTreeMap<String, String>,
    /// The rule's annotations, rendered.
    pub annotations: BTreeMap<String, String>,
    /// The phase before.
    pub from: Phase,
    /// The phase from now on.
    pub to: Phase,
    /// Value of the KPI; `None` without samples.
    pub value: Option<f64>,
    /// Samples behind the value.
    pub samples: u64,
    /// What the value is compared with: in the KPI's unit, for `no_data` the seconds of silence
    /// asked for. `None` when it cannot be told, such as without a baseline.
    pub threshold: Option<f64>,
    /// The window judged; of a burn-rate rule the long window of the pair.
    pub window: String,
    /// Why.
    pub reason: Reason,
    /// When the condition became true; kept over a restart. It identifies an episode of an alert.
    #[serde(with = "millis")]
    pub active_since: Timestamp,
}

impl Transition {
    /// The alert begins or ceases to fire: what receivers are told.
    pub fn is_notable(&self) -> bool {
        self.to == Phase::Firing || self.from == Phase::Firing
    }

    /// The line of `cxpulse replay --alerts` (CONTRACT section 6), without a line feed.
    pub fn to_json_line(&self) -> String {
        let key: serde_json::Map<String, serde_json::Value> = self
            .key
            .iter()
            .map(|(dimension, value)| (dimension.clone(), value.as_str().into()))
            .collect();
        let line = Line {
            at: self.at.to_string(),
            alert: &self.alert,
            key,
            severity: &self.severity,
            from: self.from.name(),
            to: self.to.name(),
            value: self.value,
            samples: self.samples,
            threshold: self.threshold,
            window: &self.window,
            reason: self.reason.name(),
        };
        // Strings and finite or absent numbers alone: there is nothing that could fail.
        serde_json::to_string(&line).unwrap_or_default()
    }
}

/// The members of a line, in the order of output.
#[derive(Serialize)]
struct Line<'a> {
    at: String,
    alert: &'a str,
    key: serde_json::Map<String, serde_json::Value>,
    severity: &'a str,
    from: &'a str,
    to: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    samples: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f64>,
    window: &'a str,
    reason: &'a str,
}

/// Moments as milliseconds since the epoch in saved state.
pub(super) mod millis {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::time::Timestamp;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "asked for by serde")]
    pub(in crate::alert) fn serialize<S: Serializer>(
        moment: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(moment.as_millis())
    }

    pub(in crate::alert) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        i64::deserialize(deserializer).map(Timestamp::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transition() -> Transition {
        Transition {
            at: Timestamp::from_millis(1_700_000_000_000),
            alert: "LowCsat".into(),
            key: vec![("queue".into(), "a \"b\"".into())],
            severity: "page".into(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            from: Phase::Pending,
            to: Phase::Firing,
            value: Some(0.5),
            samples: 40,
            threshold: Some(0.7),
            window: "1h".into(),
            reason: Reason::Threshold,
            active_since: Timestamp::from_millis(1_699_999_000_000),
        }
    }

    #[test]
    fn the_line_of_a_replay() {
        assert_eq!(
            transition().to_json_line(),
            r#"{"at":"2023-11-14T22:13:20.000Z","alert":"LowCsat","key":{"queue":"a \"b\""},"severity":"page","from":"pending","to":"firing","value":0.5,"samples":40,"threshold":0.7,"window":"1h","reason":"threshold"}"#
        );
    }

    #[test]
    fn names_are_those_of_saved_state() {
        for reason in Reason::ALL {
            let saved = serde_json::to_string(&reason).unwrap();
            assert_eq!(saved, format!("\"{}\"", reason.name()));
        }
        for phase in [Phase::Inactive, Phase::Pending, Phase::Firing] {
            let saved = serde_json::to_string(&phase).unwrap();
            assert_eq!(saved, format!("\"{}\"", phase.name()));
        }
    }
}
