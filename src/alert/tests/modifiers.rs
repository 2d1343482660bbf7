//! Each modifier by itself: `for`, `keep_firing_for`, clear thresholds, `min_samples`, `confident`,
//! `insufficient_for`, `where`.

use super::view::{NOTHING, ViewBuilder, seen};
use super::*;
use crate::kpi::Cell;

fn low() -> Rule {
    rule(Condition::Below(0.7))
}

#[test]
fn hold_starts_anew_when_the_condition_ends() {
    let mut rule = low();
    rule.hold = steps(2);
    let (good, bad) = (seen(80, 100), seen(60, 100));
    let transitions = run(
        &rule,
        &[
            (bad, P),
            (bad, P),
            (good, I),
            (bad, P),
            (bad, P),
            (bad, F),
            (bad, F),
            (good, I),
        ],
    );
    assert_eq!(
        told(&transitions),
        [
            (0, I, P, Reason::Threshold),
            (2, P, I, Reason::Cleared),
            (3, I, P, Reason::Threshold),
            (5, P, F, Reason::Threshold),
            (7, F, I, Reason::Cleared),
        ]
    );
    let notable: Vec<bool> = transitions.iter().map(Transition::is_notable).collect();
    assert_eq!(notable, [false, false, false, true, true]);
    assert_eq!(transitions[3].active_since, at(3));
    assert_eq!(transitions[4].active_since, at(3));
}

#[test]
fn a_hold_between_two_evaluations_ends_at_the_later_one() {
    let mut rule = low();
    rule.hold = Duration::from_secs(20);
    let bad = seen(60, 100);
    run(&rule, &[(bad, P), (bad, P), (bad, F)]);
}

#[test]
fn keep_firing_bridges_short_recoveries() {
    let mut rule = low();
    rule.keep_firing = steps(2);
    let (good, bad) = (seen(80, 100), seen(60, 100));
    let transitions = run(
        &rule,
        &[
            (bad, F),
            (good, F),
            (good, F),
            (bad, F),
            (good, F),
            (good, F),
            (good, I),
        ],
    );
    assert_eq!(
        told(&transitions),
        [(0, I, F, Reason::Threshold), (6, F, I, Reason::Cleared)]
    );
}

#[test]
fn a_clear_threshold_keeps_it_firing_in_between() {
    let mut below = low();
    below.clear = Some(0.75);
    run(
        &below,
        &[
            (seen(72, 100), I),
            (seen(69, 100), F),
            (seen(72, 100), F),
            (seen(75, 100), F),
            (seen(76, 100), I),
            (seen(72, 100), I),
        ],
    );
    let mut high = rule(Condition::Above(0.3));
    high.clear = Some(0.2);
    run(
        &high,
        &[
            (seen(31, 100), F),
            (seen(25, 100), F),
            (seen(20, 100), F),
            (seen(19, 100), I),
            (seen(25, 100), I),
        ],
    );
}

#[test]
fn a_clear_threshold_does_not_hold_a_pending_one() {
    let mut rule = low();
    rule.clear = Some(0.75);
    rule.hold = steps(2);
    run(
        &rule,
        &[(seen(69, 100), P), (seen(72, 100), I), (seen(69, 100), P)],
    );
}

#[test]
fn too_few_samples_neither_start_nor_clear() {
    let mut rule = low();
    rule.insufficient_for = steps(100);
    run(
        &rule,
        &[
            (seen(0, 29), I),
            (seen(0, 30), F),
            (seen(29, 29), F),
            (NOTHING, F),
            (seen(30, 30), I),
        ],
    );
    rule.min_samples = 1;
    run(&rule, &[(NOTHING, I), (seen(0, 1), F), (seen(1, 1), I)]);
}

#[test]
fn insufficient_for_ends_pending_and_firing() {
    let mut rule = low();
    rule.hold = steps(1);
    rule.insufficient_for = steps(2);
    let (bad, few) = (seen(60, 100), seen(6, 10));
    let transitions = run(
        &rule,
        &[
            (bad, P),
            (few, P),
            (few, P),
            (few, I),
            (few, I),
            (bad, P),
            (bad, F),
            (few, F),
            (bad, F),
            (few, F),
            (few, F),
            (few, I),
        ],
    );
    assert_eq!(
        told(&transitions),
        [
            (0, I, P, Reason::Threshold),
            (3, P, I, Reason::Insufficient),
            (5, I, P, Reason::Threshold),
            (6, P, F, Reason::Threshold),
            (11, F, I, Reason::Insufficient),
        ]
    );
}

#[test]
fn insufficient_data_is_shown() {
    let mut evaluator = evaluator(&[low()]);
    for (step, (seen, expected)) in [(seen(6, 10), true), (seen(60, 100), false)]
        .into_iter()
        .enumerate()
    {
        let view = ViewBuilder::new()
            .window("1h", 1)
            .overall(&[seen])
            .build(at(step));
        evaluator.evaluate(&view, at(step), false);
        assert_eq!(insufficient(&evaluator), expected);
        let snapshot = evaluator.snapshot();
        let series: Vec<_> = snapshot.series().collect();
        assert_eq!(series.len(), 1);
        assert_eq!(series[0].insufficient, expected);
    }
}

#[test]
fn an_incomplete_window_is_insufficient() {
    let mut rule = low();
    rule.insufficient_for = steps(2);
    let mut evaluator = evaluator(&[rule]);
    for (step, (complete, expected)) in [(false, I), (true, F), (false, F), (false, F), (false, I)]
        .into_iter()
        .enumerate()
    {
        let view = ViewBuilder::new()
            .window("1h", 1)
            .incomplete("1h", complete, false)
            .overall(&[seen(60, 100)])
            .build(at(step));
        evaluator.evaluate(&view, at(step), false);
        assert_eq!(phase(&evaluator), expected, "after step {step}");
        assert_eq!(insufficient(&evaluator), !complete);
    }
}

#[test]
fn contact_chains_need_the_horizon_too() {
    let mut rule = low();
    rule.kpi = Kpi::Fcr;
    let mut evaluator = evaluator(&[rule]);
    let mut cell = Cell::default();
    cell.totals.count(crate::kpi::Count::FcrFirst, 100);
    for (step, (complete_for_fcr, expected)) in [(false, I), (true, F)].into_iter().enumerate() {
        let view = ViewBuilder::new()
            .window("1h", 1)
            .incomplete("1h", true, complete_for_fcr)
            .key_with_cells(&[], &[], vec![cell.clone()])
            .build(at(step));
        evaluator.evaluate(&view, at(step), false);
        assert_eq!(phase(&evaluator), expected);
    }
}

#[test]
fn a_window_that_is_not_kept_is_insufficient() {
    let mut evaluator = evaluator(&[low()]);
    let view = ViewBuilder::new()
        .window("5m", 1)
        .overall(&[seen(0, 100)])
        .build(at(0));
    evaluator.evaluate(&view, at(0), false);
    assert_eq!(phase(&evaluator), I);
    assert!(insufficient(&evaluator));
}

#[test]
fn confident_wants_the_whole_interval_past_the_threshold() {
    let mut below = low();
    below.confident = true;
    // Wilson: 60/100 ends at 0.691, 62/100 at 0.709, 600/1000 at 0.630.
    run(
        &below,
        &[
            (seen(62, 100), I),
            (seen(60, 100), F),
            (seen(62, 100), I),
            (seen(620, 1000), F),
        ],
    );
    let mut high = rule(Condition::Above(0.7));
    high.confident = true;
    // 78/100 begins at 0.689, 80/100 at 0.711.
    run(&high, &[(seen(78, 100), I), (seen(80, 100), F)]);
}

#[test]
fn confident_with_a_clear_threshold_clears_by_the_value() {
    let mut rule = low();
    rule.confident = true;
    rule.clear = Some(0.7);
    run(
        &rule,
        &[
            (seen(65, 100), I),
            (seen(60, 100), F),
            (seen(65, 100), F),
            (seen(70, 100), F),
            (seen(71, 100), I),
        ],
    );
}

#[test]
fn without_an_interval_there_is_no_confidence() {
    let mut rule = low();
    rule.kpi = Kpi::CsatScore;
    rule.condition = Condition::Below(3.0);
    rule.confident = true;
    rule.min_samples = 1;
    let mut cell = Cell::default();
    cell.totals.count(crate::kpi::Count::Csat, 1);
    let mut evaluator = evaluator(&[rule]);
    let view = ViewBuilder::new()
        .window("1h", 1)
        .key_with_cells(&[], &[], vec![cell])
        .build(at(0));
    evaluator.evaluate(&view, at(0), false);
    assert!(insufficient(&evaluator));
}

#[test]
fn each_key_is_an_instance_and_where_selects() {
    let mut rule = low();
    rule.breakdown = vec!["queue".into()];
    rule.labels.insert("team".into(), "care".into());
    rule.annotations.insert(
        "summary".into(),
        "{{ queue }} at {{ value }} below {{ threshold }} ({{ samples }} in {{ window }})".into(),
    );
    let view = |at| {
        ViewBuilder::new()
            .window("1h", 1)
            .key(&["queue"], &["billing"], &[seen(60, 100)])
            .key(&["queue"], &["sales"], &[seen(50, 100)])
            .key(&["queue"], &["support"], &[seen(90, 100)])
            .overall(&[seen(200, 300)])
            .build(at)
    };
    let mut every = evaluator(std::slice::from_ref(&rule));
    let transitions = every.evaluate(&view(at(0)), at(0), false);
    let keys: Vec<&str> = transitions
        .iter()
        .map(|one| one.key[0].1.as_str())
        .collect();
    assert_eq!(keys, ["billing", "sales"]);
    assert_eq!(transitions[0].labels["team"], "care");
    assert_eq!(
        transitions[1].annotations["summary"],
        "sales at 0.5 below 0.7 (100 in 1h)"
    );
    let states: Vec<u8> = every.snapshot().series().map(|one| one.state).collect();
    assert_eq!(states, [2, 2, 0]);

    rule.only
        .insert("queue".into(), vec!["sales".into(), "support".into()]);
    let mut some = evaluator(&[rule]);
    let selected = some.evaluate(&view(at(0)), at(0), false);
    assert_eq!(selected.len(), 1);
    assert_eq!(some.snapshot().rules[0].instances.len(), 2);
}

#[test]
fn a_key_that_vanished_has_no_samples() {
    let mut rule = low();
    rule.breakdown = vec!["queue".into()];
    rule.insufficient_for = steps(2);
    let mut evaluator = evaluator(&[rule]);
    let empty = |step| ViewBuilder::new().window("1h", 1).build(at(step));
    let present = ViewBuilder::new()
        .window("1h", 1)
        .key(&["queue"], &["billing"], &[seen(60, 100)])
        .key(&["queue"], &["sales"], &[seen(90, 100)])
        .build(at(0));
    evaluator.evaluate(&present, at(0), false);
    let mut transitions = Vec::new();
    transitions.extend(evaluator.evaluate(&empty(1), at(1), false));
    assert_eq!(
        evaluator.snapshot().rules[0].instances.len(),
        1,
        "inactive ones go"
    );
    for step in 2..=3 {
        transitions.extend(evaluator.evaluate(&empty(step), at(step), false));
    }
    assert_eq!(told(&transitions), [(3, F, I, Reason::Insufficient)]);
    assert_eq!(transitions[0].key, [("queue".into(), "billing".into())]);
    assert!(evaluator.snapshot().rules[0].instances.is_empty());
}
