//! The conditions in PromQL.

use super::super::burn;
use super::super::{Amount, Change, Condition, Rule};
use super::Scope;
use super::yaml::quoted;
use crate::engine::BreakdownView;
use crate::kpi::Kpi;

/// The labels that tell instances of cxpulse apart.
pub(super) const TARGET: [&str; 2] = ["job", "instance"];

/// The expression of the alert. Its labels are those of the target and the dimensions.
pub(super) fn alert(scope: Scope<'_>) -> String {
    let rule = scope.rule();
    let condition = match &rule.condition {
        Condition::Below(threshold) => threshold_condition(scope, "<", *threshold),
        Condition::Above(threshold) => threshold_condition(scope, ">", *threshold),
        Condition::Drops(change) => change_condition(rule, "<", change),
        Condition::Rises(change) => change_condition(rule, ">", change),
        Condition::Burn(_) => burn_condition(scope),
        Condition::NoData(silence) => {
            let window = scope.window_of(*silence);
            format!("{} == 0\n{}", samples(rule, &window), complete(&window))
        }
    };
    format!(
        "max without (window, breakdown, kpi, quantile) (\n{}\n)",
        indented(&condition)
    )
}

/// The recorded series that the alert reads: the baseline and the samples behind it.
pub(super) fn records(scope: Scope<'_>) -> Vec<(String, String)> {
    let rule = scope.rule();
    let (Condition::Drops(change) | Condition::Rises(change)) = &rule.condition else {
        return Vec::new();
    };
    let rest = |family: &str| {
        let part = |window: &str| {
            let labels = matchers(rule, &[("kpi", rule.kpi.name()), ("window", window)], false);
            format!("{family}{labels}")
        };
        format!(
            "(\n  {}\n  - ignoring (window) {}\n)",
            part(&change.baseline),
            part(&rule.window)
        )
    };
    let scale = if rule.kpi == Kpi::Nps { "100 * " } else { "" };
    let value = format!(
        "{scale}{}\n/\n{}",
        rest("cx_window_numerator"),
        rest("cx_window_denominator")
    );
    vec![
        (baseline_name(rule, change), value),
        (
            baseline_samples_name(rule, change),
            rest("cx_window_denominator"),
        ),
    ]
}

/// Name of the recorded baseline, `level:metric:operation`.
fn baseline_name(rule: &Rule, change: &Change) -> String {
    format!(
        "{}:{}:{}_less_{}",
        level(rule),
        rule.kpi.family(),
        change.baseline,
        rule.window
    )
}

fn baseline_samples_name(rule: &Rule, change: &Change) -> String {
    format!(
        "{}:cx_{}_samples:{}_less_{}",
        level(rule),
        rule.kpi.name(),
        change.baseline,
        rule.window
    )
}

fn level(rule: &Rule) -> String {
    BreakdownView::label_of(&rule.breakdown).replace(',', "_")
}

fn threshold_condition(scope: Scope<'_>, past: &str, threshold: f64) -> String {
    let rule = scope.rule();
    let mut starts = format!("{} {past} {threshold}", value(rule, &rule.window));
    if rule.confident {
        let end = good_end(rule, past);
        starts = format!("{starts}\nand ignoring (kpi) {end} {past} {threshold}");
    }
    let held = rule.clear.map(|clear| {
        format!(
            "{} {past}= {clear}\nand on ({}) {}",
            value(rule, &rule.window),
            instance_labels(rule).join(", "),
            firing(scope)
        )
    });
    let condition = match held {
        Some(held) => format!("(\n{}\n)\nor\n(\n{}\n)", indented(&starts), indented(&held)),
        None => starts,
    };
    format!(
        "(\n{}\n)\n{}\n{}",
        indented(&condition),
        enough_samples(rule, &rule.window),
        complete(&rule.window)
    )
}

/// The alert itself while it fires, for the threshold at which it clears.
fn firing(scope: Scope<'_>) -> String {
    format!(
        "ALERTS{{alertname={},alertstate=\"firing\",severity={}}}",
        quoted(&scope.rule().name),
        quoted(&scope.track.severity)
    )
}

fn change_condition(rule: &Rule, past: &str, change: &Change) -> String {
    let threshold = changed(rule, past, change, "");
    let mut condition = format!(
        "{} {past} ignoring (window, kpi) {threshold}",
        value(rule, &rule.window)
    );
    if rule.confident {
        let end = good_end(rule, past);
        condition = format!(
            "{condition}\nand ignoring (window, kpi) {end} {past} ignoring (window) {threshold}"
        );
    }
    format!(
        "{condition}\nand ignoring (window, kpi) {} >= {}\n{}\n{}\n{}",
        baseline_samples_name(rule, change),
        rule.min_samples,
        enough_samples(rule, &rule.window),
        complete(&rule.window),
        complete(&change.baseline)
    )
}

/// The baseline moved by the change; `labels` select one series of it.
pub(super) fn changed(rule: &Rule, past: &str, change: &Change, labels: &str) -> String {
    let baseline = format!("{}{labels}", baseline_name(rule, change));
    let sign = if past == "<" { "-" } else { "+" };
    match change.by {
        Amount::Absolute(by) => format!("({baseline} {sign} {by})"),
        Amount::Ratio(share) => format!("({baseline} {sign} {share} * abs({baseline}))"),
    }
}

fn burn_condition(scope: Scope<'_>) -> String {
    let rule = scope.rule();
    let past = burn_past(rule.kpi);
    let pairs: Vec<String> = burn_thresholds(scope)
        .into_iter()
        .map(|(long, short, threshold)| {
            let conditions = format!(
                "{} {past} {threshold}\n{}\n{}\nand ignoring (window) {} {past} {threshold}\n{}",
                value(rule, &long),
                enough_samples(rule, &long),
                complete(&long),
                value(rule, &short),
                complete(&short),
            );
            format!("(\n{}\n)", indented(&conditions))
        })
        .collect();
    pairs.join("\nor ignoring (window)\n")
}

/// Which comparison is the bad one of an objective.
pub(super) fn burn_past(kpi: Kpi) -> &'static str {
    if burn::higher_is_better(kpi) {
        "<"
    } else {
        ">"
    }
}

/// Long window, short window and threshold of each pair.
pub(super) fn burn_thresholds(scope: Scope<'_>) -> Vec<(String, String, f64)> {
    let Condition::Burn(objective) = &scope.rule().condition else {
        return Vec::new();
    };
    let pairs = scope.track.pairs.iter();
    pairs
        .map(|pair| {
            let threshold = burn::value_at(scope.rule().kpi, objective, pair.factor);
            (
                scope.window_of(pair.long),
                scope.window_of(pair.short),
                threshold,
            )
        })
        .collect()
}

/// The gauge of the KPI in a window.
pub(super) fn value(rule: &Rule, window: &str) -> String {
    let quantile = quantile(rule);
    let mut labels = vec![("window", window)];
    labels.extend(quantile.as_deref().map(|quantile| ("quantile", quantile)));
    format!("{}{}", rule.kpi.family(), matchers(rule, &labels, true))
}

/// The `quantile` label.
pub(super) fn quantile(rule: &Rule) -> Option<String> {
    rule.quantile_permille
        .map(|permille| (f64::from(permille) / 1000.0).to_string())
}

pub(super) fn samples(rule: &Rule, window: &str) -> String {
    kpi_family("cx_kpi_samples", rule, window)
}

/// The end of the interval on the good side.
pub(super) fn good_end(rule: &Rule, past: &str) -> String {
    let family = if past == "<" {
        "cx_kpi_upper"
    } else {
        "cx_kpi_lower"
    };
    kpi_family(family, rule, &rule.window)
}

fn kpi_family(family: &str, rule: &Rule, window: &str) -> String {
    let labels = matchers(rule, &[("kpi", rule.kpi.name()), ("window", window)], true);
    format!("{family}{labels}")
}

fn enough_samples(rule: &Rule, window: &str) -> String {
    format!(
        "and ignoring (kpi, quantile, window) {} >= {}",
        samples(rule, window),
        rule.min_samples
    )
}

fn complete(window: &str) -> String {
    format!(
        "and on ({}) cxpulse_window_complete{{window={}}} == 1",
        TARGET.join(", "),
        quoted(window)
    )
}

/// The labels that tell the instances of an alert apart.
pub(super) fn instance_labels(rule: &Rule) -> Vec<&str> {
    let dimensions = rule.breakdown.iter().map(String::as_str);
    TARGET.into_iter().chain(dimensions).collect()
}

/// Label matchers; with `where`, the selected keys alone.
fn matchers(rule: &Rule, labels: &[(&str, &str)], selected: bool) -> String {
    let breakdown = BreakdownView::label_of(&rule.breakdown);
    let mut all: Vec<String> = labels
        .iter()
        .chain([&("breakdown", breakdown.as_str())])
        .map(|(name, value)| format!("{name}={}", quoted(value)))
        .collect();
    if selected {
        all.extend(rule.only.iter().map(|(dimension, values)| {
            if let [value] = values.as_slice() {
                return format!("{dimension}={}", quoted(value));
            }
            let any: Vec<String> = values.iter().map(|value| literal(value)).collect();
            format!("{dimension}=~{}", quoted(&any.join("|")))
        }));
    }
    format!("{{{}}}", all.join(","))
}

/// A value as a regular expression that matches nothing else.
fn literal(value: &str) -> String {
    let mut text = String::new();
    for c in value.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}
