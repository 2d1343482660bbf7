//! Made-up messages in which every field is now and then odd, and byte noise on top.

use base64::Engine;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};

use crate::source::{Envelope, MessageHeaders};

/// Values that any field may get: raw JSON, most of them wrong for most fields.
const ODD: [&str; 34] = [
    "null",
    "\"\"",
    "true",
    "false",
    "0",
    "-0",
    "-0.0",
    "1",
    "5",
    "10",
    "11",
    "4.5",
    "4.0005",
    "9.9996",
    "-1",
    "1e3",
    "1E-2",
    "1e999",
    "-1e999",
    "1e9",
    "1000000000.0000001",
    "123456789012345678901234567890",
    "\"9\"",
    "\"9.0\"",
    "\"9x\"",
    "\"+9\"",
    "\"\\u0039\"",
    "{}",
    "[]",
    "{\"a\":[1,{\"b\":null}]}",
    "\"\\ud83d\\ude00\"",
    "\"Ünïcode ✓\"",
    "\"tab\\tline\\nquote\\\"slash\\/\"",
    "NaN",
];

/// Values for fields with times.
const TIMES: [&str; 16] = [
    "\"2026-01-31T12:00:00Z\"",
    "\"2026-01-31T12:00:00.1239Z\"",
    "\"2026-01-31t12:00:00+05:30\"",
    "\"2026-01-31T12:00:00-00:00\"",
    "\"2026\\u002d01-31T12:00:00Z\"",
    "\"2026-01-31 12:00:00Z\"",
    "\"2026-01-31T12:00:60Z\"",
    "\"2026-02-29T12:00:00Z\"",
    "\"1970-01-01T00:30:00+01:00\"",
    "\"9999-12-31T23:59:59-01:00\"",
    "1769860800000",
    "1769860800000.0",
    "1769860800",
    "315532800000",
    "315532799999",
    "253402300800000",
];

/// A message made from a seed: always the same for the same seed.
pub(super) fn message(seed: u64) -> Envelope {
    let mut make = Maker(StdRng::seed_from_u64(seed));
    let mut payload = make.payload();
    if make.one_in(3) {
        make.noise(&mut payload);
    }
    let subject = *make.pick(&["", "cx.interactions.eu", "cx.surveys.eu", "other"]);
    let headers = make.0.random_ratio(1, 4).then(|| {
        let ids = [
            None,
            Some(String::new()),
            Some("m".into()),
            Some("x".repeat(257)),
        ];
        Box::new(MessageHeaders {
            message_id: make.pick(&ids).clone(),
            cloud_event: make.0.random(),
            cloud_event_id: make.pick(&ids).clone(),
            dead_letter: false,
        })
    });
    Envelope {
        subject: subject.into(),
        headers,
        payload: payload.into(),
        ..Envelope::default()
    }
}

struct Maker(StdRng);

impl Maker {
    fn pick<'v, T>(&mut self, values: &'v [T]) -> &'v T {
        values.choose(&mut self.0).unwrap()
    }

    fn one_in(&mut self, count: u32) -> bool {
        self.0.random_ratio(1, count)
    }

    fn payload(&mut self) -> Vec<u8> {
        let mut text = String::new();
        match self.0.random_range(0..4) {
            0 => text = self.element(),
            1 => text = self.array("\n"),
            _ => {
                for _ in 0..self.0.random_range(0..4) {
                    let line = if self.one_in(4) {
                        self.array("")
                    } else {
                        self.element()
                    };
                    text.push_str(&line);
                    let end: &&str = self.pick(&["\n", "\r\n", "\n\n", " \n"]);
                    text.push_str(end);
                }
            }
        }
        text.into_bytes()
    }

    fn array(&mut self, blank: &str) -> String {
        let mut elements = Vec::new();
        for _ in 0..self.0.random_range(0..4) {
            let element = if self.one_in(8) {
                (*self.pick(&ODD)).to_owned()
            } else {
                self.element()
            };
            elements.push(element);
        }
        format!("[{blank}{}{blank}]", elements.join(","))
    }

    fn element(&mut self) -> String {
        let event = self.event();
        if !self.one_in(6) {
            return event;
        }
        let mut members = vec![("specversion".to_owned(), "\"1.0\"".to_owned())];
        if !self.one_in(4) {
            let id = if self.one_in(4) {
                (*self.pick(&ODD)).to_owned()
            } else {
                "\"ce\"".into()
            };
            members.push(("id".into(), id));
        }
        match self.0.random_range(0..8) {
            0 => {}
            1 => members.push(("data".into(), (*self.pick(&ODD)).into())),
            2 => members.push(("data_base64".into(), (*self.pick(&ODD)).into())),
            3 => {
                let text = base64::engine::general_purpose::STANDARD.encode(&event);
                members.push(("data_base64".into(), format!("\"{text}\"")));
            }
            4 => members.push(("data".into(), format!("[{event}, {}]", self.event()))),
            _ => members.push(("data".into(), event)),
        }
        self.object(members)
    }

    fn event(&mut self) -> String {
        let is_survey = self.0.random();
        let kind = if is_survey {
            "\"survey\""
        } else {
            "\"interaction\""
        };
        let mut members = vec![("type".to_owned(), kind.to_owned())];
        if is_survey {
            self.add(&mut members, "survey_id", &["\"s1\"", "17"], 3);
            self.add(&mut members, "submitted_at", &TIMES[..4], 9);
            for answer in ["csat", "ces", "nps"] {
                self.add(&mut members, answer, &["5", "\"4\"", "3.5", "1"], 2);
            }
            self.add(&mut members, "comment", &["\"so \\u00fc\"", "\"plain\""], 2);
        } else {
            self.add(&mut members, "ended_at", &TIMES[..4], 9);
            self.add(&mut members, "started_at", &TIMES[..5], 2);
            self.add(&mut members, "issue_id", &["\"billing\"", "7"], 2);
            for duration in ["wait", "talk", "hold", "wrap", "handle"] {
                let name = format!("{duration}_seconds");
                self.add(&mut members, &name, &["0", "12.3456", "61", "0.0005"], 2);
            }
            self.add(
                &mut members,
                "direction",
                &["\"inbound\"", "\"outbound\""],
                2,
            );
            self.add(&mut members, "abandoned", &["true", "false"], 2);
            self.add(&mut members, "transferred", &["true", "false"], 2);
        }
        self.add(
            &mut members,
            "interaction_id",
            &["\"i1\"", "\"i\\u0031\"", "42"],
            5,
        );
        self.add(&mut members, "event_id", &["\"e1\"", "5"], 3);
        self.add(&mut members, "customer_id", &["\"c1\"", "99"], 3);
        self.add(&mut members, "updated_at", &TIMES[..5], 3);
        self.add(&mut members, "resolved", &["true", "false"], 2);
        self.add(&mut members, "excluded", &["true", "false"], 3);
        let long = format!("\"{}é\"", "q".repeat(255));
        for dimension in ["queue", "channel", "agent_id", "Queue"] {
            let values = ["\"sales\"", "8", "{\"Name\":\"vip\"}", &long];
            self.add(&mut members, dimension, &values[..], 2);
        }
        self.add(&mut members, "unknown", &ODD[..33], 2);
        self.object(members)
    }

    /// Adds a member one time in `often` at random, else nearly always; with an odd value now and
    /// then.
    fn add(
        &mut self,
        members: &mut Vec<(String, String)>,
        name: &str,
        values: &[&str],
        often: u32,
    ) {
        if self.one_in(often) {
            return;
        }
        let value = match self.0.random_range(0..80) {
            0 => self.pick(&ODD),
            1 => self.pick(&TIMES),
            _ => self.pick(values),
        };
        members.push((name.to_owned(), (*value).to_owned()));
        if self.one_in(60) {
            let again = if self.0.random() {
                *self.pick(&ODD)
            } else {
                *self.pick(values)
            };
            members.push((name.to_owned(), again.to_owned()));
        }
    }

    fn object(&mut self, mut members: Vec<(String, String)>) -> String {
        if self.0.random() {
            members.shuffle(&mut self.0);
        }
        let [comma, colon, blank] = *self.pick(&[
            [",", ":", ""],
            [",", ":", ""],
            [", ", ": ", ""],
            [", ", ":\t", " "],
            [" ,\n\t", " :\r ", "\n"],
        ]);
        let members: Vec<String> = members
            .into_iter()
            .map(|(name, value)| format!("\"{}\"{colon}{value}", self.escaped(&name)))
            .collect();
        format!("{{{blank}{}{blank}}}", members.join(comma))
    }

    /// Now and then a character of a name as an escape.
    fn escaped(&mut self, name: &str) -> String {
        if !self.one_in(30) {
            return name.to_owned();
        }
        let at = self.0.random_range(0..name.len());
        let code = u32::from(name.as_bytes()[at]);
        format!("{}\\u{code:04x}{}", &name[..at], &name[at + 1..])
    }

    /// Changes, adds, takes away bytes; cuts the rest off.
    fn noise(&mut self, payload: &mut Vec<u8>) {
        const BYTES: &[u8] = b"{}[]\",:\\u0-9.eE+ \n\r\ttfnNa\x00\x1f\x7f\xc3\xa9\xff\xed\xa0\x80";
        for _ in 0..self.0.random_range(1..4) {
            if payload.is_empty() {
                return;
            }
            let at = self.0.random_range(0..payload.len());
            let byte = if self.0.random() {
                *self.pick(BYTES)
            } else {
                self.0.random()
            };
            match self.0.random_range(0..8) {
                0 => payload.truncate(at),
                1 | 2 => {
                    payload.remove(at);
                }
                3 | 4 => payload.insert(at, byte),
                5 => payload.insert(at, payload[payload.len() - 1 - at]),
                _ => payload[at] = byte,
            }
        }
    }
}
