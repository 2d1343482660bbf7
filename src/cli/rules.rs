//! `cxpulse rules`: the alerts as a Prometheus rule file, or its unit tests.

use std::io::Write;

use anyhow::Result;
use clap::Args;

use super::ConfigFile;
use crate::alert::prometheus_rules;
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) config: ConfigFile,
    /// Print the test file for `promtool test rules` instead.
    #[arg(long)]
    tests: bool,
    /// Name under which the test file finds the rule file.
    #[arg(long, default_value = "cxpulse.rules.yml", value_name = "FILE")]
    rule_file: String,
}

/// Prints the rules to `out`, and what they cannot express as warnings; gives the exit code.
pub(super) fn run(arguments: &Arguments, config: &Config, out: &mut impl Write) -> Result<u8> {
    let file =
        prometheus_rules::rule_file(&config.alert, &config.engine.windows, &arguments.rule_file);
    let mut stderr = std::io::stderr().lock();
    for warning in &file.warnings {
        writeln!(stderr, "warning: {warning}")?;
    }
    out.write_all(
        if arguments.tests {
            &file.tests
        } else {
            &file.rules
        }
        .as_bytes(),
    )?;
    out.flush()?;
    Ok(0)
}
