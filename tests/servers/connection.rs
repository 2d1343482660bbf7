//! Logging in to a real nats-server in each way, rotating what is needed for it, and with no more
//! rights than documented.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cxpulse::nats::{self, Link, Settings, Tls};
use cxpulse::secret::Secret;
use cxpulse::source::SourceEvent;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::source::{Reading, WITHIN, assert_numbers, earliest, publish, stream};
use crate::support::broker::Broker;
use crate::support::process;
use crate::support::tools::require_tool;

/// Seeds written for these tests; they open nothing else.
const SEED: &str = "SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBU";
const OTHER_SEED: &str = "SUANQDPB2RUOE4ETUA26CNX7FUKE5ZZKFCQIIW63OX225F2CO7UEXTM7ZY";

/// A server with this configuration, besides an unrestricted user for clients that say nothing.
fn broker(binary: &Path, folder: &Path, users: &str, more: &str) -> Broker {
    let config = folder.join("server.conf");
    let text = format!(
        "authorization {{ users: [ {{ user: raw, password: raw }}, {users} ] }}\n\
         no_auth_user: raw\n{more}\n"
    );
    fs::write(&config, text).unwrap();
    let mut broker = Broker::prepare(binary, folder)
        .argument("-c")
        .argument(config.display().to_string());
    broker.start();
    broker
}

/// A connection in the making.
struct Connecting {
    runtime: Runtime,
    link: Arc<Link>,
    stop: watch::Sender<bool>,
}

impl Connecting {
    fn start(settings: Settings) -> Self {
        let runtime = Runtime::new().unwrap();
        let link = Link::new();
        let (stop, mut stopped) = watch::channel(false);
        let task_link = Arc::clone(&link);
        runtime.spawn(async move {
            let client = nats::connect(&settings, &task_link, &mut stopped).await;
            stopped.wait_for(|stopping| *stopping).await.unwrap();
            drop(client);
        });
        Self {
            runtime,
            link,
            stop,
        }
    }

    fn wait_connects(&self, connects: u64) {
        let mut link = self.link.watch();
        let connected = link.wait_for(|state| state.connected && state.connects == connects);
        self.runtime
            .block_on(async { tokio::time::timeout(WITHIN, connected).await.map(drop) })
            .unwrap();
        process::wait_until("connection", WITHIN, || self.link.connected());
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        self.stop.send(true).unwrap();
    }
}

fn wait_for_refusal(broker: &Broker) {
    process::wait_until("refused login", WITHIN, || {
        broker.log().contains("authentication error")
    });
}

fn public_key(seed: &str) -> String {
    nkeys::KeyPair::from_seed(seed).unwrap().public_key()
}

#[test]
fn user_and_password_open_and_a_wrong_one_waits() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(&binary, folder.path(), "{ user: cx, password: right }", "");
    let login = |password: &str| Settings {
        url: broker.url(),
        user: Some("cx".into()),
        password: Some(Secret::new(password.into())),
        ..Settings::default()
    };
    Connecting::start(login("right")).wait_connects(1);
    let wrong = Connecting::start(login("wrong"));
    wait_for_refusal(&broker);
    assert!(!wrong.link.connected());
}

#[test]
fn a_rotated_nkey_is_used_without_a_restart() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let users = format!("{{ nkey: {} }}", public_key(SEED));
    let mut broker = broker(&binary, folder.path(), &users, "");
    let seed_file = folder.path().join("seed");
    fs::write(&seed_file, OTHER_SEED).unwrap();
    let connecting = Connecting::start(Settings {
        url: broker.url(),
        nkey_file: Some(seed_file.clone()),
        ..Settings::default()
    });
    // Wrong at first.
    wait_for_refusal(&broker);
    fs::write(&seed_file, SEED).unwrap();
    connecting.wait_connects(1);

    // And rotated while connected.
    broker.stop();
    let rotated = fs::read_to_string(folder.path().join("server.conf"))
        .unwrap()
        .replace(&public_key(SEED), &public_key(OTHER_SEED));
    fs::write(folder.path().join("server.conf"), rotated).unwrap();
    fs::write(&seed_file, OTHER_SEED).unwrap();
    broker.start();
    connecting.wait_connects(2);
}

fn tls_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/servers/tls")
        .join(name)
}

#[test]
fn tls_with_a_client_certificate_and_a_replaced_authority() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let tls = format!(
        "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, verify: true }}\n\
         allow_non_tls: true",
        tls_file("server.pem"),
        tls_file("server.key"),
        tls_file("ca.pem"),
    );
    let broker = broker(
        &binary,
        folder.path(),
        "{ user: cx, password: right }",
        &tls,
    );
    let ca_file = folder.path().join("ca.pem");
    fs::copy(tls_file("other-ca.pem"), &ca_file).unwrap();
    let connecting = Connecting::start(Settings {
        url: broker.url(),
        user: Some("cx".into()),
        password: Some(Secret::new("right".into())),
        tls: Some(Tls {
            ca_file: Some(ca_file.clone()),
            cert_file: Some(tls_file("client.pem")),
            key_file: Some(tls_file("client.key")),
            required: true,
        }),
        ..Settings::default()
    });
    // Not signed by that authority.
    process::wait_until("refused certificate", WITHIN, || {
        broker.log().contains("TLS handshake error")
    });
    assert!(!connecting.link.connected());
    fs::copy(tls_file("ca.pem"), &ca_file).unwrap();
    connecting.wait_connects(1);
}

/// The least rights that a source needs; documented in `docs/nats.md`.
const LEAST_RIGHTS: &str = r#"{
    user: cx, password: right,
    permissions: {
        publish: [
            "$JS.API.STREAM.INFO.CX", "$JS.API.CONSUMER.CREATE.CX.*",
            "$JS.API.CONSUMER.MSG.NEXT.CX.*", "$JS.API.CONSUMER.INFO.CX.*",
            "$JS.API.CONSUMER.DELETE.CX.*"
        ],
        subscribe: ["_INBOX.>"]
    }
}"#;

#[test]
fn a_source_needs_no_more_than_the_documented_rights() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(&binary, folder.path(), LEAST_RIGHTS, "");
    stream(&mut broker.client());
    publish(&mut broker.client(), 0..100);
    let settings = Settings {
        url: broker.url(),
        user: Some("cx".into()),
        password: Some(Secret::new("right".into())),
        ..Settings::default()
    };
    let mut reading = Reading::start_on(settings, earliest(), |_| {}, 4);
    assert_numbers(&reading.messages(100), 0..100);
    // Until an audit has had its answers.
    let last = reading.position.sequence;
    let foreign = crate::support::nats_raw::Publish::new("cx.other", "");
    broker.client().publish_acknowledged([&foreign]).unwrap();
    reading.until(|event| matches!(event, SourceEvent::Idle(idle) if idle.position.through > last));
    let consumer = broker.client().consumers("CX").unwrap().pop().unwrap();
    broker
        .client()
        .api(
            &format!("CONSUMER.DELETE.CX.{consumer}"),
            &serde_json::Value::Null,
        )
        .unwrap();
    publish(&mut broker.client(), 100..110);
    assert_numbers(&reading.messages(10), 100..110);
    assert!(!broker.log().contains("Violation"), "{}", broker.log());
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Ways to log in, each with a secret; most do not work.
fn logins(url: String, seed_file: PathBuf) -> Vec<Settings> {
    let secret = |text: &str| Some(Secret::new(text.into()));
    let login = Settings {
        url,
        user: Some("cx".into()),
        ..Settings::default()
    };
    let nobody = Settings {
        user: None,
        ..login.clone()
    };
    vec![
        Settings {
            password: secret("pw-canary"),
            ..login.clone()
        },
        Settings {
            password: secret("wrong-canary"),
            ..login.clone()
        },
        Settings {
            token: secret("token-canary"),
            ..nobody.clone()
        },
        Settings {
            nkey_file: Some(seed_file),
            ..nobody
        },
        Settings {
            url: "nats://cx:url-canary@127.0.0.1".into(),
            ..login
        },
    ]
}

/// Tries to connect for a while and logs all that comes of it.
async fn try_to_connect(settings: Settings) {
    let (_stop, mut stopped) = watch::channel(false);
    let link = Link::new();
    let connecting = nats::connect(&settings, &link, &mut stopped);
    match tokio::time::timeout(Duration::from_secs(1), connecting).await {
        Ok(Err(error)) => tracing::error!("{error} {error:?}"),
        other => tracing::error!("{other:?}"),
    }
}

#[test]
fn no_secret_is_logged_at_any_level() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let users = format!(
        "{{ user: cx, password: pw-canary }}, {{ nkey: {} }}",
        public_key(SEED)
    );
    let broker = broker(&binary, folder.path(), &users, "");
    let seed_file = folder.path().join("seed");
    fs::write(&seed_file, OTHER_SEED).unwrap();
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tracing::subscriber::with_default(subscriber, || {
        for settings in logins(broker.url(), seed_file) {
            runtime.block_on(try_to_connect(settings));
        }
    });
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for expected in ["waiting for NATS", "connected to NATS", "async_nats"] {
        assert!(text.contains(expected), "{expected}");
    }
    let told = text
        .lines()
        .find(|line| line.contains("canary") || line.contains(OTHER_SEED));
    assert_eq!(told, None);
}
