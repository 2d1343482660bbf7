//! A view as text: the metrics page, and rows as JSON, table or CSV. Pure: a view comes in, bytes go
//! out. Where a KPI is computed is `kpi`, who serves the bytes is `http` and `cli`.
//!
//! | where to look | for |
//! |---|---|
//! | [`prometheus`] | the `cx_*` families of `/metrics` |
//! | [`Extra`], [`AlertSeries`] | what alerts add to the page |
//! | [`estimate()`] | how many series a configuration will export |
//! | [`rows`], [`Filter`], [`Row`] | the readings one by one, for every other output |
//! | [`json`], [`table`], [`csv`] | those rows, written |
//! | [`dashboard()`], [`recording_rules`] | the Grafana dashboard of a configuration |

mod dashboard;
mod definition;
mod estimate;
mod families;
mod plan;
mod row;
mod settings;
mod text;

pub mod csv;
pub mod json;
pub mod prometheus;
pub mod table;

pub use dashboard::{dashboard, recording_rules};
pub use definition::definition;
pub use estimate::{BreakdownEstimate, Estimate, estimate};
pub use plan::Extra;
pub use prometheus::{AlertSeries, Page};
pub use row::{Filter, FilterError, Row, Series, rows, series};
pub use settings::Settings;

#[cfg(test)]
mod testing;
