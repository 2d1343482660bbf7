//! `[breakdown]`: by which dimensions KPIs are told apart.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::engine::Settings;

use super::super::report::{Given, Report};
use super::super::section::Section;
use super::dimension;

/// What the section says.
pub(super) struct Breakdown {
    pub(super) sets: Given<Vec<Vec<String>>>,
    pub(super) max_keys: usize,
    pub(super) key_ttl: Duration,
}

pub(super) fn read(root: &mut Section, report: &mut Report) -> Breakdown {
    let default = Settings::default();
    let mut section = root.child(report, "breakdown");
    let sets = section.read(report, "sets", default.breakdowns);
    sets.must(
        !sets.value.is_empty(),
        report,
        "there is no breakdown",
        "[[]] is overall alone",
    );
    check_sets(&sets, report);
    let max_keys = section.read(report, "max_keys", default.max_keys);
    max_keys.not_zero(report, "the default is 1000");
    let key_ttl = section.read(report, "key_ttl", default.key_ttl).value;
    section.finish(report);
    Breakdown {
        sets,
        max_keys: max_keys.value,
        key_ttl,
    }
}

/// Checks a list of dimension sets: names, and nothing twice.
pub(super) fn check_sets(sets: &Given<Vec<Vec<String>>>, report: &mut Report) {
    let mut seen = BTreeSet::new();
    for set in &sets.value {
        for (index, name) in set.iter().enumerate() {
            dimension::check_name(name, &sets.at, report);
            if set.iter().take(index).any(|other| other == name) {
                report.problem(
                    &sets.at,
                    format!("{} names `{name}` twice", show_set(set)),
                    "take one of them out",
                );
            }
        }
        let sorted: BTreeSet<&String> = set.iter().collect();
        if !seen.insert(sorted) {
            report.problem(
                &sets.at,
                format!("{} is listed twice", show_set(set)),
                "the order of dimensions within a set makes no difference",
            );
        }
    }
}

/// A set in TOML.
pub(super) fn show_set(set: &[String]) -> String {
    let names: Vec<String> = set.iter().map(|name| format!("\"{name}\"")).collect();
    format!("[{}]", names.join(", "))
}

/// The configured set with the same dimensions, in configured order.
pub(super) fn find<'a>(sets: &'a [Vec<String>], wanted: &[String]) -> Option<&'a Vec<String>> {
    sets.iter()
        .find(|set| set.len() == wanted.len() && wanted.iter().all(|name| set.contains(name)))
}
