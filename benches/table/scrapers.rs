//! Row 7: what ten scrapers cost those who publish. cxpulse is stopped while a backlog is stored;
//! then its rate is seen from the server's side while it works that off, with scrapers and without,
//! in turn.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::cores;
use crate::measure::{median, now};
use crate::recovery::tables;
use crate::row::Row;
use crate::server::{STREAM, Server, feed_until_now};
use crate::service::{Home, Service};
use crate::sizes::{runs, scaled};
use crate::state::Shape;
use crate::support::http;
use crate::support::nats_raw::RawNats;

const SCRAPERS: usize = 10;
/// All of them look at once, so often: fifteen times as often as is usual.
const EVERY: Duration = Duration::from_secs(1);
/// The backlog is packed, so that cxpulse and not the server is what limits the rate.
const PACK: usize = 16;

/// Row 7.
pub(crate) fn rows() -> Vec<Row> {
    let backlog = scaled(2_000_000);
    // Twice as many of each as elsewhere: both cores are busy, and medians of five differed by a tenth.
    let rounds = u64::try_from(runs()).unwrap() * 4;
    let first = scaled(100_000);
    // What is remembered stays the same from round to round.
    let shape = Shape::of_entries(scaled(1_000_000));
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with_stream(folder.path());
    let mut feed = feed_until_now(first + backlog * rounds);
    server.fill(&mut feed, first, PACK);
    let mut home = Home::new(&server, folder.path(), "cxpulse", &tables(&shape));
    let mut service = home.start(cores::BOTH);
    service.wait_until_caught_up();
    let (mut alone, mut scraped) = (vec![], vec![]);
    for round in 0..rounds {
        service.signal("STOP");
        server.fill(&mut feed, backlog, PACK);
        let with = round % 2 == 1;
        let rate = work_off(&server, &service, with);
        if with { &mut scraped } else { &mut alone }.push(rate * 16.0 / 1000.0);
    }
    let (alone, scraped) = (median(alone), median(scraped));
    vec![Row {
        number: "7",
        what: format!("ten scrapers at once, each second, gzip; backlogs of {backlog} events"),
        measured: format!("{scraped:.0} k/s; without them {alone:.0} k/s"),
        figure: scraped / alone,
        unit: "x",
        bar: 0.98,
        aim: 0.99,
        more_is_better: true,
    }]
}

/// Lets cxpulse go on and gives the messages a second at which it takes the middle of the backlog.
fn work_off(server: &Server, service: &Service, scraped: bool) -> f64 {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut client = server.client();
        let backlog = pending(&mut client);
        service.signal("CONT");
        if scraped {
            for _ in 0..SCRAPERS {
                scope.spawn(|| scrape(service.address(), &over));
            }
        }
        let reached = |nats: &mut RawNats, share: u64| {
            loop {
                let left = pending(nats);
                if left <= backlog * (10 - share) / 10 {
                    return (left, now());
                }
                thread::sleep(Duration::from_millis(2));
            }
        };
        let (from, began) = reached(&mut client, 1);
        let (until, ended) = reached(&mut client, 9);
        let rate = (from - until) as f64 / ended.duration_since(began).as_secs_f64();
        while pending(&mut client) > 0 {
            thread::sleep(Duration::from_millis(20));
        }
        over.store(true, Ordering::Relaxed);
        rate
    })
}

fn scrape(address: &str, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let (took, answer) = crate::measure::wall(|| {
            http::request(
                address,
                "GET",
                "/metrics",
                &[("Accept-Encoding", "gzip")],
                b"",
            )
        });
        assert_eq!(answer.unwrap().status, 200);
        thread::sleep(EVERY.saturating_sub(took));
    }
}

/// Messages that the consumer of cxpulse has not been given.
fn pending(client: &mut RawNats) -> u64 {
    // It makes another one when it was stopped for long: the newest counts.
    let names = client.consumers(STREAM).unwrap();
    let left = names.iter().filter_map(|name| {
        let info = client.api(&format!("CONSUMER.INFO.{STREAM}.{name}"), &Value::Null);
        info.ok()?["num_pending"].as_u64()
    });
    left.min().unwrap_or(u64::MAX)
}
