//! Alerts at a real Alertmanager: they arrive, stay, and resolve, whatever happens on the way.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cxpulse::alert::{Phase, Reason, Transition};
use cxpulse::sink::{Outcomes, Settings, Sinks, Timing};
use cxpulse::time::{Clock, SystemClock, Timestamp};
use prometheus::{IntCounterVec, Opts};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::alertmanager::Alertmanager;
use crate::support::process;
use crate::support::tools::require_tool;

/// How long an alert may take to be seen.
const SEEN_WITHIN: Duration = Duration::from_mins(2);

/// Sinks that are in a hurry: what fires ends by itself two seconds after the last sending.
fn timing() -> Timing {
    Timing {
        resend: Duration::from_millis(500),
        keep_resolved: Duration::from_secs(5),
        request: Duration::from_secs(2),
        first_pause: Duration::from_millis(50),
        longest_pause: Duration::from_millis(200),
        ..Timing::default()
    }
}

/// The sinks of one cxpulse, in a runtime of their own: dropped, they are gone as if it had died.
struct Sender {
    sinks: Sinks,
    outcomes: Outcomes,
    _runtime: Runtime,
}

impl Sender {
    /// Sinks towards these Alertmanagers.
    fn start(urls: &[String]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let settings = Settings {
            alertmanager_urls: urls.to_vec(),
            nats_subject: None,
            webhook_url: None,
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let family = IntCounterVec::new(Opts::new("notifications", "test"), &["sink", "outcome"]);
        let family = family.expect("valid");
        let inside = runtime.enter();
        let sinks = Sinks::start(&settings, &timing(), &clock, &family).expect("valid URLs");
        drop(inside);
        Self {
            sinks,
            outcomes: Outcomes::of(&family, "alertmanager"),
            _runtime: runtime,
        }
    }

    /// Alerts of these queues began to fire or ended just now.
    fn notify(&self, changes: &[(&str, Phase)]) {
        let transitions = changes.iter().map(|(queue, to)| transition(queue, *to));
        self.sinks.notify(&transitions.collect::<Vec<_>>());
    }

    /// Waits until so many more have been delivered.
    fn wait_for_deliveries(&self, more: u64) {
        let wanted = self.outcomes.delivered.get() + more;
        process::wait_until("deliveries", SEEN_WITHIN, || {
            self.outcomes.delivered.get() >= wanted
        });
    }
}

fn now() -> Timestamp {
    SystemClock.now()
}

/// An alert of a queue that began to fire or ended just now.
fn transition(queue: &str, to: Phase) -> Transition {
    let from = if to == Phase::Firing {
        Phase::Pending
    } else {
        Phase::Firing
    };
    Transition {
        at: now(),
        alert: "service_level_low".into(),
        key: vec![("queue".into(), queue.into())],
        severity: "page".into(),
        labels: BTreeMap::from([("team".into(), "care".into())]),
        annotations: BTreeMap::from([("summary".into(), format!("{queue} is slow"))]),
        from,
        to,
        value: Some(0.5),
        samples: 40,
        threshold: Some(0.8),
        window: "1h".into(),
        reason: Reason::Threshold,
        active_since: now().plus_millis(-60_000),
    }
}

fn start(binary: &Path) -> (TempDir, Alertmanager) {
    let folder = tempfile::tempdir().expect("a folder");
    let alertmanager = Alertmanager::start(binary, folder.path());
    (folder, alertmanager)
}

#[test]
fn an_alert_arrives_stays_and_resolves() {
    let binary = require_tool!("alertmanager");
    let (_folder, alertmanager) = start(&binary);
    let sender = Sender::start(&[alertmanager.url()]);
    let hostile = "a\"b\\c\n<script>\u{1F4A5}";
    sender.notify(&[("a", Phase::Firing), (hostile, Phase::Firing)]);
    alertmanager.wait_for("queue", &["a", hostile]);
    let alert = alert_of(&alertmanager, "a");
    assert_eq!(alert["labels"]["alertname"], "service_level_low");
    assert_eq!(alert["labels"]["severity"], "page");
    assert_eq!(alert["annotations"]["summary"], "a is slow");
    // Twelve sendings later, three times longer than the alert would live by itself.
    sender.wait_for_deliveries(24);
    assert_eq!(alertmanager.labels("queue"), ["a", hostile]);
    assert_eq!(alert_of(&alertmanager, "a")["startsAt"], alert["startsAt"]);
    sender.notify(&[("a", Phase::Inactive)]);
    alertmanager.wait_for("queue", &[hostile]);
}

fn alert_of(alertmanager: &Alertmanager, queue: &str) -> Value {
    let alerts = alertmanager.alerts();
    let found = alerts
        .into_iter()
        .find(|alert| alert["labels"]["queue"] == queue);
    found.expect("the alert is there")
}

#[test]
fn two_of_three_instances_may_be_down() {
    let binary = require_tool!("alertmanager");
    let (_folder, alertmanager) = start(&binary);
    let gone = || format!("http://127.0.0.1:{}", process::free_port());
    let urls = [gone(), alertmanager.url(), gone()];
    let sender = Sender::start(&urls);
    sender.notify(&[("a", Phase::Firing)]);
    alertmanager.wait_for("queue", &["a"]);
    sender.notify(&[("a", Phase::Inactive), ("b", Phase::Firing)]);
    alertmanager.wait_for("queue", &["b"]);
}

#[test]
fn an_instance_that_was_away_gets_what_matters() {
    let binary = require_tool!("alertmanager");
    let folder = tempfile::tempdir().expect("a folder");
    let alertmanager = Alertmanager::start(&binary, folder.path());
    let address = alertmanager.address().to_owned();
    let sender = Sender::start(&[alertmanager.url()]);
    sender.notify(&[("a", Phase::Firing), ("b", Phase::Firing)]);
    alertmanager.wait_for("queue", &["a", "b"]);
    drop(alertmanager);
    sender.notify(&[("a", Phase::Inactive), ("c", Phase::Firing)]);
    // Away for longer than a re-sending, and than what it holds would live.
    let failed = &sender.outcomes.failed;
    let before = failed.get();
    process::wait_until("failed attempts", SEEN_WITHIN, || {
        failed.get() >= before + 30
    });
    let back = Alertmanager::start_at(&binary, folder.path(), &address);
    back.wait_for("queue", &["b", "c"]);
}

#[test]
fn one_that_is_refused_does_not_hold_up_the_others_of_its_batch() {
    let binary = require_tool!("alertmanager");
    let (_folder, alertmanager) = start(&binary);
    let sender = Sender::start(&[alertmanager.url()]);
    // Alertmanager answers 400 to a batch in which one has no label at all.
    let mut bare = transition("", Phase::Firing);
    bare.alert.clear();
    bare.severity.clear();
    bare.labels.clear();
    let [first, second] = ["a", "b"].map(|queue| transition(queue, Phase::Firing));
    sender.sinks.notify(&[first, bare, second]);
    alertmanager.wait_for("queue", &["a", "b"]);
    let rejected = &sender.outcomes.rejected;
    process::wait_until("a refusal", SEEN_WITHIN, || rejected.get() >= 1);
    // They stay for longer than they would live by themselves, and end.
    sender.wait_for_deliveries(24);
    assert_eq!(alertmanager.labels("queue"), ["a", "b"]);
    sender.notify(&[("a", Phase::Inactive)]);
    alertmanager.wait_for("queue", &["b"]);
}

#[test]
fn the_same_alert_of_two_replicas_is_one() {
    let binary = require_tool!("alertmanager");
    let (_folder, alertmanager) = start(&binary);
    let replicas = [(); 2].map(|()| Sender::start(&[alertmanager.url()]));
    for replica in &replicas {
        replica.notify(&[("a", Phase::Firing)]);
    }
    for replica in &replicas {
        replica.wait_for_deliveries(2);
    }
    assert_eq!(alertmanager.labels("queue"), ["a"]);
    for replica in &replicas {
        replica.notify(&[("a", Phase::Inactive)]);
    }
    alertmanager.wait_for("queue", &[]);
}

#[test]
fn an_alert_whose_cxpulse_died_ends_by_itself() {
    let binary = require_tool!("alertmanager");
    let (_folder, alertmanager) = start(&binary);
    let sender = Sender::start(&[alertmanager.url()]);
    sender.notify(&[("a", Phase::Firing)]);
    alertmanager.wait_for("queue", &["a"]);
    drop(sender);
    alertmanager.wait_for("queue", &[]);
}
