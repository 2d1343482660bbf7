//! One JSON object read as an interaction or a survey, or the reason why not.
use std::collections::{BTreeMap, BTreeSet};

use super::json::{Json, is_number};
use super::setup::{Scale, Setup};
use super::time;

/// Longest id, and longest dimension value before it is cut, in bytes.
const LONGEST: usize = 256;

/// Why an event is rejected, in order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    TooLarge,
    InvalidJson,
    UnknownType,
    MissingField,
    InvalidField,
    Future,
    TooLate,
}

impl Reason {
    /// The name in counters and headers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::InvalidJson => "invalid_json",
            Self::UnknownType => "unknown_type",
            Self::MissingField => "missing_field",
            Self::InvalidField => "invalid_field",
            Self::Future => "future",
            Self::TooLate => "too_late",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Interaction,
    Survey,
}

/// One version of a record, with everything that decoding keeps.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Record {
    Interaction(Interaction),
    Survey(Survey),
}

/// A contact that has ended. Times and durations in milliseconds; `dims` holds what the event itself says.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the event has these four flags"
)]
pub(crate) struct Interaction {
    pub id: String,
    pub version: i64,
    pub ended_at: i64,
    pub started_at: Option<i64>,
    pub customer: Option<String>,
    pub issue: Option<String>,
    pub inbound: bool,
    pub wait: Option<i64>,
    pub talk: Option<i64>,
    pub hold: Option<i64>,
    pub wrap: Option<i64>,
    pub handle: Option<i64>,
    pub abandoned: bool,
    pub transferred: bool,
    pub excluded: bool,
    pub resolved: Option<bool>,
    pub dims: BTreeMap<String, String>,
}

/// One customer's answers; scores in thousandths.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Survey {
    pub id: String,
    pub version: i64,
    pub submitted_at: i64,
    pub interaction: Option<String>,
    pub excluded: bool,
    pub csat: Option<i64>,
    pub ces: Option<i64>,
    pub nps: Option<i64>,
    pub resolved: Option<bool>,
    pub dims: BTreeMap<String, String>,
}

impl Record {
    pub(crate) fn time(&self) -> i64 {
        match self {
            Self::Interaction(interaction) => interaction.ended_at,
            Self::Survey(survey) => survey.submitted_at,
        }
    }

    pub(crate) fn version(&self) -> i64 {
        match self {
            Self::Interaction(interaction) => interaction.version,
            Self::Survey(survey) => survey.version,
        }
    }

    pub(crate) fn identity(&self) -> (bool, &str) {
        match self {
            Self::Interaction(interaction) => (true, &interaction.id),
            Self::Survey(survey) => (false, &survey.id),
        }
    }

    pub(crate) fn excluded(&self) -> bool {
        match self {
            Self::Interaction(interaction) => interaction.excluded,
            Self::Survey(survey) => survey.excluded,
        }
    }
}

/// The dimensions events are read for: those of the schema and those configured.
fn dimensions(setup: &Setup) -> BTreeSet<&str> {
    let sets = setup
        .breakdowns
        .iter()
        .chain(&setup.handle_time_breakdowns)
        .flatten();
    let configured = sets.chain(setup.values.keys()).map(String::as_str);
    ["channel", "queue", "agent_id"]
        .into_iter()
        .chain(configured)
        .collect()
}

/// Reads an event. `event_id` and `message_id` stand in where the event has no identity of its own.
pub(crate) fn read(
    setup: &Setup,
    kind: Kind,
    event: &Json,
    event_id: Option<&str>,
    message_id: Option<&str>,
) -> Result<Record, Reason> {
    let mut fields = Fields {
        event,
        missing: false,
        invalid: false,
    };
    let record = match kind {
        Kind::Interaction => interaction(&mut fields, setup).map(Record::Interaction),
        Kind::Survey => survey(&mut fields, setup, event_id, message_id).map(Record::Survey),
    };
    match record {
        _ if fields.missing => Err(Reason::MissingField),
        Some(record) if !fields.invalid => Ok(record),
        _ => Err(Reason::InvalidField),
    }
}

fn interaction(fields: &mut Fields<'_>, setup: &Setup) -> Option<Interaction> {
    fields.require("interaction_id");
    fields.require("ended_at");
    let id = fields.id("interaction_id");
    fields.id("event_id");
    let ended_at = fields.time("ended_at");
    let started_at = fields.time("started_at");
    let version = fields.time("updated_at").or(ended_at);
    fields.invalid |= started_at
        .zip(ended_at)
        .is_some_and(|(start, end)| start > end);
    let read = Interaction {
        id: String::new(),
        version: 0,
        ended_at: 0,
        started_at,
        customer: fields.id("customer_id"),
        issue: fields.id("issue_id"),
        inbound: fields.inbound(),
        wait: fields.duration("wait_seconds"),
        talk: fields.duration("talk_seconds"),
        hold: fields.duration("hold_seconds"),
        wrap: fields.duration("wrap_seconds"),
        handle: fields.duration("handle_seconds"),
        abandoned: fields.flag("abandoned").unwrap_or(false),
        transferred: fields.flag("transferred").unwrap_or(false),
        excluded: fields.flag("excluded").unwrap_or(false),
        resolved: fields.flag("resolved"),
        dims: fields.dimensions(setup),
    };
    Some(Interaction {
        id: id?,
        version: version?,
        ended_at: ended_at?,
        ..read
    })
}

fn survey(
    fields: &mut Fields<'_>,
    setup: &Setup,
    event_id: Option<&str>,
    message_id: Option<&str>,
) -> Option<Survey> {
    fields.require("submitted_at");
    let answers = ["csat", "nps", "ces", "resolved"];
    fields.missing |= answers
        .iter()
        .all(|name| fields.event.member(name).is_none());
    let named = ["survey_id", "event_id"]
        .iter()
        .any(|name| fields.event.member(name).is_some());
    fields.missing |= !named && event_id.is_none() && message_id.is_none();
    let own = fields.id("survey_id");
    let event_own = fields.id("event_id");
    let outside = event_id.or(message_id).map(str::to_owned);
    let id = own.or(event_own).or(outside);
    fields.id("customer_id");
    let submitted_at = fields.time("submitted_at");
    let version = fields.time("updated_at").or(submitted_at);
    let read = Survey {
        id: String::new(),
        version: 0,
        submitted_at: 0,
        interaction: fields.id("interaction_id"),
        excluded: fields.flag("excluded").unwrap_or(false),
        csat: fields.score("csat", setup.csat),
        ces: fields.score("ces", setup.ces),
        nps: fields.score(
            "nps",
            Scale {
                low: 0,
                high: 10_000,
            },
        ),
        resolved: fields.flag("resolved"),
        dims: fields.dimensions(setup),
    };
    fields.invalid |= read.nps.is_some_and(|nps| nps % 1_000 != 0);
    Some(Survey {
        id: id?,
        version: version?,
        submitted_at: submitted_at?,
        ..read
    })
}

/// Reads members and notes what is missing or wrong; the verdict is taken once all have been read.
struct Fields<'a> {
    event: &'a Json,
    missing: bool,
    invalid: bool,
}

impl Fields<'_> {
    fn require(&mut self, name: &str) {
        self.missing |= self.event.member(name).is_none();
    }

    /// Reads a member that is there; what `read` refuses makes the event invalid.
    fn take<T>(&mut self, name: &str, read: impl FnOnce(&Json) -> Option<T>) -> Option<T> {
        let value = read(self.event.member(name)?);
        self.invalid |= value.is_none();
        value
    }

    fn id(&mut self, name: &str) -> Option<String> {
        self.take(name, |value| text(value).filter(|id| id.len() <= LONGEST))
    }

    fn flag(&mut self, name: &str) -> Option<bool> {
        self.take(name, |value| {
            if let Json::Bool(flag) = value {
                Some(*flag)
            } else {
                None
            }
        })
    }

    fn inbound(&mut self) -> bool {
        let inbound = self.take("direction", |value| match value.text() {
            Some("inbound") => Some(true),
            Some("outbound") => Some(false),
            _ => None,
        });
        inbound.unwrap_or(true)
    }

    fn time(&mut self, name: &str) -> Option<i64> {
        self.take(name, |value| {
            let integer = value.integer().and_then(|number| number.parse().ok());
            let integer =
                integer.filter(|instant| (time::FIRST_INTEGER..=time::LAST).contains(instant));
            integer.or_else(|| time::parse(value.text()?))
        })
    }

    fn duration(&mut self, name: &str) -> Option<i64> {
        self.take(name, |value| {
            let seconds: f64 = value.number()?.parse().ok()?;
            (0.0..=1e9)
                .contains(&seconds)
                .then(|| thousandths(seconds))?
        })
    }

    fn score(&mut self, name: &str, scale: Scale) -> Option<i64> {
        self.take(name, |value| {
            let number = value
                .number()
                .or_else(|| value.text().filter(|text| is_number(text)))?;
            let score: f64 = number.parse().ok()?;
            let score = thousandths(score)?;
            (scale.low..=scale.high).contains(&score).then_some(score)
        })
    }

    fn dimensions(&mut self, setup: &Setup) -> BTreeMap<String, String> {
        let mut read = BTreeMap::new();
        for name in dimensions(setup) {
            if let Some(value) = self.take(name, text) {
                read.insert(name.to_owned(), cut(value));
            }
        }
        read
    }
}

/// A string, or the decimal text of an integer.
fn text(value: &Json) -> Option<String> {
    value.text().or_else(|| value.integer()).map(str::to_owned)
}

/// At most 256 bytes, ending at a character.
fn cut(mut value: String) -> String {
    while value.len() > LONGEST {
        value.pop();
    }
    value
}

/// A number times 1000, rounded to the nearest, halves away from 0; `None` far outside any range in use.
fn thousandths(value: f64) -> Option<i64> {
    let rounded = (value * 1_000.0).round();
    if !(-1e15..=1e15).contains(&rounded) {
        return None;
    }
    format!("{rounded:.0}").parse().ok()
}
