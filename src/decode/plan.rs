//! The settings of the decoder turned into tables: which member of a JSON object belongs in which
//! place, and which place holds which field of which kind.

use super::json::index;
use super::settings::{FieldSource, Settings, Unit};
use super::subject::Pattern;
use crate::event::Kind;

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
            // Places within a message are kept in 32 bits.
            max_message_bytes: settings
                .max_message_bytes
                .min(usize::try_from(u32::MAX).unwrap_or(usize::MAX)),
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

/// The member names that matter, as a tree of objects: the outermost object and those that a
/// mapping looks into.
#[derive(Debug)]
pub(super) struct Names {
    objects: Vec<ObjectNames>,
    members: Vec<Member>,
    places: usize,
}

/// The members that matter of one object.
#[derive(Debug, Default)]
struct ObjectNames {
    /// Indices into `Names::members`.
    members: Vec<usize>,
    /// Hash table of the same with linear probing, a power of two long and at most a quarter full.
    table: Vec<Option<u32>>,
}

/// One member that matters.
#[derive(Debug)]
pub(super) struct Member {
    name: String,
    /// The name as it stands in a compact text: comma, quoted name, colon. Zeros follow.
    written: [u64; WORDS],
    /// Ones where `written` counts.
    mask: [u64; WORDS],
    /// Bytes of `written`; `None` when the name is too long for it.
    length: Option<usize>,
    /// Where the value is kept, if anyone wants it as a whole.
    pub(super) place: Option<usize>,
    /// Which object to look into, if a mapping does.
    pub(super) object: Option<usize>,
    /// All places below `object`: an earlier member of the same name must leave nothing there.
    pub(super) below: Vec<usize>,
}

impl Names {
    fn new() -> Self {
        Self {
            objects: vec![ObjectNames::default()],
            members: Vec::new(),
            places: 0,
        }
    }

    /// Number of places.
    pub(super) fn places(&self) -> usize {
        self.places
    }

    /// Number of members that matter.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Number of objects that matter.
    pub(super) fn objects(&self) -> usize {
        self.objects.len()
    }

    /// The member of that index.
    #[inline]
    pub(super) fn member(&self, member: usize) -> Option<&Member> {
        self.members.get(member)
    }

    /// The member called `name` in object number `object`.
    #[inline]
    pub(super) fn find(&self, object: usize, name: &[u8]) -> Option<usize> {
        let table = &self.objects.get(object)?.table;
        let mask = table.len().wrapping_sub(1);
        let mut at = hash(name) & mask;
        while let Some(&Some(entry)) = table.get(at) {
            let member = index(entry);
            if self.members.get(member)?.name.as_bytes() == name {
                return Some(member);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// The place at the end of `path`, made if it is new.
    fn place(&mut self, path: &[String]) -> usize {
        let mut object = 0;
        let mut member = None;
        for name in path {
            if let Some(above) = member {
                object = self.object_of(above);
            }
            member = Some(self.member_of(object, name));
        }
        let next = self.places;
        match member.and_then(|member| self.members.get_mut(member)) {
            Some(Member {
                place: Some(place), ..
            }) => *place,
            Some(member) => {
                member.place = Some(next);
                self.places += 1;
                next
            }
            // An empty path leads nowhere: a place that is never filled.
            None => {
                self.places += 1;
                next
            }
        }
    }

    fn member_of(&mut self, object: usize, name: &str) -> usize {
        let known = self.objects.get(object).and_then(|object| {
            let mut members = object.members.iter().copied();
            members.find(|&member| self.members.get(member).is_some_and(|m| m.name == name))
        });
        known.unwrap_or_else(|| {
            let member = self.members.len();
            self.members.push(Member::new(name));
            if let Some(object) = self.objects.get_mut(object) {
                object.members.push(member);
            }
            member
        })
    }

    fn object_of(&mut self, member: usize) -> usize {
        let next = self.objects.len();
        match self.members.get_mut(member) {
            Some(member) if member.object.is_none() => {
                member.object = Some(next);
                self.objects.push(ObjectNames::default());
                next
            }
            Some(member) => member.object.unwrap_or(next),
            None => next,
        }
    }

    /// Fills the hash tables and lists what lies below each member.
    fn finish(&mut self) {
        for member in 0..self.members.len() {
            let mut below = Vec::new();
            self.collect_below(member, &mut below);
            if let Some(member) = self.members.get_mut(member) {
                member.below = below;
            }
        }
        for object in &mut self.objects {
            let size = (object.members.len() * 4).next_power_of_two();
            let mut table = vec![None; size];
            for &member in &object.members {
                let name = self
                    .members
                    .get(member)
                    .map(|member| member.name.as_bytes());
                let mut at = hash(name.unwrap_or_default()) & (size - 1);
                while let Some(Some(_)) = table.get(at) {
                    at = (at + 1) & (size - 1);
                }
                if let Some(slot) = table.get_mut(at) {
                    *slot = u32::try_from(member).ok();
                }
            }
            object.table = table;
        }
    }

    fn collect_below(&self, member: usize, below: &mut Vec<usize>) {
        let object = self.members.get(member).and_then(|member| member.object);
        let Some(object) = object.and_then(|object| self.objects.get(object)) else {
            return;
        };
        for &inner in &object.members {
            below.extend(self.members.get(inner).and_then(|inner| inner.place));
            self.collect_below(inner, below);
        }
    }
}

impl Member {
    fn new(name: &str) -> Self {
        // As JSON writes it, so that an odd name cannot match what is not JSON.
        let written = format!(",{}:", serde_json::Value::from(name));
        let ones: Vec<u8> = written.bytes().map(|_| u8::MAX).collect();
        let words = words_of(written.as_bytes());
        Self {
            name: name.to_owned(),
            written: words.unwrap_or_default(),
            mask: words_of(&ones).unwrap_or_default(),
            length: words.map(|_| written.len()),
            place: None,
            object: None,
            below: Vec::new(),
        }
    }

    /// Length of a comma, this member's name in quotes and a colon, if `text` begins with exactly
    /// those. A text that is nearly at its end is not looked at.
    #[inline]
    pub(super) fn prefix_of(&self, text: &[u8]) -> Option<usize> {
        let (words, _) = text.first_chunk::<{ WORDS * 8 }>()?.as_chunks::<8>();
        let mut difference = 0;
        for ((word, mask), written) in words.iter().zip(self.mask).zip(self.written) {
            difference |= (u64::from_le_bytes(*word) & mask) ^ written;
        }
        if difference == 0 { self.length } else { None }
    }
}

/// Words of eight bytes that hold the names of members for comparison.
const WORDS: usize = 3;

/// `bytes` in words, with zeros behind; `None` when they are too many.
fn words_of(bytes: &[u8]) -> Option<[u64; WORDS]> {
    let mut words = [0; WORDS];
    let mut rest = bytes;
    for word in &mut words {
        let (now, later) = rest.split_at(rest.len().min(8));
        let mut eight = [0; 8];
        eight.get_mut(..now.len())?.copy_from_slice(now);
        *word = u64::from_le_bytes(eight);
        rest = later;
    }
    rest.is_empty().then_some(words)
}

/// A hash that tells short names apart by length and three of their bytes.
#[inline]
fn hash(name: &[u8]) -> usize {
    let byte = |at: usize| name.get(at).copied().map_or(0, usize::from);
    let length = name.len();
    byte(0)
        .wrapping_mul(31)
        .wrapping_add(byte(length / 2).wrapping_mul(7))
        .wrapping_add(byte(length.wrapping_sub(2)))
        .wrapping_add(length.wrapping_mul(13))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_no_other() {
        let plan = Plan::new(&Settings::default());
        for member in 0..plan.names.len() {
            let name = plan.names.member(member).unwrap().name.clone();
            assert_eq!(plan.names.find(0, name.as_bytes()), Some(member), "{name}");
            assert_eq!(plan.names.find(0, format!("{name}x").as_bytes()), None);
        }
        assert_eq!(plan.names.find(0, b""), None);
        assert_eq!(plan.names.find(9, b"type"), None);
    }

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
