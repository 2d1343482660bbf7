//! Each condition by itself.

use std::sync::Arc;
use std::time::Duration;

use super::super::{Amount, Change, Objective};
use super::view::{NOTHING, ViewBuilder, seen};
use super::*;
use crate::kpi::{Cell, Count, Measure};

const HOUR_MS: i64 = 3_600_000;

#[test]
fn below_is_strict() {
    let transitions = run(
        &rule(Condition::Below(0.7)),
        &[
            (seen(80, 100), I),
            (seen(70, 100), I),
            (seen(69, 100), F),
            (seen(10, 100), F),
            (seen(70, 100), I),
        ],
    );
    assert_eq!(
        told(&transitions),
        [(2, I, F, Reason::Threshold), (4, F, I, Reason::Cleared)]
    );
    let fired = &transitions[0];
    assert_eq!(fired.value, Some(0.69));
    assert_eq!((fired.samples, fired.threshold), (100, Some(0.7)));
    assert_eq!((&*fired.window, fired.active_since), ("1h", at(2)));
    assert_eq!(transitions[1].active_since, at(2), "the same episode");
}

#[test]
fn above_is_strict() {
    run(
        &rule(Condition::Above(0.7)),
        &[(seen(70, 100), I), (seen(71, 100), F), (seen(70, 100), I)],
    );
}

/// The last hour, and all of the last day.
fn run_change(change: Condition, rows: &[(Seen, Seen, Phase)]) -> Vec<Transition> {
    let mut evaluator = evaluator(&[rule(change)]);
    let mut transitions = Vec::new();
    for (step, (hour, day, expected)) in rows.iter().enumerate() {
        let view = ViewBuilder::new()
            .window("1h", 1)
            .window("24h", 24)
            .overall(&[*hour, *day])
            .build(at(step));
        transitions.extend(evaluator.evaluate(&view, at(step), false));
        assert_eq!(phase(&evaluator), *expected, "after step {step}");
    }
    transitions
}

fn against_day(by: Amount) -> Change {
    Change {
        baseline: "24h".into(),
        by,
    }
}

#[test]
fn a_drop_is_measured_against_the_rest_of_the_longer_window() {
    // The rest of the day: 800 of 1000.
    let transitions = run_change(
        Condition::Drops(against_day(Amount::Absolute(0.15))),
        &[
            (seen(80, 100), seen(880, 1100), I),
            (seen(66, 100), seen(866, 1100), I),
            (seen(64, 100), seen(864, 1100), F),
            (seen(90, 100), seen(890, 1100), I),
        ],
    );
    assert_eq!(
        told(&transitions),
        [(2, I, F, Reason::Baseline), (3, F, I, Reason::Cleared)]
    );
    assert!((transitions[0].threshold.unwrap() - 0.65).abs() < 1e-12);
    assert_eq!(transitions[0].samples, 100);
}

#[test]
fn a_change_may_be_a_share_of_the_baseline() {
    // A quarter less than 0.8 is 0.6, a quarter more is 1.0.
    run_change(
        Condition::Drops(against_day(Amount::Ratio(0.25))),
        &[
            (seen(61, 100), seen(861, 1100), I),
            (seen(59, 100), seen(859, 1100), F),
        ],
    );
    run_change(
        Condition::Rises(against_day(Amount::Ratio(0.2))),
        &[
            (seen(95, 100), seen(895, 1100), I),
            (seen(97, 100), seen(897, 1100), F),
        ],
    );
}

#[test]
fn a_baseline_without_enough_samples_neither_starts_nor_clears() {
    run_change(
        Condition::Drops(against_day(Amount::Absolute(0.1))),
        &[
            (seen(10, 100), seen(10, 100), I),
            (seen(10, 100), seen(39, 129), I),
            (seen(10, 100), seen(40, 130), F),
            (seen(99, 100), seen(128, 129), F),
            (seen(99, 100), seen(129, 130), I),
        ],
    );
}

#[test]
fn means_have_a_baseline_too() {
    let handle = |seconds: i64, count: i64| {
        let mut cell = Cell::default();
        for _ in 0..count {
            cell.totals.count(Count::HandleTime, 1);
            cell.totals
                .measure(Count::HandleTimeMs, Measure::HandleTime, seconds * 1000, 1);
        }
        cell
    };
    let mut rising = rule(Condition::Rises(against_day(Amount::Absolute(60.0))));
    rising.kpi = Kpi::Aht;
    let mut evaluator = evaluator(&[rising]);
    for (step, (seconds, expected)) in [(300, I), (359, I), (361, F)].into_iter().enumerate() {
        let mut day = handle(300, 200);
        day.totals.add(&handle(seconds, 40).totals, 1);
        let view = ViewBuilder::new()
            .window("1h", 1)
            .window("24h", 24)
            .key_with_cells(&[], &[], vec![handle(seconds, 40), day])
            .build(at(step));
        evaluator.evaluate(&view, at(step), false);
        assert_eq!(phase(&evaluator), expected, "at {seconds} s");
    }
}

#[test]
fn quantiles_are_judged_by_their_permille() {
    let mut slow = rule(Condition::Above(600.0));
    slow.kpi = Kpi::HandleTime;
    slow.quantile_permille = Some(950);
    let mut evaluator = evaluator(&[slow]);
    for (step, (p95, expected)) in [(599.0, I), (601.0, F)].into_iter().enumerate() {
        let mut cell = Cell::default();
        cell.totals.count(Count::HandleTime, 30);
        cell.quantiles = Some([100.0, 900.0, p95, 900.0]);
        let view = ViewBuilder::new()
            .window("1h", 1)
            .key_with_cells(&[], &[], vec![cell])
            .build(at(step));
        evaluator.evaluate(&view, at(step), false);
        assert_eq!(phase(&evaluator), expected);
    }
}

fn burn_rule() -> Rule {
    rule(Condition::Burn(Objective {
        objective: 0.8,
        period: Duration::from_hours(24 * 30),
    }))
}

/// 5m, 30m, 1h, 2h, 6h, 1d, 3d.
fn burn_view(windows: [Seen; 7]) -> ViewBuilder {
    ViewBuilder::new()
        .window_ms("5m", HOUR_MS / 12)
        .window_ms("30m", HOUR_MS / 2)
        .window("1h", 1)
        .window("2h", 2)
        .window("6h", 6)
        .window("1d", 24)
        .window("3d", 72)
        .overall(&windows)
}

#[test]
fn a_budget_that_burns_fast_pages_and_one_that_burns_slowly_opens_a_ticket() {
    let good = seen(85, 100);
    let (low, awful) = (seen(70, 100), seen(39, 100));
    // Page below 0.40 in 1h and 5m, or below 0.65 in 6h and 30m; ticket below 0.74 in 1d and 2h.
    for (windows, page, ticket) in [
        ([good; 7], I, I),
        ([awful, good, awful, good, good, good, good], F, I),
        ([good, good, awful, good, good, good, good], I, I),
        ([awful, awful, good, good, good, good, good], I, I),
        ([good, awful, good, good, awful, good, good], F, I),
        ([low, low, low, low, low, low, good], I, F),
        ([awful; 7], F, F),
    ] {
        let mut evaluator = evaluator(&[burn_rule()]);
        let view = burn_view(windows).build(at(0));
        let transitions = evaluator.evaluate(&view, at(0), false);
        let snapshot = evaluator.snapshot();
        let states: Vec<(&str, Phase)> = snapshot
            .rules
            .iter()
            .map(|rule| (rule.severity.as_str(), rule.instances[0].state))
            .collect();
        assert_eq!(states, [("page", page), ("ticket", ticket)], "{windows:?}");
        for transition in transitions {
            assert_eq!(transition.reason, Reason::BurnRate);
            assert!(transition.value < transition.threshold);
        }
    }
}

#[test]
fn the_pair_that_burns_is_told() {
    let mut evaluator = evaluator(&[burn_rule()]);
    let good = seen(85, 100);
    let awful = seen(39, 100);
    let view = burn_view([good, awful, good, good, awful, good, good]).build(at(0));
    let transitions = evaluator.evaluate(&view, at(0), false);
    assert_eq!(&*transitions[0].window, "6h");
    assert!((transitions[0].threshold.unwrap() - 0.6507).abs() < 1e-4);
}

#[test]
fn a_pair_that_cannot_be_judged_does_not_hide_one_that_burns() {
    let awful = seen(39, 100);
    let few = seen(3, 29);
    for (windows, expected, doubtful) in [
        // The 6h pair burns, 1h has too few.
        ([few, awful, few, awful, awful, awful, awful], F, false),
        // Both too few.
        ([few, few, few, few, few, few, few], I, true),
        // One sample is enough for the short window, none is not.
        ([seen(0, 1), few, awful, few, few, few, few], F, false),
        ([NOTHING, few, awful, few, few, few, few], I, true),
        // The long window is fine: whatever the short one is, nothing burns.
        (
            [
                NOTHING,
                NOTHING,
                seen(9, 9),
                NOTHING,
                seen(90, 90),
                few,
                few,
            ],
            I,
            true,
        ),
        (
            [
                NOTHING,
                NOTHING,
                seen(90, 90),
                NOTHING,
                seen(90, 90),
                few,
                few,
            ],
            I,
            false,
        ),
    ] {
        let mut evaluator = evaluator(&[burn_rule()]);
        evaluator.evaluate(&burn_view(windows).build(at(0)), at(0), false);
        let page = evaluator.snapshot().rules[0].instances[0].clone();
        assert_eq!(
            (page.state, page.insufficient),
            (expected, doubtful),
            "{windows:?}"
        );
    }
}

#[test]
fn severities_of_a_burn_rule_can_be_named() {
    let mut rule = burn_rule();
    rule.severity = "critical".into();
    let severities = |of: &Rule| -> Vec<String> {
        let snapshot = evaluator(std::slice::from_ref(of)).snapshot();
        snapshot.rules.into_iter().map(|one| one.severity).collect()
    };
    assert_eq!(severities(&rule), ["critical", "ticket"]);
    rule.severity = "ticket".into();
    assert_eq!(severities(&rule), ["ticket"]);
}

#[test]
fn low_is_good_for_abandonment() {
    let mut rule = burn_rule();
    rule.kpi = Kpi::Transfer;
    let cell = |transferred: i64| {
        let mut cell = Cell::default();
        cell.totals.count(Count::Handled, 100);
        cell.totals.count(Count::Transferred, transferred);
        cell
    };
    for (transferred, expected) in [(10, I), (61, F)] {
        let mut evaluator = evaluator(std::slice::from_ref(&rule));
        let mut view = burn_view([NOTHING; 7]).build(at(0));
        Arc::make_mut(&mut view.breakdowns[0].keys[0]).cells = vec![cell(transferred); 7];
        evaluator.evaluate(&view, at(0), false);
        assert_eq!(evaluator.snapshot().rules[0].instances[0].state, expected);
    }
}

fn silence_rule() -> Rule {
    rule(Condition::NoData(Duration::from_mins(10)))
}

#[test]
fn silence_fires_and_one_sample_ends_it() {
    let mut evaluator = evaluator(&[silence_rule()]);
    let mut transitions = Vec::new();
    for (step, (recent, expected)) in [(seen(1, 1), I), (NOTHING, F), (seen(0, 1), I)]
        .into_iter()
        .enumerate()
    {
        let view = ViewBuilder::new()
            .window("1h", 1)
            .window_ms("10m", HOUR_MS / 6)
            .overall(&[seen(50, 100), recent])
            .build(at(step));
        transitions.extend(evaluator.evaluate(&view, at(step), false));
        assert_eq!(phase(&evaluator), expected, "after step {step}");
    }
    assert_eq!(
        told(&transitions),
        [(1, I, F, Reason::NoData), (2, F, I, Reason::Cleared)]
    );
    assert_eq!(transitions[0].value, None);
    assert_eq!(transitions[0].threshold, Some(600.0));
    assert_eq!(&*transitions[0].window, "10m");
}

#[test]
fn silence_needs_history_to_be_told() {
    let mut evaluator = evaluator(&[silence_rule()]);
    for (step, (complete, expected)) in [(false, I), (true, F)].into_iter().enumerate() {
        let view = ViewBuilder::new()
            .window("1h", 1)
            .window_ms("10m", HOUR_MS / 6)
            .incomplete("10m", complete, complete)
            .overall(&[NOTHING, NOTHING])
            .build(at(step));
        evaluator.evaluate(&view, at(step), false);
        assert_eq!(phase(&evaluator), expected);
    }
}

#[test]
fn a_key_that_vanished_has_no_data_until_it_expires() {
    let mut rule = silence_rule();
    rule.breakdown = vec!["queue".into()];
    let settings = Settings {
        rules: vec![rule],
        ..Settings::default()
    };
    let mut evaluator = Evaluator::new(&settings, steps(3)).unwrap();
    let windows = || {
        ViewBuilder::new()
            .window("1h", 1)
            .window_ms("10m", HOUR_MS / 6)
    };
    let present = windows()
        .key(&["queue"], &["sales"], &[seen(5, 9), seen(1, 1)])
        .build(at(0));
    evaluator.evaluate(&present, at(0), false);
    let mut transitions = Vec::new();
    for step in 1..=4 {
        transitions.extend(evaluator.evaluate(&windows().build(at(step)), at(step), false));
    }
    assert_eq!(
        told(&transitions),
        [(1, I, F, Reason::NoData), (3, F, I, Reason::KeyExpired)]
    );
    assert!(evaluator.snapshot().rules[0].instances.is_empty());
}
