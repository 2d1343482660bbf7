//! What the reference is told: the settings that change a number, and the messages. Own plain types, nothing shared with the crate.
use std::collections::BTreeMap;

use serde::Serialize;

/// All settings a KPI depends on. Times and lengths in milliseconds, scores in thousandths.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Setup {
    pub windows: Vec<Window>,
    /// Dimension names of each breakdown, `[]` being overall.
    pub breakdowns: Vec<Vec<String>>,
    /// `[dimensions.X] values`: anything else of X is booked under `__other__`.
    pub values: BTreeMap<String, Vec<String>>,
    pub handle_time_breakdowns: Vec<Vec<String>>,
    pub short_abandon_ms: i64,
    pub survey_join_within_ms: i64,
    pub service_level: ServiceLevel,
    pub csat: Scale,
    pub csat_satisfied_from: i64,
    pub ces: Scale,
    pub fcr: Fcr,
    pub allowed_lateness_ms: i64,
    pub max_clock_skew_ms: i64,
    pub max_event_bytes: usize,
    pub max_message_bytes: usize,
    pub kind_field: String,
    pub interaction_subject: String,
    pub survey_subject: String,
}

/// One window. The pane divides the length.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Window {
    pub name: String,
    /// 0 for the day so far.
    pub length_ms: i64,
    pub pane_ms: i64,
    pub delay_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<Day>,
}

/// The day so far begins at this hour of the clocks of a zone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Day {
    /// `HH:MM`
    pub since: String,
    /// `UTC` or `Europe/Rome`
    pub zone: String,
}

impl Day {
    /// The window of this day.
    pub(crate) fn window(since: &str, zone: &str) -> Window {
        Window {
            name: format!("since {since} {zone}"),
            length_ms: 0,
            pane_ms: 60_000,
            delay_ms: 0,
            day: Some(Self {
                since: since.to_owned(),
                zone: zone.to_owned(),
            }),
        }
    }
}

/// Lowest and highest score, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Scale {
    pub low: i64,
    pub high: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ServiceLevel {
    pub formula: Formula,
    pub target_ms: i64,
    /// The first match gives the target of a contact.
    pub rules: Vec<TargetRule>,
}

/// `[[kpis.service_level.where]]`: every given member must match.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct TargetRule {
    pub channel: Option<String>,
    pub queue: Option<String>,
    pub target_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Formula {
    ExcludeShort,
    AbandonPositive,
    AnsweredOnly,
    AbandonNegative,
    IgnoreEarlyAbandon,
    ShortPositive,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Fcr {
    pub method: Method,
    pub horizon_ms: i64,
    pub match_on: MatchOn,
    pub transfer_fails: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Method {
    RepeatContact,
    Flag,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MatchOn {
    CustomerAndIssue,
    Customer,
}

/// One stored message. Headers are looked up without regard to case.
#[derive(Clone, PartialEq)]
pub(crate) struct Message {
    pub subject: String,
    pub headers: Vec<(String, String)>,
    pub payload: Vec<u8>,
    pub stored_at: i64,
}

/// The payload as text: a failing case is read by people.
impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let payload = String::from_utf8_lossy(&self.payload);
        write!(
            f,
            "{:?} {:?} @{} {payload}",
            self.subject, self.headers, self.stored_at
        )
    }
}

impl Message {
    /// The first header of that name; an empty one equals none.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(header, _)| header.eq_ignore_ascii_case(name))?;
        (!found.1.is_empty()).then_some(found.1.as_str())
    }
}

impl Default for Setup {
    /// The documented defaults of the contract.
    fn default() -> Self {
        let window = |name: &str, minutes: i64| Window {
            name: name.to_owned(),
            length_ms: minutes * 60_000,
            pane_ms: minutes * 1_000,
            delay_ms: 0,
            day: None,
        };
        let set = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        Self {
            windows: vec![window("5m", 5), window("1h", 60), window("24h", 1440)],
            breakdowns: vec![set(&[]), set(&["queue"]), set(&["channel"])],
            values: BTreeMap::new(),
            handle_time_breakdowns: vec![set(&[]), set(&["queue"])],
            short_abandon_ms: 5_000,
            survey_join_within_ms: 72 * 3_600_000,
            service_level: ServiceLevel {
                formula: Formula::ExcludeShort,
                target_ms: 20_000,
                rules: Vec::new(),
            },
            csat: Scale {
                low: 1_000,
                high: 5_000,
            },
            csat_satisfied_from: 4_000,
            ces: Scale {
                low: 1_000,
                high: 7_000,
            },
            fcr: Fcr {
                method: Method::RepeatContact,
                horizon_ms: 7 * 86_400_000,
                match_on: MatchOn::CustomerAndIssue,
                transfer_fails: true,
            },
            allowed_lateness_ms: 86_400_000,
            max_clock_skew_ms: 60_000,
            max_event_bytes: 262_144,
            max_message_bytes: 8_388_608,
            kind_field: "type".to_owned(),
            interaction_subject: "cx.interactions.>".to_owned(),
            survey_subject: "cx.surveys.>".to_owned(),
        }
    }
}
