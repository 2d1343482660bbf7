//! Where messages come from, each with its position and store time.

mod capture;
mod envelope;
mod settings;

pub use capture::{Capture, CaptureError};
pub use envelope::{Envelope, MessageHeaders};
pub use settings::{Mode, Settings, Start};
