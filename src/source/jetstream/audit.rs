//! A second look at stream and consumer from outside, for what heartbeats do not show: messages
//! that went to somebody else or nowhere, a consumer that starves, a stream that was rewound.

use crate::nats::{ConsumerInfo, StreamInfo};
use crate::source::ResetReason;

/// What two audits in a row are needed for.
#[derive(Debug, Default)]
pub(super) struct Audit {
    /// The answer about the stream, until that about the consumer is here.
    stream: Option<StreamInfo>,
    /// The last audit found this many messages delivered, more than had arrived.
    delivered_ahead: Option<u64>,
    /// The last audit found messages pending and all delivered ones, so many, arrived.
    starved_at: Option<u64>,
}

/// What an audit finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Messages are on their way.
    Flowing,
    /// Every message of ours up to this stream sequence was delivered and arrived.
    UpToDate { through: u64 },
    /// The consumer has to be made anew.
    Reset(ResetReason),
}

impl Audit {
    /// Judges the stream's answer against the last position.
    pub(super) fn judge_stream(&mut self, info: StreamInfo, position: u64) -> Finding {
        if info.state.last_seq < position {
            return Finding::Reset(ResetReason::StreamChanged);
        }
        self.stream = Some(info);
        Finding::Flowing
    }

    /// Judges the consumer's answer. `arrived` counts the messages of this consumer that we have;
    /// all that were sent before the answer are among them, since they came the same way.
    pub(super) fn judge_consumer(&mut self, info: &ConsumerInfo, arrived: u64) -> Finding {
        let last_sequence = self.stream.take().map(|stream| stream.state.last_seq);
        let delivered = info.delivered.consumer_seq;
        // What was delivered when the last audit answered has had the time to arrive.
        if delivered < arrived || self.delivered_ahead.is_some_and(|then| arrived < then) {
            return Finding::Reset(ResetReason::SequenceGap);
        }
        self.delivered_ahead = (delivered > arrived).then_some(delivered);
        let all_arrived = delivered == arrived;
        if all_arrived && info.num_pending > 0 {
            if self.starved_at == Some(arrived) {
                return Finding::Reset(ResetReason::Stalled);
            }
            self.starved_at = Some(arrived);
            return Finding::Flowing;
        }
        self.starved_at = None;
        match last_sequence {
            Some(through) if all_arrived => Finding::UpToDate { through },
            _ => Finding::Flowing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(last: u64) -> StreamInfo {
        serde_json::from_value(serde_json::json!({
            "created": "2026-01-01T00:00:00Z",
            "config": { "name": "CX", "retention": "limits" },
            "state": { "messages": last, "first_seq": 1, "first_ts": "", "last_seq": last },
        }))
        .unwrap()
    }

    fn consumer(delivered: u64, pending: u64) -> ConsumerInfo {
        serde_json::from_value(serde_json::json!({
            "name": "c",
            "delivered": { "consumer_seq": delivered, "stream_seq": delivered },
            "num_pending": pending,
        }))
        .unwrap()
    }

    #[test]
    fn up_to_date_only_with_nothing_pending_and_all_arrived() {
        let mut audit = Audit::default();
        assert_eq!(audit.judge_stream(stream(9), 7), Finding::Flowing);
        let finding = audit.judge_consumer(&consumer(5, 0), 5);
        assert_eq!(finding, Finding::UpToDate { through: 9 });
        // Without a fresh answer about the stream nothing is known of its end.
        assert_eq!(audit.judge_consumer(&consumer(5, 0), 5), Finding::Flowing);
    }

    #[test]
    fn a_lost_delivery_is_found_by_the_second_audit() {
        let mut audit = Audit::default();
        assert_eq!(audit.judge_consumer(&consumer(8, 0), 5), Finding::Flowing);
        // Six arrived late, two are still missing.
        let finding = audit.judge_consumer(&consumer(8, 0), 6);
        assert_eq!(finding, Finding::Reset(ResetReason::SequenceGap));
    }

    #[test]
    fn messages_on_their_way_are_no_loss() {
        let mut audit = Audit::default();
        for arrived in [5, 90, 200] {
            let finding = audit.judge_consumer(&consumer(arrived + 50, 1000), arrived);
            assert_eq!(finding, Finding::Flowing);
        }
    }

    #[test]
    fn a_starving_consumer_is_found_by_the_second_audit() {
        let mut audit = Audit::default();
        assert_eq!(audit.judge_consumer(&consumer(5, 3), 5), Finding::Flowing);
        let finding = audit.judge_consumer(&consumer(5, 3), 5);
        assert_eq!(finding, Finding::Reset(ResetReason::Stalled));
    }

    #[test]
    fn a_rewound_stream_and_a_foreign_consumer_are_found_at_once() {
        let mut audit = Audit::default();
        let changed = Finding::Reset(ResetReason::StreamChanged);
        assert_eq!(audit.judge_stream(stream(6), 7), changed);
        let gap = Finding::Reset(ResetReason::SequenceGap);
        assert_eq!(audit.judge_consumer(&consumer(2, 0), 5), gap);
    }
}
