//! `cxpulse validate`: checks configurations offline and tells everything there is to say.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;

use crate::config::{self, Config, Loaded};
use crate::engine::BreakdownView;
use crate::export::{self, BreakdownEstimate};

/// Exit code when a configuration is wrong.
const INVALID: u8 = 3;

/// How many values a dimension is taken to have where `[dimensions]` lists none: a center with 200
/// queues, 4 channels and 500 agents, and 10 values of everything else.
const TYPICAL_VALUES: [(&str, usize); 3] = [("queue", 200), ("channel", 4), ("agent_id", 500)];

/// The same for every other dimension.
const OTHER_VALUES: usize = 10;

/// Checks each file (the built-in defaults if there is none) together with the environment, and
/// prints `FILE: ok` with the estimated series and warnings, or every problem as
/// `FILE:LINE: key: problem` with a hint. Gives the exit code: 0, or 3 if a configuration is wrong.
///
/// Files with secrets need not exist here; that is a warning, since a configuration is often checked
/// where its secrets are not.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn run(
    files: &[PathBuf],
    environment: impl Iterator<Item = (String, String)>,
    out: &mut dyn Write,
) -> Result<u8> {
    let environment: Vec<(String, String)> = environment.collect();
    let mut code = 0;
    let files: Vec<Option<&PathBuf>> = if files.is_empty() {
        vec![None]
    } else {
        files.iter().map(Some).collect()
    };
    for file in files {
        let path = file.map(PathBuf::as_path);
        let variables = environment.iter().cloned();
        match config::load_with(path, variables, config::SecretFiles::MayBeAbsent) {
            Ok(loaded) => {
                let name = path.map_or("built-in defaults".into(), |path| {
                    path.display().to_string()
                });
                writeln!(out, "{name}: ok")?;
                print_estimate(&loaded.config, out)?;
                print_warnings(&loaded, out)?;
            }
            Err(problems) => {
                code = INVALID;
                writeln!(out, "{problems}")?;
            }
        }
    }
    Ok(code)
}

fn print_warnings(loaded: &Loaded, out: &mut dyn Write) -> Result<()> {
    for warning in &loaded.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    Ok(())
}

/// Series per breakdown: those of a key with samples of everything, times the keys. The keys are the
/// product of the known values of the dimensions, or of [`TYPICAL_VALUES`] where none are listed,
/// bounded by `breakdown.max_keys`.
fn print_estimate(config: &Config, out: &mut dyn Write) -> Result<()> {
    let extras = config.export_extras();
    let estimate = export::estimate(&config.engine, &config.export, &extras);
    let mut total = estimate.definitions;
    let mut lines = Vec::new();
    for breakdown in &estimate.breakdowns {
        let (keys, assumed) = keys_of(config, breakdown);
        let series = keys.saturating_mul(breakdown.series_per_key);
        total = total.saturating_add(series);
        lines.push(format!(
            "    {:<20} {series:>8} = {} x {}{}",
            breakdown.label,
            breakdown.series_per_key,
            plural(keys, "key", "keys"),
            if assumed { ", assumed" } else { "" },
        ));
    }
    writeln!(
        out,
        "  estimated series: {total} (export.max_series is {})",
        config.export.max_series
    )?;
    for line in lines {
        writeln!(out, "{line}")?;
    }
    if total > config.export.max_series {
        writeln!(
            out,
            "  more than export.max_series: the broadest breakdowns are kept, the rest is counted"
        )?;
    }
    writeln!(
        out,
        "  assumed where [dimensions] lists no values: 200 queues, 4 channels, 500 agents, 10 of \
         anything else; at most breakdown.max_keys = {}",
        config.engine.max_keys
    )?;
    Ok(())
}

/// The keys a breakdown is taken to have, and whether that is an assumption.
fn keys_of(config: &Config, breakdown: &BreakdownEstimate) -> (usize, bool) {
    let sets = config.engine.breakdowns.iter();
    let mut set = sets.filter(|set| BreakdownView::label_of(set) == breakdown.label);
    let Some(set) = set.next() else {
        return (breakdown.most_keys, false);
    };
    let mut assumed = false;
    let mut keys: usize = 1;
    for dimension in set {
        let values = config.engine.known_values.get(dimension).map(Vec::len);
        assumed |= values.is_none();
        keys = keys.saturating_mul(values.unwrap_or_else(|| typical_values(dimension)));
    }
    (keys.min(breakdown.most_keys), assumed)
}

fn typical_values(dimension: &str) -> usize {
    let typical = TYPICAL_VALUES.iter().find(|(name, _)| *name == dimension);
    typical.map_or(OTHER_VALUES, |(_, values)| *values)
}

fn plural(count: usize, one: &str, many: &str) -> String {
    let word = if count == 1 { one } else { many };
    format!("{count} {word}")
}
