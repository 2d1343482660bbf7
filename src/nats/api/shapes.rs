//! What is asked of the JetStream API and what it answers, as far as it matters here.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A stream as the server describes it.
#[derive(Clone, Debug, Deserialize)]
pub struct StreamInfo {
    /// When it was created, RFC 3339 with nanoseconds.
    pub created: String,
    /// Its settings.
    pub config: StreamConfig,
    /// What it holds.
    pub state: StreamState,
    /// When the server said so, RFC 3339; servers before 2.10 do not tell.
    #[serde(default)]
    pub ts: Option<String>,
    /// Where its copies are; `None` without a cluster.
    #[serde(default)]
    pub cluster: Option<Copies>,
}

/// The copies of a stream, or of a consumer, in a cluster.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Copies {
    /// The server that leads; `None` while there is none.
    #[serde(default)]
    pub leader: Option<String>,
    /// The other copies.
    #[serde(default)]
    pub replicas: Vec<Copy>,
}

/// One copy besides the leader's.
#[derive(Clone, Debug, Deserialize)]
pub struct Copy {
    /// Its server.
    pub name: String,
    /// Operations that the leader has and this one lacks.
    #[serde(default)]
    pub lag: u64,
}

impl Copies {
    /// How far the copy of a server is behind; 0 for the leader's, and for one that is not told.
    pub fn lag_of(&self, server: &str) -> u64 {
        let mut copies = self.replicas.iter();
        copies
            .find(|copy| copy.name == server)
            .map_or(0, |copy| copy.lag)
    }
}

/// The settings of a stream that matter here.
#[derive(Clone, Debug, Deserialize)]
pub struct StreamConfig {
    /// Its name.
    pub name: String,
    /// `limits`, `interest` or `workqueue`.
    pub retention: String,
    /// What it stores; empty for a mirror.
    #[serde(default)]
    pub subjects: Vec<String>,
    /// The stream that it is a copy of.
    #[serde(default)]
    pub mirror: Option<Value>,
    /// Streams whose messages it takes besides.
    #[serde(default)]
    pub sources: Option<Vec<Value>>,
    /// How subjects are changed before messages are stored.
    #[serde(default)]
    pub subject_transform: Option<Value>,
    /// How long messages are kept, nanoseconds; 0 is for ever.
    #[serde(default)]
    pub max_age: u64,
    /// Most messages kept; -1 or 0 for no limit.
    #[serde(default)]
    pub max_msgs: i64,
    /// Most bytes kept; -1 or 0 for no limit.
    #[serde(default)]
    pub max_bytes: i64,
    /// Most messages kept of one subject; -1 or 0 for no limit.
    #[serde(default)]
    pub max_msgs_per_subject: i64,
    /// What goes at a limit: `old` or `new`.
    #[serde(default)]
    pub discard: String,
    /// Copies.
    #[serde(default)]
    pub num_replicas: u32,
}

/// What a stream holds.
#[derive(Clone, Debug, Deserialize)]
pub struct StreamState {
    /// Messages stored now.
    pub messages: u64,
    /// Bytes stored now.
    #[serde(default)]
    pub bytes: u64,
    /// Sequence of the oldest one; one more than `last_seq` when there is none.
    pub first_seq: u64,
    /// When that was stored, RFC 3339; the year 1 when there is none.
    pub first_ts: String,
    /// Sequence of the newest message there has ever been.
    pub last_seq: u64,
}

/// A stream to be created, with limits retention on file.
#[derive(Clone, Debug, Serialize)]
pub struct StreamRequest {
    /// Its name.
    pub name: String,
    /// What it stores.
    pub subjects: Vec<String>,
    /// `limits`.
    pub retention: &'static str,
    /// `file`.
    pub storage: &'static str,
    /// How long messages are kept, nanoseconds.
    pub max_age: u64,
    /// Most bytes kept; the oldest go first.
    pub max_bytes: u64,
    /// 1: more copies are an operator's choice.
    pub num_replicas: u32,
    /// How long message ids are remembered, nanoseconds.
    pub duplicate_window: u64,
    /// For people who list streams.
    pub description: String,
}

/// A consumer to be created: no acknowledgements, in memory, gone when idle.
#[derive(Clone, Debug, Serialize)]
pub struct ConsumerRequest {
    /// Its name.
    pub name: String,
    /// Where delivery begins.
    #[serde(flatten)]
    pub deliver: Deliver,
    /// Subjects wanted; all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filter_subjects: Vec<String>,
    /// How long it stays without pull requests, nanoseconds.
    pub inactive_threshold: u64,
    /// For people who list consumers.
    pub description: String,
}

/// Where delivery begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "deliver_policy", rename_all = "snake_case")]
pub enum Deliver {
    /// With the oldest message.
    All,
    /// With the first message of this sequence or a later one.
    ByStartSequence {
        /// At least 1.
        opt_start_seq: u64,
    },
    /// With the first message stored then or later.
    ByStartTime {
        /// RFC 3339.
        opt_start_time: String,
    },
}

/// A consumer as the server describes it.
#[derive(Clone, Debug, Deserialize)]
pub struct ConsumerInfo {
    /// Its name.
    pub name: String,
    /// What the server understood of the request.
    #[serde(default)]
    pub config: ConsumerEcho,
    /// How far delivery is.
    pub delivered: Delivered,
    /// Messages that match and are not delivered yet.
    pub num_pending: u64,
    /// Where it is; `None` without a cluster.
    #[serde(default)]
    pub cluster: Option<Copies>,
}

/// The echo of what would silently be ignored by a server that does not know it.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ConsumerEcho {
    /// One subject.
    #[serde(default)]
    pub filter_subject: Option<String>,
    /// Several subjects.
    #[serde(default)]
    pub filter_subjects: Vec<String>,
}

/// How far delivery is.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Delivered {
    /// Messages delivered by this consumer.
    pub consumer_seq: u64,
    /// Stream sequence of the last one.
    pub stream_seq: u64,
}
