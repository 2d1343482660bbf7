//! The sources against a real nats-server: every message once and in order, whatever happens to
//! server, consumer and stream. Messages are published by a client that is not ours.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use cxpulse::nats::{self, Link};
use cxpulse::source::jetstream::{self, Options, Surroundings};
use cxpulse::source::{
    self, Attached, Begin, Change, Counters, Envelope, Error, GapCause, Position, ResetReason,
    Resume, SourceEvent, StreamIdentity, core,
};
use cxpulse::time::{SystemClock, Timestamp};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::support::broker::Broker;
use crate::support::nats_raw::{Publish, RawNats};
use crate::support::process;
use crate::support::tools::require_tool;

/// Longest wait for one event: reconnecting and twice the heartbeat, on a busy machine.
const WITHIN: Duration = Duration::from_secs(60);

/// A running source with its reader.
struct Reading {
    runtime: Runtime,
    events: mpsc::Receiver<SourceEvent>,
    counters: Arc<Counters>,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<Result<(), Error>>>,
    identity: StreamIdentity,
    position: Position,
    /// What was seen besides messages.
    resets: Vec<ResetReason>,
    changes: Vec<Change>,
    gaps: Vec<(GapCause, u64)>,
    attached: Vec<Attached>,
    caught_up: usize,
}

impl Reading {
    fn start(broker: &Broker, resume: Resume) -> Self {
        Self::start_with(broker, resume, |_| {}, 4)
    }

    fn start_with(
        broker: &Broker,
        resume: Resume,
        change: impl FnOnce(&mut source::Settings),
        room: usize,
    ) -> Self {
        let mut settings = source::Settings::default();
        change(&mut settings);
        let core = settings.mode == source::Mode::Core;
        let nats_settings = nats::Settings {
            url: broker.url(),
            ..nats::Settings::default()
        };
        let (stop, stopped) = watch::channel(false);
        let (sender, events) = mpsc::channel(room);
        let counters = Arc::new(Counters::default());
        let runtime = Runtime::new().unwrap();
        let task_counters = Arc::clone(&counters);
        let task = runtime.spawn(async move {
            let link = Link::new();
            let mut stop = stopped.clone();
            let client = nats::connect(&nats_settings, &link, &mut stop)
                .await
                .unwrap();
            let surroundings = Surroundings {
                client,
                link,
                counters: task_counters,
                clock: Arc::new(SystemClock),
                stop,
            };
            if core {
                return core::run(&settings.subjects, "test", surroundings, sender).await;
            }
            let options = Options {
                settings,
                resume,
                instance: "test".into(),
                create_max_age: Duration::from_hours(24),
            };
            jetstream::run(options, surroundings, sender).await
        });
        Self {
            runtime,
            events,
            counters,
            stop,
            task: Some(task),
            identity: StreamIdentity::default(),
            position: Position::default(),
            resets: Vec::new(),
            changes: Vec::new(),
            gaps: Vec::new(),
            attached: Vec::new(),
            caught_up: 0,
        }
    }

    fn event(&mut self) -> SourceEvent {
        let events = &mut self.events;
        let event = self
            .runtime
            .block_on(async { tokio::time::timeout(WITHIN, events.recv()).await });
        let event = event.expect("an event comes in time").expect("it runs");
        match &event {
            SourceEvent::Attached(attached) => {
                self.identity = attached.identity.clone();
                self.attached.push(attached.clone());
            }
            SourceEvent::Batch(batch) => self.position = batch.position,
            SourceEvent::Idle(idle) => self.position = idle.position,
            SourceEvent::CaughtUp => self.caught_up += 1,
            SourceEvent::Reset(reason) => self.resets.push(*reason),
            SourceEvent::Gap(gap) => self.gaps.push((gap.cause, gap.messages)),
            SourceEvent::Changed(change) => self.changes.push(change.clone()),
        }
        event
    }

    fn until(&mut self, mut done: impl FnMut(&SourceEvent) -> bool) {
        while !done(&self.event()) {}
    }

    /// The next so many messages.
    fn messages(&mut self, count: usize) -> Vec<Envelope> {
        let mut messages = Vec::new();
        while messages.len() < count {
            if let SourceEvent::Batch(batch) = self.event() {
                assert!(batch.envelopes.len() <= source::MAX_BATCH);
                assert_eq!(
                    batch.position.sequence,
                    batch.envelopes.last().unwrap().sequence
                );
                messages.extend(batch.envelopes);
            }
        }
        messages
    }

    fn until_caught_up(&mut self) {
        self.until(|event| matches!(event, SourceEvent::CaughtUp));
    }

    /// Where another run would go on.
    fn resume(&self) -> Resume {
        Resume::After {
            identity: self.identity.clone(),
            position: self.position,
        }
    }

    fn result(&mut self) -> Result<(), Error> {
        let task = self.task.take().unwrap();
        self.runtime
            .block_on(async { tokio::time::timeout(WITHIN, task).await })
            .expect("it ends in time")
            .unwrap()
    }

    fn stop(mut self) -> Resume {
        self.stop.send(true).unwrap();
        self.result().unwrap();
        assert!(!self.counters.attached());
        self.resume()
    }
}

fn earliest() -> Resume {
    Resume::Fresh(Begin::Earliest)
}

/// Own messages with their numbers, every third one followed by a foreign one.
fn publish(nats: &mut RawNats, numbers: Range<usize>) {
    let mut messages = Vec::new();
    for number in numbers {
        let subject = if number % 2 == 0 {
            "cx.interactions.support"
        } else {
            "cx.surveys.support"
        };
        messages.push(Publish::new(subject, number.to_string()));
        if number % 3 == 0 {
            messages.push(Publish::new("cx.other", "not ours"));
        }
    }
    nats.publish_acknowledged(&messages).unwrap();
}

fn numbers(messages: &[Envelope]) -> Vec<usize> {
    let number = |message: &Envelope| std::str::from_utf8(&message.payload).unwrap().parse();
    messages
        .iter()
        .map(|message| number(message).unwrap())
        .collect()
}

fn assert_numbers(messages: &[Envelope], expected: Range<usize>) {
    let found = numbers(messages);
    let wrong = found
        .iter()
        .zip(expected.clone())
        .find(|(found, expected)| *found != expected);
    assert_eq!(wrong, None);
    assert_eq!(found.len(), expected.len());
}

fn stream(nats: &mut RawNats) {
    nats.create_stream("CX", &["cx.>"], &json!({})).unwrap();
}

#[test]
fn messages_before_and_after_the_start_come_once_and_in_order_between_foreign_ones() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    stream(&mut nats);
    publish(&mut nats, 0..10_000);

    let mut reading = Reading::start(&broker, earliest());
    let before = reading.messages(10_000);
    assert_numbers(&before, 0..10_000);
    assert_eq!(reading.attached[0].pending, 10_000);
    assert_eq!(reading.attached[0].first_sequence, 1);
    assert!(reading.attached[0].first_stored_at.is_some());
    reading.until_caught_up();
    publish(&mut nats, 10_000..20_000);
    let after = reading.messages(10_000);
    assert_numbers(&after, 10_000..20_000);
    assert!(
        reading.resets.is_empty() && reading.gaps.is_empty(),
        "{:?}",
        reading.gaps
    );
    assert_eq!(reading.counters.lag_messages(), 0);

    let stored = nats.stored_messages("CX").unwrap();
    for message in before.iter().chain(&after).step_by(997) {
        let stored = stored
            .iter()
            .find(|stored| stored.sequence == message.sequence)
            .unwrap();
        assert_eq!(stored.subject, message.subject_text());
        assert_eq!(stored.payload, message.payload);
    }
    assert!(
        after
            .windows(2)
            .all(|pair| pair[0].stored_at <= pair[1].stored_at)
    );

    assert_eq!(nats.consumers("CX").unwrap().len(), 1);
    reading.stop();
    process::wait_until("end of the consumer", WITHIN, || {
        nats.consumers("CX").unwrap().is_empty()
    });
}

#[test]
fn a_later_run_goes_on_behind_the_position() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    stream(&mut nats);
    publish(&mut nats, 0..50);
    let mut reading = Reading::start(&broker, earliest());
    assert_numbers(&reading.messages(50), 0..50);
    reading.until_caught_up();
    let resume = reading.stop();

    publish(&mut nats, 50..60);
    let mut reading = Reading::start(&broker, resume);
    assert_numbers(&reading.messages(10), 50..60);
    assert_eq!(reading.attached[0].pending, 10);
    reading.until_caught_up();
    let resume = reading.stop();

    // Nothing new: caught up at once, and what comes then comes once.
    let mut reading = Reading::start(&broker, resume);
    reading.until_caught_up();
    assert_eq!(reading.attached[0].pending, 0);
    publish(&mut nats, 60..61);
    assert_numbers(&reading.messages(1), 60..61);
    assert!(reading.gaps.is_empty() && reading.changes.is_empty());
}

#[test]
fn a_start_by_time_or_at_the_end_skips_what_was_before() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    stream(&mut nats);
    publish(&mut nats, 0..20);
    let mut all = Reading::start(&broker, earliest());
    let middle = all.messages(20)[12].clone();
    let moment = middle.stored_at;

    let mut by_time = Reading::start(&broker, Resume::Fresh(Begin::At(moment)));
    let first = by_time.messages(1)[0].clone();
    assert!(first.stored_at >= moment && first.sequence <= middle.sequence);

    let mut latest = Reading::start(&broker, Resume::Fresh(Begin::Latest));
    latest.until_caught_up();
    publish(&mut nats, 20..23);
    assert_numbers(&latest.messages(3), 20..23);
}

#[test]
fn a_killed_server_loses_and_repeats_nothing() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start_new(&binary, folder.path());
    stream(&mut broker.client());
    publish(&mut broker.client(), 0..8_000);
    let mut reading = Reading::start(&broker, earliest());
    let mut messages = reading.messages(1_000);
    broker.kill();
    broker.start();
    publish(&mut broker.client(), 8_000..9_000);
    messages.extend(reading.messages(9_000 - messages.len()));
    assert_numbers(&messages, 0..9_000);

    // Once more while it is idle.
    broker.kill();
    reading.until(|event| matches!(event, SourceEvent::Reset(ResetReason::Disconnected)));
    broker.start();
    publish(&mut broker.client(), 9_000..9_500);
    assert_numbers(&reading.messages(500), 9_000..9_500);
    assert!(reading.changes.is_empty() && reading.gaps.is_empty());
    assert!(reading.counters.resets(ResetReason::Disconnected) >= 2);
}

#[test]
fn a_server_and_a_stream_that_come_later_are_waited_for() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::prepare(&binary, folder.path());
    let mut reading = Reading::start(&broker, earliest());
    broker.start();
    let mut nats = broker.client();
    process::wait_until("waiting source", WITHIN, || {
        let connections = nats.api("INFO", &serde_json::Value::Null).unwrap();
        connections["api"]["errors"].as_u64().unwrap_or_default() > 0
    });
    stream(&mut nats);
    publish(&mut nats, 0..5);
    assert_numbers(&reading.messages(5), 0..5);
}

#[test]
fn a_missing_stream_is_created_when_asked_for() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut reading =
        Reading::start_with(&broker, earliest(), |settings| settings.create = true, 4);
    reading.until_caught_up();
    let mut nats = broker.client();
    let info = nats.stream_info("CX").unwrap();
    assert_eq!(info["config"]["max_age"], 86_400_000_000_000_u64);
    assert_eq!(info["config"]["max_bytes"], 10_737_418_240_u64);
    assert_eq!(info["config"]["retention"], "limits");
    nats.publish_acknowledged(&[Publish::new("cx.surveys.x", "0")])
        .unwrap();
    assert_numbers(&reading.messages(1), 0..1);
}

#[test]
fn a_deleted_consumer_is_made_anew() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    stream(&mut nats);
    publish(&mut nats, 0..100);
    let mut reading = Reading::start(&broker, earliest());
    assert_numbers(&reading.messages(100), 0..100);
    for round in 1..=3 {
        let consumer = nats.consumers("CX").unwrap().pop().unwrap();
        let call = format!("CONSUMER.DELETE.CX.{consumer}");
        nats.api(&call, &serde_json::Value::Null).unwrap();
        publish(&mut nats, round * 100..round * 100 + 100);
        assert_numbers(&reading.messages(100), round * 100..round * 100 + 100);
        assert_eq!(reading.resets.len(), round);
    }
    assert_eq!(reading.counters.resets(ResetReason::ConsumerDeleted), 3);
    process::wait_until("one consumer", WITHIN, || {
        nats.consumers("CX").unwrap().len() == 1
    });
}

#[test]
fn a_thief_on_our_consumer_takes_nothing_away() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    stream(&mut nats);
    let mut reading = Reading::start(&broker, earliest());
    reading.until_caught_up();
    let consumer = nats.consumers("CX").unwrap().pop().unwrap();
    let next = format!("$JS.API.CONSUMER.MSG.NEXT.CX.{consumer}");
    let mut other = broker.client();
    let thief = std::thread::spawn(move || other.request(&Publish::new(next, r#"{"batch":1}"#)));
    process::wait_until("the thief's request", WITHIN, || {
        waiting_requests(&mut nats) == 5
    });
    publish(&mut nats, 0..300);
    // The raw client takes a delivered message for a wrong answer and names its subject.
    let stolen = thief.join().unwrap().unwrap_err().to_string();
    assert!(stolen.contains("an answer on cx."), "{stolen}");
    assert_numbers(&reading.messages(300), 0..300);
    assert_eq!(reading.counters.resets(ResetReason::SequenceGap), 1);
}

/// Pull requests that wait on our only consumer.
fn waiting_requests(nats: &mut RawNats) -> u64 {
    let consumer = nats.consumers("CX").unwrap().pop().unwrap();
    let call = format!("CONSUMER.INFO.CX.{consumer}");
    let info = nats.api(&call, &serde_json::Value::Null).unwrap();
    info["num_waiting"].as_u64().unwrap()
}

#[test]
fn an_expired_beginning_is_a_gap() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    nats.create_stream("CX", &["cx.>"], &json!({ "max_msgs": 10 }))
        .unwrap();
    let survey = |number: usize| Publish::new("cx.surveys.x", number.to_string());
    nats.publish_acknowledged(&(0..5).map(survey).collect::<Vec<_>>())
        .unwrap();
    let mut reading = Reading::start(&broker, earliest());
    assert_numbers(&reading.messages(5), 0..5);
    let resume = reading.stop();
    nats.publish_acknowledged(&(5..35).map(survey).collect::<Vec<_>>())
        .unwrap();
    let mut reading = Reading::start(&broker, resume);
    assert_numbers(&reading.messages(10), 25..35);
    assert_eq!(reading.gaps, [(GapCause::Expired, 20)]);
    assert_eq!(reading.counters.gap_messages(), 20);
}

#[test]
fn a_purge_of_what_was_pending_is_a_gap() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    stream(&mut nats);
    publish(&mut nats, 0..20_000);
    // A reader that does not read: the source stops asking.
    let mut reading = Reading::start_with(&broker, earliest(), |_| {}, 1);
    let mut messages = reading.messages(1);
    process::wait_until("a source that does not ask", WITHIN, || {
        waiting_requests(&mut nats) == 0
    });
    nats.purge_stream("CX", &json!({})).unwrap();
    publish(&mut nats, 20_000..20_010);
    while numbers(&messages).last() != Some(&20_009) {
        messages.extend(reading.messages(1));
    }
    let read = numbers(&messages);
    assert!(read.is_sorted());
    let lost = u64::try_from(20_010 - read.len()).unwrap();
    assert!(lost > 10_000, "{lost}");
    // Arrivals hide some: at least all but those.
    let counted = reading.counters.gap_messages();
    assert!(
        counted <= lost && counted + 10 >= lost,
        "{counted} of {lost}"
    );
    assert!(
        reading
            .gaps
            .iter()
            .all(|(cause, _)| *cause == GapCause::Removed)
    );
}

#[test]
fn a_recreated_stream_is_reported_and_read_from_its_beginning() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    stream(&mut nats);
    publish(&mut nats, 0..30);
    let mut reading = Reading::start(&broker, earliest());
    assert_numbers(&reading.messages(30), 0..30);
    let was = reading.identity.clone();

    // While it reads.
    nats.delete_stream("CX").unwrap();
    reading.until(|event| matches!(event, SourceEvent::Reset(_)));
    stream(&mut nats);
    publish(&mut nats, 100..140);
    assert_numbers(&reading.messages(40), 100..140);
    let now = reading.identity.clone();
    assert_eq!(was.name, now.name);
    assert!(was.created_ns < now.created_ns);
    assert_eq!(
        reading.changes,
        [Change::Recreated {
            was,
            now: now.clone()
        }]
    );

    // While it does not run.
    let resume = reading.stop();
    nats.delete_stream("CX").unwrap();
    stream(&mut nats);
    publish(&mut nats, 200..203);
    let mut reading = Reading::start(&broker, resume);
    assert_numbers(&reading.messages(3), 200..203);
    let newest = reading.identity.clone();
    assert_eq!(
        reading.changes,
        [Change::Recreated {
            was: now,
            now: newest
        }]
    );
}

#[test]
fn a_lost_tail_and_reused_sequences_are_reported_and_nothing_new_is_skipped() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start_new(&binary, folder.path());
    stream(&mut broker.client());
    publish(&mut broker.client(), 0..30);
    broker.stop();
    let saved = tempfile::tempdir().unwrap();
    copy(&folder.path().join("jetstream"), saved.path());
    broker.start();
    publish(&mut broker.client(), 30..60);
    let mut reading = Reading::start(&broker, earliest());
    assert_numbers(&reading.messages(60), 0..60);
    let read = reading.position.sequence;
    let stored_at = reading.position.stored_at;
    let resume = reading.stop();

    // The server comes back without its tail.
    broker.stop();
    restore(saved.path(), &folder.path().join("jetstream"));
    broker.start();
    let mut reading = Reading::start(&broker, resume.clone());
    reading.until_caught_up();
    assert_eq!(reading.changes, [Change::TailLost { read, last: 40 }]);
    publish(&mut broker.client(), 60..66);
    assert_numbers(&reading.messages(6), 60..66);
    drop(reading);

    // And gives the sequences out again before we look.
    broker.stop();
    restore(saved.path(), &folder.path().join("jetstream"));
    broker.start();
    publish(&mut broker.client(), 60..120);
    let mut reading = Reading::start(&broker, resume);
    assert_numbers(&reading.messages(60), 60..120);
    assert_eq!(reading.changes, [Change::Rewritten { read, stored_at }]);
    assert_eq!(reading.counters.resets(ResetReason::StreamChanged), 1);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn restore(saved: &std::path::Path, folder: &std::path::Path) {
    std::fs::remove_dir_all(folder).unwrap();
    copy(saved, folder);
}

#[test]
fn retentions_that_take_messages_away_are_refused() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    for retention in ["workqueue", "interest"] {
        nats.create_stream("CX", &["cx.>"], &json!({ "retention": retention }))
            .unwrap();
        let mut reading = Reading::start(&broker, earliest());
        let error = reading.result().unwrap_err().to_string();
        assert!(
            error.contains(retention) && error.contains("mirrors or sources"),
            "{error}"
        );
        nats.delete_stream("CX").unwrap();
    }
}

#[test]
fn messages_larger_than_a_request_allows_come_through() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    stream(&mut nats);
    let large = vec![b'x'; 900 * 1024];
    let messages: Vec<Publish> = (0..120)
        .map(|_| Publish::new("cx.surveys.x", large.clone()))
        .collect();
    for message in &messages {
        nats.publish_acknowledged([message]).unwrap();
    }
    let mut reading = Reading::start_with(&broker, earliest(), |_| {}, 1);
    let read = reading.messages(120);
    assert!(
        read.iter()
            .all(|message| message.payload.len() == large.len())
    );
    assert!(reading.resets.is_empty());
}

#[test]
fn headers_with_a_meaning_come_along() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    stream(&mut nats);
    let messages = [
        Publish::new("cx.surveys.x", "0").header("Nats-Msg-Id", "m-1"),
        Publish::new("cx.surveys.x", "1")
            .header("ce-specversion", "1.0")
            .header("ce-id", "e-1"),
        Publish::new("cx.surveys.x", "2").header("X-Other", "1"),
    ];
    nats.publish_acknowledged(&messages).unwrap();
    let mut reading = Reading::start(&broker, earliest());
    let read = reading.messages(3);
    let headers: Vec<_> = read
        .iter()
        .map(|message| message.headers.as_deref())
        .collect();
    assert_eq!(headers[0].unwrap().message_id.as_deref(), Some("m-1"));
    assert!(headers[1].unwrap().cloud_event);
    assert_eq!(headers[1].unwrap().cloud_event_id.as_deref(), Some("e-1"));
    assert_eq!(headers[2], None);
}

#[test]
fn core_nats_merges_subjects_and_says_when_it_lost_the_connection() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start_new(&binary, folder.path());
    let mode = |settings: &mut source::Settings| settings.mode = source::Mode::Core;
    let mut reading = Reading::start_with(&broker, earliest(), mode, 1_000);
    let mut nats = broker.client();
    let mut sequence = until_heard(&mut reading, &mut nats);
    for number in 0..5_000 {
        let subject = ["cx.interactions.a", "cx.surveys.b"][number % 2];
        nats.publish(&Publish::new(subject, number.to_string()))
            .unwrap();
    }
    nats.flush().unwrap();
    let mut found = Vec::new();
    while found.len() < 5_000 {
        for message in reading.messages(1) {
            sequence += 1;
            assert_eq!(message.sequence, sequence);
            assert!(message.stored_at > Timestamp::default());
            if message.payload != PROBE {
                found.extend(numbers(&[message]));
            }
        }
    }
    // In order by subject.
    for (parity, offset) in [(0, 0), (1, 1)] {
        let of_subject = found.iter().filter(|number| *number % 2 == parity);
        assert!(of_subject.copied().eq((offset..5_000).step_by(2)));
    }

    broker.kill();
    broker.start();
    reading.until(|event| matches!(event, SourceEvent::Reset(ResetReason::Disconnected)));
    assert!(until_heard(&mut reading, &mut broker.client()) > sequence);
}

const PROBE: &[u8] = b"probe";

/// Publishes probes until one came on each subject; gives the last sequence.
fn until_heard(reading: &mut Reading, nats: &mut RawNats) -> u64 {
    let mut heard = [false, false];
    while heard != [true, true] {
        for subject in ["cx.interactions.a", "cx.surveys.b"] {
            nats.publish(&Publish::new(subject, PROBE)).unwrap();
        }
        nats.flush().unwrap();
        while let Ok(event) = reading.events.try_recv() {
            if let SourceEvent::Batch(batch) = event {
                reading.position = batch.position;
                for message in &batch.envelopes {
                    heard[usize::from(message.subject_text().starts_with("cx.surveys"))] = true;
                }
            }
        }
        std::thread::yield_now();
    }
    reading.position.sequence
}
