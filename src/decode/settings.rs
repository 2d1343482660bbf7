//! What decoding can be told.

use std::collections::BTreeMap;

use crate::event::Kind;

/// Settings of the decoder; `[events]` of the configuration and the scales of `[kpis]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The field that names the kind; default `type`.
    pub kind_field: String,
    /// Subject (NATS wildcards allowed) whose messages are interactions when the kind field is
    /// absent; default `cx.interactions.>`.
    pub interaction_subject: String,
    /// The same for surveys; default `cx.surveys.>`.
    pub survey_subject: String,
    /// Longest JSON text of one event, bytes; default 262144.
    pub max_event_bytes: usize,
    /// Longest message, bytes; default 8388608.
    pub max_message_bytes: usize,
    /// Where fields of foreign payloads are found: contract field name to its place.
    pub interaction_fields: BTreeMap<String, FieldSource>,
    /// The same for surveys.
    pub survey_fields: BTreeMap<String, FieldSource>,
    /// Names of the dimensions to keep, in the order in which a decoded event carries their values.
    /// Always begins with `channel`, `queue`, `agent_id`.
    pub dimensions: Vec<String>,
    /// Satisfaction scale in thousandths, both ends included; default 1000..=5000.
    pub csat_scale_milli: (i32, i32),
    /// Effort scale in thousandths, both ends included; default 1000..=7000.
    pub ces_scale_milli: (i32, i32),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            kind_field: "type".into(),
            interaction_subject: "cx.interactions.>".into(),
            survey_subject: "cx.surveys.>".into(),
            max_event_bytes: 262_144,
            max_message_bytes: 8_388_608,
            interaction_fields: BTreeMap::new(),
            survey_fields: BTreeMap::new(),
            dimensions: vec!["channel".into(), "queue".into(), "agent_id".into()],
            csat_scale_milli: (1000, 5000),
            ces_scale_milli: (1000, 7000),
        }
    }
}

impl Settings {
    /// The field mapping of one kind.
    pub fn fields(&self, kind: Kind) -> &BTreeMap<String, FieldSource> {
        match kind {
            Kind::Interaction => &self.interaction_fields,
            Kind::Survey => &self.survey_fields,
        }
    }
}

/// Where a field is found in a foreign payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldSource {
    /// Member names from the outside in; one name for a renamed field, several for a dotted path.
    pub path: Vec<String>,
    /// Unit of a number there; `None` keeps the contract's unit.
    pub unit: Option<Unit>,
}

/// Unit of a mapped number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
    /// Hours.
    Hours,
}

impl Unit {
    /// Milliseconds in one unit.
    pub fn millis(self) -> u32 {
        match self {
            Self::Milliseconds => 1,
            Self::Seconds => 1000,
            Self::Minutes => 60_000,
            Self::Hours => 3_600_000,
        }
    }
}
