//! The headers of a dead letter, safe against anything that an event can hold.

use std::fmt::Write;
use std::str::FromStr;

use async_nats::{HeaderMap, HeaderName, HeaderValue};

use super::DeadLetter;

/// Most bytes of `Cx-Detail`.
const MAX_DETAIL_BYTES: usize = 256;
/// Most bytes of `Cx-Subject`; a server takes subjects of up to about 4 KiB.
const MAX_SUBJECT_BYTES: usize = 4096;

const MESSAGE_ID: HeaderName = HeaderName::from_static("Nats-Msg-Id");
const REASON: HeaderName = HeaderName::from_static("Cx-Reason");
const DETAIL: HeaderName = HeaderName::from_static("Cx-Detail");
const SUBJECT: HeaderName = HeaderName::from_static("Cx-Subject");
const STREAM_SEQUENCE: HeaderName = HeaderName::from_static("Cx-Stream-Seq");
const INDEX: HeaderName = HeaderName::from_static("Cx-Index");

/// The headers of a dead letter.
pub(super) fn of(letter: &DeadLetter) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let DeadLetter {
        stream,
        sequence,
        index,
        ..
    } = letter;
    headers.insert(
        MESSAGE_ID,
        value(&format!("{stream}:{sequence}:{index}"), MAX_SUBJECT_BYTES),
    );
    headers.insert(REASON, value(letter.reason.name(), MAX_DETAIL_BYTES));
    headers.insert(DETAIL, value(&letter.detail, MAX_DETAIL_BYTES));
    let subject = String::from_utf8_lossy(&letter.subject);
    headers.insert(SUBJECT, value(&subject, MAX_SUBJECT_BYTES));
    headers.insert(
        STREAM_SEQUENCE,
        value(&sequence.to_string(), MAX_DETAIL_BYTES),
    );
    headers.insert(INDEX, value(&index.to_string(), MAX_DETAIL_BYTES));
    headers
}

fn value(text: &str, limit: usize) -> HeaderValue {
    let line = one_line(text, limit);
    // Cannot fail: no control character is left. The infallible conversions of the library panic
    // instead of failing.
    HeaderValue::from_str(&line).unwrap_or_default()
}

/// The text on one line: control characters, and what readers take for line ends, are escaped as
/// in Rust (`\n`, `\u{85}`), and it is cut before the first character that no longer fits.
fn one_line(text: &str, limit: usize) -> String {
    let mut line = String::with_capacity(text.len().min(limit));
    let mut piece = String::new();
    for character in text.chars() {
        piece.clear();
        let breaks_line = matches!(character, '\u{2028}' | '\u{2029}');
        if character.is_control() || breaks_line {
            // Writing into a string does not fail.
            write!(piece, "{}", character.escape_debug()).unwrap_or_default();
        } else {
            piece.push(character);
        }
        if line.len() + piece.len() > limit {
            break;
        }
        line.push_str(&piece);
    }
    line
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::event::Reason;

    fn letter(detail: &str) -> DeadLetter {
        DeadLetter {
            stream: Arc::from("CX@17"),
            sequence: 42,
            index: 3,
            subject: Bytes::from_static(b"cx.surveys.a"),
            reason: Reason::InvalidField,
            detail: detail.into(),
            payload: Bytes::from_static(b"{}"),
        }
    }

    #[test]
    fn place_and_reason_are_in_the_headers() {
        let headers = of(&letter("nps: above 10"));
        let shown = |name| headers.get(name).unwrap().as_str().to_owned();
        assert_eq!(shown(MESSAGE_ID), "CX@17:42:3");
        assert_eq!(shown(REASON), "invalid_field");
        assert_eq!(shown(DETAIL), "nps: above 10");
        assert_eq!(shown(SUBJECT), "cx.surveys.a");
        assert_eq!(shown(STREAM_SEQUENCE), "42");
        assert_eq!(shown(INDEX), "3");
    }

    #[test]
    fn a_detail_cannot_add_headers() {
        let headers = of(&letter("x\r\nCx-Reason: fine\u{0}\u{85}\u{2028}"));
        let detail = headers.get(DETAIL).unwrap().as_str();
        assert_eq!(detail, "x\\r\\nCx-Reason: fine\\0\\u{85}\\u{2028}");
    }

    proptest! {
        #[test]
        fn any_text_becomes_one_short_line(text in any::<String>()) {
            let line = one_line(&text, MAX_DETAIL_BYTES);
            prop_assert!(line.len() <= MAX_DETAIL_BYTES);
            prop_assert!(!line.chars().any(char::is_control));
            prop_assert!(HeaderValue::from_str(&line).is_ok());
            if text.len() <= MAX_DETAIL_BYTES && !text.contains(|c: char| c.is_control() || ('\u{2028}'..='\u{2029}').contains(&c)) {
                prop_assert_eq!(line, text);
            }
        }
    }
}
