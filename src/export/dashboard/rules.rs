//! Recording rules: what the dashboard would otherwise compute over many series at every refresh.

use super::super::plan::{Plan, Shape};
use super::super::{Extra, Settings};
use crate::engine;

/// Contacts a second per key.
pub(super) const INTERACTIONS_RATE: &str = "cx:interactions:rate5m";
/// Answers a second per key and question.
pub(super) const SURVEYS_RATE: &str = "cx:survey_responses:rate5m";
/// The 95th percentile of handle times per key, from the histogram.
pub(super) const HANDLE_TIME_P95: &str = "cx:handle_time_seconds:p95_5m";

/// The recording rules of the dashboard as a Prometheus rule file.
pub fn recording_rules(engine: &engine::Settings, settings: &Settings, extras: &[Extra]) -> String {
    let plan = Plan::new(&Shape::of_settings(engine), settings, extras);
    let mut rules = vec![
        (
            INTERACTIONS_RATE,
            "sum without (abandoned) (rate(cx_interactions_total[5m]))",
        ),
        (SURVEYS_RATE, "rate(cx_survey_responses_total[5m])"),
    ];
    if plan.breakdowns.iter().any(|breakdown| breakdown.histogram) {
        rules.push((
            HANDLE_TIME_P95,
            "histogram_quantile(0.95, rate(cx_handle_time_seconds_bucket[5m]))",
        ));
    }
    let mut text = String::from(
        "# What the dashboard of cxpulse reads; made by `cxpulse dashboard --rules`.\n\
         groups:\n- name: cxpulse-dashboard\n  rules:\n",
    );
    for (record, expression) in rules {
        text.extend(["  - record: ", record, "\n    expr: ", expression, "\n"]);
    }
    text
}
