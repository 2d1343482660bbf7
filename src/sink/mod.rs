//! Where alert notifications go, one file per receiver.

pub mod nats;
mod settings;

pub use settings::*;
