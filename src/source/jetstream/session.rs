//! One consumer at work: asking, receiving, handing on.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_nats::{Message, Subscriber};
use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tracing::warn;

use super::attach::Consumer;
use super::tally::{
    CONSUMER_ANSWER, Harvest, REQUEST_MESSAGES, REQUESTS_UNDER_WAY, STREAM_ANSWER, Tally,
};
use super::{Cursor, End, HEARTBEAT, Source, nanos};
use crate::nats::{LinkState, Retry, stopped};
use crate::source::{
    Batch, Begin, Change, Envelope, Idle, MAX_BATCH, Position, ResetReason, SourceEvent,
    StreamIdentity,
};

/// Bytes a request may bring: bounds what lies in memory. A larger message raises it.
const REQUEST_BYTES: u64 = 4 * 1024 * 1024;
/// After that a request ends by itself and is made again. It is the sign of life that a server gives
/// while nothing comes (heartbeats besides would cost it a look at the clock for each message), and
/// one that has lost track of who waits, as after a change of the stream's leader, is reminded by it.
const REQUEST_EXPIRES: Duration = HEARTBEAT;
/// Requests have so many reply subjects in turn, as many as may be under way: a server keeps what it
/// finds out about a subject, and has to find it out for each that is new.
const TOKENS: u64 = REQUESTS_UNDER_WAY;
/// Silence longer than this, half a heartbeat past the one that is due, means that something is
/// wrong: it leaves the other half for what it takes to be read from again within two.
const PATIENCE: Duration = Duration::from_millis(7500);
/// How often stream and consumer are asked for their states; what takes two answers to be sure of
/// is found within two heartbeats.
const AUDIT_EVERY: Duration = HEARTBEAT;

/// Works with a consumer until it ends.
pub(super) async fn run(source: &mut Source, consumer: Consumer, retry: &mut Retry) -> End {
    match Session::new(source, consumer).pump(retry).await {
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
    /// Number of the last request, below [`TOKENS`].
    request: u64,
    tally: Tally,
    audits: Interval,
}

/// A type without values: the pump ends with an error only.
enum Never {}

impl<'a> Session<'a> {
    fn new(source: &'a mut Source, consumer: Consumer) -> Self {
        let mut audits = tokio::time::interval_at(Instant::now() + AUDIT_EVERY, AUDIT_EVERY);
        audits.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let largest = u64::try_from(source.client.max_payload()).unwrap_or(u64::MAX);
        let request_bytes = REQUEST_BYTES.max(largest.saturating_mul(2));
        let inbox = format!("{}.", consumer.inbox);
        let behind = source
            .cursor
            .position()
            .map_or(0, |position| position.sequence);
        Self {
            link: source.link.watch(),
            name: consumer.name,
            identity: consumer.identity,
            tally: Tally::new(
                inbox.clone(),
                behind,
                consumer.known,
                consumer.pending,
                request_bytes,
                consumer.ours,
            ),
            inbox,
            subscriber: consumer.subscriber,
            connects: consumer.connects,
            request: 0,
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
            let harvest = self.tally.judge(&mut chunk);
            if !harvest.envelopes.is_empty() || harvest.heartbeat {
                retry.reset();
            }
            self.hand_on(harvest, room).await?;
        }
    }

    /// Keeps requests under way.
    async fn ask(&mut self) -> Result<(), End> {
        while let Some(bytes) = self.tally.next_request() {
            self.request = (self.request + 1) % TOKENS;
            let call = format!("CONSUMER.MSG.NEXT.{}.{}", self.identity.name, self.name);
            let request = format!(
                r#"{{"batch":{REQUEST_MESSAGES},"max_bytes":{bytes},"expires":{}}}"#,
                nanos(REQUEST_EXPIRES),
            );
            self.call(&call, &self.request.to_string(), request.into())
                .await?;
        }
        Ok(())
    }

    async fn ask_for_stream(&mut self) -> Result<(), End> {
        let call = format!("STREAM.INFO.{}", self.identity.name);
        self.call(&call, STREAM_ANSWER, Bytes::new()).await
    }

    async fn ask_for_consumer(&mut self) -> Result<(), End> {
        let call = format!("CONSUMER.INFO.{}.{}", self.identity.name, self.name);
        self.call(&call, CONSUMER_ANSWER, Bytes::new()).await
    }

    /// Calls the API with the answer to a token of our inbox, so that it comes the same way as
    /// messages do, behind those that were sent before.
    async fn call(&mut self, call: &str, token: &str, payload: Bytes) -> Result<(), End> {
        let subject = format!("$JS.API.{call}");
        let inbox = format!("{}{token}", self.inbox);
        let publish = self
            .source
            .client
            .publish_with_reply(subject, inbox, payload);
        tokio::select! {
            biased;
            () = stopped(&mut self.source.stop) => Err(End::Stopped),
            // The client takes nothing while it waits for a connection and has its hands full.
            () = lost(&mut self.link, self.connects) => {
                Err(End::Reset(ResetReason::Disconnected))
            }
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
            let gathering = gather(&mut self.subscriber, chunk);
            tokio::select! {
                biased;
                () = stopped(&mut self.source.stop) => return Err(End::Stopped),
                () = lost(&mut self.link, self.connects) => {
                    return Err(End::Reset(ResetReason::Disconnected));
                }
                _ = self.audits.tick() => {}
                gathered = tokio::time::timeout_at(deadline, gathering) => {
                    return match gathered {
                        Ok(true) => Ok(()),
                        Ok(false) => Err(End::Reset(ResetReason::Disconnected)),
                        Err(_) => Err(End::Reset(ResetReason::HeartbeatMissed)),
                    };
                }
            }
            self.tally.begin_audit();
            self.ask_for_stream().await?;
        }
    }

    /// Sends what a chunk amounts to, moves the cursor, and ends when the chunk said so.
    async fn hand_on(
        &mut self,
        harvest: Harvest,
        room: mpsc::OwnedPermit<SourceEvent>,
    ) -> Result<(), End> {
        let pending = self.tally.pending();
        self.source.pending = pending;
        self.source.counters.set_lag(pending);
        let quiet = harvest.envelopes.is_empty();
        let room = if harvest.gaps.is_empty() {
            room
        } else {
            // Told and counted before what came behind them; with the room given back, since it
            // may be all there is.
            drop(room);
            for gap in harvest.gaps {
                self.source.report_gap(gap).await?;
            }
            self.room().await?
        };
        if let Some(newest) = harvest.envelopes.last() {
            let position = self.moved_to(newest);
            room.send(SourceEvent::Batch(Batch {
                envelopes: harvest.envelopes,
                pending,
                position,
            }));
        } else {
            drop(room);
        }
        if harvest.rewritten {
            self.report_rewritten().await?;
        }
        self.tell_if_caught_up().await?;
        if let Some(sequence) = harvest.up_to_date {
            self.note_through(sequence);
        }
        if quiet && pending == 0 && (harvest.heartbeat || harvest.up_to_date.is_some()) {
            self.tell_idle().await?;
        }
        self.source.is_mixed |= self.tally.is_mixed();
        if let Some(reason) = harvest.reset {
            return Err(End::Reset(reason));
        }
        if harvest.ask_for_consumer {
            self.ask_for_consumer().await?;
        }
        Ok(())
    }

    async fn tell_if_caught_up(&mut self) -> Result<(), End> {
        if self.tally.newly_caught_up() {
            self.source.send(SourceEvent::CaughtUp).await?;
        }
        Ok(())
    }

    async fn tell_idle(&mut self) -> Result<(), End> {
        // Before the first message there is no position that could be up to date.
        match self.source.cursor.position() {
            Some(position) => self.source.send(SourceEvent::Idle(Idle { position })).await,
            None => Ok(()),
        }
    }

    async fn report_rewritten(&mut self) -> Result<(), End> {
        let Some(Position {
            sequence: read,
            stored_at,
            ..
        }) = self.source.cursor.position()
        else {
            return Ok(());
        };
        warn!(
            read,
            %stored_at,
            "the stream was rewritten before our position, going on by store time"
        );
        let begin = Begin::At(stored_at.plus_millis(1));
        self.source.cursor = Cursor::Begin(begin, Some(self.identity.clone()));
        let change = Change::Rewritten { read, stored_at };
        self.source.send(SourceEvent::Changed(change)).await
    }

    fn moved_to(&mut self, newest: &Envelope) -> Position {
        let before = self.source.cursor.position().unwrap_or_default();
        let position = Position {
            sequence: newest.sequence,
            stored_at: newest.stored_at,
            through: before.through.max(newest.sequence),
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
