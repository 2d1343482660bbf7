//! The one owner of state: ledger, contact chains, panes, breakdowns, and the view made of them.

mod settings;
mod view;

pub use settings::Settings;
pub use view::{BreakdownView, KeyView, Lifetime, Stats, View, WindowView};
