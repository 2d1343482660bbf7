//! Where events come from; `[source]` of the configuration.

use crate::time::Timestamp;

/// The source of events.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// JetStream (default) or core NATS.
    pub mode: Mode,
    /// Name of the JetStream stream; default `CX`.
    pub stream: String,
    /// Subjects to read; default `cx.interactions.>` and `cx.surveys.>`.
    pub subjects: Vec<String>,
    /// Where a first start begins; default `Needed`.
    pub start: Start,
    /// Create a missing stream; default false.
    pub create: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::JetStream,
            stream: "CX".into(),
            subjects: vec!["cx.interactions.>".into(), "cx.surveys.>".into()],
            start: Start::Needed,
            create: false,
        }
    }
}

/// How events are brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// From a stream, exactly once into state.
    JetStream,
    /// By plain subscription, at most once.
    Core,
}

/// Where a first start begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At now less (longest window + horizon + 2 x lateness).
    Needed,
    /// With the first stored message.
    Earliest,
    /// With the next message.
    Latest,
    /// With the first message stored at or after this moment.
    At(Timestamp),
}
