//! Which windows there are.

use std::time::Duration;

/// One rolling window; a `[[window]]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowSpec {
    /// The length as written (`5m`): the value of the `window` label.
    pub name: String,
    /// Length, whole milliseconds.
    pub length: Duration,
    /// The slice the window slides by; divides the length.
    pub pane: Duration,
    /// How far behind the present the window ends.
    pub delay: Duration,
    /// Kept for an alert alone: not exported as a configured window.
    pub for_alert_only: bool,
}

impl WindowSpec {
    /// A window of 60 panes without delay.
    pub fn new(name: &str, length: Duration) -> Self {
        Self {
            name: name.into(),
            length,
            pane: length / 60,
            delay: Duration::ZERO,
            for_alert_only: false,
        }
    }

    /// The default windows: 5m, 1h, 24h.
    pub fn defaults() -> Vec<Self> {
        vec![
            Self::new("5m", Duration::from_mins(5)),
            Self::new("1h", Duration::from_hours(1)),
            Self::new("24h", Duration::from_hours(24)),
        ]
    }
}
