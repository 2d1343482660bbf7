//! `cxpulse dashboard`: the Grafana dashboard, or the recording rules it reads.

use std::io::Write;

use anyhow::{Context, Result};
use clap::Args;

use super::ConfigFile;
use crate::config::Config;
use crate::export;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) config: ConfigFile,
    /// Print the recording rules that the dashboard reads instead, for Prometheus.
    #[arg(long)]
    rules: bool,
}

/// Prints to `out`; gives the exit code.
pub(super) fn run(arguments: &Arguments, config: &Config, out: &mut impl Write) -> Result<u8> {
    let extras = config.export_extras();
    if arguments.rules {
        let rules = export::recording_rules(&config.engine, &config.export, &extras);
        out.write_all(rules.as_bytes())?;
    } else {
        let dashboard = export::dashboard(&config.engine, &config.export, &extras);
        serde_json::to_writer_pretty(&mut *out, &dashboard)
            .context("cannot write the dashboard")?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(0)
}
