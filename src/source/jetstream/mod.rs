//! Messages of a JetStream stream, each exactly once and in order.
//!
//! The position is ours. The server's consumer is only transport: without acknowledgements, in
//! memory, named `cxpulse-<instance>-<epoch>` so that no two ever share one, and made anew behind
//! the last position whenever something is amiss:
//!
//! - its own sequence must rise by exactly one per message (gaps in the *stream* sequence are
//!   legal: foreign subjects, deleted messages);
//! - messages or ends of requests, which last one [`HEARTBEAT`], must come within one and a half;
//! - every [`HEARTBEAT`] an audit asks for the states of stream and consumer: nothing may be delivered that
//!   did not arrive, nothing be pending that is not sent;
//! - after every reconnect it is made anew, since messages may have gone into the dead connection.
//!
//! A stream that stores nothing but what we want is asked for whole ([`subjects`]). Should something
//! else come, then by a consumer that filters.
//!
//! A resumed consumer begins *with* the message at our position, not behind it: when that message
//! has another store time the stream was rewritten under us (a server that lost its tail gives
//! sequences out again). It is not handed out twice.
//!
//! What a stream can do to us, and the reaction:
//!
//! | found | told as | then |
//! |---|---|---|
//! | missing | a line, attempts with pauses; `create` makes it | waits |
//! | `WorkQueue`, `Interest` retention | [`Error::Retention`] | ends |
//! | begins behind our position | [`Gap`](super::Gap), at most so many of ours | goes on with its first message |
//! | messages vanish while pending | [`Gap`](super::Gap) | goes on |
//! | another creation time | [`Change::Recreated`](super::Change::Recreated), [`Gap`](super::Gap) of what was pending | reads it from its beginning |
//! | ends before our position | [`Change::TailLost`](super::Change::TailLost) | goes on behind its end |
//! | other message at our position | [`Change::Rewritten`](super::Change::Rewritten) | goes on by store time |

mod attach;
mod audit;
mod compare;
mod reply;
mod session;
mod status;
mod subjects;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::{Begin, Counters, Error, Position, ResetReason, Resume, SourceEvent, StreamIdentity};
use crate::nats::{Api, Link, Retry, stopped};
use crate::source::{Settings, Surroundings};
use crate::time::{Clock, Timestamp};

/// Asked of the server: a sign of life at least so often.
pub const HEARTBEAT: Duration = Duration::from_secs(5);

/// How long the deletion of our consumer may take when the process stops. Left behind, it goes by
/// itself after its inactive threshold.
const FAREWELL: Duration = Duration::from_secs(1);

/// Consumers remembered for deletion; more cannot come together within their inactive threshold
/// at the pauses between two attempts.
const MAX_LEFT_BEHIND: usize = 64;

/// What a JetStream source needs besides its settings.
#[derive(Clone, Debug)]
pub struct Options {
    /// `[source]`; `start` is ignored in favour of [`Options::resume`].
    pub settings: Settings,
    /// Where to begin.
    pub resume: Resume,
    /// Name of this instance, part of the consumer's name: letters, digits and `_`.
    pub instance: String,
    /// Age limit of a stream that `settings.create` makes.
    pub create_max_age: Duration,
}

/// Reads the stream until `stop`, or until the reader of `events` is gone.
///
/// # Errors
///
/// What no waiting heals: a retention that takes messages away from other readers.
pub async fn run(
    options: Options,
    surroundings: Surroundings,
    events: mpsc::Sender<SourceEvent>,
) -> Result<(), Error> {
    Source::new(options, surroundings, events).run().await
}

/// The source between two consumers.
struct Source {
    settings: Settings,
    instance: String,
    create_max_age: Duration,
    client: Client,
    api: Api,
    link: Arc<Link>,
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
    stop: watch::Receiver<bool>,
    events: mpsc::Sender<SourceEvent>,
    cursor: Cursor,
    /// Number of the last consumer; grows with every one.
    epoch: i64,
    /// Consumers that are not needed any more; deleted with the next one made. They go by themselves
    /// too, but a flapping connection would leave many.
    left_behind: Vec<String>,
    /// Messages of ours known to be stored behind the position; 0 before the first consumer.
    pending: u64,
    /// The stream holds messages that are not ours, though its settings do not say so.
    is_mixed: bool,
}

/// What is to be read next.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cursor {
    /// Nothing was handed out yet, or nothing of what stands in the stream now.
    Begin(Begin, Option<StreamIdentity>),
    /// Behind this position.
    After {
        identity: StreamIdentity,
        position: Position,
    },
}

/// Why a session or an attempt to attach ended.
#[derive(Debug)]
enum End {
    /// The consumer has to be made anew.
    Reset(ResetReason),
    /// The process stops, or nobody reads any more.
    Stopped,
    /// For good.
    Failed(Error),
}

impl Source {
    fn new(
        options: Options,
        surroundings: Surroundings,
        events: mpsc::Sender<SourceEvent>,
    ) -> Self {
        Self {
            settings: options.settings,
            instance: options.instance,
            create_max_age: options.create_max_age,
            api: Api::new(surroundings.client.clone()),
            client: surroundings.client,
            link: surroundings.link,
            counters: surroundings.counters,
            clock: surroundings.clock,
            stop: surroundings.stop,
            events,
            cursor: Cursor::from(options.resume),
            epoch: 0,
            left_behind: Vec::new(),
            pending: 0,
            is_mixed: false,
        }
    }

    async fn run(mut self) -> Result<(), Error> {
        let mut retry = Retry::default();
        loop {
            let reason = match self.session(&mut retry).await {
                End::Reset(reason) => reason,
                End::Stopped => return Ok(()),
                End::Failed(error) => return Err(error),
            };
            self.counters.count_reset(reason);
            if retry.worth_a_line(reason.name()) {
                warn!(
                    stream = self.settings.stream,
                    reason = reason.name(),
                    "making the consumer anew"
                );
            }
            if self.send(SourceEvent::Reset(reason)).await.is_err() {
                return Ok(());
            }
            if self.sleep(retry.pause()).await.is_err() {
                return Ok(());
            }
        }
    }

    /// One consumer, from its making to its end.
    async fn session(&mut self, retry: &mut Retry) -> End {
        let consumer = match self.attach().await {
            Ok(consumer) => consumer,
            Err(end) => return end,
        };
        self.counters.set_attached(true);
        info!(
            stream = self.settings.stream,
            consumer = consumer.name,
            pending = consumer.pending,
            "attached to the stream"
        );
        let name = consumer.name.clone();
        self.delete_left_behind();
        let end = session::run(self, consumer, retry).await;
        self.counters.set_attached(false);
        self.take_leave(name, matches!(end, End::Stopped)).await;
        end
    }

    /// A consumer is not needed any more. While the process runs it is deleted with the next one that
    /// is made: only then is it sure that the server hears of it, since a dead connection may look
    /// alive.
    async fn take_leave(&mut self, consumer: String, stopping: bool) {
        self.leave_behind(consumer);
        if stopping && self.link.connected() {
            let leave = async {
                for name in &self.left_behind {
                    // It goes by itself when this fails.
                    self.api
                        .delete_consumer(&self.settings.stream, name)
                        .await
                        .ok();
                }
            };
            tokio::time::timeout(FAREWELL, leave).await.ok();
        }
    }

    fn leave_behind(&mut self, consumer: String) {
        if self.left_behind.len() == MAX_LEFT_BEHIND {
            // The oldest is nearest to going by itself.
            self.left_behind.remove(0);
        }
        self.left_behind.push(consumer);
    }

    fn delete_left_behind(&mut self) {
        for consumer in self.left_behind.drain(..) {
            let api = self.api.clone();
            let stream = self.settings.stream.clone();
            tokio::spawn(async move {
                api.delete_consumer(&stream, &consumer).await.ok();
            });
        }
    }

    /// Sends an event, waiting for room; fails when the process stops or nobody reads.
    async fn send(&mut self, event: SourceEvent) -> Result<(), End> {
        tokio::select! {
            biased;
            () = stopped(&mut self.stop) => Err(End::Stopped),
            sent = self.events.send(event) => sent.map_err(|_| End::Stopped),
        }
    }

    async fn sleep(&mut self, pause: Duration) -> Result<(), End> {
        tokio::select! {
            biased;
            () = stopped(&mut self.stop) => Err(End::Stopped),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }

    /// A name that no other consumer has or had.
    fn next_consumer_name(&mut self) -> String {
        // The clock may stand or step back; the epoch never does within a process. Two processes
        // that were given one instance name by mistake would get one consumer between them, and
        // silently half of the messages each, if they asked for it in the same millisecond.
        self.epoch = self.clock.now().as_millis().max(self.epoch + 1);
        let chance: u32 = rand::random();
        format!("cxpulse-{}-{}{chance:08x}", self.instance, self.epoch)
    }
}

impl From<Resume> for Cursor {
    fn from(resume: Resume) -> Self {
        match resume {
            Resume::Fresh(begin) => Self::Begin(begin, None),
            Resume::After { identity, position } => Self::After {
                identity,
                position: Position {
                    through: position.through.max(position.sequence),
                    ..position
                },
            },
        }
    }
}

/// Nanoseconds of a duration for the API.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A moment as the API wants it.
fn rfc3339(moment: Timestamp) -> String {
    moment.to_string()
}
