//! Dead letters that come back as input.

use std::time::Duration;

use serde_json::json;

use super::Replica;
use crate::support::broker::Broker;
use crate::support::nats_raw::Publish;
use crate::support::tools::require_tool;

const WITHIN: Duration = Duration::from_mins(1);

/// Issue 5: a server that sends every dead letter to the subjects that we read.
#[test]
fn dead_letters_that_come_back_do_not_go_round() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    nats.create_stream("CX", &["cx.interactions.>", "cx.surveys.>"], &json!({}))
        .unwrap();
    let round =
        json!({ "republish": { "src": "cx.dead_letter", "dest": "cx.interactions.round" } });
    nats.create_stream("DEAD", &["cx.dead_letter"], &round)
        .unwrap();
    let mut replica = Replica::start("only", &broker.url(), folder.path(), |config| config);
    let bad = |number: u32| Publish::new("cx.interactions.a", format!("not JSON, {number}"));
    nats.publish_acknowledged((0..10).map(bad)).unwrap();
    let page = replica
        .service
        .wait_for_metrics("both ways", WITHIN, |page| {
            page.count("cxpulse_dead_letters_total") == 20
        });
    let outcome = |name| page.value("cxpulse_dead_letters_total", &[("outcome", name)]);
    assert_eq!(outcome("stored"), Some(10.0));
    assert_eq!(outcome("suppressed"), Some(10.0));
    // Once round and no further, with a good one behind them.
    let good =
        json!({ "type": "interaction", "interaction_id": "i", "ended_at": 1_780_000_000_000_i64 });
    nats.publish_acknowledged([Publish::new("cx.interactions.a", good.to_string())])
        .unwrap();
    replica
        .service
        .wait_for_metrics("the last one", WITHIN, |later| {
            later.count("cxpulse_events_received_total") >= 21
        });
    assert_eq!(replica.received(), 21);
    assert_eq!(nats.stored_messages("DEAD").unwrap().len(), 10);
    replica.stop();
}
