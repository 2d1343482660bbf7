//! Row 11: how long an event takes from being published to being part of the values on `/metrics`,
//! seen from outside by somebody who looks all the time.

use std::time::Duration;

use cxpulse::simulate::workload;
use hdrhistogram::Histogram;

use crate::cores;
use crate::feed::Feed;
use crate::measure::now;
use crate::publish::Publisher;
use crate::row::Row;
use crate::server::Server;
use crate::service::{Home, Service};
use crate::sizes::scaled;

/// Events a second, and how they are cut up.
const RATE: u64 = 100_000;
const SLICES_A_SECOND: u64 = 200;
/// The default `http.refresh_interval`.
const REFRESH_MS: f64 = 1000.0;
/// How often the page is asked for.
const LOOK: Duration = Duration::from_millis(5);

/// Row 11.
pub(crate) fn rows() -> Vec<Row> {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with_stream(folder.path());
    let mut home = Home::new(&server, folder.path(), "cxpulse", "");
    let mut service = home.start(cores::CLIENT);
    service.wait_until_caught_up();
    let seconds = scaled(30).max(4);
    let delays = std::thread::scope(|scope| {
        let address = server.address().to_owned();
        let publishing = move || {
            cores::bound_to(cores::SERVER, || {
                publish(&address, seconds * SLICES_A_SECOND)
            })
        };
        let publisher = scope.spawn(publishing);
        let seen = look(&service, seconds * RATE);
        let published = publisher.join().unwrap();
        delays_of(&published, &seen)
    });
    let at = |quantile| delays.value_at_quantile(quantile) as f64 / 1000.0;
    vec![Row {
        number: "11",
        what: format!(
            "publish to value on /metrics at {RATE} events/s, p99 over the refresh interval"
        ),
        measured: format!(
            "p50 {:.0} ms, p99 {:.1} ms, max {:.1} ms of {} events",
            at(0.5),
            at(0.99),
            at(1.0),
            delays.len()
        ),
        figure: at(0.99) - REFRESH_MS,
        unit: "ms",
        bar: 50.0,
        aim: 10.0,
        more_is_better: false,
    }]
}

/// Publishes at the rate, stored by the stream, and says when each slice went out.
fn publish(address: &str, slices: u64) -> Vec<std::time::Instant> {
    let mut publisher = Publisher::acknowledged(address);
    let lines = RATE / SLICES_A_SECOND;
    let mut feed = Feed::new(workload::Settings {
        // An event ends before it is published; what lies ahead of the present waits.
        start: crate::server::now().plus_millis(-50),
        events_per_second: u32::try_from(RATE).unwrap(),
        malformed_ppm: 0,
        ..workload::Settings::with_events(slices * lines)
    });
    let began = now();
    let mut published = Vec::new();
    for slice in 0..slices {
        let messages = feed.chunk(lines);
        let due = Duration::from_secs(slice) / u32::try_from(SLICES_A_SECOND).unwrap();
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        published.push(now());
        publisher.publish(&messages, 1);
    }
    publisher.finish();
    published
}

/// How many events were seen to be counted, and when, each time that it was more than before.
fn look(service: &Service, all: u64) -> Vec<(u64, std::time::Instant)> {
    let mut seen = Vec::new();
    let mut counted = 0;
    let began = now();
    while counted < all {
        assert!(
            began.elapsed() < Duration::from_mins(10),
            "{counted} of {all} counted"
        );
        std::thread::sleep(LOOK);
        let newest = service.counted();
        if newest > counted {
            counted = newest;
            seen.push((newest, now()));
        }
    }
    seen
}

/// Microseconds from the publishing of a slice to the page that has it, once an event.
fn delays_of(
    published: &[std::time::Instant],
    seen: &[(u64, std::time::Instant)],
) -> Histogram<u64> {
    let mut delays = Histogram::new(3).unwrap();
    let lines = RATE / SLICES_A_SECOND;
    let mut pages = seen.iter().peekable();
    for (slice, at) in (1..).zip(published) {
        while pages
            .peek()
            .is_some_and(|(counted, _)| *counted < slice * lines)
        {
            pages.next();
        }
        let (_, shown) = pages.peek().unwrap();
        let micros = shown.saturating_duration_since(*at).as_micros();
        delays
            .record_n(u64::try_from(micros).unwrap().max(1), lines)
            .unwrap();
    }
    delays
}
