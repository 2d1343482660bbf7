//! The engine's thread. It alone owns state: it takes batches from the source, lets T pass, makes
//! the views at their instants, and hands checkpoints to their thread. Nobody waits for a reader.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tracing::{info, warn};

use super::ahead::{Delivery, Inbox, Portion};
use super::alerting::Alerting;
use super::freshness::Freshness;
use super::intake::Intake;
use super::pipeline::{self, Pipeline};
use super::recovery::{Rebuild, RecoveryError};
use super::saver::Saver;
use crate::checkpoint::{Head, Place, faults};
use crate::config::Config;
use crate::dead_letter;
use crate::engine::WORK_AT_A_TIME;
use crate::http::{Exported, Shared};
use crate::source::{
    self, Attached, Begin, Change, Envelope, Gap, GapCause, Position, Resume, SourceEvent,
    StreamIdentity,
};
use crate::telemetry::SelfMetrics;
use crate::time::{Clock, Timestamp, millis_of};

/// Instants of alerts that were missed, since the process stood still, are made up for when they are
/// not older than this, milliseconds; older ones are passed over with the states frozen.
const MAX_MISSED_MS: i64 = 120_000;

/// The engine with all it is connected to.
pub(super) struct Worker {
    pub(super) pipeline: Pipeline,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) shared: Arc<Shared>,
    pub(super) metrics: SelfMetrics,
    pub(super) alerting: Alerting,
    pub(super) saver: Saver,
    pub(super) dead_letters: Option<dead_letter::Publisher>,
    pub(super) counters: Arc<source::Counters>,
    pub(super) fingerprint: u64,
    pub(super) begin: Begin,
    /// Core NATS: what is published while we are not attached is lost.
    pub(super) at_most_once: bool,
    /// How far back the stream must reach for every window to be whole.
    pub(super) needed_from: Timestamp,
    /// State is to be rebuilt, and the stream has not been looked at yet: no checkpoint may take
    /// the place of the old ones.
    pub(super) rebuild: Option<Rebuild>,
    pub(super) refresh_ms: i64,
    pub(super) checkpoint_ms: i64,
    pub(super) progress: Progress,
    pub(super) freshness: Freshness,
}

/// How far the stream is in the state.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) identity: Option<StreamIdentity>,
    pub(super) position: Option<Position>,
    /// Name for the message ids of dead letters.
    stream: Option<Arc<str>>,
    last_stored_at: Option<Timestamp>,
    pending: u64,
    caught_up: bool,
    /// The state was restored and has not caught up since. T follows the store times of the
    /// messages until then, so that each meets the fate that it would have met without the restart.
    pub(super) continues: bool,
    /// Messages are missing behind our position; the next attachment tells up to where.
    lacks_history: Option<Lack>,
    next_refresh: Option<Timestamp>,
    next_checkpoint: Option<Timestamp>,
}

/// From where on history is whole again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lack {
    /// From the first message that the stream still holds.
    UpToFirstStored,
    /// From when the stream was created.
    UpToCreation,
}

/// What the service tells the worker besides events.
#[derive(Debug)]
pub(super) enum Order {
    /// Take over changed alerts, sinks and export.
    Reload(Box<Config>),
}

impl Worker {
    /// Runs until `stop`, or until the source is gone; then a last checkpoint is written.
    ///
    /// # Errors
    /// When state is to be rebuilt and the stream does not hold what it takes.
    pub(super) async fn run(
        mut self,
        mut inbox: Inbox,
        mut orders: mpsc::Receiver<Order>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), RecoveryError> {
        self.on_time();
        let mut has_work = false;
        loop {
            let pause_ms = if has_work { 1 } else { self.pause_ms() };
            let pause = Duration::from_millis(pause_ms);
            tokio::select! {
                biased;
                () = crate::nats::stopped(&mut stop) => break,
                Some(order) = orders.recv() => self.obey(order),
                delivery = inbox.next() => match delivery {
                    Some(Delivery::Plain(event)) => self.take(event)?,
                    Some(Delivery::Decoded(portion)) => {
                        let (events, room) = self.take_decoded(portion);
                        inbox.give_back(events, room);
                    }
                    None => break,
                },
                () = tokio::time::sleep(pause) => {}
            }
            self.on_time();
            self.saver.step(&mut self.pipeline.engine);
            // Behind the stream it is better to do the same in one go.
            has_work = self.progress.caught_up && self.pipeline.engine.work_ahead(WORK_AT_A_TIME);
        }
        self.finish();
        Ok(())
    }

    /// Milliseconds to the next refresh or alert instant; short while a checkpoint is captured.
    fn pause_ms(&mut self) -> u64 {
        if self.saver.is_busy() {
            return 1;
        }
        let now = self.clock.now();
        let refresh = self.progress.next_refresh.unwrap_or(now);
        u64::try_from(refresh.millis_since(now)).unwrap_or(0).max(1)
    }

    pub(super) fn take(&mut self, event: SourceEvent) -> Result<(), RecoveryError> {
        match event {
            SourceEvent::Batch(batch) => {
                self.advance(self.clock.now());
                self.process(|pipeline, intake| pipeline.process_all(&batch.envelopes, intake));
                self.note_read(batch.envelopes.last(), batch.position, batch.pending);
            }
            SourceEvent::Attached(attached) => self.attach(attached)?,
            SourceEvent::CaughtUp => self.catch_up(),
            SourceEvent::Idle(idle) => {
                self.progress.position = Some(idle.position);
                self.progress.pending = 0;
            }
            SourceEvent::Reset(reason) => {
                self.shared.set_attached(false);
                info!(
                    reason = reason.name(),
                    "delivery begins again behind the last message"
                );
            }
            SourceEvent::Gap(gap) => self.note_gap(gap),
            SourceEvent::Changed(change) => self.note_change(&change),
        }
        self.metrics
            .set_progress(self.progress.last_stored_at, self.progress.pending);
        Ok(())
    }

    /// Takes messages that were decoded ahead; returns the memory and the room.
    fn take_decoded(&mut self, portion: Portion) -> (pipeline::Batch, OwnedSemaphorePermit) {
        let Portion {
            envelopes,
            numbers,
            events,
            position,
            pending,
            room,
        } = portion;
        self.advance(self.clock.now());
        let newest = envelopes.get(..numbers.end).and_then(<[_]>::last);
        self.process(|pipeline, intake| pipeline.apply(&envelopes, numbers, &events, intake));
        self.note_read(newest, position, pending);
        self.metrics
            .set_progress(self.progress.last_stored_at, self.progress.pending);
        (events, room)
    }

    /// The stream was read up to `newest`.
    fn note_read(&mut self, newest: Option<&Envelope>, position: Position, pending: u64) {
        self.progress.position = Some(position);
        self.progress.pending = pending;
        self.progress.last_stored_at = newest.map(|newest| newest.stored_at);
    }

    fn note_gap(&mut self, gap: Gap) {
        warn!(
            cause = ?gap.cause,
            messages = gap.messages,
            after_sequence = gap.after,
            "messages are lost for good; windows that reach over the gap are incomplete"
        );
        match gap.cause {
            GapCause::Expired => self.progress.lacks_history = Some(Lack::UpToFirstStored),
            GapCause::Recreated => self.progress.lacks_history = Some(Lack::UpToCreation),
            GapCause::Removed => self.pipeline.engine.history_begins(self.clock.now()),
        }
        self.start_counters_anew();
    }

    fn note_change(&mut self, change: &Change) {
        warn!(
            ?change,
            "the stream is not what it was; what it lost is not known, so windows that reach over \
             this are incomplete"
        );
        match change {
            Change::Recreated { .. } => self.progress.lacks_history = Some(Lack::UpToCreation),
            Change::TailLost { .. } | Change::Rewritten { .. } => {
                self.pipeline.engine.history_begins(self.clock.now());
            }
        }
        self.start_counters_anew();
    }

    /// Counters of a restored state that cannot catch up with what was scraped before begin at 0.
    fn start_counters_anew(&mut self) {
        if self.progress.continues {
            self.pipeline.engine.reset_counters();
            self.refresh(self.clock.now());
            self.metrics.hide_counters(false);
        }
    }

    /// Lets messages in by `process`.
    fn process(&mut self, process: impl FnOnce(&mut Pipeline, &mut Intake<'_>)) {
        let Self {
            pipeline,
            dead_letters,
            metrics,
            progress,
            freshness,
            clock,
            ..
        } = self;
        let stream = progress.stream.clone();
        let mut intake = Intake {
            stream: stream.unwrap_or_else(|| Arc::from("unknown")),
            continues_at: progress.continues.then(|| clock.now()),
            dead_letters: dead_letters.as_mut(),
            delay: metrics.event_delay.local(),
            freshness: progress.caught_up.then_some(freshness),
        };
        process(pipeline, &mut intake);
        intake.delay.flush();
    }

    fn attach(&mut self, attached: Attached) -> Result<(), RecoveryError> {
        if let Some(rebuild) = self.rebuild.take() {
            rebuild.check(&attached, self.begin, self.needed_from)?;
        }
        self.shared.set_attached(true);
        info!(
            stream = %attached.identity,
            pending = attached.pending,
            first_sequence = attached.first_sequence,
            last_sequence = attached.last_sequence,
            resumed_after = attached.position.map(|position| position.sequence),
            "attached to the stream"
        );
        if self.at_most_once {
            // What was published before, or in between, is lost, and nobody can tell how much.
            self.pipeline.engine.history_begins(self.clock.now());
            self.start_counters_anew();
        } else if attached.position.is_none() && self.progress.position.is_none() {
            self.note_history(&attached);
        }
        self.fill_lack(&attached);
        self.progress.pending = attached.pending;
        self.progress.stream = Some(Arc::from(attached.identity.to_string().as_str()));
        self.progress.identity = Some(attached.identity);
        Ok(())
    }

    /// Says from where on history is whole after messages were lost.
    fn fill_lack(&mut self, attached: &Attached) {
        let Some(lack) = self.progress.lacks_history.take() else {
            return;
        };
        let created = Timestamp::from_millis(attached.identity.created_ns / 1_000_000);
        let from = match lack {
            Lack::UpToCreation if attached.first_sequence <= 1 => Some(created),
            Lack::UpToCreation | Lack::UpToFirstStored => attached.first_stored_at,
        };
        self.pipeline
            .engine
            .history_begins(from.unwrap_or(self.clock.now()));
    }

    /// Says from where on history is whole, when the source left older messages out.
    fn note_history(&mut self, attached: &Attached) {
        let engine = &mut self.pipeline.engine;
        let first = attached.first_stored_at;
        match self.begin {
            Begin::Latest => engine.history_begins(self.clock.now()),
            Begin::At(moment) if first.is_some_and(|first| first < moment) => {
                engine.history_begins(moment);
            }
            Begin::At(_) | Begin::Earliest => {
                if let (Some(first), true) = (first, attached.first_sequence > 1) {
                    engine.history_begins(first);
                }
            }
        }
    }

    fn catch_up(&mut self) {
        if self.progress.caught_up {
            return;
        }
        self.progress.continues = false;
        // A view of the caught-up state first: the families appear with their values.
        self.advance(self.clock.now());
        self.refresh(self.clock.now());
        self.progress.caught_up = true;
        self.metrics.hide_counters(false);
        self.shared.set_caught_up();
        let stats = self.pipeline.engine.stats();
        info!(
            events = stats.received.iter().sum::<u64>(),
            "caught up with the stream"
        );
        // This may take a while, and only the lines of the wallboard wait for it.
        self.pipeline.engine.fill_history();
        self.progress.next_refresh = None;
    }

    /// Lets T pass to `now`, stopping at every alert instant on the way.
    fn advance(&mut self, now: Timestamp) {
        while let Some(at) = self.alerting.due(now) {
            let behind_ms = match (self.progress.pending, self.progress.last_stored_at) {
                (0, _) | (_, None) => 0,
                (_, Some(stored_at)) => now.millis_since(stored_at),
            };
            let too_old = now.millis_since(at) > MAX_MISSED_MS;
            let frozen = self.alerting.is_frozen(self.progress.caught_up, behind_ms) || too_old;
            let view = if frozen {
                self.pipeline.engine.empty_view()
            } else {
                self.pipeline.engine.advance(at);
                self.pipeline.engine.view(at)
            };
            self.alerting.evaluate(&view, at, frozen);
        }
        if !self.progress.continues {
            self.pipeline.engine.advance(now);
        }
    }

    /// What is due at this moment.
    pub(super) fn on_time(&mut self) {
        // Only there to hang, as a deadlock would: nothing here can fail.
        faults::pass("tick").ok();
        let now = self.clock.now();
        self.shared.tick(now);
        self.advance(now);
        if self.progress.next_refresh.is_none_or(|next| next <= now) {
            self.refresh(now);
        }
        let checkpoint_ms = self.checkpoint_ms;
        let next = *self
            .progress
            .next_checkpoint
            .get_or_insert(now.plus_millis(checkpoint_ms));
        if next <= now && self.rebuild.is_none() {
            self.progress.next_checkpoint = Some(now.plus_millis(checkpoint_ms));
            let head = self.head();
            self.saver.begin(&mut self.pipeline.engine, head);
        }
    }

    fn refresh(&mut self, now: Timestamp) {
        self.progress.next_refresh =
            Some(now.floor_to(self.refresh_ms).plus_millis(self.refresh_ms));
        let view = self.pipeline.engine.view(self.pipeline.engine.now());
        self.metrics
            .set_progress(self.progress.last_stored_at, self.progress.pending);
        self.copy_counters();
        self.shared.publish(Arc::new(view));
        self.freshness
            .shown(self.clock.now(), &self.metrics.event_to_view);
    }

    /// Takes over what the source counts.
    fn copy_counters(&self) {
        let behind = |counted: u64, shown: u64| counted.saturating_sub(shown);
        let gap = &self.metrics.stream_gap_messages;
        let lost = self.counters.gap_messages() + self.counters.dropped_messages();
        gap.inc_by(behind(lost, gap.get()));
        for reason in source::ResetReason::ALL {
            let shown = self
                .metrics
                .consumer_resets
                .with_label_values(&[reason.name()]);
            shown.inc_by(behind(self.counters.resets(reason), shown.get()));
        }
    }

    fn head(&self) -> Head {
        let progress = &self.progress;
        let place = match (&progress.identity, progress.position) {
            (Some(identity), Some(position)) => Some(place_of(identity, position)),
            _ => None,
        };
        Head {
            fingerprint: self.fingerprint,
            place,
        }
    }

    fn obey(&mut self, order: Order) {
        let Order::Reload(config) = order;
        let now = self.clock.now();
        match self.alerting.reload(&config.alert, &config.sink, now) {
            Ok(()) => {
                self.shared.set_exported(Exported {
                    extras: config.export_extras(),
                    settings: config.export,
                });
                self.metrics.config_last_reload_successful.set(1);
                info!("configuration reloaded");
            }
            Err(error) => {
                self.metrics.config_last_reload_successful.set(0);
                warn!(%error, "configuration not reloaded");
            }
        }
    }

    /// The last checkpoint: a restart goes on from here.
    fn finish(mut self) {
        if self.rebuild.is_some() {
            info!("the old checkpoints stay, since nothing was rebuilt from the stream yet");
            return;
        }
        let head = self.head();
        self.saver.finish(&mut self.pipeline.engine, &head);
    }
}

fn place_of(identity: &StreamIdentity, position: Position) -> Place {
    Place {
        stream: identity.name.clone(),
        created_ns: identity.created_ns,
        sequence: position.sequence,
        stored_at: position.stored_at,
        through: position.through,
    }
}

/// Where the source goes on from.
pub(super) fn resume_of(place: Option<&Place>, begin: Begin) -> Resume {
    match place {
        None => Resume::Fresh(begin),
        Some(place) => Resume::After {
            identity: StreamIdentity {
                name: place.stream.clone(),
                created_ns: place.created_ns,
            },
            position: Position {
                sequence: place.sequence,
                stored_at: place.stored_at,
                through: place.through,
            },
        },
    }
}

/// How far back a first start must read: longest window, horizon and twice the lateness.
pub fn needed_history_ms(config: &Config) -> i64 {
    let windows = config.engine.windows.iter();
    let longest = windows
        .map(|window| millis_of(window.longest()).saturating_add(millis_of(window.delay)))
        .max()
        .unwrap_or(0);
    longest
        .saturating_add(millis_of(config.engine.kpis.fcr.horizon))
        .saturating_add(millis_of(config.engine.allowed_lateness).saturating_mul(2))
}
