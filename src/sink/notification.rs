//! What receivers are told: an alert begins or ceases to fire.

use std::collections::BTreeMap;

use crate::alert::{Phase, Transition};
use crate::time::Timestamp;

/// Whether the alert fires from now on or not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// It fires.
    Firing,
    /// It has ended.
    Resolved,
}

impl Status {
    /// The name in Alertmanager's formats: `firing`, `resolved`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// One notification, as made from a transition.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// Whether it begins or ends.
    pub status: Status,
    /// Everything known of it.
    pub transition: Transition,
}

impl Notification {
    /// The notification of a transition; `None` for one that only begins or ends to be pending.
    pub fn of(transition: &Transition) -> Option<Self> {
        let status = match (transition.from, transition.to) {
            (_, Phase::Firing) => Status::Firing,
            (Phase::Firing, Phase::Inactive | Phase::Pending) => Status::Resolved,
            (Phase::Inactive | Phase::Pending, Phase::Inactive | Phase::Pending) => return None,
        };
        Some(Self {
            status,
            transition: transition.clone(),
        })
    }

    /// The labels that identify the alert: `alertname`, `severity`, the dimensions and the rule's
    /// own. Names are made into label names and empty values left out, as Alertmanager answers 400
    /// to the ones and forgets the others.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let transition = &self.transition;
        let own = transition.labels.iter();
        let dimensions = transition.key.iter().map(|(name, value)| (name, value));
        let mut labels: BTreeMap<String, String> = own
            .chain(dimensions)
            .map(|(name, value)| (label_name(name), value.clone()))
            .collect();
        labels.insert("alertname".into(), transition.alert.clone());
        labels.insert("severity".into(), transition.severity.clone());
        labels.retain(|_, value| !value.is_empty());
        labels
    }

    /// The annotations, with names made into label names.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        self.transition
            .annotations
            .iter()
            .map(|(name, text)| (label_name(name), text.clone()))
            .collect()
    }

    /// When it began.
    pub fn starts_at(&self) -> Timestamp {
        // A clock set back in between must not make it end before it began.
        self.transition.active_since.min(self.transition.at)
    }

    /// When it ended; `None` while it fires.
    pub fn ends_at(&self) -> Option<Timestamp> {
        (self.status == Status::Resolved).then_some(self.transition.at)
    }

    /// A number for this notification, the same however often it is sent and after a restart: of
    /// labels, begin and status.
    pub fn id(&self) -> u64 {
        let parts = (
            self.labels(),
            self.starts_at().as_millis(),
            self.status.name(),
        );
        let text = serde_json::json!(parts).to_string();
        xxhash_rust::xxh64::xxh64(text.as_bytes(), 0)
    }
}

/// Alertmanager's fingerprint of a label set: FNV-1a, 64 bits, over names and values in order, each
/// followed by the byte 255.
pub(super) fn fingerprint(labels: &BTreeMap<String, String>) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let mut hash = OFFSET;
    for (name, value) in labels {
        let bytes = name.bytes().chain([255]).chain(value.bytes()).chain([255]);
        for byte in bytes {
            hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
        }
    }
    hash
}

/// The name with what no label name may hold replaced by underscores.
fn label_name(name: &str) -> String {
    let mut label: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    if label.starts_with(|c: char| c.is_ascii_digit()) || label.is_empty() {
        label.insert(0, '_');
    }
    label
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::alert::Reason;

    /// A queue's alert that began to fire, or ended.
    pub(in crate::sink) fn transition(queue: &str, status: Status) -> Transition {
        let (from, to) = match status {
            Status::Firing => (Phase::Pending, Phase::Firing),
            Status::Resolved => (Phase::Firing, Phase::Inactive),
        };
        Transition {
            at: Timestamp::from_millis(1_700_000_100_000),
            alert: "LowCsat".into(),
            key: vec![("queue".into(), queue.into())],
            severity: "page".into(),
            labels: BTreeMap::from([("team".into(), "care".into())]),
            annotations: BTreeMap::from([("summary".into(), "low".into())]),
            from,
            to,
            value: Some(0.5),
            samples: 40,
            threshold: Some(0.7),
            window: "1h".into(),
            reason: Reason::Threshold,
            active_since: Timestamp::from_millis(1_700_000_000_000),
        }
    }

    #[test]
    fn only_firing_and_its_end_are_told() {
        let mut pending = transition("a", Status::Firing);
        pending.from = Phase::Inactive;
        pending.to = Phase::Pending;
        assert_eq!(Notification::of(&pending), None);
        for status in [Status::Firing, Status::Resolved] {
            let made = Notification::of(&transition("a", status)).unwrap();
            assert_eq!(made.status, status);
        }
    }

    #[test]
    fn labels_are_those_a_receiver_takes() {
        let mut odd = transition("", Status::Firing);
        odd.key.push(("site-code".into(), "a\"b".into()));
        odd.key.push(("1st".into(), "x".into()));
        odd.labels.insert("alertname".into(), "other".into());
        let labels = Notification::of(&odd).unwrap().labels();
        let pairs: Vec<(&str, &str)> = labels.iter().map(|(k, v)| (&**k, &**v)).collect();
        assert_eq!(
            pairs,
            [
                ("_1st", "x"),
                ("alertname", "LowCsat"),
                ("severity", "page"),
                ("site_code", "a\"b"),
                ("team", "care"),
            ]
        );
    }

    #[test]
    fn ids_tell_begin_and_end_apart_but_not_two_sendings() {
        let id = |queue, status| Notification::of(&transition(queue, status)).unwrap().id();
        assert_eq!(id("a", Status::Firing), id("a", Status::Firing));
        assert_ne!(id("a", Status::Firing), id("a", Status::Resolved));
        assert_ne!(id("a", Status::Firing), id("b", Status::Firing));
        let mut later = transition("a", Status::Firing);
        later.active_since = later.active_since.plus_millis(1);
        assert_ne!(
            Notification::of(&later).unwrap().id(),
            id("a", Status::Firing)
        );
    }

    /// As computed by `common/model` of Prometheus.
    #[test]
    fn the_fingerprint_is_alertmanagers() {
        assert_eq!(fingerprint(&BTreeMap::new()), 14_695_981_039_346_656_037);
        let labels = BTreeMap::from([
            ("first_name".to_owned(), "electro".to_owned()),
            ("occupation".to_owned(), "robot".to_owned()),
            ("manufacturer".to_owned(), "westinghouse".to_owned()),
        ]);
        assert_eq!(fingerprint(&labels), 5_911_716_720_268_894_962);
    }
}
