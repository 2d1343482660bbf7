//! `[dead_letter]`: what becomes of rejected events.

use crate::dead_letter::{Payload, Settings};

use super::super::report::{Given, Report};
use super::super::section::Section;
use super::super::subject;

/// The settings, and the subject with its place for checks against other sections.
pub(super) struct DeadLetter {
    pub(super) settings: Settings,
    pub(super) subject: Given<String>,
}

pub(super) fn read(root: &mut Section, report: &mut Report) -> DeadLetter {
    let default = Settings::default();
    let mut section = root.child(report, "dead_letter");
    let subject = section.read(report, "subject", default.subject);
    check_literal(&subject, report);
    let payloads = [("original", Payload::Original), ("none", Payload::None)];
    let payload = section.choice(report, "payload", default.payload, &payloads);
    let rate = section.read(report, "max_per_second", default.max_per_second);
    rate.not_zero(report, "payload = \"none\" publishes headers alone");
    let create = section.read(report, "create", default.create).value;
    section.finish(report);
    DeadLetter {
        settings: Settings {
            subject: subject.value.clone(),
            payload: payload.value,
            max_per_second: rate.value,
            create,
        },
        subject,
    }
}

/// A subject to publish to has no wildcards.
pub(super) fn check_literal(given: &Given<String>, report: &mut Report) {
    if let Some(fault) = subject::literal_fault(&given.value) {
        report.problem(
            &given.at,
            format!("`{}` {fault}", given.value),
            "a subject to publish to: tokens separated by dots, no wildcards",
        );
    }
}
