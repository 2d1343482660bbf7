//! How windows and durations are called on the metrics page.

use std::time::Duration;

use super::{Condition, Rule, burn};
use crate::window::WindowSpec;

/// Which of the windows, in their order, some rule reads.
pub fn windows_read(rules: &[Rule], windows: &[WindowSpec]) -> Vec<bool> {
    let names: Vec<String> = rules
        .iter()
        .flat_map(|rule| names_read(rule, windows))
        .collect();
    windows
        .iter()
        .map(|window| names.contains(&window.name))
        .collect()
}

/// The names of the windows that the rule reads, whether they are kept or not.
pub fn names_read(rule: &Rule, windows: &[WindowSpec]) -> Vec<String> {
    let of_length = |length: &Duration| window_name(rule, windows, *length);
    match &rule.condition {
        Condition::Below(_) | Condition::Above(_) => vec![rule.window.clone()],
        Condition::Drops(change) | Condition::Rises(change) => {
            vec![rule.window.clone(), change.baseline.clone()]
        }
        Condition::Burn(objective) => burn::windows(objective).iter().map(of_length).collect(),
        Condition::NoData(silence) => vec![of_length(silence)],
    }
}

/// The window of that length that the evaluator looks at: the rule's own where it fits, else the
/// first. Where none is kept, the length as it would be written.
pub(super) fn window_name(rule: &Rule, windows: &[WindowSpec], length: Duration) -> String {
    let fits = |window: &&WindowSpec| window.length == length;
    windows
        .iter()
        .filter(fits)
        .find(|window| window.name == rule.window)
        .or_else(|| windows.iter().find(fits))
        .map_or_else(|| in_units(length), |window| window.name.clone())
}

/// A duration as configuration and Prometheus write it: `1h30m`, `0s` for none.
pub(super) fn in_units(length: Duration) -> String {
    const UNITS: [(&str, u128); 5] = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ];
    let mut rest = length.as_millis();
    let mut text = String::new();
    for (unit, millis) in UNITS {
        let whole = rest / millis;
        rest %= millis;
        if whole > 0 {
            text.extend([whole.to_string().as_str(), unit]);
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Condition;
    use crate::kpi::Kpi;

    #[test]
    fn the_rules_own_window_goes_first() {
        let hour = Duration::from_hours(1);
        let mut windows = WindowSpec::defaults();
        windows.push(WindowSpec::new("60m", hour));
        let rule = |window| Rule::new("A", Kpi::Csat, window, hour, Condition::NoData(hour));
        assert_eq!(window_name(&rule("60m"), &windows, hour), "60m");
        assert_eq!(window_name(&rule("5m"), &windows, hour), "1h");
        let unknown = Duration::from_mins(90);
        assert_eq!(window_name(&rule("5m"), &windows, unknown), "1h30m");
    }

    #[test]
    fn durations_are_written_with_units() {
        for (millis, text) in [
            (0, "0s"),
            (1500, "1s500ms"),
            (5_400_000, "1h30m"),
            (86_400_000, "1d"),
        ] {
            assert_eq!(in_units(Duration::from_millis(millis)), text);
        }
    }
}
