//! The one path of every event: envelope, decode, engine, and a reject for whoever wants it. Live,
//! replay, demo and recovery all run through here. It has two halves, so that with a core to spare the
//! first can run ahead of the second on a thread of its own (`ahead`).

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::decode::{self, Decoded, Decoder, Item, Verdict};
use crate::engine::{Address, Addresses, Addressing, Dimensions, Engine, Outcome};
use crate::event::{Event, HashKey, Reason, Reject};
use crate::source::Envelope;

/// Events that are looked up together before each is judged: enough to wait for memory once and not
/// once each, few enough to stay in the nearest cache.
const GROUP_EVENTS: usize = 32;

/// Decoder and engine of one stream.
#[derive(Debug)]
pub struct Pipeline {
    reading: Reading,
    batch: Batch,
    max_clock_skew_ms: u128,
    allowed_lateness_ms: u128,
    /// The state.
    pub engine: Engine,
}

/// Is told what happens to messages and their events, in stream order; by default does nothing.
pub trait Observer {
    /// A message comes next, with or without events.
    fn message(&mut self, _engine: &mut Engine, _envelope: &Envelope) {}

    /// A well-formed event is about to be judged.
    fn before(&mut self, _engine: &mut Engine, _event: &Event, _envelope: &Envelope) {}

    /// An event was accepted: it is in the state, or was there already.
    fn accepted(&mut self, _event: &Event, _envelope: &Envelope) {}

    /// An event was rejected, and counted as such.
    fn rejected(&mut self, _rejected: RejectedEvent) {}
}

/// An observer that does nothing.
#[derive(Clone, Copy, Debug)]
pub struct Unwatched;

impl Observer for Unwatched {}

/// An observer of rejects alone.
struct OfRejects<F>(F);

impl<F: FnMut(RejectedEvent)> Observer for OfRejects<F> {
    fn rejected(&mut self, rejected: RejectedEvent) {
        (self.0)(rejected);
    }
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

/// The first half of a pipeline.
#[derive(Debug)]
pub(super) struct Reading {
    decoder: Decoder,
    addressing: Addressing,
}

/// What the first half hands to the second: events, and the address of each. Used again and again.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) decoded: Decoded,
    addresses: Addresses,
}

impl Reading {
    /// For an engine with this addressing.
    pub(super) fn new(
        settings: Arc<decode::Settings>,
        key: HashKey,
        addressing: Addressing,
    ) -> Self {
        Self {
            decoder: Decoder::new(settings, key),
            addressing,
        }
    }

    /// Decodes messages from number `from` on, until no fewer than `events` events are in `out`. All
    /// events of a message come together. Returns the number of the message that comes next.
    pub(super) fn read(
        &mut self,
        envelopes: &[Envelope],
        from: usize,
        events: usize,
        out: &mut Batch,
    ) -> usize {
        let Batch { decoded, addresses } = out;
        decoded.clear();
        let mut next = from;
        while decoded.items.len() < events
            && let Some(envelope) = envelopes.get(next)
        {
            let number = u32::try_from(next).unwrap_or(u32::MAX);
            self.decoder.decode(envelope, number, decoded);
            next += 1;
        }
        addresses.clear();
        for item in &decoded.items {
            self.addressing.add(&Values { decoded, item }, addresses);
        }
        next
    }
}

impl Pipeline {
    /// A pipeline around an engine.
    pub fn new(settings: Arc<decode::Settings>, key: HashKey, engine: Engine) -> Self {
        let max_clock_skew_ms = engine.settings().max_clock_skew.as_millis();
        let allowed_lateness_ms = engine.settings().allowed_lateness.as_millis();
        Self {
            reading: Reading::new(settings, key, engine.addressing()),
            batch: Batch::default(),
            max_clock_skew_ms,
            allowed_lateness_ms,
            engine,
        }
    }

    /// Decodes one message and lets its events into the engine, in order. Every reject is counted
    /// and handed to `on_reject`.
    pub fn process(&mut self, envelope: &Envelope, on_reject: &mut impl FnMut(RejectedEvent)) {
        self.process_all(std::slice::from_ref(envelope), &mut OfRejects(on_reject));
    }

    /// The same of many messages, which takes less time than one after the other.
    pub fn process_all(&mut self, envelopes: &[Envelope], observer: &mut impl Observer) {
        let mut batch = std::mem::take(&mut self.batch);
        let mut from = 0;
        while from < envelopes.len() {
            let next = self.reading.read(envelopes, from, GROUP_EVENTS, &mut batch);
            self.apply(envelopes, from..next, &batch, observer);
            from = next;
        }
        self.batch = batch;
    }

    /// The second half: lets the events of the messages of those numbers into the engine.
    pub(super) fn apply(
        &mut self,
        envelopes: &[Envelope],
        numbers: Range<usize>,
        batch: &Batch,
        observer: &mut impl Observer,
    ) {
        let Batch { decoded, addresses } = batch;
        self.engine.count_truncated(decoded.truncated_dimensions);
        let mut next = numbers.start;
        let mut at = 0;
        // A message may have very many.
        for group in decoded.items.chunks(GROUP_EVENTS) {
            self.engine.prepare(group.iter().filter_map(event_of));
            let of_group = at..at + group.len();
            self.engine
                .prepare_routes(of_group.filter_map(|number| addresses.at(number)));
            for item in group {
                let dimensions = Addressed {
                    values: Values { decoded, item },
                    address: addresses.at(at),
                };
                at += 1;
                let number = usize::try_from(item.message).unwrap_or(usize::MAX);
                let Some(envelope) = envelopes.get(number) else {
                    continue;
                };
                // Those without events between them too.
                for passed in envelopes.get(next..=number).unwrap_or_default() {
                    observer.message(&mut self.engine, passed);
                }
                next = number + 1;
                self.judge(envelope, item, &dimensions, observer);
            }
        }
        for passed in envelopes.get(next..numbers.end).unwrap_or_default() {
            observer.message(&mut self.engine, passed);
        }
    }

    fn judge(
        &mut self,
        envelope: &Envelope,
        item: &Item,
        dimensions: &Addressed<'_>,
        observer: &mut impl Observer,
    ) {
        let reject = match &item.verdict {
            Verdict::Reject(reject) => {
                self.engine.count_reject(reject.reason, reject.kind);
                reject.clone()
            }
            Verdict::Event(event) => {
                observer.before(&mut self.engine, event, envelope);
                match self.engine.accept(event, dimensions, envelope.stored_at) {
                    Outcome::Rejected(reason) => Reject {
                        reason,
                        detail: self.detail_of(reason),
                        kind: Some(event.kind()),
                    },
                    Outcome::Applied | Outcome::Replaced | Outcome::Duplicate => {
                        return observer.accepted(event, envelope);
                    }
                    Outcome::Waiting => return,
                }
            }
        };
        observer.rejected(RejectedEvent {
            index: item.index,
            payload: raw(envelope, item),
            reject,
            envelope: envelope.clone(),
        });
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

/// The event of an item, if it is one.
fn event_of(item: &Item) -> Option<&Event> {
    match &item.verdict {
        Verdict::Event(event) => Some(event),
        Verdict::Reject(_) => None,
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

/// The dimensions of an item as they were decoded.
struct Values<'d> {
    decoded: &'d Decoded,
    item: &'d Item,
}

impl Dimensions for Values<'_> {
    fn value(&self, dimension: usize) -> Option<&str> {
        self.decoded.dimension(self.item, dimension)
    }
}

/// The same with their address.
struct Addressed<'d> {
    values: Values<'d>,
    address: Option<Address<'d>>,
}

impl Dimensions for Addressed<'_> {
    fn value(&self, dimension: usize) -> Option<&str> {
        self.values.value(dimension)
    }

    fn address(&self) -> Option<Address<'_>> {
        self.address
    }
}
