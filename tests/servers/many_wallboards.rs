//! 200 wallboards open at once: whether events are taken in at the rate at which they come, and how
//! evenly views are made, beside the same without any, in turns and in one run.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use cxpulse::time::{Clock, SystemClock};
use serde_json::json;

use crate::feed::{Feed, given};
use crate::support::broker::Broker;
use crate::support::process;
use crate::support::service::Service;
use crate::support::tools::require_tool;

/// Open wallboards.
const BOARDS: usize = 200;
/// Turns without and with them.
const TURNS: usize = 5;
/// Views of one turn.
const VIEWS: usize = 8;
/// Events a second: a thousand times what a large floor has. `CXPULSE_BOARD_RATE` gives another.
const RATE: u64 = 20_000;
/// Longest wait for anything.
const WITHIN: Duration = Duration::from_mins(1);
/// What a wallboard asks for.
const QUERY: &str = "/api/v1/stream?window=1h&breakdown=overall&breakdown=channel&breakdown=queue\
                     &kpi=fcr_mature&kpi=aht&kpi=csat&kpi=nps&kpi=service_level&kpi=abandonment&state=true";

/// Open wallboards; they read all they get.
struct Boards {
    stop: Arc<AtomicBool>,
    bytes: Arc<AtomicU64>,
    readers: Vec<JoinHandle<()>>,
}

impl Boards {
    fn open(address: &str, count: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let bytes = Arc::new(AtomicU64::new(0));
        let readers = (0..count).map(|_| {
            let (stop, bytes) = (Arc::clone(&stop), Arc::clone(&bytes));
            let mut stream = TcpStream::connect(address).expect("a connection");
            stream
                .set_read_timeout(Some(Duration::from_millis(500)))
                .expect("a limit");
            write!(stream, "GET {QUERY} HTTP/1.1\r\nHost: board\r\n\r\n").expect("a request");
            std::thread::spawn(move || {
                let mut buffer = vec![0; 64 * 1024];
                while !stop.load(Ordering::Relaxed) {
                    match stream.read(&mut buffer) {
                        Ok(0) => panic!("the stream ended"),
                        Ok(length) => bytes
                            .fetch_add(u64::try_from(length).expect("a length"), Ordering::Relaxed),
                        Err(_) => 0,
                    };
                }
            })
        });
        let readers = readers.collect();
        Self {
            stop,
            bytes,
            readers,
        }
    }

    /// Closes them; gives the bytes that they read.
    fn close(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for reader in self.readers {
            reader.join().expect("a reader ended badly");
        }
        self.bytes.load(Ordering::Relaxed)
    }
}

/// Events a second that were received, the mean distance of views in milliseconds, and how far
/// behind the stream the service was at most, seconds.
#[derive(Clone, Copy, Debug)]
struct Turn {
    rate: f64,
    refresh_ms: f64,
    behind: f64,
}

/// Looks on for some views. Whatever else is done is done by the service itself.
fn turn(service: &Service) -> Turn {
    let mut views: Vec<(f64, u64)> = Vec::new();
    let mut behind = 0.0_f64;
    let done = process::poll(WITHIN, || {
        let page = service.metrics();
        let received = page.count("cxpulse_events_received_total");
        behind = behind.max(page.value("cxpulse_behind_seconds", &[]).unwrap_or(0.0));
        if views.last().is_none_or(|(_, known)| *known < received) {
            views.push((SystemClock.now().as_seconds(), received));
        }
        // The first was seen at any time of its second.
        views.len() > VIEWS + 1
    });
    assert!(done, "no views: {views:?}");
    let ((began, before), (ended, after)) = (views[1], views[VIEWS + 1]);
    Turn {
        rate: number(usize::try_from(after - before).expect("a small number")) / (ended - began),
        refresh_ms: (ended - began) * 1000.0 / number(VIEWS),
        behind,
    }
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("a small number"))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
#[ignore = "takes a minute and prints figures: cargo test --release --test servers many_wallboards -- --ignored --nocapture"]
fn ingest_and_refresh_are_the_same_with_200_wallboards() {
    let nats_server = require_tool!("nats-server");
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start_new(&nats_server, folder.path());
    let (base, address) = Service::base_config(&broker.url(), folder.path());
    let mut nats = broker.client();
    nats.create_stream("CX", &["cx.interactions.>", "cx.surveys.>"], &json!({}))
        .expect("a new stream");
    let mut service = Service::start(&base, &address, folder.path());
    service.wait_until_ready(WITHIN);
    let feed = Feed::start(nats, given("CXPULSE_BOARD_RATE", RATE));
    service.wait_for_metrics("events", WITHIN, |page| {
        page.count("cxpulse_events_received_total") > RATE
    });
    let (mut without, mut with) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    for _ in 0..TURNS {
        without.push(turn(&service));
        let boards = Boards::open(&address, BOARDS);
        service.wait_for_metrics("open wallboards", WITHIN, |page| {
            page.value("cxpulse_http_stream_clients", &[]) == Some(200.0)
        });
        with.push(turn(&service));
        bytes += boards.close();
        service.wait_for_metrics("closed wallboards", WITHIN, |page| {
            page.value("cxpulse_http_stream_clients", &[]) == Some(0.0)
        });
    }
    assert!(bytes > 0, "they read something");
    let published = feed.finish();
    service.wait_for_metrics("all events", WITHIN, |page| {
        page.count("cxpulse_events_received_total") >= published
    });
    let rate = |turns: &[Turn]| median(turns.iter().map(|turn| turn.rate).collect());
    let refresh = |turns: &[Turn]| median(turns.iter().map(|turn| turn.refresh_ms).collect());
    let behind = with.iter().map(|turn| turn.behind).fold(0.0, f64::max);
    println!("without {without:?}\nwith {with:?}");
    println!(
        "{} MB were read; at most {behind} s behind",
        bytes / 1_000_000
    );
    println!(
        "events/s without {:.0}, with {:.0}: ratio {:.3}; refresh every {:.1} ms without, {:.1} ms with: ratio {:.3}",
        rate(&without),
        rate(&with),
        rate(&with) / rate(&without),
        refresh(&without),
        refresh(&with),
        refresh(&with) / refresh(&without),
    );
}
