//! What is exported; `[export]` of the configuration.

use crate::kpi::Kpi;

/// Settings of the metrics page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// KPIs on the page; those that alerts use are added at their windows and breakdowns.
    pub kpis: Vec<Kpi>,
    /// Export interval ends; default false.
    pub intervals: bool,
    /// Export `cx_window_numerator` and `cx_window_denominator` at every breakdown, so that
    /// windows add up over partitions; default false: at `overall` and where an alert looks. They
    /// would be a third of the page.
    pub partials: bool,
    /// Most `cx_` series on the page; default 50000.
    pub max_series: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            kpis: vec![
                Kpi::Fcr,
                Kpi::FcrMature,
                Kpi::Aht,
                Kpi::HandleTime,
                Kpi::ServiceLevel,
                Kpi::Abandonment,
                Kpi::Csat,
                Kpi::Nps,
            ],
            intervals: false,
            partials: false,
            max_series: 50_000,
        }
    }
}
