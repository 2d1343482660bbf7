//! `[events]`: what events look like, also foreign ones.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::decode::{FieldSource, Settings, Unit};
use crate::engine;

use super::super::report::{Given, Report};
use super::super::section::Section;
use super::super::subject;
use super::super::suggestion::nearest;
use super::super::tree::{Node, Value};

/// What the section says.
pub(super) struct Events {
    /// Without dimensions and scales.
    pub(super) decode: Settings,
    pub(super) max_clock_skew: Duration,
    /// The subjects of the kinds with their places, for checks against other sections.
    pub(super) subjects: Vec<Given<String>>,
}

/// The fields of an interaction that can be mapped.
const INTERACTION_FIELDS: [&str; 17] = [
    "interaction_id",
    "event_id",
    "updated_at",
    "customer_id",
    "issue_id",
    "direction",
    "started_at",
    "ended_at",
    "wait_seconds",
    "talk_seconds",
    "hold_seconds",
    "wrap_seconds",
    "handle_seconds",
    "abandoned",
    "transferred",
    "excluded",
    "resolved",
];

/// The fields of a survey that can be mapped.
const SURVEY_FIELDS: [&str; 11] = [
    "survey_id",
    "event_id",
    "updated_at",
    "excluded",
    "customer_id",
    "interaction_id",
    "submitted_at",
    "csat",
    "ces",
    "nps",
    "resolved",
];

const UNITS: [(&str, Unit); 4] = [
    ("ms", Unit::Milliseconds),
    ("s", Unit::Seconds),
    ("m", Unit::Minutes),
    ("h", Unit::Hours),
];

/// Largest message that fits the 32-bit positions of decoding.
const LARGEST_MESSAGE: usize = 1 << 30;

pub(super) fn read(root: &mut Section, report: &mut Report, dimensions: &[String]) -> Events {
    let default = Settings::default();
    let mut section = root.child(report, "events");
    let kind_field = section.read(report, "kind_field", default.kind_field).value;
    let interaction_subject =
        section.read(report, "interaction_subject", default.interaction_subject);
    let survey_subject = section.read(report, "survey_subject", default.survey_subject);
    check_subjects(&interaction_subject, &survey_subject, report);
    let max_event_bytes = section.read(report, "max_event_bytes", default.max_event_bytes);
    let max_message_bytes = section.read(report, "max_message_bytes", default.max_message_bytes);
    check_sizes(&max_event_bytes, &max_message_bytes, report);
    let skew = engine::Settings::default().max_clock_skew;
    let max_clock_skew = section.read(report, "max_clock_skew", skew).value;
    let mut fields = section.child(report, "fields");
    let interaction = fields.child(report, "interaction");
    let interaction_fields = read_fields(interaction, report, &INTERACTION_FIELDS, dimensions);
    let survey = fields.child(report, "survey");
    let survey_fields = read_fields(survey, report, &SURVEY_FIELDS, dimensions);
    fields.finish(report);
    section.finish(report);
    Events {
        decode: Settings {
            kind_field,
            interaction_subject: interaction_subject.value.clone(),
            survey_subject: survey_subject.value.clone(),
            max_event_bytes: max_event_bytes.value,
            max_message_bytes: max_message_bytes.value,
            interaction_fields,
            survey_fields,
            ..Settings::default()
        },
        max_clock_skew,
        subjects: vec![interaction_subject, survey_subject],
    }
}

fn check_subjects(interaction: &Given<String>, survey: &Given<String>, report: &mut Report) {
    for given in [interaction, survey] {
        if let Some(fault) = subject::pattern_fault(&given.value) {
            report.problem(
                &given.at,
                format!("`{}` {fault}", given.value),
                "tokens separated by dots; `*` for one token, `>` for the rest",
            );
        }
    }
    if subject::overlap(&interaction.value, &survey.value) {
        let at = if survey.at.origin.is_given() {
            &survey.at
        } else {
            &interaction.at
        };
        report.warning(
            at,
            format!(
                "`{}` and `{}` share subjects",
                interaction.value, survey.value
            ),
            "a message on both counts as an interaction unless it names its kind",
        );
    }
}

fn check_sizes(event: &Given<usize>, message: &Given<usize>, report: &mut Report) {
    event.not_zero(report, "the default is 262144");
    message.must(
        message.value <= LARGEST_MESSAGE,
        report,
        "is above 1 GiB",
        "NATS messages are at most 64 MiB",
    );
    if message.value < event.value {
        let at = if message.at.origin.is_given() {
            &message.at
        } else {
            &event.at
        };
        report.problem(
            at,
            format!(
                "max_message_bytes {} is below max_event_bytes {}",
                message.value, event.value
            ),
            "a message holds at least one event",
        );
    }
}

/// `NAME = "dotted.path"` or `NAME = { from = "dotted.path", unit = "ms" }`.
fn read_fields(
    mut section: Section,
    report: &mut Report,
    fields: &[&str],
    dimensions: &[String],
) -> BTreeMap<String, FieldSource> {
    let mut mapping = BTreeMap::new();
    for name in section.names() {
        if !fields.contains(&name.as_str()) && !dimensions.contains(&name) {
            let origin = section.take(report, &name).map(|node| node.origin);
            let at = section.at_key(&name, &origin.unwrap_or(section.at().origin));
            report.problem(
                &at,
                "is neither a field nor a configured dimension",
                unknown_field_hint(&name, fields, dimensions),
            );
            continue;
        }
        if let Some(source) = read_field(&mut section, report, &name) {
            mapping.insert(name, source);
        }
    }
    mapping
}

fn unknown_field_hint(name: &str, fields: &[&str], dimensions: &[String]) -> String {
    let known = fields.iter().copied();
    let known = known.chain(dimensions.iter().map(String::as_str));
    match nearest(name, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if name == "type" => "the kind is named by events.kind_field".into(),
        None => format!("to keep it as a dimension, add [dimensions.{name}]"),
    }
}

fn read_field(section: &mut Section, report: &mut Report, name: &str) -> Option<FieldSource> {
    let Some(table) = take_table(section, report, name) else {
        let path = section.optional::<String>(report, name)?;
        return source_of(&path, None, report);
    };
    let mut table = table;
    let from = table.required::<String>(report, "from", "{ from = \"AHT\", unit = \"ms\" }");
    let unit = read_unit(&mut table, report, name);
    table.finish(report);
    source_of(&from?, unit, report)
}

/// The long form, if this is it.
fn take_table(section: &mut Section, report: &mut Report, name: &str) -> Option<Section> {
    let is_table = |node: &Node| matches!(&*node.toml(), Value::Table(_));
    if section.peek(name).is_some_and(is_table) {
        section.optional_child(report, name)
    } else {
        None
    }
}

fn read_unit(table: &mut Section, report: &mut Report, name: &str) -> Option<Unit> {
    if !table.has("unit") {
        return None;
    }
    let unit = table.choice(report, "unit", Unit::Seconds, &UNITS);
    unit.must(
        name.ends_with("_seconds") || name.ends_with("_at"),
        report,
        &format!("`{name}` has no unit"),
        "units go with times and durations",
    );
    Some(unit.value)
}

fn source_of(path: &Given<String>, unit: Option<Unit>, report: &mut Report) -> Option<FieldSource> {
    let names: Vec<String> = path.value.split('.').map(str::to_owned).collect();
    if names.iter().any(String::is_empty) {
        report.problem(
            &path.at,
            format!("`{}` has an empty member name", path.value),
            "member names from the outside in, separated by dots: \"Queue.Name\"",
        );
        return None;
    }
    Some(FieldSource { path: names, unit })
}
