//! The table of limits in `docs/security.md` against the program: each default, each metric, and
//! what happens when a limit bites.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use cxpulse::app::Pipeline;
use cxpulse::config::{self, Config};
use cxpulse::engine::{Engine, View, WaitingPolicy};
use cxpulse::event::HashKey;
use cxpulse::export::prometheus::Renderer;
use cxpulse::source::Envelope;
use cxpulse::telemetry::{KnownLabels, SelfMetrics};
use cxpulse::time::{ManualClock, Timestamp};
use prometheus::Registry;

const START_MS: i64 = 1_772_438_400_000;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// A row of the table: the limit (a key in backquotes, or words), default, behaviour, metrics.
struct Row {
    key: Option<String>,
    default: String,
    metrics: Vec<String>,
}

fn table() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, after) = text.split_once("\n## Limits\n").unwrap();
    let lines = after.lines().skip_while(|line| !line.starts_with("|---"));
    let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [limit, default, _, metrics] = cells.as_slice() else {
            panic!("four cells: {line}");
        };
        let quoted = |cell: &str| -> Vec<String> {
            let parts = cell.split('`').skip(1).step_by(2);
            parts.map(str::to_owned).collect()
        };
        Row {
            key: limit.starts_with('`').then(|| quoted(limit).remove(0)),
            default: default.trim_matches('`').to_owned(),
            metrics: quoted(metrics),
        }
    })
    .collect()
}

#[test]
fn the_table_has_every_limit_with_its_default() {
    let values = config::load(None, std::iter::empty()).unwrap().values;
    let values: BTreeMap<String, String> = values
        .into_iter()
        .map(|shown| (shown.key, shown.value.trim_matches('"').to_owned()))
        .collect();
    let table = table();
    assert!(table.len() >= 20, "{} rows", table.len());
    let mut told = BTreeSet::new();
    for row in &table {
        let Some(key) = &row.key else { continue };
        assert_eq!(values.get(key), Some(&row.default), "{key}");
        told.insert(key.as_str());
    }
    let limits = values
        .keys()
        .filter(|key| key.contains(".max_") || key.starts_with("http.limits."));
    let untold: Vec<&String> = limits
        .filter(|key| !told.contains(key.as_str()) && *key != "alerts.max_behind")
        .collect();
    assert!(
        untold.is_empty(),
        "docs/security.md does not tell of {untold:?}"
    );
}

#[test]
fn each_limit_has_a_metric_that_is_there_from_the_start() {
    let registry = Registry::new();
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(START_MS)));
    let known = KnownLabels {
        reset_reasons: &["x"],
        sinks: &["x"],
        notification_outcomes: &["x"],
    };
    let metrics = SelfMetrics::new(&registry, clock, known).unwrap();
    metrics.update(&Run::new("").view(START_MS));
    let families: BTreeSet<String> = registry
        .gather()
        .iter()
        .map(|family| family.name().to_owned())
        .collect();
    for row in table() {
        assert!(!row.metrics.is_empty(), "{:?} {}", row.key, row.default);
        for metric in &row.metrics {
            let family = metric.split('{').next().unwrap();
            let is_there = families.contains(family) || family.starts_with("cx_");
            assert!(is_there, "{metric} is on no page");
        }
    }
}

/// Events through a configuration as somebody would write it.
struct Run {
    config: Config,
    pipeline: Pipeline,
}

impl Run {
    fn new(toml: &str) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), toml).unwrap();
        let config = config::load(Some(file.path()), std::iter::empty())
            .unwrap()
            .config;
        let engine = Engine::new(Arc::new(config.engine.clone()), WaitingPolicy::Keep);
        let decode = Arc::new(config.decode.clone());
        let mut run = Self {
            pipeline: Pipeline::new(decode, HashKey::from_bytes([5; 16]), engine),
            config,
        };
        run.pipeline
            .engine
            .advance(Timestamp::from_millis(START_MS));
        run
    }

    /// Contact `number` of its own customer, that ended so long before the start.
    fn contact(&mut self, number: i64, ago_ms: i64, queue: &str) -> Vec<&'static str> {
        self.event(&format!(
            "{{\"type\":\"interaction\",\"interaction_id\":\"i{number}\",\"customer_id\":\"c{number}\",\
             \"ended_at\":{},\"talk_seconds\":60,\"queue\":\"{queue}\"}}",
            START_MS - ago_ms
        ))
    }

    /// The reasons of its rejects.
    fn event(&mut self, text: &str) -> Vec<&'static str> {
        let envelope = Envelope {
            stored_at: Timestamp::from_millis(START_MS),
            payload: text.to_owned().into(),
            ..Envelope::default()
        };
        let mut reasons = Vec::new();
        let mut note = |rejected: cxpulse::app::RejectedEvent| {
            reasons.push(rejected.reject.reason.name());
        };
        self.pipeline.process(&envelope, &mut note);
        reasons
    }

    fn view(&mut self, at_ms: i64) -> View {
        self.pipeline.engine.advance(Timestamp::from_millis(at_ms));
        self.pipeline.engine.view(Timestamp::from_millis(at_ms))
    }

    /// The queues that are shown.
    fn queues(&mut self, at_ms: i64) -> Vec<String> {
        let view = self.view(at_ms);
        let by_queue = view
            .breakdowns
            .iter()
            .find(|breakdown| &*breakdown.label == "queue");
        let keys = by_queue.unwrap().keys.iter();
        keys.map(|key| key.values[0].to_string()).collect()
    }
}

#[test]
fn a_full_ledger_forgets_the_oldest_and_says_how_far_back_it_reaches() {
    let mut run = Run::new("[ledger]\nmax_entries = 5\n");
    for number in 0..20 {
        run.contact(number, (20 - number) * MINUTE_MS, "a");
    }
    let stats = run.view(START_MS).stats;
    assert!((1..=5).contains(&stats.ledger_entries), "{stats:?}");
    assert_eq!(stats.applied, 20);
    assert!(stats.effective_lateness_ms < HOUR_MS, "{stats:?}");
    // The youngest is known still.
    run.contact(19, MINUTE_MS, "a");
    assert_eq!(run.view(START_MS).stats.duplicates, 1);
    let unbounded = Run::new("").view(START_MS).stats;
    assert_eq!(unbounded.effective_lateness_ms, 24 * HOUR_MS);
}

#[test]
fn full_chains_forget_the_oldest_and_say_how_far_back_they_reach() {
    let mut run = Run::new("[kpis.fcr]\nmax_contacts = 5\n");
    for number in 0..20 {
        run.contact(number, (20 - number) * MINUTE_MS, "a");
    }
    let stats = run.view(START_MS).stats;
    assert!((1..=5).contains(&stats.chain_contacts), "{stats:?}");
    assert_eq!(stats.applied, 20);
    assert!(stats.effective_horizon_ms < HOUR_MS, "{stats:?}");
    let unbounded = Run::new("").view(START_MS).stats;
    assert_eq!(unbounded.effective_horizon_ms, 7 * 24 * HOUR_MS);
}

#[test]
fn keys_beyond_the_limit_share_one() {
    let mut run = Run::new("[breakdown]\nmax_keys = 3\n");
    for number in 0..10 {
        run.contact(number, MINUTE_MS, &format!("q{number}"));
    }
    assert_eq!(run.queues(START_MS), ["__overflow__", "q0", "q1", "q2"]);
    assert_eq!(run.view(START_MS).stats.overflow, [0, 7, 0]);
}

#[test]
fn a_key_without_records_stays_for_its_time_to_live() {
    let toml = "[ledger]\nallowed_lateness = \"1m\"\n[[window]]\nlength = \"5m\"\n\
        [kpis.fcr]\nhorizon = \"1m\"\n[breakdown]\nkey_ttl = \"1h\"\n";
    let mut run = Run::new(toml);
    run.contact(1, MINUTE_MS, "gone");
    assert_eq!(run.queues(START_MS), ["gone"]);
    let empty_ms = START_MS + 20 * MINUTE_MS;
    assert_eq!(run.queues(empty_ms), ["gone"]);
    assert_eq!(run.queues(empty_ms + HOUR_MS - 1), ["gone"]);
    assert!(run.queues(empty_ms + HOUR_MS).is_empty());
}

#[test]
fn values_and_ids_have_a_length_and_the_future_an_edge() {
    let mut run = Run::new("");
    assert!(run.contact(1, MINUTE_MS, &"é".repeat(200)).is_empty());
    assert_eq!(run.queues(START_MS), ["é".repeat(128)]);
    assert_eq!(run.view(START_MS).stats.truncated_dimensions, 1);
    let long = format!("{{\"type\":\"interaction\",\"ended_at\":{START_MS},\"interaction_id\":\"");
    assert!(
        run.event(&format!("{long}{}\"}}", "x".repeat(256)))
            .is_empty()
    );
    assert_eq!(
        run.event(&format!("{long}{}\"}}", "x".repeat(257))),
        ["invalid_field"]
    );
    assert!(run.contact(2, -MINUTE_MS, "a").is_empty());
    assert_eq!(run.contact(3, -MINUTE_MS - 1, "a"), ["future"]);
    assert_eq!(run.view(START_MS).stats.waiting, 2);
}

#[test]
fn series_beyond_the_limit_are_left_off_and_counted() {
    let mut run = Run::new("[export]\nmax_series = 200\n");
    for number in 0..50 {
        run.contact(number, MINUTE_MS, &format!("q{number}"));
    }
    let view = run.view(START_MS);
    let page = Renderer::default().render(&view, &run.config.export, &[], &[]);
    let series = page
        .text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .count();
    assert!(series <= 200 && page.suppressed > 0, "{series} series");
    assert!(
        page.text.contains("breakdown=\"overall\""),
        "the broadest stays"
    );
}
