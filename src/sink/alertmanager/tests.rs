//! The Alertmanager receiver against a small server of ours.

use super::super::test_server::{Act, Arrived, TestServer, counts, notification, outcomes, timing};
use super::*;
use crate::time::ManualClock;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

struct Running {
    queue: mpsc::Sender<Arc<Notification>>,
    outcomes: Outcomes,
    task: JoinHandle<()>,
}

impl Running {
    fn start(url: &str, timing: Timing) -> Self {
        let outcomes = outcomes();
        let now = Timestamp::from_millis(1_700_000_200_000);
        let worker = Worker::new(
            Endpoint::parse(url, "/api/v2/alerts").unwrap(),
            Poster::new(timing.request),
            timing,
            Arc::new(ManualClock::at(now)),
            outcomes.clone(),
        );
        let (queue, waiting) = mpsc::channel(100);
        Self {
            queue,
            outcomes,
            task: tokio::spawn(worker.run(waiting)),
        }
    }

    async fn send(&self, queue: &str, status: Status) {
        self.queue.send(notification(queue, status)).await.unwrap();
    }

    /// Closes the queue and waits until the worker is done.
    async fn finish(self) -> [u64; 4] {
        drop(self.queue);
        self.task.await.unwrap();
        counts(&self.outcomes)
    }
}

/// The queues of a request's alerts.
fn queues(request: &Arrived) -> Vec<&str> {
    let alerts = request.body.as_array().unwrap();
    alerts
        .iter()
        .map(|alert| alert["labels"]["queue"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_firing_alert_ends_by_itself_unless_it_is_sent_again() {
    let mut server = TestServer::start(&[]).await;
    let base = format!("{}/prefix/", server.url);
    let running = Running::start(
        &base,
        Timing {
            resend: Duration::from_mins(1),
            ..timing()
        },
    );
    running.send("a", Status::Firing).await;
    let request = server.next().await;
    assert!(
        request
            .head
            .starts_with("POST /prefix/api/v2/alerts HTTP/1.1")
    );
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(
        request.body,
        serde_json::json!([{
            "labels": {"alertname": "LowCsat", "queue": "a", "severity": "page", "team": "care"},
            "annotations": {"summary": "low"},
            "startsAt": "2023-11-14T22:13:20.000Z",
            "endsAt": "2023-11-14T22:20:40.000Z"
        }])
    );
    assert_eq!(running.finish().await, [1, 0, 0, 0]);
}

#[tokio::test]
async fn what_fires_is_sent_again_and_again() {
    let mut server = TestServer::start(&[]).await;
    let running = Running::start(
        &server.url,
        Timing {
            resend: Duration::from_millis(5),
            ..timing()
        },
    );
    running.send("a", Status::Firing).await;
    for _ in 0..5 {
        assert_eq!(queues(&server.next().await), ["a"]);
    }
    running.finish().await;
}

#[tokio::test]
async fn what_ended_is_sent_again_for_a_while_and_then_forgotten() {
    let mut server = TestServer::start(&[]).await;
    let running = Running::start(
        &server.url,
        Timing {
            resend: Duration::from_millis(5),
            keep_resolved: Duration::from_millis(40),
            ..timing()
        },
    );
    running.send("a", Status::Firing).await;
    server.next().await;
    running.send("a", Status::Resolved).await;
    running.send("b", Status::Firing).await;
    let mut resolved = 0;
    loop {
        let request = server.next().await;
        let ended = request.body.as_array().unwrap().iter().find(|alert| {
            alert["labels"]["queue"] == "a" && alert["endsAt"] == "2023-11-14T22:15:00.000Z"
        });
        resolved += u64::from(ended.is_some());
        if resolved > 0 && queues(&request) == ["b"] {
            break;
        }
    }
    assert!(resolved >= 2, "sent {resolved} times");
    running.finish().await;
}

#[tokio::test]
async fn whatever_goes_wrong_is_tried_again() {
    for act in [
        Act::Answer(429),
        Act::Answer(500),
        Act::Answer(404),
        Act::Busy(0),
        Act::Redirect,
        Act::Garbage,
        Act::Close,
        Act::Hang,
    ] {
        let mut server = TestServer::start(&[act.clone(), act.clone()]).await;
        let running = Running::start(
            &server.url,
            Timing {
                request: Duration::from_millis(200),
                ..timing()
            },
        );
        running.send("a", Status::Resolved).await;
        assert_eq!(running.finish().await, [1, 2, 0, 0], "{act:?}");
        let mut requests = 0;
        while let Some(request) = server.try_next() {
            assert!(!request.head.contains("/elsewhere"));
            requests += 1;
        }
        assert_eq!(requests, 3, "{act:?}");
    }
}

#[tokio::test]
async fn one_that_is_not_there_gets_everything_when_it_comes() {
    let reserved = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let running = Running::start(&format!("http://{address}"), timing());
    running.send("a", Status::Firing).await;
    running.send("b", Status::Firing).await;
    running.send("a", Status::Resolved).await;
    while running.outcomes.failed.get() < 2 {
        tokio::task::yield_now().await;
    }
    let listener = TcpListener::bind(address).await.unwrap();
    let mut server = TestServer::on(listener, &[]);
    let request = server.next().await;
    assert_eq!(queues(&request), ["a", "b"]);
    assert_eq!(request.body[0]["endsAt"], "2023-11-14T22:15:00.000Z");
    assert_eq!(running.finish().await[0], 2);
}

#[tokio::test]
async fn a_batch_that_is_refused_goes_one_by_one() {
    // The batch, then a, which is at fault, then b and c.
    let mut server =
        TestServer::start(&[Act::Answer(400), Act::Answer(400), Act::Answer(200)]).await;
    let running = Running::start(&server.url, timing());
    for queue in ["a", "b", "c"] {
        running.send(queue, Status::Firing).await;
    }
    let mut sent = Vec::new();
    for _ in 0..4 {
        let request = server.next().await;
        sent.push(queues(&request).join(" "));
    }
    assert_eq!(sent, ["a b c", "a", "b", "c"]);
    assert_eq!(running.finish().await, [2, 0, 1, 0]);
    assert!(server.try_next().is_none(), "nothing is sent twice");
}

#[tokio::test]
async fn what_changes_while_a_request_hangs_is_not_taken_for_delivered() {
    let mut server = TestServer::start(&[Act::Hang]).await;
    let running = Running::start(&server.url, timing());
    running.send("a", Status::Firing).await;
    assert_ne!(
        server.next().await.body[0]["endsAt"],
        "2023-11-14T22:15:00.000Z"
    );
    running.send("a", Status::Resolved).await;
    assert_eq!(
        server.next().await.body[0]["endsAt"],
        "2023-11-14T22:15:00.000Z"
    );
    assert_eq!(running.finish().await, [1, 1, 0, 0]);
}
