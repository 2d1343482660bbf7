//! Which windows there are.

use std::fmt;
use std::time::Duration;

use super::DayStart;
use super::day::LONGEST_DAY_MS;

/// A day so far slides by this.
const DAY_PANE: Duration = Duration::from_mins(1);

/// One rolling window, or the day so far; a `[[window]]` of the configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct WindowSpec {
    /// The length as written (`5m`), or `since 00:00 Europe/Rome`: the value of the `window` label.
    pub name: String,
    /// Length, whole milliseconds; 0 for the day so far, which has no fixed one.
    pub length: Duration,
    /// The slice the window slides by; divides the length.
    pub pane: Duration,
    /// How far behind the present the window ends.
    pub delay: Duration,
    /// Kept for an alert alone: not exported as a configured window.
    pub for_alert_only: bool,
    /// Where the day so far begins; `None` for a rolling window.
    pub day: Option<DayStart>,
}

/// State is told apart by how the settings it was made with print: a rolling window prints as it
/// did before there was the day so far.
impl fmt::Debug for WindowSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("WindowSpec");
        shown
            .field("name", &self.name)
            .field("length", &self.length)
            .field("pane", &self.pane)
            .field("delay", &self.delay)
            .field("for_alert_only", &self.for_alert_only);
        if let Some(day) = &self.day {
            shown.field("day", day);
        }
        shown.finish()
    }
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
            day: None,
        }
    }

    /// The day so far, in panes of a minute.
    pub fn day_so_far(day: DayStart) -> Self {
        Self {
            name: day.to_string(),
            pane: DAY_PANE,
            day: Some(day),
            ..Self::new("", Duration::ZERO)
        }
    }

    /// How far the window can reach back from where it ends.
    pub fn longest(&self) -> Duration {
        match self.day {
            Some(_) => Duration::from_millis(LONGEST_DAY_MS.unsigned_abs()),
            None => self.length,
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
