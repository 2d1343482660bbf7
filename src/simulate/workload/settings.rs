//! What the workload looks like.

use crate::time::Timestamp;

/// What the workload looks like. The default is that of the published figures: 1 M events, 321
/// bytes each on average, 200 queues x 4 channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Number of lines.
    pub events: u64,
    /// Event time of the first line, but for what comes out of order.
    pub start: Timestamp,
    /// Lines per second of event time; at least 1.
    pub events_per_second: u32,
    /// Number of queues; their shares follow Zipf's law with exponent 1.
    pub queues: u32,
    /// Number of agents.
    pub agents: u32,
    /// Number of different pairs of customer and issue. See [`Settings::chains_for_run`].
    pub chains: u64,
    /// Lines that repeat an earlier one, in a million.
    pub duplicates_ppm: u32,
    /// Lines that are no event, in a million.
    pub malformed_ppm: u32,
    /// Lines up to a minute behind, in a million.
    pub out_of_order_ppm: u32,
    /// Lines that send an earlier interaction again with a longer wrap-up, in a million.
    pub corrections_ppm: u32,
    /// Surveys without dimensions of their own, in a million surveys.
    pub bare_surveys_ppm: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self::with_events(1_000_000)
    }
}

impl Settings {
    /// The default workload with another number of lines: a third of its contacts meets an earlier
    /// one.
    pub fn with_events(events: u64) -> Self {
        Self {
            events,
            // 2026-03-02T08:00:00Z, a Monday.
            start: Timestamp::from_millis(1_772_438_400_000),
            events_per_second: 1000,
            queues: 200,
            agents: 5000,
            chains: Self::chains_for_run(events),
            duplicates_ppm: 5000,
            malformed_ppm: 1000,
            out_of_order_ppm: 10_000,
            corrections_ppm: 0,
            bare_surveys_ppm: 0,
        }
    }

    /// How many chains make a third of the contacts of a whole run meet an earlier one, when all
    /// contacts of the run are remembered: n / 0.874, where (1 - e^-x) / x is two thirds at 0.874.
    pub fn chains_for_run(events: u64) -> u64 {
        (contacts_of(events) * 1000 / 874).max(1)
    }

    /// The same for a steady state that remembers the contacts of the last `events` lines:
    /// n / ln 1.5.
    pub fn chains_for_memory(events: u64) -> u64 {
        (contacts_of(events) * 10_000 / 4055).max(1)
    }
}

/// Lines that are contacts in the sense of first contact resolution: interactions that are inbound,
/// handled and from a known customer.
fn contacts_of(events: u64) -> u64 {
    let share = [
        INTERACTIONS_PERMILLE,
        INBOUND_PERMILLE,
        HANDLED_PERMILLE,
        IDENTIFIED_PERMILLE,
    ];
    share
        .into_iter()
        .fold(events, |count, permille| count * permille / 1000)
}

pub(super) const INTERACTIONS_PERMILLE: u64 = 700;
pub(super) const INBOUND_PERMILLE: u64 = 950;
pub(super) const HANDLED_PERMILLE: u64 = 940;
pub(super) const IDENTIFIED_PERMILLE: u64 = 970;
