//! `cxpulse run`: the service.

use anyhow::Result;

use crate::config::Config;

/// Runs until a signal; gives the exit code.
pub(super) fn run(_config: Config) -> Result<u8> {
    Ok(0)
}
