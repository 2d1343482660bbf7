//! Panes, windows and the ranges of event time they cover; knows no KPI.

mod day;
mod geometry;
mod settings;

pub use day::DayStart;
pub use geometry::{Range, Ranges, WindowGeometry, common_pane_ms};
pub use settings::WindowSpec;
