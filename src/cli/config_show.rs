//! `cxpulse config show`: the configuration in effect, where each value comes from, and no secret.

use std::io::Write;
use std::path::Path;

use anyhow::Result;

use crate::config;

/// Exit code when the configuration is wrong.
const INVALID: u8 = 3;

/// Where a comment begins, so that the origins stand in a column.
const COMMENT_COLUMN: usize = 56;

/// Prints every value in effect as `key = value  # origin`, or all problems; gives the exit code.
///
/// The lines are TOML but for the entries of lists of tables, which are told by their number:
/// `alert[0].below = 0.8`.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn run(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
    out: &mut dyn Write,
) -> Result<u8> {
    // Shown as well where the secrets are not: they would be redacted anyway.
    let loaded = config::load_with(file, environment, config::SecretFiles::MayBeAbsent);
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(problems) => {
            writeln!(out, "{problems}")?;
            return Ok(INVALID);
        }
    };
    for shown in &loaded.values {
        let line = format!("{} = {}", shown.key, shown.value);
        writeln!(out, "{line:COMMENT_COLUMN$}  # {}", shown.origin)?;
    }
    Ok(0)
}
