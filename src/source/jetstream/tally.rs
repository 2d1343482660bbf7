//! What the messages of one consumer mean, each looked at once: where we are in consumer and
//! stream, what vanished, what the server says of itself. No IO.

use async_nats::Message;

use super::audit::{Audit, Finding};
use super::reply::Replies;
use super::status::{self, Status};
use super::subjects::Ours;
use crate::nats::{ConsumerInfo, StreamInfo, parse_answer};
use crate::source::message::envelope;
use crate::source::{Envelope, Gap, GapCause, ResetReason};
use crate::time::Timestamp;

/// Messages asked for at once.
pub(super) const REQUEST_MESSAGES: u64 = 500;
/// Requests under way: what they bring is more than the engine takes while it has the core to itself,
/// so that neither server nor engine waits for the other.
pub(super) const REQUESTS_UNDER_WAY: u64 = 16;
/// Bytes that all of them may bring, and bytes that they are expected to bring: what waits for longer
/// has left the cache when it is its turn. Neither leads to fewer than [`FEWEST_REQUESTS`].
const MOST_BYTES_UNDER_WAY: u64 = 64 * 1024 * 1024;
const BYTES_UNDER_WAY: u64 = 8 * 1024 * 1024;
/// Requests under way where messages are large.
const FEWEST_REQUESTS: u64 = 4;

/// Tokens of the inbox for the answers of an audit; requests for messages have numbers.
pub(super) const STREAM_ANSWER: &str = "stream";
pub(super) const CONSUMER_ANSWER: &str = "consumer";

/// The account of one consumer.
#[derive(Debug)]
pub(super) struct Tally {
    /// Begin of the subjects on which we are answered, up to the token.
    inbox: String,
    replies: Replies,
    /// Messages that were asked for and have not come.
    outstanding: u64,
    /// Bytes that one request may bring.
    request_bytes: u64,
    /// Bytes of a message, about, of those that came lately.
    mean_bytes: u64,
    /// Consumer sequence of the last message.
    arrived: u64,
    /// The message that was handed out before, until the first message has come.
    known: Option<(u64, Timestamp)>,
    last: Last,
    /// Messages to come until caught up; `None` once that was told.
    remaining: Option<u64>,
    /// What is ours among all that comes; `None` when nothing else does.
    ours: Option<Ours>,
    /// Something else came: the server has to pick what is ours.
    is_mixed: bool,
    audit: Audit,
}

/// The last message of this consumer: what vanishes between two is seen by it.
#[derive(Clone, Copy, Debug)]
struct Last {
    stream_sequence: u64,
    pending: u64,
}

/// What a chunk of messages amounts to.
#[derive(Debug, Default)]
pub(super) struct Harvest {
    pub(super) envelopes: Vec<Envelope>,
    pub(super) gaps: Vec<Gap>,
    /// The consumer gave a sign of life.
    pub(super) heartbeat: bool,
    /// An audit found that all of ours up to this stream sequence has come.
    pub(super) up_to_date: Option<u64>,
    /// The message at our position is another one than before.
    pub(super) rewritten: bool,
    /// An audit wants to ask for the consumer now.
    pub(super) ask_for_consumer: bool,
    /// The consumer has to be made anew; nothing behind was looked at.
    pub(super) reset: Option<ResetReason>,
}

impl Tally {
    /// The account of a consumer that begins behind stream sequence `behind`, or with the message
    /// there when it is `known`, and has so many messages `pending` besides that one.
    pub(super) fn new(
        inbox: String,
        behind: u64,
        known: Option<(u64, Timestamp)>,
        pending: u64,
        request_bytes: u64,
        ours: Option<Ours>,
    ) -> Self {
        let again = u64::from(known.is_some());
        Self {
            inbox,
            replies: Replies::default(),
            outstanding: 0,
            request_bytes,
            mean_bytes: 0,
            arrived: 0,
            known,
            last: Last {
                stream_sequence: behind.saturating_sub(again),
                pending: pending + again,
            },
            remaining: Some(pending),
            ours,
            is_mixed: false,
            audit: Audit::default(),
        }
    }

    /// Whether one more request is to be made; counts it as made. With the bytes it may bring.
    pub(super) fn next_request(&mut self) -> Option<u64> {
        let expected = self.mean_bytes.saturating_mul(REQUEST_MESSAGES);
        let fitting = (MOST_BYTES_UNDER_WAY / self.request_bytes.max(1))
            .min(BYTES_UNDER_WAY / expected.max(1));
        let under_way = fitting.clamp(FEWEST_REQUESTS, REQUESTS_UNDER_WAY);
        let wanted = self.outstanding + REQUEST_MESSAGES <= under_way * REQUEST_MESSAGES;
        wanted.then(|| {
            self.outstanding += REQUEST_MESSAGES;
            self.request_bytes
        })
    }

    /// An audit begins: the stream is asked for.
    pub(super) fn begin_audit(&mut self) {
        self.audit.asking(self.last.stream_sequence);
    }

    /// Messages stored behind the last one.
    pub(super) fn pending(&self) -> u64 {
        self.last.pending
    }

    /// A message came that is not ours.
    pub(super) fn is_mixed(&self) -> bool {
        self.is_mixed
    }

    /// True once: when as many came as were pending at the beginning, or none is pending.
    pub(super) fn newly_caught_up(&mut self) -> bool {
        let none_pending = self.last.pending == 0 && self.arrived > 0;
        let caught_up = self
            .remaining
            .is_some_and(|remaining| remaining == 0 || none_pending);
        if caught_up {
            self.remaining = None;
        }
        caught_up
    }

    /// Looks at each message of a chunk.
    pub(super) fn judge(&mut self, chunk: &mut Vec<Message>) -> Harvest {
        let mut harvest = Harvest::default();
        self.note_lengths(chunk);
        for message in chunk.drain(..) {
            // Delivered messages keep their own subject; answers have a token of our inbox.
            match message.subject.strip_prefix(self.inbox.as_str()) {
                None => self.take_message(message, &mut harvest),
                Some(STREAM_ANSWER) => self.take_stream(&message, &mut harvest),
                Some(CONSUMER_ANSWER) => self.take_consumer(&message, &mut harvest),
                Some(_) => self.take_status(&message, &mut harvest),
            }
            if harvest.reset.is_some() {
                break;
            }
        }
        harvest
    }

    fn note_lengths(&mut self, chunk: &[Message]) {
        // What the server says of itself, as while nothing comes, is no message.
        let messages = || chunk.iter().filter(|message| message.status.is_none());
        let bytes: usize = messages().map(|message| message.payload.len()).sum();
        if let Some(mean) = bytes.checked_div(messages().count()) {
            let mean = u64::try_from(mean).unwrap_or(u64::MAX);
            // From the first one on at once, then slowly.
            self.mean_bytes = if self.mean_bytes == 0 {
                mean
            } else {
                self.mean_bytes - self.mean_bytes / 8 + mean / 8
            };
        }
    }

    fn take_message(&mut self, message: Message, harvest: &mut Harvest) {
        let Some(reply) = message
            .reply
            .as_deref()
            .and_then(|reply| self.replies.read(reply))
        else {
            // Not from the consumer: somebody wrote to our inbox.
            return;
        };
        if reply.consumer_sequence != self.arrived + 1 {
            harvest.reset = Some(ResetReason::SequenceGap);
            return;
        }
        self.arrived += 1;
        self.outstanding = self.outstanding.saturating_sub(1);
        let next = Last {
            stream_sequence: reply.stream_sequence,
            pending: reply.pending,
        };
        let last = std::mem::replace(&mut self.last, next);
        let known = self.known.take();
        if let Some((_, stored_at)) =
            known.filter(|(sequence, _)| *sequence == next.stream_sequence)
        {
            if stored_at != reply.stored_at {
                harvest.rewritten = true;
                harvest.reset = Some(ResetReason::StreamChanged);
            }
            return;
        }
        harvest.gaps.extend(vanished(last, next));
        if !self
            .ours
            .as_ref()
            .is_none_or(|ours| ours.has(&message.subject))
        {
            self.is_mixed = true;
            harvest.reset = Some(ResetReason::StreamChanged);
            return;
        }
        self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(1));
        let envelope = envelope(message, reply.stream_sequence, reply.stored_at);
        harvest.envelopes.push(envelope);
    }

    fn take_status(&mut self, message: &Message, harvest: &mut Harvest) {
        let undelivered = |said: Option<u64>| said.unwrap_or(REQUEST_MESSAGES);
        match status::read(message) {
            Some(Status::Heartbeat) => harvest.heartbeat = true,
            Some(Status::Ended { undelivered: said }) => {
                harvest.heartbeat = true;
                self.outstanding = self.outstanding.saturating_sub(undelivered(said));
            }
            Some(Status::TooLarge { undelivered: said }) => {
                self.outstanding = self.outstanding.saturating_sub(undelivered(said));
                if said == Some(REQUEST_MESSAGES) {
                    // Not one message fitted: stored when the server allowed larger ones.
                    self.request_bytes = self.request_bytes.saturating_mul(2);
                }
            }
            Some(Status::Reset(reason)) => harvest.reset = Some(reason),
            None => {}
        }
    }

    fn take_stream(&mut self, message: &Message, harvest: &mut Harvest) {
        if message.status.is_some() {
            // Nobody answers for the API now; the next audit asks again.
            return;
        }
        match parse_answer::<StreamInfo>(message.subject.to_string(), &message.payload) {
            Ok(info) => {
                let finding = self.audit.judge_stream(info, self.arrived);
                harvest.ask_for_consumer = true;
                self.settle(finding, harvest);
            }
            Err(error) if error.is_stream_not_found() => {
                harvest.reset = Some(ResetReason::StreamChanged);
            }
            Err(_) => {}
        }
    }

    fn take_consumer(&mut self, message: &Message, harvest: &mut Harvest) {
        if message.status.is_some() {
            return;
        }
        let answer = parse_answer::<ConsumerInfo>(message.subject.to_string(), &message.payload);
        if let Ok(info) = answer {
            let finding = self.audit.judge_consumer(&info, self.arrived);
            self.settle(finding, harvest);
        }
    }

    fn settle(&mut self, finding: Finding, harvest: &mut Harvest) {
        match finding {
            Finding::Flowing => {}
            Finding::Reset(reason) => harvest.reset = Some(reason),
            Finding::UpToDate { through } => {
                let messages = std::mem::take(&mut self.last.pending);
                if messages > 0 {
                    harvest.gaps.push(Gap {
                        cause: GapCause::Removed,
                        messages,
                        after: self.last.stream_sequence,
                    });
                }
                self.remaining = self.remaining.map(|_| 0);
                harvest.up_to_date = Some(through);
            }
        }
    }
}

/// Messages that were pending behind `last` and are neither pending nor delivered at `next`:
/// removed from the stream in between. New arrivals may hide some.
fn vanished(last: Last, next: Last) -> Option<Gap> {
    let skipped = next
        .stream_sequence
        .saturating_sub(last.stream_sequence + 1);
    let missing = last.pending.saturating_sub(1).saturating_sub(next.pending);
    let messages = missing.min(skipped);
    (messages > 0).then_some(Gap {
        cause: GapCause::Removed,
        messages,
        after: last.stream_sequence,
    })
}

#[cfg(test)]
mod tests {
    use async_nats::{StatusCode, Subject};

    use super::*;

    const STORED_MS: i64 = 1_763_793_600_123;

    fn message(subject: &str, reply: &str, payload: &str) -> Message {
        Message {
            subject: Subject::from(subject),
            reply: Some(Subject::from(reply)),
            payload: payload.to_owned().into(),
            headers: None,
            status: None,
            description: None,
            length: 0,
        }
    }

    fn delivered(stream: u64, consumer: u64, pending: u64) -> Message {
        let reply = format!("$JS.ACK.CX.c.1.{stream}.{consumer}.{STORED_MS}000000.{pending}");
        message("cx.surveys.a", &reply, "{}")
    }

    fn status(code: u16, text: &str) -> Message {
        Message {
            status: Some(StatusCode::from_u16(code).unwrap()),
            description: Some(text.into()),
            ..message("_INBOX.a.7", "", "")
        }
    }

    fn audit(tally: &mut Tally, stream_last: u64, delivered: u64, pending: u64) -> Harvest {
        let stream = format!(
            r#"{{"created":"x","config":{{"name":"CX","retention":"limits"}},
            "state":{{"messages":1,"first_seq":1,"first_ts":"","last_seq":{stream_last}}}}}"#
        );
        let harvest = tally.judge(&mut vec![message("_INBOX.a.stream", "", &stream)]);
        assert!(harvest.ask_for_consumer);
        if harvest.reset.is_some() {
            return harvest;
        }
        let consumer = format!(
            r#"{{"name":"c","num_pending":{pending},
            "delivered":{{"consumer_seq":{delivered},"stream_seq":1}}}}"#
        );
        tally.judge(&mut vec![message("_INBOX.a.consumer", "", &consumer)])
    }

    fn fresh(pending: u64) -> Tally {
        Tally::new("_INBOX.a.".into(), 0, None, pending, 1000, None)
    }

    #[test]
    fn requests_are_kept_under_way() {
        let mut tally = fresh(0);
        let first = std::iter::from_fn(|| tally.next_request()).count();
        assert_eq!(first, 16);
        tally.judge(
            &mut (1..=499)
                .map(|number| delivered(number, number, 9))
                .collect(),
        );
        assert_eq!(tally.next_request(), None);
        tally.judge(&mut vec![delivered(500, 500, 9)]);
        assert!(tally.next_request().is_some());
        // A request that ended is the sign of life that was asked for.
        let ended = tally.judge(&mut vec![status(408, "Request Timeout")]);
        assert!(ended.heartbeat && ended.reset.is_none());
        tally.judge(&mut vec![status(100, "Idle Heartbeat")]);
        assert!(tally.next_request().is_some());
        assert_eq!(tally.next_request(), None);
    }

    #[test]
    fn large_messages_are_asked_for_by_fewer_requests() {
        const MIB: u64 = 1024 * 1024;
        for (request_bytes, expected) in [(MIB, 16), (4 * MIB, 16), (8 * MIB, 8), (64 * MIB, 4)] {
            let mut tally = Tally::new("_INBOX.a.".into(), 0, None, 0, request_bytes, None);
            let requests: Vec<u64> = std::iter::from_fn(|| tally.next_request()).collect();
            assert_eq!(requests, vec![request_bytes; expected]);
        }
        let mut tally = fresh(0);
        let long = "x".repeat(4096);
        let reply = |number| format!("$JS.ACK.CX.c.1.{number}.{number}.{STORED_MS}000000.9");
        let messages = (1..=100).map(|number| message("cx.surveys.a", &reply(number), &long));
        tally.judge(&mut messages.collect());
        assert_eq!(std::iter::from_fn(|| tally.next_request()).count(), 4);
    }

    #[test]
    fn a_hole_in_the_consumer_sequence_ends_it_and_keeps_what_came_before() {
        let mut tally = fresh(10);
        let mut chunk = vec![delivered(1, 1, 9), delivered(5, 2, 8), delivered(9, 4, 6)];
        let harvest = tally.judge(&mut chunk);
        assert_eq!(harvest.reset, Some(ResetReason::SequenceGap));
        let sequences: Vec<u64> = harvest.envelopes.iter().map(|read| read.sequence).collect();
        assert_eq!(sequences, [1, 5]);
        assert!(chunk.is_empty());
    }

    #[test]
    fn caught_up_is_told_once() {
        let mut tally = fresh(2);
        assert!(!tally.newly_caught_up());
        tally.judge(&mut vec![delivered(1, 1, 5)]);
        assert!(!tally.newly_caught_up());
        // As many as were pending, though more have come meanwhile.
        tally.judge(&mut vec![delivered(2, 2, 7)]);
        assert!(tally.newly_caught_up());
        assert!(!tally.newly_caught_up());
        assert!(fresh(0).newly_caught_up());
    }

    #[test]
    fn caught_up_is_told_though_some_pending_ones_were_removed() {
        let mut tally = fresh(9);
        tally.judge(&mut vec![delivered(4, 1, 0)]);
        assert!(tally.newly_caught_up());
    }

    /// An account that begins with message 7, known to be stored then, and has one more pending.
    fn resumed(stored_ms: i64) -> Tally {
        let known = Some((7, Timestamp::from_millis(stored_ms)));
        Tally::new("_INBOX.a.".into(), 7, known, 1, 1000, None)
    }

    #[test]
    fn the_known_message_is_compared_and_not_handed_out_again() {
        let mut tally = resumed(STORED_MS);
        let known = tally.judge(&mut vec![delivered(7, 1, 1)]);
        assert!(known.envelopes.is_empty() && known.reset.is_none());
        assert!(!tally.newly_caught_up());
        let new = tally.judge(&mut vec![delivered(8, 2, 0)]);
        assert_eq!(new.envelopes.len(), 1);
        assert!(new.gaps.is_empty());
        assert!(tally.newly_caught_up());
    }

    #[test]
    fn another_message_at_our_position_ends_it() {
        let mut tally = resumed(STORED_MS - 1);
        let harvest = tally.judge(&mut vec![delivered(7, 1, 1), delivered(8, 2, 0)]);
        assert!(harvest.rewritten && harvest.envelopes.is_empty());
        assert_eq!(harvest.reset, Some(ResetReason::StreamChanged));
    }

    #[test]
    fn when_the_known_message_was_deleted_the_first_one_is_new() {
        let harvest = resumed(STORED_MS).judge(&mut vec![delivered(9, 1, 0)]);
        assert_eq!(harvest.envelopes.len(), 1);
    }

    #[test]
    fn what_is_not_ours_is_left_to_the_server_from_then_on() {
        let ours = Ours::of(&["cx.surveys.>".to_owned()]);
        let mut tally = Tally::new("_INBOX.a.".into(), 0, None, 3, 1000, Some(ours));
        let foreign = |number| {
            let reply = format!("$JS.ACK.CX.c.1.{number}.{number}.{STORED_MS}000000.1");
            message("cx.alerts.a", &reply, "{}")
        };
        let harvest = tally.judge(&mut vec![
            delivered(1, 1, 2),
            foreign(2),
            delivered(3, 3, 0),
        ]);
        assert!(tally.is_mixed());
        assert_eq!(harvest.reset, Some(ResetReason::StreamChanged));
        assert_eq!(harvest.envelopes.len(), 1);
        let mut filtered = fresh(1);
        assert_eq!(filtered.judge(&mut vec![foreign(1)]).envelopes.len(), 1);
        assert!(!filtered.is_mixed());
    }

    #[test]
    fn a_message_that_fits_no_request_raises_the_limit() {
        let mut tally = fresh(1);
        assert_eq!(tally.next_request(), Some(1000));
        let mut too_large = status(409, "Message Size Exceeds MaxBytes");
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Pending-Messages", "500");
        too_large.headers = Some(headers);
        tally.judge(&mut vec![too_large]);
        assert_eq!(tally.next_request(), Some(2000));
    }

    #[test]
    fn an_audit_finds_what_vanished_without_a_later_message() {
        let mut tally = fresh(50);
        tally.judge(&mut vec![delivered(1, 1, 49)]);
        let harvest = audit(&mut tally, 90, 1, 0);
        assert_eq!(harvest.up_to_date, Some(90));
        assert_eq!(harvest.gaps[0].messages, 49);
        assert!(tally.newly_caught_up());
        assert_eq!(tally.pending(), 0);
        // Known from then on, not counted again.
        assert!(audit(&mut tally, 90, 1, 0).gaps.is_empty());
    }

    #[test]
    fn a_message_that_overtook_the_answer_about_the_stream_is_no_change_of_it() {
        let mut tally = fresh(1);
        tally.judge(&mut vec![delivered(7, 1, 0)]);
        tally.begin_audit();
        tally.judge(&mut vec![delivered(8, 2, 0)]);
        assert_eq!(audit(&mut tally, 7, 2, 0).reset, None);
        tally.begin_audit();
        let reset = audit(&mut tally, 7, 2, 0).reset;
        assert_eq!(reset, Some(ResetReason::StreamChanged));
    }

    #[test]
    fn a_deleted_stream_is_found_by_the_audit() {
        let mut tally = fresh(0);
        let gone = r#"{"error":{"code":404,"err_code":10059,"description":"stream not found"}}"#;
        let harvest = tally.judge(&mut vec![message("_INBOX.a.stream", "", gone)]);
        assert_eq!(harvest.reset, Some(ResetReason::StreamChanged));
    }

    #[test]
    fn what_others_write_to_our_inbox_does_nothing() {
        let mut tally = fresh(3);
        let harvest = tally.judge(&mut vec![
            message("_INBOX.a.9", "", "boo"),
            message("_INBOX.a.consumer", "", "boo"),
            message("_INBOX.a.stream", "", "[]"),
            message("cx.surveys.a", "_INBOX.b", "{}"),
        ]);
        assert!(harvest.envelopes.is_empty() && harvest.reset.is_none());
    }

    fn last(stream_sequence: u64, pending: u64) -> Last {
        Last {
            stream_sequence,
            pending,
        }
    }

    #[test]
    fn foreign_messages_between_are_no_gap() {
        // 10 of 20 messages are ours: sequences jump, pending falls by one.
        assert_eq!(vanished(last(10, 5), last(30, 4)), None);
        // More came meanwhile.
        assert_eq!(vanished(last(10, 5), last(30, 400)), None);
    }

    #[test]
    fn what_was_pending_and_is_gone_is_counted() {
        let gap = vanished(last(10, 100), last(60, 50)).unwrap();
        assert_eq!((gap.messages, gap.after), (49, 10));
    }

    #[test]
    fn the_gap_is_never_larger_than_the_hole() {
        let gap = vanished(last(10, 100), last(14, 0)).unwrap();
        assert_eq!(gap.messages, 3);
        assert_eq!(vanished(last(10, 100), last(11, 0)), None);
    }
}
