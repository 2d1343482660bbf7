//! The Prometheus rules made of alerts: Prometheus' own tools take them, and the tests that come with
//! them pass and can fail.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cxpulse::alert::prometheus_rules::{self, RuleFile};
use cxpulse::alert::{Amount, Change, Condition, Objective, Rule, Settings};
use cxpulse::kpi::Kpi;
use cxpulse::window::WindowSpec;

use crate::support::tools::require_tool;

fn rule(name: &str, kpi: Kpi, condition: Condition) -> Rule {
    let mut rule = Rule::new(name, kpi, "1h", Duration::from_hours(1), condition);
    rule.annotations.insert(
        "summary".into(),
        "at {{ value }} ({{ samples }} in {{ window }}), threshold {{threshold}}".into(),
    );
    rule
}

fn by_queue(mut rule: Rule, queues: &[&str]) -> Rule {
    rule.breakdown = vec!["queue".into(), "site".into()];
    rule.annotations
        .insert("description".into(), "{{ queue }} at {{ site }}".into());
    if !queues.is_empty() {
        let queues = queues.iter().map(|queue| (*queue).to_owned()).collect();
        rule.only.insert("queue".into(), queues);
    }
    rule
}

fn against_day(by: Amount) -> Change {
    Change {
        baseline: "24h".into(),
        by,
    }
}

/// Every condition with every modifier it may have.
fn settings() -> Settings {
    let mut held = by_queue(
        rule("held", Kpi::Csat, Condition::Below(0.7)),
        &["a.b", "c\"d"],
    );
    held.hold = Duration::from_secs(100);
    held.keep_firing = Duration::from_mins(2);
    held.severity = "page".into();
    held.labels = BTreeMap::from([("team".into(), "a {{ b }}".into())]);
    let mut steady = rule("steady", Kpi::Abandonment, Condition::Above(0.1));
    steady.clear = Some(0.05);
    steady.confident = true;
    steady.hold = Duration::from_secs(30);
    steady.keep_firing = Duration::from_secs(15);
    let mut slow = rule("slow", Kpi::HandleTime, Condition::Above(600.0));
    slow.quantile_permille = Some(950);
    let mut loved = rule("loved", Kpi::Nps, Condition::Below(-10.0));
    loved.clear = Some(0.0);
    let mut drops = rule(
        "drops",
        Kpi::Nps,
        Condition::Drops(against_day(Amount::Absolute(12.5))),
    );
    drops.confident = true;
    let rises = by_queue(
        rule(
            "rises",
            Kpi::Aht,
            Condition::Rises(against_day(Amount::Ratio(0.3))),
        ),
        &["sales"],
    );
    let burn = |name, kpi, objective| {
        let objective = Objective {
            objective,
            period: Duration::from_hours(24 * 30),
        };
        rule(name, kpi, Condition::Burn(objective))
    };
    let silence = Condition::NoData(Duration::from_mins(10));
    Settings {
        rules: vec![
            held,
            steady,
            slow,
            loved,
            drops,
            rises,
            by_queue(burn("answers_slowly", Kpi::ServiceLevel, 0.8), &[]),
            burn("hangs_up", Kpi::Abandonment, 0.95),
            by_queue(rule("silent", Kpi::Fcr, silence), &["a.b"]),
        ],
        ..Settings::default()
    }
}

fn windows() -> Vec<WindowSpec> {
    let mut windows = WindowSpec::defaults();
    windows.push(WindowSpec::new("10m", Duration::from_mins(10)));
    windows
}

fn promtool(binary: &Path, arguments: &[&str], file: &Path) -> Result<String, String> {
    let output = Command::new(binary)
        .args(arguments)
        .arg(file)
        .output()
        .expect("promtool starts");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    if output.status.success() {
        Ok(text)
    } else {
        Err(text)
    }
}

fn write(folder: &Path, files: &RuleFile) {
    std::fs::write(folder.join("rules.yml"), &files.rules).expect("written");
    std::fs::write(folder.join("tests.yml"), &files.tests).expect("written");
}

#[test]
fn promtool_takes_the_rules_and_passes_their_tests() {
    let binary = require_tool!("promtool");
    let folder = tempfile::tempdir().expect("a folder");
    let files = prometheus_rules::rule_file(&settings(), &windows(), "rules.yml");
    write(folder.path(), &files);
    let rules = folder.path().join("rules.yml");
    let checked = promtool(&binary, &["check", "rules", "--lint-fatal"], &rules)
        .unwrap_or_else(|findings| panic!("{findings}\n{}", files.rules));
    // Two recorded series for each baseline, two severities for each objective.
    assert!(checked.contains("15 rules found"), "{checked}");
    let tests = folder.path().join("tests.yml");
    promtool(&binary, &["test", "rules"], &tests)
        .unwrap_or_else(|findings| panic!("{findings}\n{}\n{}", files.rules, files.tests));
}

#[test]
fn the_tests_find_a_rule_that_was_changed() {
    let binary = require_tool!("promtool");
    let folder = tempfile::tempdir().expect("a folder");
    let tests = folder.path().join("tests.yml");
    let mut few = settings();
    few.rules
        .retain(|rule| ["held", "steady", "drops"].contains(&rule.name.as_str()));
    let files = prometheus_rules::rule_file(&few, &windows(), "rules.yml");
    for (right, wrong) in [
        ("< 0.7\n", "< 0.1\n"),
        (">= 30\n", ">= 1\n"),
        ("for: 1m40s", "for: 1m20s"),
        ("keep_firing_for: 2m", "keep_firing_for: 1m"),
        ("window=\"24h\"} == 1", "window=\"24h\"} >= 0"),
        (" - 12.5", " - 2.5"),
        ("cx_kpi_lower", "cx_kpi_upper"),
        (">= 0.05", ">= 0.1"),
        ("alertstate=\"firing\"", "alertstate=\"pending\""),
    ] {
        let changed = RuleFile {
            rules: files.rules.replace(right, wrong),
            ..files.clone()
        };
        assert_ne!(changed.rules, files.rules, "{right}");
        write(folder.path(), &changed);
        let outcome = promtool(&binary, &["test", "rules"], &tests);
        assert!(outcome.is_err(), "{right} is not tested");
    }
}

#[test]
fn no_alerts_make_a_valid_file() {
    let binary = require_tool!("promtool");
    let folder = tempfile::tempdir().expect("a folder");
    let files = prometheus_rules::rule_file(&Settings::default(), &windows(), "rules.yml");
    write(folder.path(), &files);
    for (arguments, file) in [
        (["check", "rules"], "rules.yml"),
        (["test", "rules"], "tests.yml"),
    ] {
        let file = folder.path().join(file);
        promtool(&binary, &arguments, &file).expect("valid");
    }
}
