//! From bytes to an event, or a reject with a reason.

mod decoded;
mod settings;

pub use decoded::{Decoded, Item, Verdict};
pub use settings::{FieldSource, Settings, Unit};
