//! Is the condition of a rule true at one key of a view? Three answers: met, ended, or the data do
//! not suffice to tell.

use std::sync::Arc;

use super::burn::{self, Pair};
use super::observation::{
    Observation, Place, observe, observe_baseline, window_of_length, window_of_name,
};
use super::{Amount, Change, Condition, Reason, Rule};
use crate::time::millis_of;

/// The answer, with the figures it rests on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Judgement {
    pub(super) verdict: Verdict,
    pub(super) figures: Figures,
}

/// Whether the condition is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is, for this reason.
    Met(Reason),
    /// It is not.
    Ended,
    /// Too few samples, or a window or baseline that history does not fill yet.
    Insufficient,
}

/// What transitions and the API show of a judgement.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figures {
    pub(super) value: Option<f64>,
    pub(super) samples: u64,
    pub(super) threshold: Option<f64>,
    pub(super) window: Arc<str>,
}

/// Which side of a threshold is the bad one.
#[derive(Clone, Copy)]
enum Side {
    Below,
    Above,
}

impl Side {
    /// Strictly past: a value at its threshold is still good.
    fn is_past(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::Below => value < threshold,
            Self::Above => value > threshold,
        }
    }
}

/// The end of the interval that lies on the good side: past the threshold, all of it is.
fn good_end(side: Side, seen: &Observation) -> Option<f64> {
    match side {
        Side::Below => seen.upper,
        Side::Above => seen.lower,
    }
}

/// Judges one key. `firing` decides which threshold counts where a rule has one of its own for
/// clearing; `pairs` are those of a burn-rate rule.
pub(super) fn judge(rule: &Rule, pairs: &[Pair], place: Place<'_>, firing: bool) -> Judgement {
    match &rule.condition {
        Condition::Below(threshold) => {
            judge_threshold(rule, Side::Below, *threshold, place, firing)
        }
        Condition::Above(threshold) => {
            judge_threshold(rule, Side::Above, *threshold, place, firing)
        }
        Condition::Drops(change) => judge_change(rule, Side::Below, change, place),
        Condition::Rises(change) => judge_change(rule, Side::Above, change, place),
        Condition::Burn(objective) => {
            let thresholds = pairs
                .iter()
                .map(|pair| (*pair, burn::value_at(rule.kpi, objective, pair.factor)));
            judge_pairs(rule, thresholds, place)
        }
        Condition::NoData(silence) => {
            let window = window_of_length(rule, place.view, millis_of(*silence));
            let seen = observe(rule, place, window);
            let verdict = match (seen.complete, seen.samples) {
                (_, 1..) => Verdict::Ended,
                (true, 0) => Verdict::Met(Reason::NoData),
                (false, 0) => Verdict::Insufficient,
            };
            Judgement {
                verdict,
                figures: figures(rule, place, window, seen, Some(silence.as_secs_f64())),
            }
        }
    }
}

/// Judges a key that the view has no more: it has no samples.
pub(super) fn judge_absent(rule: &Rule, window: &Arc<str>) -> Judgement {
    let (verdict, threshold) = match &rule.condition {
        Condition::NoData(silence) => (Verdict::Met(Reason::NoData), Some(silence.as_secs_f64())),
        Condition::Below(threshold) | Condition::Above(threshold) => {
            (Verdict::Insufficient, Some(*threshold))
        }
        Condition::Drops(_) | Condition::Rises(_) | Condition::Burn(_) => {
            (Verdict::Insufficient, None)
        }
    };
    Judgement {
        verdict,
        figures: Figures {
            value: None,
            samples: 0,
            threshold,
            window: Arc::clone(window),
        },
    }
}

fn judge_threshold(
    rule: &Rule,
    side: Side,
    threshold: f64,
    place: Place<'_>,
    firing: bool,
) -> Judgement {
    let window = window_of_name(place.view, &rule.window);
    let seen = observe(rule, place, window);
    let mut verdict = past(rule, side, threshold, &seen, Reason::Threshold);
    if verdict == Verdict::Ended
        && firing
        && let (Some(clear), Some(value)) = (rule.clear, seen.value)
    {
        let cleared = match side {
            Side::Below => value > clear,
            Side::Above => value < clear,
        };
        if !cleared {
            verdict = Verdict::Met(Reason::Threshold);
        }
    }
    Judgement {
        verdict,
        figures: figures(rule, place, window, seen, Some(threshold)),
    }
}

fn judge_change(rule: &Rule, side: Side, change: &Change, place: Place<'_>) -> Judgement {
    let window = window_of_name(place.view, &rule.window);
    let seen = observe(rule, place, window);
    let baseline_window = window_of_name(place.view, &change.baseline);
    let baseline = match (window, baseline_window) {
        (Some(short), Some(long)) => observe_baseline(rule, place, short, long),
        (None, _) | (_, None) => Observation::default(),
    };
    let threshold = baseline
        .judged(rule.min_samples)
        .map(|value| threshold_of_change(side, value, change.by));
    let verdict = match threshold {
        Some(threshold) => past(rule, side, threshold, &seen, Reason::Baseline),
        None => Verdict::Insufficient,
    };
    Judgement {
        verdict,
        figures: figures(rule, place, window, seen, threshold),
    }
}

/// Where a value has moved from its baseline by exactly the change.
fn threshold_of_change(side: Side, baseline: f64, by: Amount) -> f64 {
    let distance = match by {
        Amount::Absolute(distance) => distance,
        Amount::Ratio(share) => baseline.abs() * share,
    };
    match side {
        Side::Below => baseline - distance,
        Side::Above => baseline + distance,
    }
}

/// Any pair that burns in both its windows is enough. The long window must have the samples, the
/// short one any at all: it only says that it still goes on.
fn judge_pairs(
    rule: &Rule,
    pairs: impl Iterator<Item = (Pair, f64)>,
    place: Place<'_>,
) -> Judgement {
    let side = if burn::higher_is_better(rule.kpi) {
        Side::Below
    } else {
        Side::Above
    };
    let mut answer = Judgement {
        verdict: Verdict::Ended,
        figures: judge_absent(rule, &Arc::from(rule.window.as_str())).figures,
    };
    for (position, (pair, threshold)) in pairs.enumerate() {
        let long_window = window_of_length(rule, place.view, millis_of(pair.long));
        let short_window = window_of_length(rule, place.view, millis_of(pair.short));
        let long = observe(rule, place, long_window);
        let short = observe(rule, place, short_window);
        let long_burns = past(rule, side, threshold, &long, Reason::BurnRate);
        let short_burns = match short.judged(1) {
            Some(value) if side.is_past(value, threshold) => long_burns,
            Some(_) => Verdict::Ended,
            None => Verdict::Insufficient,
        };
        let verdict = match (long_burns, short_burns) {
            (Verdict::Ended, _) | (_, Verdict::Ended) => Verdict::Ended,
            (Verdict::Insufficient, _) | (_, Verdict::Insufficient) => Verdict::Insufficient,
            (Verdict::Met(reason), Verdict::Met(_)) => Verdict::Met(reason),
        };
        let burns = matches!(verdict, Verdict::Met(_));
        if position == 0 || burns {
            answer.figures = figures(rule, place, long_window, long, Some(threshold));
        }
        if burns {
            answer.verdict = verdict;
            return answer;
        }
        if verdict == Verdict::Insufficient {
            answer.verdict = verdict;
        }
    }
    answer
}

/// Is what was seen past the threshold, with its whole interval where the rule is `confident`?
fn past(rule: &Rule, side: Side, threshold: f64, seen: &Observation, reason: Reason) -> Verdict {
    let Some(value) = seen.judged(rule.min_samples) else {
        return Verdict::Insufficient;
    };
    let compared = if rule.confident {
        // A mean of one sample has no interval: nothing to be confident of.
        let Some(end) = good_end(side, seen) else {
            return Verdict::Insufficient;
        };
        end
    } else {
        value
    };
    if side.is_past(compared, threshold) {
        Verdict::Met(reason)
    } else {
        Verdict::Ended
    }
}

fn figures(
    rule: &Rule,
    place: Place<'_>,
    window: Option<usize>,
    seen: Observation,
    threshold: Option<f64>,
) -> Figures {
    let window = match window {
        Some(index) => Arc::clone(&place.view.windows[index].name),
        None => Arc::from(rule.window.as_str()),
    };
    Figures {
        value: seen.value,
        samples: seen.samples,
        threshold,
        window,
    }
}
