//! `cxpulse run`: the service.

use anyhow::Result;
use clap::Args;

use super::ConfigFile;
use crate::app::{self, Feed, Service};
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) config: ConfigFile,
    /// Begin anew where kept state cannot be continued, although the figures then lack what the
    /// stream does not hold any more.
    #[arg(long)]
    accept_state_reset: bool,
}

/// Runs until a signal; gives the exit code.
pub(super) fn run(arguments: &Arguments, config: Config) -> Result<u8> {
    app::run(Service {
        config,
        config_path: arguments.config.config.clone(),
        feed: Feed::Nats,
        accept_state_reset: arguments.accept_state_reset,
    })?;
    Ok(0)
}
