//! What cxpulse knows of an interaction and a survey once decoded: small, typed, without personal
//! data. Ids of customers, interactions and surveys exist from here on only as keyed hashes.

mod hash;

pub use hash::{Domain, HashKey, IdHash, IdHasher, tie_break};

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// One accepted-in-form event: every field has been checked, no verdict on time has been given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A contact that has ended.
    Interaction(Interaction),
    /// A customer's answers.
    Survey(Survey),
}

impl Event {
    /// What both kinds have in common.
    pub fn record(&self) -> &Record {
        match self {
            Self::Interaction(interaction) => &interaction.record,
            Self::Survey(survey) => &survey.record,
        }
    }

    /// Which kind this is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Interaction(_) => Kind::Interaction,
            Self::Survey(_) => Kind::Survey,
        }
    }
}

/// Interaction or survey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A contact that has ended.
    Interaction,
    /// A customer's answers.
    Survey,
}

impl Kind {
    /// The value of the `kind` label and of the default kind field.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interaction => "interaction",
            Self::Survey => "survey",
        }
    }
}

/// Identity, version and time of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Keyed hash of the identity: `interaction_id`; `survey_id`, else `event_id`, else
    /// `Nats-Msg-Id`.
    pub id: IdHash,
    /// `ended_at` or `submitted_at`.
    pub event_time: Timestamp,
    /// `updated_at`, else the event time. The version with the greatest one counts.
    pub version_time: Timestamp,
    /// Hash over everything that decoding keeps. Two versions with the same version time and the
    /// same content are duplicates.
    pub content: u64,
    /// Withdrawn: the record counts nowhere until a newer version brings it back.
    pub excluded: bool,
}

/// A contact (call, chat, e-mail, ...) that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interaction {
    /// Identity, version, event time (`ended_at`).
    pub record: Record,
    /// XXH64 with seed 0 of the `interaction_id`; orders contacts of the same chain and time.
    pub tie: u64,
    /// Keyed hash of the customer alone; `None` without a `customer_id`.
    pub customer: Option<IdHash>,
    /// Keyed hash of the issue alone; `None` without an `issue_id`.
    pub issue: Option<IdHash>,
    /// Who called whom.
    pub direction: Direction,
    /// Left before an agent answered.
    pub abandoned: bool,
    /// Handed on.
    pub transferred: bool,
    /// What agent or system says of the issue.
    pub resolved: Option<bool>,
    /// When the contact began; never after the event time.
    pub started_at: Option<Timestamp>,
    /// Wait in the queue, milliseconds.
    pub wait_ms: Option<u64>,
    /// Handle time in milliseconds: `handle_seconds`, else talk + hold + wrap with absent hold and
    /// wrap as 0; `None` without talk.
    pub handle_ms: Option<u64>,
}

/// Who called whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// The customer contacted the center.
    #[default]
    Inbound,
    /// The center contacted the customer.
    Outbound,
}

/// One customer's answers; at least one of them is present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survey {
    /// Identity, version, event time (`submitted_at`).
    pub record: Record,
    /// The record id of the contact the survey is about.
    pub interaction: Option<IdHash>,
    /// Satisfaction score in thousandths.
    pub csat_milli: Option<i32>,
    /// Effort score in thousandths.
    pub ces_milli: Option<i32>,
    /// Recommendation, 0..=10.
    pub nps: Option<u8>,
    /// The customer's own answer to "was your issue solved?".
    pub resolved: Option<bool>,
}

/// Why an event was not counted. The order is the order of the checks: the first that applies is
/// the one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The JSON text of the event is longer than `events.max_event_bytes`.
    TooLarge,
    /// Not UTF-8, not JSON, nested deeper than 128, or not an object.
    InvalidJson,
    /// No kind, or an unknown one.
    UnknownType,
    /// A required field is absent.
    MissingField,
    /// A field has the wrong JSON type or is out of range.
    InvalidField,
    /// The event time is ahead of the store time by more than `events.max_clock_skew`.
    Future,
    /// The event time is older than stream time by more than `ledger.allowed_lateness`.
    TooLate,
}

impl Reason {
    /// All reasons, in the order of the checks.
    pub const ALL: [Self; 7] = [
        Self::TooLarge,
        Self::InvalidJson,
        Self::UnknownType,
        Self::MissingField,
        Self::InvalidField,
        Self::Future,
        Self::TooLate,
    ];

    /// The value of the `reason` label and of the `Cx-Reason` header.
    pub fn name(self) -> &'static str {
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

/// An event that was not counted, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The reason, for counting.
    pub reason: Reason,
    /// Field and what was wrong, for people; never holds ids or comments.
    pub detail: String,
    /// The kind, where it was known when the event was rejected.
    pub kind: Option<Kind>,
}
