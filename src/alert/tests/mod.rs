//! Step tables: what a view shows at each evaluation, and the states expected after it. The idea is
//! that of `VictoriaMetrics: app/vmalert/rule/alerting_test.go`.

mod conditions;
mod lifecycle;
mod modifiers;
mod view;

use std::time::Duration;

use super::{Condition, Evaluator, Phase, Reason, Rule, Settings, Transition};
use crate::kpi::Kpi;
use crate::time::Timestamp;
use view::{Seen, ViewBuilder};

/// Time between two steps.
const STEP_MS: i64 = 15_000;
/// The first evaluation.
const START_MS: i64 = 1_700_000_010_000;

const I: Phase = Phase::Inactive;
const P: Phase = Phase::Pending;
const F: Phase = Phase::Firing;

fn steps(count: u32) -> Duration {
    Duration::from_secs(15) * count
}

fn at(step: usize) -> Timestamp {
    Timestamp::from_millis(START_MS).plus_millis(i64::try_from(step).unwrap() * STEP_MS)
}

/// A rule on satisfaction in the last hour, overall, firing at once.
fn rule(condition: Condition) -> Rule {
    Rule::new(
        "LowCsat",
        Kpi::Csat,
        "1h",
        Duration::from_hours(1),
        condition,
    )
}

fn evaluator(rules: &[Rule]) -> Evaluator {
    let settings = Settings {
        rules: rules.to_vec(),
        ..Settings::default()
    };
    Evaluator::new(&settings, Duration::from_hours(24 * 14)).unwrap()
}

/// The phase of the only instance of the first rule.
fn phase(evaluator: &Evaluator) -> Phase {
    let snapshot = evaluator.snapshot();
    assert_eq!(snapshot.rules[0].instances.len(), 1, "one instance");
    snapshot.rules[0].instances[0].state
}

fn insufficient(evaluator: &Evaluator) -> bool {
    evaluator.snapshot().rules[0].instances[0].insufficient
}

/// The last hour of one step, and what it makes of the alert.
type Row = (Seen, Phase);

/// Runs the rule over the rows, one every 15 s, in which only the last hour of the overall key
/// differs. Answers with all transitions.
fn run(rule: &Rule, rows: &[Row]) -> Vec<Transition> {
    let mut evaluator = evaluator(std::slice::from_ref(rule));
    let mut transitions = Vec::new();
    for (step, (seen, expected)) in rows.iter().enumerate() {
        let view = ViewBuilder::new()
            .window("1h", 1)
            .overall(&[*seen])
            .build(at(step));
        transitions.extend(evaluator.evaluate(&view, at(step), false));
        assert_eq!(phase(&evaluator), *expected, "after step {step}, {seen:?}");
    }
    transitions
}

/// From, to and reason of each transition, and the step it came at.
fn told(transitions: &[Transition]) -> Vec<(i64, Phase, Phase, Reason)> {
    transitions
        .iter()
        .map(|one| {
            let step = one.at.millis_since(at(0)) / STEP_MS;
            (step, one.from, one.to, one.reason)
        })
        .collect()
}
