//! What can happen to a stream, and that it is told as what it is.

use cxpulse::source::{Change, GapCause, ResetReason, SourceEvent};
use serde_json::json;

use super::{
    Reading, WITHIN, assert_numbers, earliest, numbers, publish, stream, waiting_requests,
};
use crate::support::broker::Broker;
use crate::support::nats_raw::{Publish, RawNats};
use crate::support::process;
use crate::support::tools::require_tool;

#[test]
fn a_missing_stream_is_created_when_asked_for() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut reading =
        Reading::start_with(&broker, earliest(), |settings| settings.create = true, 4);
    reading.until_caught_up();
    let mut nats = broker.client();
    let info = nats.stream_info("CX").unwrap();
    assert_eq!(info["config"]["max_age"], 86_400_000_000_000_u64);
    assert_eq!(info["config"]["max_bytes"], 10_737_418_240_u64);
    assert_eq!(info["config"]["retention"], "limits");
    nats.publish_acknowledged(&[Publish::new("cx.surveys.x", "0")])
        .unwrap();
    assert_numbers(&reading.messages(1), 0..1);
}

#[test]
fn an_expired_beginning_is_a_gap() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    nats.create_stream("CX", &["cx.>"], &json!({ "max_msgs": 10 }))
        .unwrap();
    let surveys = |numbers: std::ops::Range<usize>| -> Vec<Publish> {
        let survey = |number: usize| Publish::new("cx.surveys.x", number.to_string());
        numbers.map(survey).collect()
    };
    let [before, meanwhile] = [surveys(0..5), surveys(5..35)];
    nats.publish_acknowledged(&before).unwrap();
    let mut reading = Reading::start(&broker, earliest());
    assert_numbers(&reading.messages(5), 0..5);
    let resume = reading.stop();
    nats.publish_acknowledged(&meanwhile).unwrap();
    let mut later = Reading::start(&broker, resume);
    assert_numbers(&later.messages(10), 25..35);
    assert_eq!(later.gaps, [(GapCause::Expired, 20)]);
    assert_eq!(later.counters.gap_messages(), 20);
}

#[test]
fn a_purge_of_what_was_pending_is_a_gap() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    stream(&mut nats);
    publish(&mut nats, 0..20_000);
    // A reader that does not read: the source stops asking.
    let mut reading = Reading::start_with(&broker, earliest(), |_| {}, 1);
    let mut messages = reading.messages(1);
    process::wait_until("a source that does not ask", WITHIN, || {
        waiting_requests(&mut nats) == 0
    });
    nats.purge_stream("CX", &json!({})).unwrap();
    publish(&mut nats, 20_000..20_010);
    while numbers(&messages).last() != Some(&20_009) {
        messages.extend(reading.messages(1));
    }
    let read = numbers(&messages);
    assert!(read.is_sorted());
    let lost = u64::try_from(20_010 - read.len()).unwrap();
    assert!(lost > 10_000, "{lost}");
    // Arrivals hide some: at least all but those.
    let counted = reading.counters.gap_messages();
    assert!(
        counted <= lost && counted + 10 >= lost,
        "{counted} of {lost}"
    );
    assert!(
        reading
            .gaps
            .iter()
            .all(|(cause, _)| *cause == GapCause::Removed)
    );
}

#[test]
fn a_recreated_stream_is_reported_and_read_from_its_beginning() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    stream(&mut nats);
    publish(&mut nats, 0..30);
    let mut reading = Reading::start(&broker, earliest());
    assert_numbers(&reading.messages(30), 0..30);
    let was = reading.identity.clone();

    // While it reads.
    nats.delete_stream("CX").unwrap();
    reading.until(|event| matches!(event, SourceEvent::Reset(_)));
    stream(&mut nats);
    publish(&mut nats, 100..140);
    assert_numbers(&reading.messages(40), 100..140);
    let now = reading.identity.clone();
    assert_eq!(was.name, now.name);
    assert!(was.created_ns < now.created_ns);
    assert_eq!(
        reading.changes,
        [Change::Recreated {
            was,
            now: now.clone()
        }]
    );

    // While it does not run.
    let resume = reading.stop();
    nats.delete_stream("CX").unwrap();
    stream(&mut nats);
    publish(&mut nats, 200..203);
    let mut later = Reading::start(&broker, resume);
    assert_numbers(&later.messages(3), 200..203);
    let newest = later.identity.clone();
    assert_eq!(
        later.changes,
        [Change::Recreated {
            was: now,
            now: newest
        }]
    );
}

#[test]
fn a_lost_tail_and_reused_sequences_are_reported_and_nothing_new_is_skipped() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start_new(&binary, folder.path());
    stream(&mut broker.client());
    publish(&mut broker.client(), 0..30);
    broker.stop();
    let saved = tempfile::tempdir().unwrap();
    copy(&folder.path().join("jetstream"), saved.path());
    broker.start();
    publish(&mut broker.client(), 30..60);
    let mut reading = Reading::start(&broker, earliest());
    assert_numbers(&reading.messages(60), 0..60);
    let read = reading.position.sequence;
    let stored_at = reading.position.stored_at;
    let resume = reading.stop();

    // The server comes back without its tail.
    broker.stop();
    restore(saved.path(), &folder.path().join("jetstream"));
    broker.start();
    let mut later = Reading::start(&broker, resume.clone());
    later.until_caught_up();
    assert_eq!(later.changes, [Change::TailLost { read, last: 40 }]);
    publish(&mut broker.client(), 60..66);
    assert_numbers(&later.messages(6), 60..66);
    drop(later);

    // And gives the sequences out again before we look.
    broker.stop();
    restore(saved.path(), &folder.path().join("jetstream"));
    broker.start();
    publish(&mut broker.client(), 60..120);
    let mut latest = Reading::start(&broker, resume);
    assert_numbers(&latest.messages(60), 60..120);
    assert_eq!(latest.changes, [Change::Rewritten { read, stored_at }]);
    assert_eq!(latest.counters.resets(ResetReason::StreamChanged), 1);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn restore(saved: &std::path::Path, folder: &std::path::Path) {
    std::fs::remove_dir_all(folder).unwrap();
    copy(saved, folder);
}

#[test]
fn retentions_that_take_messages_away_are_refused() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    for retention in ["workqueue", "interest"] {
        nats.create_stream("CX", &["cx.>"], &json!({ "retention": retention }))
            .unwrap();
        let mut reading = Reading::start(&broker, earliest());
        let error = reading.result().unwrap_err().to_string();
        assert!(
            error.contains(retention) && error.contains("mirrors or sources"),
            "{error}"
        );
        nats.delete_stream("CX").unwrap();
    }
}

#[test]
fn foreign_messages_that_expired_unseen_are_no_gap() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    stream(&mut nats);
    publish(&mut nats, 0..10);
    let mut reading = Reading::start(&broker, earliest());
    assert_numbers(&reading.messages(10), 0..10);
    let foreign = Publish::new("cx.other", "not ours");
    let last = nats.publish_acknowledged(vec![&foreign; 500]).unwrap();
    // An audit finds that nothing of ours is among them.
    reading
        .until(|event| matches!(event, SourceEvent::Idle(idle) if idle.position.through == last));
    let resume = reading.stop();
    nats.purge_stream("CX", &json!({})).unwrap();
    publish(&mut nats, 10..12);
    let mut later = Reading::start(&broker, resume);
    assert_numbers(&later.messages(2), 10..12);
    assert_eq!(later.gaps, []);
}

#[test]
fn a_stream_of_our_subjects_is_read_whole_until_something_else_comes() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    // Subjects that the newest consumer is sent.
    let filters = |client: &mut RawNats| {
        let newest = client.consumers("CX").unwrap().into_iter().max().unwrap();
        let call = format!("CONSUMER.INFO.CX.{newest}");
        let info = client.api(&call, &json!(null)).unwrap();
        info["config"]["filter_subjects"].clone()
    };
    let ours = ["cx.interactions.*", "cx.surveys.>"];
    let mut settings = nats.create_stream("CX", &ours, &json!({})).unwrap()["config"].clone();
    let survey = Publish::new("cx.surveys.x", "0");
    nats.publish_acknowledged(&[survey]).unwrap();
    let mut reading = Reading::start(&broker, earliest());
    assert_numbers(&reading.messages(1), 0..1);
    assert_eq!(filters(&mut nats), json!(null));

    settings["subjects"] = json!(["cx.>"]);
    nats.api("STREAM.UPDATE.CX", &settings).unwrap();
    publish(&mut nats, 1..2_000);
    assert_numbers(&reading.messages(1_999), 1..2_000);
    assert_eq!(reading.resets, [ResetReason::StreamChanged]);
    assert_eq!(filters(&mut nats).as_array().map(Vec::len), Some(2));
    assert_eq!((reading.gaps.len(), reading.changes.len()), (0, 0));
    reading.stop();

    // What is stored stays, whatever the settings say afterwards.
    settings["subjects"] = json!(ours);
    nats.api("STREAM.UPDATE.CX", &settings).unwrap();
    let mut again = Reading::start(&broker, earliest());
    assert_numbers(&again.messages(2_000), 0..2_000);
    assert_eq!(again.resets, [ResetReason::StreamChanged]);
    assert_eq!(again.gaps, []);
}
