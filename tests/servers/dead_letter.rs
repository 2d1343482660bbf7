//! Dead letters and alert notifications against a real nats-server.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cxpulse::dead_letter::{self, Counters, DeadLetter, Payload, Publisher};
use cxpulse::event::Reason;
use cxpulse::nats::{self, Link};
use cxpulse::sink;
use cxpulse::time::SystemClock;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::broker::Broker;
use crate::support::nats_raw::RawNats;
use crate::support::process;
use crate::support::tools::require_tool;

const WITHIN: Duration = Duration::from_mins(1);

/// A publisher with its worker.
struct Running {
    runtime: Runtime,
    publisher: Option<Publisher>,
    counters: Arc<Counters>,
    stop: watch::Sender<bool>,
    worker: JoinHandle<()>,
}

impl Running {
    fn start(broker: &Broker, change: impl FnOnce(&mut dead_letter::Settings)) -> Self {
        let mut settings = dead_letter::Settings::default();
        change(&mut settings);
        let runtime = Runtime::new().unwrap();
        let (stop, mut stopped) = watch::channel(false);
        let counters = Arc::new(Counters::default());
        let (publisher, worker) = dead_letter::channel(&settings, &counters, Arc::new(SystemClock));
        let nats_settings = url(broker);
        let worker = runtime.spawn(async move {
            let link = Link::new();
            let client = nats::connect(&nats_settings, &link, &mut stopped)
                .await
                .unwrap();
            worker.run(client, link, stopped).await;
        });
        Self {
            runtime,
            publisher: Some(publisher),
            counters,
            stop,
            worker,
        }
    }

    fn submit(&mut self, letter: DeadLetter) {
        self.publisher.as_mut().unwrap().submit(letter);
    }

    fn settled(&self) -> u64 {
        self.counters.stored() + self.counters.unstored() + self.counters.suppressed()
    }

    fn wait_settled(&self, count: u64) {
        process::wait_until("outcomes", WITHIN, || self.settled() >= count);
        assert_eq!(self.settled(), count, "one outcome each");
    }

    /// Drops the publisher and waits for the worker.
    fn finish(&mut self) {
        self.publisher = None;
        let worker = &mut self.worker;
        self.runtime
            .block_on(async { tokio::time::timeout(WITHIN, worker).await })
            .expect("it ends in time")
            .unwrap();
    }
}

fn url(broker: &Broker) -> nats::Settings {
    nats::Settings {
        url: broker.url(),
        ..nats::Settings::default()
    }
}

fn letter(sequence: u64, index: u32) -> DeadLetter {
    DeadLetter {
        stream: Arc::from("CX@1700000000000000000"),
        sequence,
        index,
        subject: Bytes::from_static(b"cx.surveys.support"),
        reason: Reason::InvalidField,
        detail: "nps: 11 is above 10\r\nCx-Reason: none".into(),
        payload: Bytes::from(format!("{{\"nps\":11,\"n\":{sequence}}}")),
    }
}

fn stream(nats: &mut RawNats) {
    nats.create_stream("DL", &["cx.dead_letter"], &json!({}))
        .unwrap();
}

#[test]
fn dead_letters_arrive_with_headers_and_once_in_spite_of_a_replay() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    stream(&mut nats);
    let mut running = Running::start(&broker, |_| {});
    // A crash and a replay: the same ones again.
    for _ in 0..2 {
        for sequence in 1..=200 {
            running.submit(letter(sequence, 0));
            running.submit(letter(sequence, 1));
        }
    }
    running.wait_settled(800);
    assert_eq!(running.counters.stored(), 800);

    let stored = nats.stored_messages("DL").unwrap();
    assert_eq!(stored.len(), 400);
    let message = stored
        .iter()
        .find(|message| message.header("Nats-Msg-Id") == Some("CX@1700000000000000000:7:1"))
        .unwrap();
    assert_eq!(message.text(), "{\"nps\":11,\"n\":7}");
    assert_eq!(message.header("Cx-Reason"), Some("invalid_field"));
    let detail = "nps: 11 is above 10\\r\\nCx-Reason: none";
    assert_eq!(message.header("Cx-Detail"), Some(detail));
    assert_eq!(message.header("Cx-Subject"), Some("cx.surveys.support"));
    assert_eq!(message.header("Cx-Stream-Seq"), Some("7"));
    assert_eq!(message.header("Cx-Index"), Some("1"));
    assert_eq!(message.headers.len(), 6);
}

#[test]
fn a_stream_is_created_and_payloads_are_left_out_when_asked_for() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    for round in 1..=2 {
        let mut running = Running::start(&broker, |settings| {
            settings.create = true;
            settings.payload = Payload::None;
        });
        running.submit(letter(round, 0));
        running.wait_settled(1);
        assert_eq!(running.counters.stored(), 1, "round {round}");
    }
    let mut nats = broker.client();
    let info = nats.stream_info("CX_DEAD_LETTER").unwrap();
    assert_eq!(info["config"]["max_age"], 604_800_000_000_000_u64);
    assert_eq!(info["config"]["max_bytes"], 1_073_741_824_u64);
    let stored = nats.stored_messages("CX_DEAD_LETTER").unwrap();
    assert_eq!(stored.len(), 2);
    assert!(stored.iter().all(|message| message.payload.is_empty()));
}

#[test]
fn without_a_stream_each_is_unstored() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut running = Running::start(&broker, |settings| settings.max_per_second = 20);
    for sequence in 1..=30 {
        running.submit(letter(sequence, 0));
    }
    running.finish();
    running.wait_settled(30);
    assert_eq!(running.counters.stored(), 0);
    // 30 within a second, or spread over the turn of one.
    assert!(running.counters.suppressed() <= 10);
}

#[test]
fn a_dead_letter_that_grows_too_large_by_its_headers_comes_without_its_payload() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    stream(&mut nats);
    let mut running = Running::start(&broker, |_| {});
    let mut large = letter(1, 0);
    large.payload = Bytes::from(vec![b'x'; 1024 * 1024 - 10]);
    running.submit(large);
    running.wait_settled(1);
    assert_eq!(running.counters.stored(), 1);
    let stored = nats.stored_messages("DL").unwrap();
    assert_eq!(stored[0].header("Cx-Stream-Seq"), Some("1"));
    assert!(stored[0].payload.is_empty());
}

#[test]
fn an_outage_is_waited_out_and_a_stop_is_not() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start_new(&binary, folder.path());
    stream(&mut broker.client());
    let mut running = Running::start(&broker, |_| {});
    running.submit(letter(1, 0));
    running.wait_settled(1);
    broker.kill();
    for sequence in 2..=100 {
        running.submit(letter(sequence, 0));
    }
    broker.start();
    running.wait_settled(100);
    assert_eq!(running.counters.stored(), 100);
    assert_eq!(broker.client().stored_messages("DL").unwrap().len(), 100);

    broker.kill();
    for sequence in 101..=120 {
        running.submit(letter(sequence, 0));
    }
    running.stop.send(true).unwrap();
    running.finish();
    running.wait_settled(120);
    assert_eq!(running.counters.unstored(), 20);
}

#[test]
fn alert_notifications_arrive_in_order_and_across_an_outage() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start_new(&binary, folder.path());
    broker
        .client()
        .create_stream("ALERTS", &["cx.alerts.>"], &json!({}))
        .unwrap();
    let runtime = Runtime::new().unwrap();
    let counters = Arc::new(sink::nats::Counters::default());
    let (sender, worker) = sink::nats::channel(Some("cx.alerts"), &counters);
    let (_stop, mut stopped) = watch::channel(false);
    let settings = url(&broker);
    let worker = runtime.spawn(async move {
        let link = Link::new();
        let client = nats::connect(&settings, &link, &mut stopped).await.unwrap();
        worker.run(client, link, stopped).await;
    });
    let send = |range: std::ops::Range<u32>| {
        for number in range {
            sender.send(sink::nats::Notification {
                alert: format!("Alert.{}", number % 3),
                id: format!("t-{number}"),
                body: json!({ "number": number }),
            });
        }
    };
    send(0..250);
    process::wait_until("sent notifications", WITHIN, || counters.sent() == 250);
    broker.kill();
    send(250..300);
    broker.start();
    process::wait_until("sent notifications", WITHIN, || counters.sent() == 300);
    let stored = broker.client().stored_messages("ALERTS").unwrap();
    assert_eq!(stored.len(), 300);
    for (message, number) in stored.iter().zip(0_u32..) {
        assert_eq!(message.subject, format!("cx.alerts.Alert_{}", number % 3));
        assert_eq!(message.text(), format!("{{\"number\":{number}}}"));
    }
    drop(sender);
    runtime.block_on(worker).unwrap();
    assert_eq!(counters.dropped(), 0);
}

#[test]
fn plain_subscribers_and_nobody_hear_alerts_too() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    nats.subscribe("cx.alerts.Heard").unwrap();
    let runtime = Runtime::new().unwrap();
    let counters = Arc::new(sink::nats::Counters::default());
    let (sender, worker) = sink::nats::channel(Some("cx.alerts"), &counters);
    let (_stop, mut stopped) = watch::channel(false);
    let settings = url(&broker);
    runtime.spawn(async move {
        let link = Link::new();
        let client = nats::connect(&settings, &link, &mut stopped).await.unwrap();
        worker.run(client, link, stopped).await;
    });
    for alert in ["Unheard", "Heard"] {
        sender.send(sink::nats::Notification {
            alert: alert.into(),
            id: alert.into(),
            body: json!({ "alert": alert }),
        });
        let sent = if alert == "Heard" { 2 } else { 1 };
        process::wait_until("sent notifications", WITHIN, || counters.sent() == sent);
    }
    let message = nats.next_message(WITHIN).unwrap().unwrap();
    assert_eq!(message.text(), r#"{"alert":"Heard"}"#);
}
