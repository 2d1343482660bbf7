//! The commands, one file each; flags as typed, and the exit codes.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | ok |
//! | 1 | failure |
//! | 2 | usage |
//! | 3 | a configuration is wrong |

mod back_test;
pub mod config_show;
mod dashboard;
mod demo;
mod incidents;
mod replay;
mod rules;
mod run;
mod schema;
mod simulate;
pub mod validate;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::config::{self, Config};
use crate::telemetry;

/// A failure.
const FAILURE: u8 = 1;
/// Wrong usage.
const USAGE: u8 = 2;
/// A wrong configuration.
const INVALID: u8 = 3;

/// Live customer-experience KPIs from NATS events.
#[derive(Debug, Parser)]
#[command(name = "cxpulse", version, about, long_about = None, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    logging: Logging,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Args)]
struct Logging {
    /// Log more; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Log warnings only; twice for errors only.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    quiet: u8,
    /// How log lines look; overrides the configuration.
    #[arg(long, global = true, value_enum)]
    log_format: Option<LogFormat>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The main job with a made-up contact center; no server needed.
    Demo(demo::Arguments),
    /// The service: events from NATS, KPIs on /metrics.
    Run(run::Arguments),
    /// Publish the traffic of a made-up contact center to NATS.
    Simulate(simulate::Arguments),
    /// KPIs of recorded events.
    Replay(replay::Arguments),
    /// The alerts as a Prometheus rule file.
    Rules(rules::Arguments),
    /// The Grafana dashboard, and the recording rules it reads.
    Dashboard(dashboard::Arguments),
    /// What the API answers, described in `OpenAPI` 3.1.
    Schema,
    /// Check configurations, offline.
    Validate {
        /// The files; none checks the built-in defaults.
        files: Vec<PathBuf>,
    },
    /// Look at the configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// The effective configuration and where each value comes from, without secrets.
    Show(ConfigFile),
}

#[derive(Clone, Debug, Args)]
struct ConfigFile {
    /// The configuration; none runs with the built-in defaults.
    #[arg(long, short, env = "CXPULSE_CONFIG")]
    config: Option<PathBuf>,
}

/// Runs the command line and gives the exit code of the process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let shown = error.print().is_ok();
            return ExitCode::from(if error.use_stderr() || !shown {
                USAGE
            } else {
                0
            });
        }
    };
    match dispatch(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let mut stderr = std::io::stderr().lock();
            // There is nobody left to tell when this fails.
            drop(writeln!(stderr, "cxpulse: {}", chain(&error)));
            ExitCode::from(FAILURE)
        }
    }
}

/// The chain of causes on one line, a cause that only repeats the one before left out.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if !text.ends_with(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    text
}

/// The reader of our output went away, which is its good right.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

fn dispatch(cli: Cli) -> Result<u8> {
    let environment = config::process_environment;
    let mut stdout = std::io::stdout().lock();
    match cli.command {
        Command::Demo(arguments) => {
            drop(stdout);
            start_logging(&cli.logging, &Config::default())?;
            demo::run(&arguments)
        }
        Command::Simulate(arguments) => {
            drop(stdout);
            start_logging(&cli.logging, &Config::default())?;
            simulate::run(&arguments)
        }
        Command::Run(arguments) => {
            drop(stdout);
            let Some(config) = load(&arguments.config)? else {
                return Ok(INVALID);
            };
            start_logging(&cli.logging, &config)?;
            run::run(&arguments, config)
        }
        Command::Replay(arguments) => {
            let Some(config) = load(&arguments.config)? else {
                return Ok(INVALID);
            };
            start_logging(&cli.logging, &config)?;
            replay::run(&arguments, config, &mut stdout)
        }
        Command::Rules(arguments) => {
            let Some(config) = load(&arguments.config)? else {
                return Ok(INVALID);
            };
            rules::run(&arguments, &config, &mut stdout)
        }
        Command::Dashboard(arguments) => {
            let Some(config) = load(&arguments.config)? else {
                return Ok(INVALID);
            };
            dashboard::run(&arguments, &config, &mut stdout)
        }
        Command::Schema => schema::run(&mut stdout),
        Command::Validate { files } => validate::run(&files, environment(), &mut stdout),
        Command::Config {
            command: ConfigCommand::Show(file),
        } => config_show::run(file.config.as_deref(), environment(), &mut stdout),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "cxpulse", &mut stdout);
            Ok(0)
        }
    }
}

/// The checked configuration; `None` when it is wrong, with all problems told on standard error.
fn load(file: &ConfigFile) -> Result<Option<Config>> {
    let mut stderr = std::io::stderr().lock();
    match config::load(file.config.as_deref(), config::process_environment()) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                writeln!(stderr, "warning: {warning}")?;
            }
            Ok(Some(loaded.config))
        }
        Err(problems) => {
            writeln!(stderr, "{problems}")?;
            Ok(None)
        }
    }
}

fn start_logging(logging: &Logging, config: &Config) -> Result<()> {
    let format = match (logging.log_format, config.log.format) {
        (Some(LogFormat::Json), _) | (None, config::LogFormat::Json) => telemetry::Format::Json,
        (Some(LogFormat::Text), _) | (None, config::LogFormat::Text) => telemetry::Format::Text,
    };
    let clamp = |count: u8| i8::try_from(count).unwrap_or(i8::MAX);
    let verbosity = clamp(logging.verbose).saturating_sub(clamp(logging.quiet));
    telemetry::init_logging(&config.log.level, format, verbosity, use_color())?;
    Ok(())
}

/// Colors on a terminal, unless `NO_COLOR` says otherwise.
fn use_color() -> bool {
    std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
