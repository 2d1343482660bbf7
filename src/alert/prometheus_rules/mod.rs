//! The alerts as a Prometheus rule file on the families of the metrics page, with a test file for
//! `promtool test rules`: what `cxpulse rules` prints.
//!
//! One path should page: either Prometheus with these rules, or cxpulse with its sinks. What PromQL
//! cannot express is named in a comment on each rule and in [`RuleFile::warnings`].

mod annotation;
mod expression;
mod promtool;
mod scene;
mod yaml;

use std::collections::BTreeMap;

use super::track::Track;
use super::{Condition, Rule, Settings, windows};
use crate::kpi::Kpi;
use crate::window::WindowSpec;
use yaml::quoted;

/// The files for Prometheus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFile {
    /// The rule file, YAML.
    pub rules: String,
    /// Its test file for `promtool test rules`, YAML.
    pub tests: String,
    /// What is not the same as in cxpulse itself, one line each.
    pub warnings: Vec<String>,
}

/// Writes the rules. `windows` are all that are kept, those for alerts alone included;
/// `rule_file` is the name under which the test file finds the rule file.
pub fn rule_file(settings: &Settings, windows: &[WindowSpec], rule_file: &str) -> RuleFile {
    let tracks: Vec<Track> = settings.rules.iter().flat_map(Track::of).collect();
    let mut warnings = Vec::new();
    let mut alerts = String::new();
    let mut records: BTreeMap<String, String> = BTreeMap::new();
    for track in &tracks {
        let scope = Scope { track, windows };
        records.extend(expression::records(scope));
        write_alert(&mut alerts, &mut warnings, scope);
    }
    let mut rules = String::from(
        "# Alerts of cxpulse as Prometheus rules, made by `cxpulse rules`.\n\
         # Let either these rules or the sinks of cxpulse page, not both.\n",
    );
    if tracks.is_empty() {
        rules.push_str("groups: []\n");
    } else {
        rules.push_str("groups:\n  - name: cxpulse\n");
        push(
            &mut rules,
            4,
            &format!("interval: {}", windows::in_units(settings.interval)),
        );
        push(&mut rules, 4, "rules:");
        for (name, expression) in &records {
            push(&mut rules, 6, &format!("- record: {name}"));
            push_block(&mut rules, 8, "expr", expression);
        }
        rules.push_str(&alerts);
    }
    warnings.dedup();
    RuleFile {
        rules,
        tests: promtool::tests(settings, &tracks, windows, rule_file),
        warnings,
    }
}

/// An alert among the windows it can read.
#[derive(Clone, Copy)]
struct Scope<'a> {
    track: &'a Track,
    windows: &'a [WindowSpec],
}

impl<'a> Scope<'a> {
    fn rule(self) -> &'a Rule {
        &self.track.rule
    }

    fn window_of(self, length: std::time::Duration) -> String {
        windows::window_name(self.rule(), self.windows, length)
    }
}

fn write_alert(out: &mut String, warnings: &mut Vec<String>, scope: Scope<'_>) {
    let rule = scope.rule();
    for difference in differences(rule) {
        push(out, 6, &format!("# {difference}"));
        warnings.push(format!("alert {}: {difference}", rule.name));
    }
    push(out, 6, &format!("- alert: {}", quoted(&rule.name)));
    push_block(out, 8, "expr", &expression::alert(scope));
    for (key, duration) in [("for", rule.hold), ("keep_firing_for", rule.keep_firing)] {
        if !duration.is_zero() {
            push(out, 8, &format!("{key}: {}", windows::in_units(duration)));
        }
    }
    push(out, 8, "labels:");
    for (name, value) in labels(scope.track) {
        // A label of a rule is a template in Prometheus, and none here.
        let literal = value.replace("{{", "{{ \"{{\" }}");
        push(out, 10, &format!("{name}: {}", quoted(&literal)));
    }
    let mut annotations = String::new();
    for (name, template) in &rule.annotations {
        match annotation::translate(template, scope) {
            Some(text) => push(&mut annotations, 10, &format!("{name}: {}", quoted(&text))),
            None => warnings.push(format!(
                "alert {}: annotation {name} is more than text with placeholders and is left out",
                rule.name
            )),
        }
    }
    if !annotations.is_empty() {
        push(out, 8, "annotations:");
        out.push_str(&annotations);
    }
}

/// The labels that the rule adds to those of the series.
fn labels(track: &Track) -> BTreeMap<&str, &str> {
    let own = track.rule.labels.iter();
    own.map(|(name, value)| (name.as_str(), value.as_str()))
        .chain([("severity", track.severity.as_str())])
        .collect()
}

/// What Prometheus does otherwise with this rule.
fn differences(rule: &Rule) -> Vec<String> {
    let mut differences = Vec::new();
    if !matches!(rule.condition, Condition::NoData(_)) {
        differences.push(format!(
            "insufficient_for ({}) is not expressed: too few samples end the alert at once",
            windows::in_units(rule.insufficient_for)
        ));
    }
    differences.push(
        "freezing is not expressed: while cxpulse is behind, the rule judges what it sees".into(),
    );
    if matches!(rule.kpi, Kpi::Fcr | Kpi::FcrMature | Kpi::FcrCorrected) {
        differences.push(
            "completeness is that of the window, without the horizon of first contact resolution"
                .into(),
        );
    }
    differences
}

/// Adds a line.
fn push(out: &mut String, indent: usize, line: &str) {
    out.extend(std::iter::repeat_n(' ', indent));
    out.extend([line, "\n"]);
}

/// Adds a text of several lines as a block.
fn push_block(out: &mut String, indent: usize, key: &str, text: &str) {
    push(out, indent, &format!("{key}: |-"));
    for line in text.lines() {
        push(out, indent + 2, line);
    }
}

#[cfg(test)]
mod tests;
