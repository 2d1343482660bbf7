//! What reading a configuration gathers: problems, warnings, the values in effect and the keys
//! there are.

use std::collections::BTreeSet;

use super::finding::{self, Finding, Origin};
use super::secret_file::SecretFiles;
use super::suggestion::nearest;

/// One value in effect, as `cxpulse config show` prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownValue {
    /// The key with its sections.
    pub key: String,
    /// The value in TOML; a secret is `"redacted"`.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// A key and where its value was written.
#[derive(Clone, Debug)]
pub(super) struct At {
    pub(super) key: String,
    pub(super) origin: Origin,
}

/// A checked value that remembers where it was written until all checks are done.
#[derive(Clone, Debug)]
pub(super) struct Given<T> {
    pub(super) value: T,
    pub(super) at: At,
}

impl<T> Given<T> {
    /// Reports a problem unless the value is as it must be.
    pub(super) fn must(&self, good: bool, report: &mut Report, message: &str, hint: &str) {
        if !good {
            report.problem(&self.at, message, hint);
        }
    }
}

impl<T: Default + PartialEq> Given<T> {
    /// Reports a number or duration of 0 where there must be more.
    pub(super) fn not_zero(&self, report: &mut Report, hint: &str) {
        self.must(self.value != T::default(), report, "must be above 0", hint);
    }
}

/// A key that nobody asked for.
struct Unknown {
    at: At,
    name: String,
    /// The keys that are known in its place.
    siblings: Vec<String>,
}

/// Gathers what is found while a configuration is read.
#[derive(Default)]
pub(super) struct Report {
    /// What an absent secret file means.
    pub(super) secret_files: SecretFiles,
    /// Values in effect, in reading order.
    pub(super) shown: Vec<ShownValue>,
    /// Every key there is, list entries written as `alert[].name`.
    pub(super) known: BTreeSet<String>,
    pub(super) problems: Vec<Finding>,
    pub(super) warnings: Vec<Finding>,
    unknown: Vec<Unknown>,
}

impl Report {
    /// Nothing yet.
    pub(super) fn new(secret_files: SecretFiles) -> Self {
        Self {
            secret_files,
            ..Self::default()
        }
    }

    /// Something that must be changed.
    pub(super) fn problem(&mut self, at: &At, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(finding(at, message, hint));
    }

    /// Something that works but is hardly meant.
    pub(super) fn warning(&mut self, at: &At, message: impl Into<String>, hint: impl Into<String>) {
        self.warnings.push(finding(at, message, hint));
    }

    /// A key that is not known in its place; told at the end, when all keys are known.
    pub(super) fn unknown(&mut self, at: At, name: &str, siblings: &[String]) {
        self.unknown.push(Unknown {
            at,
            name: name.to_owned(),
            siblings: siblings.to_vec(),
        });
    }

    /// Turns unknown keys into problems and puts everything into reading order.
    pub(super) fn close(&mut self) {
        for unknown in std::mem::take(&mut self.unknown) {
            let hint = self.hint_for(&unknown);
            self.problem(&unknown.at, "unknown key", hint);
        }
        finding::sort(&mut self.problems);
        finding::sort(&mut self.warnings);
    }

    fn hint_for(&self, unknown: &Unknown) -> String {
        let siblings = unknown.siblings.iter().map(String::as_str);
        if let Some(name) = nearest(&unknown.name, siblings) {
            return format!("did you mean `{name}`?");
        }
        let elsewhere = self
            .known
            .iter()
            .find(|key| key.rsplit('.').next() == Some(&unknown.name));
        if let Some(key) = elsewhere {
            return format!("did you mean `{key}`?");
        }
        if unknown.siblings.is_empty() {
            return "no keys are known here".into();
        }
        format!("known here: {}", unknown.siblings.join(", "))
    }
}

fn finding(at: &At, message: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding {
        origin: at.origin.clone(),
        key: at.key.clone(),
        message: message.into(),
        hint: hint.into(),
    }
}
