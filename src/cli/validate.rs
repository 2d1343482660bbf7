//! `cxpulse validate`: checks configurations offline and tells everything there is to say.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;

use crate::config::{self, Loaded};

/// Exit code when a configuration is wrong.
const INVALID: u8 = 3;

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
