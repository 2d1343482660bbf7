//! Canaries: a word of its own in every secret, in the ids of customers, interactions and surveys,
//! and in comments. Every way to fail is gone at trace level, and none of the words may be found in
//! what is printed, logged, served, sent or kept.

#![expect(
    clippy::shadow_unrelated,
    reason = "scenes that begin again use the same short names"
)]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cxpulse::http::PATHS;
use cxpulse::time::{Clock, SystemClock};
use nkeys::KeyPair;
use serde_json::json;
use tempfile::TempDir;

use crate::support::broker::Broker;
use crate::support::http;
use crate::support::nats_raw::{Publish, RawNats};
use crate::support::process::{self, Process};
use crate::support::service::Service;
use crate::support::tools::require_tool;

const WITHIN: Duration = Duration::from_mins(1);

/// Begins every word that is planted as it stands.
const CANARY: &str = "cnry7Q";

/// A word to plant: the same every time, found nowhere else.
fn word(name: &str) -> String {
    format!("{CANARY}{name}x9")
}

/// A scene's folder, and the words that are looked for besides those that begin as canaries.
struct Nest {
    folder: TempDir,
    more: Vec<String>,
    /// What was printed by commands that have ended.
    printed: Vec<Vec<u8>>,
}

impl Nest {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            more: Vec::new(),
            printed: Vec::new(),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A file with a secret; its path as it stands in a configuration.
    fn secret_file(&self, name: &str, text: &str) -> String {
        let folder = self.path().join("secrets");
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join(name);
        fs::write(&path, text).expect("a file");
        path.display().to_string()
    }

    /// The canaries in `bytes`, none if all is well.
    fn found_in(&self, bytes: &[u8]) -> Vec<String> {
        let has = |word: &&str| {
            bytes
                .windows(word.len())
                .any(|some| some == word.as_bytes())
        };
        let more = self.more.iter().map(String::as_str);
        // Base64 of a canary that begins anywhere in a group of three bytes.
        let encoded = ["Y25yeTdR", "Nucnk3U", "jbnJ5N1"];
        let words = [CANARY].into_iter().chain(encoded).chain(more);
        words.filter(has).map(str::to_owned).collect()
    }

    fn assert_clean(&self, what: &str, bytes: &[u8]) {
        let found = self.found_in(bytes);
        let text = String::from_utf8_lossy(bytes);
        let around = found.first().and_then(|word| text.find(word.as_str()));
        let around = around.map(|at| {
            text.chars()
                .skip(at.saturating_sub(300))
                .take(600)
                .collect::<String>()
        });
        assert!(found.is_empty(), "{found:?} in {what}: {around:?}");
    }

    /// Everything below the folder but what was planted or belongs to the server.
    fn assert_files_clean(&self) {
        let mut looked_at = 0;
        for path in files(self.path()) {
            let inside = path.strip_prefix(self.path()).expect("below");
            let text = inside.to_string_lossy();
            let planted = ["secrets", "jetstream", "nats", "cxpulse.toml", "planted"];
            if planted.iter().any(|name| text.starts_with(name)) {
                continue;
            }
            self.assert_clean("the name of a file", text.as_bytes());
            self.assert_clean(&text, &fs::read(&path).expect("a file"));
            looked_at += 1;
        }
        for printed in &self.printed {
            self.assert_clean("what a command printed", printed);
        }
        assert!(
            looked_at > 0 || !self.printed.is_empty(),
            "nothing was searched"
        );
    }

    /// All pages of a service, asked for with these headers.
    fn assert_pages_clean(&self, service: &Service, headers: &[(&str, &str)]) {
        for path in PATHS
            .into_iter()
            .chain(["/nothing", "/api/v1/kpis?kpi=x&window=%ff"])
        {
            if path == "/api/v1/stream" {
                continue;
            }
            let answer = http::request(service.address(), "GET", path, headers, b"");
            let answer = answer.expect("an answer");
            let head = format!("{:?}", answer.headers);
            self.assert_clean(path, head.as_bytes());
            self.assert_clean(path, &answer.body);
        }
    }

    /// Runs the program to its end and keeps what it prints.
    fn run(&mut self, arguments: &[&str], variables: &[(&str, &str)]) -> Option<i32> {
        let output = Command::new(env!("CARGO_BIN_EXE_cxpulse"))
            .args(arguments)
            .envs(variables.iter().copied())
            .env("RUST_BACKTRACE", "full")
            .output()
            .expect("cxpulse runs");
        self.printed.push([output.stdout, output.stderr].concat());
        output.status.code()
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// A configuration at trace level, in a hurry.
fn config(nats_url: &str, folder: &Path, tables: &str) -> (String, String) {
    let (base, address) = Service::base_config(nats_url, folder);
    let base = base.replace("[checkpoint]\n", "[checkpoint]\ninterval = \"100ms\"\n");
    let text = format!(
        "{base}refresh_interval = \"100ms\"\n\n[log]\nlevel = \"trace\"\n\n\
         [alerts]\ninterval = \"100ms\"\n\n{tables}"
    );
    (text, address)
}

/// Every way to say who we are, refused by the server; and who asks us, refused by us.
#[test]
fn credentials_show_nowhere_when_they_are_refused() {
    let nats_server = require_tool!("nats-server");
    let seed = || KeyPair::new_user().seed().expect("a seed");
    let (creds_seed, nkey_seed) = (seed(), seed());
    let jwt = BASE64_STANDARD.encode(format!("{{\"sub\":\"{}\"}}", word("Jwt")));
    let creds = format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{creds_seed}\n------END USER NKEY SEED------\n"
    );
    let ways = [
        (
            "password",
            word("NatsPassword"),
            "user = \"cx\"\npassword_file = ",
        ),
        ("token", word("NatsToken"), "token_file = "),
        ("creds", creds, "creds_file = "),
        ("nkey", nkey_seed.clone(), "nkey_file = "),
    ];
    let [token, password] = [word("Bearer"), word("HttpPassword")];
    let basic = BASE64_STANDARD.encode(format!("me:{password}"));
    for (number, (name, text, keys)) in ways.into_iter().enumerate() {
        let mut nest = Nest::new();
        nest.more = vec![
            creds_seed.clone(),
            nkey_seed.clone(),
            jwt.clone(),
            basic.clone(),
        ];
        let conf = nest.path().join("nats.conf");
        let users =
            "authorization { users: [ { user: raw, password: raw } ] }\nno_auth_user: raw\n";
        fs::write(&conf, users).expect("a file");
        let mut broker = Broker::prepare(&nats_server, nest.path())
            .argument("-c")
            .argument(conf.display().to_string());
        broker.start();
        let file = nest.secret_file(name, &text);
        let (auth, header) = if number % 2 == 0 {
            let file = nest.secret_file("bearer", &token);
            (
                format!("bearer_token_file = \"{file}\""),
                format!("Bearer {token}"),
            )
        } else {
            let auth = format!("user = \"me\"\npassword = \"{password}\"");
            (auth, format!("Basic {basic}"))
        };
        let (text, address) = config(
            &broker.url(),
            nest.path(),
            &format!("[http.auth]\n{auth}\n"),
        );
        let text = text.replace("[nats]\n", &format!("[nats]\n{keys}\"{file}\"\n"));
        let service = Service::start(&text, &address, nest.path());
        process::wait_until("an answer to the login", WITHIN, || {
            let log = broker.log();
            let is_refused = log.contains("authentication error") || log.contains("Authorization");
            // A server without keys of its own does not look at ours: it takes us for nobody.
            let knows_no_keys = name == "creds" || name == "nkey";
            is_refused || (knows_no_keys && service.log().contains("connected to NATS"))
        });
        nest.assert_pages_clean(&service, &[]);
        let wrong = format!("{header}x");
        nest.assert_pages_clean(&service, &[("Authorization", &wrong)]);
        nest.assert_pages_clean(&service, &[("Authorization", &header)]);
        assert!(service.stop().success());
        nest.assert_files_clean();
    }
}

/// A receiver that answers each request with the same text; counts them.
fn receiver(answer: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let requests = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&requests);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut head = [0; 1024];
            // A TLS greeting and a request look the same from here: some bytes.
            drop(stream.read(&mut head));
            count.fetch_add(1, Ordering::Relaxed);
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    (address, requests)
}

const ALERT: &str =
    "[[alert]]\nname = \"low\"\nkpi = \"csat\"\nwindow = \"1h\"\nbelow = 0.9\nmin_samples = 1\n";

/// A stream with customers who are not satisfied, and whose words nobody may repeat.
fn publish_surveys(nats: &mut RawNats) {
    let now_ms = SystemClock.now().as_millis();
    let events = (0..20).map(|number| {
        let contact = json!({"type": "interaction", "interaction_id": word(&format!("Interaction{number}")),
            "customer_id": word("Customer"), "issue_id": word("Issue"), "ended_at": now_ms - 90_000 + number,
            "queue": "sales", "talk_seconds": 60, "resolved": true, "comment": word("Note")});
        // Long before, so that the window is complete.
        let survey = json!({"type": "survey", "survey_id": word(&format!("Survey{number}")),
            "submitted_at": now_ms - if number == 0 { 7_300_000 } else { 60_000 }, "csat": 1,
            "customer_id": word("Customer"), "interaction_id": word(&format!("Interaction{number}")),
            "comment": word("Comment")});
        Publish::new("cx.surveys.a", format!("{contact}\n{survey}"))
            .header("Nats-Msg-Id", &word(&format!("Message{number}")))
    });
    nats.publish_acknowledged(events.collect::<Vec<_>>())
        .expect("stored");
}

fn create_stream(nats: &mut RawNats, name: &str, subjects: &[&str]) {
    nats.create_stream(name, subjects, &json!({}))
        .expect("a stream");
}

/// Webhooks that fail in every way, with the secret in user, password, path and query.
#[test]
fn the_webhook_shows_nowhere_and_a_redirect_is_not_followed() {
    let nats_server = require_tool!("nats-server");
    let (elsewhere, strays) = receiver("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".into());
    let redirect = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{elsewhere}/{}\r\ncontent-length: 0\r\n\r\n",
        word("Location")
    );
    let echo = format!(
        "HTTP/1.1 500 Oops\r\ncontent-length: 10\r\n\r\n{}",
        "no\r\nno\u{1b}[1mn"
    );
    let (redirecting, asked) = receiver(redirect);
    let (failing, _) = receiver(echo);
    let login = format!("{}:{}", word("HookUser"), word("HookPassword"));
    let path = format!("{}?token={}", word("HookPath"), word("HookToken"));
    let urls = [
        format!("http://{login}@127.0.0.1:1/{path}"),
        format!("http://{login}@{redirecting}/{path}"),
        format!("http://{login}@{failing}/{path}"),
        format!("https://{login}@{failing}/{path}"),
        format!("http://{login}@nowhere.invalid/{path}"),
    ];
    for (number, url) in urls.into_iter().enumerate() {
        let mut nest = Nest::new();
        nest.more = vec![BASE64_STANDARD.encode(&login)];
        let broker = Broker::start_new(&nats_server, nest.path());
        let mut nats = broker.client();
        create_stream(&mut nats, "CX", &["cx.interactions.>", "cx.surveys.>"]);
        create_stream(&mut nats, "ALERTS", &["cx.alerts.>"]);
        publish_surveys(&mut nats);
        let key = if number % 2 == 0 {
            format!("url = \"{url}\"")
        } else {
            format!("url_file = \"{}\"", nest.secret_file("url", &url))
        };
        let sinks = "[sinks.alertmanager]\nurls = [\"http://127.0.0.1:1\"]\n";
        let tables = format!("{ALERT}\n{sinks}\n[sinks.webhook]\n{key}\n");
        let (text, address) = config(&broker.url(), nest.path(), &tables);
        let mut service = Service::start(&text, &address, nest.path());
        service.wait_for_metrics("a failed delivery", WITHIN, |page| {
            let count = |sink, outcome| {
                let labels = [("sink", sink), ("outcome", outcome)];
                page.value("cxpulse_alert_notifications_total", &labels)
                    .unwrap_or(0.0)
            };
            let failed = ["failed", "rejected"].map(|outcome| count("webhook", outcome));
            failed.iter().sum::<f64>() > 0.0 && count("nats", "delivered") > 0.0
        });
        nest.assert_pages_clean(&service, &[]);
        service.signal("HUP");
        assert!(service.stop().success());
        for message in nats.stored_messages("ALERTS").expect("messages") {
            nest.assert_clean("a notification", &message.payload);
            nest.assert_clean("its headers", format!("{:?}", message.headers).as_bytes());
        }
        nest.assert_files_clean();
    }
    assert!(
        asked.load(Ordering::Relaxed) > 0,
        "the redirecting one was asked"
    );
    assert_eq!(strays.load(Ordering::Relaxed), 0, "no redirect is followed");
}

/// Customers, comments and ids through every reject, restart and damage, with no letter's payload.
#[test]
fn people_show_nowhere_whatever_goes_wrong() {
    let nats_server = require_tool!("nats-server");
    let nest = Nest::new();
    let broker = Broker::start_new(&nats_server, nest.path());
    let mut nats = broker.client();
    create_stream(&mut nats, "CX", &["cx.interactions.>", "cx.surveys.>"]);
    create_stream(&mut nats, "DEAD", &["cx.dead_letter"]);
    publish_surveys(&mut nats);
    publish_rejects(&mut nats);
    let tables = format!("{ALERT}\n[dead_letter]\npayload = \"none\"\n");
    let (text, address) = config(&broker.url(), nest.path(), &tables);
    let mut service = Service::start(&text, &address, nest.path());
    service.wait_for_metrics("all counted and saved", WITHIN, |page| {
        page.count("cxpulse_events_received_total") >= 40 + 8
            && page.value("cxpulse_dead_letters_total", &[("outcome", "stored")]) == Some(8.0)
            && page
                .value("cxpulse_checkpoint_last_success_timestamp_seconds", &[])
                .is_some_and(|at| at > 0.0)
    });
    nest.assert_pages_clean(&service, &[]);
    let state = nest.path().join("state");
    assert_private(&state);
    assert!(
        service.log().contains("DEBUG"),
        "the level is what it should be"
    );
    service.kill();
    nest.assert_files_clean();
    for file in files(&state)
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "cxp"))
    {
        let mut bytes = fs::read(file).expect("a checkpoint");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(file, bytes).expect("a file");
    }
    fs::write(
        state.join("alerts.json"),
        format!("{{\"version\":1,{}", word("State")),
    )
    .expect("a file");
    let mut service = Service::start(&text, &address, nest.path());
    service.wait_until_ready(WITHIN);
    assert!(service.log().contains("damaged"), "{}", service.log());
    fs::remove_file(state.join("alerts.corrupt")).expect("it was put aside");
    // A configuration that cannot be: the one of before goes on.
    fs::write(
        nest.path().join("cxpulse.toml"),
        format!("{text}\n[nats.x]\ny = \"{}\"\n", word("Reload")),
    )
    .expect("a file");
    service.signal("HUP");
    service.wait_for_metrics("a refused reload", WITHIN, |page| {
        page.value("cxpulse_config_last_reload_successful", &[]) == Some(0.0)
    });
    // No checkpoint can be written any more.
    let mut moved = 0;
    process::wait_until("a file in its place", WITHIN, || {
        moved += 1;
        // Made again when a checkpoint came in between.
        let aside = nest.path().join(format!("planted-{moved}"));
        fs::rename(&state, aside).is_ok() && fs::write(&state, "").is_ok()
    });
    service.wait_for_metrics("a failed checkpoint", WITHIN, |page| {
        page.count("cxpulse_checkpoint_failures_total") > 0
    });
    nest.assert_pages_clean(&service, &[]);
    for message in nats.stored_messages("DEAD").expect("letters") {
        nest.assert_clean("a dead letter", format!("{:?}", message.headers).as_bytes());
        assert!(message.payload.is_empty());
    }
    service.stop();
    nest.assert_files_clean();
}

/// One event for each way to be rejected.
fn publish_rejects(nats: &mut RawNats) {
    let now_ms = SystemClock.now().as_millis();
    let event = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut event = json!({"type": "interaction", "interaction_id": word("Rejected"),
            "customer_id": word("Customer"), "ended_at": now_ms - 60_000, "comment": word("Comment")});
        change(&mut event);
        event.to_string()
    };
    let texts = [
        event(&|event| event["comment"] = json!(word("Large").repeat(30_000))),
        event(&|_| {}).replace('}', &word("NoJson")),
        event(&|event| event["type"] = json!(word("Kind"))),
        event(&|event| event["ended_at"] = json!(null)),
        event(&|event| event["talk_seconds"] = json!(word("Talk"))),
        event(&|event| event["customer_id"] = json!(word("Long").repeat(30))),
        event(&|event| event["ended_at"] = json!(now_ms + 7_200_000)),
        event(&|event| event["ended_at"] = json!(now_ms - 200_000_000)),
    ];
    let messages = texts.map(|text| Publish::new("cx.interactions.a", text));
    nats.publish_acknowledged(messages).expect("stored");
}

/// Nobody else may look: 0700 for the folder, 0600 for what is in it.
fn assert_private(state: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| {
        fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(state), 0o700);
    let inside = files(state);
    assert!(inside.iter().any(|path| path.ends_with("key")));
    assert!(
        inside
            .iter()
            .any(|path| path.extension().is_some_and(|end| end == "cxp"))
    );
    for path in inside {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

/// Configurations with secrets; the first two are right.
fn wrong_configurations(many_lines: &str, missing: &str) -> Vec<String> {
    vec![
        format!(
            "[nats]\nuser = \"cx\"\npassword = \"{}\"\n[http.auth]\nbearer_token = \"{}\"\n[sinks.webhook]\nurl = \"https://h/{}\"\n",
            word("P"),
            word("B"),
            word("H")
        ),
        format!(
            "[nats]\ntoken = \"{}\"\n[http.auth]\nuser = \"u\"\npassword = \"{}\"\n",
            word("T"),
            word("P")
        ),
        format!(
            "[nats]\nurl = \"nats://u:{}@127.0.0.1:4222\"\n",
            word("Url")
        ),
        format!("[nats]\nurl = \"nats://{}@127.0.0.1:4222\"\n", word("Url")),
        format!("[nats]\nurl = [\"nats://u:{}@h\"]\n", word("Url")),
        format!("[nats]\npassword = \"{}\"\n", word("P")),
        format!("[nats]\nuser = \"u\"\npassword = [\"{}\"]\n", word("P")),
        format!(
            "[nats]\nuser = \"u\"\npassword = {{ x = \"{}\" }}\n",
            word("P")
        ),
        format!(
            "[nats]\ntoken = \"{}\"\ntoken_file = \"{many_lines}\"\n",
            word("T")
        ),
        format!("[nats]\ntoken_file = \"{many_lines}\"\n"),
        format!("[nats]\ntoken_file = \"{missing}\"\n"),
        format!("[nats]\ntoken = \"{}\n", word("Open")),
        format!("[nats]\ntoken = {}\n", word("Bare")),
        format!("[nats]\ntoken = \"{}\" x\n", word("Trailing")),
        format!("[nats]\ntoken = \"\\q{}\"\n", word("Escape")),
        format!("[nats]\ntoken = \"a\"\ntoken = \"{}\"\n", word("Twice")),
        format!(
            "[http.auth]\nbearer_token = \"{}\"\nuser = \"u\"\npassword = \"{}\"\n",
            word("B"),
            word("P")
        ),
        format!("[http]\nauth = \"{}\"\n", word("Auth")),
        format!("[sinks.webhook]\nurl = \"ftp://u:{}@h\"\n", word("Hook")),
        format!("[sinks.webhook]\nurl = [\"{}\"]\n", word("Hook")),
        format!("[sinks]\nwebhook = \"https://h/{}\"\n", word("Hook")),
        format!(
            "[sinks.alertmanager]\nurls = [\"http://u:{}@h\"]\n",
            word("Am")
        ),
    ]
}

/// Configurations that are wrong at the very place of a secret, and commands that show or refuse.
#[test]
fn no_command_prints_a_secret() {
    let mut nest = Nest::new();
    let many_lines = nest.secret_file("lines", &format!("{}\n{}\n", word("Line1"), word("Line2")));
    let missing = nest.path().join("secrets/absent").display().to_string();
    let texts = wrong_configurations(&many_lines, &missing);
    for (number, text) in texts.iter().enumerate() {
        let file = nest.path().join(format!("planted-{number}.toml"));
        fs::write(&file, text).expect("a file");
        let file = file.display().to_string();
        nest.run(&["validate", &file], &[]);
        nest.run(&["config", "show", "--config", &file], &[]);
        nest.run(&["rules", "--config", &file], &[]);
        if number >= 2 {
            // Refused before the file of events is looked for.
            assert_eq!(
                nest.run(&["replay", "--config", &file, "/nowhere"], &[]),
                Some(3)
            );
        }
    }
    let long = word("Variable");
    for (name, value) in [
        ("CXPULSE__NATS__PASSWORD", long.clone()),
        ("CXPULSE__NATS__TOKEN", format!("[\"{long}\"]")),
        ("CXPULSE__NATS__TOKEN__X", long.clone()),
        ("CXPULSE__HTTP__AUTH", long.clone()),
        ("CXPULSE__HTTP__AUTH__BEARER_TOKEN", long.clone()),
        ("CXPULSE__HTTP__AUTH__PASSWORD", long.clone()),
        ("CXPULSE__SINKS__WEBHOOK__URL", long.clone()),
        (
            "CXPULSE__SINKS__WEBHOOK",
            format!("{{url=\"https://h/{long}\",x=1}}"),
        ),
        ("CXPULSE__NATS", format!("{{token=\"{long}\"")),
        ("CXPULSE__NATS__URL", format!("nats://u:{long}@h:x")),
    ] {
        nest.run(&["validate"], &[(name, &value)]);
        nest.run(&["config", "show"], &[(name, &value)]);
    }
    let shown = nest.printed.concat();
    assert!(String::from_utf8_lossy(&shown).contains("\"redacted\""));
    let url = format!("nats://u:{}@127.0.0.1:1", word("Argument"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_cxpulse"));
    command.args(["simulate", "-vv", "--nats", &url]);
    let simulate = Process::start("simulate", &mut command, nest.path());
    process::wait_until("a word", WITHIN, || !simulate.stderr().is_empty());
    simulate.kill();
    nest.assert_files_clean();
}
