//! From file, environment and defaults to a checked [`Config`].

mod checked;

pub use checked::{Config, Log, LogFormat};
