//! Core NATS.

use cxpulse::source::{self, ResetReason, SourceEvent};
use cxpulse::time::Timestamp;

use super::{Reading, WITHIN, earliest, numbers};
use crate::support::broker::Broker;
use crate::support::nats_raw::{Publish, RawNats};
use crate::support::process;
use crate::support::tools::require_tool;

#[test]
fn core_nats_merges_subjects_and_says_when_it_lost_the_connection() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start_new(&binary, folder.path());
    let mode = |settings: &mut source::Settings| settings.mode = source::Mode::Core;
    let mut reading = Reading::start_with(&broker, earliest(), mode, 1_000);
    let mut nats = broker.client();
    let mut sequence = until_heard(&mut reading, &mut nats);
    for number in 0..5_000 {
        let subject = ["cx.interactions.a", "cx.surveys.b"][number % 2];
        nats.publish(&Publish::new(subject, number.to_string()))
            .unwrap();
    }
    nats.flush().unwrap();
    let mut found = Vec::new();
    while found.len() < 5_000 {
        for message in reading.messages(1) {
            sequence += 1;
            assert_eq!(message.sequence, sequence);
            assert!(message.stored_at > Timestamp::default());
            if message.payload != PROBE {
                found.extend(numbers(&[message]));
            }
        }
    }
    // In order by subject.
    for (parity, offset) in [(0, 0), (1, 1)] {
        let of_subject = found.iter().filter(|number| *number % 2 == parity);
        assert!(of_subject.copied().eq((offset..5_000).step_by(2)));
    }

    broker.kill();
    broker.start();
    reading.until(|event| matches!(event, SourceEvent::Reset(ResetReason::Disconnected)));
    assert!(until_heard(&mut reading, &mut broker.client()) > sequence);
}

#[test]
fn a_burst_waits_for_a_busy_reader_and_what_is_beyond_it_is_counted() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    let mode = |settings: &mut source::Settings| settings.mode = source::Mode::Core;
    let mut reading = Reading::start_with(&broker, earliest(), mode, 1);
    let mut nats = broker.client();
    until_heard(&mut reading, &mut nats);
    let mut burst = |reader: &mut Reading, count: usize, drops: bool| {
        for number in 0..count {
            let subject = ["cx.interactions.a", "cx.surveys.b"][number % 2];
            nats.publish(&Publish::new(subject, "x")).unwrap();
        }
        // Nobody reads until the server has taken all.
        nats.flush().unwrap();
        if drops {
            process::wait_until("drops", WITHIN, || reader.counters.dropped_messages() > 0);
        }
        let mut came = 0;
        loop {
            let messages = reader.messages(1);
            came += messages
                .iter()
                .filter(|message| message.payload != PROBE)
                .count();
            let dropped = reader.counters.dropped_messages();
            let dropped = usize::try_from(dropped).unwrap();
            assert!(came + dropped <= count, "{came} came, {dropped} dropped");
            if came + dropped == count {
                return dropped;
            }
        }
    };
    assert_eq!(burst(&mut reading, source::core::BURST, false), 0);
    let dropped = burst(&mut reading, source::core::BURST * 3 / 2, true);
    assert!(dropped <= source::core::BURST / 2, "{dropped} dropped");
}

const PROBE: &[u8] = b"probe";

/// Publishes probes until one came on each subject; gives the last sequence.
fn until_heard(reading: &mut Reading, nats: &mut RawNats) -> u64 {
    let mut heard = [false, false];
    while heard != [true, true] {
        for subject in ["cx.interactions.a", "cx.surveys.b"] {
            nats.publish(&Publish::new(subject, PROBE)).unwrap();
        }
        nats.flush().unwrap();
        while let Ok(event) = reading.events.try_recv() {
            if let SourceEvent::Batch(batch) = event {
                reading.position = batch.position;
                for message in &batch.envelopes {
                    heard[usize::from(message.subject_text().starts_with("cx.surveys"))] = true;
                }
            }
        }
        std::thread::yield_now();
    }
    reading.position.sequence
}
