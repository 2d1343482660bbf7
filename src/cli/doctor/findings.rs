//! What the doctor found, and how it is shown.

use std::io::{self, Write};

use serde::Serialize;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// It works, but not in all cases, or not for long.
    Warning,
    /// It does not work.
    Failed,
    /// It could not be looked at.
    Skipped,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at, in the words of `docs/nats.md`.
    check: &'static str,
    state: State,
    /// What was found.
    text: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// All that was looked at, in order.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn ok(&mut self, check: &'static str, text: impl Into<String>) {
        self.add(check, State::Ok, text.into(), None);
    }

    pub(super) fn warning(
        &mut self,
        check: &'static str,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(check, State::Warning, text.into(), Some(hint.into()));
    }

    pub(super) fn failed(
        &mut self,
        check: &'static str,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(check, State::Failed, text.into(), Some(hint.into()));
    }

    pub(super) fn skipped(&mut self, check: &'static str, text: impl Into<String>) {
        self.add(check, State::Skipped, text.into(), None);
    }

    fn add(&mut self, check: &'static str, state: State, text: String, hint: Option<String>) {
        self.0.push(Finding {
            check,
            state,
            text,
            hint,
        });
    }

    pub(super) fn count(&self, state: State) -> usize {
        self.0
            .iter()
            .filter(|finding| finding.state == state)
            .count()
    }

    /// One line for each, what to do on a line of its own, and a sum at the end.
    pub(super) fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        for finding in &self.0 {
            let word = match finding.state {
                State::Ok => "ok",
                State::Warning => "warning",
                State::Failed => "FAILED",
                State::Skipped => "skipped",
            };
            writeln!(out, "{word:<8} {:<15} {}", finding.check, finding.text)?;
            if let Some(hint) = &finding.hint {
                writeln!(out, "{:>25}{hint}", "")?;
            }
        }
        let [failed, warnings] = [State::Failed, State::Warning].map(|state| self.count(state));
        writeln!(
            out,
            "{} looked at, {failed} failed, {warnings} to be warned of",
            self.0.len()
        )
    }

    /// `{"ok", "checks": [{"check", "state", "text", "hint"}]}`.
    pub(super) fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let ok = self.count(State::Failed) == 0;
        let json = serde_json::json!({ "ok": ok, "checks": self.0 });
        writeln!(out, "{json}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_stands_below_what_is_wrong() {
        let mut findings = Findings::default();
        findings.ok("nats", "connected");
        findings.failed("right", "publish x: refused", "grant it");
        let mut text = Vec::new();
        findings.write_text(&mut text).unwrap();
        let expected = "ok       nats            connected\n\
                        FAILED   right           publish x: refused\n\
                        \u{20}                        grant it\n\
                        2 looked at, 1 failed, 0 to be warned of\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
        let mut json = Vec::new();
        findings.write_json(&mut json).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json["ok"], false);
        assert_eq!(json["checks"][1]["state"], "failed");
        assert_eq!(json["checks"][0].get("hint"), None);
    }
}
