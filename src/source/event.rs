//! What a source tells its reader, in the order in which it happens.

use std::fmt;

use super::{Envelope, ResetReason};
use crate::time::Timestamp;

/// One report of a source.
///
/// The order on the channel is the order of the stream. After a (re)start of delivery comes
/// [`SourceEvent::Attached`], before it what was found amiss ([`SourceEvent::Changed`],
/// [`SourceEvent::Gap`]). A reader that keeps the newest [`Position`] of [`Batch`] and [`Idle`]
/// with its state, and hands it back as [`Resume::After`], reads every message exactly once.
#[derive(Clone, Debug)]
pub enum SourceEvent {
    /// Delivery begins, or begins again.
    Attached(Attached),
    /// Messages, in order.
    Batch(Batch),
    /// As many messages were delivered as were pending at [`SourceEvent::Attached`], or none is
    /// pending. Once after each `Attached`, right after the batch that made it so.
    CaughtUp,
    /// Nothing is pending: the state is up to date with the stream.
    Idle(Idle),
    /// Delivery stopped and will begin again behind the last position. Nothing is lost by it.
    Reset(ResetReason),
    /// Messages that will never come; told before the messages behind them.
    Gap(Gap),
    /// The stream is not what it was at our position.
    Changed(Change),
}

/// Which stream: two streams of the same name differ in when they were created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamIdentity {
    /// Name of the stream; of the instance for core NATS.
    pub name: String,
    /// When it was created, nanoseconds since the epoch; when the process started for core NATS.
    pub created_ns: i64,
}

impl fmt::Display for StreamIdentity {
    /// `name@nanoseconds`, as used in the message ids of dead letters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.created_ns)
    }
}

/// How far a stream was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Stream sequence of the last message handed out; where reading began at the end of the
    /// stream and nothing came yet, the last sequence of then; 0 before all that.
    pub sequence: u64,
    /// Store time of that message: tells whether the stream still is the one that was read. The
    /// epoch when there is nothing to compare with.
    pub stored_at: Timestamp,
    /// Every message of ours up to here was handed out; greater than `sequence` where what follows
    /// is known to be messages of others. Never less than `sequence`.
    pub through: u64,
}

/// Where to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Nothing was read yet.
    Fresh(Begin),
    /// Behind a position of an earlier run.
    After {
        /// The stream that was read.
        identity: StreamIdentity,
        /// How far.
        position: Position,
    },
}

/// Where a first start begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// With the first message of the stream.
    Earliest,
    /// With the next message.
    Latest,
    /// With the first message stored at or after this moment.
    At(Timestamp),
}

/// Delivery begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// What is read.
    pub identity: StreamIdentity,
    /// Messages of ours that are stored and not handed out yet.
    pub pending: u64,
    /// Sequence of the oldest message in the stream; 0 when there is none.
    pub first_sequence: u64,
    /// When the oldest message was stored; `None` when the stream is empty.
    pub first_stored_at: Option<Timestamp>,
    /// Sequence of the newest message there has been in the stream.
    pub last_sequence: u64,
    /// How far it was read before, `None` at a first start or when the stream is another one.
    pub position: Option<Position>,
}

/// Messages in stream order.
#[derive(Clone, Debug)]
pub struct Batch {
    /// 1 to [`super::MAX_BATCH`] messages.
    pub envelopes: Vec<Envelope>,
    /// Messages of ours that were stored behind the last of these when it was sent.
    pub pending: u64,
    /// How far the stream is read with these.
    pub position: Position,
}

/// Nothing is pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle {
    /// How far the stream is known to hold nothing unread of ours.
    pub position: Position,
}

/// Messages that will never come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// How they went.
    pub cause: GapCause,
    /// How many at most: what expired unseen may have been messages of others.
    pub messages: u64,
    /// The last stream sequence before the gap.
    pub after: u64,
}

/// How messages went before they were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapCause {
    /// The stream begins behind our position: expired, over a limit, or purged.
    Expired,
    /// They were pending and then gone while we were attached.
    Removed,
    /// The stream was deleted and created anew; what was pending in the old one is gone.
    Recreated,
}

/// The stream is not what it was at our position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Another stream has the name now. It is read from its first message; records known already
    /// are told by their identity.
    Recreated {
        /// The stream that was read.
        was: StreamIdentity,
        /// The stream that is there now.
        now: StreamIdentity,
    },
    /// The stream ends before our position: the server lost messages that were read. Reading goes
    /// on behind its end; what was read stays counted.
    TailLost {
        /// Our position.
        read: u64,
        /// The last sequence of the stream.
        last: u64,
    },
    /// At our position is another message than the one that was read: the server lost its tail and
    /// new messages took the sequences. Reading goes on with what was stored after the last
    /// message that was read.
    Rewritten {
        /// Our position.
        read: u64,
        /// When the message that was read was stored.
        stored_at: Timestamp,
    },
}
