//! What is said about a configuration: where, which key, what is wrong, what to do.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// A line of the file.
    File {
        /// The file as it was named by the caller.
        path: Arc<Path>,
        /// Line, from 1; 0 stands for the file as a whole.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        name: String,
    },
}

impl Origin {
    /// True for a value that somebody wrote.
    pub fn is_given(&self) -> bool {
        *self != Self::Default
    }

    /// The order in which findings are told: the file from top to bottom, then the environment.
    fn rank(&self) -> (u8, usize, &str) {
        match self {
            Self::File { line, .. } => (0, *line, ""),
            Self::Environment { name } => (1, 0, name),
            Self::Default => (2, 0, ""),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: 0 } => write!(f, "{}", path.display()),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment { name } => f.write_str(name),
        }
    }
}

/// One thing to say about a configuration; a problem or a warning by the list it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where it was written.
    pub origin: Origin,
    /// The key with its sections (`kpis.fcr.horizon`, `alert[0].below`); empty for the whole file.
    pub key: String,
    /// What is wrong. Never holds a secret.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl fmt::Display for Finding {
    /// `FILE:LINE: key: problem`, then the hint on a line of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}\n  hint: {}", self.message, self.hint)
    }
}

/// Puts findings into reading order; those of one line keep the order in which they were found.
pub(super) fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| a.origin.rank().cmp(&b.origin.rank()));
}

/// Everything that is wrong with a configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems {
    /// The file, if one was read.
    pub path: Option<PathBuf>,
    /// The problems from the top of the file to its end, then those of the environment.
    pub findings: Vec<Finding>,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{finding}")?;
        }
        Ok(())
    }
}
