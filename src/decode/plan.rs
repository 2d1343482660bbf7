//! The settings of the decoder turned into tables: which member of a JSON object belongs in which
//! place, and which place holds which field of which kind.

use super::names::Names;
use super::settings::{FieldSource, Settings, Unit};
use super::subject::Pattern;
use super::token::MAX_TEXT_BYTES;
use crate::event::Kind;

/// No event is shorter, bytes: the required fields alone are longer, whatever their names. A message
/// with more events than fit at that length is made of something else, and would take a hundred times
/// its size in rejects.
const LEAST_EVENT_BYTES: usize = 32;

/// A message may have so many events in any case.
const LEAST_MESSAGE_EVENTS: u32 = 1024;

/// Everything decoding needs to know, ready to use.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) names: Names,
    pub(super) kind: Field,
    pub(super) interaction: InteractionFields,
    pub(super) survey: SurveyFields,
    pub(super) cloud_event: CloudEventFields,
    pub(super) interaction_subject: Pattern,
    pub(super) survey_subject: Pattern,
    pub(super) max_event_bytes: usize,
    pub(super) max_message_bytes: usize,
    /// Most events of one message; what follows is one reject.
    pub(super) max_message_events: u32,
    pub(super) csat_scale_milli: (i32, i32),
    pub(super) ces_scale_milli: (i32, i32),
}

/// A field of an event: where it is read and how it is called in details.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// Index of the token that holds the field.
    pub(super) place: usize,
    /// Unit of a number there, if not the contract's.
    pub(super) unit: Option<Unit>,
    /// Name in the contract, followed by the name in the payload where that differs.
    pub(super) name: String,
}

/// The fields of an interaction.
#[derive(Debug)]
pub(super) struct InteractionFields {
    pub(super) interaction_id: Field,
    pub(super) event_id: Field,
    pub(super) updated_at: Field,
    pub(super) customer_id: Field,
    pub(super) issue_id: Field,
    pub(super) direction: Field,
    pub(super) started_at: Field,
    pub(super) ended_at: Field,
    pub(super) wait_seconds: Field,
    pub(super) talk_seconds: Field,
    pub(super) hold_seconds: Field,
    pub(super) wrap_seconds: Field,
    pub(super) handle_seconds: Field,
    pub(super) abandoned: Field,
    pub(super) transferred: Field,
    pub(super) excluded: Field,
    pub(super) resolved: Field,
    pub(super) dimensions: Vec<Field>,
}

/// The fields of a survey.
#[derive(Debug)]
pub(super) struct SurveyFields {
    pub(super) survey_id: Field,
    pub(super) event_id: Field,
    pub(super) updated_at: Field,
    pub(super) customer_id: Field,
    pub(super) interaction_id: Field,
    pub(super) submitted_at: Field,
    pub(super) csat: Field,
    pub(super) nps: Field,
    pub(super) ces: Field,
    pub(super) resolved: Field,
    pub(super) excluded: Field,
    pub(super) comment: Field,
    pub(super) dimensions: Vec<Field>,
}

/// The members of a `CloudEvents` envelope that matter.
#[derive(Debug)]
pub(super) struct CloudEventFields {
    pub(super) specversion: Field,
    pub(super) id: Field,
    pub(super) data: Field,
    pub(super) data_base64: Field,
}

impl Plan {
    pub(super) fn new(settings: &Settings) -> Self {
        let max_message_bytes = settings.max_message_bytes.min(MAX_TEXT_BYTES);
        let mut names = Names::new();
        let kind = plain(&mut names, &settings.kind_field);
        let cloud_event = CloudEventFields {
            specversion: plain(&mut names, "specversion"),
            id: plain(&mut names, "id"),
            data: plain(&mut names, "data"),
            data_base64: plain(&mut names, "data_base64"),
        };
        let interaction = interaction_fields(&mut names, settings);
        let survey = survey_fields(&mut names, settings);
        names.finish();
        Self {
            names,
            kind,
            interaction,
            survey,
            cloud_event,
            interaction_subject: Pattern::new(&settings.interaction_subject),
            survey_subject: Pattern::new(&settings.survey_subject),
            max_event_bytes: settings.max_event_bytes,
            max_message_bytes,
            max_message_events: u32::try_from(max_message_bytes / LEAST_EVENT_BYTES)
                .unwrap_or(u32::MAX)
                .max(LEAST_MESSAGE_EVENTS),
            csat_scale_milli: settings.csat_scale_milli,
            ces_scale_milli: settings.ces_scale_milli,
        }
    }
}

fn interaction_fields(names: &mut Names, settings: &Settings) -> InteractionFields {
    let mut field = |name: &str| field(names, settings, Kind::Interaction, name);
    InteractionFields {
        interaction_id: field("interaction_id"),
        event_id: field("event_id"),
        updated_at: field("updated_at"),
        customer_id: field("customer_id"),
        issue_id: field("issue_id"),
        direction: field("direction"),
        started_at: field("started_at"),
        ended_at: field("ended_at"),
        wait_seconds: field("wait_seconds"),
        talk_seconds: field("talk_seconds"),
        hold_seconds: field("hold_seconds"),
        wrap_seconds: field("wrap_seconds"),
        handle_seconds: field("handle_seconds"),
        abandoned: field("abandoned"),
        transferred: field("transferred"),
        excluded: field("excluded"),
        resolved: field("resolved"),
        dimensions: settings.dimensions.iter().map(|name| field(name)).collect(),
    }
}

fn survey_fields(names: &mut Names, settings: &Settings) -> SurveyFields {
    let mut field = |name: &str| field(names, settings, Kind::Survey, name);
    SurveyFields {
        survey_id: field("survey_id"),
        event_id: field("event_id"),
        updated_at: field("updated_at"),
        customer_id: field("customer_id"),
        interaction_id: field("interaction_id"),
        submitted_at: field("submitted_at"),
        csat: field("csat"),
        nps: field("nps"),
        ces: field("ces"),
        resolved: field("resolved"),
        excluded: field("excluded"),
        comment: field("comment"),
        dimensions: settings.dimensions.iter().map(|name| field(name)).collect(),
    }
}

/// A field of the contract, where the mapping of its kind says or under its own name.
fn field(names: &mut Names, settings: &Settings, kind: Kind, name: &str) -> Field {
    let Some(FieldSource { path, unit }) = settings.fields(kind).get(name) else {
        return plain(names, name);
    };
    let written = path.join(".");
    Field {
        place: names.place(path),
        unit: *unit,
        name: if written == name {
            written
        } else {
            format!("{name} ({written})")
        },
    }
}

/// A member of the outermost object under its own name.
fn plain(names: &mut Names, name: &str) -> Field {
    Field {
        place: names.place(&[name.to_owned()]),
        unit: None,
        name: name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_share_the_place_of_a_shared_path() {
        let plan = Plan::new(&Settings::default());
        assert_eq!(
            plan.interaction.customer_id.place,
            plan.survey.customer_id.place
        );
        assert_ne!(
            plan.interaction.ended_at.place,
            plan.survey.submitted_at.place
        );
    }

    #[test]
    fn a_path_may_lead_through_a_field() {
        let mut settings = Settings::default();
        settings.interaction_fields.insert(
            "queue".into(),
            FieldSource {
                path: vec!["queue".into(), "name".into()],
                unit: None,
            },
        );
        let plan = Plan::new(&settings);
        let outer = plan.names.find(0, b"queue").unwrap();
        let outer = plan.names.member(outer).unwrap();
        let inner = plan.names.find(outer.object.unwrap(), b"name").unwrap();
        let inner = plan.names.member(inner).unwrap();
        assert_eq!(outer.place, Some(plan.survey.dimensions[1].place));
        assert_eq!(inner.place, Some(plan.interaction.dimensions[1].place));
        assert_eq!(outer.below, vec![inner.place.unwrap()]);
        assert_eq!(plan.interaction.dimensions[1].name, "queue (queue.name)");
    }
}
