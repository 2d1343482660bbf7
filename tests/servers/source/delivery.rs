//! Every message once and in order, with its place, time and headers.

use cxpulse::source::{Begin, Resume};

use super::{Reading, WITHIN, assert_numbers, earliest, publish, stream};
use crate::support::broker::Broker;
use crate::support::nats_raw::Publish;
use crate::support::process;
use crate::support::tools::require_tool;

#[test]
fn messages_before_and_after_the_start_come_once_and_in_order_between_foreign_ones() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    stream(&mut nats);
    publish(&mut nats, 0..10_000);

    let mut reading = Reading::start(&broker, earliest());
    let before = reading.messages(10_000);
    assert_numbers(&before, 0..10_000);
    assert_eq!(reading.attached[0].pending, 10_000);
    assert_eq!(reading.attached[0].first_sequence, 1);
    assert!(reading.attached[0].first_stored_at.is_some());
    reading.until_caught_up();
    publish(&mut nats, 10_000..20_000);
    let after = reading.messages(10_000);
    assert_numbers(&after, 10_000..20_000);
    assert!(
        reading.resets.is_empty() && reading.gaps.is_empty(),
        "{:?}",
        reading.gaps
    );
    assert_eq!(reading.counters.lag_messages(), 0);

    let stored = nats.stored_messages("CX").unwrap();
    for message in before.iter().chain(&after).step_by(997) {
        let stored = stored
            .iter()
            .find(|stored| stored.sequence == message.sequence)
            .unwrap();
        assert_eq!(stored.subject, message.subject_text());
        assert_eq!(stored.payload, message.payload);
    }
    assert!(
        after
            .windows(2)
            .all(|pair| pair[0].stored_at <= pair[1].stored_at)
    );

    assert_eq!(nats.consumers("CX").unwrap().len(), 1);
    reading.stop();
    process::wait_until("end of the consumer", WITHIN, || {
        nats.consumers("CX").unwrap().is_empty()
    });
}

#[test]
fn a_later_run_goes_on_behind_the_position() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    stream(&mut nats);
    publish(&mut nats, 0..50);
    let mut reading = Reading::start(&broker, earliest());
    assert_numbers(&reading.messages(50), 0..50);
    reading.until_caught_up();
    let resume = reading.stop();

    publish(&mut nats, 50..60);
    let mut later = Reading::start(&broker, resume);
    assert_numbers(&later.messages(10), 50..60);
    assert_eq!(later.attached[0].pending, 10);
    later.until_caught_up();
    let again = later.stop();

    // Nothing new: caught up at once, and what comes then comes once.
    let mut latest = Reading::start(&broker, again);
    latest.until_caught_up();
    assert_eq!(latest.attached[0].pending, 0);
    publish(&mut nats, 60..61);
    assert_numbers(&latest.messages(1), 60..61);
    assert!(latest.gaps.is_empty() && latest.changes.is_empty());
}

#[test]
fn a_start_by_time_or_at_the_end_skips_what_was_before() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    stream(&mut nats);
    publish(&mut nats, 0..20);
    let mut all = Reading::start(&broker, earliest());
    let middle = all.messages(20)[12].clone();
    let moment = middle.stored_at;

    let mut by_time = Reading::start(&broker, Resume::Fresh(Begin::At(moment)));
    let first = by_time.messages(1)[0].clone();
    assert!(first.stored_at >= moment && first.sequence <= middle.sequence);

    let mut latest = Reading::start(&broker, Resume::Fresh(Begin::Latest));
    latest.until_caught_up();
    publish(&mut nats, 20..23);
    assert_numbers(&latest.messages(3), 20..23);
}

#[test]
fn messages_larger_than_a_request_allows_come_through() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    stream(&mut nats);
    let large = vec![b'x'; 900 * 1024];
    let messages: Vec<Publish> = (0..120)
        .map(|_| Publish::new("cx.surveys.x", large.clone()))
        .collect();
    for message in &messages {
        nats.publish_acknowledged([message]).unwrap();
    }
    let mut reading = Reading::start_with(&broker, earliest(), |_| {}, 1);
    let read = reading.messages(120);
    assert!(
        read.iter()
            .all(|message| message.payload.len() == large.len())
    );
    assert!(reading.resets.is_empty());
}

#[test]
fn headers_with_a_meaning_come_along() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mut nats = broker.client();
    stream(&mut nats);
    let messages = [
        Publish::new("cx.surveys.x", "0").header("Nats-Msg-Id", "m-1"),
        Publish::new("cx.surveys.x", "1")
            .header("ce-specversion", "1.0")
            .header("ce-id", "e-1"),
        Publish::new("cx.surveys.x", "2").header("X-Other", "1"),
    ];
    nats.publish_acknowledged(&messages).unwrap();
    let mut reading = Reading::start(&broker, earliest());
    let read = reading.messages(3);
    let headers: Vec<_> = read
        .iter()
        .map(|message| message.headers.as_deref())
        .collect();
    assert_eq!(headers[0].unwrap().message_id.as_deref(), Some("m-1"));
    assert!(headers[1].unwrap().cloud_event);
    assert_eq!(headers[1].unwrap().cloud_event_id.as_deref(), Some("e-1"));
    assert_eq!(headers[2], None);
}
