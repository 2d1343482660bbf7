//! Panes, windows and stream time; knows no KPI.

mod settings;

pub use settings::WindowSpec;
