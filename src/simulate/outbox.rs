//! What is told of contacts and surveys, and when: versions, duplicates, late ones and broken ones
//! wait here for the moment of their publication.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::time::Timestamp;

use super::contact::{Contact, Version};
use super::malformed;
use super::random::{Random, mix};
use super::settings::{Mishaps, Settings};
use super::survey::Survey;

/// One message of the simulated center.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedEvent {
    /// When it is published; at or a little after what it tells of.
    pub publish_at: Timestamp,
    /// `cx.interactions.<channel>` or `cx.surveys.<channel>`.
    pub subject: &'static str,
    /// One event as JSON; now and then something broken.
    pub payload: String,
    /// For `Nats-Msg-Id`: differs for every message, also for one that repeats a record.
    pub message_id: String,
}

#[derive(Debug)]
pub(super) struct Outbox {
    /// The earliest first; filled by contacts, emptied by the reader of the center. At most
    /// `max_pending` and what is published within two minutes of its contact.
    pending: BinaryHeap<Reverse<Pending>>,
    max_pending: usize,
    mishaps: Mishaps,
    /// Messages so far.
    messages: u64,
    names: Names,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pending {
    publish_at: Timestamp,
    serial: u64,
    subject: &'static str,
    payload: String,
}

/// Prefixes that keep the ids of different seeds and starts apart: a second run into the same
/// stream must not look like corrections of the first.
#[derive(Debug)]
struct Names {
    interaction: String,
    survey: String,
    message: String,
}

impl Outbox {
    pub(super) fn new(seed: u64, settings: &Settings) -> Self {
        let run = mix(seed ^ mix(settings.start.as_millis().unsigned_abs())) >> 32;
        Self {
            pending: BinaryHeap::new(),
            max_pending: settings.max_pending,
            mishaps: settings.mishaps,
            messages: 0,
            names: Names {
                interaction: format!("i-{run:08x}-"),
                survey: format!("s-{run:08x}-"),
                message: format!("m-{run:08x}-"),
            },
        }
    }

    /// When the next message is due.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.pending.peek().map(|Reverse(first)| first.publish_at)
    }

    pub(super) fn pop(&mut self) -> Option<SimulatedEvent> {
        let Reverse(first) = self.pending.pop()?;
        let mut message_id = self.names.message.clone();
        message_id.push_str(itoa::Buffer::new().format(first.serial));
        Some(SimulatedEvent {
            publish_at: first.publish_at,
            subject: first.subject,
            payload: first.payload,
            message_id,
        })
    }

    /// Publishes a contact soon after its end, and whatever is odd about it.
    pub(super) fn contact(&mut self, contact: &Contact, random: &mut Random) {
        let mut version = Version {
            updated_at: None,
            wrap_ms: contact.wrap_ms,
            excluded: false,
        };
        let wraps_late = !contact.abandoned && random.chance(self.mishaps.late_wrap);
        if wraps_late {
            version.wrap_ms /= 3;
        }
        let ended_at = contact.situation.ended_at;
        let mut publish_at = ended_at.plus_millis(random.between(200, 1500));
        if random.chance(self.mishaps.late) {
            publish_at = publish_at.plus_millis(random.between(5000, 90_000));
        }
        self.version(contact, &version, publish_at);
        if random.chance(self.mishaps.duplicate) {
            let again_at = publish_at.plus_millis(random.between(100, 30_000));
            self.version(contact, &version, again_at);
        }
        if wraps_late {
            version.wrap_ms = contact.wrap_ms;
            let updated_at = ended_at.plus_millis(random.between(30_000, 600_000));
            self.newer(contact, version, updated_at);
        }
        if random.chance(self.mishaps.withdrawn) {
            version.excluded = true;
            let updated_at = ended_at.plus_millis(random.between(900_000, 7_200_000));
            self.newer(contact, version, updated_at);
        }
    }

    fn newer(&mut self, contact: &Contact, version: Version, updated_at: Timestamp) {
        if self.is_full() {
            return;
        }
        let newer = Version {
            updated_at: Some(updated_at),
            ..version
        };
        self.version(contact, &newer, updated_at.plus_millis(300));
    }

    fn version(&mut self, contact: &Contact, version: &Version, publish_at: Timestamp) {
        let mut payload = String::with_capacity(480);
        contact.write(version, &self.names.interaction, &mut payload);
        let subject = contact.channel().interaction_subject();
        self.push(publish_at, subject, payload);
    }

    /// Publishes the answers when they are submitted, and perhaps a correction of a score.
    pub(super) fn survey(&mut self, mut survey: Survey, random: &mut Random) {
        if self.is_full() {
            survey.hurry();
        }
        let publish_at = survey.submitted_at.plus_millis(random.between(100, 900));
        self.answers(&survey, None, publish_at);
        if random.chance(self.mishaps.corrected_score) && !self.is_full() {
            survey.correct(random);
            let after_ms = random.between(600_000, 14_400_000);
            let updated_at = survey.submitted_at.plus_millis(after_ms);
            self.answers(&survey, Some(updated_at), updated_at.plus_millis(300));
        }
    }

    fn answers(&mut self, survey: &Survey, updated_at: Option<Timestamp>, publish_at: Timestamp) {
        let mut payload = String::with_capacity(320);
        let ids = (self.names.survey.as_str(), self.names.interaction.as_str());
        survey.write(updated_at, ids, &mut payload);
        self.push(publish_at, survey.channel().survey_subject(), payload);
    }

    /// Publishes a broken version of `stranger`, a contact that took place for this purpose only.
    pub(super) fn malformed(&mut self, stranger: &Contact, random: &mut Random) {
        let mut payload = String::with_capacity(480);
        let version = Version {
            updated_at: None,
            wrap_ms: stranger.wrap_ms,
            excluded: false,
        };
        stranger.write(&version, &self.names.interaction, &mut payload);
        let publish_at = stranger.situation.ended_at.plus_millis(250);
        let subject = stranger.channel().interaction_subject();
        self.push(publish_at, subject, malformed::spoil(payload, random));
    }

    fn push(&mut self, publish_at: Timestamp, subject: &'static str, payload: String) {
        self.messages += 1;
        self.pending.push(Reverse(Pending {
            publish_at,
            serial: self.messages,
            subject,
            payload,
        }));
    }

    /// Messages that wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    fn is_full(&self) -> bool {
        self.pending.len() >= self.max_pending
    }
}
