//! Alert rules and their states: a pure state machine over views.

mod settings;

pub use settings::*;
