//! Faults of server, connection and consumer: nothing is lost and nothing comes twice.

use cxpulse::source::{ResetReason, SourceEvent};

use super::{Reading, WITHIN, assert_numbers, earliest, publish, stream, waiting_requests};
use crate::support::broker::Broker;
use crate::support::nats_raw::Publish;
use crate::support::process;
use crate::support::tools::require_tool;

#[test]
fn a_killed_server_loses_and_repeats_nothing() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start_new(&binary, folder.path());
    stream(&mut broker.client());
    publish(&mut broker.client(), 0..8_000);
    let mut reading = Reading::start(&broker, earliest());
    let mut messages = reading.messages(1_000);
    broker.kill();
    broker.start();
    publish(&mut broker.client(), 8_000..9_000);
    messages.extend(reading.messages(9_000 - messages.len()));
    assert_numbers(&messages, 0..9_000);

    // Once more while it is idle.
    broker.kill();
    reading.until(|event| matches!(event, SourceEvent::Reset(ResetReason::Disconnected)));
    broker.start();
    publish(&mut broker.client(), 9_000..9_500);
    assert_numbers(&reading.messages(500), 9_000..9_500);
    assert!(reading.changes.is_empty() && reading.gaps.is_empty());
    assert!(reading.counters.resets(ResetReason::Disconnected) >= 2);
}

#[test]
fn a_server_and_a_stream_that_come_later_are_waited_for() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::prepare(&binary, folder.path());
    let mut reading = Reading::start(&broker, earliest());
    broker.start();
    let mut nats = broker.client();
    process::wait_until("waiting source", WITHIN, || {
        let connections = nats.api("INFO", &serde_json::Value::Null).unwrap();
        connections["api"]["errors"].as_u64().unwrap_or_default() > 0
    });
    stream(&mut nats);
    publish(&mut nats, 0..5);
    assert_numbers(&reading.messages(5), 0..5);
}

#[test]
fn a_deleted_consumer_is_made_anew() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    stream(&mut nats);
    publish(&mut nats, 0..100);
    let mut reading = Reading::start(&broker, earliest());
    assert_numbers(&reading.messages(100), 0..100);
    for round in 1..=3 {
        let consumer = nats.consumers("CX").unwrap().pop().unwrap();
        let call = format!("CONSUMER.DELETE.CX.{consumer}");
        nats.api(&call, &serde_json::Value::Null).unwrap();
        publish(&mut nats, round * 100..round * 100 + 100);
        assert_numbers(&reading.messages(100), round * 100..round * 100 + 100);
        assert_eq!(reading.resets.len(), round);
    }
    assert_eq!(reading.counters.resets(ResetReason::ConsumerDeleted), 3);
    process::wait_until("one consumer", WITHIN, || {
        nats.consumers("CX").unwrap().len() == 1
    });
}

#[test]
fn a_thief_on_our_consumer_takes_nothing_away() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    stream(&mut nats);
    let mut reading = Reading::start(&broker, earliest());
    reading.until_caught_up();
    let consumer = nats.consumers("CX").unwrap().pop().unwrap();
    let next = format!("$JS.API.CONSUMER.MSG.NEXT.CX.{consumer}");
    let mut other = broker.client();
    let thief = std::thread::spawn(move || other.request(&Publish::new(next, r#"{"batch":1}"#)));
    process::wait_until("the thief's request", WITHIN, || {
        waiting_requests(&mut nats) == 17
    });
    publish(&mut nats, 0..300);
    // The raw client takes a delivered message for a wrong answer and names its subject.
    let stolen = thief.join().unwrap().unwrap_err().to_string();
    assert!(stolen.contains("an answer on cx."), "{stolen}");
    assert_numbers(&reading.messages(300), 0..300);
    assert_eq!(reading.counters.resets(ResetReason::SequenceGap), 1);
}

#[test]
fn a_frozen_server_is_noticed_and_found_again() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    stream(&mut broker.client());
    publish(&mut broker.client(), 0..100);
    let mut reading = Reading::start(&broker, earliest());
    assert_numbers(&reading.messages(100), 0..100);
    // The connection stands, but nothing comes over it any more.
    broker.signal("STOP");
    reading.until(|event| matches!(event, SourceEvent::Reset(_)));
    // Whichever is found first: no heartbeat, or no answer to a ping.
    let found = [ResetReason::HeartbeatMissed, ResetReason::Disconnected];
    assert!(found.contains(&reading.resets[0]), "{:?}", reading.resets);
    broker.signal("CONT");
    publish(&mut broker.client(), 100..200);
    assert_numbers(&reading.messages(100), 100..200);
    process::wait_until("one consumer", WITHIN, || {
        broker.client().consumers("CX").unwrap().len() == 1
    });
}

#[test]
fn a_flapping_connection_leaves_no_consumers_behind() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start_new(&binary, folder.path());
    stream(&mut broker.client());
    let mut reading = Reading::start(&broker, earliest());
    reading.until_caught_up();
    for round in 0..4 {
        broker.stop();
        broker.start();
        publish(&mut broker.client(), round * 10..round * 10 + 10);
        assert_numbers(&reading.messages(10), round * 10..round * 10 + 10);
    }
    process::wait_until("one consumer", WITHIN, || {
        broker.client().consumers("CX").unwrap().len() == 1
    });
}

#[test]
fn two_instances_read_all_and_do_not_disturb_each_other() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    stream(&mut broker.client());
    publish(&mut broker.client(), 0..3_000);
    let mut readings = [earliest(), earliest()].map(|resume| Reading::start(&broker, resume));
    for reading in &mut readings {
        assert_numbers(&reading.messages(3_000), 0..3_000);
    }
    publish(&mut broker.client(), 3_000..3_100);
    for reading in &mut readings {
        assert_numbers(&reading.messages(100), 3_000..3_100);
        assert!(reading.resets.is_empty());
    }
}
