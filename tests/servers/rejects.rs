//! Events that must be rejected, one way for each reason, and what their dead letters must say.

use jiff::Timestamp;
use serde_json::json;

use crate::support::nats_raw::{Message, Publish};

/// The reasons, in the order of the checks.
const REASONS: [&str; 7] = [
    "too_large",
    "invalid_json",
    "unknown_type",
    "missing_field",
    "invalid_field",
    "future",
    "too_late",
];

/// A message with one event to be rejected.
#[derive(Debug)]
pub(crate) struct Rejected {
    pub(crate) message: Publish,
    /// Why.
    pub(crate) reason: &'static str,
    /// Place of the event in its message.
    pub(crate) index: usize,
    /// The event as received.
    pub(crate) raw: String,
}

/// As many messages as wanted, going round the reasons. Half of the rejected events are alone, half
/// follow a good one in the same message. `now_ms` is near the greatest event time so far.
pub(crate) fn rejected(count: usize, now_ms: i64) -> Vec<Rejected> {
    (0..count).map(|number| one(number, now_ms)).collect()
}

fn one(number: usize, now_ms: i64) -> Rejected {
    let reason = REASONS[number % REASONS.len()];
    let raw = raw_event(reason, number, now_ms);
    let subject = "cx.interactions.voice.us".to_owned();
    if (number / REASONS.len()).is_multiple_of(2) {
        return Rejected {
            message: Publish::new(subject, raw.clone()),
            reason,
            index: 0,
            raw,
        };
    }
    let good = json!({
        "type": "interaction", "interaction_id": format!("beside-{number}"),
        "ended_at": now_ms - 60_000, "queue": "support", "customer_id": format!("b-{number}"),
    });
    Rejected {
        message: Publish::new(subject, format!("{good}\n{raw}\n")),
        reason,
        index: 1,
        raw,
    }
}

fn raw_event(reason: &str, number: usize, now_ms: i64) -> String {
    let mut event = json!({
        "type": "interaction", "interaction_id": format!("reject-{number}"),
        "ended_at": now_ms - 60_000, "queue": "support",
    });
    let iso = |at_ms| {
        Timestamp::from_millisecond(at_ms)
            .expect("a moment")
            .to_string()
    };
    match reason {
        "too_large" => event["comment"] = json!("x".repeat(262_144)),
        "invalid_json" => return format!("{{\"type\":\"interaction\",\"interaction_id\":{number}"),
        "unknown_type" => event["type"] = json!("ticket"),
        "missing_field" => event["ended_at"] = json!(null),
        "invalid_field" => event["talk_seconds"] = json!("twelve"),
        "future" => event["ended_at"] = json!(iso(now_ms + 7_200_000)),
        "too_late" => event["ended_at"] = json!(iso(now_ms - 30 * 3_600_000)),
        other => panic!("{other} is no reason"),
    }
    event.to_string()
}

/// Panics when a dead letter does not say what was rejected, and why. `sequence` is the place of the
/// message in the stream.
pub(crate) fn check_dead_letter(letter: &Message, rejected: &Rejected, sequence: u64) {
    let place = format!("dead letter of {sequence}, index {}", rejected.index);
    let header = |name: &str| {
        letter
            .header(name)
            .unwrap_or_else(|| panic!("{place}: no {name} in {:?}", letter.headers))
    };
    assert_eq!(header("Cx-Reason"), rejected.reason, "{place}");
    assert_eq!(header("Cx-Subject"), rejected.message.subject, "{place}");
    assert_eq!(header("Cx-Stream-Seq"), sequence.to_string(), "{place}");
    assert_eq!(header("Cx-Index"), rejected.index.to_string(), "{place}");
    let id = header("Nats-Msg-Id");
    let end = format!(":{sequence}:{}", rejected.index);
    assert!(id.ends_with(&end) && id.len() > end.len(), "{place}: {id}");
    let detail = header("Cx-Detail");
    assert!(
        !detail.is_empty() && detail.len() <= 256,
        "{place}: {detail}"
    );
    assert!(!detail.chars().any(char::is_control), "{place}: {detail}");
    assert!(letter.text() == rejected.raw, "{place}: not as received");
    assert_eq!(letter.subject, "cx.dead_letter", "{place}");
}
