//! Tests of the decoder as a whole.

#![expect(
    clippy::shadow_unrelated,
    clippy::string_slice,
    clippy::wildcard_enum_match_arm,
    reason = "in tests, short names reused case by case and a panic for what was not expected read better"
)]

mod cloud_events;
mod differential;
mod fields;
mod forms;
mod generator;
mod mapping;
mod reference;
mod rejects;
mod sequences;

use std::sync::Arc;

use super::{Decoded, Decoder, Item, Settings, Verdict};
use crate as library;
use crate::event::{Domain, Event, HashKey, IdHash, IdHasher, Interaction, Reject, Survey};
use crate::source::{Envelope, MessageHeaders};

/// The key of all tests.
const KEY: HashKey = HashKey::from_bytes([3; 16]);

/// An interaction with nothing but what it must have.
const INTERACTION: &str =
    r#"{"type":"interaction","interaction_id":"i1","ended_at":"2026-01-31T12:00:00Z"}"#;
/// A survey with nothing but what it must have.
const SURVEY: &str =
    r#"{"type":"survey","survey_id":"s1","submitted_at":"2026-01-31T12:30:00Z","csat":5}"#;

fn id_hash(domain: Domain, id: &[u8]) -> IdHash {
    IdHasher::new(KEY).hash(domain, id)
}

fn decode_with(settings: Settings, envelope: &Envelope) -> Decoded {
    let mut decoder = Decoder::new(Arc::new(settings), KEY);
    let mut decoded = Decoded::default();
    decoder.decode(envelope, 0, &mut decoded);
    decoded
}

fn decode(payload: impl AsRef<[u8]>) -> Decoded {
    decode_with(Settings::default(), &message(payload))
}

fn message(payload: impl AsRef<[u8]>) -> Envelope {
    Envelope {
        payload: payload.as_ref().to_vec().into(),
        ..Envelope::default()
    }
}

fn message_on(subject: &str, payload: impl AsRef<[u8]>) -> Envelope {
    Envelope {
        subject: subject.to_owned().into(),
        ..message(payload)
    }
}

fn message_with(headers: MessageHeaders, payload: impl AsRef<[u8]>) -> Envelope {
    Envelope {
        headers: Some(Box::new(headers)),
        ..message(payload)
    }
}

/// `event` or the reason of the reject, per item.
fn outcomes(decoded: &Decoded) -> Vec<&'static str> {
    decoded.items.iter().map(outcome).collect()
}

fn outcome(item: &Item) -> &'static str {
    match &item.verdict {
        Verdict::Event(_) => "event",
        Verdict::Reject(reject) => reject.reason.name(),
    }
}

fn only(decoded: &Decoded) -> &Item {
    assert_eq!(decoded.items.len(), 1, "{decoded:?}");
    &decoded.items[0]
}

fn reject(payload: impl AsRef<[u8]>) -> Reject {
    match &only(&decode(payload)).verdict {
        Verdict::Reject(reject) => reject.clone(),
        Verdict::Event(event) => panic!("accepted: {event:?}"),
    }
}

fn interaction(payload: impl AsRef<[u8]>) -> Interaction {
    match &only(&decode(payload)).verdict {
        Verdict::Event(Event::Interaction(interaction)) => interaction.clone(),
        other => panic!("no interaction: {other:?}"),
    }
}

fn survey(payload: impl AsRef<[u8]>) -> Survey {
    match &only(&decode(payload)).verdict {
        Verdict::Event(Event::Survey(survey)) => survey.clone(),
        other => panic!("no survey: {other:?}"),
    }
}

/// `base` (an object) with further members.
fn with(base: &str, members: &str) -> String {
    let open = base.strip_suffix('}').unwrap();
    format!("{open},{members}}}")
}

/// The values of the first `count` dimensions of the first item.
fn dimensions(decoded: &Decoded, count: usize) -> Vec<Option<&str>> {
    let item = &decoded.items[0];
    (0..count).map(|at| decoded.dimension(item, at)).collect()
}
