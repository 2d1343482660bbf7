//! `[ledger]`: how long records are remembered.

use std::time::Duration;

use crate::engine::Settings;

use super::super::report::Report;
use super::super::section::Section;

/// What the section says.
pub(super) struct Ledger {
    pub(super) allowed_lateness: Duration,
    pub(super) max_entries: usize,
}

/// Longest lateness: records are remembered for twice as long.
const LONGEST_LATENESS: Duration = Duration::from_hours(365 * 24);

pub(super) fn read(root: &mut Section, report: &mut Report) -> Ledger {
    let default = Settings::default();
    let mut section = root.child(report, "ledger");
    let lateness = section.read(report, "allowed_lateness", default.allowed_lateness);
    lateness.must(
        lateness.value <= LONGEST_LATENESS,
        report,
        "is longer than 365 days",
        "records are remembered for twice the lateness",
    );
    let max_entries = section.read(report, "max_entries", default.max_entries);
    max_entries.not_zero(report, "the default is 10000000");
    section.finish(report);
    Ledger {
        allowed_lateness: lateness.value,
        max_entries: max_entries.value,
    }
}
