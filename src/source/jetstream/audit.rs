//! A second look at stream and consumer from outside, for what silence does not show: messages
//! that went to somebody else or nowhere, a consumer that starves, a stream that was rewound.

use crate::nats::{ConsumerInfo, StreamInfo};
use crate::source::ResetReason;

/// What two audits in a row are needed for.
#[derive(Debug, Default)]
pub(super) struct Audit {
    /// The last position when the stream was asked for.
    position: u64,
    /// The answer about the stream, until that about the consumer is here.
    stream: Option<StreamInfo>,
    /// How many messages had arrived when the consumer was asked for.
    asked_at: u64,
    /// The last audit found this many messages delivered, more than had arrived.
    delivered_ahead: Option<u64>,
    /// The last audit found messages pending and all delivered ones, so many, arrived.
    starved_at: Option<u64>,
    /// The consumer reads a copy of the stream that falls behind.
    falling_behind: FallingBehind,
}

/// The lag of a copy, how often in a row it has grown, and how many messages had arrived by then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct FallingBehind {
    lag: u64,
    grown: u32,
    arrived: u64,
}

/// So often in a row a lag grows while nothing comes until the copy is taken to be stuck.
const STUCK: u32 = 2;

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
    /// The stream is asked for while the last position is this one. What comes until the answer is
    /// here may have been stored after the answer was made up.
    pub(super) fn asking(&mut self, position: u64) {
        self.position = position;
    }

    /// Judges the stream's answer against the position it was asked for at. The consumer is asked
    /// for next; `arrived` counts the messages of it that we have.
    pub(super) fn judge_stream(&mut self, info: StreamInfo, arrived: u64) -> Finding {
        if info.state.last_seq < self.position {
            return Finding::Reset(ResetReason::StreamChanged);
        }
        self.asked_at = arrived;
        self.stream = Some(info);
        Finding::Flowing
    }

    /// Judges the consumer's answer. `arrived` counts the messages of this consumer that we have;
    /// those that were sent before the answer are among them, since they came the same way, and
    /// some that were sent after it was made up may be as well.
    pub(super) fn judge_consumer(&mut self, info: &ConsumerInfo, arrived: u64) -> Finding {
        let stream = self.stream.take();
        let last_sequence = stream.as_ref().map(|stream| stream.state.last_seq);
        let delivered = info.delivered.consumer_seq;
        // What was delivered when the last audit answered has had the time to arrive.
        if delivered < self.asked_at || self.delivered_ahead.is_some_and(|then| arrived < then) {
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
        // The consumer knows of no more than its own copy of the stream holds.
        let lag = stream.as_ref().map_or(0, |stream| lag(stream, info));
        if self.is_stuck(lag, arrived) {
            return Finding::Reset(ResetReason::Stalled);
        }
        if lag > 0 {
            return Finding::Flowing;
        }
        match last_sequence {
            Some(through) if all_arrived => Finding::UpToDate { through },
            _ => Finding::Flowing,
        }
    }

    fn is_stuck(&mut self, lag: u64, arrived: u64) -> bool {
        let last = self.falling_behind;
        let grows = last.lag > 0 && lag > last.lag && arrived == last.arrived;
        let grown = if grows { last.grown + 1 } else { 0 };
        self.falling_behind = FallingBehind {
            lag,
            grown,
            arrived,
        };
        grown >= STUCK
    }
}

/// How far the copy that the consumer reads is behind the stream's leader.
fn lag(stream: &StreamInfo, consumer: &ConsumerInfo) -> u64 {
    let copies = stream.cluster.as_ref();
    let server = consumer
        .cluster
        .as_ref()
        .and_then(|own| own.leader.as_deref());
    copies
        .zip(server)
        .map_or(0, |(of_stream, server)| of_stream.lag_of(server))
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
        assert_eq!(audit.judge_stream(stream(9), 5), Finding::Flowing);
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
    fn what_overtook_the_answer_is_no_gap() {
        let mut audit = Audit::default();
        for asked_at in [5, 15, 25] {
            audit.judge_stream(stream(99), asked_at);
            // Three came between the making of the answer and its arrival.
            let finding = audit.judge_consumer(&consumer(asked_at + 4, 0), asked_at + 7);
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
    fn a_copy_that_is_stuck_is_left_and_one_that_lags_is_not_called_up_to_date() {
        let mut audit = Audit::default();
        let mut look = |lag: u64, arrived: u64| {
            let mut of_stream = stream(9);
            of_stream.cluster = serde_json::from_value(serde_json::json!({
                "leader": "n1", "replicas": [{ "name": "n2", "lag": lag }, { "name": "n3" }],
            }))
            .ok();
            let mut of_consumer = consumer(arrived, 0);
            of_consumer.cluster =
                serde_json::from_value(serde_json::json!({ "leader": "n2" })).ok();
            audit.judge_stream(of_stream, arrived);
            audit.judge_consumer(&of_consumer, arrived)
        };
        assert_eq!(look(0, 5), Finding::UpToDate { through: 9 });
        // It grows, but something comes.
        for (lag, arrived) in [(3, 5), (4, 6), (5, 7), (6, 8)] {
            assert_eq!(look(lag, arrived), Finding::Flowing);
        }
        // It grows and shrinks.
        for lag in [5, 7, 6, 8, 1] {
            assert_eq!(look(lag, 8), Finding::Flowing);
        }
        assert_eq!(look(2, 8), Finding::Flowing);
        assert_eq!(look(3, 8), Finding::Reset(ResetReason::Stalled));
    }

    #[test]
    fn a_rewound_stream_and_a_foreign_consumer_are_found_at_once() {
        let mut audit = Audit::default();
        audit.asking(7);
        let changed = Finding::Reset(ResetReason::StreamChanged);
        assert_eq!(audit.judge_stream(stream(6), 5), changed);
        let gap = Finding::Reset(ResetReason::SequenceGap);
        assert_eq!(audit.judge_stream(stream(9), 5), Finding::Flowing);
        assert_eq!(audit.judge_consumer(&consumer(2, 0), 5), gap);
    }
}
