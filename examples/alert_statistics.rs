//! How often alerts page for nothing, and how long they take to see a drop: the table of
//! `docs/alerts.md`.
//!
//! A queue gets so many answers an hour, independent of each other, each good with the probability
//! of the objective: every page is a false one. Then the probability drops. Three rules watch the
//! same answers in a window of an hour, judged each minute. Same seed, same table:
//!
//! ```sh
//! cargo run --release --example alert_statistics
//! ```

#![expect(clippy::print_stdout, reason = "the table is the output")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use cxpulse::alert::{Condition, Evaluator, Phase, Rule, Settings};
use cxpulse::engine::{BreakdownView, KeyView, Lifetime, Stats, View, WindowView};
use cxpulse::kpi::{self, Cell, Count, Kpi, Totals};
use cxpulse::time::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The promised share, and the probability that an answer is good while it is kept.
const OBJECTIVE: f64 = 0.8;
/// Where the confident rules clear.
const CLEAR: f64 = 0.82;
/// Fewest answers to judge by, for all rules.
const MIN_SAMPLES: u64 = 5;
/// Panes of the window, each a minute.
const PANES: usize = 60;
/// Minutes of a month of 30 days.
const MONTH: usize = 30 * 24 * 60;
/// Queue-months behind each number of false pages.
const MONTHS: usize = 10;
/// Drops behind each delay.
const DROPS: usize = 200;
/// A drop that is not seen for so many minutes is not seen.
const PATIENCE: usize = 7 * 24 * 60;

/// How the rules judge.
#[derive(Clone, Copy)]
enum Style {
    Plain,
    Confident,
    ConfidentFor15m,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!(
        "| answers per window | rule | false pages per queue-month | time firing \
         | drop of 5 points | 10 points | 20 points |"
    );
    println!("|---:|---|---:|---:|---:|---:|---:|");
    for answers in [10, 50, 200, 1000] {
        for (style, name) in [
            (Style::Plain, "plain"),
            (Style::Confident, "confident, clear threshold"),
            (Style::ConfidentFor15m, "the same with `for = \"15m\"`"),
        ] {
            let (pages, firing) = false_pages(answers, style)?;
            let mut delays = Vec::new();
            for drop in [0.05, 0.10, 0.20] {
                delays.push(median_delay(answers, style, drop)?);
            }
            println!(
                "| {answers} | {name} | {pages:.1} | {:.1} % | {} |",
                100.0 * firing,
                delays.join(" | ")
            );
        }
    }
    Ok(())
}

/// Pages in a queue-month at the objective, and the share of time that the alert fires.
fn false_pages(answers: u32, style: Style) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    let (mut pages, mut firing, mut minutes) = (0_u32, 0_u32, 0_u32);
    for month in 0..MONTHS {
        let mut queue = Queue::new(answers, style, u64::try_from(month)?)?;
        queue.warm_up();
        for _ in 0..MONTH {
            let before = queue.fires;
            queue.minute(OBJECTIVE);
            pages += u32::from(queue.fires && !before);
            firing += u32::from(queue.fires);
            minutes += 1;
        }
    }
    let months = f64::from(u32::try_from(MONTHS)?);
    Ok((
        f64::from(pages) / months,
        f64::from(firing) / f64::from(minutes),
    ))
}

/// The median time from a drop to the first minute in which the alert fires, among queues whose
/// alert was silent at the drop.
fn median_delay(
    answers: u32,
    style: Style,
    drop: f64,
) -> Result<String, Box<dyn std::error::Error>> {
    let mut delays = Vec::new();
    for seed in 0..u64::try_from(DROPS)? {
        let mut queue = Queue::new(answers, style, 1000 + seed)?;
        queue.warm_up();
        while queue.fires {
            queue.minute(OBJECTIVE);
        }
        let seen = (1..=PATIENCE).find(|_| {
            queue.minute(OBJECTIVE - drop);
            queue.fires
        });
        delays.push(seen.unwrap_or(usize::MAX));
    }
    delays.sort_unstable();
    Ok(match delays[delays.len() / 2] {
        usize::MAX => "not within 7d".to_owned(),
        minutes if minutes >= 120 => format!("{}h {:02}m", minutes / 60, minutes % 60),
        minutes => format!("{minutes}m"),
    })
}

/// A queue with its window and its alert.
struct Queue {
    answers_per_minute: f64,
    random: StdRng,
    panes: VecDeque<Totals>,
    view: View,
    evaluator: Evaluator,
    at: Timestamp,
    fires: bool,
}

impl Queue {
    fn new(answers: u32, style: Style, seed: u64) -> Result<Self, Box<dyn std::error::Error>> {
        let hour = Duration::from_hours(1);
        let mut rule = Rule::new("low", Kpi::Csat, "1h", hour, Condition::Below(OBJECTIVE));
        rule.min_samples = MIN_SAMPLES;
        rule.confident = !matches!(style, Style::Plain);
        rule.clear = rule.confident.then_some(CLEAR);
        if let Style::ConfidentFor15m = style {
            rule.hold = Duration::from_mins(15);
        }
        let settings = Settings {
            interval: Duration::from_mins(1),
            rules: vec![rule],
            ..Settings::default()
        };
        Ok(Self {
            answers_per_minute: f64::from(answers) / 60.0,
            random: StdRng::seed_from_u64(seed),
            panes: VecDeque::from(vec![Totals::default(); PANES]),
            view: view(),
            evaluator: Evaluator::new(&settings, hour)?,
            at: Timestamp::from_millis(0),
            fires: false,
        })
    }

    /// Fills the window.
    fn warm_up(&mut self) {
        for _ in 0..2 * PANES {
            self.minute(OBJECTIVE);
        }
    }

    /// A minute's answers, each good with that probability, and an evaluation.
    fn minute(&mut self, good: f64) {
        let mut pane = Totals::default();
        for _ in 0..self.arrivals() {
            pane.count(Count::Csat, 1);
            if self.random.random_bool(good) {
                pane.count(Count::CsatSatisfied, 1);
            }
        }
        let key = Arc::make_mut(&mut self.view.breakdowns[0].keys[0]);
        let totals = &mut key.cells[0].totals;
        totals.add(&pane, 1);
        self.panes.push_back(pane);
        if let Some(gone) = self.panes.pop_front() {
            totals.add(&gone, -1);
        }
        self.at = self.at.plus_millis(60_000);
        for transition in self.evaluator.evaluate(&self.view, self.at, false) {
            self.fires = transition.to == Phase::Firing;
        }
    }

    /// A Poisson number, by D. E. Knuth's product of uniform numbers: the rates are small.
    fn arrivals(&mut self) -> u32 {
        let limit = (-self.answers_per_minute).exp();
        let mut product = self.random.random::<f64>();
        let mut count = 0;
        while product > limit {
            product *= self.random.random::<f64>();
            count += 1;
        }
        count
    }
}

/// An empty window of an hour.
fn view() -> View {
    View {
        at: Some(Timestamp::from_millis(0)),
        kpis: Arc::new(kpi::Settings::default()),
        windows: vec![WindowView {
            name: "1h".into(),
            length_ms: 3_600_000,
            day_from: None,
            complete: true,
            complete_for_fcr: true,
            for_alert_only: false,
        }],
        breakdowns: vec![BreakdownView {
            label: "overall".into(),
            dimensions: Vec::new().into(),
            handle_time: false,
            keys: vec![Arc::new(KeyView {
                values: Vec::new().into(),
                live: true,
                revision: 0,
                cells: vec![Cell::default()],
                lifetime: Arc::new(Lifetime::default()),
            })],
        }],
        stats: Stats::default(),
        history: Arc::default(),
    }
}
