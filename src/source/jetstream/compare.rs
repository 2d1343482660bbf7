//! The stream against our position: which one it is, what became of it, and where reading begins.

use tracing::warn;

use super::attach::Attempt;
use super::{Cursor, End, Source, rfc3339};
use crate::nats::{Deliver, StreamInfo, overlap};
use crate::source::{Begin, Change, Error, Gap, GapCause, Position, SourceEvent, StreamIdentity};
use crate::time::Timestamp;

impl Source {
    /// Retention and identity.
    pub(super) fn check_stream(&self, info: &StreamInfo) -> Result<StreamIdentity, Attempt> {
        let stream = info.config.name.clone();
        if info.config.retention != "limits" {
            return Err(Attempt::End(End::Failed(Error::Retention {
                stream,
                retention: info.config.retention.clone(),
            })));
        }
        for wanted in &self.settings.subjects {
            // A mirror has no subjects of its own.
            let stored = &info.config.subjects;
            if !stored.is_empty() && !stored.iter().any(|stored| overlap(stored, wanted)) {
                warn!(
                    stream,
                    subject = wanted,
                    "the stream does not store this subject"
                );
            }
        }
        let created = info.created.parse::<jiff::Timestamp>().ok();
        let created = created.and_then(|moment| i64::try_from(moment.as_nanosecond()).ok());
        created
            .map(|created_ns| StreamIdentity {
                name: info.config.name.clone(),
                created_ns,
            })
            .ok_or_else(|| {
                Attempt::End(End::Failed(Error::Identity {
                    stream,
                    created: info.created.clone(),
                }))
            })
    }

    /// Compares the stream with the cursor, reports differences, and says where delivery begins.
    pub(super) async fn compare(
        &mut self,
        info: &StreamInfo,
        identity: &StreamIdentity,
    ) -> Result<Deliver, Attempt> {
        let last = info.state.last_seq;
        if let Some(was) = self.cursor.identity().filter(|was| *was != identity) {
            let was = was.clone();
            self.report_recreated(was, identity.clone()).await?;
        }
        if let Cursor::Begin(Begin::Latest, _) = self.cursor {
            // Fixed at the first attach: made anew, the consumer must not skip what came between.
            self.cursor = Cursor::After {
                identity: identity.clone(),
                position: Position {
                    sequence: last,
                    through: last,
                    ..Position::default()
                },
            };
        }
        let Cursor::After { position, .. } = &self.cursor else {
            return Ok(self.cursor.deliver_begin());
        };
        let mut position = *position;
        if last < position.sequence {
            let read = position.sequence;
            warn!(
                read,
                last, "the stream ends before our position: the server lost its tail"
            );
            self.send(SourceEvent::Changed(Change::TailLost { read, last }))
                .await?;
            position = Position {
                sequence: last,
                ..Position::default()
            };
        }
        // What was known to be of others may have been lost with the tail as well.
        position.through = position.through.min(last).max(position.sequence);
        let oldest = info.state.first_seq.max(1);
        if oldest > position.through + 1 {
            let gap = Gap {
                cause: GapCause::Expired,
                messages: oldest - 1 - position.through,
                after: position.through,
            };
            self.report_gap(gap).await?;
            position.through = oldest - 1;
        }
        self.cursor = Cursor::After {
            identity: identity.clone(),
            position,
        };
        Ok(Deliver::ByStartSequence {
            opt_start_seq: match self.known() {
                Some((sequence, _)) if sequence >= oldest => sequence,
                // Not behind `through`: that figure only serves to count gaps.
                _ => position.sequence + 1,
            },
        })
    }

    async fn report_recreated(
        &mut self,
        was: StreamIdentity,
        now: StreamIdentity,
    ) -> Result<(), End> {
        warn!(%was, %now, "the stream was recreated, reading it from its beginning");
        let after = self
            .cursor
            .position()
            .map_or(0, |position| position.through);
        self.cursor = Cursor::Begin(Begin::Earliest, Some(now.clone()));
        self.send(SourceEvent::Changed(Change::Recreated { was, now }))
            .await?;
        let messages = std::mem::take(&mut self.pending);
        if messages > 0 {
            let cause = GapCause::Recreated;
            self.report_gap(Gap {
                cause,
                messages,
                after,
            })
            .await?;
        }
        Ok(())
    }

    pub(super) async fn report_gap(&mut self, gap: Gap) -> Result<(), End> {
        warn!(
            stream = self.settings.stream,
            messages_at_most = gap.messages,
            after = gap.after,
            cause = ?gap.cause,
            "messages are gone that were not read"
        );
        self.counters.count_gap(gap.messages);
        self.send(SourceEvent::Gap(gap)).await
    }

    /// Sequence and store time of the last message handed out, where they can be compared.
    pub(super) fn known(&self) -> Option<(u64, Timestamp)> {
        let position = self.cursor.position()?;
        let comparable = position.sequence > 0 && position.stored_at != Timestamp::default();
        comparable.then_some((position.sequence, position.stored_at))
    }
}

impl Cursor {
    fn identity(&self) -> Option<&StreamIdentity> {
        match self {
            Self::Begin(_, identity) => identity.as_ref(),
            Self::After { identity, .. } => Some(identity),
        }
    }

    pub(super) fn position(&self) -> Option<Position> {
        match self {
            Self::Begin(..) => None,
            Self::After { position, .. } => Some(*position),
        }
    }

    fn deliver_begin(&self) -> Deliver {
        match self {
            Self::Begin(Begin::At(moment), _) => Deliver::ByStartTime {
                opt_start_time: rfc3339(*moment),
            },
            Self::Begin(..) | Self::After { .. } => Deliver::All,
        }
    }
}
