//! Messages by plain subscription, at most once.
//!
//! What is published while we are not connected is lost, and so is what comes while the reader is
//! busy and [`BURST`] or [`BURST_BYTES`] are waiting already. The second is counted one by one in
//! [`Counters::dropped_messages`]. The first cannot be: core NATS keeps nothing.
//!
//! The buffer is ours, and a task of its own does nothing but fill it: the client's buffers drop
//! what they cannot hold with a notice that may itself be dropped. Should they fill all the same,
//! each notice counts as one.
//!
//! Each subject has a subscription of its own and all are read by one task, so messages of one
//! publisher on one subject keep their order and those of different subjects are taken as they
//! come. Sequences are running numbers from 1 within the process, store times those of receipt.
//! A reconnect is a [`SourceEvent::Reset`] followed by [`SourceEvent::Attached`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_nats::{Client, Message, Subscriber};
use futures_util::StreamExt;
use futures_util::stream::{SelectAll, select_all};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::message::envelope;
use super::{
    Attached, Batch, Counters, Envelope, Error, MAX_BATCH, Position, ResetReason, SourceEvent,
    StreamIdentity, Surroundings,
};
use crate::nats::{Link, LinkState, stopped};
use crate::time::{Clock, Timestamp};

/// Messages that may wait while the reader is busy, all subjects together; what comes above is
/// dropped and counted.
pub const BURST: usize = 512 * 1024;
/// Bytes of payload that may wait likewise.
pub const BURST_BYTES: usize = 512 * 1024 * 1024;

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
    let (arrivals, buffer) = mpsc::channel(BURST);
    let waiting_bytes = Arc::new(AtomicUsize::new(0));
    let inlet = Inlet {
        subscriptions,
        arrivals,
        waiting_bytes: Arc::clone(&waiting_bytes),
        dropped: 0,
        link: surroundings.link,
        counters: Arc::clone(&surroundings.counters),
        clock: surroundings.clock,
    };
    let mut inlets = JoinSet::new();
    inlets.spawn(inlet.run());
    let mut reader = Reader {
        identity: StreamIdentity {
            name: instance.to_owned(),
            created_ns: created_ms.saturating_mul(1_000_000),
        },
        buffer,
        waiting_bytes,
        state: link,
        counters: surroundings.counters,
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

/// A message with the moment of its receipt.
struct Arrival {
    message: Message,
    received_at: Timestamp,
}

/// Moves messages from the client's buffers into ours and never waits for the reader.
struct Inlet {
    subscriptions: SelectAll<Subscriber>,
    arrivals: mpsc::Sender<Arrival>,
    /// Of the payloads in the buffer.
    waiting_bytes: Arc<AtomicUsize>,
    /// Messages that did not fit.
    dropped: u64,
    link: Arc<Link>,
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
}

impl Inlet {
    /// Until the subscriptions have ended or the reader is gone.
    async fn run(mut self) {
        let mut chunk = Vec::with_capacity(MAX_BATCH);
        while take(&mut self.subscriptions, &mut chunk).await && !self.arrivals.is_closed() {
            let received_at = self.clock.now();
            for message in chunk.drain(..) {
                self.put(Arrival {
                    message,
                    received_at,
                });
            }
            self.count_drops();
        }
    }

    fn put(&mut self, arrival: Arrival) {
        let size = arrival.message.payload.len();
        let before = self.waiting_bytes.fetch_add(size, Ordering::Relaxed);
        // One large message always fits into an empty buffer.
        let fits = before == 0 || before.saturating_add(size) <= BURST_BYTES;
        if !fits || self.arrivals.try_send(arrival).is_err() {
            self.waiting_bytes.fetch_sub(size, Ordering::Relaxed);
            self.dropped += 1;
        }
    }

    fn count_drops(&self) {
        let dropped = self.dropped + self.link.slow_consumer_notices();
        if dropped > self.counters.dropped_messages() {
            if self.counters.dropped_messages() == 0 {
                warn!(
                    burst = BURST,
                    burst_bytes = BURST_BYTES,
                    "messages come faster than they are read; some are dropped"
                );
            }
            self.counters.set_dropped(dropped);
        }
    }
}

struct Reader {
    identity: StreamIdentity,
    buffer: mpsc::Receiver<Arrival>,
    waiting_bytes: Arc<AtomicUsize>,
    state: watch::Receiver<LinkState>,
    counters: Arc<Counters>,
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
                taken = self.buffer.recv_many(&mut chunk, MAX_BATCH) => {
                    if taken == 0 {
                        return None;
                    }
                    room.send(self.batch(&mut chunk));
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

    fn batch(&mut self, chunk: &mut Vec<Arrival>) -> SourceEvent {
        let bytes = chunk.iter().map(|arrival| arrival.message.payload.len());
        self.waiting_bytes.fetch_sub(bytes.sum(), Ordering::Relaxed);
        let newest = chunk.last().map(|arrival| arrival.received_at);
        let envelopes: Vec<Envelope> = chunk
            .drain(..)
            .map(|arrival| {
                self.sequence += 1;
                envelope(arrival.message, self.sequence, arrival.received_at)
            })
            .collect();
        SourceEvent::Batch(Batch {
            envelopes,
            pending: 0,
            position: Position {
                stored_at: newest.unwrap_or_default(),
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
