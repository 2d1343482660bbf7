//! Tracing set-up: level, format, and what never reaches a log.

use std::io;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterExt, ParseError, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The level is not a filter directive.
    #[error("log level `{level}` is not a level or filter directive")]
    Level {
        /// As configured.
        level: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// Logging has been set up before in this process.
    #[error("logging is already set up")]
    Again(#[source] TryInitError),
}

/// Sends log lines to stderr from here on.
///
/// `level` is `log.level` of the configuration: a level or filter directives. `verbosity` is the
/// number of `-v` less the number of `-q` and overrides it unless 0. `color` allows ANSI colors in
/// text (the caller knows about terminals and `NO_COLOR`).
///
/// Lines of `async_nats` below `warn` are dropped whatever the level: it logs the server URL, with
/// a password if that holds one.
///
/// # Errors
/// When `level` does not parse, or logging has been set up before.
pub fn init_logging(
    level: &str,
    format: Format,
    verbosity: i8,
    color: bool,
) -> Result<(), LoggingError> {
    let filter = filter(level, verbosity)?.and(filter_fn(harmless));
    let lines = fmt::layer().with_writer(io::stderr);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        Format::Text => lines.with_ansi(color).with_filter(filter).boxed(),
        Format::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines)
        .try_init()
        .map_err(LoggingError::Again)
}

fn filter(level: &str, verbosity: i8) -> Result<EnvFilter, LoggingError> {
    let directives = directives(level, verbosity);
    EnvFilter::builder()
        .parse(directives)
        .map_err(|source| LoggingError::Level {
            level: directives.to_owned(),
            source,
        })
}

fn directives(level: &str, verbosity: i8) -> &str {
    match verbosity {
        ..=-2 => "error",
        -1 => "warn",
        0 => level,
        1 => "info,cxpulse=debug",
        2.. => "info,cxpulse=trace",
    }
}

/// Lines that cannot hold a secret.
fn harmless(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let from_client = target == "async_nats" || target.starts_with("async_nats::");
    !from_client || *metadata.level() <= Level::WARN
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    fn logged(level: &str, verbosity: i8) -> String {
        let lines = Lines::default();
        let filter = filter(level, verbosity).unwrap().and(filter_fn(harmless));
        let layer = fmt::layer().with_ansi(false).with_writer(lines.clone());
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "cxpulse::source", "connected");
            tracing::debug!(target: "cxpulse::source", "requested more");
            tracing::debug!(target: "async_nats::connector", "url nats://me:canary@host");
            tracing::warn!(target: "async_nats", "slow consumer");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn verbosity_overrides_the_level() {
        assert!(logged("info", 0).contains("connected"));
        assert!(!logged("info", 0).contains("requested more"));
        assert!(logged("info", 1).contains("requested more"));
        assert!(!logged("info", -1).contains("connected"));
        assert!(!logged("trace", -2).contains("slow consumer"));
    }

    #[test]
    fn the_clients_debug_lines_never_show() {
        for level in [
            "trace",
            "async_nats=trace",
            "warn,async_nats::connector=trace",
        ] {
            let text = logged(level, 0);
            assert!(!text.contains("canary"), "{level}: {text}");
            assert!(text.contains("slow consumer"), "{level}: {text}");
        }
    }

    #[test]
    fn a_bad_level_is_named() {
        let error = filter("cxpulse=loud", 0).unwrap_err();
        assert!(error.to_string().contains("`cxpulse=loud`"));
    }
}
