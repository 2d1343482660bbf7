//! Accepted events at or after T: outside all state until T has passed them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::WaitingPolicy;
use crate::event::Event;
use crate::time::Timestamp;

/// One waiting event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct WaitingEvent {
    pub(super) event: Event,
    /// Its place in the stream.
    pub(super) order: u64,
    /// Values of the routed dimensions.
    pub(super) values: Vec<Option<Box<str>>>,
}

/// The waiting events by event time. Bounded by the clock skew that the future guard allows.
#[derive(Debug)]
pub(super) struct Waiting {
    policy: WaitingPolicy,
    events: BTreeMap<(Timestamp, u64), WaitingEvent>,
    counted: u64,
}

impl Waiting {
    pub(super) fn new(policy: WaitingPolicy) -> Self {
        Self {
            policy,
            events: BTreeMap::new(),
            counted: 0,
        }
    }

    pub(super) fn push(&mut self, event: &Event, order: u64, values: Vec<Option<Box<str>>>) {
        match self.policy {
            WaitingPolicy::CountOnly => self.counted += 1,
            WaitingPolicy::Keep => {
                let key = (event.record().event_time, order);
                self.events.insert(
                    key,
                    WaitingEvent {
                        event: event.clone(),
                        order,
                        values,
                    },
                );
            }
        }
    }

    /// Takes out the events before `now`, in stream order.
    pub(super) fn take_before(&mut self, now: Timestamp) -> Vec<WaitingEvent> {
        if self
            .events
            .first_key_value()
            .is_none_or(|(key, _)| key.0 >= now)
        {
            return Vec::new();
        }
        let later = self.events.split_off(&(now, 0));
        let mut passed: Vec<WaitingEvent> = std::mem::replace(&mut self.events, later)
            .into_values()
            .collect();
        passed.sort_unstable_by_key(|waiting| waiting.order);
        passed
    }

    /// All kept events, for a capture.
    pub(super) fn all(&self) -> Vec<WaitingEvent> {
        self.events.values().cloned().collect()
    }

    /// Puts a captured event back.
    pub(super) fn restore(&mut self, event: WaitingEvent) {
        self.events
            .insert((event.event.record().event_time, event.order), event);
    }

    /// How many wait.
    pub(super) fn len(&self) -> u64 {
        self.counted + u64::try_from(self.events.len()).unwrap_or(u64::MAX)
    }
}
