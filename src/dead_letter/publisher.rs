//! The side that finds rejects: bounded, and never waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{Payload, Settings, Worker};
use crate::event::Reason;
use crate::time::{Clock, Timestamp};

/// Dead letters that may wait.
const QUEUE: usize = 8192;
/// Bytes that may wait: a payload keeps the message that it is a part of in memory.
const QUEUE_BYTES: usize = 64 * 1024 * 1024;

const SECOND_MS: i64 = 1000;

/// A rejected event with its place.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The stream that it came from, as `StreamIdentity` shows itself.
    pub stream: Arc<str>,
    /// Sequence of its message.
    pub sequence: u64,
    /// Its index in the message.
    pub index: u32,
    /// Subject of its message.
    pub subject: Bytes,
    /// Why it was rejected.
    pub reason: Reason,
    /// Field and what was wrong; any text.
    pub detail: String,
    /// The event as received.
    pub payload: Bytes,
}

/// What became of dead letters: `cxpulse_dead_letters_total{outcome}`.
#[derive(Debug, Default)]
pub struct Counters {
    pub(super) stored: AtomicU64,
    pub(super) unstored: AtomicU64,
    pub(super) suppressed: AtomicU64,
}

impl Counters {
    /// Confirmed by the server.
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// Lost: no room, no stream, or no confirmation.
    pub fn unstored(&self) -> u64 {
        self.unstored.load(Ordering::Relaxed)
    }

    /// Left out, since more than `max_per_second` came, or it had been a dead letter before.
    pub fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }
}

/// Takes dead letters. Dropping it lets the worker finish.
#[derive(Debug)]
pub struct Publisher {
    queue: mpsc::Sender<DeadLetter>,
    queued_bytes: Arc<AtomicUsize>,
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
    payload: Payload,
    max_per_second: u32,
    /// The second that is being counted, and how many came in it.
    second: Timestamp,
    in_second: u32,
}

/// Publisher and worker with a bounded queue between them.
pub fn channel(
    settings: &Settings,
    counters: &Arc<Counters>,
    clock: Arc<dyn Clock>,
) -> (Publisher, Worker) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let queued_bytes = Arc::new(AtomicUsize::new(0));
    let publisher = Publisher {
        queue: sender,
        queued_bytes: Arc::clone(&queued_bytes),
        counters: Arc::clone(counters),
        clock,
        payload: settings.payload,
        max_per_second: settings.max_per_second,
        second: Timestamp::MIN,
        in_second: 0,
    };
    let worker = Worker::new(
        settings.clone(),
        receiver,
        queued_bytes,
        Arc::clone(counters),
    );
    (publisher, worker)
}

impl Publisher {
    /// Takes a dead letter, or counts it as suppressed or unstored. Never waits.
    pub fn submit(&mut self, mut letter: DeadLetter) {
        if !self.allows() {
            self.counters.suppressed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if self.payload == Payload::None {
            letter.payload = Bytes::new();
        }
        let bytes = size(&letter);
        let queued = self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        // One large dead letter always fits into an empty queue.
        let fits = queued == 0 || queued + bytes <= QUEUE_BYTES;
        if !fits || self.queue.try_send(letter).is_err() {
            self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.counters.unstored.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a reject that was a dead letter already: published again it could come back for ever.
    pub fn suppress(&mut self) {
        self.counters.suppressed.fetch_add(1, Ordering::Relaxed);
    }

    fn allows(&mut self) -> bool {
        let second = self.clock.now().floor_to(SECOND_MS);
        if second != self.second {
            self.second = second;
            self.in_second = 0;
        }
        let allows = self.in_second < self.max_per_second;
        self.in_second = self.in_second.saturating_add(1);
        allows
    }
}

/// What a dead letter takes of the queue.
pub(super) fn size(letter: &DeadLetter) -> usize {
    letter.payload.len() + letter.detail.len() + letter.subject.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ManualClock;

    fn letter(payload: Bytes) -> DeadLetter {
        DeadLetter {
            stream: Arc::from("CX@1"),
            sequence: 1,
            index: 0,
            subject: Bytes::from_static(b"cx.surveys.a"),
            reason: Reason::InvalidJson,
            detail: String::new(),
            payload,
        }
    }

    fn setup(max_per_second: u32) -> (Publisher, Worker, Arc<Counters>, Arc<ManualClock>) {
        let settings = Settings {
            max_per_second,
            ..Settings::default()
        };
        let counters = Arc::new(Counters::default());
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(5_000)));
        let shared: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let (publisher, worker) = channel(&settings, &counters, shared);
        (publisher, worker, counters, clock)
    }

    #[test]
    fn more_than_allowed_in_a_second_is_suppressed() {
        let (mut publisher, _worker, counters, clock) = setup(3);
        for _ in 0..5 {
            publisher.submit(letter(Bytes::new()));
        }
        assert_eq!(counters.suppressed(), 2);
        clock.set(Timestamp::from_millis(6_000));
        publisher.submit(letter(Bytes::new()));
        assert_eq!(counters.suppressed(), 2);
        assert_eq!(counters.unstored(), 0);
    }

    #[test]
    fn a_full_queue_does_not_wait() {
        let (mut publisher, _worker, counters, _) = setup(u32::MAX);
        for _ in 0..QUEUE + 7 {
            publisher.submit(letter(Bytes::new()));
        }
        assert_eq!(counters.unstored(), 7);
    }

    #[test]
    fn the_queue_is_bounded_in_bytes_too() {
        let (mut publisher, _worker, counters, _) = setup(u32::MAX);
        let large = Bytes::from(vec![0; QUEUE_BYTES / 4]);
        for _ in 0..5 {
            publisher.submit(letter(large.clone()));
        }
        assert_eq!(counters.unstored(), 2);
    }

    #[test]
    fn without_a_worker_all_is_unstored() {
        let (mut publisher, worker, counters, _) = setup(10);
        drop(worker);
        publisher.submit(letter(Bytes::new()));
        assert_eq!(counters.unstored(), 1);
    }
}
