//! Foreign payloads through field mapping.

use super::{SURVEY, decode_with, dimensions, id_hash, message, message_on, outcomes};
use crate::decode::{FieldSource, Settings, Unit, Verdict};
use crate::event::{Direction, Domain, Event, Interaction};
use crate::source::Envelope;
use crate::time::Timestamp;

fn source(path: &str, unit: Option<Unit>) -> FieldSource {
    FieldSource {
        path: path.split('.').map(str::to_owned).collect(),
        unit,
    }
}

fn mapping(fields: &[(&str, &str, Option<Unit>)]) -> Settings {
    let mut settings = Settings::default();
    for (name, path, unit) in fields {
        let from = source(path, *unit);
        settings.interaction_fields.insert((*name).to_owned(), from);
    }
    settings
}

fn mapped(settings: &Settings, envelope: &Envelope) -> Interaction {
    let decoded = decode_with(settings.clone(), envelope);
    match &decoded.items[0].verdict {
        Verdict::Event(Event::Interaction(interaction)) => interaction.clone(),
        other => panic!("no interaction: {other:?}"),
    }
}

/// A contact record with the nesting and names that a large cloud contact center uses.
const CONTACT_RECORD: &str = r#"{
  "AWSContactTraceRecordFormatVersion": "2017-03-10",
  "Agent": {
    "ARN": "arn:aws:connect:eu-central-1:1:instance/x/agent/y",
    "AfterContactWorkDuration": 14,
    "AgentInteractionDuration": 184,
    "CustomerHoldDuration": 21,
    "RoutingProfile": { "Name": "Basic" },
    "Username": "m.rossi"
  },
  "Channel": "VOICE",
  "ContactId": "9f1c0000-0000-4000-8000-000000000001",
  "CustomerEndpoint": { "Address": "+390000000", "Type": "TELEPHONE_NUMBER" },
  "DisconnectTimestamp": "2026-01-31T12:00:00Z",
  "InitiationTimestamp": "2026-01-31T11:55:30Z",
  "LastUpdateTimestamp": "2026-01-31T12:04:00Z",
  "Queue": { "ARN": "arn:aws:connect:queue/z", "Duration": 31, "Name": "Sales" },
  "Tags": { "a": [1, 2, {"b": null}] }
}"#;

fn contact_record_settings() -> Settings {
    mapping(&[
        ("interaction_id", "ContactId", None),
        ("ended_at", "DisconnectTimestamp", None),
        ("started_at", "InitiationTimestamp", None),
        ("updated_at", "LastUpdateTimestamp", None),
        ("customer_id", "CustomerEndpoint.Address", None),
        ("channel", "Channel", None),
        ("queue", "Queue.Name", None),
        ("agent_id", "Agent.Username", None),
        ("wait_seconds", "Queue.Duration", None),
        ("talk_seconds", "Agent.AgentInteractionDuration", None),
        ("hold_seconds", "Agent.CustomerHoldDuration", None),
        (
            "wrap_seconds",
            "Agent.AfterContactWorkDuration",
            Some(Unit::Minutes),
        ),
    ])
}

#[test]
fn a_nested_contact_record_counts_through_mapping_alone() {
    let settings = contact_record_settings();
    let envelope = message_on("cx.interactions.connect", CONTACT_RECORD);
    let found = mapped(&settings, &envelope);
    let id = b"9f1c0000-0000-4000-8000-000000000001";
    assert_eq!(found.record.id, id_hash(Domain::Interaction, id));
    assert_eq!(
        found.customer,
        Some(id_hash(Domain::Customer, b"+390000000"))
    );
    assert_eq!(
        found.record.event_time,
        Timestamp::from_millis(1_769_860_800_000)
    );
    assert_eq!(
        found.record.version_time,
        Timestamp::from_millis(1_769_861_040_000)
    );
    assert_eq!(
        found.started_at,
        Some(Timestamp::from_millis(1_769_860_530_000))
    );
    assert_eq!(found.wait_ms, Some(31_000));
    assert_eq!(found.handle_ms, Some(184_000 + 21_000 + 14 * 60_000));
    assert_eq!(found.direction, Direction::Inbound);
    let decoded = decode_with(settings, &envelope);
    assert_eq!(
        dimensions(&decoded, 3),
        [Some("VOICE"), Some("Sales"), Some("m.rossi")]
    );
}

#[test]
fn a_mapped_field_is_read_at_its_path_only() {
    let settings = contact_record_settings();
    let payload = CONTACT_RECORD.replace("\"ContactId\"", "\"interaction_id\"");
    let decoded = decode_with(settings, &message_on("cx.interactions.connect", payload));
    assert_eq!(outcomes(&decoded), ["missing_field"]);
    match &decoded.items[0].verdict {
        Verdict::Reject(reject) => {
            assert_eq!(
                reject.detail,
                "interaction_id (ContactId): required and absent"
            );
        }
        Verdict::Event(event) => panic!("{event:?}"),
    }
}

#[test]
fn the_mapping_of_one_kind_leaves_the_other_alone() {
    let decoded = decode_with(contact_record_settings(), &message(SURVEY));
    assert_eq!(outcomes(&decoded), ["event"]);
}

#[test]
fn a_path_that_breaks_off_is_absent() {
    let settings = mapping(&[("queue", "a.b.c", None)]);
    let queue = |member: &str| {
        let payload = super::with(super::INTERACTION, member);
        let decoded = decode_with(settings.clone(), &message(payload));
        assert_eq!(outcomes(&decoded), ["event"], "{member}");
        decoded.dimension(&decoded.items[0], 1).map(str::to_owned)
    };
    assert_eq!(queue(r#""a":{"b":{"c":"x"}}"#).as_deref(), Some("x"));
    assert_eq!(
        queue(r#""a" : { "z":[1], "b" : {"z":0,"c":5,"y":{}} , "y":{"c":1} }"#).as_deref(),
        Some("5")
    );
    for broken in [
        r#""queue":"x""#,
        r#""a":null"#,
        r#""a":"b""#,
        r#""a":[{"b":{"c":"x"}}]"#,
        r#""a":{"b":17}"#,
        r#""a":{"b":{"c":null}}"#,
        r#""a":{"b":{"c":""}}"#,
        r#""a":{"c":"x"}"#,
        r#""b":{"c":"x"}"#,
        r#""a.b.c":"x""#,
        // Of equal keys the last counts, as a whole.
        r#""a":{"b":{"c":"x"}},"a":{}"#,
        r#""a":{"b":{"c":"x"}},"a":5"#,
        r#""a":{"b":{"c":"x"},"b":{}}"#,
        r#""a":{"b":{"c":"x"}},"\u0061":null"#,
    ] {
        assert_eq!(queue(broken), None, "{broken}");
    }
    let payload = super::with(super::INTERACTION, r#""a":{"b":{"c":{}}}"#);
    let decoded = decode_with(settings, &message(payload));
    assert_eq!(outcomes(&decoded), ["invalid_field"]);
}

#[test]
fn nesting_counts_through_mapped_paths_too() {
    let path = vec!["a"; 200].join(".");
    let settings = mapping(&[("queue", &path, None)]);
    for (depth, expected) in [(128, "event"), (129, "invalid_json")] {
        let nested = "{\"a\":".repeat(depth - 1) + "1" + &"}".repeat(depth - 1);
        let payload = super::with(super::INTERACTION, &format!("\"a\":{nested}"));
        let decoded = decode_with(settings.clone(), &message(payload));
        assert_eq!(outcomes(&decoded), [expected]);
    }
}

#[test]
fn units_apply_to_durations_and_integer_times() {
    let wait = |unit, value: &str| {
        let settings = mapping(&[("wait_seconds", "W", Some(unit))]);
        let payload = super::with(super::INTERACTION, &format!("\"W\":{value}"));
        let decoded = decode_with(settings, &message(payload));
        match &decoded.items[0].verdict {
            Verdict::Event(Event::Interaction(interaction)) => interaction.wait_ms,
            _ => None,
        }
    };
    assert_eq!(wait(Unit::Milliseconds, "12.5"), Some(13));
    assert_eq!(wait(Unit::Seconds, "12.5"), Some(12_500));
    assert_eq!(wait(Unit::Minutes, "0.5"), Some(30_000));
    assert_eq!(wait(Unit::Hours, "2"), Some(7_200_000));
    assert_eq!(
        wait(Unit::Milliseconds, "1000000000000"),
        Some(1_000_000_000_000)
    );
    assert_eq!(wait(Unit::Milliseconds, "1000000000001"), None);
    assert_eq!(wait(Unit::Hours, "277778"), None);

    let settings = mapping(&[("ended_at", "end", Some(Unit::Seconds))]);
    let ended = |value: &str| {
        let payload = format!(r#"{{"type":"interaction","interaction_id":"i","end":{value}}}"#);
        decode_with(settings.clone(), &message(payload))
    };
    let found = mapped(
        &settings,
        &message(r#"{"type":"interaction","interaction_id":"i","end":1769860800}"#),
    );
    assert_eq!(
        found.record.event_time,
        Timestamp::from_millis(1_769_860_800_000)
    );
    assert_eq!(outcomes(&ended("\"2026-01-31T12:00:00Z\"")), ["event"]);
    assert_eq!(outcomes(&ended("1769860800.5")), ["invalid_field"]);
    assert_eq!(outcomes(&ended("315532800")), ["event"]);
    assert_eq!(outcomes(&ended("315532799")), ["invalid_field"]);
    assert_eq!(outcomes(&ended("1769860800000")), ["invalid_field"]);
}

#[test]
fn several_fields_may_share_a_source() {
    let mut settings = mapping(&[("queue", "group", None), ("customer_id", "group", None)]);
    settings.kind_field = "group".into();
    let payload = super::INTERACTION.replace("\"type\"", "\"group\"");
    let found = mapped(&settings, &message(&payload));
    assert_eq!(
        found.customer,
        Some(id_hash(Domain::Customer, b"interaction"))
    );
    let decoded = decode_with(settings, &message(payload));
    assert_eq!(dimensions(&decoded, 2), [None, Some("interaction")]);
}

#[test]
fn the_kind_field_is_one_name_even_with_a_dot_or_a_quote() {
    for name in [
        "event.kind",
        "odd\"name",
        "tab\tname",
        "a very long name for such a small thing",
    ] {
        let settings = Settings {
            kind_field: name.into(),
            ..Settings::default()
        };
        let quoted = serde_json::to_string(name).unwrap();
        let payload = super::INTERACTION.replace("\"type\"", &quoted);
        // Twice, since the second time the member is guessed.
        let decoded = decode_with(settings, &message(format!("[{payload},{payload}]")));
        assert_eq!(outcomes(&decoded), ["event", "event"]);
    }
}

#[test]
fn subjects_are_mapped_with_wildcards() {
    let settings = Settings {
        interaction_subject: "acme.*.contacts".into(),
        survey_subject: "acme.>".into(),
        ..Settings::default()
    };
    let untyped = super::INTERACTION.replace("\"type\":\"interaction\",", "");
    for (subject, expected) in [
        ("acme.eu.contacts", "event"),
        ("acme.eu.other", "missing_field"),
        ("cx.interactions.eu", "unknown_type"),
        ("", "unknown_type"),
    ] {
        let decoded = decode_with(settings.clone(), &message_on(subject, &untyped));
        assert_eq!(outcomes(&decoded), [expected], "{subject}");
    }
}
