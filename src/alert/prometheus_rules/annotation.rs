//! Annotation templates in the language of Prometheus. Text with placeholders has a form there;
//! filters, conditions and loops have not.

use super::super::Condition;
use super::super::template::VARIABLES;
use super::Scope;
use super::expression::{TARGET, burn_thresholds, changed, samples};
use crate::engine::BreakdownView;

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// A variable of ours or a dimension.
    Placeholder(String),
}

/// The template in the language of Prometheus; `None` where it has no form there.
pub(super) fn translate(template: &str, scope: Scope<'_>) -> Option<String> {
    pieces(template, scope)?
        .into_iter()
        .map(|piece| match piece {
            Piece::Text(text) => Some(text),
            Piece::Placeholder(name) => placeholder(&name, scope),
        })
        .collect()
}

/// Takes a template apart; `None` where it is more than text with placeholders.
pub(super) fn pieces(template: &str, scope: Scope<'_>) -> Option<Vec<Piece>> {
    if template.contains("{%") || template.contains("{#") {
        return None;
    }
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((text, behind)) = rest.split_once("{{") {
        let (inside, after) = behind.split_once("}}")?;
        let name = inside.trim();
        let is_known = VARIABLES.contains(&name)
            || scope
                .rule()
                .breakdown
                .iter()
                .any(|dimension| dimension == name);
        if !is_known {
            return None;
        }
        pieces.push(Piece::Text(text.to_owned()));
        pieces.push(Piece::Placeholder(name.to_owned()));
        rest = after;
    }
    pieces.push(Piece::Text(rest.to_owned()));
    Some(pieces)
}

fn placeholder(name: &str, scope: Scope<'_>) -> Option<String> {
    let rule = scope.rule();
    let text = match (name, &rule.condition) {
        ("value", Condition::NoData(_)) => "none".into(),
        ("value", _) => r#"{{ printf "%.6g" $value }}"#.into(),
        ("samples", Condition::NoData(_)) => "0".into(),
        ("samples", _) => {
            let window = burn_thresholds(scope)
                .first()
                .map_or_else(|| rule.window.clone(), |pair| pair.0.clone());
            looked_up(scope, |labels| one_series(&samples(rule, &window), labels))
        }
        ("threshold", Condition::Below(threshold) | Condition::Above(threshold)) => {
            threshold.to_string()
        }
        ("threshold", Condition::Drops(change)) => looked_up(scope, |labels| {
            changed(rule, "<", change, &in_braces(scope, labels))
        }),
        ("threshold", Condition::Rises(change)) => looked_up(scope, |labels| {
            changed(rule, ">", change, &in_braces(scope, labels))
        }),
        ("threshold", Condition::Burn(_)) => alternatives(scope, |pair| pair.2.to_string()),
        ("threshold", Condition::NoData(silence)) => silence.as_secs_f64().to_string(),
        ("window", Condition::Burn(_)) => alternatives(scope, |pair| pair.0.clone()),
        ("window", Condition::NoData(silence)) => scope.window_of(*silence),
        ("window", _) => rule.window.clone(),
        (dimension, _) => format!("{{{{ $labels.{dimension} }}}}"),
    };
    // The looked-up text stands between back quotes.
    (!text.contains('`') || text.matches('`').count() == 2).then_some(text)
}

/// Which of its pairs burns is not known to the template.
fn alternatives(scope: Scope<'_>, of: impl Fn(&(String, String, f64)) -> String) -> String {
    let all: Vec<String> = burn_thresholds(scope).iter().map(of).collect();
    all.join(" or ")
}

/// A figure that Prometheus looks up when the alert fires. `query` is given the matchers of the
/// labels of the alert, whose values come by `%q`.
fn looked_up(scope: Scope<'_>, query: impl Fn(&str) -> String) -> String {
    let names: Vec<&str> = TARGET
        .into_iter()
        .chain(scope.rule().breakdown.iter().map(String::as_str))
        .collect();
    let matchers: Vec<String> = names.iter().map(|name| format!("{name}=%q")).collect();
    let query = query(&matchers.join(","));
    // A baseline stands twice in a change by ratio, and so do its labels.
    let places = query.matches("%q").count() / names.len().max(1);
    let values: Vec<String> = names.iter().map(|name| format!("$labels.{name}")).collect();
    let values = vec![values.join(" "); places].join(" ");
    format!(
        "{{{{ with printf `{query}` {values} | query }}}}\
         {{{{ . | first | value | printf \"%.6g\" }}}}{{{{ end }}}}"
    )
}

/// The selector with more matchers.
fn one_series(selector: &str, matchers: &str) -> String {
    format!("{},{matchers}}}", selector.trim_end_matches('}'))
}

fn in_braces(scope: Scope<'_>, matchers: &str) -> String {
    let breakdown = BreakdownView::label_of(&scope.rule().breakdown);
    format!("{{breakdown=\"{breakdown}\",{matchers}}}")
}
