//! `[log]`: what is logged, and how it looks.

use tracing_subscriber::EnvFilter;

use super::super::checked::{Log, LogFormat};
use super::super::report::Report;
use super::super::section::Section;

pub(super) fn read(root: &mut Section, report: &mut Report) -> Log {
    let default = Log::default();
    let mut section = root.child(report, "log");
    let level = section.read(report, "level", default.level);
    level.must(
        EnvFilter::try_new(&level.value).is_ok() && is_spelled_out(&level.value),
        report,
        &format!("`{}` is not a log filter", level.value),
        "error, warn, info, debug, trace, or by module: \"info,cxpulse::source=debug\"",
    );
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let format = section.choice(report, "format", default.format, &formats);
    section.finish(report);
    Log {
        level: level.value,
        format: format.value,
    }
}

/// A lone word that is no level would silently be taken for the name of a module.
fn is_spelled_out(filter: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    filter.split(',').map(str::trim).all(|directive| {
        let level = directive.rsplit('=').next().unwrap_or(directive);
        LEVELS.contains(&level.to_ascii_lowercase().as_str())
    })
}
