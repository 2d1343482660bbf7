//! From nothing to a consumer: the checks of the stream and what they report.

use std::time::Duration;

use async_nats::Subscriber;
use tracing::{info, warn};

use super::subjects::{Ours, all_is_wanted};
use super::{Cursor, End, Source, nanos};
use crate::nats::{
    ApiError, ConsumerRequest, Deliver, Retry, StreamConfig, StreamInfo, StreamRequest, stopped,
};
use crate::source::{Attached, Error, SourceEvent, StreamIdentity};
use crate::time::Timestamp;

/// How long a consumer stays without pull requests: long enough for a paused process to find its
/// consumer again, short enough to leave nothing behind.
const INACTIVE_THRESHOLD: Duration = Duration::from_mins(1);

/// The first and the longest pause between attempts to attach: short, since a cluster that has found
/// its quorum again should be read again at once.
const ATTACH_PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];

/// How long an answer may take, attempt by attempt: what is asked of a group of servers that has no
/// leader at the moment is never answered, so that long patience is short-sighted; but a server that
/// is slow gets its time every now and then.
const ANSWERS_WITHIN: [Duration; 3] = [
    Duration::from_secs(2),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

/// Most bytes of a stream that we create.
const CREATED_MAX_BYTES: u64 = 10 * 1024 * 1024 * 1024;
/// How long a stream that we create remembers message ids.
const CREATED_DUPLICATE_WINDOW: Duration = Duration::from_mins(2);

/// A consumer that stands and is asked for nothing yet.
pub(super) struct Consumer {
    pub(super) name: String,
    pub(super) identity: StreamIdentity,
    /// Replies come here: `<inbox>.<token>`.
    pub(super) inbox: String,
    pub(super) subscriber: Subscriber,
    /// Messages that wait for us, without the one that is only compared.
    pub(super) pending: u64,
    /// The message that we know and that may come first: sequence and store time.
    pub(super) known: Option<(u64, Timestamp)>,
    /// What is ours among all that the stream holds; `None` when the server sends nothing else.
    pub(super) ours: Option<Ours>,
    /// Connections made when this consumer was.
    pub(super) connects: u64,
}

impl Source {
    /// Waits for connection and stream, checks the stream against the cursor, reports what is
    /// amiss, and makes a consumer.
    pub(super) async fn attach(&mut self) -> Result<Consumer, End> {
        let mut retry = Retry::new(ATTACH_PAUSES[0], ATTACH_PAUSES[1]);
        for limit in ANSWERS_WITHIN.into_iter().cycle() {
            let connects = self.wait_connected().await?;
            self.api = self.api.clone().within(limit);
            let attempt = self.try_attach(connects).await;
            let error = match attempt {
                Ok(consumer) => return Ok(consumer),
                Err(Attempt::End(end)) => return Err(end),
                Err(Attempt::Retry(error)) => error,
            };
            let reason = error.to_string();
            if retry.worth_a_line(&reason) {
                let stream = &self.settings.stream;
                if error.is_stream_not_found() {
                    warn!(
                        stream,
                        "waiting for the stream: it does not exist (create it, or set source.create)"
                    );
                } else {
                    warn!(stream, reason, "waiting for the stream");
                }
            }
            self.sleep(retry.pause()).await?;
        }
        // The limits go round for ever.
        Err(End::Stopped)
    }

    async fn wait_connected(&mut self) -> Result<u64, End> {
        let mut link = self.link.watch();
        let connected = link.wait_for(|state| state.connected);
        tokio::select! {
            biased;
            () = stopped(&mut self.stop) => Err(End::Stopped),
            state = connected => state.map(|state| state.connects).map_err(|_| End::Stopped),
        }
    }

    async fn try_attach(&mut self, connects: u64) -> Result<Consumer, Attempt> {
        let stream = self.settings.stream.clone();
        let info = match self.until_stopped_info(&stream).await? {
            Ok(info) => info,
            Err(error) if error.is_stream_not_found() && self.settings.create => {
                self.create_stream().await?
            }
            Err(error) => return Err(Attempt::Retry(error)),
        };
        let identity = self.check_stream(&info)?;
        let deliver = self.compare(&info, &identity).await?;
        self.make_consumer(&info, identity, deliver, connects).await
    }

    async fn until_stopped_info(
        &mut self,
        stream: &str,
    ) -> Result<Result<StreamInfo, ApiError>, Attempt> {
        tokio::select! {
            biased;
            () = stopped(&mut self.stop) => Err(Attempt::End(End::Stopped)),
            info = self.api.stream_info(stream) => Ok(info),
        }
    }

    async fn create_stream(&self) -> Result<StreamInfo, Attempt> {
        let request = StreamRequest {
            name: self.settings.stream.clone(),
            subjects: self.settings.subjects.clone(),
            retention: "limits",
            storage: "file",
            max_age: nanos(self.create_max_age),
            max_bytes: CREATED_MAX_BYTES,
            num_replicas: 1,
            duplicate_window: nanos(CREATED_DUPLICATE_WINDOW.min(self.create_max_age)),
            description: "events for cxpulse".into(),
        };
        let info = self.api.create_stream(&request).await?;
        info!(
            stream = request.name,
            subjects = request.subjects.join(","),
            max_age_seconds = self.create_max_age.as_secs(),
            max_bytes = CREATED_MAX_BYTES,
            "created the stream"
        );
        Ok(info)
    }

    /// What tells our messages from others, when the whole stream is to be sent.
    fn ours(&self, stream: &StreamConfig) -> Option<Ours> {
        let wanted = &self.settings.subjects;
        (!self.is_mixed && all_is_wanted(stream, wanted)).then(|| Ours::of(wanted))
    }

    async fn make_consumer(
        &mut self,
        info: &StreamInfo,
        identity: StreamIdentity,
        deliver: Deliver,
        connects: u64,
    ) -> Result<Consumer, Attempt> {
        let begins_at = match deliver {
            Deliver::ByStartSequence { opt_start_seq } => opt_start_seq,
            Deliver::All | Deliver::ByStartTime { .. } => 0,
        };
        let inbox = self.client.new_inbox();
        let subscribed = self.client.subscribe(format!("{inbox}.*")).await;
        let subscriber = subscribed.map_err(|error| {
            Attempt::End(End::Failed(Error::Subscribe {
                subject: format!("{inbox}.*"),
                reason: error.to_string(),
            }))
        })?;
        let ours = self.ours(&info.config);
        let request = ConsumerRequest {
            name: self.next_consumer_name(),
            deliver,
            filter_subjects: match ours {
                Some(_) => Vec::new(),
                None => self.settings.subjects.clone(),
            },
            inactive_threshold: nanos(INACTIVE_THRESHOLD),
            description: format!("cxpulse instance {}", self.instance),
        };
        let created = tokio::select! {
            biased;
            () = stopped(&mut self.stop) => return Err(Attempt::End(End::Stopped)),
            created = self.api.create_consumer(&info.config.name, &request) => created,
        };
        let created = match created {
            Ok(created) => created,
            Err(error) => {
                if matches!(error, ApiError::Unanswered { .. }) {
                    // It may have been made all the same.
                    self.leave_behind(request.name);
                }
                return Err(Attempt::Retry(error));
            }
        };
        let known = self.known().filter(|(sequence, _)| *sequence == begins_at);
        // When the stream still has the known message it is among the pending ones, since it
        // matched the same subjects before.
        let pending = created
            .num_pending
            .saturating_sub(u64::from(known.is_some()));
        self.pending = pending;
        self.counters.set_lag(pending);
        self.send(SourceEvent::Attached(Attached {
            identity: identity.clone(),
            pending,
            first_sequence: info.state.first_seq,
            first_stored_at: first_stored_at(info),
            last_sequence: info.state.last_seq,
            position: self.cursor.position(),
        }))
        .await?;
        if let Cursor::Begin(_, cursor_identity) = &mut self.cursor {
            *cursor_identity = Some(identity.clone());
        }
        Ok(Consumer {
            name: request.name,
            identity,
            inbox,
            subscriber,
            pending,
            known,
            ours,
            connects,
        })
    }
}

fn first_stored_at(info: &StreamInfo) -> Option<Timestamp> {
    if info.state.messages == 0 {
        return None;
    }
    let moment = info.state.first_ts.parse::<jiff::Timestamp>().ok()?;
    Some(Timestamp::from_millis(moment.as_millisecond()))
}

/// An attempt that did not work out.
#[derive(Debug)]
pub(super) enum Attempt {
    Retry(ApiError),
    End(End),
}

impl From<ApiError> for Attempt {
    fn from(error: ApiError) -> Self {
        Self::Retry(error)
    }
}

impl From<End> for Attempt {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}
