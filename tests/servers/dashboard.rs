//! The Grafana dashboard against a real Prometheus that has scraped the built cxpulse: every
//! expression gives data, and what the API says as well is the same number.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cxpulse::time::{Clock, SystemClock};
use serde_json::Value;

use crate::expected::count_events;
use crate::support::broker::Broker;
use crate::support::nats_raw::Publish;
use crate::support::process;
use crate::support::prometheus::Prometheus;
use crate::support::service::Service;
use crate::support::tools::{require_tool, skip_or_fail};
use crate::traffic::Traffic;

/// An alert that fires at once, and one that does not; every KPI is exported.
const TABLES: &str = r#"
[source]
stream = "SHARED"
[dead_letter]
create = true
[checkpoint]
interval = "1s"
[[window]]
length = "1h"
[[window]]
length = "24h"
[kpis.fcr]
horizon = "6h"
[kpis.handle_time]
breakdowns = [[], ["queue"], ["channel"]]
[export]
kpis = ["fcr", "fcr_mature", "fcr_corrected", "fcr_survey", "resolution", "aht", "handle_time", "asa", "service_level", "abandonment", "transfer", "csat", "csat_score", "ces", "nps", "time_to_resolution"]
[alerts]
interval = "1s"
[[alert]]
name = "Always"
kpi = "aht"
window = "1h"
above = 0
min_samples = 1
insufficient_for = "30d"
"#;

/// Longest wait for anything; only a failing test meets it.
const PATIENCE: Duration = Duration::from_mins(1);

fn cxpulse(arguments: &[&str], config: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_cxpulse"))
        .args(arguments)
        .arg("--config")
        .arg(config)
        .output()
        .expect("cxpulse runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// What the traffic has none of: customers who say how hard it was.
fn answers_of_effort() -> Vec<Publish> {
    let now_ms = SystemClock.now().as_millis();
    let answers = (0..30).map(|number| {
        let payload = serde_json::json!({
            "survey_id": format!("effort-{number}"),
            "submitted_at": now_ms - 60_000 - number,
            "queue": "sales",
            "channel": "chat",
            "ces": 1 + number % 7,
        });
        Publish {
            subject: "cx.surveys.effort".to_owned(),
            headers: Vec::new(),
            payload: payload.to_string().into_bytes(),
        }
    });
    answers.collect()
}

/// Every expression with where it stands: targets of panels, and the annotation.
fn expressions(dashboard: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            found.push((text(&panel["title"]), text(&target["expr"])));
        }
    }
    for annotation in dashboard["annotations"]["list"]
        .as_array()
        .expect("annotations")
    {
        let text = annotation["expr"].as_str().expect("an expression");
        found.push(("annotation".to_owned(), text.to_owned()));
    }
    found
}

fn filled(expression: &str, window: &str, breakdown: &str) -> String {
    expression
        .replace("$job", "cxpulse")
        .replace("$instance", ".+")
        .replace("$window", window)
        .replace("$breakdown", breakdown)
        .replace("$__rate_interval", "1m")
}

/// All rows of the API for a window and breakdown, by family and key.
fn api(
    service: &Service,
    window: &str,
    breakdown: &str,
) -> BTreeMap<(String, BTreeMap<String, String>), f64> {
    let kpis = service.kpis(&format!("window={window}&breakdown={breakdown}"));
    let mut values = BTreeMap::new();
    for row in kpis["kpis"].as_array().expect("rows") {
        let kpi = row["kpi"].as_str().expect("a name");
        let family = cxpulse::kpi::Kpi::from_name(kpi).expect("a KPI").family();
        let key = row["key"].as_object().expect("a key").iter();
        let key =
            key.map(|(name, value)| (name.clone(), value.as_str().expect("a value").to_owned()));
        let key: BTreeMap<String, String> = key.collect();
        if let Some(value) = row["value"].as_f64() {
            values.insert((family.to_owned(), key.clone()), value);
        }
        let samples = row["samples"].as_f64().expect("samples");
        values.insert((format!("cx_kpi_samples {kpi}"), key), samples);
    }
    values
}

/// The values of an expression on one family equal the API's; gives how many were compared.
fn compare(
    prometheus: &Prometheus,
    service: &Service,
    expression: &str,
    window: &str,
    breakdown: &str,
) -> usize {
    let of_api = api(service, window, breakdown);
    let mut compared = 0;
    for sample in prometheus.query(expression) {
        let mut labels = sample.labels;
        let family = labels.remove("__name__").unwrap_or_default();
        let family = match labels.remove("kpi") {
            Some(kpi) => format!("{family} {kpi}"),
            None => family,
        };
        for name in ["job", "instance", "window", "breakdown"] {
            labels.remove(name);
        }
        if labels.contains_key("quantile") {
            continue;
        }
        let expected = of_api.get(&(family.clone(), labels.clone()));
        let expected = *expected.unwrap_or_else(|| panic!("{family} {labels:?} is not in the API"));
        // The reader of JSON may miss the last bit.
        let difference = (sample.value - expected).abs();
        assert!(
            difference <= expected.abs() * 1e-14,
            "{family} {labels:?}: {} where the API says {expected}",
            sample.value
        );
        compared += 1;
    }
    compared
}

#[test]
fn every_expression_gives_data_and_says_what_the_api_says() {
    let nats = require_tool!("nats-server");
    let prometheus = require_tool!("prometheus");
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start_new(&nats, folder.path());
    let subjects = ["cx.interactions.>", "cx.surveys.>", "orders.>"];
    let created = broker
        .client()
        .create_stream("SHARED", &subjects, &serde_json::json!({}));
    created.expect("a new stream");
    let (base, address) = Service::base_config(&broker.url(), folder.path());
    // `[checkpoint]` stands in the common part already.
    let tables = TABLES.replace("[checkpoint]\ninterval = \"1s\"\n", "");
    let base = base.replace("[checkpoint]\n", "[checkpoint]\ninterval = \"1s\"\n");
    let config = format!("{base}{tables}");
    let file = folder.path().join("dashboard.toml");
    std::fs::write(&file, &config).expect("a file");
    let mut service = Service::start(&config, &address, folder.path());
    service.wait_for_metrics("a stream", Duration::from_secs(30), |page| {
        page.value("cxpulse_caught_up", &[]) == Some(1.0)
    });

    let dashboard: Value = serde_json::from_str(&cxpulse(&["dashboard"], &file)).expect("JSON");
    let rules = cxpulse(&["dashboard", "--rules"], &file);
    let prometheus = Prometheus::start(&prometheus, folder.path(), &address, &rules);
    let mut traffic = Traffic::before(SystemClock.now().as_millis(), 3);
    let mut published = traffic.messages(1500);
    published.extend(answers_of_effort());
    broker
        .client()
        .publish_acknowledged(&published)
        .expect("stored");
    // Rates need counters that rise between scrapes.
    process::wait_until("a first scrape", PATIENCE, || {
        prometheus.query("cx_interactions_total").len() > 3
    });
    published.extend(traffic.messages(500));
    let rest = published.split_off(published.len() - published.len() / 4);
    broker.client().publish_acknowledged(&rest).expect("stored");
    published.extend(rest);
    let events = count_events(&published);
    service.wait_for_metrics("all events", PATIENCE, |page| {
        page.count("cxpulse_events_received_total") >= events
            && page.value("cxpulse_checkpoint_last_success_timestamp_seconds", &[]) > Some(0.0)
    });
    // What Prometheus has may be of before.
    let all = format!("sum(cxpulse_events_received_total) >= {events}");
    process::wait_until("a scrape with all events", PATIENCE, || {
        !prometheus.query(&all).is_empty()
    });

    let expressions = expressions(&dashboard);
    for breakdown in ["overall", "queue", "channel"] {
        for (title, expression) in &expressions {
            let query = filled(expression, "24h", breakdown);
            process::wait_until(&format!("data of {title}: {query}"), PATIENCE, || {
                let found = prometheus.query(&query);
                found.iter().any(|sample| sample.value.is_finite())
            });
        }
    }
    variables_have_values(&prometheus, &dashboard);
    let compared = compare_all(&prometheus, &service, &expressions);
    assert!(compared > 200, "{compared} values compared");
    println!(
        "{} expressions, {compared} values compared",
        expressions.len()
    );
}

/// Compares all that are a family of the page as it is; gives how many values.
fn compare_all(
    prometheus: &Prometheus,
    service: &Service,
    expressions: &[(String, String)],
) -> usize {
    let mut compared = 0;
    for breakdown in ["overall", "queue", "channel"] {
        let families = expressions.iter().map(|(_, expression)| expression);
        for expression in families.filter(|expression| expression.starts_with("cx_")) {
            let of = if expression.contains("breakdown=\"overall\"") {
                "overall"
            } else {
                breakdown
            };
            let query = filled(expression, "24h", breakdown);
            compared += compare(prometheus, service, &query, "24h", of);
        }
    }
    compared
}

/// Every query of a variable gives the values that are expected of it.
fn variables_have_values(prometheus: &Prometheus, dashboard: &Value) {
    let mut seen = Vec::new();
    for variable in dashboard["templating"]["list"]
        .as_array()
        .expect("variables")
    {
        let Some(definition) = variable["query"]["query"].as_str() else {
            continue;
        };
        let inside = definition
            .strip_prefix("label_values(")
            .and_then(|rest| rest.strip_suffix(')'));
        let (selector, label) = inside
            .and_then(|inside| inside.rsplit_once(", "))
            .expect("label_values(selector, label)");
        let query = filled(selector, "", "");
        let values = prometheus.query(&query);
        let mut values: Vec<String> = values
            .iter()
            .filter_map(|sample| sample.labels.get(label).cloned())
            .collect();
        values.sort();
        values.dedup();
        seen.push(format!("{label}={}", values.join("|")));
    }
    assert!(seen.contains(&"window=1h|24h".to_owned()), "{seen:?}");
    assert!(
        seen.contains(&"breakdown=channel|overall|queue".to_owned()),
        "{seen:?}"
    );
    assert!(seen.contains(&"job=cxpulse".to_owned()), "{seen:?}");
}

/// Grafana's own SDK reads every panel, variable and target of it and writes it back.
#[test]
fn the_dashboard_is_what_grafana_describes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sdk = root.join("target/tools/python/grafana-foundation-sdk");
    if !sdk.is_dir() {
        skip_or_fail!("no grafana-foundation-sdk");
    }
    for file in ["config/cxpulse.toml", "config/examples/alerts.toml"] {
        let dashboard = cxpulse(&["dashboard"], &root.join(file));
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("dashboard.json");
        std::fs::write(&path, &dashboard).expect("a file");
        let output = Command::new("python3")
            .arg(root.join("tests/grafana/check.py"))
            .arg(&path)
            .env("PYTHONPATH", &sdk)
            .output()
            .expect("python3 runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{file}: {said}{errors}");
        println!("{file}: {said}");
    }
}

/// The provisioned files are those that the command prints.
#[test]
fn provisioned_files_are_those_of_the_command() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = root.join("deploy/cxpulse.toml");
    for (arguments, file) in [
        (&["dashboard"][..], "deploy/grafana/dashboards/cxpulse.json"),
        (
            &["dashboard", "--rules"],
            "deploy/prometheus/cxpulse-dashboard.rules.yml",
        ),
        (&["rules"], "deploy/prometheus/cxpulse-alerts.rules.yml"),
    ] {
        let printed = cxpulse(arguments, &config);
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(root.join(file), &printed).expect("a file");
        }
        let kept = std::fs::read_to_string(root.join(file)).expect("a file");
        assert!(
            printed == kept,
            "{file} is not what `cxpulse {}` prints",
            arguments.join(" ")
        );
    }
}
