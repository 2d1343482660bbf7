//! The Grafana dashboard of a configuration, and the recording rules it reads. It names the families
//! that this configuration puts on the metrics page and no others.

mod panels;
mod rules;

use serde_json::{Value, json};

use super::plan::{Plan, Shape};
use super::{Extra, Settings};
use crate::engine;

pub use rules::recording_rules;

/// The dashboard as Grafana imports it (schema version 39, Grafana 10 and newer).
///
/// Datasource, job, instance, window and breakdown are variables; each KPI has a row, alerts are
/// annotations, and the last row is the health of cxpulse itself.
pub fn dashboard(engine: &engine::Settings, settings: &Settings, extras: &[Extra]) -> Value {
    let plan = Plan::new(&Shape::of_settings(engine), settings, extras);
    let windows = engine.windows.iter();
    let shown: Vec<&str> = windows
        .filter(|window| !window.for_alert_only)
        .map(|window| window.name.as_str())
        .collect();
    let window = shown.iter().find(|name| **name == "1h").or(shown.last());
    json!({
        "uid": "cxpulse",
        "title": "cxpulse: customer experience",
        "description": "Rolling customer-experience KPIs of cxpulse, with the samples behind them. Made by `cxpulse dashboard`.",
        "tags": ["cxpulse", "contact center"],
        "schemaVersion": 39,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-8h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": variables(window.copied().unwrap_or_default())},
        "annotations": {"list": annotations()},
        "panels": panels::panels(engine, &plan),
    })
}

/// What every expression narrows to.
const OF_JOB: &str = "job=~\"$job\", instance=~\"$instance\"";

fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

fn variables(window: &str) -> Vec<Value> {
    let query = |name: &str, label: &str, expression: &str| {
        json!({
            "name": name,
            "label": label,
            "type": "query",
            "datasource": datasource(),
            "query": {"query": expression, "refId": name},
            "refresh": 2,
            "sort": 0,
        })
    };
    let several = |mut variable: Value| {
        if let Some(members) = variable.as_object_mut() {
            members.insert("multi".into(), true.into());
            members.insert("includeAll".into(), true.into());
            members.insert("allValue".into(), ".+".into());
            members.insert(
                "current".into(),
                json!({"text": ["All"], "value": ["$__all"]}),
            );
        }
        variable
    };
    let starting = |mut variable: Value, value: &str| {
        if let Some(members) = variable.as_object_mut() {
            members.insert("current".into(), json!({"text": value, "value": value}));
        }
        variable
    };
    let job = query("job", "Job", "label_values(cxpulse_build_info, job)");
    let instance = "label_values(cxpulse_build_info{job=~\"$job\"}, instance)";
    let windows = format!("label_values(cx_kpi_samples{{{OF_JOB}}}, window)");
    let breakdowns = format!("label_values(cx_kpi_samples{{{OF_JOB}}}, breakdown)");
    vec![
        json!({"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}),
        several(job),
        several(query("instance", "Instance", instance)),
        starting(query("window", "Window", &windows), window),
        starting(query("breakdown", "Breakdown", &breakdowns), "overall"),
    ]
}

fn annotations() -> Vec<Value> {
    let alerts = format!("max by (alert, severity) (cx_alert_state{{{OF_JOB}}}) == 2");
    vec![json!({
        "name": "Alerts",
        "datasource": datasource(),
        "enable": true,
        "iconColor": "red",
        "expr": alerts,
        "step": "30s",
        "titleFormat": "{{alert}}",
        "textFormat": "{{severity}}",
        "tagKeys": "alert,severity",
    })]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn default_dashboard() -> Value {
        dashboard(&engine::Settings::default(), &Settings::default(), &[])
    }

    fn panels_of(dashboard: &Value) -> Vec<Value> {
        dashboard["panels"].as_array().unwrap().clone()
    }

    #[test]
    fn each_exported_kpi_has_a_row() {
        let dashboard = default_dashboard();
        let rows: Vec<String> = panels_of(&dashboard)
            .iter()
            .filter(|panel| panel["type"] == "row")
            .map(|panel| panel["title"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(
            rows,
            [
                "First contact resolution so far",
                "First contact resolution",
                "Average handle time",
                "Handle time",
                "Service level",
                "Abandonment",
                "Customer satisfaction",
                "Net promoter score",
                "Traffic",
                "Alerts",
                "Health of cxpulse",
            ]
        );
    }

    #[test]
    fn panels_have_their_own_ids_and_do_not_overlap() {
        let dashboard = default_dashboard();
        let mut ids = BTreeSet::new();
        let mut cells = BTreeSet::new();
        for panel in panels_of(&dashboard) {
            assert!(ids.insert(panel["id"].as_u64().unwrap()));
            let place = |name: &str| panel["gridPos"][name].as_u64().unwrap();
            assert!(place("x") + place("w") <= 24, "{panel}");
            for x in place("x")..place("x") + place("w") {
                for y in place("y")..place("y") + place("h") {
                    assert!(cells.insert((x, y)), "{panel}");
                }
            }
        }
    }

    #[test]
    fn the_window_shown_at_first_exists() {
        let mut settings = engine::Settings::default();
        settings.windows.truncate(1);
        let dashboard = dashboard(&settings, &Settings::default(), &[]);
        assert_eq!(dashboard["templating"]["list"][3]["current"]["value"], "5m");
    }
}
