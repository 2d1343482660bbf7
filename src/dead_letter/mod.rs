//! Rejected events, published with reason and position.

mod settings;

pub use settings::*;
