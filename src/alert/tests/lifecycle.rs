//! Freezing, restart, reload, and what readers see.

use super::super::{State, StateError};
use super::view::{ViewBuilder, seen};
use super::*;

fn low() -> Rule {
    rule(Condition::Below(0.7))
}

fn view(step: usize, satisfied: i64) -> crate::engine::View {
    ViewBuilder::new()
        .window("1h", 1)
        .overall(&[seen(satisfied, 100)])
        .build(at(step))
}

/// Good, bad, and behind.
#[derive(Clone, Copy, Debug)]
enum Input {
    Good,
    Bad,
    Few,
    BehindGood,
    BehindBad,
}

fn run_frozen(rule: &Rule, rows: &[(Input, Phase)]) {
    let mut evaluator = evaluator(std::slice::from_ref(rule));
    for (step, (input, expected)) in rows.iter().enumerate() {
        let (view, behind) = match input {
            Input::Good => (view(step, 90), false),
            Input::Bad => (view(step, 10), false),
            Input::Few => (view(step, 0), false),
            Input::BehindGood => (view(step, 90), true),
            Input::BehindBad => (view(step, 10), true),
        };
        let view = if let Input::Few = input {
            ViewBuilder::new()
                .window("1h", 1)
                .overall(&[seen(0, 1)])
                .build(at(step))
        } else {
            view
        };
        evaluator.evaluate(&view, at(step), behind);
        assert_eq!(phase(&evaluator), *expected, "after step {step}, {input:?}");
    }
}

#[test]
fn while_behind_nothing_begins_and_nothing_ends() {
    use Input::{Bad, BehindBad, BehindGood, Good};
    run_frozen(
        &low(),
        &[
            (Good, I),
            (BehindBad, I),
            (BehindBad, I),
            (Bad, F),
            (BehindGood, F),
            (Good, I),
        ],
    );
}

#[test]
fn frozen_time_does_not_count() {
    use Input::{Bad, BehindBad, BehindGood, Few, Good};
    let mut rule = low();
    rule.hold = steps(2);
    rule.keep_firing = steps(2);
    rule.insufficient_for = steps(2);
    run_frozen(
        &rule,
        &[
            (Bad, P),
            (BehindBad, P),
            (BehindGood, P),
            (BehindBad, P),
            (Bad, P),
            (Bad, F),
            (Good, F),
            (BehindGood, F),
            (BehindGood, F),
            (Good, F),
            (Good, I),
            (Bad, P),
            (Bad, P),
            (Bad, F),
            (Few, F),
            (BehindGood, F),
            (BehindGood, F),
            (Few, F),
            (Few, I),
        ],
    );
}

#[test]
fn a_clock_set_back_costs_no_alert() {
    let mut rule = low();
    rule.hold = steps(2);
    let mut evaluator = evaluator(&[rule]);
    for (step, expected) in [(10, P), (11, P), (3, P), (4, F)] {
        evaluator.evaluate(&view(step, 10), at(step), false);
        assert_eq!(phase(&evaluator), expected, "at step {step}");
    }
}

fn restarted(rules: &[Rule], state: &State, step: usize) -> (Evaluator, Vec<Transition>) {
    let text = state.to_json().unwrap();
    let read = State::from_json(&text).unwrap();
    let mut evaluator = evaluator(rules);
    let transitions = evaluator.restore(read, at(step));
    (evaluator, transitions)
}

#[test]
fn an_alert_that_cleared_while_down_ends_with_its_identity() {
    let mut before = evaluator(&[low()]);
    let fired = before.evaluate(&view(0, 10), at(0), false);
    let (mut after, by_restart) = restarted(&[low()], &before.state(), 20);
    assert_eq!(by_restart, []);
    assert_eq!(after.announce(), fired, "told again, in the same words");
    let transitions = after.evaluate(&view(20, 90), at(20), false);
    assert_eq!(told(&transitions), [(20, F, I, Reason::Cleared)]);
    assert_eq!(transitions[0].active_since, fired[0].active_since);
}

#[test]
fn pending_and_kept_firing_go_on_after_a_restart() {
    let mut rule = low();
    rule.hold = steps(2);
    rule.keep_firing = steps(3);
    let mut evaluator = evaluator(std::slice::from_ref(&rule));
    let rows = [
        (10, P),
        (10, P),
        (10, F),
        (90, F),
        (90, F),
        (90, F),
        (90, I),
    ];
    for (step, (satisfied, expected)) in rows.into_iter().enumerate() {
        evaluator.evaluate(&view(step, satisfied), at(step), false);
        assert_eq!(phase(&evaluator), expected, "after step {step}");
        if expected != I {
            evaluator = restarted(std::slice::from_ref(&rule), &evaluator.state(), step).0;
        }
    }
}

#[test]
fn what_ended_shortly_before_a_crash_is_told_again() {
    let mut before = evaluator(&[low()]);
    before.evaluate(&view(0, 10), at(0), false);
    let ended = before.evaluate(&view(1, 90), at(1), false);
    let (mut after, _) = restarted(&[low()], &before.state(), 2);
    assert_eq!(after.announce(), ended);
    // A quarter of an hour later it is forgotten.
    after.evaluate(&view(61, 90), at(61), false);
    assert_eq!(after.announce(), []);
}

#[test]
fn alerts_of_rules_that_are_gone_or_changed_end() {
    let mut changed = low();
    changed.labels.insert("team".into(), "a".into());
    let mut other = low();
    other.name = "Other".into();
    for (rules, reason) in [
        (vec![changed], Reason::RuleChanged),
        (vec![other], Reason::RuleRemoved),
        (vec![], Reason::RuleRemoved),
    ] {
        let mut before = evaluator(&[low()]);
        let fired = before.evaluate(&view(0, 10), at(0), false);
        let (after, by_restart) = restarted(&rules, &before.state(), 1);
        assert_eq!(told(&by_restart), [(1, F, I, reason)]);
        assert_eq!(by_restart[0].active_since, fired[0].active_since);
        assert_eq!(by_restart[0].labels, fired[0].labels);
        assert_eq!(after.announce(), by_restart);
        let settings = Settings {
            rules,
            ..Settings::default()
        };
        let by_reload = before.reload(&settings, at(1)).unwrap();
        assert_eq!(by_reload, by_restart);
        assert_eq!(before.state().rules, []);
    }
}

#[test]
fn a_reload_keeps_unchanged_rules() {
    let mut rule = low();
    rule.hold = steps(2);
    let mut evaluator = evaluator(std::slice::from_ref(&rule));
    evaluator.evaluate(&view(0, 10), at(0), false);
    evaluator.evaluate(&view(1, 10), at(1), false);
    let mut second = low();
    second.name = "Second".into();
    second.hold = steps(1);
    rule.annotations.insert("summary".into(), "reworded".into());
    let settings = Settings {
        rules: vec![second, rule.clone()],
        ..Settings::default()
    };
    assert_eq!(evaluator.reload(&settings, at(1)).unwrap(), []);
    let transitions = evaluator.evaluate(&view(2, 10), at(2), false);
    let moved: Vec<_> = transitions
        .iter()
        .map(|one| (&*one.alert, one.to))
        .collect();
    assert_eq!(moved, [("Second", P), ("LowCsat", F)]);
    assert_eq!(transitions[1].annotations["summary"], "reworded");
    assert_eq!(transitions[1].active_since, at(0));

    rule.annotations
        .insert("summary".into(), "{{ typo }}".into());
    let broken = Settings {
        rules: vec![rule],
        ..Settings::default()
    };
    assert!(evaluator.reload(&broken, at(2)).is_err());
    assert_eq!(evaluator.snapshot().rules.len(), 2, "nothing has changed");
}

#[test]
fn a_state_of_another_version_or_a_damaged_one_is_refused() {
    let text = String::from_utf8(evaluator(&[low()]).state().to_json().unwrap()).unwrap();
    let newer = text.replacen("\"version\":1", "\"version\":2", 1);
    assert!(matches!(
        State::from_json(newer.as_bytes()),
        Err(StateError::Version { found: 2 })
    ));
    assert!(matches!(
        State::from_json(&text.as_bytes()[..text.len() - 1]),
        Err(StateError::Damaged(_))
    ));
}

#[test]
fn the_api_shows_rules_and_instances() {
    let mut rule = low();
    rule.breakdown = vec!["queue".into()];
    let mut evaluator = evaluator(&[rule]);
    let view = ViewBuilder::new()
        .window("1h", 1)
        .key(&["queue"], &["billing"], &[seen(60, 100)])
        .key(&["queue"], &["sales"], &[seen(1, 1)])
        .build(at(0));
    evaluator.evaluate(&view, at(0), false);
    let json = serde_json::to_value(evaluator.snapshot()).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "at": "2023-11-14T22:13:30.000Z",
            "rules": [{
                "alert": "LowCsat", "severity": "warning", "kpi": "csat", "window": "1h",
                "breakdown": ["queue"], "condition": "below 0.7",
                "instances": [
                    {
                        "key": {"queue": "billing"}, "state": "firing",
                        "since": "2023-11-14T22:13:30.000Z",
                        "fired_at": "2023-11-14T22:13:30.000Z",
                        "value": 0.6, "samples": 100, "threshold": 0.7, "window": "1h",
                        "insufficient": false
                    },
                    {
                        "key": {"queue": "sales"}, "state": "inactive",
                        "value": 1.0, "samples": 1, "threshold": 0.7, "window": "1h",
                        "insufficient": true
                    }
                ]
            }]
        })
    );
}
