//! An engine in the steady state of the workload, of a size that is asked for, and how it is fed.

use std::sync::Arc;
use std::time::Duration;

use cxpulse::app::{Pipeline, Unwatched};
use cxpulse::decode;
use cxpulse::engine::{Engine, Settings, WaitingPolicy};
use cxpulse::event::HashKey;
use cxpulse::simulate::workload;
use cxpulse::source::Envelope;

use crate::feed::Feed;

pub(crate) const KEY: HashKey = HashKey::from_bytes([7; 16]);
/// Messages between two ticks: the smallest pane, five seconds of event time.
const TICK: usize = 5000;
/// Messages that are in memory at a time.
pub(crate) const CHUNK: u64 = 50_000;
/// The horizon of first contact resolution is so many times the lateness, as by default.
const HORIZON_IN_LATENESS: u32 = 7;

/// What a state is like.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) engine: Settings,
    pub(crate) workload: workload::Settings,
    /// Lines until as much is forgotten as is remembered.
    pub(crate) warm: u64,
}

impl Shape {
    /// The default windows and breakdowns with about `entries` in the ledger: lateness and horizon
    /// are shortened in the ratio of the defaults, so that at a thousand lines a second of event
    /// time no more than that is remembered.
    pub(crate) fn of_entries(entries: u64) -> Self {
        Self::with_horizon(entries, HORIZON_IN_LATENESS)
    }

    /// The same with another ratio of horizon and lateness.
    pub(crate) fn with_horizon(entries: u64, in_lateness: u32) -> Self {
        let lateness = Duration::from_millis(entries / 2);
        let mut engine = Settings {
            allowed_lateness: lateness,
            max_entries: 100_000_000,
            ..Settings::default()
        };
        engine.kpis.survey_join_within = lateness;
        engine.kpis.fcr.horizon = lateness * in_lateness;
        engine.kpis.fcr.max_contacts = 100_000_000;
        let remembered = entries / 2 * u64::from(in_lateness + 2);
        Self {
            engine,
            workload: workload::Settings {
                chains: workload::Settings::chains_for_memory(remembered),
                ..workload::Settings::default()
            },
            warm: remembered + entries,
        }
    }

    /// A breakdown by queue and channel besides the default ones, with so many keys.
    pub(crate) fn with_keys(mut self, keys: u32) -> Self {
        self.engine
            .breakdowns
            .push(vec!["queue".into(), "channel".into()]);
        self.engine.max_keys = 1_000_000;
        self.workload.queues = keys / 4;
        self
    }

    /// An empty state.
    pub(crate) fn begin(&self) -> Subject {
        let engine = Engine::new(Arc::new(self.engine.clone()), WaitingPolicy::Keep);
        Subject {
            pipeline: Pipeline::new(Arc::new(decode::Settings::default()), KEY, engine),
            feed: Feed::new(self.workload.clone()),
        }
    }

    /// A state that forgets as much as it takes in.
    pub(crate) fn steady(&self) -> Subject {
        let mut subject = self.begin();
        subject.feed_lines(self.warm);
        subject
    }
}

/// A state and what comes next.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) pipeline: Pipeline,
    pub(crate) feed: Feed,
}

impl Subject {
    /// Lets the next lines in.
    pub(crate) fn feed_lines(&mut self, lines: u64) {
        let mut left = lines;
        while left > 0 {
            let messages = self.feed.chunk(CHUNK.min(left));
            self.take(&messages);
            left = left.saturating_sub(CHUNK);
        }
    }

    /// See [`take`].
    pub(crate) fn take(&mut self, messages: &[Envelope]) {
        take(&mut self.pipeline, messages);
    }

    pub(crate) fn entries(&self) -> u64 {
        self.pipeline.engine.stats().ledger_entries
    }

    pub(crate) fn contacts(&self) -> u64 {
        self.pipeline.engine.stats().chain_contacts
    }

    /// Live keys of all breakdowns.
    pub(crate) fn keys(&mut self) -> u64 {
        let at = self.feed.now().plus_millis(1);
        let view = self.pipeline.engine.view(at);
        let keys: usize = view.breakdowns.iter().map(|one| one.keys.len()).sum();
        u64::try_from(keys).unwrap()
    }
}

/// Lets messages in as a live run does: T moves on, and so do the windows.
pub(crate) fn take(pipeline: &mut Pipeline, messages: &[Envelope]) {
    for pane in messages.chunks(TICK) {
        let at = pane[pane.len() - 1].stored_at.plus_millis(1);
        pipeline.engine.advance(at);
        pipeline.process_all(pane, &mut Unwatched);
        pipeline.engine.settle(at);
    }
}
