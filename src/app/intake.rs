//! What a running service does besides while messages go into the engine: T that follows them, delays,
//! dead letters.

use std::sync::Arc;

use prometheus::local::LocalHistogram;

use super::freshness::Freshness;
use super::pipeline::{Observer, RejectedEvent};
use crate::dead_letter::{self, DeadLetter};
use crate::engine::Engine;
use crate::event::Event;
use crate::source::Envelope;
use crate::time::Timestamp;

/// What is done besides while messages are let in.
pub(super) struct Intake<'w> {
    /// Name for the message ids of dead letters.
    pub(super) stream: Arc<str>,
    /// The present, while T follows the store times: it never goes beyond.
    pub(super) continues_at: Option<Timestamp>,
    pub(super) dead_letters: Option<&'w mut dead_letter::Publisher>,
    pub(super) delay: LocalHistogram,
    /// Once caught up.
    pub(super) freshness: Option<&'w mut Freshness>,
}

impl Observer for Intake<'_> {
    fn message(&mut self, engine: &mut Engine, envelope: &Envelope) {
        if let Some(now) = self.continues_at {
            engine.advance(envelope.stored_at.min(now));
        }
    }

    fn accepted(&mut self, event: &Event, envelope: &Envelope) {
        let delay_ms = envelope.stored_at.millis_since(event.record().event_time);
        self.delay
            .observe(Timestamp::from_millis(delay_ms).as_seconds());
        if let Some(freshness) = &mut self.freshness {
            freshness.processed(envelope.stored_at);
        }
    }

    /// Told one by one: a message may hold very many, and the publisher takes few.
    fn rejected(&mut self, rejected: RejectedEvent) {
        let Some(publisher) = &mut self.dead_letters else {
            return;
        };
        let headers = rejected.envelope.headers.as_ref();
        if headers.is_some_and(|headers| headers.dead_letter) {
            publisher.suppress();
        } else {
            publisher.submit(letter(&self.stream, rejected));
        }
    }
}

/// A rejected event on its way out.
fn letter(stream: &Arc<str>, rejected: RejectedEvent) -> DeadLetter {
    DeadLetter {
        stream: Arc::clone(stream),
        sequence: rejected.envelope.sequence,
        index: rejected.index,
        subject: rejected.envelope.subject,
        reason: rejected.reject.reason,
        detail: rejected.reject.detail,
        payload: rejected.payload,
    }
}
