//! A second decoder, written from the contract in the plainest way over `serde_json::Value`. It
//! shares the event types with the real one and nothing else.
//!
//! Whoever takes this folder in names the crate with the real decoder `library` and the key of the
//! id hashes `KEY`: the unit tests here, and the fuzz checks outside.

mod compare;
mod fields;
mod text;

use base64::Engine;
use serde_json::Value;

use fields::Fields;
use text::{element_stop, first_zero_depth, is_event, is_grammatical, parse, present, trimmed};

pub(super) use compare::{compare, mapped};

use super::library::decode::Settings;
use super::library::event::{Event, Kind, Reason};
use super::library::source::Envelope;

/// What the reference makes of one event.
#[derive(Debug, PartialEq)]
pub(super) struct Expected {
    pub(super) raw: (usize, usize),
    pub(super) verdict: Result<Accepted, (Reason, Option<Kind>)>,
}

/// An accepted event; its content hash is left at 0, `kept` stands for it.
#[derive(Debug, PartialEq)]
pub(super) struct Accepted {
    pub(super) event: Event,
    pub(super) dimensions: Vec<Option<String>>,
    pub(super) truncated: u64,
    /// Everything that decoding keeps, as text.
    pub(super) kept: String,
}

pub(super) fn decode(settings: &Settings, envelope: &Envelope) -> Vec<Expected> {
    let bytes = &envelope.payload[..];
    let mut reference = Reference {
        settings,
        envelope,
        out: Vec::new(),
    };
    if bytes.len() > settings.max_message_bytes {
        reference.push((0, bytes.len()), Err((Reason::TooLarge, None)));
    } else {
        reference.payload(bytes);
    }
    reference.out
}

struct Reference<'r> {
    settings: &'r Settings,
    envelope: &'r Envelope,
    out: Vec<Expected>,
}

/// Who lends an event its id.
#[derive(Clone, Debug)]
struct Lent {
    cloud_event_id: Option<Value>,
    index: Option<usize>,
}

impl Reference<'_> {
    fn push(&mut self, raw: (usize, usize), verdict: Result<Accepted, (Reason, Option<Kind>)>) {
        self.out.push(Expected { raw, verdict });
    }

    fn payload(&mut self, bytes: &[u8]) {
        let (start, end) = trimmed(bytes, 0, bytes.len());
        if start == end {
            return;
        }
        let wanted = match bytes[start] {
            b'{' => "{}]",
            b'[' => "[]",
            _ => return self.lines(bytes),
        };
        let close = first_zero_depth(bytes, start);
        let closed = close.is_some_and(|at| wanted[1..].contains(char::from(bytes[at])));
        if !closed || close != Some(end - 1) {
            return self.lines(bytes);
        }
        if bytes[start] == b'{' {
            self.text(bytes, (start, end), None, true);
        } else if !self.array(bytes, (start, end)) {
            self.lines(bytes);
        }
    }

    fn lines(&mut self, bytes: &[u8]) {
        let mut start = 0;
        while start < bytes.len() {
            let stop = bytes[start..].iter().position(|&byte| byte == b'\n');
            let stop = stop.map_or(bytes.len(), |length| start + length);
            let range = trimmed(bytes, start, stop);
            if range.0 < range.1 {
                if bytes[range.0] == b'[' {
                    if !self.array(bytes, range) {
                        self.tail(range, range);
                    }
                } else {
                    let index = self.out.len();
                    self.text(bytes, range, Some(index), true);
                }
            }
            start = stop + 1;
        }
    }

    /// Elements of an array text; false, and nothing read, when it is not JSON by its grammar.
    fn array(&mut self, bytes: &[u8], range: (usize, usize)) -> bool {
        let Some(elements) = split(bytes, range) else {
            return false;
        };
        for element in elements {
            let index = self.out.len();
            self.text(bytes, element, Some(index), true);
        }
        true
    }

    /// A text that begins as an array and is none; `raw` is what it has as received.
    fn tail(&mut self, tail: (usize, usize), raw: (usize, usize)) {
        let reason = if tail.1 - tail.0 > self.settings.max_event_bytes {
            Reason::TooLarge
        } else {
            Reason::InvalidJson
        };
        self.push(raw, Err((reason, None)));
    }

    /// One event; `index` is its place when there are several.
    fn text(&mut self, bytes: &[u8], range: (usize, usize), index: Option<usize>, outer: bool) {
        let text = &bytes[range.0..range.1];
        if text.len() > self.settings.max_event_bytes {
            return self.push(range, Err((Reason::TooLarge, None)));
        }
        let Some(value) = parse(text).filter(Value::is_object) else {
            return self.push(range, Err((Reason::InvalidJson, None)));
        };
        let headers = self
            .envelope
            .headers
            .as_deref()
            .cloned()
            .unwrap_or_default();
        if outer && !headers.cloud_event && present(value.get("specversion")).is_some() {
            return self.cloud_event(&value, range);
        }
        let lent = Lent {
            cloud_event_id: headers
                .cloud_event_id
                .filter(|id| headers.cloud_event && !id.is_empty())
                .map(Value::from),
            index,
        };
        let verdict = self.event(&value, &lent);
        self.push(range, verdict);
    }

    fn cloud_event(&mut self, envelope: &Value, range: (usize, usize)) {
        let id = present(envelope.get("id")).cloned();
        let data = match (
            present(envelope.get("data")),
            present(envelope.get("data_base64")),
        ) {
            (Some(data), _) => data.clone(),
            (None, None) => return self.push(range, self.no_data(Reason::MissingField)),
            (None, Some(Value::String(encoded))) => {
                let unpadded = encoded.trim_end_matches('=');
                let padding = encoded.len() - unpadded.len();
                let full = padding == 0 || (padding < 3 && encoded.len().is_multiple_of(4));
                match base64::engine::general_purpose::STANDARD_NO_PAD.decode(unpadded) {
                    Ok(bytes) if full => return self.decoded(&bytes, id, range),
                    _ => return self.push(range, self.no_data(Reason::InvalidField)),
                }
            }
            (None, Some(_)) => return self.push(range, self.no_data(Reason::InvalidField)),
        };
        self.data(&data, id, range);
    }

    /// Data from base64: like a payload, but without lines.
    fn decoded(&mut self, bytes: &[u8], id: Option<Value>, raw: (usize, usize)) {
        let (start, end) = trimmed(bytes, 0, bytes.len());
        if bytes.get(start) != Some(&b'[') {
            match parse(bytes).filter(is_event) {
                Some(value) => self.data(&value, id, raw),
                None => self.push(raw, Err((Reason::InvalidJson, None))),
            }
            return;
        }
        let Some(elements) = split(bytes, (start, end)) else {
            return self.tail((start, end), raw);
        };
        for (index, (from, to)) in elements.into_iter().enumerate() {
            let lent = Lent {
                cloud_event_id: id.clone(),
                index: Some(index),
            };
            let verdict = match parse(&bytes[from..to]).filter(is_event) {
                Some(value) => self.event(&value, &lent),
                None => Err((Reason::InvalidJson, None)),
            };
            self.push(raw, verdict);
        }
    }

    fn data(&mut self, data: &Value, cloud_event_id: Option<Value>, range: (usize, usize)) {
        match data {
            Value::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    let lent = Lent {
                        cloud_event_id: cloud_event_id.clone(),
                        index: Some(index),
                    };
                    let verdict = if is_event(element) {
                        self.event(element, &lent)
                    } else {
                        Err((Reason::InvalidJson, None))
                    };
                    self.push(range, verdict);
                }
            }
            data if is_event(data) => {
                let lent = Lent {
                    cloud_event_id,
                    index: None,
                };
                let verdict = self.event(data, &lent);
                self.push(range, verdict);
            }
            _ => self.push(range, Err((Reason::InvalidJson, None))),
        }
    }

    fn no_data(&self, reason: Reason) -> Result<Accepted, (Reason, Option<Kind>)> {
        match self.subject_kind() {
            Some(kind) => Err((reason, Some(kind))),
            None => Err((Reason::UnknownType, None)),
        }
    }

    fn subject_kind(&self) -> Option<Kind> {
        let subject = self.envelope.subject_text();
        if subject.starts_with("cx.interactions.") {
            Some(Kind::Interaction)
        } else if subject.starts_with("cx.surveys.") {
            Some(Kind::Survey)
        } else {
            None
        }
    }

    fn event(&self, value: &Value, lent: &Lent) -> Result<Accepted, (Reason, Option<Kind>)> {
        let kind = match present(value.get(&self.settings.kind_field)) {
            None => self.subject_kind(),
            Some(Value::String(name)) if name == "interaction" => Some(Kind::Interaction),
            Some(Value::String(name)) if name == "survey" => Some(Kind::Survey),
            Some(_) => None,
        };
        let Some(kind) = kind else {
            return Err((Reason::UnknownType, None));
        };
        let fields = Fields {
            settings: self.settings,
            kind,
            value,
        };
        let accepted = match kind {
            Kind::Interaction => fields.interaction(lent),
            Kind::Survey => {
                let headers = self.envelope.headers.as_deref();
                let message_id = headers.and_then(|headers| headers.message_id.clone());
                fields.survey(lent, message_id.filter(|id| !id.is_empty()))
            }
        };
        accepted.map_err(|reason| (reason, Some(kind)))
    }
}

/// The elements of the array text in `range`; `None` when it is not JSON by its grammar.
fn split(bytes: &[u8], range: (usize, usize)) -> Option<Vec<(usize, usize)>> {
    let mut elements = Vec::new();
    let mut rest = trimmed(bytes, range.0 + 1, range.1).0;
    let mut closed = rest < range.1 && bytes[rest] == b']';
    rest += usize::from(closed);
    while !closed {
        let start = trimmed(bytes, rest, range.1).0;
        let stop = element_stop(&bytes[..range.1], start)?;
        let element = (start, trimmed(bytes, start, stop).1.max(start));
        if !is_grammatical(&bytes[element.0..element.1]) {
            return None;
        }
        elements.push(element);
        rest = stop + 1;
        closed = bytes[stop] == b']';
    }
    (trimmed(bytes, rest, range.1).0.max(rest) >= range.1).then_some(elements)
}
