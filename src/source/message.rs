//! From a message of the client library to an [`Envelope`].

use async_nats::{HeaderMap, Message};
use bytes::Bytes;

use super::{Envelope, MessageHeaders};
use crate::time::Timestamp;

/// Moves the message into an envelope.
pub(super) fn envelope(message: Message, sequence: u64, stored_at: Timestamp) -> Envelope {
    Envelope {
        sequence,
        stored_at,
        subject: Bytes::from(message.subject.into_string()),
        headers: message.headers.as_ref().and_then(headers),
        payload: message.payload,
    }
}

/// The headers that mean something to decoding; `None` when there is none of them.
fn headers(map: &HeaderMap) -> Option<Box<MessageHeaders>> {
    let mut kept = MessageHeaders::default();
    // Names are compared without case: publishers over HTTP bridges change it.
    for (name, values) in map.iter() {
        let name: &str = name.as_ref();
        let Some(value) = values.first().map(|value| value.as_str()) else {
            continue;
        };
        if name.eq_ignore_ascii_case("Nats-Msg-Id") {
            kept.message_id = Some(value.to_owned());
        } else if name.eq_ignore_ascii_case("ce-specversion") {
            kept.cloud_event = true;
        } else if name.eq_ignore_ascii_case("ce-id") {
            kept.cloud_event_id = Some(value.to_owned());
        }
    }
    (kept != MessageHeaders::default()).then(|| Box::new(kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_headers_with_a_meaning_are_kept() {
        let mut map = HeaderMap::new();
        map.insert("X-Trace", "1");
        assert_eq!(headers(&map), None);
        map.insert("nats-msg-id", "m-1");
        map.insert("Ce-Id", "e-1");
        map.insert("ce-specversion", "1.0");
        let kept = headers(&map).unwrap();
        assert_eq!(kept.message_id.as_deref(), Some("m-1"));
        assert_eq!(kept.cloud_event_id.as_deref(), Some("e-1"));
        assert!(kept.cloud_event);
    }
}
