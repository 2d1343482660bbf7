//! Every reason, their order, and the words that go with them.

use super::{
    INTERACTION, SURVEY, decode, decode_with, message, message_on, outcome, outcomes, reject, with,
};
use crate::decode::{Settings, Verdict};
use crate::event::{Kind, Reason};

/// Each payload is one reject of that reason, and its detail begins like that.
fn refused(reason: Reason, cases: &[(&str, &str)]) {
    for (payload, detail) in cases {
        let reject = reject(payload);
        assert_eq!(reject.reason, reason, "{payload}: {reject:?}");
        assert!(reject.detail.starts_with(detail), "{payload}: {reject:?}");
    }
}

#[test]
fn what_is_not_a_json_object_is_invalid_json() {
    refused(
        Reason::InvalidJson,
        &[
            ("17", "not a JSON object"),
            ("\"interaction\"", "not a JSON object"),
            ("null", "not a JSON object"),
            ("[17]", "not a JSON object"),
            ("hello", "not a JSON object"),
            ("{", "ends too early at byte 1"),
            ("{}}", "unexpected character at byte 2"),
            ("{\"a\":NaN}", "unexpected character at byte 5"),
            ("{\"a\":Infinity}", "unexpected character"),
            ("{\"a\":-Infinity}", "malformed number"),
            ("{\"a\":+1}", "unexpected character"),
            ("{\"a\":01}", "unexpected character"),
            ("{\"a\":1.}", "malformed number"),
            ("{\"a\":.5}", "unexpected character"),
            ("{\"a\":1e}", "malformed number"),
            ("{\"a\":0x1}", "unexpected character"),
            ("{\"a\":1,}", "unexpected character"),
            ("{\"a\" 1}", "unexpected character"),
            ("{a:1}", "unexpected character"),
            ("{'a':1}", "unexpected character"),
            ("{\"a\":[1 2]}", "unexpected character"),
            ("{\"a\":[1,]}", "unexpected character"),
            ("{\"a\":{\"b\":[}]}", "unexpected character"),
            ("{\"a\":tru}", "unexpected character"),
            ("{\"a\":nul1}", "unexpected character"),
            ("{\"a\":\"\\x41\"}", "unknown escape"),
            ("{\"a\":\"\\u12g4\"}", "unknown escape"),
            ("{\"a\":\"\\ud800\"}", "lone surrogate"),
            ("{\"a\":\"\\ud800\\u0041\"}", "lone surrogate"),
            ("{\"a\":\"\\udc00\\ud800\"}", "lone surrogate"),
            ("{\"\\ud800\":1}", "lone surrogate"),
            ("{\"a\":{\"b\":[\"\\udc00\"]}}", "lone surrogate"),
            ("{\"a\":\"tab\there\"}", "control character"),
            ("{\"a\":\"line\nbreak\"}", "control character"),
            ("{\"a\":\"nul\0\"}", "control character"),
            ("\u{feff}{}", "not a JSON object"),
            ("{\"a\":1}\u{a0}", "unexpected character"),
            ("/* c */ {}", "not a JSON object"),
        ],
    );
}

#[test]
fn text_that_is_not_utf8_is_invalid_json() {
    for bytes in [
        &b"\xff"[..],
        b"\xc3\xa9",
        b"{\"a\":\"\xff\"}",
        b"{\"a\":\"caf\xe9\"}",
        b"{\"a\":\"\xed\xa0\x80\"}",
        b"{\"a\":\"\xc0\x80\"}",
        b"{\"\xf0\x9f\x98\":1}",
    ] {
        assert_eq!(reject(bytes).reason, Reason::InvalidJson, "{bytes:?}");
    }
    assert_eq!(reject(b"{\"a\":\"\xff\"}").detail, "not UTF-8");
}

#[test]
fn nesting_ends_at_128() {
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
        with(INTERACTION, &format!("\"extra\":{open}{close}"))
    };
    let nested_objects = |depth: usize| {
        let (open, close) = ("{\"a\":".repeat(depth - 1), "}".repeat(depth - 1));
        with(INTERACTION, &format!("\"extra\":{open}1{close}"))
    };
    assert_eq!(outcomes(&decode(nested(128))), ["event"]);
    assert_eq!(outcomes(&decode(nested_objects(128))), ["event"]);
    for text in [nested(129), nested_objects(129), nested(10_000)] {
        let reject = reject(&text);
        assert_eq!(reject.reason, Reason::InvalidJson);
        assert!(
            reject.detail.starts_with("nested deeper than 128"),
            "{reject:?}"
        );
    }
    // Brackets alone, closed or not, of either sort.
    for text in ["[".repeat(10_000), "{\"a\":".repeat(10_000)] {
        assert!(!outcomes(&decode(&text)).is_empty());
    }
    let array = format!("[{},{}]", nested(128), nested(129));
    assert_eq!(outcomes(&decode(array)), ["event", "invalid_json"]);
}

#[test]
fn the_type_decides_and_no_subject_repairs_it() {
    refused(
        Reason::UnknownType,
        &[
            (
                r#"{"type":"call"}"#,
                "type: must be `interaction` or `survey`",
            ),
            (r#"{"type":"Interaction"}"#, "type: must be"),
            (r#"{"type":1}"#, "type: must be a string"),
            (r#"{"type":true}"#, "type: must be a string"),
            (r#"{"type":{}}"#, "type: must be a string"),
            ("{}", "type: absent"),
            (r#"{"type":null}"#, "type: absent"),
            (r#"{"type":""}"#, "type: absent"),
        ],
    );
    let on_surveys = |payload: &str| {
        let decoded = decode_with(Settings::default(), &message_on("cx.surveys.eu", payload));
        outcomes(&decoded)[0]
    };
    assert_eq!(on_surveys(r#"{"type":"call"}"#), "unknown_type");
    assert_eq!(on_surveys(r#"{"type":5}"#), "unknown_type");
    assert_eq!(on_surveys("{}"), "missing_field");
    assert_eq!(on_surveys(&SURVEY.replace("survey\"", "\"")), "event");
    assert_eq!(on_surveys(INTERACTION), "event");
}

#[test]
fn required_fields_must_be_there() {
    refused(
        Reason::MissingField,
        &[
            (
                r#"{"type":"interaction","ended_at":1}"#,
                "interaction_id: required and absent",
            ),
            (
                r#"{"type":"interaction","interaction_id":"a"}"#,
                "ended_at: required",
            ),
            (
                r#"{"type":"interaction","interaction_id":"","ended_at":1}"#,
                "interaction_id: required",
            ),
            (
                r#"{"type":"interaction","interaction_id":"a","ended_at":null}"#,
                "ended_at: required",
            ),
            (
                r#"{"type":"survey","submitted_at":1,"csat":5}"#,
                "survey_id: required",
            ),
            (
                r#"{"type":"survey","survey_id":"s","csat":5}"#,
                "submitted_at: required",
            ),
            (
                r#"{"type":"survey","survey_id":"s","submitted_at":1}"#,
                "one of csat, nps, ces, resolved: required",
            ),
            (
                r#"{"type":"survey","survey_id":"s","submitted_at":1,"csat":null,"nps":"","comment":"x"}"#,
                "one of csat, nps, ces, resolved: required",
            ),
        ],
    );
}

/// Members that make an interaction invalid, and the words for it.
const INVALID: &[(&str, &str)] = &[
    (
        "\"interaction_id\":1.0",
        "interaction_id: must be a string or an integer",
    ),
    ("\"interaction_id\":1e3", "interaction_id: must be"),
    ("\"interaction_id\":true", "interaction_id: must be"),
    ("\"interaction_id\":{}", "interaction_id: must be"),
    ("\"event_id\":[]", "event_id: must be"),
    ("\"event_id\":1.5", "event_id: must be"),
    ("\"issue_id\":false", "issue_id: must be"),
    ("\"queue\":1.5", "queue: must be a string or an integer"),
    ("\"channel\":[\"voice\"]", "channel: must be"),
    ("\"agent_id\":true", "agent_id: must be"),
    (
        "\"ended_at\":true",
        "ended_at: must be an RFC 3339 string or an integer",
    ),
    (
        "\"ended_at\":\"yesterday\"",
        "ended_at: not an RFC 3339 time",
    ),
    (
        "\"ended_at\":\"2026-01-31T12:00:00\"",
        "ended_at: not an RFC 3339 time",
    ),
    (
        "\"ended_at\":\"1769860800000\"",
        "ended_at: not an RFC 3339 time",
    ),
    (
        "\"ended_at\":1769860800",
        "ended_at: before 1980, looks like seconds",
    ),
    (
        "\"ended_at\":1769860800000.5",
        "ended_at: a numeric time must be an integer",
    ),
    (
        "\"ended_at\":1e12",
        "ended_at: a numeric time must be an integer",
    ),
    (
        "\"ended_at\":1e999",
        "ended_at: a numeric time must be an integer",
    ),
    (
        "\"ended_at\":253402300800000",
        "ended_at: outside the years 1970 to 9999",
    ),
    ("\"ended_at\":\"1969-12-31T23:59:59Z\"", "ended_at: outside"),
    (
        "\"updated_at\":\"2026-01-31\"",
        "updated_at: not an RFC 3339 time",
    ),
    (
        "\"started_at\":\"2026-01-31T12:00:00.001Z\"",
        "started_at: later than the end of the interaction",
    ),
    ("\"wait_seconds\":\"12\"", "wait_seconds: must be a number"),
    ("\"talk_seconds\":true", "talk_seconds: must be a number"),
    ("\"talk_seconds\":-0.001", "talk_seconds: negative"),
    (
        "\"hold_seconds\":1000000000.1",
        "hold_seconds: longer than 1e9 seconds",
    ),
    (
        "\"wrap_seconds\":1e999",
        "wrap_seconds: longer than 1e9 seconds",
    ),
    ("\"wrap_seconds\":-1e999", "wrap_seconds: negative"),
    ("\"handle_seconds\":{}", "handle_seconds: must be a number"),
    ("\"abandoned\":\"true\"", "abandoned: must be true or false"),
    ("\"transferred\":1", "transferred: must be true or false"),
    ("\"excluded\":0", "excluded: must be true or false"),
    ("\"resolved\":\"yes\"", "resolved: must be true or false"),
    (
        "\"direction\":\"Inbound\"",
        "direction: must be `inbound` or `outbound`",
    ),
    ("\"direction\":1", "direction: must be"),
];

#[test]
fn fields_must_have_their_form() {
    let long_id = format!("\"customer_id\":\"{}\"", "x".repeat(257));
    let long_id = [(&*long_id, "customer_id: longer than 256 bytes")];
    for (members, detail) in INVALID.iter().chain(&long_id) {
        // The last of two equal keys counts.
        let reject = reject(with(INTERACTION, members));
        assert_eq!(reject.reason, Reason::InvalidField, "{members}");
        assert!(reject.detail.starts_with(detail), "{members}: {reject:?}");
        assert_eq!(reject.kind, Some(Kind::Interaction));
    }
}

#[test]
fn fields_of_surveys_must_have_their_form() {
    let long_id = format!("\"survey_id\":\"{}\",\"event_id\":\"e\"", "x".repeat(257));
    let cases = [
        (&*long_id, "survey_id: longer than 256 bytes"),
        ("\"event_id\":1.5", "event_id: must be"),
        ("\"interaction_id\":{}", "interaction_id: must be"),
        ("\"submitted_at\":false", "submitted_at: must be"),
        ("\"csat\":0", "csat: outside the scale 1 to 5"),
        ("\"csat\":5.0006", "csat: outside the scale 1 to 5"),
        ("\"csat\":1e999", "csat: outside the scale"),
        (
            "\"csat\":true",
            "csat: must be a number or a numeric string",
        ),
        ("\"csat\":\"five\"", "csat: must be"),
        ("\"csat\":\"+5\"", "csat: must be"),
        ("\"csat\":\" 5\"", "csat: must be"),
        ("\"csat\":\"05\"", "csat: must be"),
        ("\"csat\":\"NaN\"", "csat: must be"),
        ("\"csat\":\"inf\"", "csat: must be"),
        ("\"ces\":7.5", "ces: outside the scale 1 to 7"),
        ("\"nps\":11", "nps: outside the scale 0 to 10"),
        ("\"nps\":-1", "nps: outside the scale"),
        ("\"nps\":9.5", "nps: must be a whole number"),
        ("\"resolved\":\"true\"", "resolved: must be true or false"),
        ("\"comment\":5", "comment: must be a string"),
    ];
    for (members, detail) in cases {
        let reject = reject(with(SURVEY, members));
        assert_eq!(reject.reason, Reason::InvalidField, "{members}");
        assert!(reject.detail.starts_with(detail), "{members}: {reject:?}");
        assert_eq!(reject.kind, Some(Kind::Survey));
    }
}

#[test]
fn the_first_reason_in_order_is_the_one() {
    let small = Settings {
        max_event_bytes: 100,
        ..Settings::default()
    };
    let long = format!("{{\"type\":\"call\",{}NaN", " ".repeat(100));
    let decoded = decode_with(small, &message(&long));
    assert_eq!(outcomes(&decoded), ["too_large"]);
    refused(
        Reason::InvalidJson,
        &[(r#"{"type":"call","x":NaN}"#, "unexpected")],
    );
    refused(
        Reason::UnknownType,
        &[(r#"{"type":"call","ended_at":1}"#, "type")],
    );
    refused(
        Reason::MissingField,
        &[
            (
                r#"{"type":"interaction","ended_at":true,"queue":[]}"#,
                "interaction_id",
            ),
            (
                r#"{"type":"survey","csat":99,"submitted_at":"x"}"#,
                "survey_id",
            ),
            (
                r#"{"type":"survey","survey_id":{},"csat":99}"#,
                "submitted_at",
            ),
        ],
    );
}

#[test]
fn an_event_of_exactly_the_limit_passes() {
    for (limit, expected) in [
        (INTERACTION.len(), "event"),
        (INTERACTION.len() - 1, "too_large"),
    ] {
        let settings = Settings {
            max_event_bytes: limit,
            ..Settings::default()
        };
        // White space around an event is not part of it.
        for payload in [
            INTERACTION.to_owned(),
            format!("  {INTERACTION}\n "),
            format!("[ {INTERACTION} ]"),
            format!("\n {INTERACTION} \r\n\n"),
        ] {
            let decoded = decode_with(settings.clone(), &message(&payload));
            assert_eq!(outcomes(&decoded), [expected], "{payload}");
        }
    }
    let one_too_many = format!("[{INTERACTION},{SURVEY}]");
    let settings = Settings {
        max_event_bytes: INTERACTION.len(),
        ..Settings::default()
    };
    let decoded = decode_with(settings, &message(one_too_many));
    assert_eq!(outcomes(&decoded), ["event", "too_large"]);
}

#[test]
fn a_message_beyond_the_limit_is_one_reject() {
    let settings = Settings {
        max_message_bytes: 200,
        ..Settings::default()
    };
    let lines = format!("{INTERACTION}\n").repeat(3);
    let decoded = decode_with(settings.clone(), &message(&lines));
    assert_eq!(outcomes(&decoded), ["too_large"]);
    assert_eq!(
        decoded.items[0].raw,
        (0, u32::try_from(lines.len()).unwrap())
    );
    let blank = " ".repeat(200);
    assert!(decode_with(settings, &message(blank)).items.is_empty());
}

#[test]
fn details_never_hold_ids_or_comments() {
    let canary = "canary-4711";
    let long = canary.repeat(50);
    for base in [INTERACTION, SURVEY] {
        for field in [
            "interaction_id",
            "survey_id",
            "event_id",
            "customer_id",
            "issue_id",
            "comment",
            "queue",
            "agent_id",
            "type",
            "direction",
            "csat",
            "ended_at",
            "submitted_at",
            "started_at",
            "updated_at",
            "resolved",
            "unknown",
        ] {
            for value in [
                format!("\"{long}\""),
                format!("{{\"{canary}\":1}}"),
                format!("[\"{canary}\"]"),
                format!("\"{canary}\\ud800\""),
                format!("\"{canary}"),
                format!("\"{canary}\u{1}\""),
            ] {
                let decoded = decode(with(base, &format!("\"{field}\":{value}")));
                for item in &decoded.items {
                    if let Verdict::Reject(reject) = &item.verdict {
                        assert!(!reject.detail.contains("canary"), "{reject:?}");
                        assert!(reject.detail.len() <= 256);
                    }
                }
            }
        }
    }
}

#[test]
fn odd_names_of_fields_cannot_break_the_detail() {
    let settings = Settings {
        kind_field: format!("kind\r\nCx-Evil: 1{}", "é".repeat(300)),
        ..Settings::default()
    };
    let decoded = decode_with(settings, &message("{}"));
    match &decoded.items[0].verdict {
        Verdict::Reject(reject) => {
            assert!(
                reject.detail.starts_with("kind\\r\\nCx-Evil: 1é"),
                "{reject:?}"
            );
            assert!(reject.detail.len() <= 256);
        }
        Verdict::Event(event) => panic!("{event:?}"),
    }
}

/// A message of nothing but commas would take a hundred times its size: from so many events on the
/// rest is one reject, in every form, and none before.
#[test]
fn a_message_has_so_many_events_and_the_rest_is_one_reject() {
    let settings = Settings {
        max_message_bytes: 100_000,
        max_event_bytes: 50_000,
        ..Settings::default()
    };
    // 100000 bytes at 32 an event.
    let most = 3125;
    let array = |count: usize| format!("[{}1]", "1,".repeat(count - 1));
    let forms = [
        |count: usize| format!("[{}1]", "1,".repeat(count - 1)),
        |count: usize| "1\n".repeat(count),
        |count: usize| {
            let data = "1,".repeat(count - 1);
            format!("{{\"specversion\":\"1.0\",\"data\":[{data}1]}}")
        },
    ];
    for form in forms {
        let decoded = decode_with(settings.clone(), &message(form(most)));
        assert_eq!(outcomes(&decoded), vec!["invalid_json"; most]);
        let payload = form(most + 2000);
        let decoded = decode_with(settings.clone(), &message(&payload));
        assert_eq!(decoded.items.len(), most + 1);
        let last = decoded.items.last().unwrap();
        assert_eq!(outcome(last), "too_large");
        assert_eq!(usize::try_from(last.raw.1).unwrap(), payload.len());
    }
    // An array on a line, and a line after it.
    let payload = format!("{INTERACTION}\n{}\n{INTERACTION}", array(most + 10));
    let decoded = decode_with(settings, &message(payload));
    let rest: Vec<_> = decoded.items.iter().skip(most).map(outcome).collect();
    assert_eq!(rest, ["too_large", "too_large"]);
}
