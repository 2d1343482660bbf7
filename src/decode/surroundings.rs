//! What the message around an event lends it.

use std::fmt::Write;

use super::fault::{Fault, Problem};
use super::plan::Field;
use super::reader::{Reader, check_id};
use crate::event::{Domain, IdHash, IdHasher};

/// How the ids that do not stand in the event are called in details.
const CLOUD_EVENT_ID: &str = "id of the CloudEvent";
const MESSAGE_ID: &str = "Nats-Msg-Id";

/// What the message around an event lends it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings<'m> {
    /// Hashes ids.
    pub(super) hasher: &'m IdHasher,
    /// The id of the cloud event that carries the event.
    pub(super) cloud_event_id: Option<Result<&'m str, Problem>>,
    /// Place of the event among several of one cloud event; `None` when it is the only one.
    pub(super) cloud_event_index: Option<u32>,
    /// The `Nats-Msg-Id` header.
    pub(super) message_id: Option<&'m str>,
}

impl<'m> Surroundings<'m> {
    /// Checks the `event_id`, its own or the one lent.
    pub(super) fn check_event_id<'p>(
        &self,
        reader: &mut Reader<'_, '_>,
        event_id: &'p Field,
    ) -> Result<(), Fault<'p>> {
        if reader.id(event_id)?.is_none()
            && let Some(Err(problem)) = self.cloud_event_id
        {
            return Err(Fault::new(CLOUD_EVENT_ID, problem));
        }
        Ok(())
    }

    /// The message has an id that can serve an event without one.
    pub(super) fn has_id(&self) -> bool {
        self.cloud_event_id.is_some() || self.message_id.is_some()
    }

    /// The hash of the id that serves an event without one: the cloud event's (with `#` and the
    /// index where it carries several), else the message's.
    pub(super) fn id_hash(&self, domain: Domain) -> Result<Option<IdHash>, Fault<'m>> {
        let hash = |id: &str| Some(self.hasher.hash(domain, id.as_bytes()));
        if let Some(id) = self.cloud_event_id {
            let id = id.map_err(|problem| Fault::new(CLOUD_EVENT_ID, problem))?;
            return Ok(match self.cloud_event_index {
                None => hash(id),
                Some(index) => hash(&numbered(id, index)),
            });
        }
        let Some(id) = self.message_id else {
            return Ok(None);
        };
        match check_id(id) {
            Ok(id) => Ok(hash(id)),
            Err(problem) => Err(Fault::new(MESSAGE_ID, problem)),
        }
    }
}

fn numbered(id: &str, index: u32) -> String {
    let mut text = String::with_capacity(id.len() + 11);
    text.push_str(id);
    // Writing to a string cannot fail.
    write!(text, "#{index}").unwrap_or_default();
    text
}
