//! State on disk: versioned, checksummed, atomic.

mod settings;

pub use settings::*;
