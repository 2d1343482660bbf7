//! What the wallboard shows.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::View;
use crate::kpi::Kpi;

/// Settings of the wallboard; `[board]` of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Board {
    /// The name on top; default `cxpulse`.
    pub title: String,
    /// The window shown at first; default the one of an hour, else the last.
    pub window: Option<String>,
    /// The KPIs that have a tile, in order.
    pub tiles: Vec<Kpi>,
    /// What each KPI should reach; without a target a tile has no color.
    pub targets: BTreeMap<Kpi, f64>,
    /// Below this many samples a value is shown as too few answers to judge by; default 30.
    pub min_samples: u64,
    /// Figures are stale when the stream is further behind than this; default 30s.
    pub stale_after: Duration,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            title: "cxpulse".into(),
            window: None,
            tiles: vec![
                Kpi::FcrMature,
                Kpi::Aht,
                Kpi::Csat,
                Kpi::Nps,
                Kpi::ServiceLevel,
                Kpi::Abandonment,
            ],
            targets: [
                (Kpi::FcrMature, 0.7),
                (Kpi::Csat, 0.8),
                (Kpi::Nps, 30.0),
                (Kpi::ServiceLevel, 0.8),
                (Kpi::Abandonment, 0.05),
            ]
            .into(),
            min_samples: 30,
            stale_after: Duration::from_secs(30),
        }
    }
}

impl Board {
    /// Name of the window shown at first; `None` while the view has none.
    pub(super) fn window_of<'a>(&self, view: &'a View) -> Option<&'a str> {
        const HOUR_MS: i64 = 3_600_000;
        let shown = || view.windows.iter().filter(|window| !window.for_alert_only);
        let wanted = self.window.as_deref();
        shown()
            .find(|window| Some(&*window.name) == wanted)
            .or_else(|| shown().find(|window| window.length_ms == HOUR_MS))
            .or_else(|| shown().next_back())
            .map(|window| &*window.name)
    }
}
