//! The `cx_*` families of the metrics page: Prometheus text 0.0.4, written straight from the view.
//!
//! A key's readings are made once and each goes to the block of its family, so that every family
//! stands in one piece. Families without samples do not appear; there are no timestamps and no NaN.

mod blocks;
mod heads;

use blocks::Blocks;
use heads::{BreakdownHeads, GaugeHeads, Head};

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

/// Renders pages and keeps its working memory from one to the next: of a large page the fresh
/// memory costs as much as the writing.
#[derive(Debug, Default)]
pub struct Renderer {
    blocks: Blocks,
}

impl Renderer {
    /// Renders the `cx_*` families of a view. `extras` is what alerts read (exported whatever
    /// `settings.kpis` says), `alerts` the state of their instances.
    ///
    /// When there are more series than `settings.max_series`, alert states and definitions are
    /// kept first, then whole keys, breakdowns with the fewest dimensions first, in the order of
    /// the view. The same view always gives the same bytes.
    pub fn render(
        &mut self,
        view: &View,
        settings: &Settings,
        extras: &[Extra],
        alerts: &[AlertSeries],
    ) -> Page {
        let plan = Plan::new(&Shape::of_view(view), settings, extras);
        let blocks = &mut self.blocks;
        blocks.begin(settings.max_series);
        blocks.attempt(|blocks| alert_lines(blocks, alerts));
        blocks.attempt(|blocks| definition_lines(blocks, &plan));
        for breakdown_plan in &plan.breakdowns {
            let Some(breakdown) = view.breakdowns.get(breakdown_plan.index) else {
                continue;
            };
            let lines = KeyLines::new(view, breakdown_plan);
            for key in &breakdown.keys {
                let tail = key_tail(breakdown, key);
                blocks.attempt(|blocks| lines.write(blocks, key, &tail));
            }
        }
        blocks.page()
    }
}

/// Renders one page; see [`Renderer::render`].
pub fn render(view: &View, settings: &Settings, extras: &[Extra], alerts: &[AlertSeries]) -> Page {
    Renderer::default().render(view, settings, extras, alerts)
}

/// What ends a label set that has no dimensions.
const NO_DIMENSIONS: &str = "} ";

fn alert_lines(blocks: &mut Blocks, alerts: &[AlertSeries]) {
    for alert in alerts {
        let mut labels = vec![
            ("alert", alert.name.as_str()),
            ("severity", alert.severity.as_str()),
        ];
        let dimensions = alert.labels.iter();
        labels.extend(dimensions.map(|(name, value)| (name.as_str(), value.as_str())));
        let state = Head::new(Family::AlertState, &labels);
        let insufficient = Head::new(Family::AlertInsufficient, &labels);
        blocks.count(&state, NO_DIMENSIONS, u64::from(alert.state));
        blocks.count(&insufficient, NO_DIMENSIONS, u64::from(alert.insufficient));
    }
}

fn definition_lines(blocks: &mut Blocks, plan: &Plan) {
    for (kpi, definition) in &plan.definitions {
        let labels = [("kpi", kpi.name()), ("definition", definition)];
        blocks.count(&Head::new(Family::Definition, &labels), NO_DIMENSIONS, 1);
    }
}

/// The end of each label set of a key: its dimensions, the brace and the space before the value.
fn key_tail(breakdown: &BreakdownView, key: &KeyView) -> String {
    let mut tail = String::new();
    for (name, value) in breakdown.dimensions.iter().zip(key.values.iter()) {
        tail.push(',');
        push_label(&mut tail, name, value);
    }
    tail.push_str(NO_DIMENSIONS);
    tail
}

/// Writes the lines of a breakdown's keys; holds what is the same for all of them.
struct KeyLines<'a> {
    view: &'a View,
    plan: &'a BreakdownPlan,
    gauges: Vec<GaugeHeads>,
    heads: BreakdownHeads,
}

impl<'a> KeyLines<'a> {
    fn new(view: &'a View, plan: &'a BreakdownPlan) -> Self {
        let gauges = plan.gauges.iter();
        Self {
            view,
            plan,
            gauges: gauges
                .map(|gauge| GaugeHeads::new(gauge, &plan.label))
                .collect(),
            heads: BreakdownHeads::new(plan, &view.kpis),
        }
    }

    fn write(&self, blocks: &mut Blocks, key: &KeyView, tail: &str) {
        for (gauge, heads) in self.plan.gauges.iter().zip(&self.gauges) {
            if key.live {
                self.write_gauge(blocks, key, gauge, heads, tail);
            } else {
                blocks.count(&heads.samples, tail, 0);
            }
        }
        // Everything since the start of the counters, read by the formulas of the windows.
        let since_start = Cell {
            totals: key.lifetime.totals.clone(),
            ..Cell::default()
        };
        self.write_counters(blocks, key, &since_start, tail);
        if self.plan.histogram {
            self.write_histogram(blocks, key, &since_start, tail);
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
        let (cell, window) = (
            key.cells.get(gauge.window),
            self.view.windows.get(gauge.window),
        );
        let (Some(cell), Some(window)) = (cell, window) else {
            return;
        };
        // The plan has only what exists, so quantiles are asked for where they are kept.
        let read = if gauge.intervals {
            Cell::reading
        } else {
            Cell::point
        };
        let reading = read(cell, gauge.kpi, true, window.length_ms, &self.view.kpis);
        let Some(reading) = reading else {
            return;
        };
        for (head, value) in heads
            .quantiles
            .iter()
            .zip(reading.quantiles.iter().flatten())
        {
            blocks.float(head, tail, *value);
        }
        let mut optional = |head, wanted: bool, value: Option<f64>| {
            if let (true, Some(value)) = (wanted, value) {
                blocks.float(head, tail, value);
            }
        };
        optional(&heads.value, true, reading.value);
        optional(&heads.lower, gauge.intervals, reading.lower);
        optional(&heads.upper, gauge.intervals, reading.upper);
        optional(&heads.numerator, gauge.partials, reading.numerator);
        optional(&heads.denominator, gauge.partials, reading.denominator);
        blocks.count(&heads.samples, tail, reading.samples);
    }

    fn write_counters(&self, blocks: &mut Blocks, key: &KeyView, since_start: &Cell, tail: &str) {
        let lifetime = &*key.lifetime;
        let totals = &since_start.totals;
        let mut write = |heads: &[Head], counts: &[u64]| {
            for (head, count) in heads.iter().zip(counts) {
                blocks.count(head, tail, *count);
            }
        };
        let of = |count| totals.samples(count);
        write(
            &self.heads.interactions,
            &[of(Count::Abandoned), of(Count::Handled)],
        );
        let resolved = of(Count::SurveyResolution);
        let answers = of(Count::Nps);
        write(
            &self.heads.answers,
            &[of(Count::Csat), of(Count::Ces), answers, resolved],
        );
        let (promoters, detractors) = (of(Count::NpsPromoters), of(Count::NpsDetractors));
        let passives = answers.saturating_sub(promoters + detractors);
        write(
            &self.heads.recommendations,
            &[promoters, passives, detractors],
        );
        let contacts = [
            lifetime.contacts_first,
            lifetime.contacts_retracted,
            lifetime.contacts_unidentified,
        ];
        write(&self.heads.contacts, &contacts);
        for (kpi, (numerator, denominator)) in self.plan.counted.iter().zip(&self.heads.counted) {
            let reading = self.counted(*kpi, since_start);
            blocks.float(numerator, tail, reading.numerator.unwrap_or(0.0));
            blocks.float(denominator, tail, reading.denominator.unwrap_or(0.0));
        }
    }

    fn counted(&self, kpi: Kpi, since_start: &Cell) -> Reading {
        since_start
            .point(kpi, false, 0, &self.view.kpis)
            .unwrap_or_default()
    }

    fn write_histogram(&self, blocks: &mut Blocks, key: &KeyView, since_start: &Cell, tail: &str) {
        let mut buckets = key.lifetime.handle_time_buckets.iter();
        let mut count = 0_u64;
        for head in &self.heads.bounds {
            count += buckets.next().unwrap_or(&0);
            blocks.count(head, tail, count);
        }
        count += buckets.sum::<u64>();
        blocks.count(&self.heads.infinity, tail, count);
        let sum = self.counted(Kpi::Aht, since_start).numerator;
        blocks.float(&self.heads.sum, tail, sum.unwrap_or(0.0));
        blocks.count(&self.heads.count, tail, count);
    }
}

#[cfg(test)]
mod tests;
