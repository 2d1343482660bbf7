//! The panels, laid out from the top: a row per KPI, then traffic, alerts, and cxpulse itself.

use serde_json::{Value, json};

use super::super::plan::Plan;
use super::rules::{HANDLE_TIME_P95, INTERACTIONS_RATE, SURVEYS_RATE};
use super::{OF_JOB, datasource};
use crate::engine;
use crate::kpi::{Better, Kpi, QUANTILES, Unit};

/// Columns of the grid.
const COLUMNS: u32 = 24;

/// Panels placed one after the other.
struct Layout {
    panels: Vec<Value>,
    x: u32,
    y: u32,
    /// Height of the line that is being filled.
    height: u32,
}

impl Layout {
    fn row(&mut self, title: &str) {
        self.end_line();
        self.add(
            json!({"type": "row", "title": title, "collapsed": false, "panels": []}),
            (COLUMNS, 1),
        );
    }

    fn add(&mut self, mut panel: Value, (width, height): (u32, u32)) {
        if self.x + width > COLUMNS {
            self.end_line();
        }
        if let Some(members) = panel.as_object_mut() {
            members.insert("id".into(), json!(self.panels.len() + 1));
            let place = json!({"x": self.x, "y": self.y, "w": width, "h": height});
            members.insert("gridPos".into(), place);
        }
        self.panels.push(panel);
        self.x += width;
        self.height = self.height.max(height);
    }

    fn end_line(&mut self) {
        self.y += self.height;
        self.x = 0;
        self.height = 0;
    }
}

pub(super) fn panels(engine: &engine::Settings, plan: &Plan) -> Vec<Value> {
    let mut layout = Layout {
        panels: Vec::new(),
        x: 0,
        y: 0,
        height: 0,
    };
    let legend = legend(engine);
    for (kpi, definition) in &plan.definitions {
        kpi_row(&mut layout, *kpi, definition, engine, &legend);
    }
    traffic(&mut layout, plan, &legend);
    alerts(&mut layout);
    health(&mut layout);
    layout.panels
}

/// The dimensions of all breakdowns: those of the chosen one have values, the others are empty.
fn legend(engine: &engine::Settings) -> String {
    let mut names: Vec<&str> = Vec::new();
    for dimension in engine.breakdowns.iter().flatten() {
        if !names.contains(&dimension.as_str()) {
            names.push(dimension);
        }
    }
    let parts: Vec<String> = names.iter().map(|name| format!("{{{{{name}}}}}")).collect();
    format!("{} {{{{instance}}}}", parts.join(" "))
        .trim()
        .to_owned()
}

fn kpi_row(
    layout: &mut Layout,
    kpi: Kpi,
    definition: &str,
    engine: &engine::Settings,
    legend: &str,
) {
    layout.row(kpi.title());
    let family = kpi.family();
    let chosen = format!("{OF_JOB}, window=\"$window\", breakdown=\"$breakdown\"");
    let overall = format!("{OF_JOB}, window=\"$window\", breakdown=\"overall\"");
    let name = kpi.name();
    let better = match kpi.better(&engine.kpis) {
        Better::Higher => "higher is better",
        Better::Lower => "lower is better",
    };
    let about = format!("`{definition}`, {better}. A key without samples has no value.");
    let unit = unit_of(kpi);
    if kpi == Kpi::HandleTime {
        let quantiles = QUANTILES.map(|permille| f64::from(permille) / 1000.0);
        for (place, quantile) in quantiles.iter().enumerate() {
            let selector = format!("{overall}, quantile=\"{quantile}\"");
            let title = format!("Quantile {quantile}, overall");
            let panel = stat(&title, &format!("{family}{{{selector}}}"), unit, &about);
            layout.add(panel, (if place < 2 { 6 } else { COLUMNS / 4 }, 4));
        }
        let selector = format!("{chosen}, quantile=\"0.95\"");
        let of_chosen = [(format!("{family}{{{selector}}}"), legend.to_owned())];
        layout.add(
            series("Quantile 0.95 by $breakdown", &of_chosen, unit, &about),
            (12, 8),
        );
        let recorded = format!("{HANDLE_TIME_P95}{{{OF_JOB}, breakdown=\"$breakdown\"}}");
        let recorded = [(recorded, legend.to_owned())];
        let text = "From the histogram, over the last five minutes of the wall clock.";
        layout.add(
            series("Quantile 0.95, last 5 minutes", &recorded, unit, text),
            (12, 8),
        );
        return;
    }
    layout.add(
        stat("Overall", &format!("{family}{{{overall}}}"), unit, &about),
        (4, 8),
    );
    let of_chosen = [(format!("{family}{{{chosen}}}"), legend.to_owned())];
    layout.add(series("By $breakdown", &of_chosen, unit, &about), (12, 8));
    let samples = [(
        format!("cx_kpi_samples{{kpi=\"{name}\", {chosen}}}"),
        legend.to_owned(),
    )];
    let text = "The denominator behind each value: below some 30 a value says little.";
    layout.add(series("Samples", &samples, "short", text), (8, 8));
}

fn unit_of(kpi: Kpi) -> &'static str {
    match kpi.unit() {
        Unit::Ratio => "percentunit",
        Unit::Seconds => "s",
        Unit::Score | Unit::NetScore => "none",
    }
}

fn traffic(layout: &mut Layout, plan: &Plan, legend: &str) {
    layout.row("Traffic");
    let of = |record: &str| format!("{record}{{{OF_JOB}, breakdown=\"$breakdown\"}}");
    let interactions = [(of(INTERACTIONS_RATE), legend.to_owned())];
    let of_contacts = "Contacts a second, each at its first version.";
    layout.add(
        series("Interactions", &interactions, "reqps", of_contacts),
        (12, 8),
    );
    let surveys = [(of(SURVEYS_RATE), format!("{{{{question}}}} {legend}"))];
    let of_answers = "Answers a second, by question.";
    layout.add(
        series("Survey answers", &surveys, "reqps", of_answers),
        (12, 8),
    );
    if plan
        .definitions
        .iter()
        .any(|(kpi, _)| matches!(kpi, Kpi::Fcr | Kpi::FcrMature))
    {
        let of_overall = format!("{OF_JOB}, breakdown=\"overall\"");
        let queries = [
            (
                format!("rate(cx_contacts_first_total{{{of_overall}}}[$__rate_interval])"),
                "first contacts".to_owned(),
            ),
            (
                format!("rate(cx_contacts_retracted_total{{{of_overall}}}[$__rate_interval])"),
                "credits taken back".to_owned(),
            ),
            (
                format!("rate(cx_contacts_unidentified_total{{{of_overall}}}[$__rate_interval])"),
                "without a customer".to_owned(),
            ),
        ];
        let of_firsts = "First contacts a second, and credits taken back by a repeat.";
        layout.add(
            series("First contacts", &queries, "reqps", of_firsts),
            (12, 8),
        );
    }
}

fn alerts(layout: &mut Layout) {
    layout.row("Alerts");
    let firing = format!("count(cx_alert_state{{{OF_JOB}}} == 2) or vector(0)");
    layout.add(
        stat("Firing", &firing, "none", "Alert instances that fire."),
        (4, 8),
    );
    let states = [(
        format!("max by (alert, severity) (cx_alert_state{{{OF_JOB}}})"),
        "{{alert}} {{severity}}".to_owned(),
    )];
    let text = "0 inactive, 1 pending, 2 firing.";
    layout.add(series("States", &states, "none", text), (12, 8));
    let sent = [(
        format!(
            "sum by (sink, outcome) (rate(cxpulse_alert_notifications_total{{{OF_JOB}}}[$__rate_interval]))"
        ),
        "{{sink}} {{outcome}}".to_owned(),
    )];
    let of_sent = "Notifications a second; dropped ones have not reached their receiver.";
    layout.add(series("Notifications", &sent, "reqps", of_sent), (8, 8));
}

#[expect(clippy::too_many_lines, reason = "a list of panels, told once")]
fn health(layout: &mut Layout) {
    layout.row("Health of cxpulse");
    for (title, expression, unit, text) in [
        (
            "Up",
            "min(up{job=~\"$job\"})",
            "none",
            "1 while Prometheus can scrape.",
        ),
        (
            "Connected to NATS",
            "min(cxpulse_nats_connected{OF})",
            "none",
            "1 while connected.",
        ),
        (
            "Caught up",
            "min(cxpulse_caught_up{OF})",
            "none",
            "1 once history has been read.",
        ),
        (
            "Behind",
            "max(cxpulse_behind_seconds{OF})",
            "s",
            "How old the last processed message is while more wait.",
        ),
        (
            "Incomplete windows",
            "count(cxpulse_window_complete{OF} == 0) or vector(0)",
            "none",
            "Windows that reach back further than what has been read.",
        ),
        (
            "Messages lost",
            "sum(cxpulse_stream_gap_messages_total{OF})",
            "none",
            "Messages the stream lost before they could be read.",
        ),
    ] {
        layout.add(stat(title, &narrowed(expression), unit, text), (4, 4));
    }
    let one = |expression: &str, legend: &str| (narrowed(expression), legend.to_owned());
    let rate = "[$__rate_interval]";
    let events = [
        one(
            &format!("sum by (kind) (rate(cxpulse_events_received_total{{OF}}{rate}))"),
            "received {{kind}}",
        ),
        one(
            &format!("sum(rate(cxpulse_events_applied_total{{OF}}{rate}))"),
            "applied",
        ),
        one(
            &format!("sum(rate(cxpulse_events_replaced_total{{OF}}{rate}))"),
            "replaced",
        ),
        one(
            &format!("sum(rate(cxpulse_events_duplicate_total{{OF}}{rate}))"),
            "duplicate",
        ),
    ];
    layout.add(
        series(
            "Events",
            &events,
            "reqps",
            "What becomes of events, a second.",
        ),
        (12, 8),
    );
    let rejected = [
        one(
            &format!("sum by (reason) (rate(cxpulse_events_rejected_total{{OF}}{rate}))"),
            "{{reason}}",
        ),
        one(
            &format!("sum by (outcome) (rate(cxpulse_dead_letters_total{{OF}}{rate}))"),
            "dead letters {{outcome}}",
        ),
    ];
    layout.add(
        series(
            "Rejected",
            &rejected,
            "reqps",
            "Events that could not be counted, by reason.",
        ),
        (12, 8),
    );
    let delay = [one(
        &format!(
            "histogram_quantile(0.99, sum by (le) (rate(cxpulse_event_delay_seconds_bucket{{OF}}{rate})))"
        ),
        "99 % within",
    )];
    layout.add(
        series(
            "Arrival after the event",
            &delay,
            "s",
            "How late events arrive; compare with the delay of windows and the allowed lateness.",
        ),
        (8, 8),
    );
    let held = [
        one("sum(cxpulse_ledger_entries{OF})", "records remembered"),
        one("sum(cxpulse_chain_contacts{OF})", "contacts in chains"),
        one("sum(cxpulse_events_waiting{OF})", "events that wait"),
        one("sum(cxpulse_stream_lag_messages{OF})", "messages behind"),
    ];
    layout.add(
        series(
            "Held",
            &held,
            "short",
            "What is kept in memory, and what waits.",
        ),
        (8, 8),
    );
    let limits = [
        one(
            "sum by (breakdown) (rate(cxpulse_breakdown_overflow_total{OF}[$__rate_interval]))",
            "overflow {{breakdown}}",
        ),
        one("sum(cxpulse_series_suppressed{OF})", "series suppressed"),
        one(
            "sum(rate(cxpulse_consumer_resets_total{OF}[$__rate_interval]))",
            "consumer resets",
        ),
    ];
    layout.add(
        series(
            "Limits that bite",
            &limits,
            "short",
            "All of them should be 0.",
        ),
        (8, 8),
    );
    let process = [one("process_resident_memory_bytes{OF}", "{{instance}}")];
    layout.add(
        series("Memory", &process, "bytes", "Resident memory."),
        (8, 8),
    );
    let processor = [one(
        "rate(process_cpu_seconds_total{OF}[$__rate_interval])",
        "{{instance}}",
    )];
    layout.add(
        series("Processor", &processor, "percentunit", "Of one core."),
        (8, 8),
    );
    let checkpoint = [one(
        "time() - cxpulse_checkpoint_last_success_timestamp_seconds{OF} and cxpulse_checkpoint_last_success_timestamp_seconds{OF} > 0",
        "age {{instance}}",
    )];
    layout.add(
        series(
            "Last checkpoint",
            &checkpoint,
            "s",
            "After a crash this much of the stream is read again.",
        ),
        (8, 8),
    );
}

/// `{OF}` as what every expression narrows to.
fn narrowed(expression: &str) -> String {
    expression.replace("{OF}", &format!("{{{OF_JOB}}}"))
}

fn stat(title: &str, expression: &str, unit: &str, description: &str) -> Value {
    json!({
        "type": "stat",
        "title": title,
        "description": description,
        "datasource": datasource(),
        "targets": targets(&[(expression.to_owned(), "{{instance}}".to_owned())], true),
        "fieldConfig": {
            "defaults": {"unit": unit, "noValue": "no data", "color": {"mode": "fixed", "fixedColor": "text"}},
            "overrides": [],
        },
        "options": {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
            "colorMode": "none",
            "graphMode": "area",
            "textMode": "value",
        },
    })
}

fn series(title: &str, queries: &[(String, String)], unit: &str, description: &str) -> Value {
    json!({
        "type": "timeseries",
        "title": title,
        "description": description,
        "datasource": datasource(),
        "targets": targets(queries, false),
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "custom": {"drawStyle": "line", "lineWidth": 2, "fillOpacity": 0, "spanNulls": false},
            },
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    })
}

fn targets(queries: &[(String, String)], instant: bool) -> Vec<Value> {
    let names = ('A'..='Z').map(String::from);
    let targets = names.zip(queries).map(|(name, (expression, legend))| {
        json!({
            "refId": name,
            "datasource": datasource(),
            "expr": expression,
            "legendFormat": legend,
            "instant": instant,
            "range": !instant,
        })
    });
    targets.collect()
}
