//! Made-up series in which an alert of a rule file fires and clears, for its tests.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::{Amount, Change, Condition};
use super::Scope;
use super::expression::{burn_past, burn_thresholds, good_end, quantile, samples};
use super::yaml::quoted;
use crate::engine::BreakdownView;
use crate::kpi::Kpi;

/// Where the made-up series come from.
pub(super) const TARGET: [(&str, &str); 2] = [("job", "cxpulse"), ("instance", "test:10425")];
/// Value of a dimension that `where` does not fix.
const EXAMPLE: &str = "example";
/// One made-up series: its value while all is well, in between the thresholds, and while it is not.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) selector: String,
    pub(super) good: f64,
    pub(super) between: f64,
    pub(super) bad: f64,
}

impl Series {
    fn constant(selector: String, value: f64) -> Self {
        Self {
            selector,
            good: value,
            between: value,
            bad: value,
        }
    }
}

/// What the alert is told of, and what the templates then say.
pub(super) struct Scene {
    pub(super) series: Vec<Series>,
    /// Why it must not fire, and the series that says so.
    pub(super) obstacles: Vec<(&'static str, Series)>,
    /// What `{{ threshold }}` says.
    pub(super) threshold: String,
    /// What `{{ value }}` says while all is not well, and in between the thresholds.
    pub(super) value: f64,
    pub(super) between: f64,
}

impl Scene {
    pub(super) fn of(scope: Scope<'_>) -> Self {
        match &scope.rule().condition {
            Condition::Below(threshold) => threshold_scene(scope, "<", *threshold),
            Condition::Above(threshold) => threshold_scene(scope, ">", *threshold),
            Condition::Drops(change) => change_scene(scope, "<", change),
            Condition::Rises(change) => change_scene(scope, ">", change),
            Condition::Burn(_) => burn_scene(scope),
            Condition::NoData(silence) => silence_scene(scope, *silence),
        }
    }
}

fn threshold_scene(scope: Scope<'_>, past: &str, threshold: f64) -> Scene {
    let rule = scope.rule();
    let toward_bad = if past == "<" { -1.0 } else { 1.0 };
    let distance = toward_bad * (threshold.abs() * 0.1).max(0.01);
    let clear = rule.clear.unwrap_or(threshold);
    let value = rounded(threshold + distance);
    let between = rounded(f64::midpoint(threshold, clear));
    let gauge = Series {
        selector: value_series(scope, &rule.window),
        good: rounded(clear - distance),
        between,
        bad: value,
    };
    let mut scene = judged_scene(scope, &rule.window, gauge, value);
    scene.between = between;
    scene.threshold = threshold.to_string();
    add_interval(
        scope,
        past,
        &mut scene,
        value,
        rounded(threshold - distance),
    );
    scene
}

/// The series of a scene that is judged by one window: gauge, samples, completeness.
fn judged_scene(scope: Scope<'_>, window: &str, gauge: Series, value: f64) -> Scene {
    let rule = scope.rule();
    let samples = series_of(scope, &samples(rule, window));
    let complete = complete_series(window);
    let few = float(rule.min_samples) - 1.0;
    Scene {
        obstacles: vec![
            ("too few samples", Series::constant(samples.clone(), few)),
            (
                "window is incomplete",
                Series::constant(complete.clone(), 0.0),
            ),
        ],
        series: vec![
            gauge,
            Series::constant(samples, float(rule.min_samples)),
            Series::constant(complete, 1.0),
        ],
        threshold: String::new(),
        value,
        between: value,
    }
}

/// For `confident`: an interval that follows the value, and one that reaches over the threshold.
fn add_interval(scope: Scope<'_>, past: &str, scene: &mut Scene, bad: f64, good: f64) {
    let rule = scope.rule();
    if !rule.confident {
        return;
    }
    let selector = series_of(scope, &good_end(rule, past));
    scene.obstacles.push((
        "interval reaches over the threshold",
        Series::constant(selector.clone(), good),
    ));
    scene.series.push(Series {
        selector,
        good,
        between: good,
        bad,
    });
}

fn change_scene(scope: Scope<'_>, past: &str, change: &Change) -> Scene {
    let rule = scope.rule();
    let scale = if rule.kpi == Kpi::Nps { 100.0 } else { 1.0 };
    // The rest of the longer window has twice the samples asked for, at half a point each.
    let rest = 2.0 * float(rule.min_samples);
    let baseline = 0.5 * scale;
    let by = match change.by {
        Amount::Absolute(by) => by,
        Amount::Ratio(share) => baseline * share,
    };
    let toward_bad = if past == "<" { -1.0 } else { 1.0 };
    let threshold = baseline + toward_bad * by;
    let value = rounded(threshold + toward_bad * 0.1 * by);
    let gauge = Series {
        selector: value_series(scope, &rule.window),
        good: baseline,
        between: baseline,
        bad: value,
    };
    let mut scene = judged_scene(scope, &rule.window, gauge, value);
    scene.threshold = six_digits(threshold);
    add_interval(scope, past, &mut scene, value, baseline);
    let short = float(rule.min_samples);
    let part = |family: &str, window: &str| {
        let kpi = rule.kpi.name();
        made_up(scope, &format!("{family}{{kpi={kpi:?},window={window:?}}}"))
    };
    let denominator = part("cx_window_denominator", &change.baseline);
    scene.series.extend([
        Series::constant(part("cx_window_numerator", &rule.window), short),
        Series::constant(part("cx_window_denominator", &rule.window), short),
        Series::constant(
            part("cx_window_numerator", &change.baseline),
            short + rest / 2.0,
        ),
        Series::constant(denominator.clone(), short + rest),
        Series::constant(complete_series(&change.baseline), 1.0),
    ]);
    scene.obstacles.extend([
        (
            "baseline has too few samples",
            Series::constant(denominator, short + short - 1.0),
        ),
        (
            "baseline is incomplete",
            Series::constant(complete_series(&change.baseline), 0.0),
        ),
    ]);
    scene
}

/// The fastest pair burns; the others of its severity do not.
fn burn_scene(scope: Scope<'_>) -> Scene {
    let rule = scope.rule();
    let past = burn_past(rule.kpi);
    let perfect = if past == "<" { 1.0 } else { 0.0 };
    let pairs = burn_thresholds(scope);
    let mut windows: BTreeMap<String, Series> = BTreeMap::new();
    for (long, short, _) in &pairs {
        for window in [long, short] {
            let selector = value_series(scope, window);
            windows.insert(window.clone(), Series::constant(selector, perfect));
        }
    }
    let (long, short, threshold) = pairs.first().cloned().unwrap_or_default();
    let value = rounded(threshold - (perfect - threshold) * 0.1);
    for window in [&long, &short] {
        if let Some(series) = windows.get_mut(window) {
            series.bad = value;
        }
    }
    let gauge = Series {
        selector: value_series(scope, &long),
        good: perfect,
        between: perfect,
        bad: value,
    };
    let mut scene = judged_scene(scope, &long, gauge, value);
    windows.remove(&long);
    scene.obstacles.push((
        "the short window does not burn",
        Series::constant(value_series(scope, &short), perfect),
    ));
    let other_windows: Vec<String> = windows.keys().cloned().collect();
    scene.series.extend(windows.into_values());
    for window in other_windows {
        scene
            .series
            .push(Series::constant(complete_series(&window), 1.0));
    }
    let thresholds: Vec<String> = pairs.iter().map(|pair| pair.2.to_string()).collect();
    scene.threshold = thresholds.join(" or ");
    scene
}

fn silence_scene(scope: Scope<'_>, silence: Duration) -> Scene {
    let window = scope.window_of(silence);
    let complete = complete_series(&window);
    Scene {
        series: vec![
            Series {
                selector: series_of(scope, &samples(scope.rule(), &window)),
                good: 1.0,
                between: 1.0,
                bad: 0.0,
            },
            Series::constant(complete.clone(), 1.0),
        ],
        obstacles: vec![("window is incomplete", Series::constant(complete, 0.0))],
        threshold: silence.as_secs_f64().to_string(),
        value: 0.0,
        between: 0.0,
    }
}

fn complete_series(window: &str) -> String {
    let [job, instance] = TARGET.map(|(name, value)| format!("{name}={value:?}"));
    format!("cxpulse_window_complete{{window={window:?},{job},{instance}}}")
}

fn value_series(scope: Scope<'_>, window: &str) -> String {
    let rule = scope.rule();
    let family = rule.kpi.family();
    let quantile = quantile(rule)
        .map(|quantile| format!(",quantile={quantile:?}"))
        .unwrap_or_default();
    made_up(scope, &format!("{family}{{window={window:?}{quantile}}}"))
}

/// The one series that a selector of the rule selects in the story.
fn series_of(scope: Scope<'_>, selector: &str) -> String {
    let family = selector.split('{').next().unwrap_or_default();
    let fixed: Vec<&str> = selector
        .split(['{', ',', '}'])
        .filter(|part| part.starts_with("kpi=") || part.starts_with("window="))
        .collect();
    made_up(scope, &format!("{family}{{{}}}", fixed.join(",")))
}

/// The series with the labels of the breakdown, the key and the target.
fn made_up(scope: Scope<'_>, series: &str) -> String {
    let breakdown = BreakdownView::label_of(&scope.rule().breakdown);
    let key = key(scope);
    let labels: Vec<String> = std::iter::once(("breakdown", breakdown.as_str()))
        .chain(
            key.iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        )
        .chain(TARGET)
        .map(|(name, value)| format!("{name}={}", quoted(value)))
        .collect();
    format!("{},{}}}", series.trim_end_matches('}'), labels.join(","))
}

/// The key of the story: the first values that `where` allows.
pub(super) fn key(scope: Scope<'_>) -> Vec<(String, String)> {
    let rule = scope.rule();
    rule.breakdown
        .iter()
        .map(|dimension| {
            let wanted = rule.only.get(dimension).and_then(|values| values.first());
            let value = wanted.map_or(EXAMPLE, String::as_str);
            (dimension.clone(), value.to_owned())
        })
        .collect()
}

/// Six decimals, so that the file shows 0.63 and not 0.6300000000000001.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// What `%.6g` makes of a value of ordinary size.
pub(super) fn six_digits(value: f64) -> String {
    let exponent = format!("{value:e}");
    let exponent = exponent
        .rsplit('e')
        .next()
        .and_then(|digits| digits.parse().ok());
    let decimals = 5 - exponent.unwrap_or(0_i32);
    let decimals = usize::try_from(decimals).unwrap_or(0);
    let mut text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    text
}

/// A number of samples as a float; nobody asks for more than a `u32` holds.
fn float(samples: u64) -> f64 {
    u32::try_from(samples).map_or(f64::from(u32::MAX), f64::from)
}
