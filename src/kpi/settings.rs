//! How the KPIs are defined here; `[kpis]` of the configuration.

use std::collections::BTreeMap;
use std::time::Duration;

/// The definitions this instance runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Longest wait of a short abandon; default 5s.
    pub short_abandon: Duration,
    /// How long after its interaction a survey still takes dimensions from it; default 72h.
    pub survey_join_within: Duration,
    /// Service-level formula; default `exclude_short`.
    pub service_level_formula: ServiceLevelFormula,
    /// Service-level target; default 20s.
    pub service_level_target: Duration,
    /// Targets of single channels or queues; the first match counts.
    pub service_level_rules: Vec<ServiceLevelRule>,
    /// Satisfied answers begin here, in thousandths; default 4000.
    pub csat_satisfied_from_milli: i32,
    /// Which end of the effort scale is good; default `LowIsEasy`.
    pub ces_polarity: Polarity,
    /// First contact resolution.
    pub fcr: Fcr,
    /// Breakdowns at which handle-time quantiles are kept; default overall and by queue.
    pub handle_time_breakdowns: Vec<Vec<String>>,
    /// Upper bounds of the `cx_handle_time_seconds` histogram, milliseconds, rising.
    pub handle_time_bounds_ms: Vec<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            short_abandon: Duration::from_secs(5),
            survey_join_within: Duration::from_hours(72),
            service_level_formula: ServiceLevelFormula::ExcludeShort,
            service_level_target: Duration::from_secs(20),
            service_level_rules: Vec::new(),
            csat_satisfied_from_milli: 4000,
            ces_polarity: Polarity::LowIsEasy,
            fcr: Fcr::default(),
            handle_time_breakdowns: vec![vec![], vec!["queue".into()]],
            handle_time_bounds_ms: [30, 60, 120, 180, 240, 300, 420, 600, 900, 1200, 1800, 3600]
                .map(|seconds: u64| seconds * 1000)
                .to_vec(),
        }
    }
}

/// The six service-level formulas of the contract, section 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceLevelFormula {
    /// answered within target / (answered + abandoned - short abandons)
    ExcludeShort,
    /// (answered within target + abandoned within target) / (answered + abandoned)
    AbandonPositive,
    /// answered within target / answered
    AnsweredOnly,
    /// answered within target / (answered + abandoned)
    AbandonNegative,
    /// answered within target / (answered + abandoned - abandoned within target)
    IgnoreEarlyAbandon,
    /// (answered within target + short abandons) / (answered + abandoned)
    ShortPositive,
}

impl ServiceLevelFormula {
    /// All formulas.
    pub const ALL: [Self; 6] = [
        Self::ExcludeShort,
        Self::AbandonPositive,
        Self::AnsweredOnly,
        Self::AbandonNegative,
        Self::IgnoreEarlyAbandon,
        Self::ShortPositive,
    ];

    /// The name in configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::ExcludeShort => "exclude_short",
            Self::AbandonPositive => "abandon_positive",
            Self::AnsweredOnly => "answered_only",
            Self::AbandonNegative => "abandon_negative",
            Self::IgnoreEarlyAbandon => "ignore_early_abandon",
            Self::ShortPositive => "short_positive",
        }
    }
}

/// A service-level target for interactions whose dimensions have the given values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceLevelRule {
    /// Dimension to value; all must match.
    pub matches: BTreeMap<String, String>,
    /// The target of those interactions.
    pub target: Duration,
}

/// Which end of the effort scale is the good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polarity {
    /// A low score means little effort.
    LowIsEasy,
    /// A high score means little effort.
    HighIsEasy,
}

/// How first contact resolution is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fcr {
    /// By repeat contacts or by flag; default `RepeatContact`.
    pub method: FcrMethod,
    /// How long a customer must stay away; default 7d. At least 28 ms.
    pub horizon: Duration,
    /// What makes two contacts belong together; default `CustomerAndIssue`.
    pub match_on: FcrMatch,
    /// A transferred contact is not resolved; default true.
    pub transfer_fails: bool,
    /// Most contacts kept in chains; default 20000000.
    pub max_contacts: usize,
}

impl Default for Fcr {
    fn default() -> Self {
        Self {
            method: FcrMethod::RepeatContact,
            horizon: Duration::from_hours(7 * 24),
            match_on: FcrMatch::CustomerAndIssue,
            transfer_fails: true,
            max_contacts: 20_000_000,
        }
    }
}

/// The two ways to tell first contact resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FcrMethod {
    /// No repeat contact within the horizon.
    RepeatContact,
    /// The `resolved` flag of the interaction.
    Flag,
}

/// What makes two contacts belong to one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FcrMatch {
    /// The same customer and the same issue (or both without one).
    CustomerAndIssue,
    /// The same customer.
    Customer,
}
