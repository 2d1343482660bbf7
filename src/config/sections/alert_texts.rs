//! Labels and annotations of an alert.

use std::collections::BTreeMap;

use crate::alert::template;

use super::super::report::Report;
use super::super::section::Section;
use super::dimension;

/// Labels that every notification has already.
const TAKEN_LABELS: [&str; 9] = [
    "alertname",
    "alert",
    "severity",
    "kpi",
    "window",
    "breakdown",
    "quantile",
    "le",
    "value",
];

pub(super) fn read_labels(
    section: &mut Section,
    report: &mut Report,
    breakdown: &[String],
) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut section = section.child(report, "labels");
    for name in section.names() {
        let Some(value) = section.optional::<String>(report, &name) else {
            continue;
        };
        if !dimension::is_label_name(&name) || name.starts_with("__") {
            report.problem(
                &value.at,
                format!("`{name}` is not a label name"),
                "letters, digits and underscores, not beginning with a digit or two underscores",
            );
        } else if TAKEN_LABELS.contains(&name.as_str()) || breakdown.contains(&name) {
            report.problem(
                &value.at,
                format!("every notification has a label `{name}` already"),
                if name == "severity" {
                    "use the key `severity` of the alert"
                } else {
                    "choose another name"
                },
            );
        }
        labels.insert(name, value.value);
    }
    labels
}

pub(super) fn read_annotations(
    section: &mut Section,
    report: &mut Report,
    breakdown: &[String],
) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::new();
    let mut section = section.child(report, "annotations");
    for name in section.names() {
        let Some(text) = section.optional::<String>(report, &name) else {
            continue;
        };
        if !dimension::is_label_name(&name) {
            report.problem(
                &text.at,
                format!("`{name}` is not a name for an annotation"),
                "letters, digits and underscores, not beginning with a digit",
            );
        }
        if let Err(error) = template::check(&text.value, breakdown) {
            report.problem(
                &text.at,
                error.to_string(),
                "placeholders are written {{ value }} or {{ value | round(2) }}",
            );
        }
        annotations.insert(name, text.value);
    }
    annotations
}
