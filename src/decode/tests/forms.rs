//! The forms of a payload, and what is left of broken ones.

use std::sync::Arc;

use super::{INTERACTION, KEY, SURVEY, decode, message, outcomes, with};
use crate::decode::{Decoded, Decoder, Settings};

/// The items' texts as received.
fn raw<'p>(payload: &'p str, decoded: &Decoded) -> Vec<&'p str> {
    let at = |place: u32| usize::try_from(place).unwrap();
    let slice = |item: &super::Item| &payload[at(item.raw.0)..at(item.raw.1)];
    decoded.items.iter().map(slice).collect()
}

fn check(payload: &str, expected: &[(&str, &str)]) {
    let decoded = decode(payload);
    let found: Vec<_> = outcomes(&decoded)
        .into_iter()
        .zip(raw(payload, &decoded))
        .collect();
    assert_eq!(found, expected, "{payload}");
    for (at, item) in decoded.items.iter().enumerate() {
        assert_eq!(usize::try_from(item.index).unwrap(), at);
    }
}

#[test]
fn nothing_comes_of_nothing() {
    for payload in ["", " ", "\r\n\t \n", "[]", " [ \n ] ", "[]\n[]\r\n\n[ ]"] {
        check(payload, &[]);
    }
}

#[test]
fn one_object_in_one_line_or_several() {
    check(INTERACTION, &[("event", INTERACTION)]);
    let pretty = INTERACTION
        .replace(',', ",\r\n  ")
        .replace('{', "{\n  ")
        .replace('}', "\n}");
    check(&pretty, &[("event", &pretty)]);
    let padded = format!("\n\n {pretty} \n\t");
    check(&padded, &[("event", &pretty)]);
}

#[test]
fn an_array_in_one_line_or_several() {
    let one_line = format!("[{INTERACTION},{SURVEY}]");
    check(&one_line, &[("event", INTERACTION), ("event", SURVEY)]);
    let pretty = format!("\n[\n  {INTERACTION}\n ,\r\n  {SURVEY}\n]\n");
    check(&pretty, &[("event", INTERACTION), ("event", SURVEY)]);
}

#[test]
fn lines_with_either_ending_and_blank_ones_between() {
    let lines = format!("{INTERACTION}\r\n\r\n \t\n{SURVEY}\n{INTERACTION}");
    check(
        &lines,
        &[
            ("event", INTERACTION),
            ("event", SURVEY),
            ("event", INTERACTION),
        ],
    );
    check(
        &format!("{SURVEY}\n{INTERACTION}\n"),
        &[("event", SURVEY), ("event", INTERACTION)],
    );
}

#[test]
fn lines_may_be_arrays() {
    let lines = format!("[{INTERACTION},{SURVEY}]\n{INTERACTION}\n[]\n[ {SURVEY} ]\n");
    check(
        &lines,
        &[
            ("event", INTERACTION),
            ("event", SURVEY),
            ("event", INTERACTION),
            ("event", SURVEY),
        ],
    );
}

#[test]
fn one_bad_line_is_one_reject() {
    let lines = format!(
        "{INTERACTION}\nrubbish\n{SURVEY}\n{{\"a\":\n{SURVEY}\n5\n{INTERACTION} {SURVEY}\n{INTERACTION}"
    );
    let both = format!("{INTERACTION} {SURVEY}");
    check(
        &lines,
        &[
            ("event", INTERACTION),
            ("invalid_json", "rubbish"),
            ("event", SURVEY),
            ("invalid_json", "{\"a\":"),
            ("event", SURVEY),
            ("invalid_json", "5"),
            ("invalid_json", &both),
            ("event", INTERACTION),
        ],
    );
    // The first line decides nothing about the others.
    for first in [
        "rubbish",
        "{",
        "[",
        "\"",
        "{\"a\":\"",
        "[{\"a\":\"",
        "}",
        "null",
    ] {
        let lines = format!("{first}\n{SURVEY}\n{INTERACTION}\n");
        let expected = [
            ("invalid_json", first),
            ("event", SURVEY),
            ("event", INTERACTION),
        ];
        check(&lines, &expected);
    }
}

#[test]
fn one_bad_element_is_one_reject() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_object = format!("{{\"a\":{deep}}}");
    for bad in [
        "5",
        "null",
        "\"text, with ] and }\"",
        "\"\\ud800\"",
        "[1,[2]]",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\udc00\",\"b\":[]}",
        &deep,
        &deep_object,
    ] {
        let array = format!("[{INTERACTION}, {bad} ,{SURVEY}]");
        let expected = [
            ("event", INTERACTION),
            ("invalid_json", bad),
            ("event", SURVEY),
        ];
        check(&array, &expected);
        check(
            &format!("{array}\n{SURVEY}\n"),
            &[&expected[..], &[("event", SURVEY)]].concat(),
        );
    }
}

#[test]
fn an_array_that_does_not_parse_is_one_reject() {
    for rest in [
        ",NaN]",
        ",{\"a\":NaN}]",
        ",{\"a\":\"tab\t\"}]",
        ",{\"a\":\"\\x\"}]",
        ",{\"a\":[1,2}}]",
        ",{\"a\" 1}]",
        ",{\"a\":\"\\ud800\",\"b\"}]",
        ",{} {}]",
        ",]",
        ",,1]",
        ",{\"a\":\"open",
        ",{\"a\":[1",
        ",{\"a\":[1,2},{\"b\":2}]",
        ",\"open",
        ",}",
        ",5",
        "",
        "] 5",
        "][]",
        "}",
    ] {
        let array = format!("[{INTERACTION}{rest}");
        check(&array, &[("invalid_json", &array)]);
        let lines = format!("{SURVEY}\n {array} \n{INTERACTION}\n");
        check(
            &lines,
            &[
                ("event", SURVEY),
                ("invalid_json", &array),
                ("event", INTERACTION),
            ],
        );
    }
    // Over several lines each line speaks for itself.
    let lines = format!("[\n{INTERACTION},\n{SURVEY}\n,]");
    let first = format!("{INTERACTION},");
    check(
        &lines,
        &[
            ("invalid_json", "["),
            ("invalid_json", &first),
            ("event", SURVEY),
            ("invalid_json", ",]"),
        ],
    );
}

#[test]
fn a_broken_pretty_printed_object_is_one_reject() {
    let pretty = "{\n \"type\": \"survey\",\n \"csat\": NaN\n}";
    check(&format!("{pretty}\n"), &[("invalid_json", pretty)]);
    let line_break = "{\"type\":\"survey\",\"comment\":\"a\nb\"}";
    check(line_break, &[("invalid_json", line_break)]);
}

#[test]
fn bytes_that_are_not_utf8_harm_their_own_event_only() {
    let mut payload = Vec::new();
    for part in [
        &b"["[..],
        INTERACTION.as_bytes(),
        b",{\"a\":\"\xff\"},",
        SURVEY.as_bytes(),
        b"]",
    ] {
        payload.extend_from_slice(part);
    }
    let array = outcomes(&decode(&payload)).join(" ");
    assert_eq!(array, "event invalid_json event");
    let lines = [
        INTERACTION.as_bytes(),
        b"\xff\xfe",
        b"{\"a\":\"\xe9\"}",
        SURVEY.as_bytes(),
    ]
    .join(&b'\n');
    let lines = outcomes(&decode(lines)).join(" ");
    assert_eq!(lines, "event invalid_json invalid_json event");
}

#[test]
fn a_message_of_eight_mebibytes() {
    let limit = Settings::default().max_message_bytes;
    let event = with(INTERACTION, "\"queue\":\"sales\"");
    let count = (limit - 2) / (event.len() + 1);
    let array = format!("[{}]", vec![event.clone(); count].join(","));
    let decoded = decode(&array);
    assert_eq!(decoded.items.len(), count);
    assert!(outcomes(&decoded).iter().all(|outcome| *outcome == "event"));
    assert_eq!(
        decoded.dimension(&decoded.items[count - 1], 1),
        Some("sales")
    );
    let lines = format!("{event}\n").repeat(count);
    assert_eq!(decode(lines).items.len(), count);
    // One event of that size, valid or not, is one reject.
    for filler in ["x", "\\", "[", "\""] {
        let huge = with(
            INTERACTION,
            &format!("\"extra\":\"{}\"", filler.repeat(limit - 200)),
        );
        assert!(huge.len() <= limit);
        assert_eq!(outcomes(&decode(huge)), ["too_large"], "{filler}");
    }
    let brackets = "[".repeat(limit);
    assert_eq!(outcomes(&decode(brackets)), ["too_large"]);
    assert_eq!(outcomes(&decode(" ".repeat(limit + 1))), ["too_large"]);
}

#[test]
fn many_small_broken_elements_are_many_rejects() {
    let count = 100_000;
    let array = format!("[{}]", vec!["1"; count].join(","));
    assert_eq!(decode(array).items.len(), count);
    assert_eq!(decode("x\n".repeat(count)).items.len(), count);
}

#[test]
fn a_batch_keeps_messages_apart() {
    let mut decoder = Decoder::new(Arc::new(Settings::default()), KEY);
    let mut decoded = Decoded::default();
    let first = with(INTERACTION, "\"queue\":\"a\"");
    decoder.decode(&message(format!("{first}\nx\n{first}")), 4, &mut decoded);
    decoder.decode(&message(""), 5, &mut decoded);
    decoder.decode(&message(with(SURVEY, "\"queue\":\"b\"")), 6, &mut decoded);
    let places: Vec<_> = decoded
        .items
        .iter()
        .map(|item| (item.message, item.index))
        .collect();
    assert_eq!(places, [(4, 0), (4, 1), (4, 2), (6, 0)]);
    let queues: Vec<_> = [0, 2, 3]
        .map(|at| decoded.dimension(&decoded.items[at], 1))
        .into();
    assert_eq!(queues, [Some("a"), Some("a"), Some("b")]);
    decoded.clear();
    decoder.decode(&message(SURVEY), 0, &mut decoded);
    assert_eq!(decoded.items.len(), 1);
    assert_eq!(decoded.dimension(&decoded.items[0], 1), None);
}
