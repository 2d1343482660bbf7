//! Which rule a saved state belongs to: a hash of everything that decides when a rule fires and
//! under which labels. Annotations are not part of it, so that a better text restarts nothing.

use serde_json::{Value, json};

use super::{Amount, Change, Condition, Rule};
use crate::time::millis_of;

/// Equal for rules that behave alike and carry the same labels; the same in every build.
pub(super) fn definition(rule: &Rule) -> u64 {
    let text = json!([
        rule.kpi.name(),
        rule.quantile_permille,
        rule.window,
        rule.breakdown,
        rule.only,
        condition(&rule.condition),
        millis_of(rule.hold),
        millis_of(rule.keep_firing),
        rule.clear,
        rule.min_samples,
        rule.confident,
        millis_of(rule.insufficient_for),
        rule.labels,
    ])
    .to_string();
    xxhash_rust::xxh64::xxh64(text.as_bytes(), 0)
}

fn condition(condition: &Condition) -> Value {
    match condition {
        Condition::Below(threshold) => json!(["below", threshold]),
        Condition::Above(threshold) => json!(["above", threshold]),
        Condition::Drops(by) => json!(["drops", change(by)]),
        Condition::Rises(by) => json!(["rises", change(by)]),
        Condition::Burn(objective) => {
            json!(["slo", objective.objective, millis_of(objective.period)])
        }
        Condition::NoData(silence) => json!(["no_data", millis_of(*silence)]),
    }
}

fn change(change: &Change) -> Value {
    match change.by {
        Amount::Absolute(by) => json!([change.baseline, "by", by]),
        Amount::Ratio(by) => json!([change.baseline, "by_ratio", by]),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::kpi::Kpi;

    #[test]
    fn only_what_changes_behaviour_changes_it() {
        let rule = Rule::new(
            "LowCsat",
            Kpi::Csat,
            "1h",
            Duration::from_hours(1),
            Condition::Below(0.7),
        );
        let before = definition(&rule);
        assert_eq!(
            before, 12_855_273_910_754_386_336,
            "saved states depend on it"
        );
        let mut reworded = rule.clone();
        reworded.annotations.insert("summary".into(), "low".into());
        assert_eq!(definition(&reworded), before);
        let mut changed = rule.clone();
        changed.hold = Duration::from_secs(1);
        assert_ne!(definition(&changed), before);
        let mut moved = rule.clone();
        moved.condition = Condition::Above(0.7);
        assert_ne!(definition(&moved), before);
        let mut labelled = rule;
        labelled.labels.insert("team".into(), "a".into());
        assert_ne!(definition(&labelled), before);
    }
}
