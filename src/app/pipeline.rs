//! The one path of every event: envelope, decode, engine, and a reject for whoever wants it. Live,
//! replay, demo and recovery all run through here.

use std::sync::Arc;

use bytes::Bytes;

use crate::decode::{self, Decoded, Decoder, Item, Verdict};
use crate::engine::{Dimensions, Engine, Outcome};
use crate::event::{HashKey, Reason, Reject};
use crate::source::Envelope;

/// Decoder and engine of one stream.
#[derive(Debug)]
pub struct Pipeline {
    decoder: Decoder,
    decoded: Decoded,
    max_clock_skew_ms: u128,
    allowed_lateness_ms: u128,
    /// The state.
    pub engine: Engine,
}

/// A rejected event with its place, on its way to the dead-letter subject.
#[derive(Clone, Debug)]
pub struct RejectedEvent {
    /// The message it came in.
    pub envelope: Envelope,
    /// Its number in the message.
    pub index: u32,
    /// The event as received.
    pub payload: Bytes,
    /// Why it was not counted.
    pub reject: Reject,
}

impl Pipeline {
    /// A pipeline around an engine.
    pub fn new(settings: Arc<decode::Settings>, key: HashKey, engine: Engine) -> Self {
        let max_clock_skew_ms = engine.settings().max_clock_skew.as_millis();
        let allowed_lateness_ms = engine.settings().allowed_lateness.as_millis();
        Self {
            decoder: Decoder::new(settings, key),
            decoded: Decoded::default(),
            max_clock_skew_ms,
            allowed_lateness_ms,
            engine,
        }
    }

    /// Decodes one message and lets its events into the engine, in order. Every reject is counted
    /// and handed to `on_reject`.
    pub fn process(&mut self, envelope: &Envelope, on_reject: &mut impl FnMut(RejectedEvent)) {
        self.process_with(envelope, &mut |_, _| {}, on_reject);
    }

    /// The same, with a look at every well-formed event before the engine judges it.
    pub fn process_with(
        &mut self,
        envelope: &Envelope,
        before: &mut impl FnMut(&mut Engine, &crate::event::Event),
        on_reject: &mut impl FnMut(RejectedEvent),
    ) {
        self.decoded.clear();
        self.decoder.decode(envelope, 0, &mut self.decoded);
        self.engine
            .count_truncated(self.decoded.truncated_dimensions);
        for item in &self.decoded.items {
            let reject = match &item.verdict {
                Verdict::Reject(reject) => {
                    self.engine.count_reject(reject.reason, reject.kind);
                    reject.clone()
                }
                Verdict::Event(event) => {
                    before(&mut self.engine, event);
                    let dimensions = ItemDimensions {
                        decoded: &self.decoded,
                        item,
                    };
                    match self.engine.accept(event, &dimensions, envelope.stored_at) {
                        Outcome::Rejected(reason) => Reject {
                            reason,
                            detail: self.detail_of(reason),
                            kind: Some(event.kind()),
                        },
                        Outcome::Applied
                        | Outcome::Replaced
                        | Outcome::Duplicate
                        | Outcome::Waiting => continue,
                    }
                }
            };
            on_reject(RejectedEvent {
                index: item.index,
                payload: raw(envelope, item),
                reject,
                envelope: envelope.clone(),
            });
        }
    }

    fn detail_of(&self, reason: Reason) -> String {
        match reason {
            Reason::Future => format!(
                "event time is ahead of the store time by more than max_clock_skew ({} ms)",
                self.max_clock_skew_ms
            ),
            Reason::TooLate => format!(
                "event time is older than stream time by more than allowed_lateness ({} ms)",
                self.allowed_lateness_ms
            ),
            Reason::TooLarge
            | Reason::InvalidJson
            | Reason::UnknownType
            | Reason::MissingField
            | Reason::InvalidField => String::new(),
        }
    }
}

/// The bytes of the event as received.
fn raw(envelope: &Envelope, item: &Item) -> Bytes {
    let start = usize::try_from(item.raw.0)
        .unwrap_or(0)
        .min(envelope.payload.len());
    let end = usize::try_from(item.raw.1)
        .unwrap_or(0)
        .clamp(start, envelope.payload.len());
    envelope.payload.slice(start..end)
}

struct ItemDimensions<'d> {
    decoded: &'d Decoded,
    item: &'d Item,
}

impl Dimensions for ItemDimensions<'_> {
    fn value(&self, dimension: usize) -> Option<&str> {
        self.decoded.dimension(self.item, dimension)
    }
}
