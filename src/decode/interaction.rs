//! From the fields of an event to an [`Interaction`].

use super::content::{Content, Head};
use super::decoded::{Decoded, Place, Verdict};
use super::fault::{Fault, Problem};
use super::plan::{Field, InteractionFields};
use super::reader::{Reader, fault};
use super::surroundings::Surroundings;
use crate::event::{
    Direction, Domain, Event, IdHash, IdHasher, Interaction, Kind, Record, tie_break,
};

/// What [`head_of`] writes: kind, moments, direction and flags, ids, durations.
const HEAD_BYTES: usize = 1 + 3 * 8 + 3 + 2 * 17 + 5 * 8;

/// Reads an interaction; its dimensions are appended to `out`.
pub(super) fn read<'p>(
    fields: &'p InteractionFields,
    reader: &mut Reader<'_, '_>,
    around: &Surroundings<'p>,
    content: &mut Content,
    place: Place,
    out: &mut Decoded,
) -> Result<(), Fault<'p>> {
    for required in [&fields.interaction_id, &fields.ended_at] {
        if !reader.has(required) {
            return fault(required, Problem::Missing);
        }
    }
    around.check_event_id(reader, &fields.event_id)?;
    let Some(interaction_id) = reader.id(&fields.interaction_id)? else {
        return fault(&fields.interaction_id, Problem::Missing);
    };
    let tie = tie_break(interaction_id);
    let id = around.hasher.hash(Domain::Interaction, interaction_id);
    let Some(ended_at) = reader.time(&fields.ended_at)? else {
        return fault(&fields.ended_at, Problem::Missing);
    };
    let started_at = reader.time(&fields.started_at)?;
    if started_at.is_some_and(|started_at| started_at > ended_at) {
        return fault(&fields.started_at, Problem::StartAfterEnd);
    }
    let durations = Durations::read(fields, reader)?;
    let mut interaction = Interaction {
        record: Record {
            id,
            event_time: ended_at,
            version_time: reader.time(&fields.updated_at)?.unwrap_or(ended_at),
            content: 0,
            excluded: reader.flag(&fields.excluded)?.unwrap_or(false),
        },
        tie,
        customer: id_hash(reader, &fields.customer_id, around.hasher, Domain::Customer)?,
        issue: id_hash(reader, &fields.issue_id, around.hasher, Domain::Issue)?,
        direction: reader.direction(&fields.direction)?.unwrap_or_default(),
        abandoned: reader.flag(&fields.abandoned)?.unwrap_or(false),
        transferred: reader.flag(&fields.transferred)?.unwrap_or(false),
        resolved: reader.flag(&fields.resolved)?,
        started_at,
        wait_ms: durations.wait,
        handle_ms: durations.handle_time(),
    };
    content.begin(&head_of(&interaction, &durations));
    let texts = out.read_dimensions(&fields.dimensions, reader, content)?;
    interaction.record.content = content.hash(texts);
    out.push(place, Verdict::Event(Event::Interaction(interaction)));
    Ok(())
}

/// The keyed hash of an optional id.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a hash in a result takes the way through memory, and is asked for before it is there"
)]
pub(super) fn id_hash<'p>(
    reader: &mut Reader<'_, '_>,
    field: &'p Field,
    hasher: &IdHasher,
    domain: Domain,
) -> Result<Option<IdHash>, Fault<'p>> {
    let id = reader.id(field)?;
    Ok(id.map(|id| hasher.hash(domain, id)))
}

/// The durations of one interaction, milliseconds.
#[derive(Debug)]
struct Durations {
    wait: Option<u64>,
    talk: Option<u64>,
    hold: Option<u64>,
    wrap: Option<u64>,
    handle: Option<u64>,
}

impl Durations {
    fn read<'p>(fields: &'p InteractionFields, reader: &Reader<'_, '_>) -> Result<Self, Fault<'p>> {
        Ok(Self {
            wait: reader.duration_ms(&fields.wait_seconds)?,
            talk: reader.duration_ms(&fields.talk_seconds)?,
            hold: reader.duration_ms(&fields.hold_seconds)?,
            wrap: reader.duration_ms(&fields.wrap_seconds)?,
            handle: reader.duration_ms(&fields.handle_seconds)?,
        })
    }

    /// The handle time as stated, else talk + hold + wrap; unknown without talk.
    fn handle_time(&self) -> Option<u64> {
        let hold_and_wrap = self.hold.unwrap_or(0) + self.wrap.unwrap_or(0);
        self.handle.or(self.talk.map(|talk| talk + hold_and_wrap))
    }
}

/// All that is kept of an interaction but its dimensions.
#[inline]
fn head_of(interaction: &Interaction, durations: &Durations) -> Head<HEAD_BYTES> {
    let mut head = Head::new(Kind::Interaction);
    head.time(Some(interaction.record.event_time));
    head.time(Some(interaction.record.version_time));
    head.time(interaction.started_at);
    head.byte(match interaction.direction {
        Direction::Inbound => 0,
        Direction::Outbound => 1,
    });
    head.byte(
        u8::from(interaction.record.excluded)
            | u8::from(interaction.abandoned) << 1
            | u8::from(interaction.transferred) << 2,
    );
    head.flag(interaction.resolved);
    head.id(interaction.customer);
    head.id(interaction.issue);
    head.duration(durations.wait);
    head.duration(durations.talk);
    head.duration(durations.hold);
    head.duration(durations.wrap);
    head.duration(durations.handle);
    head
}
