//! Alert rules and their states: a pure state machine over views.
//!
//! [`Evaluator::evaluate`] is called at each multiple of `alerts.interval` with the view at exactly
//! that instant and answers with the [`Transition`]s. The same views give the same transitions, live
//! or replayed. It reads no clock, writes no file and sends nothing: `app` saves the [`State`] and
//! then hands the transitions to the sinks.

mod settings;

mod burn;
mod condition;
mod definition;
mod instance;
mod observation;
mod transition;

mod evaluator;
mod saved;
mod snapshot;
mod track;
mod windows;

pub mod back_test;
pub mod prometheus_rules;
pub mod template;

#[cfg(test)]
mod tests;

pub use burn::{Pair, Urgency};
pub use evaluator::Evaluator;
pub use saved::{State, StateError};
pub use settings::*;
pub use snapshot::{InstanceSnapshot, RuleSnapshot, Series, Snapshot};
pub use transition::{Phase, Reason, Transition};
pub use windows::{names_read, windows_read};
