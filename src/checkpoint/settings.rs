//! Where and how often state is saved; `[checkpoint]` of the configuration.

use std::path::PathBuf;
use std::time::Duration;

/// Place and rhythm of checkpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Directory, mode 0700; default `data`.
    pub dir: PathBuf,
    /// Time between checkpoints; default 60s.
    pub interval: Duration,
    /// Generations kept; default 3.
    pub keep: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("data"),
            interval: Duration::from_mins(1),
            keep: 3,
        }
    }
}
