//! Secrets that are kept in files of their own: `password_file` beside `password`.

use std::path::{Path, PathBuf};

use crate::secret::Secret;

use super::report::{At, Report};
use super::section::{SecretFrom, Section};

/// What an absent or unreadable secret file means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretFiles {
    /// A problem: the configuration cannot be run.
    #[default]
    Required,
    /// A warning and an empty secret: `cxpulse validate` also runs where the secrets are not.
    MayBeAbsent,
}

impl Section {
    /// A secret by itself or by its file.
    pub(super) fn read_secret(&mut self, report: &mut Report, name: &str) -> Option<Secret> {
        self.read_secret_and_place(report, name).0
    }

    /// The same, with its file for one that reads it again later.
    pub(super) fn read_secret_and_place(
        &mut self,
        report: &mut Report,
        name: &str,
    ) -> (Option<Secret>, Option<PathBuf>) {
        let Some(given) = self.secret(report, name) else {
            return (None, None);
        };
        match given.value {
            SecretFrom::Text(text) => (Some(Secret::new(text)), None),
            SecretFrom::File(path) => (read(&path, &given.at, report), Some(path)),
        }
    }
}

/// The text of a secret file without the line breaks at its end.
fn read(path: &Path, at: &At, report: &mut Report) -> Option<Secret> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("cannot read {}: {}", path.display(), reason(&error));
            let hint = "the file holds the secret alone; paths begin at the working directory";
            if report.secret_files == SecretFiles::Required {
                report.problem(at, message, hint);
                return None;
            }
            report.warning(at, message, hint);
            return Some(Secret::default());
        }
    };
    let secret = text.trim_end_matches(['\n', '\r']);
    if secret.is_empty() || secret.contains(char::is_control) {
        report.problem(
            at,
            format!("{} does not hold one line of text", path.display()),
            "the file holds the secret alone, on one line",
        );
        return None;
    }
    Some(Secret::new(secret.to_owned()))
}

/// The system's reason without its number, which differs between systems.
pub(super) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}
