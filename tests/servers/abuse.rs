//! Clients that abuse the HTTP side while events come in: headers that never end, connections that
//! say nothing, readers that do not read. The stream is read at its rate, whoever asks decently is
//! answered, and what is taken is bounded.

#![expect(
    clippy::shadow_unrelated,
    reason = "a page is looked at again and again, and each time it is the page"
)]

use std::time::Duration;

use cxpulse::http::PATHS;
use cxpulse::time::{Clock, SystemClock, Timestamp};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::feed::{Feed, given};
use crate::support::broker::Broker;
use crate::support::http;
use crate::support::page::Page;
use crate::support::process;
use crate::support::service::Service;
use crate::support::tools::require_tool;

const WITHIN: Duration = Duration::from_mins(1);

const SLOW_HEADERS: u64 = 200;
const IDLE: u64 = 2000;
const STUCK_READERS: u64 = 100;

/// Everybody who abuses, until dropped.
struct Abuse {
    runtime: Option<Runtime>,
}

impl Abuse {
    fn start(address: &str) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        for _ in 0..SLOW_HEADERS {
            runtime.spawn(again(address.into(), |stream| Box::pin(dribble(stream))));
        }
        for _ in 0..STUCK_READERS {
            runtime.spawn(again(address.into(), |stream| Box::pin(never_read(stream))));
        }
        runtime.spawn(again(address.into(), |stream| {
            Box::pin(read_a_byte_a_second(stream))
        }));
        Self {
            runtime: Some(runtime),
        }
    }

    /// More connections that say nothing than there is room for: whoever has not said what it wants
    /// gives way, long before a timeout ends it.
    fn crowd(&self, address: &str) {
        for _ in 0..IDLE {
            let runtime = self.runtime.as_ref().expect("a runtime until dropped");
            runtime.spawn(again(address.into(), |stream| {
                Box::pin(say_nothing(stream))
            }));
        }
    }
}

impl Drop for Abuse {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

type Doing = std::pin::Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>;

/// Whoever is cut comes again a second later.
async fn again(address: String, act: fn(TcpStream) -> Doing) {
    let address = address.parse().expect("an address");
    loop {
        let socket = TcpSocket::new_v4().and_then(|socket| {
            // So that a reader that does not read is stuck soon.
            socket.set_recv_buffer_size(4096)?;
            Ok(socket)
        });
        if let Ok(socket) = socket
            && let Ok(stream) = socket.connect(address).await
        {
            // It ends when the server has had enough.
            drop(act(stream).await);
        }
        sleep(Duration::from_secs(1)).await;
    }
}

async fn dribble(mut stream: TcpStream) -> std::io::Result<()> {
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n")
        .await?;
    loop {
        for byte in b"x-a: b\r\n" {
            stream.write_all(&[*byte]).await?;
            sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn say_nothing(mut stream: TcpStream) -> std::io::Result<()> {
    stream.read_u8().await.map(drop)
}

async fn never_read(mut stream: TcpStream) -> std::io::Result<()> {
    stream
        .write_all(b"GET /api/v1/stream HTTP/1.1\r\nhost: x\r\n\r\n")
        .await?;
    // Cut by the server long before; a write would tell, and there is nothing to write.
    sleep(Duration::from_secs(35)).await;
    Ok(())
}

async fn read_a_byte_a_second(mut stream: TcpStream) -> std::io::Result<()> {
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
        .await?;
    loop {
        stream.read_u8().await?;
        sleep(Duration::from_secs(1)).await;
    }
}

/// Scrapes and probes like a decent client for that long; gives events received a second.
fn decent_clients(service: &Service, span: Duration) -> f64 {
    let received = |page: &Page| page.count("cxpulse_events_received_total");
    let look = || -> (u64, Timestamp) { (received(&service.metrics()), SystemClock.now()) };
    let (before, from) = look();
    process::poll(span, || {
        assert_eq!(service.get("/livez").status, 200);
        let page = service.metrics();
        assert!(page.count("cxpulse_http_connections") <= 512);
        assert!(page.count("cxpulse_http_stream_clients") <= 256);
        false
    });
    let (after, until) = look();
    let events = u32::try_from(after - before).expect("few events");
    f64::from(events) / Timestamp::from_millis(until.millis_since(from)).as_seconds()
}

/// With `CXPULSE_ABUSE_SECONDS=60 CXPULSE_ABUSE_RATE=10000` it takes two minutes and the ratio of
/// the rates is looked at, too; the ordinary run looks at what must hold at any speed.
#[test]
fn who_abuses_http_slows_nobody_down() {
    let nats_server = require_tool!("nats-server");
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start_new(&nats_server, folder.path());
    let mut nats = broker.client();
    nats.create_stream("CX", &["cx.interactions.>", "cx.surveys.>"], &json!({}))
        .expect("a stream");
    let (base, address) = Service::base_config(&broker.url(), folder.path());
    let config = format!(
        "{base}refresh_interval = \"200ms\"\n\n\
         [http.limits]\nheader_timeout = \"1s\"\nwrite_timeout = \"1s\"\n"
    );
    let mut service = Service::start(&config, &address, folder.path());
    let (seconds, rate) = (
        given("CXPULSE_ABUSE_SECONDS", 3),
        given("CXPULSE_ABUSE_RATE", 2000),
    );
    let feed = Feed::start(nats, rate);
    service.wait_until_ready(WITHIN);
    let span = Duration::from_secs(seconds);
    let calm = decent_clients(&service, span);
    let abuse = Abuse::start(&address);
    let cut = |page: &Page, reason: &str| {
        page.value("cxpulse_http_connections_cut_total", &[("reason", reason)])
    };
    for reason in ["headers", "write"] {
        service.wait_for_metrics(reason, WITHIN, |page| cut(page, reason) > Some(0.0));
    }
    abuse.crowd(&address);
    service.wait_for_metrics("idle", WITHIN, |page| cut(page, "idle") > Some(0.0));
    let abused = decent_clients(&service, span);
    let page = service.metrics();
    let resident = page.count("process_resident_memory_bytes");
    println!(
        "{seconds} s each: {calm:.0} events/s in calm, {abused:.0} under abuse, ratio {:.3}; \
         {} MiB resident; cut: headers {:?}, write {:?}, idle {:?}; behind {:?} s",
        abused / calm,
        resident >> 20,
        cut(&page, "headers"),
        cut(&page, "write"),
        cut(&page, "idle"),
        page.value("cxpulse_behind_seconds", &[]),
    );
    assert!(resident < 500 << 20, "{resident} bytes");
    if seconds >= 30 {
        assert!(abused > 0.9 * calm, "{abused} events/s, {calm} before");
    }
    drop(abuse);
    let published = feed.finish();
    let page = service.wait_for_metrics("all events", WITHIN, |page| {
        page.count("cxpulse_events_received_total") >= published
    });
    assert_eq!(page.count("cxpulse_events_received_total"), published);
    service.wait_for_metrics("connections that end", WITHIN, |page| {
        page.count("cxpulse_http_connections") <= 2
    });
    assert!(service.stop().success());
}

/// Every route of the built program: the probes are open, everything else is for those who know the
/// secret, whichever way it is asked for.
#[test]
fn every_route_asks_for_credentials_but_the_probes() {
    // "me:s3cret-word" and "me:other" in base64.
    let kinds = [
        (
            "bearer_token = \"s3cret-word\"",
            "Bearer s3cret-word",
            "Bearer s3cret-wore",
        ),
        (
            "user = \"me\"\npassword = \"s3cret-word\"",
            "Basic bWU6czNjcmV0LXdvcmQ=",
            "Basic bWU6b3RoZXI=",
        ),
    ];
    for (auth, right, wrong) in kinds {
        let folder = tempfile::tempdir().expect("a folder");
        // Nobody listens there: routes do not wait for NATS.
        let (base, address) = Service::base_config("nats://127.0.0.1:1", folder.path());
        let config = format!("{base}[http.auth]\n{auth}\n");
        let service = Service::start(&config, &address, folder.path());
        for path in PATHS
            .into_iter()
            .chain(["/nothing", "/metrics/", "//metrics", "/livez/.."])
        {
            let is_probe = path == "/livez" || path == "/readyz";
            // The page holds no figures and asks for the token itself.
            let is_page = path == "/" || path.starts_with("/board/");
            let is_page = is_page && auth.starts_with("bearer");
            for method in ["GET", "POST", "PUT", "OPTIONS"] {
                let status = |headers: &[(&str, &str)]| {
                    let answer = http::request(&address, method, path, headers, b"");
                    answer.expect("an answer").status
                };
                let all_wrong = [&[][..], &[("Authorization", wrong)], &[("Cookie", right)]];
                for headers in all_wrong {
                    // The stream with the right credentials does not end; it is tried below.
                    let refused = status(headers) == 401;
                    let is_closed = !is_probe && !is_page;
                    assert_eq!(refused, is_closed, "{method} {path} {headers:?}");
                }
                if path != "/api/v1/stream" {
                    let found = status(&[("Authorization", right)]);
                    assert_ne!(found, 401, "{method} {path}");
                }
            }
        }
        assert!(service.stop().success());
    }
}
