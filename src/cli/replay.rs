//! `cxpulse replay`: KPIs of recorded events, through the same pipeline as live.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::back_test::Told;
use super::{ConfigFile, USAGE, incidents};
use crate::alert::back_test::Incident;
use crate::app::{Pipeline, Unwatched, leave_out_what_no_rule_reads};
use crate::config::{Config, format_duration, parse_duration};
use crate::decode::parse_moment;
use crate::engine::{Engine, View, WaitingPolicy};
use crate::event::HashKey;
use crate::export::{self, Filter};
use crate::source::{Capture, Envelope};
use crate::time::{Clock, SystemClock, Timestamp};
use crate::window::WindowSpec;

/// Messages between two looks at the progress.
const PROGRESS_EVERY: u64 = 256;
/// Messages that are processed together at most, which is faster than one by one, and bytes from
/// which on no more are waited for.
const TOGETHER: usize = 64;
const TOGETHER_BYTES: usize = 1024 * 1024;

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
    #[arg(long, value_parser = parse_moment)]
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
    /// Print each alert transition in event time, one JSON line each, instead of the KPIs; at the end
    /// a summary of each rule goes to standard error.
    #[arg(long, conflicts_with_all = ["window", "breakdown"])]
    alerts: bool,
    /// Known incidents, one a line: `start,end,queue=support` (RFC 3339 or milliseconds; the key may
    /// be left out), or JSON with `start`, `end`, `key`. Adds precision, recall and detection delay
    /// to the summary.
    #[arg(long, requires = "alerts", value_name = "FILE")]
    incidents: Option<PathBuf>,
    /// Write the summary to this file as JSON too.
    #[arg(long, requires = "alerts", value_name = "FILE")]
    summary: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
    Csv,
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
        let outcome = loop {
            match capture.next_message() {
                Ok(Some(envelope)) => replay.take(envelope, out)?,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
            if capture.next_sequence() % PROGRESS_EVERY == 0 {
                progress.set_position(done + capture.consumed());
            }
        };
        // What came before an error was read.
        replay.process(out)?;
        outcome?;
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
        leave_out_what_no_rule_reads(&mut config);
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
    /// Messages that were read and not processed yet.
    waiting: Vec<Envelope>,
    waiting_bytes: usize,
    at: Option<Timestamp>,
    format: Format,
    alerts: Option<Told>,
    incidents: Option<Vec<Incident>>,
    summary: Option<PathBuf>,
}

impl Replay {
    fn new(config: Config, arguments: &Arguments) -> Result<Self> {
        let incidents = arguments.incidents.as_deref();
        let incidents = incidents.map(incidents::read).transpose()?;
        let mut engine = Engine::new(Arc::new(config.engine.clone()), WaitingPolicy::CountOnly);
        engine.advance(arguments.at.unwrap_or(Timestamp::MAX));
        let alerts = arguments
            .alerts
            .then(|| Told::new(&config, &engine, arguments.at))
            .transpose()?;
        let pipeline = Pipeline::new(Arc::new(config.decode.clone()), HashKey::random(), engine);
        Ok(Self {
            config,
            pipeline,
            waiting: Vec::with_capacity(TOGETHER),
            waiting_bytes: 0,
            at: arguments.at,
            format: arguments.format,
            alerts,
            incidents,
            summary: arguments.summary.clone(),
        })
    }

    /// Takes a message; what comes of alerts is told at once.
    fn take(&mut self, envelope: Envelope, out: &mut impl Write) -> Result<()> {
        self.waiting_bytes += envelope.payload.len();
        self.waiting.push(envelope);
        let is_full = self.waiting.len() >= TOGETHER || self.waiting_bytes >= TOGETHER_BYTES;
        if is_full || self.alerts.is_some() {
            self.process(out)?;
        }
        Ok(())
    }

    /// Processes the messages that were taken.
    fn process(&mut self, out: &mut impl Write) -> Result<()> {
        let messages = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        match &mut self.alerts {
            None => self.pipeline.process_all(&messages, &mut Unwatched),
            Some(told) => {
                self.pipeline.process_all(&messages, &mut told.back_test);
                told.write(out)?;
            }
        }
        self.waiting = messages;
        self.waiting.clear();
        Ok(())
    }

    fn finish(mut self, out: &mut impl Write) -> Result<u8> {
        let engine = &mut self.pipeline.engine;
        let instant = self
            .at
            .or(engine.replay_instant())
            .filter(|_| engine.stream_time().is_some());
        if let Some(mut told) = self.alerts.take() {
            if let Some(instant) = instant {
                told.back_test
                    .evaluate_until(engine, instant.plus_millis(1));
                told.write(out)?;
            }
            out.flush().context("cannot write the result")?;
            told.finish(self.incidents.as_deref(), self.summary.as_deref())?;
            return Ok(0);
        }
        let view = match instant {
            Some(instant) => engine.view(instant),
            None => engine.empty_view(),
        };
        self.write(&view, out)?;
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
