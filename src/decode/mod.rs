//! From the bytes of a message to events, or rejects with a reason.
//!
//! The way of a message: [`Decoder`] finds the events in a payload (one object, an array, lines;
//! `extent` where the text is broken), `capture` checks the whole text of each and notes the values
//! that the `plan` asks for, `interaction` and `survey` read and check the fields, `cloud_event`
//! unwraps envelopes. No IO, no clock. From message to message only `layout` is kept, the order in
//! which members came, which makes reading fast and changes nothing: the result of a message is a
//! function of its bytes, its subject, its headers and the settings.

mod block;
mod capture;
mod cloud_event;
mod content;
mod decimal;
mod decoded;
mod decoder;
mod escape;
mod extent;
mod fault;
mod forms;
mod interaction;
mod json;
mod layout;
mod moment;
mod names;
mod pass;
mod plan;
mod reader;
mod settings;
mod subject;
mod surroundings;
mod survey;
mod token;

#[cfg(test)]
mod tests;

pub use decoded::{Decoded, Item, Verdict};
pub use decoder::Decoder;
pub use moment::parse_moment;
pub use settings::{FieldSource, Settings, Unit};
