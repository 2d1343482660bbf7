//! One message on its way from a source to the decoder.

use bytes::Bytes;

use crate::time::Timestamp;

/// A raw message with its position and store time.
#[derive(Clone, Debug, Default)]
pub struct Envelope {
    /// Place in the stream: the stream sequence in JetStream, the running number of the message or
    /// line elsewhere.
    pub sequence: u64,
    /// When the message was stored (JetStream), received (core NATS) or replay started (files).
    pub stored_at: Timestamp,
    /// The subject; empty for files.
    pub subject: Bytes,
    /// The headers that matter; `None` when there are none.
    pub headers: Option<Box<MessageHeaders>>,
    /// The payload as received.
    pub payload: Bytes,
}

impl Envelope {
    /// The subject as text; empty for files and for subjects that are not UTF-8.
    pub fn subject_text(&self) -> &str {
        std::str::from_utf8(&self.subject).unwrap_or_default()
    }
}

/// The headers of a message that mean something to decoding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageHeaders {
    /// `Nats-Msg-Id`: the last resort for a survey's identity.
    pub message_id: Option<String>,
    /// The `ce-` headers are there (`ce-specversion`): CloudEvents binary mode.
    pub cloud_event: bool,
    /// `ce-id`: serves as `event_id` where the event has none.
    pub cloud_event_id: Option<String>,
    /// `Cx-Reason` is there: it is a dead letter that somebody or something sent back.
    pub dead_letter: bool,
}
