//! Cloud events in both modes, and ids that come with the message.

use base64::Engine;

use super::{
    INTERACTION, SURVEY, decode, decode_with, id_hash, message, message_on, message_with, outcomes,
    survey, with,
};
use crate::decode::{Decoded, Settings, Verdict};
use crate::event::{Domain, Event, IdHash};
use crate::source::{Envelope, MessageHeaders};

/// A survey without any id of its own.
const ANONYMOUS: &str = r#"{"type":"survey","submitted_at":1769860800000,"nps":9}"#;

fn ids(decoded: &Decoded) -> Vec<IdHash> {
    let id = |item: &super::Item| match &item.verdict {
        Verdict::Event(event) => event.record().id,
        Verdict::Reject(reject) => panic!("{reject:?}"),
    };
    decoded.items.iter().map(id).collect()
}

fn of(texts: &[&str]) -> Vec<IdHash> {
    let id = |text: &&str| id_hash(Domain::Survey, text.as_bytes());
    texts.iter().map(id).collect()
}

fn envelope(members: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","type":"com.example.nps","source":"/s","id":"ce1","time":"2020-01-01T00:00:00Z",{members}}}"#
    )
}

fn base64(text: impl AsRef<[u8]>) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn the_event_is_in_the_data() {
    let text = envelope(&format!("\"data\":{ANONYMOUS}"));
    let decoded = decode(&text);
    assert_eq!(ids(&decoded), of(&["ce1"]));
    assert_eq!(
        decoded.items[0].raw,
        (0, u32::try_from(text.len()).unwrap())
    );
    let found = survey(&text);
    assert_eq!(found.record.event_time.as_millis(), 1_769_860_800_000);
    // The event's own ids come first.
    let own = with(ANONYMOUS, "\"event_id\":\"e1\"");
    assert_eq!(
        ids(&decode(envelope(&format!("\"data\":{own}")))),
        of(&["e1"])
    );
    assert_eq!(
        ids(&decode(envelope(&format!("\"data\":{SURVEY}")))),
        of(&["s1"])
    );
}

#[test]
fn the_kind_is_in_the_data_or_the_subject_never_in_the_envelope() {
    let untyped = ANONYMOUS.replace("\"type\":\"survey\",", "");
    let text = envelope(&format!("\"data\":{untyped}"));
    assert_eq!(outcomes(&decode(&text)), ["unknown_type"]);
    let text = text.replace("com.example.nps", "survey");
    assert_eq!(outcomes(&decode(&text)), ["unknown_type"]);
    let decoded = decode_with(Settings::default(), &message_on("cx.surveys.eu", &text));
    assert_eq!(ids(&decoded), of(&["ce1"]));
}

#[test]
fn data_may_be_an_array() {
    let text = envelope(&format!("\"data\":[{ANONYMOUS}, 5,{ANONYMOUS} ,{{}}]"));
    let payload = format!("{INTERACTION}\n{text}");
    let decoded = decode(&payload);
    assert_eq!(
        outcomes(&decoded),
        ["event", "event", "invalid_json", "event", "unknown_type"]
    );
    let events: Vec<_> = [1, 3].map(|at| decoded.items[at].clone()).into();
    let ids = events.iter().map(|item| match &item.verdict {
        Verdict::Event(event) => event.record().id,
        Verdict::Reject(reject) => panic!("{reject:?}"),
    });
    assert_eq!(ids.collect::<Vec<_>>(), of(&["ce1#0", "ce1#2"]));
    let start = u32::try_from(INTERACTION.len() + 1).unwrap();
    let end = u32::try_from(payload.len()).unwrap();
    assert!(
        decoded.items[1..]
            .iter()
            .all(|item| item.raw == (start, end))
    );
    let indexes: Vec<_> = decoded.items.iter().map(|item| item.index).collect();
    assert_eq!(indexes, [0, 1, 2, 3, 4]);
    assert!(decode(envelope("\"data\":[]")).items.is_empty());
}

#[test]
fn data_may_be_base64() {
    for (data, expected) in [
        (base64(ANONYMOUS), vec!["ce1"]),
        (base64(format!(" {ANONYMOUS}\n")), vec!["ce1"]),
        (
            base64(format!("[{ANONYMOUS},{ANONYMOUS}]")),
            vec!["ce1#0", "ce1#1"],
        ),
        (
            base64(format!("{ANONYMOUS} ")).replace('=', ""),
            vec!["ce1"],
        ),
        (base64(ANONYMOUS).replace('e', "\\u0065"), vec!["ce1"]),
    ] {
        let text = envelope(&format!("\"data_base64\":\"{data}\",\"data\":null"));
        assert_eq!(ids(&decode(text)), of(&expected), "{data}");
    }
    let mixed = base64(format!("[{ANONYMOUS},5,{ANONYMOUS}]"));
    let text = envelope(&format!("\"data_base64\":\"{mixed}\""));
    assert_eq!(outcomes(&decode(text)), ["event", "invalid_json", "event"]);
    let broken = base64(format!("[{ANONYMOUS},NaN,{ANONYMOUS}]"));
    let text = envelope(&format!("\"data_base64\":\"{broken}\""));
    assert_eq!(outcomes(&decode(text)), ["invalid_json"]);
    for text in ["5", "{", "\u{1}", "\"x\"", " "] {
        let text = envelope(&format!("\"data_base64\":\"{}\"", base64(text)));
        assert_eq!(outcomes(&decode(text)), ["invalid_json"]);
    }
    let text = envelope(&format!(
        "\"data_base64\":\"{}\"",
        base64(b"{\"a\":\"\xff\"}")
    ));
    assert_eq!(outcomes(&decode(text)), ["invalid_json"]);
}

#[test]
fn data_must_be_there_and_be_readable() {
    let on_surveys = |members: &str| {
        let envelope = message_on("cx.surveys.eu", envelope(members));
        outcomes(&decode_with(Settings::default(), &envelope)).join(" ")
    };
    assert_eq!(on_surveys("\"x\":1"), "missing_field");
    assert_eq!(
        on_surveys("\"data\":null,\"data_base64\":\"\""),
        "missing_field"
    );
    assert_eq!(on_surveys("\"data\":5"), "invalid_json");
    assert_eq!(on_surveys("\"data\":\"{}\""), "invalid_json");
    assert_eq!(on_surveys("\"data_base64\":5"), "invalid_field");
    // `eA==` and `eA` are an x; with a part of the padding it is neither.
    assert_eq!(on_surveys("\"data_base64\":\"eA==\""), "invalid_json");
    assert_eq!(on_surveys("\"data_base64\":\"eA\""), "invalid_json");
    assert_eq!(on_surveys("\"data_base64\":\"eA=\""), "invalid_field");
    assert_eq!(on_surveys("\"data_base64\":\"eA===\""), "invalid_field");
    assert_eq!(
        on_surveys("\"data_base64\":\"not base64!\""),
        "invalid_field"
    );
    assert_eq!(on_surveys("\"data\":{}"), "missing_field");
    // Without a subject that says so it is not even known to be a survey.
    assert_eq!(outcomes(&decode(envelope("\"x\":1"))), ["unknown_type"]);
    assert_eq!(
        outcomes(&decode(envelope("\"data\":{\"a\":NaN}"))),
        ["invalid_json"]
    );
}

#[test]
fn the_id_of_an_envelope_is_checked_where_it_serves() {
    let outcome = |id: &str, data: &str| {
        let text = envelope(&format!("\"data\":{data}")).replace("\"ce1\"", id);
        outcomes(&decode(text)).join(" ")
    };
    let long = format!("\"{}\"", "x".repeat(257));
    assert_eq!(outcome("null", ANONYMOUS), "missing_field");
    assert_eq!(outcome("\"\"", ANONYMOUS), "missing_field");
    assert_eq!(outcome("17", ANONYMOUS), "event");
    assert_eq!(outcome(&long, ANONYMOUS), "invalid_field");
    assert_eq!(outcome("{}", ANONYMOUS), "invalid_field");
    assert_eq!(outcome(&long, INTERACTION), "invalid_field");
    let own = with(INTERACTION, "\"event_id\":\"e\"");
    assert_eq!(outcome(&long, &own), "event");
}

#[test]
fn only_a_specversion_makes_an_envelope() {
    for absent in ["null", "\"\""] {
        let text = with(SURVEY, &format!("\"specversion\":{absent},\"data\":{{}}"));
        assert_eq!(ids(&decode(text)), of(&["s1"]));
    }
    let text = with(SURVEY, "\"specversion\":1.0,\"data\":{}");
    assert_eq!(outcomes(&decode(text)), ["unknown_type"]);
    // The data itself is not looked into again.
    let text = envelope(&format!(
        "\"data\":{}",
        with(SURVEY, "\"specversion\":\"1.0\"")
    ));
    assert_eq!(ids(&decode(text)), of(&["s1"]));
}

#[test]
fn envelopes_come_in_arrays_and_lines() {
    let one = envelope(&format!("\"data\":{ANONYMOUS}"));
    let two = one.replace("ce1", "ce2");
    for payload in [format!("[{one},{two}]"), format!("{one}\n{two}\n")] {
        assert_eq!(ids(&decode(payload)), of(&["ce1", "ce2"]));
    }
}

#[test]
fn an_envelope_counts_as_a_whole() {
    let text = envelope(&format!("\"data\":{SURVEY}"));
    for (limit, expected) in [(text.len(), "event"), (text.len() - 1, "too_large")] {
        let settings = Settings {
            max_event_bytes: limit,
            ..Settings::default()
        };
        assert_eq!(
            outcomes(&decode_with(settings, &message(&text))),
            [expected]
        );
    }
    let nested = |depth: usize| {
        let data = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        envelope(&format!(
            "\"data\":{}",
            with(SURVEY, &format!("\"x\":{data}"))
        ))
    };
    assert_eq!(outcomes(&decode(nested(126))), ["event"]);
    assert_eq!(outcomes(&decode(nested(127))), ["invalid_json"]);
}

fn binary(id: Option<&str>, payload: &str) -> Envelope {
    let headers = MessageHeaders {
        message_id: Some("msg".into()),
        cloud_event: true,
        cloud_event_id: id.map(str::to_owned),
        dead_letter: false,
    };
    message_with(headers, payload)
}

#[test]
fn in_binary_mode_the_payload_is_the_data() {
    let decode =
        |id: Option<&str>, payload: &str| decode_with(Settings::default(), &binary(id, payload));
    assert_eq!(ids(&decode(Some("ce1"), ANONYMOUS)), of(&["ce1"]));
    assert_eq!(ids(&decode(Some("ce1"), SURVEY)), of(&["s1"]));
    let array = format!("[{ANONYMOUS},{ANONYMOUS}]");
    assert_eq!(ids(&decode(Some("ce1"), &array)), of(&["ce1#0", "ce1#1"]));
    assert_eq!(
        ids(&decode(Some("ce1"), &format!("[{ANONYMOUS}]"))),
        of(&["ce1#0"])
    );
    let lines = format!("{ANONYMOUS}\n{ANONYMOUS}\n");
    assert_eq!(ids(&decode(Some("ce1"), &lines)), of(&["ce1#0", "ce1#1"]));
    // Without an id the message's own serves.
    assert_eq!(ids(&decode(None, ANONYMOUS)), of(&["msg"]));
    assert_eq!(ids(&decode(Some(""), ANONYMOUS)), of(&["msg"]));
    assert_eq!(
        outcomes(&decode(Some(&"x".repeat(257)), ANONYMOUS)),
        ["invalid_field"]
    );
    // No envelope is looked for.
    let text = with(SURVEY, "\"specversion\":\"1.0\",\"data\":{}");
    assert_eq!(ids(&decode(Some("ce1"), &text)), of(&["s1"]));
}

#[test]
fn the_message_id_is_the_last_resort() {
    let with_id = |id: &str, payload: &str| {
        let headers = MessageHeaders {
            message_id: Some(id.to_owned()),
            cloud_event: false,
            cloud_event_id: Some("no cloud event".into()),
            dead_letter: false,
        };
        decode_with(Settings::default(), &message_with(headers, payload))
    };
    assert_eq!(ids(&with_id("m", ANONYMOUS)), of(&["m"]));
    assert_eq!(ids(&with_id("m", SURVEY)), of(&["s1"]));
    assert_eq!(outcomes(&with_id("", ANONYMOUS)), ["missing_field"]);
    assert_eq!(
        outcomes(&with_id(&"x".repeat(257), ANONYMOUS)),
        ["invalid_field"]
    );
    assert_eq!(outcomes(&with_id(&"x".repeat(257), SURVEY)), ["event"]);
    // It is no interaction's identity.
    let bare = r#"{"type":"interaction","ended_at":1769860800000}"#;
    assert_eq!(outcomes(&with_id("m", bare)), ["missing_field"]);
    let envelope = envelope(&format!("\"data\":{ANONYMOUS}"));
    assert_eq!(ids(&with_id("m", &envelope)), of(&["ce1"]));
}

#[test]
fn interactions_travel_in_envelopes_too() {
    let decoded = decode(envelope(&format!("\"data\":{INTERACTION}")));
    match &decoded.items[0].verdict {
        Verdict::Event(Event::Interaction(found)) => {
            assert_eq!(found.record.id, id_hash(Domain::Interaction, b"i1"));
        }
        other => panic!("{other:?}"),
    }
}
