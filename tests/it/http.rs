//! The HTTP server over real sockets, with a client that knows nothing of HTTP libraries.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cxpulse::export::AlertSeries;
use cxpulse::http::{Alerts, Auth, PATHS, Server, Settings, Shared, Stopped, Tls, TlsError};
use cxpulse::secret::Secret;
use cxpulse::telemetry::{KnownLabels, SelfMetrics};
use cxpulse::time::{Clock, ManualClock, Timestamp};
use prometheus::Registry;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::export::full_view;

/// Longest wait for anything; only a failing test meets it.
const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    address: std::net::SocketAddr,
    shared: Arc<Shared>,
    metrics: SelfMetrics,
    clock: Arc<ManualClock>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Stopped>,
}

const START: Timestamp = Timestamp::from_millis(1_772_438_400_000);

async fn start(settings: Settings) -> Running {
    let clock = Arc::new(ManualClock::at(START));
    let registry = Registry::new();
    let shown: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let metrics = SelfMetrics::new(&registry, Arc::clone(&shown), KnownLabels::default()).unwrap();
    let view = Arc::new(full_view(2, 1));
    let shared = Shared::new(&settings, registry, metrics.clone(), shown, view);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let server = Server::new(Arc::clone(&shared), &settings).unwrap();
    let task = tokio::spawn(server.serve(listener, async {
        stopped.await.ok();
    }));
    Running {
        address,
        shared,
        metrics,
        clock,
        stop,
        task,
    }
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1);
        let mut fields = lines.filter_map(|line| line.split_once(": "));
        fields
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn of(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self {
            status,
            head,
            body: bytes[end + 4..].to_vec(),
        }
    }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends one request on a connection of its own and reads to its end.
    async fn ask(&self, method: &str, path: &str, headers: &[&str]) -> Answer {
        let mut stream = self.connect().await;
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Answer::of(&to_end(&mut stream).await)
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[]).await
    }

    /// Opens the event stream and leaves it open.
    async fn open_stream(&self, query: &str) -> TcpStream {
        let mut stream = self.connect().await;
        let request = format!("GET /api/v1/stream{query} HTTP/1.1\r\nhost: test\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }
}

/// Everything until the other side closes, in whatever way.
async fn to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    let _closed_or_reset = read.expect("the server did not close the connection");
    bytes
}

/// Reads until `text` has been seen, and returns all that was read.
async fn until(stream: &mut TcpStream, text: &str) -> String {
    let mut bytes = Vec::new();
    let reading = async {
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let length = stream.read(&mut chunk).await.unwrap();
            assert!(length > 0, "closed before {text:?} came");
            bytes.extend_from_slice(&chunk[..length]);
            let tail = bytes.len().saturating_sub(length + text.len());
            if bytes[tail..]
                .windows(text.len())
                .any(|window| window == text.as_bytes())
            {
                break;
            }
        }
    };
    timeout(PATIENCE, reading).await.expect("waited in vain");
    String::from_utf8(bytes).unwrap()
}

/// Waits until `condition` holds.
async fn eventually(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, waiting)
        .await
        .expect("it never came true");
}

fn limited(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings::default();
    change(&mut settings);
    settings
}

#[tokio::test]
async fn metrics_hold_back_kpis_until_caught_up_and_keep_them_then() {
    let server = start(Settings::default()).await;
    let before = server.get("/metrics").await;
    assert_eq!(before.status, 200);
    assert_eq!(
        before.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert!(before.text().contains("cxpulse_caught_up 0"));
    assert!(!before.text().contains("cx_"), "{}", before.text());
    server.shared.set_caught_up();
    let after = server.get("/metrics").await;
    assert!(after.text().contains("cxpulse_caught_up 1"));
    assert!(
        after
            .text()
            .contains("cx_csat_ratio{window=\"1h\",breakdown=\"overall\"} ")
    );
    server.shared.set_attached(false);
    assert!(
        server
            .get("/metrics")
            .await
            .text()
            .contains("cx_csat_ratio{")
    );
}

#[tokio::test]
async fn metrics_follow_views_and_alerts() {
    let server = start(Settings::default()).await;
    server.shared.set_caught_up();
    assert!(server.get("/metrics").await.text().contains("\"queue 1\""));
    server.shared.publish(Arc::new(full_view(1, 1)));
    let page = server.get("/metrics").await;
    assert!(page.text().contains("\"queue 0\"") && !page.text().contains("\"queue 1\""));
    server.shared.set_alerts(Alerts {
        series: vec![AlertSeries {
            name: "low".into(),
            severity: "page".into(),
            labels: vec![],
            state: 1,
            insufficient: false,
        }],
        json: "{\"rules\":[{\"alert\":\"low\"}]}".into(),
    });
    let alerted = server.get("/metrics").await;
    assert!(
        alerted
            .text()
            .contains("cx_alert_state{alert=\"low\",severity=\"page\"} 1\n")
    );
    let alerts = server.get("/api/v1/alerts").await;
    assert_eq!(alerts.json()["rules"][0]["alert"], "low");
}

/// Self metrics are those of the scrape even when no view comes any more.
#[tokio::test]
async fn self_metrics_do_not_wait_for_a_view() {
    let server = start(Settings::default()).await;
    assert!(
        server
            .get("/metrics")
            .await
            .text()
            .contains("cxpulse_nats_connected 0")
    );
    server.metrics.nats_connected.set(1);
    server.clock.set(START.plus_millis(1000));
    assert!(
        server
            .get("/metrics")
            .await
            .text()
            .contains("cxpulse_nats_connected 1")
    );
}

#[tokio::test]
async fn gzip_and_head_say_the_same_as_get() {
    let server = start(Settings::default()).await;
    server.shared.set_caught_up();
    let plain = server.get("/metrics").await;
    let zipped = server
        .ask("GET", "/metrics", &["accept-encoding: gzip, deflate"])
        .await;
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    assert_eq!(zipped.header("vary"), Some("accept-encoding"));
    assert!(zipped.body.len() < plain.body.len() / 4);
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*zipped.body)
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, plain.text());
    let head = server.ask("HEAD", "/metrics", &[]).await;
    assert_eq!(head.status, 200);
    assert_eq!(
        head.header("content-length"),
        Some(plain.body.len().to_string().as_str())
    );
    assert!(head.body.is_empty());
}

#[tokio::test]
async fn readiness_names_every_reason() {
    let server = start(Settings::default()).await;
    let shared = &server.shared;
    let answer = server.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.text(),
        "state is not restored yet\nnot attached to the stream\nhistory is not caught up with yet\n"
    );
    shared.set_restored();
    shared.set_attached(true);
    shared.set_caught_up();
    assert_eq!(server.get("/readyz").await.status, 200);
    shared.set_stopping();
    let last = server.get("/readyz").await;
    assert_eq!((last.status, last.text()), (503, "shutting down\n"));
    assert_eq!(server.get("/livez").await.status, 200);
}

#[tokio::test]
async fn liveness_is_the_engines_pulse() {
    let server = start(Settings::default()).await;
    server.clock.set(START.plus_millis(30_000));
    assert_eq!(server.get("/livez").await.status, 200);
    server.clock.set(START.plus_millis(30_001));
    let answer = server.get("/livez").await;
    assert_eq!(
        (answer.status, answer.text()),
        (503, "the engine has not ticked for 30 s\n")
    );
    server.shared.tick(START.plus_millis(30_001));
    assert_eq!(server.get("/livez").await.status, 200);
}

#[tokio::test]
async fn the_api_narrows_and_refuses_what_it_does_not_know() {
    let server = start(Settings::default()).await;
    let early = server.get("/api/v1/kpis?kpi=nps").await;
    assert_eq!(early.json()["caught_up"], false);
    server.shared.set_caught_up();
    let all = server.get("/api/v1/kpis").await;
    assert_eq!(all.header("content-type"), Some("application/json"));
    assert_eq!(all.json()["at"], "2026-03-02T08:00:00.000Z");
    assert!(all.json().get("caught_up").is_none());
    assert_eq!(all.json()["kpis"].as_array().unwrap().len(), 15 * 3 * 4 - 3);
    let narrow = "kpi=csat&kpi=nps&window=1h&breakdown=queue&breakdown=";
    let some = server.get(&format!("/api/v1/kpis?{narrow}")).await.json();
    let rows = some["kpis"].as_array().unwrap();
    assert_eq!(rows.len(), 4);
    assert!(
        rows.iter()
            .all(|row| row["window"] == "1h" && row["breakdown"] == "queue")
    );
    let one = server
        .get("/api/v1/kpis?kpi=nps&window=1h&queue=queue%201")
        .await;
    let one = one.json();
    let keys: Vec<&Value> = one["kpis"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["key"])
        .collect();
    assert_eq!(keys, [&serde_json::json!({"queue": "queue 1"})]);
    for (query, named) in [
        ("window=2m", "unknown window `2m`; there are 5m, 1h, 24h"),
        (
            "breakdown=team",
            "unknown breakdown `team`; there are overall, queue, channel",
        ),
        ("kpi=joy", "unknown kpi `joy`; there are fcr,"),
        (
            "windows=5m",
            "unknown parameter `windows`; there are kpi, window, breakdown, channel, queue",
        ),
        ("window=%ff", ""),
    ] {
        let answer = server.get(&format!("/api/v1/kpis?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        let problem = answer.json();
        assert_eq!(problem["status"], 400);
        assert!(
            problem["detail"].as_str().unwrap().starts_with(named),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn wrong_paths_and_methods_are_problems() {
    let server = start(Settings::default()).await;
    let missing = server.get("/nothing").await;
    assert_eq!(
        (missing.status, missing.json()["title"].as_str()),
        (404, Some("Not Found"))
    );
    for path in PATHS {
        let answer = server.ask("POST", path, &["content-length: 0"]).await;
        assert_eq!(answer.status, 405, "{path}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(answer.header("allow"), Some("GET,HEAD"), "{path}");
    }
}

#[tokio::test]
async fn every_answer_is_strict() {
    let server = start(Settings::default()).await;
    let all = PATHS.into_iter().filter(|path| *path != "/api/v1/stream");
    for path in all.chain(["/nothing"]) {
        let answer = server.get(path).await;
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"));
    }
    let landing = server.get("/").await;
    assert_eq!(
        landing.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    // Everything it loads comes from here, and nothing in it runs or styles by itself.
    assert!(!landing.text().contains("://") && !landing.text().contains("style="));
    assert!(!landing.text().contains("<style") && !landing.text().contains(" on"));
    let loaded = landing
        .text()
        .split(['"', '\''])
        .filter(|text| text.starts_with("/board/"));
    let loaded: Vec<&str> = loaded.collect();
    assert!(loaded.len() >= 3, "{loaded:?}");
    for path in loaded {
        assert!(PATHS.contains(&path), "{path}");
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn only_probes_answer_without_the_right_credentials() {
    let bearer = Auth::Bearer(Secret::new("s3cret".into()));
    let basic = Auth::Basic {
        user: "me".into(),
        password: Secret::new("s3cret".into()),
    };
    // "me:s3cret" and "me:wrong" in base64.
    let right_basic = "authorization: Basic bWU6czNjcmV0";
    let wrong_basic = "authorization: Basic bWU6d3Jvbmc=";
    let cases = [
        (
            bearer,
            "authorization: Bearer s3cret",
            "authorization: Bearer wrong",
        ),
        (basic, right_basic, wrong_basic),
    ];
    for (auth, right, wrong) in cases {
        let is_bearer = matches!(auth, Auth::Bearer(_));
        let server = start(limited(|settings| settings.auth = Some(auth))).await;
        for path in PATHS.into_iter().chain(["/nothing", "/livez/", "//livez"]) {
            // With a token the page itself is open: it asks for the token.
            let is_asset = path == "/" || path.starts_with("/board/");
            let is_probe = path == "/livez" || path == "/readyz" || (is_asset && is_bearer);
            for headers in [&[][..], &[wrong], &["authorization: "], &[right, right]] {
                let answer = server.ask("GET", path, headers).await;
                let refused = answer.status == 401;
                assert_eq!(
                    refused, !is_probe,
                    "{path} with {headers:?}: {}",
                    answer.head
                );
                if refused {
                    let challenge = answer.header("www-authenticate").unwrap();
                    assert!(challenge.contains("realm=\"cxpulse\""));
                    assert_eq!(answer.json()["status"], 401);
                    assert!(!answer.text().contains("s3cret"));
                }
            }
            if path != "/api/v1/stream" {
                assert_ne!(
                    server.ask("GET", path, &[right]).await.status,
                    401,
                    "{path}"
                );
            }
        }
    }
}

#[tokio::test]
async fn silent_and_slow_clients_are_cut() {
    let settings = limited(|settings| settings.limits.header_timeout = Duration::from_millis(150));
    let server = start(settings).await;
    let mut silent = server.connect().await;
    assert!(to_end(&mut silent).await.is_empty());

    let slow = server.connect().await;
    let (mut from_server, mut to_server) = slow.into_split();
    let dribble = tokio::spawn(async move {
        to_server.write_all(b"GET /metrics HTTP/1.1\r\n").await?;
        loop {
            to_server.write_all(b"x-a: b\r\n").await?;
            tokio::task::yield_now().await;
        }
        #[expect(unreachable_code, reason = "gives the block its type")]
        Ok::<(), std::io::Error>(())
    });
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, from_server.read_to_end(&mut bytes)).await;
    read.expect("a dribbling client was not cut").ok();
    assert!(timeout(PATIENCE, dribble).await.unwrap().unwrap().is_err());

    // A connection that has been served is cut as well when it goes silent.
    let mut idle = server.connect().await;
    idle.write_all(b"GET /livez HTTP/1.1\r\nhost: test\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(Answer::of(&to_end(&mut idle).await).status, 200);
}

#[tokio::test]
async fn a_huge_head_is_refused() {
    let server = start(Settings::default()).await;
    let mut stream = server.connect().await;
    let request = format!(
        "GET /metrics HTTP/1.1\r\nx-huge: {}\r\n\r\n",
        "a".repeat(100_000)
    );
    stream.write_all(request.as_bytes()).await.ok();
    let bytes = to_end(&mut stream).await;
    // The refusal may be lost to the reset that the unread rest of the head causes.
    assert!(bytes.is_empty() || Answer::of(&bytes).status == 431);
    let cut = &server.metrics.http.connections_cut;
    let cut = |reason: &str| cut.with_label_values(&[reason]).get();
    eventually(|| cut("head") == 1).await;
    assert_eq!(["headers", "write", "idle"].map(cut), [0; 3]);
    assert_eq!(server.get("/livez").await.status, 200);
}

/// Connections that ask for nothing make room, oldest first; those being answered do not.
#[tokio::test]
async fn the_cap_holds_and_idle_connections_make_room() {
    let server = start(limited(|settings| settings.limits.max_connections = 2)).await;
    let open = &server.metrics.http.connections;
    let mut first = server.connect().await;
    eventually(|| open.get() == 1).await;
    let mut second = server.connect().await;
    eventually(|| open.get() == 2).await;
    let mut busy = server.open_stream("?kpi=nps").await;
    until(&mut busy, "\n\n").await;
    assert!(
        to_end(&mut first).await.is_empty(),
        "the oldest idle one goes"
    );
    let mut busy_too = server.open_stream("?kpi=nps").await;
    until(&mut busy_too, "\n\n").await;
    assert!(to_end(&mut second).await.is_empty());

    assert_eq!(server.metrics.http.connections_refused.get(), 0);
    let mut refused = server.connect().await;
    assert_eq!(Answer::of(&to_end(&mut refused).await).status, 503);
    assert_eq!(server.metrics.http.connections_refused.get(), 1);
    assert_eq!(open.get(), 2);
    drop(busy);
    eventually(|| open.get() == 1).await;
    assert_eq!(server.get("/livez").await.status, 200);
}

#[tokio::test]
async fn the_stream_brings_each_view() {
    let server = start(Settings::default()).await;
    server.shared.set_caught_up();
    let mut stream = server
        .open_stream("?kpi=csat&window=5m&breakdown=overall")
        .await;
    let first = until(&mut stream, "\n\n").await;
    assert!(first.contains("content-type: text/event-stream\r\n"));
    assert!(first.contains("event: view\nid: 1772438400000\ndata: {"));
    let data: String = first
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .collect();
    let view: Value = serde_json::from_str(&data).unwrap();
    assert_eq!(view["kpis"].as_array().unwrap().len(), 1);
    let mut next = full_view(2, 1);
    next.at = Some(START.plus_millis(1000));
    server.shared.publish(Arc::new(next));
    assert!(
        until(&mut stream, "\n\n")
            .await
            .contains("id: 1772438401000\n")
    );
    assert_eq!(server.get("/api/v1/stream?window=2m").await.status, 400);
}

/// A reader that does not read gets the newest view afterwards, not a queue of old ones.
#[tokio::test(flavor = "multi_thread")]
async fn a_lagging_reader_gets_the_newest_view() {
    let server = start(Settings::default()).await;
    let mut view = full_view(300, 1);
    server.shared.publish(Arc::new(view.clone()));
    let mut stream = server.open_stream("").await;
    eventually(|| server.metrics.http.stream_clients.get() == 1).await;
    for second in 1..=60 {
        view.at = Some(START.plus_millis(second * 1000));
        server.shared.publish(Arc::new(view.clone()));
    }
    let newest = format!("id: {}\n", START.plus_millis(60_000).as_millis());
    let text = until(&mut stream, &newest).await;
    let events = text.matches("event: view\n").count();
    assert!(events < 60, "{events} views were queued");
}

#[tokio::test]
async fn the_stream_has_so_many_readers_and_no_more() {
    let server = start(limited(|settings| settings.limits.max_stream_clients = 1)).await;
    let mut reader = server.open_stream("?kpi=nps").await;
    until(&mut reader, "\n\n").await;
    let refused = server.get("/api/v1/stream").await;
    assert_eq!(
        (refused.status, refused.json()["status"].as_u64()),
        (503, Some(503))
    );
    assert_eq!(server.metrics.http.stream_clients_refused.get(), 1);
    drop(reader);
    let readers = &server.metrics.http.stream_clients;
    eventually(|| readers.get() == 0).await;
    let mut other = server.open_stream("?kpi=nps").await;
    assert!(until(&mut other, "\n\n").await.starts_with("HTTP/1.1 200"));
}

/// A client that takes nothing is cut, and nobody waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_reader_is_cut() {
    let settings = limited(|settings| settings.limits.write_timeout = Duration::from_millis(150));
    let server = start(settings).await;
    let view = Arc::new(full_view(1000, 1));
    server.shared.publish(Arc::clone(&view));
    let stuck = server.open_stream("").await;
    let readers = &server.metrics.http.stream_clients;
    eventually(|| readers.get() == 1).await;
    let cut = async {
        while readers.get() == 1 {
            server.shared.publish(Arc::clone(&view));
            assert_eq!(server.get("/livez").await.status, 200);
        }
    };
    timeout(PATIENCE, cut)
        .await
        .expect("the stuck reader was not cut");
    drop(stuck);
}

#[tokio::test]
async fn a_stop_ends_streams_and_idle_connections() {
    let server = start(Settings::default()).await;
    let mut reader = server.open_stream("?kpi=nps").await;
    until(&mut reader, "\n\n").await;
    let mut idle = server.connect().await;
    eventually(|| server.metrics.http.connections.get() == 2).await;
    server.shared.set_stopping();
    server.stop.send(()).unwrap();
    let ended = timeout(PATIENCE, server.task).await.unwrap().unwrap();
    assert_eq!(ended, Stopped::Drained);
    to_end(&mut reader).await;
    to_end(&mut idle).await;
    assert!(TcpStream::connect(server.address).await.is_err());
}

fn tls_file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/it/tls", name]
        .iter()
        .collect()
}

fn with_tls() -> Settings {
    limited(|settings| {
        settings.limits.header_timeout = Duration::from_millis(500);
        settings.tls = Some(Tls {
            cert_file: tls_file("cert.pem"),
            key_file: tls_file("key.pem"),
        });
    })
}

#[tokio::test]
async fn tls_answers_those_who_speak_it_and_no_others() {
    let server = start(with_tls()).await;
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(tls_file("cert.pem")).unwrap();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connector = TlsConnector::from(Arc::new(client));
    let connecting = connector.connect(name, server.connect().await);
    let mut stream = connecting.await.unwrap();
    let request = b"GET /livez HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(Answer::of(&bytes).status, 200);

    let mut plain = server.connect().await;
    plain.write_all(request).await.unwrap();
    assert!(!to_end(&mut plain).await.starts_with(b"HTTP"));
    let mut silent = server.connect().await;
    assert!(to_end(&mut silent).await.is_empty());
}

#[tokio::test]
async fn tls_that_cannot_be_set_up_is_no_server() {
    let shared = start(Settings::default()).await.shared;
    let error = |change: fn(&mut Tls)| {
        let mut settings = with_tls();
        change(settings.tls.as_mut().unwrap());
        let server: Result<Server, TlsError> = Server::new(Arc::clone(&shared), &settings);
        server.unwrap_err().to_string()
    };
    let missing = error(|tls| tls.cert_file = "nowhere.pem".into());
    assert_eq!(missing, "certificate nowhere.pem cannot be read");
    let swapped = error(|tls| tls.key_file = tls_file("cert.pem"));
    assert!(
        swapped.ends_with("cert.pem holds no private key in PEM form"),
        "{swapped}"
    );
    let empty = error(|tls| tls.cert_file = tls_file("key.pem"));
    assert!(
        empty.ends_with("key.pem holds no certificate in PEM form"),
        "{empty}"
    );
}

#[tokio::test]
async fn answers_are_as_the_api_describes_them() {
    use crate::openapi::findings;

    let server = start(Settings::default()).await;
    for caught_up in [false, true] {
        if caught_up {
            server.shared.set_caught_up();
        }
        for (path, schema) in [
            ("/api/v1/kpis", "Kpis"),
            ("/api/v1/history", "History"),
            ("/api/v1/alerts", "Alerts"),
            ("/api/v1/board", "Board"),
            ("/api/v1/kpis?kpi=joy", "Problem"),
            ("/api/v1/nothing", "Problem"),
        ] {
            let found = findings(schema, &server.get(path).await.json());
            assert!(found.is_empty(), "{path}: {found:?}");
        }
    }
    let described = server.get("/api/v1/openapi.json").await.json();
    assert_eq!(described["openapi"], "3.1.0");
    let mut stream = server.open_stream("?state=true&kpi=nps").await;
    let text = until(&mut stream, "event: view").await;
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let state: Value = serde_json::from_str(data.take(1).next().unwrap()).unwrap();
    assert_eq!(findings("State", &state), Vec::<String>::new());
    assert_eq!(state["caught_up"], true);
    assert_eq!(state["connected"], false);
}
