//! The webhook receiver against a small server of ours.

use super::super::test_server::{Act, TestServer, counts, notification, outcomes, timing};
use super::*;
use std::time::Duration;

/// Hands over the notifications, closes the queue and waits until the worker is done.
async fn run(url: &str, timing: Timing, notifications: &[Arc<Notification>]) -> [u64; 4] {
    let outcomes = outcomes();
    let worker = Worker::new(
        Endpoint::parse(url, "").unwrap(),
        Poster::new(timing.request),
        timing,
        outcomes.clone(),
    );
    let (queue, waiting) = mpsc::channel(100);
    for notification in notifications {
        queue.send(Arc::clone(notification)).await.unwrap();
    }
    drop(queue);
    worker.run(waiting).await;
    counts(&outcomes)
}

#[tokio::test]
async fn the_message_is_alertmanagers() {
    let mut server = TestServer::start(&[]).await;
    let url = format!("{}/hook?x=1", server.url);
    let outcome = run(&url, timing(), &[notification("a", Status::Firing)]).await;
    assert_eq!(outcome, [1, 0, 0, 0]);
    let request = server.next().await;
    assert!(request.head.starts_with("POST /hook?x=1 HTTP/1.1"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    let labels = serde_json::json!({
        "alertname": "LowCsat", "queue": "a", "severity": "page", "team": "care"
    });
    let fingerprint = request.body["alerts"][0]["fingerprint"].as_str().unwrap();
    assert_eq!(fingerprint.len(), 16);
    assert_eq!(
        request.body,
        serde_json::json!({
            "version": "4",
            "groupKey": "{}:{alertname=\"LowCsat\"}",
            "truncatedAlerts": 0,
            "status": "firing",
            "receiver": "cxpulse",
            "groupLabels": {"alertname": "LowCsat"},
            "commonLabels": labels,
            "commonAnnotations": {"summary": "low"},
            "externalURL": "",
            "alerts": [{
                "status": "firing",
                "labels": labels,
                "annotations": {"summary": "low"},
                "startsAt": "2023-11-14T22:13:20.000Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "",
                "fingerprint": fingerprint,
            }]
        })
    );
}

#[tokio::test]
async fn those_of_a_rule_share_a_request_and_an_end_follows_its_begin() {
    let mut server = TestServer::start(&[]).await;
    let outcome = run(
        &server.url,
        timing(),
        &[
            notification("a", Status::Firing),
            notification("b", Status::Firing),
            notification("a", Status::Resolved),
        ],
    )
    .await;
    assert_eq!(outcome, [3, 0, 0, 0]);
    let first = server.next().await.body;
    assert_eq!(first["status"], "firing");
    assert_eq!(first["alerts"].as_array().unwrap().len(), 2);
    assert_eq!(first["commonLabels"].get("queue"), None);
    let second = server.next().await.body;
    assert_eq!(second["status"], "resolved");
    assert_eq!(second["alerts"][0]["endsAt"], "2023-11-14T22:15:00.000Z");
    assert!(server.try_next().is_none());
}

#[tokio::test]
async fn whatever_goes_wrong_is_tried_again_with_the_same_key() {
    for act in [
        Act::Answer(429),
        Act::Answer(500),
        Act::Answer(401),
        Act::Busy(0),
        Act::Redirect,
        Act::Garbage,
        Act::Close,
        Act::Hang,
    ] {
        let mut server = TestServer::start(&[act.clone(), act.clone()]).await;
        let patience = Timing {
            request: Duration::from_millis(200),
            ..timing()
        };
        let outcome = run(&server.url, patience, &[notification("a", Status::Firing)]).await;
        assert_eq!(outcome, [1, 2, 0, 0], "{act:?}");
        let mut keys = Vec::new();
        while let Some(request) = server.try_next() {
            assert!(!request.head.contains("/elsewhere"));
            keys.push(request.header("idempotency-key").unwrap().to_owned());
        }
        assert_eq!(keys.len(), 3, "{act:?}");
        keys.dedup();
        assert_eq!(keys.len(), 1, "{act:?}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let server = TestServer::start(&[Act::Endless]).await;
    let patience = Timing {
        request: Duration::from_secs(10),
        ..timing()
    };
    let outcome = run(&server.url, patience, &[notification("a", Status::Firing)]).await;
    assert_eq!(outcome, [1, 0, 0, 0]);
}

#[tokio::test]
async fn only_what_is_at_fault_is_refused() {
    // The group, then its two one by one.
    let mut server =
        TestServer::start(&[Act::Answer(400), Act::Answer(400), Act::Answer(200)]).await;
    let outcome = run(
        &server.url,
        timing(),
        &[
            notification("a", Status::Firing),
            notification("b", Status::Firing),
        ],
    )
    .await;
    assert_eq!(outcome, [1, 0, 1, 0]);
    let sizes: Vec<usize> = std::iter::from_fn(|| server.try_next())
        .map(|request| request.body["alerts"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [2, 1, 1]);
}

#[tokio::test]
async fn what_cannot_be_delivered_for_too_long_is_given_up() {
    let server = TestServer::start(&[Act::Answer(500)]).await;
    let impatient = Timing {
        give_up: Duration::ZERO,
        ..timing()
    };
    let outcome = run(&server.url, impatient, &[notification("a", Status::Firing)]).await;
    assert_eq!(outcome, [0, 1, 0, 1]);
}
