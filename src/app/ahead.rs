//! Decoding ahead of the engine, on a thread of its own: the first half of the pipeline, where a core
//! can be spared for it. With one core the engine's thread decodes for itself.

use std::io;
use std::num::NonZero;
use std::ops::Range;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::pipeline::{self, Reading};
use crate::decode;
use crate::engine::Addressing;
use crate::event::HashKey;
use crate::nats::stopped;
use crate::source::{Batch, Envelope, Position, SourceEvent};

/// Events that are handed over together: nearly a millisecond of work, against which waking the other
/// thread is nothing.
const PORTION_EVENTS: usize = 1024;
/// Events that lie decoded and wait for the engine, at most, apart from those of one message: some
/// milliseconds of work, so that the engine has enough of it while something else has this thread's core.
const AHEAD_EVENTS: usize = 16 * PORTION_EVENTS;
/// Reports that wait for the engine, at most: portions may hold one event each.
const AHEAD_REPORTS: usize = 64;

/// What comes from a source, in its order.
#[derive(Debug)]
pub(super) enum Delivery {
    /// As the source told it.
    Plain(SourceEvent),
    /// Messages that were decoded ahead.
    Decoded(Portion),
}

/// Some or all messages of a batch, decoded.
#[derive(Debug)]
pub(super) struct Portion {
    /// All messages of the batch.
    pub(super) envelopes: Arc<[Envelope]>,
    /// Which of them.
    pub(super) numbers: Range<usize>,
    /// Their events.
    pub(super) events: pipeline::Batch,
    /// See [`Batch::pending`].
    pub(super) pending: u64,
    /// How far the stream is read with these.
    pub(super) position: Position,
    /// The place that its events take among those that wait.
    pub(super) room: OwnedSemaphorePermit,
}

/// Where deliveries come from.
#[derive(Debug)]
pub(super) enum Inbox {
    /// Right from the source.
    Plain(mpsc::Receiver<SourceEvent>),
    /// By way of the thread that decodes.
    Ahead {
        /// In the order of the source.
        deliveries: mpsc::Receiver<Delivery>,
        /// Memory that goes back there.
        used: mpsc::Sender<pipeline::Batch>,
        /// Room that is free again and goes back there once it is worth waking the thread, which
        /// otherwise takes the engine's core away a thousand times a second.
        freed: Option<OwnedSemaphorePermit>,
    },
}

impl Inbox {
    /// The inbox of a source. With a core to spare a thread is started that decodes; it ends with the
    /// source, with the inbox, or at `stop`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn open(
        settings: Arc<decode::Settings>,
        key: HashKey,
        addressing: Addressing,
        events: mpsc::Receiver<SourceEvent>,
        stop: watch::Receiver<bool>,
    ) -> io::Result<(Self, Option<JoinHandle<()>>)> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        if cores == 1 {
            return Ok((Self::Plain(events), None));
        }
        let (inbox, thread) = Self::ahead(settings, key, addressing, events, stop)?;
        Ok((inbox, Some(thread)))
    }

    fn ahead(
        settings: Arc<decode::Settings>,
        key: HashKey,
        addressing: Addressing,
        events: mpsc::Receiver<SourceEvent>,
        stop: watch::Receiver<bool>,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let (sender, deliveries) = mpsc::channel(AHEAD_REPORTS);
        let (used, returned) = mpsc::channel(AHEAD_REPORTS);
        let ahead = Ahead {
            reading: Reading::new(settings, key, addressing),
            room: Arc::new(Semaphore::new(AHEAD_EVENTS)),
            deliveries: sender,
            returned,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let thread = thread::Builder::new()
            .name("decoder".into())
            .spawn(move || runtime.block_on(ahead.run(events, stop)))?;
        let inbox = Self::Ahead {
            deliveries,
            used,
            freed: None,
        };
        Ok((inbox, thread))
    }

    /// The next delivery; `None` when the source has ended. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Delivery> {
        match self {
            Self::Plain(events) => events.recv().await.map(Delivery::Plain),
            Self::Ahead {
                deliveries, freed, ..
            } => {
                if deliveries.is_empty() {
                    *freed = None;
                }
                deliveries.recv().await
            }
        }
    }

    /// Takes memory and room back that are not needed any more.
    pub(super) fn give_back(&mut self, events: pipeline::Batch, room: OwnedSemaphorePermit) {
        let Self::Ahead { used, freed, .. } = self else {
            return;
        };
        if events.decoded.items.capacity() <= 4 * PORTION_EVENTS {
            // There is as much as can be in use at a time: what has no room is not missed.
            used.try_send(events).ok();
        }
        let mut all = room;
        if let Some(before) = freed.take() {
            all.merge(before);
        }
        *freed = Some(all).filter(|all| all.num_permits() < AHEAD_EVENTS / 2);
    }
}

/// The thread that decodes.
struct Ahead {
    reading: Reading,
    room: Arc<Semaphore>,
    deliveries: mpsc::Sender<Delivery>,
    returned: mpsc::Receiver<pipeline::Batch>,
}

/// Nobody takes deliveries any more.
struct Gone;

impl Ahead {
    async fn run(
        mut self,
        mut events: mpsc::Receiver<SourceEvent>,
        mut stop: watch::Receiver<bool>,
    ) {
        loop {
            let event = tokio::select! {
                biased;
                () = stopped(&mut stop) => return,
                () = self.deliveries.closed() => return,
                event = events.recv() => event,
            };
            let passed = match event {
                Some(SourceEvent::Batch(batch)) => self.batch(batch).await,
                Some(other) => self.send(Delivery::Plain(other)).await,
                None => return,
            };
            if passed.is_err() {
                return;
            }
        }
    }

    /// Decodes a batch and hands it over in portions, each a batch of its own.
    async fn batch(&mut self, batch: Batch) -> Result<(), Gone> {
        let envelopes: Arc<[Envelope]> = batch.envelopes.into();
        let mut from = 0;
        while from < envelopes.len() {
            let mut events = self.returned.try_recv().unwrap_or_default();
            let next = self
                .reading
                .read(&envelopes, from, PORTION_EVENTS, &mut events);
            let left = u64::try_from(envelopes.len() - next).unwrap_or(u64::MAX);
            let position = match envelopes.get(next - 1) {
                Some(newest) if left > 0 => Position {
                    sequence: newest.sequence,
                    stored_at: newest.stored_at,
                    through: newest.sequence,
                },
                Some(_) | None => batch.position,
            };
            let count = events.decoded.items.len().clamp(1, AHEAD_EVENTS);
            let portion = Portion {
                envelopes: Arc::clone(&envelopes),
                numbers: from..next,
                events,
                pending: batch.pending.saturating_add(left),
                position,
                room: self.room_for(count).await?,
            };
            self.send(Delivery::Decoded(portion)).await?;
            from = next;
        }
        Ok(())
    }

    async fn room_for(&self, events: usize) -> Result<OwnedSemaphorePermit, Gone> {
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        tokio::select! {
            biased;
            () = self.deliveries.closed() => Err(Gone),
            room = Arc::clone(&self.room).acquire_many_owned(events) => room.map_err(|_| Gone),
        }
    }

    async fn send(&self, delivery: Delivery) -> Result<(), Gone> {
        self.deliveries.send(delivery).await.map_err(|_| Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Verdict;
    use crate::source::Idle;
    use crate::time::Timestamp;

    /// A message of so many events.
    fn message(sequence: u64, events: usize) -> Envelope {
        let event = r#"{"type":"survey","survey_id":"s","submitted_at":1780000000000,"csat":5}"#;
        Envelope {
            sequence,
            stored_at: stored_at(sequence),
            payload: vec![event; events].join("\n").into(),
            ..Envelope::default()
        }
    }

    fn stored_at(sequence: u64) -> Timestamp {
        Timestamp::from_millis(1_780_000_000_000).plus_millis(i64::try_from(sequence).unwrap())
    }

    fn position(sequence: u64) -> Position {
        Position {
            sequence,
            stored_at: stored_at(sequence),
            through: sequence,
        }
    }

    /// The messages of those numbers of events, behind sequence `after`.
    fn batch(after: u64, events: &[usize]) -> SourceEvent {
        let messages = events.iter().zip(after + 1..);
        let last = after + u64::try_from(events.len()).unwrap();
        SourceEvent::Batch(Batch {
            envelopes: messages.map(|(&count, at)| message(at, count)).collect(),
            pending: 7,
            position: Position {
                through: last + 3,
                ..position(last)
            },
        })
    }

    type Started = (
        mpsc::Sender<SourceEvent>,
        Inbox,
        JoinHandle<()>,
        watch::Sender<bool>,
    );

    fn start() -> Started {
        let (sender, events) = mpsc::channel(4);
        let (stopper, stop) = watch::channel(false);
        let settings = Arc::new(decode::Settings::default());
        let key = HashKey::from_bytes([7; 16]);
        let (inbox, thread) =
            Inbox::ahead(settings, key, Addressing::default(), events, stop).unwrap();
        (sender, inbox, thread, stopper)
    }

    #[tokio::test]
    async fn every_message_comes_once_and_everything_in_its_order() {
        let (sender, mut inbox, thread, _stopper) = start();
        let sizes = [1, 0, 300, 0, 0, 5000, 2, 255, 1, 0];
        for after in [0, 10] {
            sender.send(batch(after, &sizes)).await.unwrap();
            let idle = Idle {
                position: position(after),
            };
            sender.send(SourceEvent::Idle(idle)).await.unwrap();
        }
        drop(sender);
        let mut seen = Vec::new();
        let mut idles = Vec::new();
        while let Some(delivery) = inbox.next().await {
            let portion = match delivery {
                Delivery::Decoded(portion) => portion,
                Delivery::Plain(event) => {
                    assert!(matches!(event, SourceEvent::Idle(_)));
                    idles.push(seen.len());
                    continue;
                }
            };
            let messages = &portion.envelopes[portion.numbers.clone()];
            let newest = messages.last().unwrap().sequence;
            let left = portion.envelopes.len() - portion.numbers.end;
            assert_eq!(portion.pending, 7 + u64::try_from(left).unwrap());
            let through = if left == 0 { newest + 3 } else { newest };
            let expected = Position {
                through,
                ..position(newest)
            };
            assert_eq!(portion.position, expected);
            for number in portion.numbers.clone() {
                let items = portion.events.decoded.items.iter();
                let own = items.filter(|item| usize::try_from(item.message) == Ok(number));
                let events = own.filter(|item| matches!(item.verdict, Verdict::Event(_)));
                seen.push((portion.envelopes[number].sequence, events.count()));
            }
            inbox.give_back(portion.events, portion.room);
        }
        let expected: Vec<_> = (1..).zip(sizes.into_iter().chain(sizes)).collect();
        assert_eq!(seen, expected);
        assert_eq!(idles, [10, 20]);
        thread.join().unwrap();
    }

    #[tokio::test]
    async fn what_nobody_takes_is_not_decoded_without_end() {
        let (sender, inbox, thread, _stopper) = start();
        let mut taken = 0;
        let patience = std::time::Duration::from_millis(200);
        let give = |after| sender.send_timeout(batch(after, &[200; 10]), patience);
        while give(taken * 10).await.is_ok() {
            taken += 1;
            assert!(taken < 20, "the source is asked for more and more");
        }
        drop(inbox);
        thread.join().unwrap();
        assert!(sender.is_closed());
    }

    #[tokio::test]
    async fn ends_when_everything_stops() {
        let (sender, mut inbox, thread, stopper) = start();
        stopper.send(true).unwrap();
        assert!(inbox.next().await.is_none());
        thread.join().unwrap();
        assert!(sender.is_closed());
    }
}
