//! A second decoder, written from the contract in the plainest way over `serde_json::Value`. It
//! shares the event types with the real one and nothing else.

use base64::Engine;
use serde_json::Value;

use super::KEY;
use crate::decode::{Settings, Unit};
use crate::event::{
    Direction, Event, IdHash, Interaction, Kind, Reason, Record, Survey, tie_break,
};
use crate::source::Envelope;
use crate::time::Timestamp;

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

/// Name of the only member of the object that stands for a number, so that its text survives.
const NUMBER: &str = "\u{1}number";

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
        } else {
            let mark = self.out.len();
            if !self.array(bytes, (start, end)) {
                self.out.truncate(mark);
                self.lines(bytes);
            }
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
                    self.array(bytes, range);
                } else {
                    let index = self.out.len();
                    self.text(bytes, range, Some(index), true);
                }
            }
            start = stop + 1;
        }
    }

    /// Elements of an array text; false when it is not closed at the end of the range.
    fn array(&mut self, bytes: &[u8], range: (usize, usize)) -> bool {
        let first = trimmed(bytes, range.0 + 1, range.1).0;
        let mut rest = first;
        let mut closed = first < range.1 && bytes[first] == b']';
        if closed {
            rest = first + 1;
        }
        while !closed {
            let start = trimmed(bytes, rest, range.1).0;
            let Some(stop) = element_stop(&bytes[..range.1], start) else {
                rest = start;
                break;
            };
            let element = (start, trimmed(bytes, start, stop).1.max(start));
            let index = self.out.len();
            self.text(bytes, element, Some(index), true);
            rest = stop + 1;
            closed = bytes[stop] == b']';
        }
        let tail = if closed {
            trimmed(bytes, rest, range.1).0.max(rest)
        } else {
            rest
        };
        if closed && tail >= range.1 {
            return true;
        }
        let reason = if range.1 - tail > self.settings.max_event_bytes {
            Reason::TooLarge
        } else {
            Reason::InvalidJson
        };
        self.push((tail, range.1), Err((reason, None)));
        closed && tail >= range.1
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

    /// Data from base64. Broken arrays in base64 are left to the unit tests.
    fn decoded(&mut self, bytes: &[u8], id: Option<Value>, range: (usize, usize)) {
        match parse(bytes) {
            Some(value) => self.data(&value, id, range),
            None => self.push(range, Err((Reason::InvalidJson, None))),
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

struct Fields<'f> {
    settings: &'f Settings,
    kind: Kind,
    value: &'f Value,
}

impl Fields<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        let Some(source) = self.settings.fields(self.kind).get(name) else {
            return present(self.value.get(name));
        };
        let mut value = self.value;
        for step in &source.path {
            if is_number_object(value) {
                return None;
            }
            value = value.as_object()?.get(step)?;
        }
        present(Some(value))
    }

    fn unit_ms(&self, name: &str, default: Unit) -> u32 {
        let source = self.settings.fields(self.kind).get(name);
        source
            .and_then(|source| source.unit)
            .unwrap_or(default)
            .millis()
    }

    fn id(&self, name: &str) -> Result<Option<String>, Reason> {
        self.get(name).map(id_of).transpose()
    }

    fn hash(&self, name: &str, domain: u8) -> Result<Option<IdHash>, Reason> {
        Ok(self
            .id(name)?
            .map(|id| IdHash::of(KEY, domain, id.as_bytes())))
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, Reason> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(Reason::InvalidField),
        }
    }

    fn time(&self, name: &str) -> Result<Option<Timestamp>, Reason> {
        let millis = match self.get(name) {
            None => return Ok(None),
            Some(Value::String(text)) => rfc3339(text),
            Some(value) => number_text(value)
                .and_then(|text| text.parse::<i128>().ok())
                .map(|count| count * i128::from(self.unit_ms(name, Unit::Milliseconds)))
                .filter(|&millis| millis >= 315_532_800_000),
        };
        let millis = millis.filter(|millis| (0..=253_402_300_799_999).contains(millis));
        match millis {
            Some(millis) => Ok(Some(Timestamp::from_millis(i64::try_from(millis).unwrap()))),
            None => Err(Reason::InvalidField),
        }
    }

    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be small and whole"
    )]
    fn duration(&self, name: &str) -> Result<Option<u64>, Reason> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let number = number_text(value).ok_or(Reason::InvalidField)?;
        let millis = number.parse::<f64>().unwrap() * f64::from(self.unit_ms(name, Unit::Seconds));
        if (0.0..=1e12).contains(&millis) {
            Ok(Some(millis.round() as u64))
        } else {
            Err(Reason::InvalidField)
        }
    }

    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        reason = "checked to be small and whole"
    )]
    fn score(&self, name: &str, scale: (i32, i32)) -> Result<Option<i32>, Reason> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let text = match value {
            Value::String(text) if is_json_number(text) => text,
            value => number_text(value).ok_or(Reason::InvalidField)?,
        };
        let milli = (text.parse::<f64>().unwrap() * 1000.0).round();
        if milli >= f64::from(scale.0) && milli <= f64::from(scale.1) {
            Ok(Some(milli as i32))
        } else {
            Err(Reason::InvalidField)
        }
    }

    fn event_id(&self, lent: &Lent) -> Result<(), Reason> {
        match (self.id("event_id")?, &lent.cloud_event_id) {
            (None, Some(id)) => id_of(id).map(|_| ()),
            _ => Ok(()),
        }
    }

    fn dimensions(&self) -> Result<(Vec<Option<String>>, u64), Reason> {
        let mut truncated = 0;
        let mut values = Vec::new();
        for name in &self.settings.dimensions {
            let mut value = self.get(name).map(text_of).transpose()?;
            if let Some(text) = &mut value
                && text.len() > 256
            {
                truncated += 1;
                while text.len() > 256 {
                    text.pop();
                }
            }
            values.push(value);
        }
        Ok((values, truncated))
    }

    fn interaction(&self, lent: &Lent) -> Result<Accepted, Reason> {
        if self.get("interaction_id").is_none() || self.get("ended_at").is_none() {
            return Err(Reason::MissingField);
        }
        self.event_id(lent)?;
        let id = self.id("interaction_id")?.unwrap();
        let ended_at = self.time("ended_at")?.unwrap();
        let started_at = self.time("started_at")?;
        if started_at > Some(ended_at) {
            return Err(Reason::InvalidField);
        }
        let mut durations = Vec::new();
        for name in ["wait", "talk", "hold", "wrap", "handle"] {
            durations.push(self.duration(&format!("{name}_seconds"))?);
        }
        let sum =
            durations[1].map(|talk| talk + durations[2].unwrap_or(0) + durations[3].unwrap_or(0));
        let direction = match self.get("direction") {
            None => Direction::Inbound,
            Some(Value::String(text)) if text == "inbound" => Direction::Inbound,
            Some(Value::String(text)) if text == "outbound" => Direction::Outbound,
            Some(_) => return Err(Reason::InvalidField),
        };
        let event = Interaction {
            record: Record {
                id: IdHash::of(KEY, 1, id.as_bytes()),
                event_time: ended_at,
                version_time: self.time("updated_at")?.unwrap_or(ended_at),
                content: 0,
                excluded: self.flag("excluded")?.unwrap_or(false),
            },
            tie: tie_break(id.as_bytes()),
            customer: self.hash("customer_id", 3)?,
            issue: self.hash("issue_id", 4)?,
            direction,
            abandoned: self.flag("abandoned")?.unwrap_or(false),
            transferred: self.flag("transferred")?.unwrap_or(false),
            resolved: self.flag("resolved")?,
            started_at,
            wait_ms: durations[0],
            handle_ms: durations[4].or(sum),
        };
        let (dimensions, truncated) = self.dimensions()?;
        let mut kept = event.clone();
        kept.record.id = IdHash::default();
        kept.tie = 0;
        Ok(Accepted {
            kept: format!("{kept:?} {durations:?} {dimensions:?}"),
            event: Event::Interaction(event),
            dimensions,
            truncated,
        })
    }

    fn survey(&self, lent: &Lent, message_id: Option<String>) -> Result<Accepted, Reason> {
        let answers = ["csat", "nps", "ces", "resolved"];
        let has_id = self.get("survey_id").is_some()
            || self.get("event_id").is_some()
            || lent.cloud_event_id.is_some()
            || message_id.is_some();
        let has_answer = answers.iter().any(|answer| self.get(answer).is_some());
        if !has_id || !has_answer || self.get("submitted_at").is_none() {
            return Err(Reason::MissingField);
        }
        self.event_id(lent)?;
        let own = self.id("survey_id")?.or(self.id("event_id")?);
        let id = match (own, &lent.cloud_event_id, message_id) {
            (Some(id), _, _) => id,
            (None, Some(id), _) => match lent.index {
                Some(index) => format!("{}#{index}", id_of(id)?),
                None => id_of(id)?,
            },
            (None, None, Some(id)) => id_of(&Value::from(id))?,
            (None, None, None) => unreachable!(),
        };
        if !matches!(self.get("comment"), None | Some(Value::String(_))) {
            return Err(Reason::InvalidField);
        }
        let submitted_at = self.time("submitted_at")?.unwrap();
        let nps = self.score("nps", (0, 10_000))?;
        if nps.is_some_and(|milli| milli % 1000 != 0) {
            return Err(Reason::InvalidField);
        }
        let event = Survey {
            record: Record {
                id: IdHash::of(KEY, 2, id.as_bytes()),
                event_time: submitted_at,
                version_time: self.time("updated_at")?.unwrap_or(submitted_at),
                content: 0,
                excluded: self.flag("excluded")?.unwrap_or(false),
            },
            interaction: self.hash("interaction_id", 1)?,
            csat_milli: self.score("csat", self.settings.csat_scale_milli)?,
            ces_milli: self.score("ces", self.settings.ces_scale_milli)?,
            nps: nps.map(|milli| u8::try_from(milli / 1000).unwrap()),
            resolved: self.flag("resolved")?,
        };
        let customer = self.hash("customer_id", 3)?;
        let (dimensions, truncated) = self.dimensions()?;
        let mut kept = event.clone();
        kept.record.id = IdHash::default();
        Ok(Accepted {
            kept: format!("{kept:?} {customer:?} {dimensions:?}"),
            event: Event::Survey(event),
            dimensions,
            truncated,
        })
    }
}

/// `null` and `""` equal absent.
fn present(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !value.is_null() && value.as_str() != Some(""))
}

fn text_of(value: &Value) -> Result<String, Reason> {
    if let Value::String(text) = value {
        return Ok(text.clone());
    }
    let text = number_text(value).ok_or(Reason::InvalidField)?;
    if text == "-0" {
        return Ok("0".into());
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err(Reason::InvalidField)
    }
}

fn id_of(value: &Value) -> Result<String, Reason> {
    text_of(value).and_then(|text| {
        if text.len() <= 256 {
            Ok(text)
        } else {
            Err(Reason::InvalidField)
        }
    })
}

fn is_event(value: &Value) -> bool {
    value.is_object() && !is_number_object(value)
}

fn is_number_object(value: &Value) -> bool {
    number_text(value).is_some()
}

fn number_text(value: &Value) -> Option<&str> {
    value.as_object()?.get(NUMBER)?.as_str()
}

fn is_json_number(text: &str) -> bool {
    let starts_well = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let ends_well = text.ends_with(|last: char| last.is_ascii_digit());
    starts_well && ends_well && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
}

/// A JSON text, with each number as an object that holds its text.
fn parse(text: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(text).ok()?;
    let mut out = String::new();
    let mut characters = text.char_indices().peekable();
    let mut in_string = false;
    while let Some((at, character)) = characters.next() {
        if in_string {
            out.push(character);
            match character {
                '\\' => out.extend(characters.next().map(|(_, escaped)| escaped)),
                '"' => in_string = false,
                _ => {}
            }
        } else if character == '-' || character.is_ascii_digit() {
            let rest = &text[at..];
            let of_number = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
            let length = rest.find(|c| !of_number(c)).unwrap_or(rest.len());
            let run = &rest[..length];
            if is_json_number(run) {
                out.push_str(&serde_json::json!({ NUMBER: run }).to_string());
            } else {
                out.push_str(run);
            }
            for _ in 1..length {
                characters.next();
            }
        } else {
            in_string = character == '"';
            out.push(character);
        }
    }
    let value = serde_json::from_str(&out).ok();
    value.filter(|value| !is_number_object(value))
}

fn rfc3339(text: &str) -> Option<i128> {
    let upper = text.to_ascii_uppercase();
    let shape: String = upper
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let (date_time, rest) = (shape.get(..19)?, shape.get(19..)?);
    if date_time != "0000-00-00T00:00:00" {
        return None;
    }
    let zone = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let zone = fraction.trim_start_matches('0');
            if zone.len() == fraction.len() {
                return None;
            }
            zone
        }
    };
    let zone = &upper[upper.len() - zone.len()..];
    let zone_shape = &shape[shape.len() - zone.len()..];
    let fine_zone = match zone_shape {
        "Z" => true,
        "+00:00" | "-00:00" => &zone[1..3] < "24" && &zone[4..6] < "60",
        _ => false,
    };
    if !fine_zone || &upper[11..13] > "23" || &upper[14..16] > "59" || &upper[17..19] > "59" {
        return None;
    }
    let local: jiff::civil::DateTime = upper[..19].parse().ok()?;
    let seconds = local
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp().as_second())?;
    let fraction = &upper[19..upper.len() - zone.len()];
    let millis: String = fraction.trim_start_matches('.').chars().take(3).collect();
    let millis: i128 = format!("{millis:0<3}").parse().unwrap();
    let ahead = if zone == "Z" {
        0
    } else {
        let minutes: i128 =
            zone[1..3].parse::<i128>().unwrap() * 60 + zone[4..6].parse::<i128>().unwrap();
        if zone.starts_with('-') {
            -minutes
        } else {
            minutes
        }
    };
    Some((i128::from(seconds) - ahead * 60) * 1000 + millis)
}

fn trimmed(bytes: &[u8], start: usize, end: usize) -> (usize, usize) {
    let blank = |at: &usize| matches!(bytes[*at], b' ' | b'\t' | b'\r' | b'\n');
    let first = (start..end).find(|at| !blank(at)).unwrap_or(end);
    let last = (first..end).rev().find(|at| !blank(at));
    (first, last.map_or(first, |at| at + 1))
}

/// Per byte from `start` on: is it a bracket, comma, ... outside strings?
fn structure(bytes: &[u8], start: usize) -> Vec<bool> {
    let mut marks = vec![false; bytes.len()];
    let mut in_string = false;
    let mut escaped = false;
    for at in start..bytes.len() {
        let byte = bytes[at];
        if in_string {
            if escaped {
                escaped = false;
            } else if byte == b'\\' {
                escaped = true;
            } else if byte == b'"' {
                in_string = false;
            }
        } else if byte == b'"' {
            in_string = true;
        } else {
            marks[at] = true;
        }
    }
    marks
}

/// Where as many brackets have closed as opened.
fn first_zero_depth(bytes: &[u8], start: usize) -> Option<usize> {
    let marks = structure(bytes, start);
    let mut depth = 0;
    for at in start..bytes.len() {
        if marks[at] {
            match bytes[at] {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

/// The comma or bracket after an array element.
fn element_stop(bytes: &[u8], start: usize) -> Option<usize> {
    let marks = structure(bytes, start);
    let mut depth = 0;
    for at in start..bytes.len() {
        if marks[at] {
            match bytes[at] {
                b',' | b']' if depth == 0 => return Some(at),
                b'}' if depth == 0 => return None,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
        }
    }
    None
}
