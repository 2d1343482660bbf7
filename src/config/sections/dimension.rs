//! Names of dimensions, and `[dimensions.NAME]`: the values they are known to have.

use std::collections::BTreeMap;

use super::super::report::{At, Report};
use super::super::section::Section;
use super::super::suggestion::nearest;

/// Labels that the metrics page uses itself.
const RESERVED: [&str; 12] = [
    "window",
    "breakdown",
    "kpi",
    "quantile",
    "le",
    "alert",
    "severity",
    "job",
    "instance",
    "abandoned",
    "question",
    "category",
];

/// What must never become a label.
const PRIVATE: [&str; 6] = [
    "customer_id",
    "interaction_id",
    "survey_id",
    "issue_id",
    "event_id",
    "comment",
];

/// The dimensions that need no configuration.
const STANDARD: [&str; 3] = ["channel", "queue", "agent_id"];

/// The value of a dimension that an event does not have.
const ABSENT: &str = "unknown";

/// Values that no event has to bring.
const BOOKED: [&str; 3] = [ABSENT, "__other__", "__overflow__"];

/// Longest value of a dimension, bytes.
const LONGEST_VALUE: usize = 256;

/// Reports a name that cannot be a dimension.
pub(super) fn check_name(name: &str, at: &At, report: &mut Report) {
    if PRIVATE.contains(&name) {
        report.problem(
            at,
            format!("`{name}` identifies a person or a record and cannot be a dimension"),
            "break down by queue, channel, team or another group",
        );
    } else if RESERVED.contains(&name) || name.starts_with("__") {
        report.problem(
            at,
            format!("`{name}` is a label of the metrics page and cannot be a dimension"),
            "rename it with events.fields: `my_name = \"field\"`",
        );
    } else if !is_label_name(name) {
        report.problem(
            at,
            format!("`{name}` is not a label name"),
            "letters, digits and underscores, not beginning with a digit",
        );
    } else if !STANDARD.contains(&name)
        && let Some(meant) = nearest(name, STANDARD).filter(|_| name.len() > 3)
    {
        report.warning(
            at,
            format!("dimension `{name}` is close to `{meant}`"),
            "a dimension that no event has is `unknown` everywhere",
        );
    }
}

/// True for a label name of Prometheus.
pub(super) fn is_label_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// `[dimensions.NAME]`.
#[derive(Default)]
pub(in super::super) struct Known {
    /// Every name, to be kept from events.
    pub(super) names: Vec<String>,
    /// The values of those that list them; what is not listed is booked under `__other__`.
    pub(super) values: BTreeMap<String, Vec<String>>,
}

/// Reads `[dimensions]`. A dimension without values is only kept.
pub(super) fn read_known(root: &mut Section, report: &mut Report) -> Known {
    let mut known = Known::default();
    let mut dimensions = root.child(report, "dimensions");
    for name in dimensions.names() {
        let Some(mut section) = dimensions.optional_child(report, &name) else {
            continue;
        };
        check_name(&name, &section.at(), report);
        let values = section.optional::<Vec<String>>(report, "values");
        section.finish(report);
        known.names.push(name.clone());
        let Some(values) = values.filter(|values| !values.value.is_empty()) else {
            continue;
        };
        for (index, value) in values.value.iter().enumerate() {
            if let Some(fault) = value_fault(value, values.value.iter().take(index)) {
                report.problem(
                    &values.at,
                    format!("`{value}` {fault}"),
                    "take it out of the list",
                );
            }
        }
        known.values.insert(name, values.value);
    }
    known
}

impl Known {
    /// How many values the dimension lists; `None` when it lists none.
    pub(in super::super) fn count(&self, name: &str) -> Option<f64> {
        let count = self.values.get(name)?.len();
        u32::try_from(count).ok().map(f64::from)
    }

    /// Warns of a value to compare with that the dimension is not known to have.
    pub(super) fn advise(&self, name: &str, value: &str, at: &At, report: &mut Report) {
        let Some(values) = self.values.get(name) else {
            return;
        };
        if BOOKED.contains(&value) || values.iter().any(|known| known == value) {
            return;
        }
        let meant = nearest(value, values.iter().map(String::as_str));
        report.warning(
            at,
            format!("`{value}` is not among dimensions.{name}.values"),
            meant.map_or_else(
                || "what is not listed there is booked under `__other__`".into(),
                |meant| format!("did you mean `{meant}`?"),
            ),
        );
    }
}

fn value_fault<'a>(
    value: &String,
    mut earlier: impl Iterator<Item = &'a String>,
) -> Option<&'static str> {
    if value.len() > LONGEST_VALUE {
        return Some("is longer than 256 bytes");
    }
    if value != ABSENT && BOOKED.contains(&value.as_str()) {
        return Some("is booked by cxpulse itself");
    }
    earlier
        .any(|other| other == value)
        .then_some("is listed twice")
}
