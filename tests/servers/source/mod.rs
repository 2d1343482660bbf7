//! The sources against a real nats-server: every message once and in order, whatever happens to
//! server, consumer and stream. Messages are published by a client that is not ours.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod changes;
mod delivery;
mod faults;
mod plain;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use cxpulse::nats::{self, Link};
use cxpulse::source::jetstream::{self, Options};
use cxpulse::source::{
    self, Attached, Begin, Change, Counters, Envelope, Error, GapCause, Position, ResetReason,
    Resume, SourceEvent, StreamIdentity, Surroundings, core,
};
use cxpulse::time::SystemClock;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::support::broker::Broker;
use crate::support::nats_raw::{Publish, RawNats};

/// Longest wait for what is expected: reconnecting and twice the heartbeat, on a busy machine.
pub(crate) const WITHIN: Duration = Duration::from_mins(1);

/// A running source with its reader.
pub(crate) struct Reading {
    runtime: Runtime,
    events: mpsc::Receiver<SourceEvent>,
    pub(crate) counters: Arc<Counters>,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<Result<(), Error>>>,
    identity: StreamIdentity,
    pub(crate) position: Position,
    /// What was seen besides messages.
    pub(crate) resets: Vec<ResetReason>,
    changes: Vec<Change>,
    gaps: Vec<(GapCause, u64)>,
    attached: Vec<Attached>,
    caught_up: usize,
}

impl Reading {
    pub(crate) fn start(broker: &Broker, resume: Resume) -> Self {
        Self::start_with(broker, resume, |_| {}, 4)
    }

    fn start_with(
        broker: &Broker,
        resume: Resume,
        change: impl FnOnce(&mut source::Settings),
        room: usize,
    ) -> Self {
        let nats_settings = nats::Settings {
            url: broker.url(),
            ..nats::Settings::default()
        };
        Self::start_on(nats_settings, resume, change, room)
    }

    /// Over a connection of its own kind.
    pub(crate) fn start_on(
        nats_settings: nats::Settings,
        resume: Resume,
        change: impl FnOnce(&mut source::Settings),
        room: usize,
    ) -> Self {
        let mut settings = source::Settings::default();
        change(&mut settings);
        let core = settings.mode == source::Mode::Core;
        let (stop, mut stopped) = watch::channel(false);
        let (sender, events) = mpsc::channel(room);
        let counters = Arc::new(Counters::default());
        let runtime = Runtime::new().unwrap();
        let task_counters = Arc::clone(&counters);
        let task = runtime.spawn(async move {
            let link = Link::new();
            let client = nats::connect(&nats_settings, &link, &mut stopped)
                .await
                .unwrap();
            let surroundings = Surroundings {
                client,
                link,
                counters: task_counters,
                clock: Arc::new(SystemClock),
                stop: stopped,
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

    fn event(&mut self, deadline: Instant) -> SourceEvent {
        let events = &mut self.events;
        let event = self
            .runtime
            .block_on(async { tokio::time::timeout_at(deadline, events.recv()).await });
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

    pub(crate) fn until(&mut self, mut done: impl FnMut(&SourceEvent) -> bool) {
        let deadline = Instant::now() + WITHIN;
        while !done(&self.event(deadline)) {}
    }

    /// The next so many messages.
    pub(crate) fn messages(&mut self, count: usize) -> Vec<Envelope> {
        let deadline = Instant::now() + WITHIN;
        let mut messages = Vec::new();
        while messages.len() < count {
            if let SourceEvent::Batch(batch) = self.event(deadline) {
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

    pub(crate) fn until_caught_up(&mut self) {
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

pub(crate) fn earliest() -> Resume {
    Resume::Fresh(Begin::Earliest)
}

/// Own messages with their numbers, every third one followed by a foreign one.
pub(crate) fn publish(nats: &mut RawNats, numbers: Range<usize>) {
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

pub(crate) fn numbers(messages: &[Envelope]) -> Vec<usize> {
    let number = |message: &Envelope| std::str::from_utf8(&message.payload).unwrap().parse();
    messages
        .iter()
        .map(|message| number(message).unwrap())
        .collect()
}

pub(crate) fn assert_numbers(messages: &[Envelope], expected: Range<usize>) {
    let found = numbers(messages);
    let wrong = found
        .iter()
        .zip(expected.clone())
        .find(|(found, expected)| *found != expected);
    assert_eq!(wrong, None);
    assert_eq!(found.len(), expected.len());
}

pub(crate) fn stream(nats: &mut RawNats) {
    nats.create_stream("CX", &["cx.>"], &json!({})).unwrap();
}

/// Pull requests that wait on our only consumer.
pub(crate) fn waiting_requests(nats: &mut RawNats) -> u64 {
    let consumer = nats.consumers("CX").unwrap().pop().unwrap();
    let call = format!("CONSUMER.INFO.CX.{consumer}");
    let info = nats.api(&call, &serde_json::Value::Null).unwrap();
    info["num_waiting"].as_u64().unwrap()
}
