//! `[alerts]` and `[[alert]]`: the rules.

use std::time::Duration;

use crate::alert::{Condition, Rule, Settings};
use crate::kpi::Kpi;

use super::super::advice::{Judge, Watched};
use super::super::report::{Given, Report};
use super::super::section::Section;
use super::alert_keys as keys;
use super::alert_texts;
use super::condition::{self, Draft};
use super::window::{Length, Windows};

/// Shortest interval of evaluation.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

/// What rules are checked against.
struct Around<'a> {
    windows: &'a mut Windows,
    sets: &'a [Vec<String>],
    judge: &'a Judge<'a>,
}

pub(super) fn read(
    root: &mut Section,
    report: &mut Report,
    windows: &mut Windows,
    sets: &Given<Vec<Vec<String>>>,
    judge: &Judge<'_>,
) -> Settings {
    let default = Settings::default();
    let mut section = root.child(report, "alerts");
    let interval = section.read(report, "interval", default.interval);
    interval.must(
        interval.value >= SHORTEST_INTERVAL,
        report,
        "is shorter than 10ms",
        "rules are evaluated this often: \"15s\"",
    );
    let max_behind = section.read(report, "max_behind", default.max_behind);
    max_behind.not_zero(report, "the default is \"30s\"");
    section.finish(report);
    let mut around = Around {
        windows,
        sets: &sets.value,
        judge,
    };
    let mut rules: Vec<Rule> = Vec::new();
    for alert in root.children(report, "alert").unwrap_or_default() {
        let at = alert.at();
        let Some(rule) = read_rule(alert, report, &mut around) else {
            continue;
        };
        if rules.iter().any(|other| other.name == rule.name) {
            report.problem(
                &at,
                format!("there is another alert `{}`", rule.name),
                "names are unique: they are the alert's identity",
            );
        }
        rules.push(rule);
    }
    Settings {
        interval: interval.value,
        max_behind: max_behind.value,
        rules,
    }
}

/// Reads every key before it gives up, so that all problems of a rule are told at once.
fn read_rule(mut section: Section, report: &mut Report, around: &mut Around<'_>) -> Option<Rule> {
    let name = keys::read_name(&mut section, report);
    let kpi = section.required::<Kpi>(report, "kpi", "kpi = \"service_level\"");
    // Without a KPI the rest is still checked, as far as it does not depend on it.
    let watched_kpi = kpi.as_ref().map_or(Kpi::ServiceLevel, |kpi| kpi.value);
    let quantile_permille = keys::read_quantile(&mut section, report, watched_kpi);
    let draft = condition::read(&mut section, report, watched_kpi);
    let window = keys::read_window(&mut section, report, draft.as_ref());
    let breakdown = keys::read_breakdown(&mut section, report, around.sets);
    let only = keys::read_where(&mut section, report, &breakdown.value, around.judge.known);
    let clear = keys::read_clear(&mut section, report, draft.as_ref());
    let confident = keys::read_confident(&mut section, report, watched_kpi, draft.as_ref());
    let length = window
        .as_ref()
        .map_or(Duration::ZERO, |window| window.value.duration);
    // The condition is put in below; everything else is a default to read over.
    let default = Rule::new("", watched_kpi, "", length, Condition::Below(0.0));
    let min_samples = keys::read_min_samples(&mut section, report, default.min_samples);
    let rule = Rule {
        quantile_permille,
        only,
        clear,
        confident,
        min_samples: min_samples.value,
        hold: section.read(report, "for", default.hold).value,
        keep_firing: section
            .read(report, "keep_firing_for", default.keep_firing)
            .value,
        insufficient_for: section.read(report, "insufficient_for", length).value,
        severity: section.read(report, "severity", default.severity).value,
        labels: alert_texts::read_labels(&mut section, report, &breakdown.value),
        annotations: alert_texts::read_annotations(&mut section, report, &breakdown.value),
        breakdown: breakdown.value.clone(),
        ..default
    };
    section.finish(report);

    let (name, kpi, draft, window) = (name?, kpi?, draft?, window?);
    keys::check_existence(&kpi, &window, &breakdown, &draft, around.judge, report);
    let watched = Watched {
        kpi: &kpi,
        window: &window,
        draft: &draft,
        breakdown: &breakdown.value,
        min_samples: &min_samples,
        confident,
    };
    around.judge.advise(&watched, report);
    let rule = Rule { name, ..rule };
    Some(with_windows(rule, &window, &draft, around.windows, report))
}

/// Puts window and condition into a rule and makes sure that every window it looks at is kept.
fn with_windows(
    rule: Rule,
    window: &Given<Length>,
    draft: &Draft,
    windows: &mut Windows,
    report: &mut Report,
) -> Rule {
    let watched = windows.watched(window, report);
    let mut baseline_name = String::new();
    if let Draft::Change { baseline, .. } = draft {
        baseline.must(
            baseline.value.duration > window.value.duration,
            report,
            "is not longer than the window",
            "the baseline is the longer window less the short one: \"7d\"",
        );
        baseline_name = windows.baseline(baseline, &watched, report).name;
    }
    let rule = Rule {
        condition: draft.finish(baseline_name),
        window: watched.name.clone(),
        ..rule
    };
    for length in rule.derived_windows() {
        windows.derived(length, &watched, draft.at(), report);
    }
    rule
}
