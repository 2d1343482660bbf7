//! From file, environment and defaults to a checked [`Config`].
//!
//! The way of a value: `tree` keeps every value of the TOML file with its line, `environment` lays
//! `CXPULSE__SECTION__KEY` variables over it, `sections` takes the values out one by one (through
//! `section` and `setting`) and checks them, `Report` gathers all problems, so that they can be
//! shown together. Nothing outside this room reads the environment or the file.

mod advice;
mod checked;
#[cfg(test)]
mod documented;
mod duration;
mod environment;
mod finding;
mod load;
mod report;
mod secret_file;
mod section;
mod sections;
mod setting;
mod subject;
mod suggestion;
mod tree;

pub use checked::{Config, Log, LogFormat};
pub use duration::{format_duration, parse_duration};
pub use environment::process_environment;
pub use finding::{Finding, Origin, Problems};
pub use load::{Loaded, load, load_with};
pub use report::ShownValue;
pub use secret_file::SecretFiles;
