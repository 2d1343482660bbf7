//! Outages, failovers and link faults against the built cxpulse: delivery goes on by itself within
//! twice the heartbeat, and at the end every figure equals a brute-force count over what the stream
//! has stored.
//!
//! Figures are printed (`-- --nocapture`). `CXPULSE_LONG=1` takes the long outages and pauses (60 s)
//! and makes a resumption later than twice the heartbeat a failure; see `soak` for hours of it.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]
#![expect(clippy::print_stdout, reason = "the figures of a run")]

mod cluster;
mod consumer;
mod credentials;
mod letters;
mod link;
mod server;
mod soak;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use cxpulse::source::jetstream::HEARTBEAT;
use cxpulse::time::{Clock, SystemClock};
use serde_json::json;

use crate::expected::{assert_as_expected, count_events};
use crate::rejects::rejected;
use crate::support::nats_raw::{Publish, RawNats};
use crate::support::process;
use crate::support::service::Service;
use crate::traffic::Traffic;

/// How long cxpulse may take for anything on a busy machine.
const WITHIN: Duration = Duration::from_mins(2);

/// What the stream stores.
const SUBJECTS: [&str; 3] = ["cx.interactions.>", "cx.surveys.>", "orders.>"];

/// Whether the long outages are wanted.
fn is_long() -> bool {
    std::env::var_os("CXPULSE_LONG").is_some_and(|value| value != "0")
}

/// So many seconds, or 60 in the long run.
fn outage(short_seconds: u64) -> Duration {
    Duration::from_secs(if is_long() { 60 } else { short_seconds })
}

/// Makes the streams of events and of dead letters.
fn create_streams(nats: &mut RawNats) {
    nats.create_stream("CX", &SUBJECTS, &json!({})).unwrap();
    nats.create_stream("DEAD", &["cx.dead_letter"], &json!({}))
        .unwrap();
}

/// A publisher that never rests and whose server may come and go: what it could not publish it
/// tries again. What is stored in the end is read from the stream.
struct Feed {
    addresses: Vec<String>,
    stop: Arc<AtomicBool>,
    stored: Arc<Mutex<Vec<Stored>>>,
    thread: Option<thread::JoinHandle<()>>,
    now_ms: i64,
}

/// That so many events were stored by then.
#[derive(Clone, Copy)]
struct Stored {
    /// Acknowledged ones.
    events: u64,
    /// More that may be stored all the same: sent, and not acknowledged.
    unsure: u64,
    /// When the last of them was sent, and acknowledged.
    sent: Instant,
    at: Instant,
}

impl Feed {
    /// Begins to publish so many events a second to the first of the servers that takes them.
    fn begin(addresses: &[String], per_second: usize) -> Self {
        let now_ms = SystemClock.now().as_millis();
        let seed = rand::random_range(0..1_000_000);
        println!("traffic of seed {seed}");
        let stop = Arc::new(AtomicBool::new(false));
        let stored = Arc::new(Mutex::new(Vec::new()));
        let mut publisher = Publisher {
            addresses: addresses.to_vec(),
            client: None,
            stop: Arc::clone(&stop),
            stored: Arc::clone(&stored),
            events: 0,
            unsure: 0,
        };
        let traffic = Traffic::before(now_ms, seed);
        let thread = thread::spawn(move || publisher.run(traffic, per_second, now_ms));
        Self {
            addresses: addresses.to_vec(),
            stop,
            stored,
            thread: Some(thread),
            now_ms,
        }
    }

    /// The first note of more events than can have been stored before a moment.
    fn stored_after(&self, moment: Instant) -> Stored {
        let mut first = None;
        process::wait_until("stored events", WITHIN, || {
            let stored = self.stored.lock().unwrap();
            let before = stored.iter().rev().find(|note| note.sent <= moment);
            let events = before.map_or(0, |note| note.events);
            let unsure = stored.last().map_or(0, |note| note.unsure);
            let mut after = stored.iter().filter(|note| note.sent > moment);
            first = after.find(|note| note.events > events + unsure).copied();
            first.is_some()
        });
        first.unwrap()
    }

    /// Ends, and gives what the stream holds, in its order.
    fn end(mut self) -> Published {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        let mut messages = Vec::new();
        process::wait_until("the stored messages", WITHIN, || {
            let clients = self.addresses.iter();
            let mut stored = clients
                .filter_map(|address| RawNats::connect(address).ok())
                .filter_map(|mut nats| nats.stored_messages("CX").ok());
            match stored.next() {
                Some(stored) => messages = stored,
                None => return false,
            }
            true
        });
        let publish = |message: crate::support::nats_raw::Message| Publish {
            subject: message.subject,
            headers: message.headers,
            payload: message.payload,
        };
        Published {
            messages: messages.into_iter().map(publish).collect(),
            now_ms: self.now_ms,
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The thread of a [`Feed`].
struct Publisher {
    addresses: Vec<String>,
    client: Option<RawNats>,
    stop: Arc<AtomicBool>,
    stored: Arc<Mutex<Vec<Stored>>>,
    events: u64,
    unsure: u64,
}

impl Publisher {
    fn run(&mut self, mut traffic: Traffic, per_second: usize, now_ms: i64) {
        // Nothing is published in order to wait: traffic goes on while things break.
        const TICK: Duration = Duration::from_millis(100);
        for tick in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let mut messages = traffic.messages((per_second / 10).max(1));
            if tick % 10 == 0 {
                let rejected = rejected(tick / 10 + 1, now_ms).pop().unwrap();
                messages.push(rejected.message);
            }
            for message in &messages {
                if !self.publish(message) {
                    return;
                }
            }
            thread::sleep(TICK);
        }
    }

    /// Until it is stored; false when that is not wanted any more.
    fn publish(&mut self, message: &Publish) -> bool {
        let events = count_events(std::slice::from_ref(message));
        let mut sent = process::now();
        while let Err(failure) = self.try_publish(message) {
            self.client = None;
            if failure == Failure::Unsure {
                self.unsure += events;
            }
            if self.stop.load(Ordering::Relaxed) {
                return false;
            }
            thread::sleep(Duration::from_millis(50));
            sent = process::now();
        }
        self.events += events;
        self.stored.lock().unwrap().push(Stored {
            events: self.events,
            unsure: self.unsure,
            sent,
            at: process::now(),
        });
        true
    }

    fn try_publish(&mut self, message: &Publish) -> Result<(), Failure> {
        if self.client.is_none() {
            let mut addresses = self.addresses.iter();
            self.client = addresses.find_map(|address| RawNats::connect(address).ok());
        }
        let client = self.client.as_mut().ok_or(Failure::NotStored)?;
        let stored = client.publish_acknowledged([message]);
        if stored.is_err() {
            self.addresses.rotate_left(1);
        }
        // What the server says for itself is certain.
        let certain = |error: std::io::Error| error.kind() == ErrorKind::Other;
        stored.map(drop).map_err(|error| {
            if certain(error) {
                Failure::NotStored
            } else {
                Failure::Unsure
            }
        })
    }
}

/// How an attempt to publish failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// The message is not stored.
    NotStored,
    /// It may be, and the answer was lost.
    Unsure,
}

/// What a stream holds.
struct Published {
    messages: Vec<Publish>,
    now_ms: i64,
}

/// A cxpulse with a folder and a name of its own.
struct Replica {
    name: &'static str,
    service: Service,
}

impl Replica {
    /// Starts it; `change` may rewrite the configuration.
    fn start(
        name: &'static str,
        url: &str,
        folder: &Path,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let (base, address) = Service::base_config(url, &folder);
        let config = change(base + "refresh_interval = \"250ms\"\n");
        Self {
            name,
            service: Service::start(&config, &address, &folder),
        }
    }

    fn received(&self) -> u64 {
        let page = self.service.metrics();
        page.count("cxpulse_events_received_total")
    }

    fn resets(&self) -> u64 {
        let page = self.service.metrics();
        page.count("cxpulse_consumer_resets_total")
    }

    /// Measures how long it takes until something is counted that was stored after `since`, from
    /// when it was stored.
    fn resumes(&self, what: &str, feed: &Feed, since: Instant) -> Duration {
        let first = feed.stored_after(since);
        process::wait_until(&format!("resumption: {what}"), WITHIN, || {
            self.received() >= first.events
        });
        let after = first.at.elapsed();
        let all = since.elapsed();
        println!("{what}: counted {after:.1?} after it was stored, {all:.1?} after the fault");
        if after > HEARTBEAT * 2 {
            println!("{}", self.service.log());
        }
        assert!(
            !is_long() || after <= HEARTBEAT * 2,
            "{what}: {after:?} is more than twice the heartbeat"
        );
        after
    }

    /// Waits until all is counted, and compares with the brute-force count.
    fn check(&mut self, published: &Published) {
        let service = &mut self.service;
        service.wait_until_ready(WITHIN);
        let events = count_events(&published.messages);
        let what = format!("{events} events in {}", self.name);
        let page = service.wait_for_metrics(&what, WITHIN, |page| {
            page.count("cxpulse_events_received_total") == events
                && page.value("cxpulse_stream_lag_messages", &[]) == Some(0.0)
        });
        assert_as_expected(service, &published.messages, published.now_ms);
        assert_eq!(page.count("cxpulse_stream_gap_messages_total"), 0);
        println!(
            "{}: {events} events as counted by brute force, {} resets",
            self.name,
            self.resets()
        );
        assert!(events > 0);
    }

    /// Each reject has one outcome; gives how many dead letters are not stored.
    fn dead_letters(&mut self) -> u64 {
        let page = self
            .service
            .wait_for_metrics("outcomes of dead letters", WITHIN, |page| {
                page.count("cxpulse_events_rejected_total")
                    == page.count("cxpulse_dead_letters_total")
            });
        let lost = [("outcome", "unstored")];
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::as_conversions,
            reason = "a small count"
        )]
        let unstored = page.value("cxpulse_dead_letters_total", &lost).unwrap() as u64;
        unstored
    }

    /// Ends it in order.
    fn stop(self) {
        assert!(self.service.stop().success());
    }
}

/// Waits until as many consumers are on the stream as there are replicas.
fn wait_for_consumers(nats: &mut RawNats, wanted: usize) {
    process::wait_until(&format!("{wanted} consumers"), WITHIN, || {
        nats.consumers("CX").unwrap().len() == wanted
    });
}
