//! Where messages come from, each with its position and store time.

mod envelope;
mod settings;

pub use envelope::{Envelope, MessageHeaders};
pub use settings::{Mode, Settings, Start};
