//! What becomes of rejected events; `[dead_letter]` of the configuration.

/// Settings of the dead-letter subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Subject; default `cx.dead_letter`.
    pub subject: String,
    /// What is published; default the original.
    pub payload: Payload,
    /// Most dead letters a second; what comes above is counted as suppressed. Default 1000.
    pub max_per_second: u32,
    /// Create a stream for the subject (7d, 1 GiB) when none stores it; default false.
    pub create: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            subject: "cx.dead_letter".into(),
            payload: Payload::Original,
            max_per_second: 1000,
            create: false,
        }
    }
}

/// What a dead letter carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The event as received; it may hold personal data.
    Original,
    /// Only the headers.
    None,
}
