//! Messages by plain subscription, at most once.
//!
//! What is published while we are not connected is lost, and so is what comes faster than it is
//! read once the client's buffer (see [`BURST`]) is full. The second is noticed:
//! [`Counters::dropped_messages`] counts at least so many. The first cannot be: core NATS keeps
//! nothing.
//!
//! Each subject has a subscription of its own and all are read by one task, so messages of one
//! publisher on one subject keep their order and those of different subjects are taken as they
//! come. Sequences are running numbers from 1 within the process, store times those of receipt.
//! A reconnect is a [`SourceEvent::Reset`] followed by [`SourceEvent::Attached`].

use std::sync::Arc;

use async_nats::{Client, Message, Subscriber};
use futures_util::StreamExt;
use futures_util::stream::{SelectAll, select_all};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::message::envelope;
use super::{
    Attached, Batch, Counters, Envelope, Error, MAX_BATCH, Position, ResetReason, SourceEvent,
    StreamIdentity, Surroundings,
};
use crate::nats::{Link, LinkState, stopped};
use crate::time::Clock;

/// Messages that may wait on one subscription while the reader is busy; what comes above is
/// dropped by the client and counted.
pub const BURST: usize = crate::nats::SUBSCRIPTION_CAPACITY;

/// Reads `subjects` until `stop`, or until the reader of `events` is gone.
///
/// # Errors
///
/// A subject that the client refuses.
pub async fn run(
    subjects: &[String],
    instance: &str,
    surroundings: Surroundings,
    events: mpsc::Sender<SourceEvent>,
) -> Result<(), Error> {
    let subscriptions = subscribe(&surroundings.client, subjects).await?;
    let created_ms = surroundings.clock.now().as_millis();
    let link = surroundings.link.watch();
    let mut reader = Reader {
        identity: StreamIdentity {
            name: instance.to_owned(),
            created_ns: created_ms.saturating_mul(1_000_000),
        },
        subscriptions,
        link: surroundings.link,
        state: link,
        counters: surroundings.counters,
        clock: surroundings.clock,
        stop: surroundings.stop,
        events,
        sequence: 0,
    };
    info!(subjects = subjects.join(","), "subscribed");
    // The only ways out are a stop and a reader that is gone.
    reader.run().await.unwrap_or_default();
    reader.counters.set_attached(false);
    Ok(())
}

async fn subscribe(client: &Client, subjects: &[String]) -> Result<SelectAll<Subscriber>, Error> {
    let mut subscriptions = Vec::new();
    for subject in subjects {
        let subscribed = client.subscribe(subject.clone()).await;
        subscriptions.push(subscribed.map_err(|error| Error::Subscribe {
            subject: subject.clone(),
            reason: error.to_string(),
        })?);
    }
    Ok(select_all(subscriptions))
}

struct Reader {
    identity: StreamIdentity,
    subscriptions: SelectAll<Subscriber>,
    link: Arc<Link>,
    state: watch::Receiver<LinkState>,
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
    stop: watch::Receiver<bool>,
    events: mpsc::Sender<SourceEvent>,
    /// Number of the last message.
    sequence: u64,
}

impl Reader {
    /// `None` when it is over.
    async fn run(&mut self) -> Option<()> {
        let mut connects = self.wait_connected().await?;
        self.attached().await?;
        let mut chunk = Vec::with_capacity(MAX_BATCH);
        loop {
            let room = self.room().await?;
            tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return None,
                taken = take(&mut self.subscriptions, &mut chunk) => {
                    if !taken {
                        return None;
                    }
                    room.send(self.batch(&mut chunk));
                    self.count_drops();
                }
                _ = self.state.changed() => {
                    drop(room);
                    let state = *self.state.borrow_and_update();
                    self.link_changed(state, &mut connects).await?;
                }
            }
        }
    }

    /// The state may lag behind the client that we were given.
    async fn wait_connected(&mut self) -> Option<u64> {
        let connected = self.state.wait_for(|state| state.connected);
        tokio::select! {
            biased;
            () = stopped(&mut self.stop) => None,
            state = connected => state.map(|state| state.connects).ok(),
        }
    }

    async fn link_changed(&mut self, state: LinkState, connects: &mut u64) -> Option<()> {
        self.counters.set_attached(state.connected);
        if state.connected && state.connects != *connects {
            *connects = state.connects;
            warn!("what was published while disconnected is lost: core NATS keeps nothing");
            self.counters.count_reset(ResetReason::Disconnected);
            self.send(SourceEvent::Reset(ResetReason::Disconnected))
                .await?;
            self.attached().await?;
        }
        Some(())
    }

    async fn attached(&mut self) -> Option<()> {
        self.counters.set_attached(true);
        let position = (self.sequence > 0).then(|| self.position());
        self.send(SourceEvent::Attached(Attached {
            identity: self.identity.clone(),
            pending: 0,
            first_sequence: 0,
            first_stored_at: None,
            last_sequence: self.sequence,
            position,
        }))
        .await?;
        self.send(SourceEvent::CaughtUp).await
    }

    fn batch(&mut self, chunk: &mut Vec<Message>) -> SourceEvent {
        let received_at = self.clock.now();
        let envelopes: Vec<Envelope> = chunk
            .drain(..)
            .map(|message| {
                self.sequence += 1;
                envelope(message, self.sequence, received_at)
            })
            .collect();
        SourceEvent::Batch(Batch {
            envelopes,
            pending: 0,
            position: Position {
                stored_at: received_at,
                ..self.position()
            },
        })
    }

    fn position(&self) -> Position {
        Position {
            sequence: self.sequence,
            through: self.sequence,
            ..Position::default()
        }
    }

    fn count_drops(&self) {
        let notices = self.link.slow_consumer_notices();
        if notices > self.counters.dropped_messages() {
            if self.counters.dropped_messages() == 0 {
                warn!(
                    burst = BURST,
                    "messages come faster than they are read; some are dropped"
                );
            }
            self.counters.set_dropped(notices);
        }
    }

    async fn send(&mut self, event: SourceEvent) -> Option<()> {
        let room = self.room().await?;
        room.send(event);
        Some(())
    }

    async fn room(&mut self) -> Option<mpsc::OwnedPermit<SourceEvent>> {
        let reserve = self.events.clone().reserve_owned();
        tokio::select! {
            biased;
            () = stopped(&mut self.stop) => None,
            room = reserve => room.ok(),
        }
    }
}

/// Waits for a message and takes all that are there, up to [`MAX_BATCH`]; false when all
/// subscriptions have ended. Cancel-safe.
async fn take(subscriptions: &mut SelectAll<Subscriber>, chunk: &mut Vec<Message>) -> bool {
    let take = std::future::poll_fn(|context| {
        while chunk.len() < MAX_BATCH {
            match subscriptions.poll_next_unpin(context) {
                std::task::Poll::Ready(Some(message)) => chunk.push(message),
                std::task::Poll::Ready(None) => return std::task::Poll::Ready(!chunk.is_empty()),
                std::task::Poll::Pending if chunk.is_empty() => return std::task::Poll::Pending,
                std::task::Poll::Pending => break,
            }
        }
        std::task::Poll::Ready(true)
    });
    tokio::task::unconstrained(take).await
}
