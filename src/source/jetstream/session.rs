//! One consumer at work: asking, receiving, checking, handing on.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_nats::{Message, Subscriber};
use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::attach::Consumer;
use super::audit::{Audit, Finding};
use super::status::{self, Status};
use super::{Cursor, End, HEARTBEAT, Source, nanos, reply};
use crate::nats::{ConsumerInfo, LinkState, Retry, StreamInfo, parse_answer, stopped};
use crate::source::message::envelope;
use crate::source::{
    Batch, Begin, Change, Envelope, Gap, GapCause, Idle, MAX_BATCH, Position, ResetReason,
    SourceEvent, StreamIdentity,
};
use crate::time::Timestamp;

/// Messages asked for at once, and requests under way.
const REQUEST_MESSAGES: u64 = 500;
const REQUESTS_UNDER_WAY: u64 = 4;
/// Bytes a request may bring: bounds what lies in memory. A larger message raises it.
const REQUEST_BYTES: u64 = 16 * 1024 * 1024;
/// After that a request ends by itself; the server wants at least two heartbeats in it.
const REQUEST_EXPIRES: Duration = HEARTBEAT.saturating_mul(2);
/// Silence longer than this means that something is wrong.
const PATIENCE: Duration = HEARTBEAT.saturating_mul(2);
/// How often stream and consumer are asked for their states.
const AUDIT_EVERY: Duration = Duration::from_secs(15);

/// Tokens of the inbox for the answers of an audit; requests for messages have numbers.
const STREAM_ANSWER: &str = "stream";
const CONSUMER_ANSWER: &str = "consumer";

/// Works with a consumer until it ends.
pub(super) async fn run(source: &mut Source, consumer: Consumer, retry: &mut Retry) -> End {
    let mut session = Session::new(source, consumer);
    match session.pump(retry).await {
        Err(end) => end,
        Ok(never) => match never {},
    }
}

struct Session<'a> {
    source: &'a mut Source,
    name: String,
    identity: StreamIdentity,
    /// `<inbox>.`
    inbox: String,
    subscriber: Subscriber,
    link: watch::Receiver<LinkState>,
    connects: u64,
    /// Messages that were asked for and have not come; at most 2000.
    outstanding: u64,
    /// Number of the last request.
    request: u64,
    request_bytes: u64,
    /// Consumer sequence of the last message.
    arrived: u64,
    /// The message that was handed out before, until the first message has come.
    known: Option<(u64, Timestamp)>,
    last: Last,
    /// Messages to come until caught up; `None` afterwards.
    remaining: Option<u64>,
    audit: Audit,
    audits: Interval,
}

/// The last message of this consumer: what vanishes between two is seen by it.
#[derive(Clone, Copy, Debug)]
struct Last {
    stream_sequence: u64,
    pending: u64,
}

/// What a chunk of messages amounts to.
#[derive(Default)]
struct Harvest {
    envelopes: Vec<Envelope>,
    gaps: Vec<Gap>,
    /// The consumer gave a sign of life without a message.
    heartbeat: bool,
    /// The last position moved without a message.
    up_to_date: bool,
    end: Option<End>,
    rewritten: bool,
}

/// A type without values: the pump ends with an error only.
enum Never {}

impl<'a> Session<'a> {
    fn new(source: &'a mut Source, consumer: Consumer) -> Self {
        let mut audits = tokio::time::interval_at(Instant::now() + AUDIT_EVERY, AUDIT_EVERY);
        audits.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let known = consumer.known;
        let largest = u64::try_from(source.client.max_payload()).unwrap_or(u64::MAX);
        Self {
            link: source.link.watch(),
            name: consumer.name,
            identity: consumer.identity,
            inbox: format!("{}.", consumer.inbox),
            subscriber: consumer.subscriber,
            connects: consumer.connects,
            outstanding: 0,
            request: 0,
            request_bytes: REQUEST_BYTES.max(largest.saturating_mul(2)),
            arrived: 0,
            known,
            last: Last {
                stream_sequence: source
                    .cursor
                    .position()
                    .map_or(0, |position| position.sequence)
                    - u64::from(known.is_some()),
                pending: consumer.pending + u64::from(known.is_some()),
            },
            remaining: Some(consumer.pending),
            audit: Audit::default(),
            audits,
            source,
        }
    }

    async fn pump(&mut self, retry: &mut Retry) -> Result<Never, End> {
        let mut chunk = Vec::with_capacity(MAX_BATCH);
        self.tell_if_caught_up().await?;
        loop {
            self.ask().await?;
            // Room first: while the reader is busy nothing more is asked for, and what comes
            // meanwhile makes the next batch larger.
            let room = self.room().await?;
            self.receive(&mut chunk).await?;
            let harvest = self.judge(&mut chunk);
            if !harvest.envelopes.is_empty() || harvest.heartbeat {
                retry.reset();
            }
            self.hand_on(harvest, room).await?;
        }
    }

    /// Keeps requests under way.
    async fn ask(&mut self) -> Result<(), End> {
        while self.outstanding + REQUEST_MESSAGES <= REQUESTS_UNDER_WAY * REQUEST_MESSAGES {
            self.request += 1;
            let subject = format!(
                "$JS.API.CONSUMER.MSG.NEXT.{}.{}",
                self.identity.name, self.name
            );
            let request = format!(
                r#"{{"batch":{REQUEST_MESSAGES},"max_bytes":{},"expires":{},"idle_heartbeat":{}}}"#,
                self.request_bytes,
                nanos(REQUEST_EXPIRES),
                nanos(HEARTBEAT),
            );
            let token = self.request.to_string();
            self.publish(subject, &token, request.into()).await?;
            self.outstanding += REQUEST_MESSAGES;
        }
        Ok(())
    }

    async fn publish(&mut self, subject: String, token: &str, payload: Bytes) -> Result<(), End> {
        let inbox = format!("{}{token}", self.inbox);
        let publish = self
            .source
            .client
            .publish_with_reply(subject, inbox, payload);
        tokio::select! {
            biased;
            () = stopped(&mut self.source.stop) => Err(End::Stopped),
            // Fails only when the client is gone.
            sent = publish => sent.map_err(|_| End::Reset(ResetReason::Disconnected)),
        }
    }

    async fn room(&mut self) -> Result<mpsc::OwnedPermit<SourceEvent>, End> {
        let reserve = self.source.events.clone().reserve_owned();
        tokio::select! {
            biased;
            () = stopped(&mut self.source.stop) => Err(End::Stopped),
            room = reserve => room.map_err(|_| End::Stopped),
        }
    }

    /// Waits for messages and takes all that are there.
    async fn receive(&mut self, chunk: &mut Vec<Message>) -> Result<(), End> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut self.source.stop) => return Err(End::Stopped),
                () = lost(&mut self.link, self.connects) => {
                    return Err(End::Reset(ResetReason::Disconnected));
                }
                _ = self.audits.tick() => self.ask_for_audit().await?,
                gathered = tokio::time::timeout_at(deadline, gather(&mut self.subscriber, chunk)) => {
                    return match gathered {
                        Ok(true) => Ok(()),
                        Ok(false) => Err(End::Reset(ResetReason::Disconnected)),
                        Err(_) => Err(End::Reset(ResetReason::HeartbeatMissed)),
                    };
                }
            }
        }
    }

    /// Looks at each message of a chunk.
    fn judge(&mut self, chunk: &mut Vec<Message>) -> Harvest {
        let mut harvest = Harvest::default();
        for message in chunk.drain(..) {
            // Delivered messages keep their own subject; answers have a token of our inbox.
            let token = message.subject.strip_prefix(self.inbox.as_str());
            match token.map(str::to_owned) {
                None => self.take_message(message, &mut harvest),
                Some(token) if token == STREAM_ANSWER || token == CONSUMER_ANSWER => {
                    self.take_audit(&token, &message, &mut harvest);
                }
                Some(_) => self.take_status(&message, &mut harvest),
            }
            if harvest.end.is_some() {
                break;
            }
        }
        harvest
    }

    fn take_message(&mut self, message: Message, harvest: &mut Harvest) {
        let Some(reply) = message.reply.as_deref().and_then(reply::parse) else {
            // Not from the consumer: somebody wrote to our inbox.
            return;
        };
        if reply.consumer_sequence != self.arrived + 1 {
            harvest.end = Some(End::Reset(ResetReason::SequenceGap));
            return;
        }
        self.arrived += 1;
        self.outstanding = self.outstanding.saturating_sub(1);
        let last = std::mem::replace(
            &mut self.last,
            Last {
                stream_sequence: reply.stream_sequence,
                pending: reply.pending,
            },
        );
        if let Some((sequence, stored_at)) = self.known.take()
            && sequence == reply.stream_sequence
        {
            if stored_at != reply.stored_at {
                harvest.rewritten = true;
                harvest.end = Some(End::Reset(ResetReason::StreamChanged));
            }
            return;
        }
        harvest.gaps.extend(vanished(last, self.last));
        self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(1));
        let sequence = reply.stream_sequence;
        harvest
            .envelopes
            .push(envelope(message, sequence, reply.stored_at));
    }

    fn take_status(&mut self, message: &Message, harvest: &mut Harvest) {
        let ended = |undelivered: Option<u64>| undelivered.unwrap_or(REQUEST_MESSAGES);
        match status::read(message) {
            Some(Status::Heartbeat) => harvest.heartbeat = true,
            Some(Status::Ended { undelivered }) => {
                self.outstanding = self.outstanding.saturating_sub(ended(undelivered));
            }
            Some(Status::TooLarge { undelivered }) => {
                self.outstanding = self.outstanding.saturating_sub(ended(undelivered));
                if undelivered == Some(REQUEST_MESSAGES) {
                    // Not one message fitted: stored when the server allowed larger ones.
                    self.request_bytes = self.request_bytes.saturating_mul(2);
                }
            }
            Some(Status::Reset(reason)) => harvest.end = Some(End::Reset(reason)),
            None => {}
        }
    }

    fn take_audit(&mut self, token: &str, message: &Message, harvest: &mut Harvest) {
        if message.status.is_some() {
            // Nobody answers for the API now; the next audit asks again.
            return;
        }
        let subject = message.subject.to_string();
        let finding = if token == STREAM_ANSWER {
            match parse_answer::<StreamInfo>(subject, &message.payload) {
                Ok(info) => self.audit.judge_stream(info, self.last.stream_sequence),
                Err(error) if error.is_stream_not_found() => {
                    Finding::Reset(ResetReason::StreamChanged)
                }
                Err(_) => Finding::Flowing,
            }
        } else {
            match parse_answer::<ConsumerInfo>(subject, &message.payload) {
                Ok(info) => self.audit.judge_consumer(&info, self.arrived),
                Err(_) => Finding::Flowing,
            }
        };
        match finding {
            Finding::Flowing => {}
            Finding::Reset(reason) => harvest.end = Some(End::Reset(reason)),
            Finding::UpToDate { through } => {
                if self.last.pending > 0 {
                    harvest.gaps.push(Gap {
                        cause: GapCause::Removed,
                        messages: self.last.pending,
                        after: self.last.stream_sequence,
                    });
                    self.last.pending = 0;
                }
                harvest.up_to_date = true;
                self.note_through(through);
            }
        }
    }

    async fn ask_for_audit(&mut self) -> Result<(), End> {
        let stream = format!("$JS.API.STREAM.INFO.{}", self.identity.name);
        self.publish(stream, STREAM_ANSWER, Bytes::new()).await
    }

    async fn ask_for_consumer(&mut self) -> Result<(), End> {
        let consumer = format!("$JS.API.CONSUMER.INFO.{}.{}", self.identity.name, self.name);
        self.publish(consumer, CONSUMER_ANSWER, Bytes::new()).await
    }

    /// Sends what a chunk amounts to, moves the cursor, and ends when the chunk said so.
    async fn hand_on(
        &mut self,
        harvest: Harvest,
        room: mpsc::OwnedPermit<SourceEvent>,
    ) -> Result<(), End> {
        let pending = self.last.pending;
        self.source.pending = pending;
        self.source.counters.set_lag(pending);
        let quiet = harvest.envelopes.is_empty();
        if let Some(newest) = harvest.envelopes.last() {
            let position = self.moved_to(newest.sequence, newest.stored_at);
            room.send(SourceEvent::Batch(Batch {
                envelopes: harvest.envelopes,
                pending,
                position,
            }));
        } else {
            drop(room);
        }
        for gap in harvest.gaps {
            self.source.report_gap(gap).await?;
        }
        if harvest.rewritten {
            self.report_rewritten().await?;
        }
        self.tell_if_caught_up().await?;
        let idle = quiet && pending == 0 && (harvest.heartbeat || harvest.up_to_date);
        if let (true, Some(position)) = (idle, self.source.cursor.position()) {
            self.source
                .send(SourceEvent::Idle(Idle { position }))
                .await?;
        }
        if let Some(end) = harvest.end {
            return Err(end);
        }
        if self.audit.wants_consumer() {
            self.ask_for_consumer().await?;
        }
        Ok(())
    }

    async fn tell_if_caught_up(&mut self) -> Result<(), End> {
        // A heartbeat with nothing pending counts too: what was pending may have been purged.
        let none_pending = self.last.pending == 0 && self.arrived > 0;
        if self.remaining == Some(0) || (self.remaining.is_some() && none_pending) {
            self.remaining = None;
            self.source.send(SourceEvent::CaughtUp).await?;
        }
        Ok(())
    }

    async fn report_rewritten(&mut self) -> Result<(), End> {
        let Some(position) = self.source.cursor.position() else {
            return Ok(());
        };
        let Position {
            sequence: read,
            stored_at,
            ..
        } = position;
        tracing::warn!(read, %stored_at, "the stream was rewritten before our position, going on by store time");
        self.source.cursor = Cursor::Begin(
            Begin::At(stored_at.plus_millis(1)),
            Some(self.identity.clone()),
        );
        let change = Change::Rewritten { read, stored_at };
        self.source.send(SourceEvent::Changed(change)).await
    }

    fn moved_to(&mut self, sequence: u64, stored_at: Timestamp) -> Position {
        let through = self
            .source
            .cursor
            .position()
            .map_or(0, |position| position.through);
        let position = Position {
            sequence,
            stored_at,
            through: through.max(sequence),
        };
        self.source.cursor = Cursor::After {
            identity: self.identity.clone(),
            position,
        };
        position
    }

    fn note_through(&mut self, sequence: u64) {
        if let Cursor::After { position, .. } = &mut self.source.cursor {
            position.through = position.through.max(sequence);
        }
    }
}

/// Comes back when the connection is gone, or gone and back: either way messages may have been
/// lost on the way.
async fn lost(link: &mut watch::Receiver<LinkState>, connects: u64) {
    let lost = |state: &LinkState| !state.connected || state.connects != connects;
    // An error means that the link is gone too.
    link.wait_for(lost).await.ok();
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

/// Waits for a message and takes all that are there, up to [`MAX_BATCH`]; false when the
/// subscription has ended. Cancel-safe: nothing is taken unless it comes back.
async fn gather(subscriber: &mut Subscriber, chunk: &mut Vec<Message>) -> bool {
    let gather = std::future::poll_fn(|context: &mut Context<'_>| {
        while chunk.len() < MAX_BATCH {
            match Pin::new(&mut *subscriber).poll_next(context) {
                Poll::Ready(Some(message)) => chunk.push(message),
                Poll::Ready(None) => return Poll::Ready(!chunk.is_empty()),
                Poll::Pending if chunk.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(true)
    });
    // The budget of the runtime would end a chunk after 128 messages.
    tokio::task::unconstrained(gather).await
}

#[cfg(test)]
mod tests {
    use super::*;

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
