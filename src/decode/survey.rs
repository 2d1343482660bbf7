//! From the fields of an event to a [`Survey`].

use super::content::{Content, Head};
use super::decoded::{Decoded, Place, Verdict};
use super::fault::{Fault, Problem};
use super::interaction::id_hash;
use super::plan::{Field, Plan, SurveyFields};
use super::reader::{Reader, fault};
use super::surroundings::Surroundings;
use crate::event::{Domain, Event, IdHash, Kind, Record, Survey};

/// The recommendation scale in thousandths.
const NPS_SCALE_MILLI: (i32, i32) = (0, 10_000);

/// What [`head_of`] writes: kind, moments, the one flag, ids, scores, recommendation, answer.
const HEAD_BYTES: usize = 1 + 2 * 8 + 1 + 2 * 17 + 2 * 5 + 2;

/// Reads a survey; its dimensions are appended to `out`.
pub(super) fn read<'p>(
    plan: &'p Plan,
    reader: &mut Reader<'_, '_>,
    around: &Surroundings<'p>,
    content: &mut Content,
    place: Place,
    out: &mut Decoded,
) -> Result<(), Fault<'p>> {
    let fields = &plan.survey;
    check_required(fields, reader, around)?;
    around.check_event_id(reader, &fields.event_id)?;
    let id = identity(fields, reader, around)?;
    let Some(submitted_at) = reader.time(&fields.submitted_at)? else {
        return fault(&fields.submitted_at, Problem::Missing);
    };
    reader.text_or_absent(&fields.comment)?;
    let customer = id_hash(reader, &fields.customer_id, around.hasher, Domain::Customer)?;
    let mut survey = Survey {
        record: Record {
            id,
            event_time: submitted_at,
            version_time: reader.time(&fields.updated_at)?.unwrap_or(submitted_at),
            content: 0,
            excluded: reader.flag(&fields.excluded)?.unwrap_or(false),
        },
        interaction: id_hash(
            reader,
            &fields.interaction_id,
            around.hasher,
            Domain::Interaction,
        )?,
        csat_milli: reader.score_milli(&fields.csat, plan.csat_scale_milli)?,
        ces_milli: reader.score_milli(&fields.ces, plan.ces_scale_milli)?,
        nps: recommendation(reader, &fields.nps)?,
        resolved: reader.flag(&fields.resolved)?,
    };
    content.begin(&head_of(&survey, customer));
    let texts = out.read_dimensions(&fields.dimensions, reader, content)?;
    survey.record.content = content.hash(texts);
    out.push(place, Verdict::Event(Event::Survey(survey)));
    Ok(())
}

/// Checks that there is an identity, a time and an answer.
fn check_required<'p>(
    fields: &'p SurveyFields,
    reader: &Reader<'_, '_>,
    around: &Surroundings<'p>,
) -> Result<(), Fault<'p>> {
    if !reader.has(&fields.survey_id) && !reader.has(&fields.event_id) && !around.has_id() {
        return fault(&fields.survey_id, Problem::Missing);
    }
    if !reader.has(&fields.submitted_at) {
        return fault(&fields.submitted_at, Problem::Missing);
    }
    let answers = [&fields.csat, &fields.nps, &fields.ces, &fields.resolved];
    if !answers.into_iter().any(|answer| reader.has(answer)) {
        return Err(Fault::new(
            "one of csat, nps, ces, resolved",
            Problem::Missing,
        ));
    }
    Ok(())
}

/// `survey_id`, else `event_id`, else what the message lends.
fn identity<'p>(
    fields: &'p SurveyFields,
    reader: &mut Reader<'_, '_>,
    around: &Surroundings<'p>,
) -> Result<IdHash, Fault<'p>> {
    for field in [&fields.survey_id, &fields.event_id] {
        if let Some(id) = id_hash(reader, field, around.hasher, Domain::Survey)? {
            return Ok(id);
        }
    }
    match around.id_hash(Domain::Survey)? {
        Some(id) => Ok(id),
        None => fault(&fields.survey_id, Problem::Missing),
    }
}

/// The answer to "would you recommend us?", 0 to 10.
fn recommendation<'p>(
    reader: &mut Reader<'_, '_>,
    field: &'p Field,
) -> Result<Option<u8>, Fault<'p>> {
    let Some(milli) = reader.score_milli(field, NPS_SCALE_MILLI)? else {
        return Ok(None);
    };
    match u8::try_from(milli / 1000) {
        Ok(whole) if milli % 1000 == 0 => Ok(Some(whole)),
        Ok(_) | Err(_) => fault(field, Problem::NotWhole),
    }
}

/// All that is kept of a survey but its dimensions.
#[inline]
fn head_of(survey: &Survey, customer: Option<IdHash>) -> Head<HEAD_BYTES> {
    let mut head = Head::new(Kind::Survey);
    head.time(Some(survey.record.event_time));
    head.time(Some(survey.record.version_time));
    head.byte(u8::from(survey.record.excluded));
    head.id(customer);
    head.id(survey.interaction);
    head.score(survey.csat_milli);
    head.score(survey.ces_milli);
    head.byte(survey.nps.unwrap_or(u8::MAX));
    head.flag(survey.resolved);
    head
}
