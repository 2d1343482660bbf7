//! What the simulated contact center can be told.

use crate::time::Timestamp;

const DAY_MS: i64 = 86_400_000;

/// Settings of a [`Center`](super::Center).
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The first moment: no contact ends before it.
    pub start: Timestamp,
    /// How busy the center is; default 200 000 contacts a day.
    pub pace: Pace,
    /// Local time of the center less UTC, milliseconds; moves the peaks of day and week. Default 0.
    pub utc_offset_ms: i64,
    /// Different customers; default 8 000 000.
    pub customers: u64,
    /// Longest time until a customer who was not helped comes back, milliseconds; default 7 days,
    /// the default horizon of first contact resolution.
    pub repeat_within_ms: i64,
    /// Most events and most repeat contacts that lie ahead; default 1 000 000 each. Beyond, surveys
    /// come at once and customers do not come back: memory stays bounded at any pace.
    pub max_pending: usize,
    /// How often something is odd.
    pub mishaps: Mishaps,
}

impl Settings {
    /// The default center from `start` on.
    pub fn starting_at(start: Timestamp) -> Self {
        Self {
            start,
            pace: Pace::Daily {
                contacts: 200_000.0,
            },
            utc_offset_ms: 0,
            customers: 8_000_000,
            repeat_within_ms: 7 * DAY_MS,
            max_pending: 1_000_000,
            mishaps: Mishaps::default(),
        }
    }

    /// Moves the center's calendar so that `moment` is a Monday morning, a quarter past ten: the
    /// busiest time of its week. A demonstration at night or on a Sunday has as much to show, and
    /// always the same.
    #[must_use]
    pub fn busy_at(mut self, moment: Timestamp) -> Self {
        // 1970-01-05 was the first Monday.
        let monday_at_ten = 4 * DAY_MS + 10 * 3_600_000 + 15 * 60_000;
        let since = moment.as_millis() - monday_at_ten;
        self.utc_offset_ms = -since.rem_euclid(7 * DAY_MS);
        self
    }
}

/// How busy the center is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// So many contacts a day in the mean of a week; how many at a time of the day and on a day of
    /// the week follows the curve.
    Daily {
        /// Contacts a day; at least 1.
        contacts: f64,
    },
    /// So many events a second in the mean, at any time of any day.
    Steady {
        /// Events a second, surveys and corrections included.
        events_per_second: f64,
    },
}

/// How often something is odd; probabilities for each contact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mishaps {
    /// The wrap-up ended after the record was sent: a longer one follows with `updated_at`.
    /// Default 0.02.
    pub late_wrap: f64,
    /// A survey score is corrected later, for each survey; default 0.01.
    pub corrected_score: f64,
    /// The record turns out to be a test call and is withdrawn; default 0.001.
    pub withdrawn: f64,
    /// The same record is sent twice; default 0.005.
    pub duplicate: f64,
    /// The record comes 5 s to 90 s late, out of order; default 0.005.
    pub late: f64,
    /// A broken event comes along; default 0.0005.
    pub malformed: f64,
}

impl Default for Mishaps {
    fn default() -> Self {
        Self {
            late_wrap: 0.02,
            corrected_score: 0.01,
            withdrawn: 0.001,
            duplicate: 0.005,
            late: 0.005,
            malformed: 0.0005,
        }
    }
}

/// A bad time at one queue: handle times are 2.2 times as long, four in ten customers more give up
/// waiting, scores fall by two points of five, waits are six times as long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Contacts that end at or after this moment are affected.
    pub from: Timestamp,
    /// Contacts that end at or after this moment are not.
    pub until: Timestamp,
    /// Name of the queue, one of [`Center::queues`](super::Center::queues).
    pub queue: String,
}
