//! `cxpulse replay`: KPIs of recorded events, through the same pipeline as live.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::{ConfigFile, USAGE};
use crate::alert::{Evaluator, Transition};
use crate::app::Pipeline;
use crate::config::{Config, format_duration, parse_duration};
use crate::decode::parse_moment;
use crate::engine::{Engine, View, WaitingPolicy};
use crate::event::{Event, HashKey};
use crate::export::{self, Filter};
use crate::source::Capture;
use crate::time::{Clock, SystemClock, Timestamp, millis_of};
use crate::window::WindowSpec;

/// Messages between two looks at the progress.
const PROGRESS_EVERY: u64 = 256;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Recorded events, one stream in this order; `-` is standard input. Lines, a JSON array or one
    /// event; plain, gzip or zstd.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) config: ConfigFile,
    /// Evaluate at this instant (RFC 3339 or milliseconds); later events wait. Default: the first
    /// pane edge after the last event.
    #[arg(long, value_parser = parse_instant)]
    at: Option<Timestamp>,
    /// A window, in place of the configured ones; may be given several times.
    #[arg(long, value_name = "LENGTH")]
    window: Vec<String>,
    /// A breakdown (`overall`, or dimensions joined by commas), in place of the configured ones;
    /// may be given several times.
    #[arg(long, value_name = "DIMENSIONS")]
    breakdown: Vec<String>,
    /// How the result looks.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Print each alert transition in event time instead of the KPIs.
    #[arg(long)]
    alerts: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
    Csv,
}

fn parse_instant(text: &str) -> Result<Timestamp, String> {
    parse_moment(text)
}

/// Replays the files and writes the result to `out`; gives the exit code.
pub(super) fn run(arguments: &Arguments, config: Config, out: &mut impl Write) -> Result<u8> {
    let config = match adapted(config, arguments) {
        Ok(config) => config,
        Err(problem) => {
            writeln!(std::io::stderr(), "error: {problem}")?;
            return Ok(USAGE);
        }
    };
    let mut replay = Replay::new(config, arguments)?;
    let progress = progress_bar(&arguments.files);
    let stored_at = SystemClock.now();
    let mut sequence = 1;
    let mut done = 0;
    for path in &arguments.files {
        let mut capture = Capture::open(
            path,
            replay.config.decode.max_message_bytes,
            sequence,
            stored_at,
        )?;
        while let Some(envelope) = capture.next_message()? {
            replay.process(&envelope, out)?;
            if capture.next_sequence() % PROGRESS_EVERY == 0 {
                progress.set_position(done + capture.consumed());
            }
        }
        done += capture.consumed();
        sequence = capture.next_sequence();
    }
    progress.finish_and_clear();
    replay.finish(out)
}

/// The configuration with the windows and breakdowns of the command line.
fn adapted(mut config: Config, arguments: &Arguments) -> Result<Config, String> {
    let mut windows = Vec::new();
    for text in &arguments.window {
        windows.push(window_of(text, &config.engine.windows)?);
    }
    for window in &windows {
        if windows
            .iter()
            .filter(|other| other.length == window.length && other.day == window.day)
            .count()
            > 1
        {
            return Err(format!("--window {} is given twice", window.name));
        }
    }
    if arguments.alerts {
        windows.extend(
            config
                .engine
                .windows
                .iter()
                .filter(|window| window.for_alert_only)
                .cloned(),
        );
    } else {
        config
            .engine
            .windows
            .retain(|window| !window.for_alert_only);
    }
    if !arguments.window.is_empty() {
        config.engine.windows = windows;
    }
    let mut sets: Vec<Vec<String>> = Vec::new();
    for text in &arguments.breakdown {
        let set = breakdown_of(text, &config.decode.dimensions)?;
        if sets.contains(&set) {
            return Err(format!("--breakdown {text} is given twice"));
        }
        sets.push(set);
    }
    if !sets.is_empty() {
        config.engine.breakdowns = sets;
    }
    Ok(config)
}

/// The day so far of that name, else a window of that length: the configured one where there is
/// one, with its pane and delay.
fn window_of(text: &str, configured: &[WindowSpec]) -> Result<WindowSpec, String> {
    let mut days = configured.iter().filter(|window| window.day.is_some());
    if let Some(day) = days.find(|day| day.name == text) {
        return Ok(day.clone());
    }
    let length = parse_duration(text).map_err(|problem| format!("--window {text}: {problem}"))?;
    if let Some(known) = configured.iter().find(|window| window.length == length) {
        return Ok(WindowSpec {
            name: text.to_owned(),
            for_alert_only: false,
            ..known.clone()
        });
    }
    let longest = Duration::from_hours(30 * 24);
    if length.is_zero() || length > longest {
        return Err(format!(
            "--window {text}: must be above 0 and at most {}",
            format_duration(longest)
        ));
    }
    if length.as_millis() % 60 != 0 {
        return Err(format!(
            "--window {text}: must be whole milliseconds in each of 60 panes"
        ));
    }
    Ok(WindowSpec::new(text, length))
}

fn breakdown_of(text: &str, dimensions: &[String]) -> Result<Vec<String>, String> {
    if text.is_empty() || text == "overall" {
        return Ok(Vec::new());
    }
    let mut set: Vec<String> = Vec::new();
    for name in text.split(',').map(str::trim) {
        if !dimensions.iter().any(|dimension| dimension == name) {
            return Err(format!(
                "--breakdown {text}: `{name}` is not a configured dimension (there are {}); add [dimensions.{name}]",
                dimensions.join(", ")
            ));
        }
        if set.iter().any(|other| other == name) {
            return Err(format!("--breakdown {text}: `{name}` is named twice"));
        }
        set.push(name.to_owned());
    }
    Ok(set)
}

/// A bar on a terminal, nothing elsewhere. Its length is the size of the files where that is known.
fn progress_bar(files: &[PathBuf]) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let size = |path: &PathBuf| match std::fs::metadata(path) {
        Ok(metadata) if path != Path::new("-") => Some(metadata.len()),
        Ok(_) | Err(_) => None,
    };
    let total: Option<u64> = files.iter().map(size).sum();
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::new(total),
            "{elapsed_precise} [{wide_bar}] {bytes}/{total_bytes} ({bytes_per_sec}, {eta} left)",
        ),
        None => (
            ProgressBar::new_spinner(),
            "{elapsed_precise} {spinner} {bytes} ({bytes_per_sec})",
        ),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A replay in progress.
struct Replay {
    config: Config,
    pipeline: Pipeline,
    at: Option<Timestamp>,
    format: Format,
    alerts: Option<BackTest>,
}

impl Replay {
    fn new(config: Config, arguments: &Arguments) -> Result<Self> {
        let mut engine = Engine::new(Arc::new(config.engine.clone()), WaitingPolicy::CountOnly);
        engine.advance(arguments.at.unwrap_or(Timestamp::MAX));
        let pipeline = Pipeline::new(Arc::new(config.decode.clone()), HashKey::random(), engine);
        let alerts = arguments
            .alerts
            .then(|| BackTest::new(&config, arguments.at))
            .transpose()?;
        Ok(Self {
            config,
            pipeline,
            at: arguments.at,
            format: arguments.format,
            alerts,
        })
    }

    fn process(&mut self, envelope: &crate::source::Envelope, out: &mut impl Write) -> Result<()> {
        let Some(back_test) = &mut self.alerts else {
            self.pipeline.process(envelope, &mut |_| {});
            return Ok(());
        };
        let stored_at = envelope.stored_at;
        self.pipeline.process_with(
            envelope,
            &mut |engine, event| back_test.before(engine, event, stored_at),
            &mut |_| {},
        );
        back_test.write(out)
    }

    fn finish(mut self, out: &mut impl Write) -> Result<u8> {
        let engine = &mut self.pipeline.engine;
        let instant = self
            .at
            .or(engine.replay_instant())
            .filter(|_| engine.stream_time().is_some());
        if let (Some(back_test), Some(instant)) = (&mut self.alerts, instant) {
            back_test.evaluate_until(engine, instant.plus_millis(1));
            back_test.write(out)?;
        }
        if self.alerts.is_none() {
            let view = match instant {
                Some(instant) => engine.view(instant),
                None => engine.empty_view(),
            };
            self.write(&view, out)?;
        }
        out.flush().context("cannot write the result")?;
        Ok(0)
    }

    fn write(&self, view: &View, out: &mut impl Write) -> Result<()> {
        let filter = Filter::default();
        match self.format {
            Format::Table => export::table::write(out, view, &filter),
            Format::Json => export::json::write_replay(out, view, &filter),
            Format::Csv => export::csv::write(out, view, &filter),
        }
        .context("cannot write the result")
    }
}

/// Evaluates the alert rules at the multiples of their interval that event time passes.
struct BackTest {
    evaluator: Evaluator,
    interval_ms: i64,
    max_clock_skew_ms: i64,
    until: Timestamp,
    /// The next instant; `None` before the first event.
    next: Option<Timestamp>,
    transitions: Vec<Transition>,
}

impl BackTest {
    fn new(config: &Config, at: Option<Timestamp>) -> Result<Self> {
        Ok(Self {
            evaluator: Evaluator::new(&config.alert, config.engine.key_ttl)?,
            interval_ms: millis_of(config.alert.interval).max(1),
            max_clock_skew_ms: millis_of(config.engine.max_clock_skew),
            until: at.unwrap_or(Timestamp::MAX),
            next: None,
            transitions: Vec::new(),
        })
    }

    /// Evaluates what lies between the events so far and this one.
    fn before(&mut self, engine: &mut Engine, event: &Event, stored_at: Timestamp) {
        let event_time = event.record().event_time;
        let is_future = event_time.millis_since(stored_at) > self.max_clock_skew_ms;
        if is_future || event_time >= self.until {
            return;
        }
        if self.next.is_none() {
            self.next = Some(
                event_time
                    .floor_to(self.interval_ms)
                    .plus_millis(self.interval_ms),
            );
        }
        // The instant T itself is not before T: an event at T is not in the view at T.
        self.evaluate_until(engine, event_time.plus_millis(1));
    }

    fn evaluate_until(&mut self, engine: &mut Engine, end: Timestamp) {
        while let Some(next) = self.next.filter(|next| *next < end && *next <= self.until) {
            let view = engine.view(next);
            self.transitions
                .extend(self.evaluator.evaluate(&view, next, false));
            self.next = Some(next.plus_millis(self.interval_ms));
        }
    }

    fn write(&mut self, out: &mut impl Write) -> Result<()> {
        for transition in self.transitions.drain(..) {
            writeln!(out, "{}", transition.to_json_line()).context("cannot write the result")?;
        }
        Ok(())
    }
}
