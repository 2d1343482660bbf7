//! What all receivers have in common: bounds, retries, outcomes.

use super::notification::tests::transition;
use super::test_server::{Act, TestServer, counts, outcomes, timing};
use super::*;
use crate::secret::Secret;
use crate::time::{ManualClock, Timestamp};
use prometheus::Opts;

fn family() -> IntCounterVec {
    IntCounterVec::new(Opts::new("notifications", "test"), &["sink", "outcome"]).unwrap()
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_200_000)))
}

#[tokio::test]
async fn every_receiver_gets_every_alert_whatever_the_others_do() {
    let mut first = TestServer::start(&[]).await;
    let hanging = TestServer::start(&vec![Act::Hang; 100]).await;
    let mut second = TestServer::start(&[]).await;
    let mut webhook = TestServer::start(&[]).await;
    let settings = Settings {
        alertmanager_urls: vec![first.url.clone(), hanging.url.clone(), second.url.clone()],
        nats_subject: None,
        webhook_url: Some(Secret::new(webhook.url.clone())),
    };
    let patience = Timing {
        request: Duration::from_mins(10),
        ..timing()
    };
    let family = family();
    let sinks = Sinks::start(&settings, &patience, &clock(), &family).unwrap();
    let mut pending = transition("b", Status::Firing);
    pending.to = crate::alert::Phase::Pending;
    sinks.notify(&[transition("a", Status::Firing), pending]);
    for server in [&mut first, &mut second] {
        let alerts = server.next().await.body;
        assert_eq!(alerts.as_array().unwrap().len(), 1);
        assert_eq!(alerts[0]["labels"]["queue"], "a");
    }
    assert_eq!(
        webhook.next().await.body["alerts"][0]["labels"]["queue"],
        "a"
    );
    let is_done = sinks.stop(Duration::from_millis(50)).await;
    assert!(!is_done, "one of them hangs");
    let delivered = |sink| Outcomes::of(&family, sink).delivered.get();
    assert_eq!((delivered("alertmanager"), delivered("webhook")), (2, 1));
}

fn nobody() -> Settings {
    Settings {
        alertmanager_urls: Vec::new(),
        nats_subject: None,
        webhook_url: None,
    }
}

#[tokio::test]
async fn a_reload_tells_newcomers_what_fires_and_leaves_the_others_alone() {
    let mut stays = TestServer::start(&[]).await;
    let mut goes = TestServer::start(&[]).await;
    let mut comes = TestServer::start(&[]).await;
    let mut webhook = TestServer::start(&[]).await;
    let with = |alertmanagers: &[&TestServer]| Settings {
        alertmanager_urls: alertmanagers.iter().map(|one| one.url.clone()).collect(),
        nats_subject: None,
        webhook_url: Some(Secret::new(webhook.url.clone())),
    };
    let (before, after) = (with(&[&goes, &stays]), with(&[&stays, &comes]));
    let sinks = Sinks::start(&before, &timing(), &clock(), &family()).unwrap();
    let queues = |body: &serde_json::Value| -> Vec<String> {
        let alerts = body["alerts"].as_array().or(body.as_array()).unwrap();
        let names = alerts
            .iter()
            .map(|one| one["labels"]["queue"].as_str().unwrap());
        names.map(str::to_owned).collect()
    };
    let fires = transition("a", Status::Firing);
    sinks.notify(std::slice::from_ref(&fires));
    for server in [&mut goes, &mut stays, &mut webhook] {
        assert_eq!(queues(&server.next().await.body), ["a"]);
    }
    sinks.adopt(Plan::of(&after).unwrap(), &[fires]);
    assert_eq!(queues(&comes.next().await.body), ["a"]);
    sinks.notify(&[transition("b", Status::Firing)]);
    for server in [&mut comes, &mut stays, &mut webhook] {
        assert_eq!(queues(&server.next().await.body), ["b"]);
    }
    assert!(sinks.stop(Duration::from_secs(20)).await);
    for server in [&mut goes, &mut comes, &mut stays, &mut webhook] {
        assert!(server.try_next().is_none(), "nothing is told twice");
    }
}

#[tokio::test]
async fn stopping_delivers_what_waits() {
    let webhook = TestServer::start(&[Act::Answer(500)]).await;
    let settings = Settings {
        alertmanager_urls: Vec::new(),
        nats_subject: None,
        webhook_url: Some(Secret::new(webhook.url.clone())),
    };
    let family = family();
    let sinks = Sinks::start(&settings, &timing(), &clock(), &family).unwrap();
    sinks.notify(&[transition("a", Status::Firing)]);
    assert!(sinks.stop(Duration::from_secs(20)).await);
    assert_eq!(counts(&Outcomes::of(&family, "webhook")), [1, 1, 0, 0]);
}

#[tokio::test]
async fn a_full_queue_drops_and_counts_and_does_not_wait() {
    let outcomes = outcomes();
    let sinks = Sinks::start(&nobody(), &timing(), &clock(), &family()).unwrap();
    let stuck = |queue| async move {
        std::future::pending::<()>().await;
        drop(queue);
    };
    let mut receivers = sinks.receivers();
    let identity = (WEBHOOK, "http://stuck".to_owned());
    let receiver = sinks.add(identity, outcomes.clone(), &mut receivers.tasks, stuck);
    receivers.all.push(receiver);
    drop(receivers);
    let many = vec![transition("a", Status::Firing); QUEUE_LENGTH + 3];
    sinks.notify(&many);
    assert_eq!(counts(&outcomes), [0, 0, 0, 3]);
}

#[tokio::test]
async fn a_url_that_cannot_be_posted_to_is_told_without_it() {
    let settings = Settings {
        alertmanager_urls: Vec::new(),
        nats_subject: None,
        webhook_url: Some(Secret::new("ftp://s3cret".into())),
    };
    let error = Sinks::start(&settings, &timing(), &clock(), &family()).unwrap_err();
    assert_eq!(error.to_string(), "url of the sink \"webhook\" is invalid");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "it does not begin with http:// or https://");
}
