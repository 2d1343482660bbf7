//! Values, numbers as text, and where they end.

use serde_json::Value;

use super::super::library::event::Reason;

/// Name of the only member of the object that stands for a number, so that its text survives.
const NUMBER: &str = "\u{1}number";

/// `null` and `""` equal absent.
pub(super) fn present(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !value.is_null() && value.as_str() != Some(""))
}

pub(super) fn text_of(value: &Value) -> Result<String, Reason> {
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

pub(super) fn id_of(value: &Value) -> Result<String, Reason> {
    text_of(value).and_then(|text| {
        if text.len() <= 256 {
            Ok(text)
        } else {
            Err(Reason::InvalidField)
        }
    })
}

pub(super) fn is_event(value: &Value) -> bool {
    value.is_object() && !is_number_object(value)
}

pub(super) fn is_number_object(value: &Value) -> bool {
    number_text(value).is_some()
}

pub(super) fn number_text(value: &Value) -> Option<&str> {
    value.as_object()?.get(NUMBER)?.as_str()
}

pub(super) fn is_json_number(text: &str) -> bool {
    let starts_well = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let ends_well = text.ends_with(|last: char| last.is_ascii_digit());
    starts_well && ends_well && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
}

/// A JSON text, with each number as an object that holds its text.
pub(super) fn parse(text: &[u8]) -> Option<Value> {
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

/// One JSON value by its grammar; what its strings mean and how deep it goes is not looked at.
pub(super) fn is_grammatical(text: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}

pub(super) fn trimmed(bytes: &[u8], start: usize, end: usize) -> (usize, usize) {
    let blank = |at: &usize| matches!(bytes[*at], b' ' | b'\t' | b'\r' | b'\n');
    let first = (start..end).find(|at| !blank(at)).unwrap_or(end);
    let last = (first..end).rev().find(|at| !blank(at));
    (first, last.map_or(first, |at| at + 1))
}

/// Per byte from `start` on: is it a bracket, comma, ... outside strings?
pub(super) fn structure(bytes: &[u8], start: usize) -> Vec<bool> {
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
pub(super) fn first_zero_depth(bytes: &[u8], start: usize) -> Option<usize> {
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
pub(super) fn element_stop(bytes: &[u8], start: usize) -> Option<usize> {
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
