//! Counts and states of a source, for metrics.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What a source counts; shared with the metrics page.
#[derive(Debug, Default)]
pub struct Counters {
    resets: [AtomicU64; ResetReason::ALL.len()],
    gap_messages: AtomicU64,
    lag_messages: AtomicU64,
    dropped_messages: AtomicU64,
    attached: AtomicBool,
}

/// Why delivery began again; the `reason` label of `cxpulse_consumer_resets_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetReason {
    /// The connection was lost or replaced; messages may have been sent into the dead one.
    Disconnected,
    /// Neither message nor any other sign of life came when it was due.
    HeartbeatMissed,
    /// The consumer's sequence did not rise by one: a message was lost on the way or taken by
    /// somebody else who pulls from our consumer.
    SequenceGap,
    /// The server has messages for us and does not send them.
    Stalled,
    /// The consumer was deleted, or is not what we made.
    ConsumerDeleted,
    /// Nobody answers for the consumer.
    NoResponders,
    /// The consumer's leader moved.
    LeadershipChange,
    /// The server is shutting down.
    ServerShutdown,
    /// The server refused a request or sent a status that we do not know.
    UnexpectedStatus,
    /// The stream was deleted, recreated or lost its tail.
    StreamChanged,
}

impl ResetReason {
    /// All reasons, in the order of the metric.
    pub const ALL: [Self; 10] = [
        Self::Disconnected,
        Self::HeartbeatMissed,
        Self::SequenceGap,
        Self::Stalled,
        Self::ConsumerDeleted,
        Self::NoResponders,
        Self::LeadershipChange,
        Self::ServerShutdown,
        Self::UnexpectedStatus,
        Self::StreamChanged,
    ];

    /// The label value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::HeartbeatMissed => "heartbeat_missed",
            Self::SequenceGap => "sequence_gap",
            Self::Stalled => "stalled",
            Self::ConsumerDeleted => "consumer_deleted",
            Self::NoResponders => "no_responders",
            Self::LeadershipChange => "leadership_change",
            Self::ServerShutdown => "server_shutdown",
            Self::UnexpectedStatus => "unexpected_status",
            Self::StreamChanged => "stream_changed",
        }
    }
}

impl Counters {
    /// Resets so far for this reason.
    pub fn resets(&self, reason: ResetReason) -> u64 {
        ResetReason::ALL
            .iter()
            .zip(&self.resets)
            .find(|(known, _)| **known == reason)
            .map_or(0, |(_, count)| count.load(Ordering::Relaxed))
    }

    /// Messages that will never come, at most.
    pub fn gap_messages(&self) -> u64 {
        self.gap_messages.load(Ordering::Relaxed)
    }

    /// Messages stored and not handed out yet, as of the last message or heartbeat.
    pub fn lag_messages(&self) -> u64 {
        self.lag_messages.load(Ordering::Relaxed)
    }

    /// Core NATS only: messages dropped since the reader was busy for longer than the buffer lasts.
    pub fn dropped_messages(&self) -> u64 {
        self.dropped_messages.load(Ordering::Relaxed)
    }

    /// Whether messages can come: the consumer or the subscriptions stand.
    pub fn attached(&self) -> bool {
        self.attached.load(Ordering::Relaxed)
    }

    pub(super) fn count_reset(&self, reason: ResetReason) {
        for (known, count) in ResetReason::ALL.iter().zip(&self.resets) {
            if *known == reason {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn count_gap(&self, messages: u64) {
        self.gap_messages.fetch_add(messages, Ordering::Relaxed);
    }

    pub(super) fn set_lag(&self, messages: u64) {
        self.lag_messages.store(messages, Ordering::Relaxed);
    }

    pub(super) fn set_dropped(&self, messages: u64) {
        self.dropped_messages.store(messages, Ordering::Relaxed);
    }

    pub(super) fn set_attached(&self, attached: bool) {
        self.attached.store(attached, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_counts_for_itself() {
        let counters = Counters::default();
        for (times, reason) in (1..).zip(ResetReason::ALL) {
            for _ in 0..times {
                counters.count_reset(reason);
            }
        }
        for (times, reason) in (1..).zip(ResetReason::ALL) {
            assert_eq!(counters.resets(reason), times, "{}", reason.name());
        }
    }

    #[test]
    fn label_values_differ() {
        let mut names: Vec<&str> = ResetReason::ALL
            .iter()
            .map(|reason| reason.name())
            .collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ResetReason::ALL.len());
    }
}
