//! `[checkpoint]`: where and how often state is saved.

use std::time::Duration;

use crate::checkpoint::Settings;

use super::super::report::Report;
use super::super::section::Section;

/// Shortest time between checkpoints.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

pub(super) fn read(root: &mut Section, report: &mut Report) -> Settings {
    let default = Settings::default();
    let mut section = root.child(report, "checkpoint");
    let dir = section.read(report, "dir", default.dir).value;
    let interval = section.read(report, "interval", default.interval);
    interval.must(
        interval.value >= SHORTEST_INTERVAL,
        report,
        "is shorter than 100ms",
        "after a crash at most this much of the stream is read again: \"60s\"",
    );
    let keep = section.read(report, "keep", default.keep);
    keep.not_zero(report, "the default is 3");
    section.finish(report);
    Settings {
        dir,
        interval: interval.value,
        keep: keep.value,
    }
}
