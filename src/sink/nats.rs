//! Alert notifications as NATS messages: JSON on `<prefix>.<alert>`.
//!
//! Delivery is at least once as far as core NATS goes: a notification counts as sent when the
//! server has taken it on a connection that was not lost meanwhile; until then it is sent again,
//! with the same `Nats-Msg-Id`, so that a stream that stores alerts keeps one. While NATS is away
//! notifications wait; when more than [`QUEUE`] do, the newest are dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_nats::client::RequestErrorKind;
use async_nats::{Client, HeaderMap, HeaderName, HeaderValue, Request};
use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tracing::warn;

use crate::nats::{Link, LinkState, Retry, stopped};

/// Notifications that may wait.
pub const QUEUE: usize = 1000;
/// Notifications sent before the server is asked whether it has them.
const GROUP: usize = 100;
/// How long a stream may take to acknowledge. Plain subscribers never answer; for them this is
/// the pause between two groups.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// How long what waits may take once the process stops.
const FLUSH_WITHIN: Duration = Duration::from_secs(3);

const MESSAGE_ID: HeaderName = HeaderName::from_static("Nats-Msg-Id");

/// One transition of an alert, ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// Name of the alert: the last part of the subject. Characters with a meaning in subjects
    /// become `_`.
    pub alert: String,
    /// Tells this transition from every other one; the same when it is sent again.
    pub id: String,
    /// The message.
    pub body: serde_json::Value,
}

/// What became of notifications: `cxpulse_alert_notifications_total{sink="nats",outcome}`.
#[derive(Debug, Default)]
pub struct Counters {
    sent: AtomicU64,
    dropped: AtomicU64,
}

impl Counters {
    /// Taken by the server.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// No room in the queue, or the process stopped before they could be sent.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Takes notifications. Dropping all clones lets the worker finish.
#[derive(Clone, Debug)]
pub struct Sender {
    queue: mpsc::Sender<(Prefix, Notification)>,
    /// The subject prefix; `None` while notifications are not wanted. Shared by all clones.
    prefix: Arc<ArcSwapOption<String>>,
    counters: Arc<Counters>,
}

/// The prefix that was set when the notification was made.
type Prefix = Arc<String>;

/// Sends notifications.
#[derive(Debug)]
pub struct Worker {
    queue: mpsc::Receiver<(Prefix, Notification)>,
    counters: Arc<Counters>,
}

/// Sender and worker with a bounded queue between them; `prefix` is `sinks.nats.subject`, and
/// `None` while that is not enabled.
pub fn channel(prefix: Option<&str>, counters: &Arc<Counters>) -> (Sender, Worker) {
    let (sender, queue) = mpsc::channel(QUEUE);
    let worker = Worker {
        queue,
        counters: Arc::clone(counters),
    };
    let sender = Sender {
        queue: sender,
        prefix: Arc::new(ArcSwapOption::from_pointee(prefix.map(str::to_owned))),
        counters: Arc::clone(counters),
    };
    (sender, worker)
}

impl Sender {
    /// Takes a notification, or drops and counts it when the queue is full. Never waits.
    pub fn send(&self, notification: Notification) {
        let Some(prefix) = self.prefix.load_full() else {
            return;
        };
        if self.queue.try_send((prefix, notification)).is_err() {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
            warn!("an alert notification for NATS is dropped: the queue is full");
        }
    }
}

impl Sender {
    /// Changes the prefix for what comes from here on; true when it is one that was not set before.
    pub fn set_prefix(&self, prefix: Option<&str>) -> bool {
        let before = self
            .prefix
            .swap(prefix.map(|prefix| Arc::new(prefix.to_owned())));
        prefix.is_some() && before.as_deref().map(String::as_str) != prefix
    }
}

impl Worker {
    /// Sends until all senders are gone and all is sent. Once `stop` is true that may take 3 s.
    pub async fn run(mut self, client: Client, link: Arc<Link>, mut stop: watch::Receiver<bool>) {
        let deadline = async move {
            stopped(&mut stop).await;
            tokio::time::sleep(FLUSH_WITHIN).await;
        };
        let mut group = Vec::new();
        let finished = tokio::select! {
            () = self.work(&client, &link, &mut group) => true,
            () = deadline => false,
        };
        if !finished {
            self.queue.close();
            let mut left = u64::try_from(group.len()).unwrap_or(u64::MAX);
            while self.queue.try_recv().is_ok() {
                left += 1;
            }
            if left > 0 {
                self.counters.dropped.fetch_add(left, Ordering::Relaxed);
                warn!(
                    left,
                    "alert notifications are not sent to NATS: no time left"
                );
            }
        }
    }

    async fn work(
        &mut self,
        client: &Client,
        link: &Link,
        group: &mut Vec<(Prefix, Notification)>,
    ) {
        let mut state = link.watch();
        while self.queue.recv_many(group, GROUP).await > 0 {
            let mut retry = Retry::default();
            while !Self::deliver(client, &mut state, group).await {
                tokio::time::sleep(retry.pause()).await;
            }
            let sent = u64::try_from(group.len()).unwrap_or(u64::MAX);
            self.counters.sent.fetch_add(sent, Ordering::Relaxed);
            group.clear();
        }
    }

    /// Sends a group in order and finds out whether the server took it: a connection keeps the
    /// order, so when the last one is answered, or the connection stood all the time, all arrived.
    async fn deliver(
        client: &Client,
        state: &mut watch::Receiver<LinkState>,
        group: &[(Prefix, Notification)],
    ) -> bool {
        let Ok(connects) = state
            .wait_for(|state| state.connected)
            .await
            .map(|state| state.connects)
        else {
            return false;
        };
        let Some(((last_prefix, last), before)) = group.split_last() else {
            return true;
        };
        for (prefix, notification) in before {
            let published = client.publish_with_headers(
                subject(prefix, notification),
                message_id(notification),
                payload(notification),
            );
            if published.await.is_err() {
                return false;
            }
        }
        let request = Request::new()
            .headers(message_id(last))
            .payload(payload(last))
            .timeout(Some(ANSWER_WITHIN));
        match client
            .send_request(subject(last_prefix, last), request)
            .await
        {
            // A stream has it; or nobody listens, says the server.
            Ok(_) => true,
            Err(error) if error.kind() == RequestErrorKind::NoResponders => true,
            // Plain subscribers do not answer.
            Err(error) if error.kind() == RequestErrorKind::TimedOut => {
                let state = *state.borrow();
                state.connected && state.connects == connects
            }
            Err(_) => false,
        }
    }
}

fn subject(prefix: &str, notification: &Notification) -> String {
    format!("{prefix}.{}", token(&notification.alert))
}

/// One token of a subject.
fn token(name: &str) -> String {
    let token: String = name
        .chars()
        .map(|character| match character {
            '.' | '*' | '>' => '_',
            character if character.is_whitespace() || character.is_control() => '_',
            character => character,
        })
        .collect();
    if token.is_empty() { "_".into() } else { token }
}

fn message_id(notification: &Notification) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // An id that cannot be a header is left out; the infallible conversion would panic.
    if let Ok(id) = notification.id.parse::<HeaderValue>() {
        headers.insert(MESSAGE_ID, id);
    }
    headers
}

fn payload(notification: &Notification) -> Bytes {
    Bytes::from(notification.body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notification(alert: &str) -> Notification {
        Notification {
            alert: alert.into(),
            id: "1".into(),
            body: serde_json::Value::Null,
        }
    }

    #[test]
    fn an_alert_name_is_one_token() {
        assert_eq!(token("FcrLow"), "FcrLow");
        assert_eq!(token("a.b > c*\r\n"), "a_b___c___");
        assert_eq!(token(""), "_");
    }

    #[test]
    fn an_id_with_line_ends_adds_no_header() {
        let mut evil = notification("a");
        evil.id = "1\r\nX: y".into();
        assert!(message_id(&evil).is_empty());
        assert_eq!(message_id(&notification("a")).len(), 1);
    }

    #[test]
    fn the_prefix_may_change_and_go() {
        let counters = Arc::new(Counters::default());
        let (sender, mut worker) = channel(None, &counters);
        sender.send(notification("a"));
        assert!(sender.set_prefix(Some("cx.alerts")));
        sender.send(notification("b"));
        assert!(!sender.set_prefix(Some("cx.alerts")));
        assert!(sender.set_prefix(Some("other")));
        sender.send(notification("c"));
        assert!(!sender.set_prefix(None));
        sender.send(notification("d"));
        let mut sent = Vec::new();
        while let Ok((prefix, notification)) = worker.queue.try_recv() {
            sent.push(subject(&prefix, &notification));
        }
        assert_eq!(sent, ["cx.alerts.b", "other.c"]);
        assert_eq!(counters.dropped(), 0);
    }

    #[test]
    fn a_full_queue_drops_the_newest() {
        let counters = Arc::new(Counters::default());
        let (sender, mut worker) = channel(Some("cx.alerts"), &counters);
        for number in 0..QUEUE + 3 {
            sender.send(notification(&number.to_string()));
        }
        assert_eq!(counters.dropped(), 3);
        assert_eq!(worker.queue.try_recv().unwrap().1.alert, "0");
    }
}
