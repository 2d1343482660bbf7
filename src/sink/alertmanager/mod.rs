//! Alertmanager, API v2. One worker for each instance, since every instance of a cluster must get
//! every alert and one that is down must not hold up the others.
//!
//! Alertmanager forgets an alert whose `endsAt` passes, so the worker keeps a book: what fires is
//! sent again each minute with an end four minutes ahead, as Prometheus does, and what ended for
//! five minutes more. An instance that was away therefore gets what matters when it is back,
//! whatever it missed, and a cxpulse that dies resolves its alerts by silence.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::backoff::Backoff;
use super::endpoint::Endpoint;
use super::post::{Answer, PostError, Poster};
use super::{Notification, Outcomes, Status, Timing};
use crate::time::{Clock, Timestamp, millis_of};

/// Most alerts of one request; Prometheus sends as many.
const BATCH: usize = 256;
/// A firing alert ends by itself after this many re-sendings did not arrive.
const MISSED_RESENDS: i64 = 4;

type Labels = BTreeMap<String, String>;

/// An alert in the book.
#[derive(Debug)]
struct Entry {
    notification: Arc<Notification>,
    /// When it is to be sent next.
    due: Instant,
    /// When it came into the book.
    since: Instant,
    /// This state was accepted at least once.
    is_delivered: bool,
    /// It was in a batch that got 400, and goes by itself.
    is_suspect: bool,
}

/// Alerts to send, by their labels. Grows with the alerts that fire; what ended leaves.
type Book = BTreeMap<Labels, Entry>;

/// Sends to one instance.
#[derive(Debug)]
pub(super) struct Worker {
    endpoint: Endpoint,
    poster: Poster,
    timing: Timing,
    clock: Arc<dyn Clock>,
    outcomes: Outcomes,
    book: Book,
    backoff: Backoff,
    /// Not before, after a failure.
    retry_at: Instant,
}

impl Worker {
    pub(super) fn new(
        endpoint: Endpoint,
        poster: Poster,
        timing: Timing,
        clock: Arc<dyn Clock>,
        outcomes: Outcomes,
    ) -> Self {
        Self {
            endpoint,
            poster,
            timing,
            clock,
            outcomes,
            book: Book::new(),
            backoff: Backoff::default(),
            retry_at: Instant::now(),
        }
    }

    /// Works until the queue is closed and what was never delivered is.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Arc<Notification>>) {
        let mut is_open = true;
        while is_open || self.book.values().any(|entry| !entry.is_delivered) {
            let wake = self.book.values().map(|entry| entry.due).min();
            let wake = wake.map(|due| due.max(self.retry_at));
            tokio::select! {
                // The queue first, so that alerts which come together are sent together.
                biased;
                received = queue.recv(), if is_open => match received {
                    Some(notification) => enter(&mut self.book, notification),
                    None => is_open = false,
                },
                () = sleep_until(wake.unwrap_or(self.retry_at)), if wake.is_some() => {
                    self.send_due(&mut queue).await;
                }
            }
        }
    }

    /// Sends one batch of what is due, taking notifications from the queue meanwhile.
    async fn send_due(&mut self, queue: &mut mpsc::Receiver<Arc<Notification>>) {
        let batch = due_batch(&self.book, Instant::now());
        let now = self.clock.now();
        let body = self.body(&batch, now);
        let Self {
            poster,
            endpoint,
            book,
            ..
        } = self;
        let outcome = {
            let post = poster.post(endpoint, body, None);
            tokio::pin!(post);
            loop {
                tokio::select! {
                    outcome = &mut post => break outcome,
                    Some(notification) = queue.recv() => enter(book, notification),
                }
            }
        };
        self.settle(&batch, outcome);
        self.forget();
    }

    fn body(&self, batch: &[Arc<Notification>], now: Timestamp) -> Bytes {
        let silence_ms = millis_of(self.timing.resend).saturating_mul(MISSED_RESENDS);
        let alerts: Vec<Alert> = batch
            .iter()
            .map(|notification| {
                let starts_at = notification.starts_at();
                let ends_at = notification
                    .ends_at()
                    .unwrap_or_else(|| now.plus_millis(silence_ms));
                Alert {
                    labels: notification.labels(),
                    annotations: notification.annotations(),
                    starts_at: starts_at.to_string(),
                    ends_at: ends_at.max(starts_at).to_string(),
                }
            })
            .collect();
        // Strings alone: there is nothing that could fail.
        Bytes::from(serde_json::to_vec(&alerts).unwrap_or_default())
    }

    fn settle(&mut self, batch: &[Arc<Notification>], outcome: Result<Answer, PostError>) {
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let now = Instant::now();
        match outcome {
            Ok(answer) if answer.status.is_success() => {
                if self.backoff.reset() {
                    info!(endpoint = %self.endpoint, "alertmanager takes alerts again");
                }
                self.outcomes.delivered.inc_by(count);
                self.update(batch, |entry| {
                    entry.is_delivered = true;
                    entry.is_suspect = false;
                });
                self.postpone(batch, now);
            }
            Ok(answer) if is_refusal(&answer) && batch.len() > 1 => {
                // The valid ones of the batch may well have been stored: to know which one is at
                // fault, each goes by itself.
                self.update(batch, |entry| entry.is_suspect = true);
            }
            Ok(answer) if is_refusal(&answer) => {
                self.outcomes.rejected.inc_by(count);
                let alert = batch.first().map(|one| one.transition.alert.as_str());
                warn!(
                    endpoint = %self.endpoint, alert, status = answer.status.as_u16(),
                    answer = answer.text, "alertmanager refuses an alert"
                );
                // Nothing more can be done for it but to ask again with the next re-sending.
                self.update(batch, |entry| entry.is_delivered = true);
                self.postpone(batch, now);
            }
            Ok(answer) => {
                self.fail(count, answer.retry_after);
                warn!(
                    endpoint = %self.endpoint, status = answer.status.as_u16(),
                    answer = answer.text, "alertmanager does not take alerts"
                );
            }
            Err(error) => {
                self.fail(count, None);
                warn!(
                    endpoint = %self.endpoint, error = error.with_causes(),
                    "alertmanager cannot be reached"
                );
            }
        }
    }

    fn fail(&mut self, count: u64, asked: Option<Duration>) {
        self.outcomes.failed.inc_by(count);
        self.retry_at = Instant::now() + self.backoff.pause(&self.timing, asked);
    }

    /// Changes the entries that still say what was sent.
    fn update(&mut self, batch: &[Arc<Notification>], change: impl Fn(&mut Entry)) {
        for sent in batch {
            if let Some(entry) = self.book.get_mut(&sent.labels())
                && Arc::ptr_eq(&entry.notification, sent)
            {
                change(entry);
            }
        }
    }

    fn postpone(&mut self, batch: &[Arc<Notification>], now: Instant) {
        let due = now + self.timing.resend;
        self.update(batch, |entry| entry.due = due);
    }

    /// Strikes out what ended long enough ago, and what could not be delivered for too long.
    fn forget(&mut self) {
        let Self {
            book,
            timing,
            outcomes,
            ..
        } = self;
        book.retain(|_, entry| {
            if entry.notification.status == Status::Firing {
                return true;
            }
            let age = entry.since.elapsed();
            if entry.is_delivered {
                return age < timing.keep_resolved;
            }
            if age >= timing.give_up {
                outcomes.dropped.inc();
                return false;
            }
            true
        });
    }
}

/// The alert as it now is takes the place of what it was.
fn enter(book: &mut Book, notification: Arc<Notification>) {
    let now = Instant::now();
    let entry = Entry {
        due: now,
        since: now,
        is_delivered: false,
        is_suspect: false,
        notification,
    };
    book.insert(entry.notification.labels(), entry);
}

/// What is due, up to a batch; a suspect one goes by itself.
fn due_batch(book: &Book, now: Instant) -> Vec<Arc<Notification>> {
    let due = || book.values().filter(|entry| entry.due <= now);
    let take = |entry: &Entry| Arc::clone(&entry.notification);
    let sound: Vec<Arc<Notification>> = due()
        .filter(|entry| !entry.is_suspect)
        .take(BATCH)
        .map(take)
        .collect();
    if sound.is_empty() {
        due().take(1).map(take).collect()
    } else {
        sound
    }
}

/// The alert itself is at fault.
fn is_refusal(answer: &Answer) -> bool {
    matches!(answer.status.as_u16(), 400 | 413 | 422)
}

/// An alert as Alertmanager takes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    labels: Labels,
    annotations: BTreeMap<String, String>,
    starts_at: String,
    ends_at: String,
}

#[cfg(test)]
mod tests;
