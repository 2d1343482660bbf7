//! The `cx_*` families of the metrics page: Prometheus text 0.0.4, written straight from the view.
//!
//! A key's readings are made once and each goes to the block of its family, so that every family
//! stands in one piece. Families without samples do not appear; there are no timestamps and no NaN.

mod blocks;
mod heads;

use std::fmt::Write;

use blocks::Blocks;
use heads::{BreakdownHeads, GaugeHeads};

use super::families::Family;
use super::plan::{BreakdownPlan, GaugePlan, Plan, Shape};
use super::text::push_label;
use super::{Extra, Settings};
use crate::engine::{BreakdownView, KeyView, View};
use crate::kpi::{Cell, Count, Kpi, Reading};

/// The `Content-Type` of the page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// State of one alert instance, for `cx_alert_state` and `cx_alert_insufficient`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertSeries {
    /// The rule: the `alert` label.
    pub name: String,
    /// The `severity` label.
    pub severity: String,
    /// The dimensions of the instance with their values, in the breakdown's order.
    pub labels: Vec<(String, String)>,
    /// 0 inactive, 1 pending, 2 firing.
    pub state: u8,
    /// It lacks the samples or history to be judged.
    pub insufficient: bool,
}

/// A rendered page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The text; empty when there is nothing to show.
    pub text: String,
    /// Series on the page.
    pub series: usize,
    /// Series that did not fit into `export.max_series`.
    pub suppressed: usize,
}

/// Renders the `cx_*` families of a view. `extras` is what alerts read (exported whatever
/// `settings.kpis` says), `alerts` the state of their instances.
///
/// When there are more series than `settings.max_series`, alert states and definitions are kept
/// first, then whole keys, breakdowns with the fewest dimensions first, in the order of the view.
/// The same view always gives the same bytes.
pub fn render(view: &View, settings: &Settings, extras: &[Extra], alerts: &[AlertSeries]) -> Page {
    let plan = Plan::new(&Shape::of_view(view), settings, extras);
    let mut blocks = Blocks::new(settings.max_series);
    blocks.attempt(|lines| alert_lines(lines, alerts));
    blocks.attempt(|lines| definition_lines(lines, &plan));
    for breakdown_plan in &plan.breakdowns {
        let Some(breakdown) = view.breakdowns.get(breakdown_plan.index) else {
            continue;
        };
        let lines = BreakdownLines {
            view,
            plan: breakdown_plan,
            gauges: breakdown_plan
                .gauges
                .iter()
                .map(|gauge| GaugeHeads::new(gauge, &breakdown_plan.label))
                .collect(),
            heads: BreakdownHeads::new(breakdown_plan, &view.kpis),
        };
        for key in &breakdown.keys {
            let tail = key_tail(breakdown, key);
            blocks.attempt(|blocks| lines.write_key(blocks, key, &tail));
        }
    }
    blocks.into_page()
}

fn alert_lines(blocks: &mut Blocks, alerts: &[AlertSeries]) {
    for alert in alerts {
        let mut labels = String::from("{");
        push_label(&mut labels, "alert", &alert.name);
        labels.push(',');
        push_label(&mut labels, "severity", &alert.severity);
        for (name, value) in &alert.labels {
            labels.push(',');
            push_label(&mut labels, name, value);
        }
        let insufficient = u64::from(alert.insufficient);
        blocks.count(Family::AlertState, &labels, "} ", u64::from(alert.state));
        blocks.count(Family::AlertInsufficient, &labels, "} ", insufficient);
    }
}

fn definition_lines(blocks: &mut Blocks, plan: &Plan) {
    for (kpi, definition) in &plan.definitions {
        let mut labels = String::from("{");
        push_label(&mut labels, "kpi", kpi.name());
        labels.push(',');
        push_label(&mut labels, "definition", definition);
        blocks.count(Family::Definition, &labels, "} ", 1);
    }
}

/// The end of each label set of a key: its dimensions, the brace and the space before the value.
fn key_tail(breakdown: &BreakdownView, key: &KeyView) -> String {
    let mut tail = String::new();
    for (name, value) in breakdown.dimensions.iter().zip(key.values.iter()) {
        tail.push(',');
        push_label(&mut tail, name, value);
    }
    tail.push_str("} ");
    tail
}

/// What is the same for every key of a breakdown.
struct BreakdownLines<'a> {
    view: &'a View,
    plan: &'a BreakdownPlan,
    gauges: Vec<GaugeHeads>,
    heads: BreakdownHeads,
}

impl BreakdownLines<'_> {
    fn write_key(&self, blocks: &mut Blocks, key: &KeyView, tail: &str) {
        for (gauge, heads) in self.plan.gauges.iter().zip(&self.gauges) {
            if key.live {
                self.write_gauge(blocks, key, gauge, heads, tail);
            } else {
                blocks.count(Family::Samples, &heads.by_kpi, tail, 0);
            }
        }
        self.write_counters(blocks, key, tail);
        if self.plan.histogram {
            self.write_histogram(blocks, key, tail);
        }
    }

    fn write_gauge(
        &self,
        blocks: &mut Blocks,
        key: &KeyView,
        gauge: &GaugePlan,
        heads: &GaugeHeads,
        tail: &str,
    ) {
        let (Some(cell), Some(window)) = (
            key.cells.get(gauge.window),
            self.view.windows.get(gauge.window),
        ) else {
            return;
        };
        let Some(reading) = cell.reading(gauge.kpi, true, window.length_ms, &self.view.kpis) else {
            return;
        };
        if let Some(value) = reading.value {
            blocks.float(Family::Value(gauge.kpi), &heads.by_family, tail, value);
        }
        for (head, value) in heads
            .quantiles
            .iter()
            .zip(reading.quantiles.iter().flatten())
        {
            blocks.float(Family::Value(gauge.kpi), head, tail, *value);
        }
        blocks.count(Family::Samples, &heads.by_kpi, tail, reading.samples);
        let mut optional = |family, wanted: bool, value: Option<f64>| {
            if let (true, Some(value)) = (wanted, value) {
                blocks.float(family, &heads.by_kpi, tail, value);
            }
        };
        optional(Family::Lower, gauge.intervals, reading.lower);
        optional(Family::Upper, gauge.intervals, reading.upper);
        optional(Family::WindowNumerator, gauge.partials, reading.numerator);
        optional(
            Family::WindowDenominator,
            gauge.partials,
            reading.denominator,
        );
    }

    fn write_counters(&self, blocks: &mut Blocks, key: &KeyView, tail: &str) {
        let lifetime = &*key.lifetime;
        let totals = &lifetime.totals;
        let answers = totals.samples(Count::Nps);
        let promoters = totals.samples(Count::NpsPromoters);
        let detractors = totals.samples(Count::NpsDetractors);
        let passives = answers.saturating_sub(promoters + detractors);
        let head = &self.heads;
        let lines = [
            (
                Family::Interactions,
                &head.abandoned[0],
                totals.samples(Count::Abandoned),
            ),
            (
                Family::Interactions,
                &head.abandoned[1],
                totals.samples(Count::Handled),
            ),
            (
                Family::SurveyResponses,
                &head.questions[0],
                totals.samples(Count::Csat),
            ),
            (
                Family::SurveyResponses,
                &head.questions[1],
                totals.samples(Count::Ces),
            ),
            (Family::SurveyResponses, &head.questions[2], answers),
            (
                Family::SurveyResponses,
                &head.questions[3],
                totals.samples(Count::SurveyResolution),
            ),
            (Family::NpsResponses, &head.categories[0], promoters),
            (Family::NpsResponses, &head.categories[1], passives),
            (Family::NpsResponses, &head.categories[2], detractors),
            (Family::ContactsFirst, &head.plain, lifetime.contacts_first),
            (
                Family::ContactsRetracted,
                &head.plain,
                lifetime.contacts_retracted,
            ),
            (
                Family::ContactsUnidentified,
                &head.plain,
                lifetime.contacts_unidentified,
            ),
        ];
        for (family, labels, count) in lines {
            blocks.count(family, labels, tail, count);
        }
        for (kpi, labels) in self.plan.counted.iter().zip(&head.counted) {
            let reading = self.since_start(*kpi, key);
            let (numerator, denominator) = (reading.numerator, reading.denominator);
            blocks.float(Family::KpiNumerator, labels, tail, numerator.unwrap_or(0.0));
            blocks.float(
                Family::KpiDenominator,
                labels,
                tail,
                denominator.unwrap_or(0.0),
            );
        }
    }

    /// The KPI over everything since the start of the counters, by the formula of the windows.
    fn since_start(&self, kpi: Kpi, key: &KeyView) -> Reading {
        let cell = Cell {
            totals: key.lifetime.totals.clone(),
            ..Cell::default()
        };
        cell.reading(kpi, false, 0, &self.view.kpis)
            .unwrap_or_default()
    }

    fn write_histogram(&self, blocks: &mut Blocks, key: &KeyView, tail: &str) {
        let lifetime = &*key.lifetime;
        let mut buckets = lifetime.handle_time_buckets.iter();
        let mut count = 0_u64;
        for labels in &self.heads.bounds {
            count += buckets.next().unwrap_or(&0);
            blocks.bucket(labels, tail, count);
        }
        count += buckets.sum::<u64>();
        blocks.bucket(&self.heads.infinity, tail, count);
        let cell = Cell {
            totals: lifetime.totals.clone(),
            ..Cell::default()
        };
        let handle_time = cell.reading(Kpi::Aht, false, 0, &self.view.kpis);
        let sum = handle_time.and_then(|reading| reading.numerator);
        blocks.sum_and_count(&self.heads.plain, tail, sum.unwrap_or(0.0), count);
    }
}

/// `# HELP` and `# TYPE` of a family.
fn push_header(out: &mut String, family: Family) {
    let (name, help, kind) = (family.name(), family.help(), family.kind());
    // Writing into a `String` cannot fail.
    let _infallible = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
}

#[cfg(test)]
mod tests;
