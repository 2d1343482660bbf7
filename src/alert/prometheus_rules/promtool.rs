//! A test file for `promtool test rules`: for each alert a story in which it fires and clears, and
//! one for everything that must keep it from firing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::track::Track;
use super::super::{Condition, Settings, windows};
use super::annotation::{Piece, pieces};
use super::expression::burn_thresholds;
use super::scene::{Scene, Series, TARGET, key, six_digits};
use super::yaml::quoted;
use super::{Scope, labels, push};
use crate::window::WindowSpec;

/// How long the story stays calm before and after.
const CALM_STEPS: usize = 3;

/// The test file.
pub(super) fn tests(
    settings: &Settings,
    tracks: &[Track],
    windows: &[WindowSpec],
    rule_file: &str,
) -> String {
    let interval = windows::in_units(settings.interval);
    let mut out = String::from(
        "# Tests of the Prometheus rules of cxpulse, made by `cxpulse rules --tests`.\n\
         # Run with: promtool test rules FILE\n",
    );
    push(&mut out, 0, &format!("rule_files: [{}]", quoted(rule_file)));
    push(&mut out, 0, &format!("evaluation_interval: {interval}"));
    if tracks.is_empty() {
        out.push_str("tests: []\n");
        return out;
    }
    out.push_str("tests:\n");
    for track in tracks {
        let scope = Scope { track, windows };
        let story = Story::of(scope, settings.interval);
        story.write(&mut out, &interval);
    }
    out
}

/// A scene with its moments, in steps of the interval.
struct Story<'a> {
    scope: Scope<'a>,
    scene: Scene,
    interval: Duration,
    hold: usize,
    keep: usize,
    between: usize,
}

impl<'a> Story<'a> {
    fn of(scope: Scope<'a>, interval: Duration) -> Self {
        let rule = scope.rule();
        let steps = |length: Duration| {
            let steps = length.as_millis().div_ceil(interval.as_millis().max(1));
            usize::try_from(steps).unwrap_or(usize::MAX)
        };
        Self {
            scope,
            scene: Scene::of(scope),
            interval,
            hold: steps(rule.hold),
            keep: steps(rule.keep_firing),
            between: if rule.clear.is_some() { CALM_STEPS } else { 0 },
        }
    }

    fn write(&self, out: &mut String, interval: &str) {
        let name = &self.scope.rule().name;
        let severity = &self.scope.track.severity;
        let fired = CALM_STEPS + self.hold;
        let in_between = fired + CALM_STEPS;
        let good = in_between + self.between;
        push(
            out,
            2,
            &format!(
                "- name: {}",
                quoted(&format!("{name} ({severity}) fires and clears"))
            ),
        );
        self.write_series(out, interval, None);
        push(out, 4, "alert_rule_test:");
        self.expect(out, CALM_STEPS - 1, None);
        if self.hold > 0 {
            self.expect(out, fired - 1, None);
        }
        self.expect(out, fired, Some(self.scene.value));
        if self.between > 0 {
            self.expect(out, good - 1, Some(self.scene.between));
        }
        if self.keep > 0 {
            let last = if self.between > 0 {
                self.scene.between
            } else {
                self.scene.value
            };
            self.expect(out, good + self.keep - 1, Some(last));
        }
        self.expect(out, good + self.keep, None);
        for (reason, series) in &self.scene.obstacles {
            let title = format!("{name} ({severity}) does not fire: {reason}");
            push(out, 2, &format!("- name: {}", quoted(&title)));
            self.write_series(out, interval, Some(series));
            push(out, 4, "alert_rule_test:");
            self.expect(out, fired, None);
        }
    }

    /// The series over the whole story, one of them held fast by the obstacle.
    fn write_series(&self, out: &mut String, interval: &str, obstacle: Option<&Series>) {
        push(out, 4, &format!("interval: {interval}"));
        push(out, 4, "input_series:");
        let held = |series: &Series| {
            obstacle
                .filter(|obstacle| obstacle.selector == series.selector)
                .unwrap_or(series)
                .clone()
        };
        for series in self.scene.series.iter().map(held) {
            let run = |value: f64, steps: usize| format!("{value}+0x{}", steps.saturating_sub(1));
            let mut values = vec![
                run(series.good, CALM_STEPS),
                run(series.bad, self.hold + CALM_STEPS),
            ];
            if self.between > 0 {
                values.push(run(series.between, self.between));
            }
            values.push(run(series.good, self.keep + CALM_STEPS));
            push(out, 6, &format!("- series: {}", quoted(&series.selector)));
            push(out, 8, &format!("values: {}", quoted(&values.join(" "))));
        }
    }

    fn expect(&self, out: &mut String, step: usize, value: Option<f64>) {
        let rule = self.scope.rule();
        let step = u32::try_from(step).unwrap_or(u32::MAX);
        let moment = windows::in_units(self.interval.saturating_mul(step));
        push(out, 6, &format!("- eval_time: {moment}"));
        push(out, 8, &format!("alertname: {}", quoted(&rule.name)));
        let Some(at_value) = value else {
            push(out, 8, "exp_alerts: []");
            return;
        };
        push(out, 8, "exp_alerts:");
        push(out, 10, "- exp_labels:");
        let key = key(self.scope);
        let mut expected: BTreeMap<&str, &str> = labels(self.scope.track);
        expected.extend(TARGET);
        expected.extend(
            key.iter()
                .map(|(name, text)| (name.as_str(), text.as_str())),
        );
        for (name, text) in expected {
            push(out, 14, &format!("{name}: {}", quoted(text)));
        }
        let annotations: Vec<(&String, String)> = rule
            .annotations
            .iter()
            .filter_map(|(name, template)| Some((name, self.rendered(template, at_value)?)))
            .collect();
        if !annotations.is_empty() {
            push(out, 12, "exp_annotations:");
        }
        for (name, text) in annotations {
            push(out, 14, &format!("{name}: {}", quoted(&text)));
        }
    }

    /// What Prometheus makes of the annotation.
    fn rendered(&self, template: &str, value: f64) -> Option<String> {
        let rule = self.scope.rule();
        let key = key(self.scope);
        let is_silence = matches!(rule.condition, Condition::NoData(_));
        let pairs = burn_thresholds(self.scope);
        let words = pieces(template, self.scope)?.into_iter().map(|piece| {
            let name = match piece {
                Piece::Text(text) => return text,
                Piece::Placeholder(name) => name,
            };
            match name.as_str() {
                "value" if is_silence => "none".into(),
                "value" => six_digits(value),
                "samples" if is_silence => "0".into(),
                "samples" => rule.min_samples.to_string(),
                "threshold" => self.scene.threshold.clone(),
                "window" if !pairs.is_empty() => {
                    let windows: Vec<&str> = pairs.iter().map(|pair| pair.0.as_str()).collect();
                    windows.join(" or ")
                }
                "window" => match rule.condition {
                    Condition::NoData(silence) => self.scope.window_of(silence),
                    Condition::Below(_)
                    | Condition::Above(_)
                    | Condition::Drops(_)
                    | Condition::Rises(_)
                    | Condition::Burn(_) => rule.window.clone(),
                },
                dimension => key
                    .iter()
                    .find(|pair| pair.0 == dimension)
                    .map(|pair| pair.1.clone())
                    .unwrap_or_default(),
            }
        });
        Some(words.collect())
    }
}
