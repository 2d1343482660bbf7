//! Where messages come from, each with its position and store time.
//!
//! A source is a task that sends [`SourceEvent`]s over a bounded channel and counts in
//! [`Counters`]. It never drops a message for lack of room: when the channel is full it stops
//! asking for more. What may be lost elsewhere is told apart and reported: see [`jetstream`] for
//! what a stream can do to us and [`core`] for what plain subscriptions cannot promise.

mod capture;
pub mod core;
mod counters;
mod envelope;
mod error;
mod event;
pub mod jetstream;
mod message;
mod settings;
mod surroundings;

pub use capture::{Capture, CaptureError};
pub use counters::{Counters, ResetReason};
pub use envelope::{Envelope, MessageHeaders};
pub use error::Error;
pub use event::{
    Attached, Batch, Begin, Change, Gap, GapCause, Idle, Position, Resume, SourceEvent,
    StreamIdentity,
};
pub use settings::{Mode, Settings, Start};
pub use surroundings::Surroundings;

/// Most messages of one [`Batch`].
pub const MAX_BATCH: usize = 500;
