//! `cxpulse doctor` against real servers, and the least rights as `docs/nats.md` has them.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cxpulse::time::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::support::alertmanager::Alertmanager;
use crate::support::broker::Broker;
use crate::support::nats_raw::Publish;
use crate::support::process;
use crate::support::service::Service;
use crate::support::tools::require_tool;

const WITHIN: Duration = Duration::from_mins(1);

/// What a run of the doctor said.
#[derive(Debug)]
struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Said {
    /// The line of a failure with all these words.
    fn assert_fails(&self, words: &[&str]) {
        assert_eq!(self.code, 1, "{self:?}");
        let mut failures = self
            .stdout
            .lines()
            .filter(|line| line.starts_with("FAILED"));
        let found = failures.any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "{words:?} in {self:?}");
    }
}

fn doctor(config: &str, folder: &Path, more: &[&str]) -> Said {
    let file = folder.join("doctor.toml");
    fs::write(&file, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cxpulse"));
    command.arg("doctor").arg("--config").arg(&file).args(more);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said {
        code: output.status.code().unwrap(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// The rights that `docs/nats.md` shows: to publish, and to subscribe.
fn documented_rights() -> (Vec<String>, Vec<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/nats.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, after) = text.split_once("permissions: {").unwrap();
    let (block, _) = after.split_once("\n}\n").unwrap();
    let (publish, subscribe) = block.split_once("subscribe:").unwrap();
    let [publish, subscribe] = [publish, subscribe].map(|part| {
        let quoted = part.split('"').skip(1).step_by(2);
        quoted.map(str::to_owned).collect::<Vec<_>>()
    });
    assert_eq!((publish.len(), subscribe.len()), (7, 1));
    (publish, subscribe)
}

fn user(name: &str, publish: &[String], subscribe: &[String]) -> String {
    let list = |rights: &[String]| {
        let quoted: Vec<String> = rights.iter().map(|right| format!("{right:?}")).collect();
        quoted.join(", ")
    };
    format!(
        "{{ user: {name}, password: right, permissions: {{ publish: [{}], subscribe: [{}] }} }}",
        list(publish),
        list(subscribe)
    )
}

fn login(broker: &Broker, name: &str, password: &str) -> String {
    format!(
        "[nats]\nurl = \"{}\"\nuser = \"{name}\"\npassword = \"{password}\"\n",
        broker.url()
    )
}

/// An alert that fires at once.
const ALERT: &str = r#"
[alerts]
interval = "1s"

[[alert]]
name = "AnyCall"
kpi = "aht"
window = "1h"
above = 1
min_samples = 1
"#;

#[test]
fn the_documented_rights_are_enough_and_each_is_missed() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let (publish, subscribe) = documented_rights();
    let mut users = vec![
        user("cx", &publish, &subscribe),
        user("mute", &publish, &[]),
    ];
    for missing in 0..publish.len() {
        let mut granted = publish.clone();
        granted.remove(missing);
        users.push(user(&format!("without_{missing}"), &granted, &subscribe));
    }
    let config = folder.path().join("server.conf");
    let text = format!(
        "authorization {{ users: [ {{ user: raw, password: raw }},\n{} ] }}\nno_auth_user: raw\n",
        // An empty list would grant everything.
        users
            .join(",\n")
            .replace("subscribe: []", "subscribe: [\"nothing\"]")
    );
    fs::write(&config, text).unwrap();
    let mut broker = Broker::prepare(&binary, folder.path())
        .argument("-c")
        .argument(config.display().to_string());
    broker.start();
    let mut nats = broker.client();
    for (stream, subjects) in [
        ("CX", vec!["cx.interactions.>", "cx.surveys.>"]),
        ("DEAD", vec!["cx.dead_letter"]),
        ("ALERTS", vec!["cx.alerts.>"]),
    ] {
        nats.create_stream(stream, &subjects, &json!({})).unwrap();
    }

    let enough = doctor(&login(&broker, "cx", "right"), folder.path(), &["--strict"]);
    assert_eq!(enough.code, 0, "{enough:?}");
    for right in publish.iter().chain(&subscribe) {
        assert!(
            enough.stdout.contains(right.as_str()),
            "{right}: {enough:?}"
        );
    }
    assert!(nats.consumers("CX").unwrap().is_empty(), "left behind");
    for stream in ["DEAD", "ALERTS"] {
        assert!(nats.stored_messages(stream).unwrap().is_empty(), "{stream}");
    }
    do_all_with_these_rights(&broker, folder.path());
    assert!(!broker.log().contains("Violation"), "{}", broker.log());

    for (missing, right) in publish.iter().enumerate() {
        let name = format!("without_{missing}");
        let quick = ["--timeout", "2"];
        let said = doctor(&login(&broker, &name, "right"), folder.path(), &quick);
        said.assert_fails(&["right", right, "refused"]);
        let failed = said
            .stdout
            .lines()
            .filter(|line| line.starts_with("FAILED"));
        assert_eq!(failed.count(), 1, "{said:?}");
    }
    let mute = doctor(
        &login(&broker, "mute", "right"),
        folder.path(),
        &["--timeout", "1"],
    );
    mute.assert_fails(&["right", "_INBOX.>", "refused"]);
    // What the doctors made and could not delete goes by itself.
    process::wait_until("no consumers", WITHIN, || {
        nats.consumers("CX").unwrap().is_empty()
    });
}

/// A service that reads, rejects and alerts, and leaves nothing behind.
fn do_all_with_these_rights(broker: &Broker, folder: &Path) {
    let mut nats = broker.client();
    let (base, address) = Service::base_config(&broker.url(), folder);
    let base = base.replace("[nats]\n", "[nats]\nuser = \"cx\"\npassword = \"right\"\n");
    let mut service = Service::start(&format!("{base}{ALERT}"), &address, folder);
    let ended_at = SystemClock.now().as_millis() - 60_000;
    let call = json!({
        "type": "interaction", "interaction_id": "i-1", "ended_at": ended_at, "talk_seconds": 9,
    });
    let old = json!({
        "type": "interaction", "interaction_id": "i-0", "ended_at": ended_at - 7_200_000,
    });
    let messages = [old.to_string(), call.to_string(), "not JSON".into()];
    nats.publish_acknowledged(messages.map(|text| Publish::new("cx.interactions.a", text)))
        .unwrap();
    service.wait_for_metrics("two counted, one rejected", WITHIN, |page| {
        page.count("cxpulse_events_received_total") == 3
    });
    for stream in ["DEAD", "ALERTS"] {
        process::wait_until(stream, WITHIN, || {
            !nats.stored_messages(stream).unwrap().is_empty()
        });
    }
    assert!(service.stop().success());
    assert!(nats.consumers("CX").unwrap().is_empty(), "left behind");
}

#[test]
fn the_doctor_says_what_is_wrong_and_how_bad_it_is() {
    let binary = require_tool!("nats-server");
    let alertmanager = require_tool!("alertmanager");
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("server.conf");
    let users = "authorization { users: [ { user: raw, password: raw },\n\
                 { user: cx, password: right } ] }\nno_auth_user: raw\n";
    fs::write(&config, users).unwrap();
    let mut broker = Broker::prepare(&binary, folder.path())
        .argument("-c")
        .argument(config.display().to_string());
    let base = login(&broker, "cx", "right");
    let look = |text: &str| doctor(text, folder.path(), &["--timeout", "2"]);

    look(&base).assert_fails(&["nats", "Connection refused"]);
    let wrong = look("[nats]\nurl = \"nats://me:canary@host\"\n");
    assert_eq!(wrong.code, 3);
    assert!(!format!("{wrong:?}").contains("canary"), "{wrong:?}");
    assert_eq!(doctor(&base, folder.path(), &["--tumeout"]).code, 2);

    broker.start();
    look(&login(&broker, "cx", "wrong")).assert_fails(&["nats", "authorization violation"]);
    look(&base).assert_fails(&["stream", "CX does not exist"]);
    assert_eq!(look(&format!("{base}[source]\ncreate = true\n")).code, 0);

    let subjects = ["cx.interactions.>", "cx.surveys.>"];
    let three_days = json!({ "max_age": 3 * 86_400_000_000_000_u64 });
    broker
        .client()
        .create_stream("CX", &subjects, &three_days)
        .unwrap();
    look(&base).assert_fails(&["history", "max_age is 3d", "10d are needed"]);
    let base =
        format!("{base}[kpis.fcr]\nhorizon = \"12h\"\n[ledger]\nallowed_lateness = \"12h\"\n");
    let warned = look(&base);
    assert_eq!(warned.code, 0, "{warned:?}");
    // Nothing stores dead letters.
    assert!(
        warned.stdout.contains("warning  dead letters"),
        "{warned:?}"
    );
    assert_eq!(doctor(&base, folder.path(), &["--strict"]).code, 1);

    let receiver = |url: &str| format!("{base}[sinks.alertmanager]\nurls = [\"{url}\"]\n");
    let nobody = format!("http://127.0.0.1:{}", process::free_port());
    look(&receiver(&nobody)).assert_fails(&["alertmanager", "cannot connect"]);
    let running = Alertmanager::start(&alertmanager, folder.path());
    assert_all_is_well(&doctor(
        &receiver(&running.url()),
        folder.path(),
        &["--format", "json"],
    ));
}

fn assert_all_is_well(said: &Said) {
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stderr.is_empty(), "{said:?}");
    let found: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(found["ok"], true);
    let checks = found["checks"].as_array().unwrap();
    for check in [
        "nats",
        "server",
        "right",
        "stream",
        "history",
        "clock",
        "alertmanager",
    ] {
        let mut of_check = checks.iter().filter(|one| one["check"] == check);
        assert!(
            of_check.next().is_some_and(|one| one["state"] == "ok"),
            "{check}: {said:?}"
        );
    }
}

#[test]
fn on_core_nats_the_right_to_subscribe_is_looked_at() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("server.conf");
    let rights = |subscribe: &str| {
        format!("permissions: {{ publish: [\"cx.>\"], subscribe: [\"_INBOX.>\", {subscribe}] }}")
    };
    let text = format!(
        "authorization {{ users: [ {{ user: raw, password: raw }},\n\
         {{ user: some, password: right, {} }},\n{{ user: all, password: right, {} }} ] }}\n\
         no_auth_user: raw\n",
        rights("\"cx.surveys.>\""),
        rights("\"cx.surveys.>\", \"cx.interactions.>\"")
    );
    fs::write(&config, text).unwrap();
    let mut broker = Broker::prepare(&binary, folder.path())
        .argument("-c")
        .argument(config.display().to_string());
    broker.start();
    let mode = "[source]\nmode = \"core\"\n";
    let look = |user| doctor(&(login(&broker, user, "right") + mode), folder.path(), &[]);
    let all = look("all");
    assert_eq!(all.code, 0, "{all:?}");
    let some = look("some");
    some.assert_fails(&["right", "cx.interactions.>", "refused"]);
    assert!(!some.stdout.contains("cx.surveys.>: refused"), "{some:?}");
}
