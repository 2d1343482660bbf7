//! 200 wallboards open at once: how fast events are taken in, and how evenly views are made, beside
//! the same without any, in turns and in one run.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use cxpulse::time::{Clock, SystemClock};

use crate::expected::count_events;
use crate::support::broker::Broker;
use crate::support::nats_raw::Publish;
use crate::support::service::Service;
use crate::support::tools::require_tool;
use crate::traffic::Traffic;

/// Open wallboards.
const BOARDS: usize = 200;
/// Turns without and with them.
const TURNS: usize = 5;
/// Events of one turn.
const EVENTS: usize = 80_000;
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

/// Events a second, and the mean distance of views in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Turn {
    rate: f64,
    refresh_ms: f64,
}

fn view_instant(service: &Service) -> jiff::Timestamp {
    let kpis = service.kpis("kpi=nps&window=1h&breakdown=overall");
    kpis["at"]
        .as_str()
        .expect("an instant")
        .parse()
        .expect("an instant")
}

fn turn(broker: &Broker, service: &mut Service, messages: &[Publish], received: &mut u64) -> Turn {
    *received += count_events(messages);
    let wanted = *received;
    let began = SystemClock.now();
    broker
        .client()
        .publish_acknowledged(messages)
        .expect("stored");
    let mut taken_after = None;
    // Views go on meanwhile, and for some seconds: as many instants as seconds.
    let mut instants = vec![view_instant(service)];
    let mut asked = 0;
    while taken_after.is_none() || instants.len() < 6 {
        asked += 1;
        assert!(asked < 100_000, "events do not come in");
        if taken_after.is_none()
            && service.metrics().count("cxpulse_events_received_total") >= wanted
        {
            taken_after = Some(SystemClock.now().as_seconds() - began.as_seconds());
        }
        let at = view_instant(service);
        if instants.last() != Some(&at) {
            instants.push(at);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let seconds = taken_after.expect("they came in");
    let span = instants[instants.len() - 1].duration_since(instants[0]);
    let steps = number(instants.len() - 1);
    Turn {
        rate: number(EVENTS) / seconds,
        refresh_ms: span.as_secs_f64() * 1000.0 / steps,
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
    let nats = require_tool!("nats-server");
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start_new(&nats, folder.path());
    let (base, address) = Service::base_config(&broker.url(), folder.path());
    let subjects = ["cx.interactions.>", "cx.surveys.>", "orders.>"];
    let created = broker
        .client()
        .create_stream("SHARED", &subjects, &serde_json::json!({}));
    created.expect("a new stream");
    let config = format!("{base}[source]\nstream = \"SHARED\"\n[dead_letter]\ncreate = true\n");
    let mut service = Service::start(&config, &address, folder.path());
    service.wait_for_metrics("a stream", Duration::from_secs(30), |page| {
        page.value("cxpulse_caught_up", &[]) == Some(1.0)
    });
    let mut traffic = Traffic::before(SystemClock.now().as_millis(), 11);
    let batches: Vec<Vec<Publish>> = (0..=2 * TURNS).map(|_| traffic.messages(EVENTS)).collect();
    let mut batches = batches.into_iter();
    let mut received = 0;
    // Warm up.
    turn(
        &broker,
        &mut service,
        &batches.next().expect("a batch"),
        &mut received,
    );
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        without.push(turn(
            &broker,
            &mut service,
            &batches.next().expect("a batch"),
            &mut received,
        ));
        let boards = Boards::open(&address, BOARDS);
        service.wait_for_metrics("open wallboards", Duration::from_secs(30), |page| {
            page.value("cxpulse_http_stream_clients", &[]) == Some(200.0)
        });
        with.push(turn(
            &broker,
            &mut service,
            &batches.next().expect("a batch"),
            &mut received,
        ));
        assert!(boards.close() > 0, "they read something");
        service.wait_for_metrics("closed wallboards", Duration::from_mins(1), |page| {
            page.value("cxpulse_http_stream_clients", &[]) == Some(0.0)
        });
    }
    let rate = |turns: &[Turn]| median(turns.iter().map(|turn| turn.rate).collect());
    let refresh = |turns: &[Turn]| median(turns.iter().map(|turn| turn.refresh_ms).collect());
    println!("without {without:?}\nwith {with:?}");
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
