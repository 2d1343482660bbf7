//! A webhook in Alertmanager's format, version 4, for what already understands it.
//!
//! Each begin and end of a firing alert is posted once, in order; those of one rule that come
//! together share a request. What fails is tried again for a day before it is given up.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use hyper::body::Bytes;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::backoff::Backoff;
use super::endpoint::Endpoint;
use super::notification::fingerprint;
use super::post::{Answer, PostError, Poster};
use super::{Notification, Outcomes, Status, Timing};

/// Most alerts of one request.
const BATCH: usize = 64;
/// What Alertmanager writes as the end of an alert that fires.
const NO_END: &str = "0001-01-01T00:00:00Z";

type Labels = BTreeMap<String, String>;
type Group = Vec<Arc<Notification>>;

/// Sends to the webhook.
#[derive(Debug)]
pub(super) struct Worker {
    endpoint: Endpoint,
    poster: Poster,
    timing: Timing,
    outcomes: Outcomes,
    backoff: Backoff,
}

impl Worker {
    pub(super) fn new(
        endpoint: Endpoint,
        poster: Poster,
        timing: Timing,
        outcomes: Outcomes,
    ) -> Self {
        Self {
            endpoint,
            poster,
            timing,
            outcomes,
            backoff: Backoff::default(),
        }
    }

    /// Works until the queue is closed and empty.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Arc<Notification>>) {
        let mut waiting = VecDeque::new();
        loop {
            if waiting.is_empty() {
                let Some(first) = queue.recv().await else {
                    return;
                };
                waiting.push_back(first);
            }
            while waiting.len() < BATCH
                && let Ok(next) = queue.try_recv()
            {
                waiting.push_back(next);
            }
            let group = take_group(&mut waiting);
            self.deliver(group).await;
        }
    }

    /// Posts a group until it is taken, refused or too old. A refused group goes one by one, to
    /// lose none but those at fault.
    async fn deliver(&mut self, group: Group) {
        let mut groups = VecDeque::from([group]);
        while let Some(next) = groups.pop_front() {
            match self.post_until_answered(&next).await {
                Verdict::Taken => self.outcomes.delivered.inc_by(count(&next)),
                Verdict::Refused if next.len() > 1 => {
                    groups.extend(next.into_iter().map(|one| vec![one]));
                }
                Verdict::Refused => self.outcomes.rejected.inc(),
                Verdict::TooOld => self.outcomes.dropped.inc_by(count(&next)),
            }
        }
    }

    async fn post_until_answered(&mut self, group: &[Arc<Notification>]) -> Verdict {
        let began = Instant::now();
        let body = body(group);
        let key = idempotency_key(group);
        loop {
            let outcome = self
                .poster
                .post(&self.endpoint, body.clone(), Some(&key))
                .await;
            let asked = match outcome {
                Ok(answer) if answer.status.is_success() => {
                    if self.backoff.reset() {
                        info!(endpoint = %self.endpoint, "webhook takes notifications again");
                    }
                    return Verdict::Taken;
                }
                Ok(answer) => {
                    warn!(
                        endpoint = %self.endpoint, status = answer.status.as_u16(),
                        answer = answer.text, "webhook does not take a notification"
                    );
                    if is_refusal(&answer) {
                        return Verdict::Refused;
                    }
                    answer.retry_after
                }
                Err(error) => {
                    self.warn_unreachable(&error);
                    None
                }
            };
            self.outcomes.failed.inc_by(count(group));
            if began.elapsed() >= self.timing.give_up {
                return Verdict::TooOld;
            }
            sleep(self.backoff.pause(&self.timing, asked)).await;
        }
    }

    fn warn_unreachable(&self, error: &PostError) {
        warn!(
            endpoint = %self.endpoint, error = error.with_causes(),
            "webhook cannot be reached"
        );
    }
}

/// What became of a group.
enum Verdict {
    Taken,
    Refused,
    TooOld,
}

fn count(group: &[Arc<Notification>]) -> u64 {
    u64::try_from(group.len()).unwrap_or(u64::MAX)
}

/// The notification itself is at fault. Everything else may be mended at the receiver: wrong
/// credentials, a wrong path, a redirect.
fn is_refusal(answer: &Answer) -> bool {
    matches!(answer.status.as_u16(), 400 | 413 | 422)
}

/// The first, and those right after it of the same rule. An alert that began and ended meanwhile
/// needs two requests, as one names each alert once.
fn take_group(waiting: &mut VecDeque<Arc<Notification>>) -> Group {
    let mut group: Group = Vec::new();
    while let Some(next) = waiting.front() {
        let fits = group.first().is_none_or(|first| {
            let is_of_rule = first.transition.alert == next.transition.alert;
            is_of_rule && group.iter().all(|one| one.labels() != next.labels())
        });
        if !fits {
            break;
        }
        group.extend(waiting.pop_front());
    }
    group
}

/// The same for every attempt, so that a receiver can tell a repetition.
fn idempotency_key(group: &[Arc<Notification>]) -> String {
    let ids: Vec<u64> = group.iter().map(|one| one.id()).collect();
    let text = serde_json::json!(ids).to_string();
    format!("{:016x}", xxhash_rust::xxh64::xxh64(text.as_bytes(), 0))
}

fn body(group: &[Arc<Notification>]) -> Bytes {
    let alerts: Vec<Alert> = group.iter().map(|one| alert(one)).collect();
    let name = group
        .first()
        .map_or("", |one| one.transition.alert.as_str());
    let is_firing = group.iter().any(|one| one.status == Status::Firing);
    let message = Message {
        version: "4",
        group_key: format!("{{}}:{{alertname={name:?}}}"),
        truncated_alerts: 0,
        status: if is_firing {
            Status::Firing.name()
        } else {
            Status::Resolved.name()
        },
        receiver: "cxpulse",
        group_labels: Labels::from([("alertname".into(), name.into())]),
        common_labels: common(alerts.iter().map(|alert| &alert.labels)),
        common_annotations: common(alerts.iter().map(|alert| &alert.annotations)),
        external_url: "",
        alerts,
    };
    // Strings alone: there is nothing that could fail.
    Bytes::from(serde_json::to_vec(&message).unwrap_or_default())
}

fn alert(notification: &Notification) -> Alert {
    let labels = notification.labels();
    Alert {
        status: notification.status.name(),
        fingerprint: format!("{:016x}", fingerprint(&labels)),
        labels,
        annotations: notification.annotations(),
        starts_at: notification.starts_at().to_string(),
        ends_at: notification
            .ends_at()
            .map_or_else(|| NO_END.to_owned(), |moment| moment.to_string()),
        generator_url: "",
    }
}

/// The pairs that all of them have.
fn common<'a>(mut maps: impl Iterator<Item = &'a Labels>) -> Labels {
    let mut shared = maps.next().cloned().unwrap_or_default();
    for map in maps {
        shared.retain(|name, value| map.get(name) == Some(value));
    }
    shared
}

/// Alertmanager's webhook message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    version: &'static str,
    group_key: String,
    truncated_alerts: u64,
    status: &'static str,
    receiver: &'static str,
    group_labels: Labels,
    common_labels: Labels,
    common_annotations: Labels,
    #[serde(rename = "externalURL")]
    external_url: &'static str,
    alerts: Vec<Alert>,
}

/// One alert of a message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    status: &'static str,
    labels: Labels,
    annotations: Labels,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'static str,
    fingerprint: String,
}

#[cfg(test)]
mod tests;
