//! A message cut into events: one object, an array, or lines; plain or as `CloudEvents`.
use super::json::{self, Json};
use super::record::{Kind, Reason, Record, read};
use super::setup::{Message, Setup};

/// What each event of a message comes to before its time is looked at, in order.
pub(crate) fn open(setup: &Setup, message: &Message) -> Vec<Result<Record, Reason>> {
    if message.payload.len() > setup.max_message_bytes {
        return vec![Err(Reason::TooLarge)];
    }
    let texts = pieces(&message.payload);
    let in_array = message.payload.trim_ascii_start().starts_with(b"[");
    let mut opened = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let position = in_array.then_some(index);
        open_one(setup, message, text, position, &mut opened);
    }
    opened
}

/// The texts of the events: elements of an array, else the one value, else the lines that are not blank.
pub(crate) fn pieces(payload: &[u8]) -> Vec<&[u8]> {
    json::pieces(payload).unwrap_or_else(|| {
        let lines = payload.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        lines.filter(|line| !line.is_empty()).collect()
    })
}

fn open_one(
    setup: &Setup,
    message: &Message,
    text: &[u8],
    position: Option<usize>,
    opened: &mut Vec<Result<Record, Reason>>,
) {
    if text.len() > setup.max_event_bytes {
        opened.push(Err(Reason::TooLarge));
        return;
    }
    let Some(value @ Json::Object(_)) = json::parse(text) else {
        opened.push(Err(Reason::InvalidJson));
        return;
    };
    let event = |one: &Json, id: Option<&str>| judge(setup, message, one, id);
    if message.header("ce-specversion").is_some() {
        let id = message.header("ce-id").map(|id| numbered(id, position));
        opened.push(event(&value, id.as_deref()));
    } else if value.member("specversion").is_some() {
        open_envelope(&value, &event, opened);
    } else {
        opened.push(event(&value, None));
    }
}

/// Reads one event, with the id its envelope gives it.
type Judge<'a> = &'a dyn Fn(&Json, Option<&str>) -> Result<Record, Reason>;

/// A structured `CloudEvent`: the event or events in `data` or `data_base64`.
fn open_envelope(envelope: &Json, event: Judge<'_>, opened: &mut Vec<Result<Record, Reason>>) {
    let id = match envelope.member("id") {
        Some(Json::Text(id) | Json::Number(id)) => Some(id.as_str()),
        _ => None,
    };
    let data = match (envelope.member("data"), envelope.member("data_base64")) {
        (Some(data), _) => Ok(data.clone()),
        (None, Some(Json::Text(encoded))) => match decode_base64(encoded) {
            Some(bytes) => json::parse(&bytes).ok_or(Reason::InvalidJson),
            None => Err(Reason::InvalidField),
        },
        (None, Some(_)) => Err(Reason::InvalidField),
        (None, None) => Err(Reason::MissingField),
    };
    match data {
        Ok(Json::List(events)) => {
            for (index, one) in events.iter().enumerate() {
                let id = id.map(|id| numbered(id, Some(index)));
                opened.push(event(one, id.as_deref()));
            }
        }
        Ok(one) => opened.push(event(&one, id)),
        Err(reason) => opened.push(Err(reason)),
    }
}

fn numbered(id: &str, position: Option<usize>) -> String {
    position.map_or_else(|| id.to_owned(), |index| format!("{id}#{index}"))
}

/// Kind, then fields.
fn judge(
    setup: &Setup,
    message: &Message,
    event: &Json,
    id: Option<&str>,
) -> Result<Record, Reason> {
    if !matches!(event, Json::Object(_)) {
        return Err(Reason::InvalidJson);
    }
    let kind = match event.member(&setup.kind_field) {
        None => kind_of_subject(setup, &message.subject),
        Some(Json::Text(name)) if name == "interaction" => Some(Kind::Interaction),
        Some(Json::Text(name)) if name == "survey" => Some(Kind::Survey),
        Some(_) => None,
    };
    let kind = kind.ok_or(Reason::UnknownType)?;
    read(setup, kind, event, id, message.header("Nats-Msg-Id"))
}

fn kind_of_subject(setup: &Setup, subject: &str) -> Option<Kind> {
    if matches(&setup.interaction_subject, subject) {
        Some(Kind::Interaction)
    } else if matches(&setup.survey_subject, subject) {
        Some(Kind::Survey)
    } else {
        None
    }
}

/// NATS subject matching: `*` is one token, a final `>` one or more.
fn matches(pattern: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for part in pattern.split('.') {
        match (part, tokens.next()) {
            (">", token) => return token.is_some(),
            ("*", Some(_)) => {}
            (part, Some(token)) if part == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

/// Standard base64 with padding.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let body = text
        .strip_suffix("==")
        .or_else(|| text.strip_suffix('='))
        .unwrap_or(text);
    let mut bits = 0_u32;
    let mut held = 0;
    let mut bytes = Vec::new();
    for letter in body.chars() {
        bits = (bits << 6) | u32::try_from(ALPHABET.find(letter)?).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xFF).ok()?);
            bits &= (1 << held) - 1;
        }
    }
    (bits == 0).then_some(bytes)
}
