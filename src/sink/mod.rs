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
mod probe;

mod alertmanager;
mod webhook;

#[cfg(test)]
mod test_server;

use std::sync::Arc;
use std::time::Duration;

use prometheus::IntCounterVec;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::warn;

use crate::alert::Transition;
use crate::time::Clock;

pub use endpoint::EndpointError;
pub use notification::{Notification, Status};
pub use outcomes::Outcomes;
pub use probe::{Probe, probe};
pub use settings::*;

use endpoint::Endpoint;
use post::Poster;

/// Most notifications that wait for a receiver; beyond it the newest are dropped and counted.
/// Prometheus keeps as many.
pub const QUEUE_LENGTH: usize = 10_000;

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

/// The receivers at work.
#[derive(Debug, Default)]
pub struct Sinks {
    receivers: Vec<Receiver>,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Receiver {
    sink: &'static str,
    queue: Queue,
    outcomes: Outcomes,
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
        let mut sinks = Self::default();
        let poster = Poster::new(timing.request);
        for url in &settings.alertmanager_urls {
            let endpoint =
                Endpoint::parse(url, "/api/v2/alerts").map_err(|cause| SinkError::Url {
                    sink: "alertmanager",
                    cause,
                })?;
            let outcomes = Outcomes::of(notifications, "alertmanager");
            let worker = alertmanager::Worker::new(
                endpoint,
                poster.clone(),
                timing.clone(),
                Arc::clone(clock),
                outcomes.clone(),
            );
            sinks.add("alertmanager", outcomes, |queue| worker.run(queue));
        }
        if let Some(url) = &settings.webhook_url {
            let endpoint = Endpoint::parse(url.expose(), "").map_err(|cause| SinkError::Url {
                sink: "webhook",
                cause,
            })?;
            let outcomes = Outcomes::of(notifications, "webhook");
            let worker = webhook::Worker::new(endpoint, poster, timing.clone(), outcomes.clone());
            sinks.add("webhook", outcomes, |queue| worker.run(queue));
        }
        Ok(sinks)
    }

    /// Adds a receiver with a task of its own, which ends when its queue is closed and empty.
    pub fn add<Task>(
        &mut self,
        sink: &'static str,
        outcomes: Outcomes,
        task: impl FnOnce(mpsc::Receiver<Arc<Notification>>) -> Task,
    ) where
        Task: Future<Output = ()> + Send + 'static,
    {
        let (queue, waiting) = mpsc::channel(QUEUE_LENGTH);
        self.tasks.spawn(task(waiting));
        self.receivers.push(Receiver {
            sink,
            queue,
            outcomes,
        });
    }

    /// Hands the transitions that begin or end a firing alert to every receiver. Never waits: what
    /// a full queue cannot take is dropped and counted.
    pub fn notify(&self, transitions: &[Transition]) {
        for transition in transitions {
            let Some(notification) = Notification::of(transition) else {
                continue;
            };
            let notification = Arc::new(notification);
            for receiver in &self.receivers {
                if receiver.queue.try_send(Arc::clone(&notification)).is_err() {
                    receiver.outcomes.dropped.inc();
                    warn!(
                        sink = receiver.sink,
                        alert = transition.alert,
                        "queue of the sink is full, notification is lost"
                    );
                }
            }
        }
    }

    /// Takes no more notifications, lets the receivers deliver what waits, and ends them after
    /// `grace` at the latest. Answers whether all of them were done.
    pub async fn stop(mut self, grace: Duration) -> bool {
        self.receivers.clear();
        let done = async { while self.tasks.join_next().await.is_some() {} };
        tokio::time::timeout(grace, done).await.is_ok()
    }
}

#[cfg(test)]
mod tests;
