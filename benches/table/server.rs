//! A real nats-server on a core of its own, with the stream that cxpulse reads.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cxpulse::simulate::workload;
use cxpulse::time::{Clock, SystemClock, Timestamp};
use serde_json::Value;

use crate::cores;
use crate::feed::Feed;
use crate::measure::processor_seconds;
use crate::publish::Publisher;
use crate::support::nats_raw::RawNats;
use crate::support::process::{Process, free_port};
use crate::support::tools;

pub(crate) const STREAM: &str = "CX";
const SUBJECTS: [&str; 2] = ["cx.interactions.>", "cx.surveys.>"];
/// How long the server may take to start.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// Lines written at a time.
const CHUNK: u64 = 64_000;

/// A running server; gone when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    address: String,
}

impl Server {
    /// A server with JetStream in files below `folder`, without a stream yet.
    pub(crate) fn start(folder: &Path) -> Self {
        let binary = tools::tool("nats-server").expect("scripts/fetch-tools brings nats-server");
        let port = free_port();
        let mut command = Command::new(binary);
        command
            .args(["-a", "127.0.0.1", "-js", "-p", &port.to_string(), "-sd"])
            .arg(folder.join("jetstream"));
        let start = || Process::start("nats-server", &mut command, folder);
        let mut server = Self {
            process: cores::bound_to(cores::SERVER, start),
            address: format!("127.0.0.1:{port}"),
        };
        let address = server.address.clone();
        server
            .process
            .wait_until("answer of JetStream", READY_WITHIN, || {
                RawNats::connect(&address)
                    .and_then(|mut nats| nats.api("INFO", &Value::Null))
                    .is_ok()
            });
        server
    }

    /// The same with the stream in it.
    pub(crate) fn with_stream(folder: &Path) -> Self {
        let server = Self::start(folder);
        let made = server
            .client()
            .create_stream(STREAM, &SUBJECTS, &Value::Null);
        made.unwrap();
        server
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn client(&self) -> RawNats {
        RawNats::connect(&self.address).unwrap()
    }

    /// Processor time of the server so far, seconds.
    pub(crate) fn processor_seconds(&self) -> f64 {
        processor_seconds(self.process.id())
    }

    /// Stores the next lines of `feed`, `pack` in a message, every one acknowledged.
    pub(crate) fn fill(&self, feed: &mut Feed, lines: u64, pack: usize) {
        let mut publisher = Publisher::acknowledged(&self.address);
        let mut left = lines;
        while left > 0 {
            let messages = feed.chunk(CHUNK.min(left));
            publisher.publish(&messages, pack);
            left = left.saturating_sub(CHUNK);
        }
        publisher.finish();
    }
}

/// The workload so that its last line is due two seconds ago: what ended just now lies in the
/// windows of a live cxpulse.
pub(crate) fn feed_until_now(lines: u64) -> Feed {
    let span_ms = i64::try_from(lines).unwrap() + 2000;
    Feed::new(workload::Settings {
        start: now().plus_millis(-span_ms),
        ..workload::Settings::with_events(lines)
    })
}

pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}
