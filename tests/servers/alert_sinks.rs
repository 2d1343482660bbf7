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

fn family() -> IntCounterVec {
    IntCounterVec::new(Opts::new("notifications", "test"), &["sink", "outcome"]).expect("valid")
}

/// Sinks towards these Alertmanagers; needs a runtime.
fn sinks(urls: &[String], family: &IntCounterVec) -> Sinks {
    let settings = Settings {
        alertmanager_urls: urls.to_vec(),
        nats_subject: None,
        webhook_url: None,
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Sinks::start(&settings, &timing(), &clock, family).expect("valid URLs")
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

/// The queues of the alerts that Alertmanager holds, in order.
fn queues(alertmanager: &Alertmanager) -> Vec<String> {
    let mut queues: Vec<String> = alertmanager
        .alerts()
        .iter()
        .map(|alert| alert["labels"]["queue"].as_str().unwrap_or("?").to_owned())
        .collect();
    queues.sort();
    queues
}

fn wait_for(alertmanager: &Alertmanager, expected: &[&str]) {
    process::wait_until(&format!("alerts {expected:?}"), SEEN_WITHIN, || {
        queues(alertmanager) == expected
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
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
    let runtime = runtime();
    let _inside = runtime.enter();
    let family = family();
    let sinks = sinks(&[alertmanager.url()], &family);
    let hostile = "a\"b\\c\n<script>\u{1F4A5}";
    sinks.notify(&[
        transition("a", Phase::Firing),
        transition(hostile, Phase::Firing),
    ]);
    wait_for(&alertmanager, &["a", hostile]);
    let alert = alert_of(&alertmanager, "a");
    assert_eq!(alert["labels"]["alertname"], "service_level_low");
    assert_eq!(alert["labels"]["severity"], "page");
    assert_eq!(alert["annotations"]["summary"], "a is slow");
    // Twelve sendings later, three times longer than the alert would live by itself.
    let delivered = Outcomes::of(&family, "alertmanager").delivered;
    process::wait_until("re-sendings", SEEN_WITHIN, || delivered.get() >= 24);
    assert_eq!(queues(&alertmanager), ["a", hostile]);
    assert_eq!(alert_of(&alertmanager, "a")["startsAt"], alert["startsAt"]);
    sinks.notify(&[transition("a", Phase::Inactive)]);
    wait_for(&alertmanager, &[hostile]);
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
    let runtime = runtime();
    let _inside = runtime.enter();
    let gone = || format!("http://127.0.0.1:{}", process::free_port());
    let urls = [gone(), alertmanager.url(), gone()];
    let sinks = sinks(&urls, &family());
    sinks.notify(&[transition("a", Phase::Firing)]);
    wait_for(&alertmanager, &["a"]);
    sinks.notify(&[
        transition("a", Phase::Inactive),
        transition("b", Phase::Firing),
    ]);
    wait_for(&alertmanager, &["b"]);
}

#[test]
fn an_instance_that_was_away_gets_what_matters() {
    let binary = require_tool!("alertmanager");
    let folder = tempfile::tempdir().expect("a folder");
    let alertmanager = Alertmanager::start(&binary, folder.path());
    let address = alertmanager.address().to_owned();
    let runtime = runtime();
    let _inside = runtime.enter();
    let family = family();
    let sinks = sinks(&[alertmanager.url()], &family);
    sinks.notify(&[
        transition("a", Phase::Firing),
        transition("b", Phase::Firing),
    ]);
    wait_for(&alertmanager, &["a", "b"]);
    drop(alertmanager);
    sinks.notify(&[
        transition("a", Phase::Inactive),
        transition("c", Phase::Firing),
    ]);
    // Away for longer than a re-sending, and than what it holds would live.
    let failed = Outcomes::of(&family, "alertmanager").failed;
    let before = failed.get();
    process::wait_until("failed attempts", SEEN_WITHIN, || {
        failed.get() >= before + 30
    });
    let back = Alertmanager::start_at(&binary, folder.path(), &address);
    wait_for(&back, &["b", "c"]);
}

#[test]
fn one_that_is_refused_does_not_hold_up_the_others_of_its_batch() {
    let binary = require_tool!("alertmanager");
    let (_folder, alertmanager) = start(&binary);
    let runtime = runtime();
    let _inside = runtime.enter();
    let family = family();
    let sinks = sinks(&[alertmanager.url()], &family);
    // Alertmanager answers 400 to a batch in which one has no label at all.
    let mut bare = transition("", Phase::Firing);
    bare.alert.clear();
    bare.severity.clear();
    bare.labels.clear();
    sinks.notify(&[
        transition("a", Phase::Firing),
        bare,
        transition("b", Phase::Firing),
    ]);
    wait_for(&alertmanager, &["a", "b"]);
    let outcomes = Outcomes::of(&family, "alertmanager");
    process::wait_until("a refusal", SEEN_WITHIN, || outcomes.rejected.get() >= 1);
    // They stay for longer than they would live by themselves, and end.
    let before = outcomes.delivered.get();
    process::wait_until("re-sendings", SEEN_WITHIN, || {
        outcomes.delivered.get() >= before + 24
    });
    assert_eq!(queues(&alertmanager), ["a", "b"]);
    sinks.notify(&[transition("a", Phase::Inactive)]);
    wait_for(&alertmanager, &["b"]);
}

#[test]
fn the_same_alert_of_two_replicas_is_one() {
    let binary = require_tool!("alertmanager");
    let (_folder, alertmanager) = start(&binary);
    let runtime = runtime();
    let _inside = runtime.enter();
    let families = [family(), family()];
    let replicas = families
        .each_ref()
        .map(|family| sinks(&[alertmanager.url()], family));
    for replica in &replicas {
        replica.notify(&[transition("a", Phase::Firing)]);
    }
    for family in &families {
        let delivered = Outcomes::of(family, "alertmanager").delivered;
        process::wait_until("a delivery", SEEN_WITHIN, || delivered.get() >= 2);
    }
    assert_eq!(queues(&alertmanager), ["a"]);
    let [first, second] = replicas;
    first.notify(&[transition("a", Phase::Inactive)]);
    second.notify(&[transition("a", Phase::Inactive)]);
    wait_for(&alertmanager, &[]);
}

#[test]
fn an_alert_whose_cxpulse_died_ends_by_itself() {
    let binary = require_tool!("alertmanager");
    let (_folder, alertmanager) = start(&binary);
    let runtime = runtime();
    let inside = runtime.enter();
    let sinks = sinks(&[alertmanager.url()], &family());
    sinks.notify(&[transition("a", Phase::Firing)]);
    wait_for(&alertmanager, &["a"]);
    drop(inside);
    drop(sinks);
    drop(runtime);
    wait_for(&alertmanager, &[]);
}
