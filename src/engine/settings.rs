//! What the engine can be told.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::kpi;
use crate::window::WindowSpec;

/// Settings of the engine: `[[window]]`, `[breakdown]`, `[dimensions]`, `[kpis]`, `[ledger]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The windows, in the order of output.
    pub windows: Vec<WindowSpec>,
    /// The breakdowns, in the order of output; an empty set is `overall`.
    pub breakdowns: Vec<Vec<String>>,
    /// Most live keys of one breakdown; default 1000.
    pub max_keys: usize,
    /// How long the counters of an empty key stay; default 14d.
    pub key_ttl: Duration,
    /// Known values of dimensions; what is not listed is booked under `__other__`.
    pub known_values: BTreeMap<String, Vec<String>>,
    /// The dimensions that decoded events carry, in their order (`decode::Settings::dimensions`).
    pub dimensions: Vec<String>,
    /// Definitions of the KPIs.
    pub kpis: kpi::Settings,
    /// How far an event may be ahead of its store time; default 1m.
    pub max_clock_skew: Duration,
    /// How far behind stream time an event may be; default 24h.
    pub allowed_lateness: Duration,
    /// Most records remembered; default 10000000.
    pub max_entries: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            windows: WindowSpec::defaults(),
            breakdowns: vec![vec![], vec!["queue".into()], vec!["channel".into()]],
            max_keys: 1000,
            key_ttl: Duration::from_hours(14 * 24),
            known_values: BTreeMap::new(),
            dimensions: vec!["channel".into(), "queue".into(), "agent_id".into()],
            kpis: kpi::Settings::default(),
            max_clock_skew: Duration::from_mins(1),
            allowed_lateness: Duration::from_hours(24),
            max_entries: 10_000_000,
        }
    }
}
