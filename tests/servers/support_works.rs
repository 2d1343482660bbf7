//! The helpers do what tests believe of them: against the real servers, without cxpulse.

use std::time::Duration;

use serde_json::json;

use crate::support::alertmanager::Alertmanager;
use crate::support::broker::Broker;
use crate::support::http;
use crate::support::nats_raw::Publish;
use crate::support::process;
use crate::support::prometheus::{Prometheus, check_metrics};
use crate::support::tools::require_tool;

#[test]
fn raw_client_publishes_to_a_stream_and_reads_it_back() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    nats.create_stream("CX", &["cx.>"], &json!({ "max_msgs": 5000 }))
        .unwrap();

    let messages: Vec<Publish> = (0..3000)
        .map(|n| {
            let message = Publish::new(format!("cx.{}", n % 7), format!("payload {n}\r\n"));
            if n % 2 == 0 {
                message.header("Nats-Msg-Id", &n.to_string())
            } else {
                message
            }
        })
        .collect();
    assert_eq!(nats.publish_acknowledged(&messages).unwrap(), 3000);

    let stored = nats.stored_messages("CX").unwrap();
    assert_eq!(stored.len(), 3000);
    for ((message, published), sequence) in stored.iter().zip(&messages).zip(1..) {
        assert_eq!(message.sequence, sequence);
        assert_eq!(message.subject, published.subject);
        assert_eq!(message.headers, published.headers);
        assert_eq!(message.payload, published.payload);
    }

    nats.purge_stream("CX", &json!({ "filter": "cx.0" }))
        .unwrap();
    let left = nats.stored_messages("CX").unwrap();
    assert_eq!(left.len(), 3000 - 429);
    assert!(nats.consumers("CX").unwrap().is_empty());
    nats.delete_stream("CX").unwrap();
    assert!(nats.stream_info("CX").is_err());
    assert!(
        nats.publish_acknowledged(&messages[..1]).is_err(),
        "no stream takes it"
    );
}

#[test]
fn raw_client_subscribes_and_hears_across_a_restart_only_when_it_connects_again() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start_new(&binary, folder.path());
    let mut listener = broker.client();
    let subscription = listener.subscribe("news.*").unwrap();
    let mut speaker = broker.client();
    speaker
        .publish(&Publish::new("news.a", "one").header("Cx-Reason", "future"))
        .unwrap();
    speaker.publish(&Publish::new("other", "two")).unwrap();
    speaker.flush().unwrap();

    let heard = listener.next_message(Duration::from_secs(5)).unwrap();
    let heard = heard.expect("a message");
    assert_eq!(heard.subscription, subscription);
    assert_eq!(
        (heard.subject.as_str(), heard.text().as_str()),
        ("news.a", "one")
    );
    assert_eq!(heard.header("Cx-Reason"), Some("future"));
    assert_eq!(heard.reply, None);
    let nothing = listener.next_message(Duration::from_millis(50)).unwrap();
    assert_eq!(nothing, None);

    assert_eq!(broker.url(), format!("nats://{}", broker.address()));
    broker.kill();
    assert!(speaker.flush().is_err());
    broker.start();
    assert!(broker.client().flush().is_ok());
    broker.stop();
}

#[test]
fn prometheus_scrapes_itself_and_answers_queries() {
    let binary = require_tool!("prometheus");
    let promtool = require_tool!("promtool");
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let target = Prometheus::start(&binary, folder.path(), "127.0.0.1:1", "");
    let prometheus = Prometheus::start(&binary, other.path(), target.address(), "");
    process::wait_until("failed scrape", Duration::from_mins(2), || {
        target.target_health().0 == "down"
    });
    process::wait_until("scrape", Duration::from_mins(2), || {
        prometheus.target_health().0 == "up"
    });
    // The target is "up" before the samples of the scrape can be queried.
    let mut up = Vec::new();
    process::wait_until("sample", Duration::from_mins(2), || {
        up = prometheus.query("up == 1");
        !up.is_empty()
    });
    assert_eq!(up.len(), 1);
    assert_eq!(up[0].labels["job"], "cxpulse");
    assert!((up[0].value - 1.0).abs() < f64::EPSILON);

    let page = http::get(target.address(), "/metrics").unwrap().text();
    assert_eq!(check_metrics(&promtool, &page), "");
    let findings = check_metrics(&promtool, "# TYPE a_total gauge\na_total 1\n");
    assert!(findings.contains("a_total"), "{findings}");
}

#[test]
fn alertmanager_holds_what_is_posted() {
    let binary = require_tool!("alertmanager");
    let folder = tempfile::tempdir().unwrap();
    let alertmanager = Alertmanager::start(&binary, folder.path());
    assert!(alertmanager.alerts().is_empty());
    let body = json!([{ "labels": { "alertname": "LowFcr" } }]).to_string();
    let answer = http::request(
        alertmanager.address(),
        "POST",
        "/api/v2/alerts",
        &[("Content-Type", "application/json")],
        body.as_bytes(),
    )
    .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(alertmanager.alerts()[0]["labels"]["alertname"], "LowFcr");
    assert_eq!(
        alertmanager.url(),
        format!("http://{}", alertmanager.address())
    );
}
