//! `cxpulse replay --alerts`: transitions go to standard output, the summary of the rules to standard
//! error and, as JSON, to a file.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::alert::back_test::{Incident, RuleSummary, Score, Summary, Tally};
use crate::app::BackTest;
use crate::config::{Config, format_duration};
use crate::engine::Engine;
use crate::time::Timestamp;

/// A back-test whose transitions are printed and tallied.
pub(super) struct Told {
    pub(super) back_test: BackTest,
    tally: Tally,
}

impl Told {
    pub(super) fn new(config: &Config, engine: &Engine, at: Option<Timestamp>) -> Result<Self> {
        Ok(Self {
            back_test: BackTest::new(config, engine, at)?,
            tally: Tally::new(&config.alert),
        })
    }

    /// Writes the transitions since the last call.
    pub(super) fn write(&mut self, out: &mut impl Write) -> Result<()> {
        for transition in self.back_test.transitions() {
            self.tally.record(&transition);
            writeln!(out, "{}", transition.to_json_line()).context("cannot write the result")?;
        }
        Ok(())
    }

    /// Prints the summary to standard error, and writes it to `file` as JSON.
    pub(super) fn finish(self, incidents: Option<&[Incident]>, file: Option<&Path>) -> Result<()> {
        let mut stderr = std::io::stderr().lock();
        let Some((from, to)) = self.back_test.judged() else {
            writeln!(stderr, "no event was accepted, so no rule was judged")?;
            return Ok(());
        };
        let summary = self.tally.finish(from, to, incidents);
        if let Some(file) = file {
            let json = serde_json::to_vec_pretty(&summary)?;
            std::fs::write(file, [json.as_slice(), b"\n"].concat())
                .with_context(|| format!("cannot write the summary to {}", file.display()))?;
        }
        stderr.write_all(in_words(&summary, incidents).as_bytes())?;
        Ok(())
    }
}

/// The summary as a table for people.
fn in_words(summary: &Summary, incidents: Option<&[Incident]>) -> String {
    let mut text = format!("\nalerts from {} to {}", summary.from, summary.to);
    if let (Some(inside), Some(all)) = (summary.incidents, incidents) {
        let outside = all.len() - inside;
        let more = if outside > 0 {
            format!(" ({outside} more lie outside and do not count)")
        } else {
            String::new()
        };
        text = format!("{text}, {inside} incidents{more}");
    }
    text.push('\n');
    if summary.rules.is_empty() {
        text.push_str("the configuration has no [[alert]]\n");
        return text;
    }
    let mut rows = vec![headings(summary.all.is_some())];
    rows.extend(summary.rules.iter().map(row));
    rows.extend(summary.all.as_ref().map(row_of_all));
    text.push_str(&table(&rows));
    text
}

fn headings(scored: bool) -> Vec<String> {
    let figures = [
        "alert",
        "severity",
        "fired",
        "time firing",
        "shortest",
        "flaps",
        "at the end",
    ];
    let scores = ["precision", "recall", "found", "median delay", "longest"];
    let scores = scores.iter().take(if scored { scores.len() } else { 0 });
    let all = figures.iter().chain(scores);
    all.map(|heading| (*heading).to_owned()).collect()
}

fn row(rule: &RuleSummary) -> Vec<String> {
    let mut row = vec![
        rule.alert.clone(),
        rule.severity.clone(),
        rule.fired.to_string(),
        duration(rule.firing_seconds),
        rule.shortest_seconds.map_or_else(dash, duration),
        rule.flaps.to_string(),
        rule.still_firing.to_string(),
    ];
    row.extend(rule.score.iter().flat_map(scores));
    row
}

fn row_of_all(score: &Score) -> Vec<String> {
    let figures = std::iter::once("all").chain(std::iter::repeat_n("", 6));
    let mut row: Vec<String> = figures.map(str::to_owned).collect();
    row.extend(scores(score));
    row
}

fn scores(score: &Score) -> Vec<String> {
    let delay = score.delay_seconds;
    vec![
        score.precision.map_or_else(dash, percent),
        score.recall.map_or_else(dash, percent),
        format!("{}/{}", score.incidents_found, score.incidents_concerned),
        delay.map_or_else(dash, |delay| duration(delay.median)),
        delay.map_or_else(dash, |delay| duration(delay.longest)),
    ]
}

fn dash() -> String {
    "-".to_owned()
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn duration(seconds: f64) -> String {
    format_duration(Duration::from_secs_f64(seconds.max(0.0).round()))
}

/// Columns wide enough for what stands in them: the first two to the left, numbers to the right.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate();
        let cells: Vec<String> = cells
            .map(|(column, (cell, width))| {
                if column < 2 {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            })
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}
