//! The side that publishes: a bounded number under way, each until it has its outcome.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, Request};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::publisher::size;
use super::{Counters, DeadLetter, Settings, headers};
use crate::nats::{Api, ApiError, Link, LinkState, Retry, StreamRequest, parse_answer, stopped};

/// How often a dead letter is tried before it is counted as unstored.
pub const ATTEMPTS: u32 = 4;
/// Dead letters whose confirmation is still to come.
const UNDER_WAY: usize = 256;
/// How long the server may take to confirm one.
const CONFIRM_WITHIN: Duration = Duration::from_secs(5);
/// The first pause between two attempts; the later ones are longer.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// How long what waits may take to be stored once the process stops.
const FLUSH_WITHIN: Duration = Duration::from_secs(5);

const CREATED_MAX_AGE: Duration = Duration::from_hours(7 * 24);
const CREATED_MAX_BYTES: u64 = 1024 * 1024 * 1024;
/// Message ids are remembered for the time that a crashed process may take to come back.
const CREATED_DUPLICATE_WINDOW: Duration = Duration::from_mins(10);

/// Publishes what a [`super::Publisher`] took.
#[derive(Debug)]
pub struct Worker {
    settings: Settings,
    queue: mpsc::Receiver<DeadLetter>,
    queued_bytes: Arc<AtomicUsize>,
    counters: Arc<Counters>,
}

type UnderWay = FuturesUnordered<Pin<Box<dyn Future<Output = Verdict> + Send>>>;

/// How the publishing of one dead letter ended.
enum Verdict {
    Stored,
    /// With what to say.
    Unstored(String),
}

impl Worker {
    pub(super) fn new(
        settings: Settings,
        queue: mpsc::Receiver<DeadLetter>,
        queued_bytes: Arc<AtomicUsize>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            settings,
            queue,
            queued_bytes,
            counters,
        }
    }

    /// Publishes until the publisher is gone and all has its outcome. Once `stop` is true that may
    /// take 5 s; what is left then is unstored.
    pub async fn run(mut self, client: Client, link: Arc<Link>, mut stop: watch::Receiver<bool>) {
        let deadline = async move {
            stopped(&mut stop).await;
            tokio::time::sleep(FLUSH_WITHIN).await;
        };
        let mut under_way = UnderWay::new();
        let finished = tokio::select! {
            () = self.work(&client, &link, &mut under_way) => true,
            () = deadline => false,
        };
        if !finished {
            self.queue.close();
            let mut left = u64::try_from(under_way.len()).unwrap_or(u64::MAX);
            while self.queue.try_recv().is_ok() {
                left += 1;
            }
            count(&self.counters.unstored, left);
            warn!(left, "dead letters are not stored: no time left");
        }
    }

    async fn work(&mut self, client: &Client, link: &Arc<Link>, under_way: &mut UnderWay) {
        if self.settings.create {
            self.create_stream(client, link).await;
        }
        let mut said = Retry::default();
        loop {
            let room = under_way.len() < UNDER_WAY;
            tokio::select! {
                biased;
                Some(verdict) = under_way.next() => self.settle(verdict, &mut said),
                letter = self.queue.recv(), if room => match letter {
                    Some(letter) => {
                        self.queued_bytes.fetch_sub(size(&letter), Ordering::Relaxed);
                        under_way.push(self.publish(letter, client, link));
                    }
                    None => break,
                },
            }
        }
        while let Some(verdict) = under_way.next().await {
            self.settle(verdict, &mut said);
        }
    }

    fn settle(&self, verdict: Verdict, said: &mut Retry) {
        match verdict {
            Verdict::Stored => {
                said.reset();
                count(&self.counters.stored, 1);
            }
            Verdict::Unstored(reason) => {
                count(&self.counters.unstored, 1);
                if said.worth_a_line(&reason) {
                    let subject = &self.settings.subject;
                    warn!(subject, reason, "a dead letter is not stored");
                }
            }
        }
    }

    fn publish(
        &self,
        letter: DeadLetter,
        client: &Client,
        link: &Arc<Link>,
    ) -> Pin<Box<dyn Future<Output = Verdict> + Send>> {
        let attempt = Attempt {
            client: client.clone(),
            link: link.watch(),
            subject: self.settings.subject.clone(),
        };
        Box::pin(attempt.run(letter))
    }

    /// Makes a stream for the subject unless one stores it. Gives up after some attempts, since
    /// the right to ask may be missing while the stream is there.
    async fn create_stream(&self, client: &Client, link: &Link) {
        let api = Api::new(client.clone());
        let mut link = link.watch();
        let mut retry = Retry::new(FIRST_PAUSE, CONFIRM_WITHIN);
        while retry.attempts() < ATTEMPTS {
            connected(&mut link).await;
            match self.try_create_stream(&api).await {
                Ok(()) => return,
                Err(error) => {
                    let reason = error.to_string();
                    if retry.worth_a_line(&reason) {
                        let subject = &self.settings.subject;
                        warn!(subject, reason, "no stream for dead letters yet");
                    }
                    tokio::time::sleep(retry.pause()).await;
                }
            }
        }
    }

    async fn try_create_stream(&self, api: &Api) -> Result<(), ApiError> {
        let subject = &self.settings.subject;
        if !api.streams_of(subject).await?.is_empty() {
            return Ok(());
        }
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let request = StreamRequest {
            name: stream_name(subject),
            subjects: vec![subject.clone()],
            retention: "limits",
            storage: "file",
            max_age: nanos(CREATED_MAX_AGE),
            max_bytes: CREATED_MAX_BYTES,
            num_replicas: 1,
            duplicate_window: nanos(CREATED_DUPLICATE_WINDOW),
            description: "events that cxpulse rejected; may hold personal data".into(),
        };
        api.create_stream(&request).await?;
        info!(
            stream = request.name,
            subject, "created the stream for dead letters (7d, 1 GiB)"
        );
        Ok(())
    }
}

/// The attempts at one dead letter.
struct Attempt {
    client: Client,
    link: watch::Receiver<LinkState>,
    subject: String,
}

impl Attempt {
    async fn run(mut self, letter: DeadLetter) -> Verdict {
        let mut retry = Retry::new(FIRST_PAUSE, CONFIRM_WITHIN);
        loop {
            connected(&mut self.link).await;
            let reason = match self.once(&letter).await {
                Ok(()) => return Verdict::Stored,
                Err(reason) => reason,
            };
            let pause = retry.pause();
            if retry.attempts() >= ATTEMPTS {
                return Verdict::Unstored(reason);
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn once(&self, letter: &DeadLetter) -> Result<(), String> {
        let mut sent = self.send(letter, letter.payload.clone()).await;
        if sent
            .as_ref()
            .is_err_and(|kind| *kind == RequestErrorKind::MaxPayloadExceeded)
        {
            // With our headers it is more than a message may have: better without its payload
            // than not at all.
            sent = self.send(letter, Bytes::new()).await;
        }
        match sent {
            Ok(answer) => confirmed(&self.subject, &answer),
            // Also for a moment while JetStream starts.
            Err(RequestErrorKind::NoResponders) => Err("no stream stores the subject".into()),
            Err(kind) => Err(kind.to_string()),
        }
    }

    async fn send(&self, letter: &DeadLetter, payload: Bytes) -> Result<Bytes, RequestErrorKind> {
        let request = Request::new()
            .headers(headers::of(letter))
            .payload(payload)
            .timeout(Some(CONFIRM_WITHIN));
        let sent = self
            .client
            .send_request(self.subject.clone(), request)
            .await;
        sent.map(|answer| answer.payload)
            .map_err(|error| error.kind())
    }
}

#[derive(Deserialize)]
struct Acknowledgement {
    #[expect(
        dead_code,
        reason = "an answer without a sequence is no acknowledgement"
    )]
    seq: u64,
}

/// Whether the answer to a publish says that it is stored; a duplicate is.
fn confirmed(subject: &str, answer: &[u8]) -> Result<(), String> {
    match parse_answer::<Acknowledgement>(subject.to_owned(), answer) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

async fn connected(link: &mut watch::Receiver<LinkState>) {
    // Fails only when the link is gone, and then publishing fails too.
    link.wait_for(|state| state.connected).await.ok();
}

fn count(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}

/// `cx.dead_letter` gives `CX_DEAD_LETTER`.
fn stream_name(subject: &str) -> String {
    subject.replace('.', "_").to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_has_a_sequence() {
        assert!(confirmed("s", br#"{"stream":"DL","seq":7}"#).is_ok());
        assert!(confirmed("s", br#"{"stream":"DL","seq":7,"duplicate":true}"#).is_ok());
        for answer in [
            &br#"{"error":{"code":503,"description":"no space"}}"#[..],
            b"{}",
            b"hello",
        ] {
            assert!(confirmed("s", answer).is_err());
        }
    }

    #[test]
    fn a_stream_is_named_after_its_subject() {
        assert_eq!(stream_name("cx.dead_letter"), "CX_DEAD_LETTER");
    }
}
