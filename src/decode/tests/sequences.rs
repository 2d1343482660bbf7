//! One decoder over many messages: what it has seen changes how fast it is, never what it says. Each
//! message is read by a decoder that has read all before it, by a fresh one and by the reference.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::reference::{compare, mapped};
use super::{KEY, message_on, outcomes};
use crate::decode::{Decoded, Decoder, Settings};
use crate::source::Envelope;

/// Events as one producer writes them, over and over: names and raw values.
const LAYOUTS: [&[(&str, &str)]; 4] = [
    &[
        ("type", r#""interaction""#),
        ("interaction_id", r#""i-000000001""#),
        ("customer_id", r#""c-00327033""#),
        ("issue_id", r#""issue-0""#),
        ("channel", r#""chat""#),
        ("queue", r#""queue-027""#),
        ("agent_id", r#""a-4002""#),
        ("direction", r#""outbound""#),
        ("started_at", r#""2026-03-02T07:58:36.761Z""#),
        ("ended_at", r#""2026-03-02T08:00:00.001Z""#),
        ("wait_seconds", "5.263"),
        ("talk_seconds", "40.867"),
        ("abandoned", "false"),
        ("resolved", "true"),
    ],
    &[
        ("type", r#""survey""#),
        ("survey_id", r#""s-000000000""#),
        ("interaction_id", r#""i-000000001""#),
        ("channel", r#""messaging""#),
        ("queue", r#""queue-048""#),
        ("submitted_at", r#""2026-03-02T08:00:00.000Z""#),
        ("csat", "5"),
        ("nps", "6"),
        ("resolved", "true"),
    ],
    // As mapped settings read it: paths into objects, and the same names in them.
    &[
        ("interaction_id", r#""i-2""#),
        ("Queue", r#"{"ARN":"x","Name":"Sales","queue":"y"}"#),
        ("queue", r#"{"Name":"Vip"}"#),
        ("unknown", r#"{"a":"b"}"#),
        ("ended_at", "1772438400000"),
        ("type", r#""interaction""#),
        ("hold_seconds", "12.5"),
    ],
    // The kind by the subject.
    &[
        ("event_id", r#""e-1""#),
        ("submitted_at", r#""2026-03-02T08:00:00Z""#),
        ("ended_at", r#""2026-03-02T08:00:00Z""#),
        ("interaction_id", "17"),
        ("ces", r#""3""#),
        ("comment", r#""fine""#),
    ],
];

/// Values that any member may get instead.
const VALUES: [&str; 24] = [
    "null",
    "true",
    "false",
    r#""""#,
    r#""a""#,
    r#""survey""#,
    r#""interaction""#,
    r#""surv\u0065y""#,
    r#""eight by""#,
    r#""a text that is longer than two blocks of eight""#,
    r#""a\"b""#,
    r#""Ünïcode""#,
    "\"tab\there\"",
    "-1",
    "01",
    "0",
    "1e2",
    "12345678",
    "123456789",
    "1.",
    "0.12345678",
    "{}",
    r#"[{"queue":"x"}]"#,
    r#"{"Name":{"queue":1}}"#,
];

/// What is done to an event. Numbers choose members and values.
#[derive(Clone, Debug)]
enum Change {
    LeaveOut(usize),
    Swap(usize, usize),
    Rotate(usize),
    Repeat(usize, usize),
    Value(usize, usize),
    Escape(usize),
    Blank(usize),
    Unknown(usize, usize),
    Byte(usize, u8),
    Insert(usize, u8),
    Cut(usize),
}

/// How an event becomes a message.
#[derive(Clone, Debug)]
enum Form {
    Alone,
    Array,
    Lines,
    CloudEvent,
    Encoded,
}

fn change() -> impl Strategy<Value = Change> {
    let any_number = || any::<usize>();
    let structural = prop::sample::select(&b"{}[]\",:\\ \n0e.tn\x00\xc3\xff"[..]);
    prop_oneof![
        4 => any_number().prop_map(Change::LeaveOut),
        1 => (any_number(), any_number()).prop_map(|(a, b)| Change::Swap(a, b)),
        1 => any_number().prop_map(Change::Rotate),
        1 => (any_number(), any_number()).prop_map(|(at, to)| Change::Repeat(at, to)),
        4 => (any_number(), any_number()).prop_map(|(at, value)| Change::Value(at, value)),
        1 => any_number().prop_map(Change::Escape),
        1 => any_number().prop_map(Change::Blank),
        1 => (any_number(), any_number()).prop_map(|(at, value)| Change::Unknown(at, value)),
        2 => (any_number(), structural.clone()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        2 => (any_number(), structural).prop_map(|(at, byte)| Change::Insert(at, byte)),
        1 => any_number().prop_map(Change::Cut),
    ]
}

fn event() -> impl Strategy<Value = Vec<u8>> {
    let changes = prop_oneof![
        2 => Just(Vec::new()),
        3 => prop::collection::vec(change(), 1..4),
    ];
    (0..LAYOUTS.len(), changes).prop_map(|(layout, changes)| written(layout, &changes))
}

fn envelope() -> impl Strategy<Value = Envelope> {
    let form = prop_oneof![
        6 => Just(Form::Alone),
        1 => Just(Form::Array),
        1 => Just(Form::Lines),
        1 => Just(Form::CloudEvent),
        1 => Just(Form::Encoded),
    ];
    let events = prop::collection::vec(event(), 1..4);
    let subject = prop::sample::select(&["", "cx.interactions.eu", "cx.surveys.eu"][..]);
    (form, events, subject).prop_map(|(form, events, subject)| {
        let payload = match form {
            Form::Alone => events[0].clone(),
            Form::Array => [b"[", events.join(&b","[..]).as_slice(), b"]"].concat(),
            Form::Lines => events.join(&b"\n"[..]),
            Form::CloudEvent => [
                br#"{"specversion":"1.0","type":"cx.survey","id":"ce","data":"#,
                events[0].as_slice(),
                b"}",
            ]
            .concat(),
            Form::Encoded => format!(
                r#"{{"specversion":"1.0","id":"ce","data_base64":"{}"}}"#,
                STANDARD.encode(&events[0])
            )
            .into_bytes(),
        };
        message_on(subject, payload)
    })
}

/// The event of a layout after the changes: those of members first, then those of bytes.
fn written(layout: usize, changes: &[Change]) -> Vec<u8> {
    let mut members: Vec<(String, String)> = LAYOUTS[layout]
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    for change in changes {
        let count = members.len();
        match *change {
            Change::LeaveOut(at) if count > 1 => {
                members.remove(at % count);
            }
            Change::Swap(a, b) => members.swap(a % count, b % count),
            Change::Rotate(by) => members.rotate_left(by % count),
            Change::Repeat(at, to) => {
                let mut again = members[at % count].clone();
                again.1 = VALUES[at % VALUES.len()].to_owned();
                members.insert(to % (count + 1), again);
            }
            Change::Value(at, value) => {
                VALUES[value % VALUES.len()].clone_into(&mut members[at % count].1);
            }
            Change::Escape(at) => {
                let name = &mut members[at % count].0;
                let first = name.remove(0);
                *name = format!("\\u{:04x}{name}", u32::from(first));
            }
            Change::Blank(at) => members[at % count].1.push(' '),
            Change::Unknown(at, value) => {
                let value = VALUES[value % VALUES.len()].to_owned();
                members.insert(at % (count + 1), ("elsewhere".to_owned(), value));
            }
            _ => {}
        }
    }
    let members: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    let mut text = format!("{{{}}}", members.join(",")).into_bytes();
    for change in changes {
        let length = text.len().max(1);
        match *change {
            Change::Byte(at, byte) if !text.is_empty() => text[at % length] = byte,
            Change::Insert(at, byte) => text.insert(at % length, byte),
            Change::Cut(at) => text.truncate(at % length),
            _ => {}
        }
    }
    text
}

fn whole(decoder: &mut Decoder, envelope: &Envelope) -> String {
    let mut decoded = Decoded::default();
    decoder.decode(envelope, 5, &mut decoded);
    format!("{decoded:?}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_was_read_before_changes_nothing(
        is_mapped: bool,
        envelopes in prop::collection::vec(envelope(), 1..24),
    ) {
        let settings = if is_mapped { mapped() } else { Settings::default() };
        let shared = Arc::new(settings.clone());
        let mut decoder = Decoder::new(Arc::clone(&shared), KEY);
        for envelope in &envelopes {
            // The first reading may learn what the second one goes by.
            for _ in 0..2 {
                let mut fresh = Decoder::new(Arc::clone(&shared), KEY);
                prop_assert_eq!(whole(&mut decoder, envelope), whole(&mut fresh, envelope));
            }
            compare(&mut decoder, &settings, envelope, &mut HashMap::new());
        }
    }
}

#[test]
fn a_brace_in_place_of_a_comma_is_an_error_also_before_an_expected_member() {
    let event = String::from_utf8(written(0, &[])).unwrap();
    let mut decoder = Decoder::new(Arc::new(Settings::default()), KEY);
    let mut read = |payload: &str| {
        let mut decoded = Decoded::default();
        decoder.decode(&message_on("", payload), 0, &mut decoded);
        outcomes(&decoded)
    };
    assert_eq!(read(&event), ["event"]);
    for (comma, _) in event.match_indices(',') {
        let (before, after) = (&event[..comma], &event[comma + 1..]);
        for broken in [
            format!("{before}{{{after}"),
            format!("{before} {{{after}"),
            format!("{before},,{after}"),
            format!("{before}}}{after}"),
        ] {
            assert_eq!(read(&broken), ["invalid_json"], "{broken}");
            assert_eq!(read(&event), ["event"]);
        }
        let odd = format!("{before},\"unknown\":-1,{after}");
        assert_eq!(read(&odd), ["event"], "{odd}");
        let broken = odd.replace("-1,", "-1{");
        assert_eq!(read(&broken), ["invalid_json"], "{broken}");
    }
}
