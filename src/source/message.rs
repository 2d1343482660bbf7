//! From a message of the client library to an [`Envelope`].

use async_nats::{HeaderMap, HeaderName, Message};
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

/// The headers that mean something to decoding; `None` when there is none of them. Names are
/// compared with case, as NATS does.
fn headers(map: &HeaderMap) -> Option<Box<MessageHeaders>> {
    const MESSAGE_ID: HeaderName = HeaderName::from_static("Nats-Msg-Id");
    const CLOUD_EVENT: HeaderName = HeaderName::from_static("ce-specversion");
    const CLOUD_EVENT_ID: HeaderName = HeaderName::from_static("ce-id");
    const REASON: HeaderName = HeaderName::from_static("Cx-Reason");
    let text = |name: HeaderName| map.get(name).map(|value| value.as_str().to_owned());
    let kept = MessageHeaders {
        message_id: text(MESSAGE_ID),
        cloud_event: map.get(CLOUD_EVENT).is_some(),
        cloud_event_id: text(CLOUD_EVENT_ID),
        dead_letter: map.get(REASON).is_some(),
    };
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
        map.insert("Nats-Msg-Id", "m-1");
        map.insert("ce-id", "e-1");
        map.insert("ce-specversion", "1.0");
        let kept = headers(&map).unwrap();
        assert_eq!(kept.message_id.as_deref(), Some("m-1"));
        assert_eq!(kept.cloud_event_id.as_deref(), Some("e-1"));
        assert!(kept.cloud_event && !kept.dead_letter);
        map.insert("Cx-Reason", "too_late");
        assert!(headers(&map).unwrap().dead_letter);
    }
}
