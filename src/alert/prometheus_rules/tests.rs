//! The text of the rules. That Prometheus takes them and that their tests pass is tested with
//! promtool in `tests/servers`.

use std::time::Duration;

use super::super::{Amount, Change, Objective};
use super::*;

fn rule(condition: Condition) -> Rule {
    let mut rule = Rule::new("low", Kpi::Csat, "1h", Duration::from_hours(1), condition);
    rule.breakdown = vec!["queue".into()];
    rule
}

fn files(rule: Rule) -> RuleFile {
    let settings = Settings {
        rules: vec![rule],
        ..Settings::default()
    };
    rule_file(&settings, &WindowSpec::defaults(), "rules.yml")
}

#[test]
fn a_threshold_with_every_modifier() {
    let mut rule = rule(Condition::Below(0.7));
    rule.only
        .insert("queue".into(), vec!["a.b".into(), "c".into()]);
    rule.hold = Duration::from_mins(5);
    rule.keep_firing = Duration::from_secs(90);
    rule.clear = Some(0.75);
    rule.confident = true;
    rule.labels.insert("team".into(), "care".into());
    rule.annotations.insert(
        "summary".into(),
        "{{ queue }} at {{ value }} < {{ threshold }} in {{ window }}".into(),
    );
    assert_eq!(
        files(rule).rules,
        r#"# Alerts of cxpulse as Prometheus rules, made by `cxpulse rules`.
# Let either these rules or the sinks of cxpulse page, not both.
groups:
  - name: cxpulse
    interval: 15s
    rules:
      # insufficient_for (1h) is not expressed: too few samples end the alert at once
      # freezing is not expressed: while cxpulse is behind, the rule judges what it sees
      - alert: "low"
        expr: |-
          max without (window, breakdown, kpi, quantile) (
            (
              (
                cx_csat_ratio{window="1h",breakdown="queue",queue=~"a\\.b|c"} < 0.7
                and ignoring (kpi) cx_kpi_upper{kpi="csat",window="1h",breakdown="queue",queue=~"a\\.b|c"} < 0.7
              )
              or
              (
                cx_csat_ratio{window="1h",breakdown="queue",queue=~"a\\.b|c"} <= 0.75
                and on (job, instance, queue) ALERTS{alertname="low",alertstate="firing",severity="warning"}
              )
            )
            and ignoring (kpi, quantile, window) cx_kpi_samples{kpi="csat",window="1h",breakdown="queue",queue=~"a\\.b|c"} >= 30
            and on (job, instance) cxpulse_window_complete{window="1h"} == 1
          )
        for: 5m
        keep_firing_for: 1m30s
        labels:
          severity: "warning"
          team: "care"
        annotations:
          summary: "{{ $labels.queue }} at {{ printf \"%.6g\" $value }} < 0.7 in 1h"
"#
    );
}

#[test]
fn a_baseline_is_recorded_once() {
    let drops = |name: &str, by| {
        let change = Change {
            baseline: "24h".into(),
            by: Amount::Absolute(by),
        };
        let mut rule = rule(Condition::Drops(change));
        rule.name = name.into();
        rule
    };
    let settings = Settings {
        rules: vec![drops("a", 0.1), drops("b", 0.2)],
        ..Settings::default()
    };
    let rules = rule_file(&settings, &WindowSpec::defaults(), "rules.yml").rules;
    for (text, times) in [
        ("- record: queue:cx_csat_ratio:24h_less_1h\n", 1),
        ("- record: queue:cx_csat_samples:24h_less_1h\n", 1),
        (
            "< ignoring (window, kpi) (queue:cx_csat_ratio:24h_less_1h - 0.1)",
            1,
        ),
        (
            "< ignoring (window, kpi) (queue:cx_csat_ratio:24h_less_1h - 0.2)",
            1,
        ),
        ("queue:cx_csat_samples:24h_less_1h >= 30", 2),
        ("cxpulse_window_complete{window=\"24h\"} == 1", 2),
    ] {
        assert_eq!(rules.matches(text).count(), times, "{text}\n{rules}");
    }
}

#[test]
fn an_objective_has_a_rule_for_each_severity() {
    let rules = files(rule(Condition::Burn(Objective {
        objective: 0.8,
        period: Duration::from_hours(24 * 30),
    })))
    .rules;
    for text in [
        "severity: \"page\"",
        "severity: \"ticket\"",
        "or ignoring (window)",
        "and ignoring (window) cx_csat_ratio{window=\"5m\",breakdown=\"queue\"} < 0.4",
        // The day is kept under the name it is configured with.
        "cx_csat_ratio{window=\"24h\",breakdown=\"queue\"} < 0.74",
        "cx_csat_ratio{window=\"3d\",breakdown=\"queue\"} < 0.8",
    ] {
        assert!(rules.contains(text), "{text}\n{rules}");
    }
}

#[test]
fn what_has_no_form_in_prometheus_is_told() {
    let mut rule = rule(Condition::Below(0.7));
    rule.kpi = Kpi::FcrMature;
    rule.annotations
        .insert("summary".into(), "{{ value | round(2) }}".into());
    let files = files(rule);
    assert_eq!(
        files.warnings,
        [
            "alert low: insufficient_for (1h) is not expressed: too few samples end the alert at once",
            "alert low: freezing is not expressed: while cxpulse is behind, the rule judges what it sees",
            "alert low: completeness is that of the window, without the horizon of first contact resolution",
            "alert low: annotation summary is more than text with placeholders and is left out",
        ]
    );
    assert!(!files.rules.contains("annotations:"));
    for warning in &files.warnings[..3] {
        let comment = warning.replacen("alert low: ", "# ", 1);
        assert!(files.rules.contains(&comment), "{comment}");
    }
}
