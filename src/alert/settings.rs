//! Which alerts there are; `[alerts]` and `[[alert]]` of the configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::kpi::Kpi;

/// All alert settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Rules are evaluated at multiples of this; default 15s.
    pub interval: Duration,
    /// States are frozen while the stream is further behind than this; default 30s.
    pub max_behind: Duration,
    /// The rules, in the order of the configuration.
    pub rules: Vec<Rule>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(15),
            max_behind: Duration::from_secs(30),
            rules: Vec::new(),
        }
    }
}

/// One alert rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Name, unique.
    pub name: String,
    /// The KPI it watches.
    pub kpi: Kpi,
    /// For `handle_time`: the quantile watched, in permille; `None` for every other KPI.
    pub quantile_permille: Option<u32>,
    /// Name of the window it watches; the longest needed one is derived by the condition.
    pub window: String,
    /// The breakdown it watches, one instance per key; empty for overall.
    pub breakdown: Vec<String>,
    /// Only keys whose dimension has one of these values.
    pub only: BTreeMap<String, Vec<String>>,
    /// When it is true.
    pub condition: Condition,
    /// How long the condition must hold before it fires.
    pub hold: Duration,
    /// How long it keeps firing after the condition ended.
    pub keep_firing: Duration,
    /// Threshold at which a firing alert clears, on the good side of the condition's.
    pub clear: Option<f64>,
    /// Fewest samples to judge by; default 30.
    pub min_samples: u64,
    /// The whole interval must be past the threshold.
    pub confident: bool,
    /// How long insufficient data leaves the state as it is; default the window.
    pub insufficient_for: Duration,
    /// Value of the `severity` label; default `warning`. Of a burn-rate rule it names the fast
    /// pairs alone (`page` where none is configured); the slow ones are `ticket`.
    pub severity: String,
    /// Further labels.
    pub labels: BTreeMap<String, String>,
    /// Annotation templates.
    pub annotations: BTreeMap<String, String>,
}

/// The `severity` of a rule that names none.
pub const DEFAULT_SEVERITY: &str = "warning";
/// The severity of the slow pairs of a burn-rate rule.
pub const TICKET_SEVERITY: &str = "ticket";
/// The severity of the fast pairs of a burn-rate rule that names none.
pub const PAGE_SEVERITY: &str = "page";

impl Rule {
    /// A rule with every modifier at its default: no `for`, 30 samples, `insufficient_for` as long
    /// as the window (`window_length`), severity `warning`, overall.
    pub fn new(
        name: &str,
        kpi: Kpi,
        window: &str,
        window_length: Duration,
        condition: Condition,
    ) -> Self {
        Self {
            name: name.into(),
            kpi,
            quantile_permille: None,
            window: window.into(),
            breakdown: Vec::new(),
            only: BTreeMap::new(),
            condition,
            hold: Duration::ZERO,
            keep_firing: Duration::ZERO,
            clear: None,
            min_samples: 30,
            confident: false,
            insufficient_for: window_length,
            severity: DEFAULT_SEVERITY.into(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        }
    }

    /// Windows by their lengths that the condition needs besides the named ones: those of the
    /// burn-rate pairs, and one as long as `no_data_for`. Where the configuration keeps no window of
    /// such a length, one is kept for the alert alone.
    pub fn derived_windows(&self) -> Vec<Duration> {
        match &self.condition {
            Condition::Burn(objective) => super::burn::windows(objective),
            Condition::NoData(silence) => vec![*silence],
            Condition::Below(_)
            | Condition::Above(_)
            | Condition::Drops(_)
            | Condition::Rises(_) => Vec::new(),
        }
    }
}

/// When an alert is true.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// The value is below the threshold.
    Below(f64),
    /// The value is above the threshold.
    Above(f64),
    /// The value is lower than its baseline by more than the change.
    Drops(Change),
    /// The value is higher than its baseline by more than the change.
    Rises(Change),
    /// The error budget of an objective burns too fast.
    Burn(Objective),
    /// No sample of the KPI for this long.
    NoData(Duration),
}

/// A change against the same KPI and key over a longer window less the short one.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Name of the baseline window.
    pub baseline: String,
    /// By how much.
    pub by: Amount,
}

/// How a change is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// In the KPI's unit.
    Absolute(f64),
    /// As a share of the baseline.
    Ratio(f64),
}

/// A service-level objective of a ratio KPI.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// The share that is promised, above 0 and below 1.
    pub objective: f64,
    /// The period it is promised over; default 30d.
    pub period: Duration,
}
