//! Where alert notifications go, one file per receiver.

mod settings;

pub use settings::*;
