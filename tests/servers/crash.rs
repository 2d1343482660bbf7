//! kill -9 at random instants, and every step of a checkpoint's commit cut or failed: what is counted
//! afterwards equals a brute-force count and a cxpulse that was never interrupted.
//!
//! `CXPULSE_KILLS=100 CXPULSE_SEED=1 cargo test --test servers kills -- --nocapture` is the long run.

use std::path::Path;
use std::thread;
use std::time::Duration;

use cxpulse::time::{Clock, SystemClock};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::expected::{assert_as_expected, count_events};
use crate::rejects::rejected;
use crate::scrapes::Scrapes;
use crate::support::broker::Broker;
use crate::support::nats_raw::{Publish, RawNats};
use crate::support::process;
use crate::support::service::Service;
use crate::support::tools::{require_tool, skip_or_fail};
use crate::traffic::Traffic;

/// How long cxpulse may take until it has caught up.
const WITHIN: Duration = Duration::from_mins(2);

/// Alerts over a window that is complete: one that fires in some queues, one that never does.
const TABLES: &str = r#"
[source]
stream = "CX"

[alerts]
interval = "1s"

[[alert]]
name = "LongCalls"
kpi = "aht"
window = "12h"
breakdown = ["queue"]
above = 500
min_samples = 1

[[alert]]
name = "NeverSoLong"
kpi = "aht"
window = "12h"
breakdown = ["queue"]
above = 5000
min_samples = 1
"#;

/// A server, what was published to it, and one cxpulse after the other.
struct Scene {
    broker: Broker,
    nats: RawNats,
    traffic: Traffic,
    published: Vec<Publish>,
    now_ms: i64,
    config: String,
    address: String,
    scrapes: Scrapes,
    folder: TempDir,
}

impl Scene {
    fn new(nats_server: &Path, seed: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let broker = Broker::start_new(nats_server, folder.path());
        let mut nats = broker.client();
        let subjects = ["cx.interactions.>", "cx.surveys.>", "orders.>"];
        nats.create_stream("CX", &subjects, &json!({}))
            .expect("a new stream");
        nats.create_stream("DEAD", &["cx.dead_letter"], &json!({}))
            .expect("a stream of dead letters");
        let now_ms = SystemClock.now().as_millis();
        let (config, address) = config_in(&broker, folder.path());
        Self {
            broker,
            nats,
            traffic: Traffic::before(now_ms, seed),
            published: Vec::new(),
            now_ms,
            config,
            address,
            scrapes: Scrapes::default(),
            folder,
        }
    }

    /// Publishes so many events more, and some that are rejected.
    fn publish(&mut self, events: usize) {
        let mut messages = self.traffic.messages(events);
        let rejected = rejected(events / 50, self.now_ms);
        messages.extend(rejected.into_iter().map(|rejected| rejected.message));
        self.nats
            .publish_acknowledged(&messages)
            .expect("all are stored");
        self.published.extend(messages);
    }

    /// Starts cxpulse again, with a fault armed or without.
    fn start(&mut self, more: &[&str]) -> Service {
        let state = self.folder.path().join("state");
        self.scrapes.restart(has_checkpoint(&state));
        Service::spawn(&self.config, &self.address, self.folder.path(), more)
    }

    /// Looks at the page, again and again, for so long.
    fn watch(&mut self, service: &Service, millis: u64) {
        for _ in 0..millis.div_ceil(20) {
            if let Ok(answer) = service.try_get("/metrics") {
                self.scrapes.look(&answer.text());
            }
            // What is killed lives in real time.
            thread::sleep(Duration::from_millis(millis.min(20)));
        }
    }

    /// Waits until all is counted, and compares with the brute-force count.
    fn check(&mut self, service: &mut Service) {
        service.wait_until_ready(WITHIN);
        let events = count_events(&self.published);
        let scrapes = &mut self.scrapes;
        service.wait_for_metrics(&format!("{events} events"), WITHIN, |page| {
            scrapes.take(page);
            page.count("cxpulse_events_received_total") == events
        });
        assert_as_expected(service, &self.published, self.now_ms);
        self.scrapes.look(&service.metrics_text());
    }
}

fn config_in(broker: &Broker, folder: &Path) -> (String, String) {
    let (base, address) = Service::base_config(&broker.url(), folder);
    let base = base.replace("[checkpoint]\n", "[checkpoint]\ninterval = \"200ms\"\n");
    (format!("{base}{TABLES}"), address)
}

fn has_checkpoint(state: &Path) -> bool {
    let files = std::fs::read_dir(state).into_iter().flatten().flatten();
    files
        .map(|file| file.path())
        .any(|path| path.extension().is_some_and(|extension| extension == "cxp"))
}

/// Waits until everything published is counted.
fn wait_for_all(service: &Service, published: &[Publish]) {
    let events = count_events(published);
    process::wait_until(&format!("{events} events"), WITHIN, || {
        service.metrics().count("cxpulse_events_received_total") == events
    });
}

/// The alert and key of everything that fires.
fn firing(service: &Service) -> Vec<String> {
    let page = service.metrics();
    let states = page
        .series()
        .iter()
        .filter(|series| series.name == "cx_alert_state");
    let firing = states.filter(|series| series.value > 1.5);
    let mut firing: Vec<String> = firing
        .map(|series| format!("{:?}", series.labels))
        .collect();
    firing.sort();
    firing
}

/// The rows of the window that covers the whole run: nothing enters or leaves it any more.
fn rows_of_24h(service: &Service) -> Vec<Value> {
    let answer = service.kpis("window=24h");
    let rows = answer["kpis"].as_array().expect("rows").clone();
    assert!(rows.len() > 50, "{answer}");
    rows
}

fn number_from_environment(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}: {text}")),
        Err(_) => default,
    }
}

/// Issue 4, show 1.
#[test]
fn kills_at_random_instants_change_no_number() {
    let binary = require_tool!("nats-server");
    let kills = number_from_environment("CXPULSE_KILLS", 10);
    let seed = number_from_environment("CXPULSE_SEED", rand::random_range(0..1_000_000));
    println!("{kills} kills, CXPULSE_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut scene = Scene::new(&binary, seed);
    scene.publish(400);
    let other = tempfile::tempdir().unwrap();
    let (config, address) = config_in(&scene.broker, other.path());
    let mut uninterrupted = Service::start(&config, &address, other.path());
    uninterrupted.wait_until_ready(WITHIN);
    for kill in 1..=kills {
        let mut service = scene.start(&[]);
        match random.random_range(0..4) {
            // While it starts, restores and replays.
            0 => scene.watch(&service, random.random_range(0..700)),
            // While it counts and writes checkpoints.
            1 => {
                scene.watch(&service, random.random_range(300..1500));
                scene.publish(100);
                scene.watch(&service, random.random_range(0..300));
            }
            // All counted and compared, then while it goes on.
            2 => {
                scene.check(&mut service);
                scene.publish(60);
                scene.watch(&service, random.random_range(0..300));
            }
            // While it stops.
            _ => {
                scene.watch(&service, random.random_range(0..1500));
                scene.publish(30);
                service.signal("TERM");
                let millis = random.random_range(0..150);
                thread::sleep(Duration::from_millis(millis));
            }
        }
        service.kill();
        println!("kill {kill}: {} scrapes so far", scene.scrapes.count());
        let mut after = scene.start(&[]);
        scene.check(&mut after);
        process::wait_until("the same firing alerts after a kill", WITHIN, || {
            firing(&after) == firing(&uninterrupted)
        });
        after.kill();
    }
    let mut killed = scene.start(&[]);
    scene.check(&mut killed);

    wait_for_all(&uninterrupted, &scene.published);
    assert_as_expected(&uninterrupted, &scene.published, scene.now_ms);
    assert_eq!(rows_of_24h(&killed), rows_of_24h(&uninterrupted));
    // Both have judged the last numbers once more.
    process::wait_until("the same firing alerts", WITHIN, || {
        let both = (firing(&killed), firing(&uninterrupted));
        both.0 == both.1 && !both.0.is_empty()
    });
    assert!(
        firing(&killed)
            .iter()
            .all(|alert| alert.contains("LongCalls"))
    );
    assert!(killed.stop().success() && uninterrupted.stop().success());
}

/// Issue 4, show 2.
#[test]
fn every_step_of_a_checkpoint_may_crash_or_fail() {
    let binary = require_tool!("nats-server");
    if !cfg!(feature = "fault-points") {
        skip_or_fail!("built without --features fault-points");
    }
    let mut scene = Scene::new(&binary, 4);
    scene.publish(200);
    // One good checkpoint to begin with.
    let mut service = scene.start(&[]);
    scene.check(&mut service);
    assert!(service.stop().success());
    let steps = [
        "create",
        "section",
        "before_sync",
        "before_rename",
        "before_directory_sync",
        "before_prune",
        "after_commit",
    ];
    for step in steps {
        scene.publish(20);
        // The second checkpoint, or the second section.
        let fault = format!("CXPULSE_FAULT={step}:crash:1");
        let mut crashing = scene.start(&[&fault]);
        let ended = crashing.wait_for_end(WITHIN);
        assert!(!ended.success(), "{step}: {ended}");
        check_after(&mut scene, step);
    }
    for fault in steps
        .map(|step| format!("{step}:fail:1"))
        .into_iter()
        .chain(["section:short:1".into()])
    {
        scene.publish(20);
        let mut failing = scene.start(&[&format!("CXPULSE_FAULT={fault}")]);
        failing.wait_for_answer();
        // It fails from then on, and serving goes on.
        failing.wait_for_metrics(&format!("failures, {fault}"), WITHIN, |page| {
            page.count("cxpulse_checkpoint_failures_total") >= 2
        });
        failing.kill();
        check_after(&mut scene, &fault);
    }
}

/// A thread that hangs ends nothing: whoever restarts what is stuck learns of it by `/livez`, and the
/// other pages are served meanwhile.
#[test]
fn a_stuck_engine_is_not_alive() {
    let binary = require_tool!("nats-server");
    if !cfg!(feature = "fault-points") {
        skip_or_fail!("built without --features fault-points");
    }
    let mut scene = Scene::new(&binary, 4);
    scene.publish(200);
    let mut stuck = scene.start(&["CXPULSE_FAULT=tick:hang:20"]);
    stuck.wait_for_answer();
    let mut said = String::new();
    process::wait_until("/livez to fail", WITHIN, || {
        let answer = stuck.get("/livez");
        said = answer.text();
        answer.status == 503
    });
    assert!(said.starts_with("the engine has not ticked for "), "{said}");
    assert_eq!(stuck.get("/metrics").status, 200);
    stuck.kill();
    let mut again = scene.start(&[]);
    scene.check(&mut again);
    assert!(again.stop().success());
}

/// The state is there and right, and nothing is left over.
fn check_after(scene: &mut Scene, what: &str) {
    let mut service = scene.start(&[]);
    scene.check(&mut service);
    assert!(service.log().contains("state restored"), "{what}");
    let state = scene.folder.path().join("state");
    service.wait_for_metrics("a checkpoint", WITHIN, |page| {
        page.value("cxpulse_checkpoint_last_success_timestamp_seconds", &[]) > Some(0.0)
    });
    assert!(service.stop().success(), "{what}");
    let names = std::fs::read_dir(&state).expect("a folder").flatten();
    let names: Vec<String> = names
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .collect();
    let checkpoints = names.iter().filter(|name| name.contains(".cxp")).count();
    assert_eq!(checkpoints, 3, "{what}: {names:?}");
    assert!(
        !names.iter().any(|name| name.contains(".tmp")),
        "{what}: {names:?}"
    );
    assert!(
        !names.iter().any(|name| name.contains(".corrupt")),
        "{what}: {names:?}"
    );
}
