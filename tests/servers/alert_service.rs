//! The alerts of the built `cxpulse run`: at a real Alertmanager through crash, reload and a second
//! replica, and beside a real Prometheus that judges the same traffic by the generated rules.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cxpulse::time::{Clock, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::alertmanager::Alertmanager;
use crate::support::broker::Broker;
use crate::support::nats_raw::{Publish, RawNats};
use crate::support::page::Page;
use crate::support::process;
use crate::support::prometheus::Prometheus;
use crate::support::service::Service;
use crate::support::tools::require_tool;

/// How long something may take to be seen.
const SEEN_WITHIN: Duration = Duration::from_mins(1);

/// A rule on an hour, so that nothing leaves the window while a test runs: what is to clear is
/// withdrawn.
const LONG_CALLS: &str = "[alerts]\ninterval = \"1s\"\n\n[[alert]]\nname = \"LongCalls\"\n\
                          kpi = \"aht\"\nwindow = \"1h\"\nabove = 300\nmin_samples = 5\n\
                          severity = \"page\"\n\n";

fn alertmanager_sink(alertmanager: &Alertmanager) -> String {
    format!(
        "[sinks.alertmanager]\nurls = [\"{}\"]\n\n",
        alertmanager.url()
    )
}

/// A NATS server with a desk, and where cxpulse has its files.
struct Scene {
    broker: Broker,
    desk: Desk,
    folder: TempDir,
}

impl Scene {
    fn new(nats_server: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let broker = Broker::start_new(nats_server, folder.path());
        let desk = Desk::open(&broker);
        Self {
            broker,
            desk,
            folder,
        }
    }

    /// Hears what is told of alerts from now on.
    fn listener(&self) -> RawNats {
        let mut listener = self.broker.client();
        let heard = listener.subscribe("cx.alerts.>");
        heard.expect("connected");
        listener
    }

    /// What every configuration here has, and the address of the page.
    fn base_config(&self) -> (String, String) {
        Service::base_config(&self.broker.url(), self.folder.path())
    }

    fn start(&self, config: &str, address: &str) -> Service {
        Service::start(config, address, self.folder.path())
    }
}

/// What a listener has heard, until nothing has come for a while.
fn told(listener: &mut RawNats) -> Vec<Value> {
    std::iter::from_fn(|| {
        let message = listener.next_message(Duration::from_secs(2));
        let message = message.expect("connected")?;
        Some(serde_json::from_slice(&message.payload).expect("JSON"))
    })
    .collect()
}

/// Publishes calls and surveys.
struct Desk {
    nats: RawNats,
    versions: i64,
}

impl Desk {
    /// A new stream with a call of 25 hours ago, so that history fills a day.
    fn open(broker: &Broker) -> Self {
        let mut nats = broker.client();
        nats.create_stream("CX", &["cx.interactions.>", "cx.surveys.>"], &json!({}))
            .expect("a new stream");
        let mut desk = Self { nats, versions: 0 };
        desk.send(
            "cx.interactions.a",
            json!({"interaction_id": "first", "talk_seconds": 60, "wait_seconds": 1,
                   "ended_at": now_ms() - 90_000_000, "queue": "a"}),
        );
        desk
    }

    fn send(&mut self, subject: &str, mut event: Value) {
        self.versions += 1;
        event["updated_at"] = (now_ms() + self.versions).into();
        let message = Publish::new(subject, event.to_string());
        let stored = self.nats.publish_acknowledged([message]);
        stored.expect("the stream stores it");
    }

    /// Ten calls that ended `ago_ms` before now, or are withdrawn; the same ids each time.
    fn calls(&mut self, name: &str, ago_ms: i64, talk_seconds: u32, excluded: bool) {
        for number in 0..10 {
            self.send(
                "cx.interactions.a",
                json!({"interaction_id": format!("{name} {number}"), "talk_seconds": talk_seconds,
                       "wait_seconds": talk_seconds / 10, "queue": "a", "excluded": excluded,
                       "ended_at": now_ms() - ago_ms}),
            );
        }
    }

    fn survey(&mut self, excluded: bool) {
        self.send(
            "cx.surveys.a",
            json!({"survey_id": "s", "csat": 5, "queue": "a", "excluded": excluded,
                   "submitted_at": now_ms() - 1000}),
        );
    }
}

fn now_ms() -> i64 {
    SystemClock.now().as_millis()
}

fn state(page: &Page, alert: &str) -> Option<f64> {
    page.value("cx_alert_state", &[("alert", alert)])
}

fn wait_for_state(service: &mut Service, alert: &str, wanted: f64) {
    let what = format!("{alert} in state {wanted}");
    service.wait_for_metrics(&what, SEEN_WITHIN, |page| {
        state(page, alert) == Some(wanted)
    });
}

/// The instance of an alert in `/api/v1/alerts`.
fn instance(service: &Service, alert: &str) -> Value {
    let shown = service.get("/api/v1/alerts").json();
    let rules = shown["rules"].as_array().expect("rules");
    let rule = rules.iter().find(|rule| rule["alert"] == alert);
    rule.map_or(Value::Null, |rule| rule["instances"][0].clone())
}

#[test]
fn a_page_before_kill_9_is_resolved_when_it_cleared_while_down() {
    let nats_server = require_tool!("nats-server");
    let binary = require_tool!("alertmanager");
    let mut scene = Scene::new(&nats_server);
    let alertmanager = Alertmanager::start(&binary, scene.folder.path());
    let mut listener = scene.listener();
    let (base, address) = scene.base_config();
    let config = format!("{base}{LONG_CALLS}{}", alertmanager_sink(&alertmanager));
    scene.desk.calls("short", 600_000, 60, false);
    let mut service = scene.start(&config, &address);
    wait_for_state(&mut service, "LongCalls", 0.0);
    scene.desk.calls("long", 1000, 900, false);
    // The page is out: at once.
    alertmanager.wait_for("alertname", &["LongCalls"]);
    service.kill();
    let starts_at = alertmanager.alerts()[0]["startsAt"].clone();
    scene.desk.calls("long", 1000, 900, true);

    let mut restarted = scene.start(&config, &address);
    // Left alone it would stay for four minutes after the last sending.
    alertmanager.wait_for("alertname", &[]);
    wait_for_state(&mut restarted, "LongCalls", 0.0);
    let told = told(&mut listener);
    let last = told.last().expect("told");
    assert_eq!(
        (&last["to"], &last["reason"]),
        (&json!("inactive"), &json!("cleared"))
    );
    let moment = |value: &Value| -> jiff::Timestamp { value.as_str().unwrap().parse().unwrap() };
    for one in &told {
        assert_eq!(moment(&one["active_since"]), moment(&starts_at), "{one}");
    }
    assert!(restarted.stop().success());
}

#[test]
fn the_alert_of_two_replicas_is_one() {
    let nats_server = require_tool!("nats-server");
    let binary = require_tool!("alertmanager");
    let mut scene = Scene::new(&nats_server);
    let alertmanager = Alertmanager::start(&binary, scene.folder.path());
    scene.desk.calls("short", 600_000, 60, false);
    let mut replicas: Vec<Service> = ["one", "two"]
        .iter()
        .map(|name| {
            let own = scene.folder.path().join(name);
            fs::create_dir(&own).unwrap();
            let (base, address) = Service::base_config(&scene.broker.url(), &own);
            let sink = alertmanager_sink(&alertmanager);
            Service::start(&format!("{base}{LONG_CALLS}{sink}"), &address, &own)
        })
        .collect();
    let delivered = |service: &mut Service, count: u64| {
        let labels = [("sink", "alertmanager"), ("outcome", "delivered")];
        service.wait_for_metrics("deliveries", SEEN_WITHIN, |page| {
            let found = page.value("cxpulse_alert_notifications_total", &labels);
            found.is_some_and(|found| found >= f64::from(u32::try_from(count).unwrap()))
        });
    };
    for (excluded, expected, count) in [(false, &["LongCalls"][..], 1), (true, &[], 2)] {
        scene.desk.calls("long", 1000, 900, excluded);
        for replica in &mut replicas {
            delivered(replica, count);
        }
        alertmanager.wait_for("alertname", expected);
    }
    for replica in replicas {
        assert!(replica.stop().success());
    }
}

#[test]
fn sighup_takes_over_alerts_sinks_and_export_and_nothing_that_is_wrong() {
    let nats_server = require_tool!("nats-server");
    let binary = require_tool!("alertmanager");
    let mut scene = Scene::new(&nats_server);
    let alertmanager = Alertmanager::start(&binary, scene.folder.path());
    scene.desk.calls("long", 1000, 900, false);
    let (base, address) = scene.base_config();
    let mut service = scene.start(&format!("{base}{LONG_CALLS}"), &address);
    wait_for_state(&mut service, "LongCalls", 2.0);
    let before = instance(&service, "LongCalls");
    assert!(!service.metrics().has_family("cx_asa_"));

    let rewrite = |running: &Service, text: &str| {
        fs::write(scene.folder.path().join("cxpulse.toml"), text).unwrap();
        running.signal("HUP");
    };
    let reloaded = |running: &mut Service, wanted: f64| {
        running.wait_for_metrics("the outcome of the reload", SEEN_WITHIN, |page| {
            page.value("cxpulse_config_last_reload_successful", &[]) == Some(wanted)
        })
    };
    // Wrong, and then right but for a window that the engine does not keep.
    rewrite(&service, &format!("{base}{LONG_CALLS}[alert]\n"));
    reloaded(&mut service, 0.0);
    let good = format!(
        "{base}{LONG_CALLS}{}[export]\nkpis = [\"asa\"]\n\n[[alert]]\nname = \"SlowAnswers\"\n\
         kpi = \"asa\"\nwindow = \"1h\"\nabove = 30\nmin_samples = 5\n",
        alertmanager_sink(&alertmanager)
    );
    let derived = "\n[[alert]]\nname = \"Silent\"\nkpi = \"csat\"\nwindow = \"1h\"\n\
                   no_data_for = \"7m\"\n";
    rewrite(&service, &format!("{good}{derived}"));
    process::wait_until("a word on the window", SEEN_WITHIN, || {
        service.log().contains("Silent needs the window 7m")
    });
    let page = reloaded(&mut service, 0.0);
    assert!(
        !page.has_family("cx_asa_"),
        "a refused configuration changes nothing"
    );
    assert_eq!(state(&page, "SlowAnswers"), None);
    assert_eq!(instance(&service, "LongCalls")["since"], before["since"]);

    rewrite(&service, &good);
    reloaded(&mut service, 1.0);
    // The receiver is new: it is told of what fires already.
    alertmanager.wait_for("alertname", &["LongCalls", "SlowAnswers"]);
    wait_for_state(&mut service, "SlowAnswers", 2.0);
    assert!(service.metrics().has_family("cx_asa_"));
    for member in ["since", "fired_at", "state"] {
        assert_eq!(instance(&service, "LongCalls")[member], before[member]);
    }

    // A rule that is gone ends its alert.
    rewrite(
        &service,
        &good.replace("name = \"LongCalls\"", "name = \"Renamed\""),
    );
    alertmanager.wait_for("alertname", &["Renamed", "SlowAnswers"]);
    assert!(service.stop().success());
}

#[test]
fn receivers_that_never_answer_hold_nothing_up() {
    let nats_server = require_tool!("nats-server");
    let mut scene = Scene::new(&nats_server);
    // Connections are taken by the system; nobody ever reads from them.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", deaf.local_addr().unwrap());
    let sinks = format!(
        "[sinks.alertmanager]\nurls = [\"{url}\", \"{url}/second\"]\n\n\
         [sinks.webhook]\nurl = \"{url}\"\n\n"
    );
    let (base, address) = scene.base_config();
    let config = format!("{base}{LONG_CALLS}{sinks}");
    let mut service = scene.start(&config, &address);
    scene.desk.calls("long", 1000, 900, false);
    wait_for_state(&mut service, "LongCalls", 2.0);
    let messages = (0..5000).map(|number| {
        let event = json!({"interaction_id": format!("n {number}"), "talk_seconds": 10,
                           "ended_at": now_ms() - 1000, "queue": "b"});
        Publish::new("cx.interactions.b", event.to_string())
    });
    scene
        .desk
        .nats
        .publish_acknowledged(messages.collect::<Vec<_>>())
        .unwrap();
    // Everything is counted, and the alert clears, while no receiver has answered once.
    service.wait_for_metrics("all events", SEEN_WITHIN, |page| {
        page.count("cxpulse_events_applied_total") == 5011
    });
    wait_for_state(&mut service, "LongCalls", 0.0);
    let page = service.metrics();
    for sink in ["alertmanager", "webhook"] {
        let labels = [("sink", sink), ("outcome", "delivered")];
        let delivered = page.value("cxpulse_alert_notifications_total", &labels);
        assert_eq!(delivered, Some(0.0));
    }
    assert!(service.stop().success());
}

/// Seconds between two evaluations, of the engine and of Prometheus.
const INTERVAL_MS: i64 = 5000;

/// Every condition and modifier that PromQL can express, on windows in which the calls stay.
const BESIDE: &str = r#"
[alerts]
interval = "5s"

[[window]]
length = "5m"

[[window]]
length = "1h"

[[alert]]
name = "Confident"
kpi = "service_level"
window = "5m"
breakdown = ["queue"]
below = 0.8
clear_above = 0.9
confident = true
min_samples = 8
for = "5s"

[[alert]]
name = "Kept"
kpi = "aht"
window = "5m"
above = 300
min_samples = 5
keep_firing_for = "10s"

[[alert]]
name = "Drops"
kpi = "service_level"
window = "5m"
drops_by = 0.2
baseline = "1h"
min_samples = 5

[[alert]]
name = "Rises"
kpi = "aht"
window = "5m"
rises_by_ratio = 0.5
baseline = "1h"
min_samples = 5

[[alert]]
name = "Burns"
kpi = "service_level"
window = "1h"
slo = { objective = 0.8, period = "1d" }
min_samples = 5

[[alert]]
name = "Silent"
kpi = "csat"
window = "5m"
breakdown = ["queue"]
where = { queue = "a" }
no_data_for = "5m"
"#;

#[test]
fn prometheus_fires_and_clears_with_the_engine() {
    let nats_server = require_tool!("nats-server");
    let binary = require_tool!("prometheus");
    let mut scene = Scene::new(&nats_server);
    let mut listener = scene.listener();
    // Long enough ago to be in the baseline alone.
    scene.desk.calls("baseline", 1_200_000, 60, false);
    scene.desk.calls("good", 20_000, 60, false);
    scene.desk.survey(false);
    let (base, address) = scene.base_config();
    let mut service = scene.start(&format!("{base}{BESIDE}"), &address);
    wait_for_state(&mut service, "Confident", 0.0);
    let rules = generated_rules(scene.folder.path());
    let prometheus = Prometheus::start(&binary, scene.folder.path(), &address, &rules);
    let alerts = ["Burns", "Confident", "Drops", "Kept", "Rises", "Silent"];
    process::wait_until("a round of Prometheus' rules", SEEN_WITHIN, || {
        evaluated(&prometheus) && !prometheus.query("cx_csat_ratio").is_empty()
    });
    assert_eq!(prometheus.query("ALERTS").len(), 0, "nothing is wrong yet");

    for (bad, state) in [(true, 2.0), (false, 0.0)] {
        // Right after an evaluation of the engine: both sides have an interval to see it.
        process::wait_until("an evaluation", SEEN_WITHIN, || {
            (0..400).contains(&now_ms().rem_euclid(INTERVAL_MS))
        });
        scene.desk.calls("bad", 1000, 900, !bad);
        scene.desk.survey(bad);
        let what = format!("all alerts in state {state}");
        service.wait_for_metrics(&what, SEEN_WITHIN, |page| {
            let mut states = page.series().iter();
            states.all(|one| one.name != "cx_alert_state" || one.value.total_cmp(&state).is_eq())
        });
        // An objective of a day has a page and a ticket.
        let firing = if bad { alerts.len() + 1 } else { 0 };
        process::wait_until("the same of Prometheus", SEEN_WITHIN, || {
            prometheus.query("ALERTS{alertstate=\"firing\"}").len() == firing
        });
    }
    let engine = engine_times(&mut listener);
    for alert in alerts {
        let (fired_ms, cleared_ms) = engine(alert);
        let (first_ms, last_ms) = prometheus_times(&prometheus, alert);
        for (what, one, other) in [
            ("fires", fired_ms, first_ms),
            ("clears", cleared_ms, last_ms + INTERVAL_MS),
        ] {
            let apart_ms = (one - other).abs();
            assert!(
                apart_ms <= INTERVAL_MS,
                "{alert} {what} {apart_ms} ms apart"
            );
        }
    }
    assert!(service.stop().success());
}

/// What `cxpulse rules` prints for the configuration in the folder.
fn generated_rules(folder: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_cxpulse"))
        .args(["rules", "--config"])
        .arg(folder.join("cxpulse.toml"))
        .output()
        .expect("cxpulse starts");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

/// Prometheus has been through all its rules.
fn evaluated(prometheus: &Prometheus) -> bool {
    let answer = prometheus.api("rules");
    let groups = answer["data"]["groups"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let mut rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default());
    !groups.is_empty() && rules.all(|rule| rule["health"] == "ok")
}

/// When the engine said that each alert fires and clears, by name.
fn engine_times(listener: &mut RawNats) -> impl Fn(&str) -> (i64, i64) {
    let told = told(listener);
    move |alert| {
        let at = |to: &str| {
            let mut steps = told.iter().filter(|one| one["alert"] == alert);
            let found = steps.find(|one| one["to"] == to);
            let found = found.unwrap_or_else(|| panic!("{alert} is never {to}: {told:?}"));
            let at = found["at"].as_str().and_then(|at| at.parse().ok());
            let at: jiff::Timestamp = at.expect("a moment");
            at.as_millisecond()
        };
        (at("firing"), at("inactive"))
    }
}

/// The first and the last evaluation at which Prometheus found the alert firing.
fn prometheus_times(prometheus: &Prometheus, alert: &str) -> (i64, i64) {
    let query =
        format!("ALERTS%7Balertname%3D%22{alert}%22%2Calertstate%3D%22firing%22%7D%5B10m%5D");
    let answer = prometheus.api(&format!("query?query={query}"));
    let values = answer["data"]["result"][0]["values"]
        .as_array()
        .unwrap_or_else(|| panic!("{alert}: {answer}"));
    let millis = |value: &Value| {
        let millis = value[0].as_f64().expect("seconds") * 1000.0;
        format!("{millis:.0}").parse::<i64>().expect("whole")
    };
    let moments: Vec<i64> = values.iter().map(millis).collect();
    (moments[0], moments[moments.len() - 1])
}
