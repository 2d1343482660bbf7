//! Where alert notifications go, one file per receiver.
//!
//! Each receiver has a task and a bounded queue of its own: a dead one slows neither the stream nor
//! the others. Delivery is at least once; what fails is tried again with growing pauses.

pub mod nats;
mod settings;

mod backoff;
mod endpoint;
mod notification;
mod outcomes;
mod post;

mod alertmanager;
mod webhook;

#[cfg(test)]
mod test_server;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use prometheus::IntCounterVec;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tracing::warn;

use crate::alert::Transition;
use crate::time::Clock;

pub use endpoint::EndpointError;
pub use notification::{Notification, Status};
pub use outcomes::Outcomes;
pub use settings::*;

use endpoint::Endpoint;
use post::Poster;

/// Most notifications that wait for a receiver; beyond it the newest are dropped and counted.
/// Prometheus keeps as many.
pub const QUEUE_LENGTH: usize = 10_000;

/// How long a receiver that a new configuration no longer names may take to deliver what waits.
const LEAVING: Duration = Duration::from_secs(10);

const ALERTMANAGER: &str = "alertmanager";
const WEBHOOK: &str = "webhook";

/// Why the sinks cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// A URL is not one that can be posted to.
    #[error("url of the sink {sink:?} is invalid")]
    Url {
        /// Which sink.
        sink: &'static str,
        /// What is wrong with it.
        #[source]
        cause: EndpointError,
    },
}

/// How patient the sinks are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Time between two sendings of an alert to Alertmanager; default 1m.
    pub resend: Duration,
    /// How long an alert that ended is re-sent; default 5m.
    pub keep_resolved: Duration,
    /// Longest time for a request, from the name look-up to the answer; default 10s.
    pub request: Duration,
    /// First pause after a failure, doubled with each further one; default 1s.
    pub first_pause: Duration,
    /// Longest pause; default 1m.
    pub longest_pause: Duration,
    /// A notification that could not be delivered for this long is given up; default 24h.
    pub give_up: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            resend: Duration::from_mins(1),
            keep_resolved: Duration::from_mins(5),
            request: Duration::from_secs(10),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(1),
            give_up: Duration::from_hours(24),
        }
    }
}

/// What the sending end of a receiver's queue takes.
pub type Queue = mpsc::Sender<Arc<Notification>>;

/// Which receivers there shall be, their URLs taken apart.
#[derive(Clone, Debug)]
pub struct Plan {
    receivers: Vec<(Identity, Endpoint)>,
    nats_subject: Option<String>,
}

/// What tells receivers apart: the sink and its URL.
type Identity = (&'static str, String);

impl Plan {
    /// The receivers of these settings.
    ///
    /// # Errors
    ///
    /// When a URL is invalid.
    pub fn of(settings: &Settings) -> Result<Self, SinkError> {
        let alertmanagers = settings.alertmanager_urls.iter();
        let alertmanagers = alertmanagers.map(|url| (ALERTMANAGER, url.as_str(), "/api/v2/alerts"));
        let webhook = settings.webhook_url.iter();
        let webhook = webhook.map(|url| (WEBHOOK, url.expose(), ""));
        let receivers = alertmanagers
            .chain(webhook)
            .map(|(sink, url, path)| match Endpoint::parse(url, path) {
                Ok(endpoint) => Ok(((sink, url.to_owned()), endpoint)),
                Err(cause) => Err(SinkError::Url { sink, cause }),
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            receivers,
            nats_subject: settings.nats_subject.clone(),
        })
    }

    /// The subject prefix of alerts in NATS; `None` without them.
    pub fn nats_subject(&self) -> Option<&str> {
        self.nats_subject.as_deref()
    }
}

/// The Alertmanager and webhook receivers at work.
#[derive(Debug)]
pub struct Sinks {
    timing: Timing,
    clock: Arc<dyn Clock>,
    notifications: IntCounterVec,
    poster: Poster,
    /// Where the tasks run, whoever starts them.
    runtime: Handle,
    receivers: Mutex<Receivers>,
}

#[derive(Debug, Default)]
struct Receivers {
    all: Vec<Receiver>,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Receiver {
    identity: Identity,
    queue: Queue,
    outcomes: Outcomes,
    task: AbortHandle,
}

impl Receiver {
    /// Hands over what begins or ends a firing alert. Never waits: what a full queue cannot take is
    /// dropped and counted.
    fn notify(&self, notification: &Arc<Notification>) {
        if self.queue.try_send(Arc::clone(notification)).is_err() {
            self.outcomes.dropped.inc();
            warn!(
                sink = self.identity.0,
                alert = notification.transition.alert,
                "queue of the sink is full, notification is lost"
            );
        }
    }
}

impl Sinks {
    /// Starts the Alertmanager and webhook receivers that are configured; needs a tokio runtime.
    /// `notifications` counts by `sink` and `outcome`.
    ///
    /// # Errors
    ///
    /// When a URL is invalid.
    pub fn start(
        settings: &Settings,
        timing: &Timing,
        clock: &Arc<dyn Clock>,
        notifications: &IntCounterVec,
    ) -> Result<Self, SinkError> {
        let sinks = Self {
            timing: timing.clone(),
            clock: Arc::clone(clock),
            notifications: notifications.clone(),
            poster: Poster::new(timing.request),
            runtime: Handle::current(),
            receivers: Mutex::default(),
        };
        sinks.adopt(Plan::of(settings)?, &[]);
        Ok(sinks)
    }

    /// Takes over changed receivers. Those that stay work on and are not told anything again. New
    /// ones are told `announced` first: what fires, and what ended of late. Those that go have
    /// [`LEAVING`] to deliver what waits.
    pub fn adopt(&self, plan: Plan, announced: &[Transition]) {
        let mut receivers = self.receivers();
        let mut before = std::mem::take(&mut receivers.all);
        for (identity, endpoint) in plan.receivers {
            let known = before.iter().position(|one| one.identity == identity);
            if let Some(known) = known {
                receivers.all.push(before.swap_remove(known));
                continue;
            }
            let receiver = self.start_one(identity, endpoint, &mut receivers.tasks);
            for notification in announced.iter().filter_map(Notification::of) {
                receiver.notify(&Arc::new(notification));
            }
            receivers.all.push(receiver);
        }
        for gone in before {
            drop(gone.queue);
            self.runtime.spawn(async move {
                tokio::time::sleep(LEAVING).await;
                gone.task.abort();
            });
        }
    }

    fn start_one(
        &self,
        identity: Identity,
        endpoint: Endpoint,
        tasks: &mut JoinSet<()>,
    ) -> Receiver {
        let outcomes = Outcomes::of(&self.notifications, identity.0);
        let (poster, timing) = (self.poster.clone(), self.timing.clone());
        let counters = outcomes.clone();
        if identity.0 == ALERTMANAGER {
            let clock = Arc::clone(&self.clock);
            let worker = alertmanager::Worker::new(endpoint, poster, timing, clock, counters);
            self.add(identity, outcomes, tasks, |queue| worker.run(queue))
        } else {
            let worker = webhook::Worker::new(endpoint, poster, timing, counters);
            self.add(identity, outcomes, tasks, |queue| worker.run(queue))
        }
    }

    /// A receiver with a task of its own, which ends when its queue is closed and empty.
    fn add<Task>(
        &self,
        identity: Identity,
        outcomes: Outcomes,
        tasks: &mut JoinSet<()>,
        task: impl FnOnce(mpsc::Receiver<Arc<Notification>>) -> Task,
    ) -> Receiver
    where
        Task: Future<Output = ()> + Send + 'static,
    {
        let (queue, waiting) = mpsc::channel(QUEUE_LENGTH);
        Receiver {
            identity,
            queue,
            outcomes,
            task: tasks.spawn_on(task(waiting), &self.runtime),
        }
    }

    /// Hands the transitions that begin or end a firing alert to every receiver. Never waits: what
    /// a full queue cannot take is dropped and counted.
    pub fn notify(&self, transitions: &[Transition]) {
        let receivers = self.receivers();
        for notification in transitions.iter().filter_map(Notification::of) {
            let notification = Arc::new(notification);
            for receiver in &receivers.all {
                receiver.notify(&notification);
            }
        }
    }

    /// Takes no more notifications, lets the receivers deliver what waits, and ends them after
    /// `grace` at the latest. Answers whether all of them were done.
    pub async fn stop(&self, grace: Duration) -> bool {
        let Receivers { all, mut tasks } = std::mem::take(&mut *self.receivers());
        drop(all);
        let done = async { while tasks.join_next().await.is_some() {} };
        tokio::time::timeout(grace, done).await.is_ok()
    }

    fn receivers(&self) -> MutexGuard<'_, Receivers> {
        // Nothing in here panics half-way; what another task left is whole.
        self.receivers
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
