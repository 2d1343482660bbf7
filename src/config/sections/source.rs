//! `[source]`: where events come from.

use crate::source::{Mode, Settings, Start};
use crate::time::Timestamp;

use super::super::report::{Given, Report};
use super::super::section::Section;
use super::super::setting::{Fault, Setting};
use super::super::subject;
use super::super::tree::{Node, Value};

/// The settings, and the subjects with their places for checks against other sections.
pub(super) struct Source {
    pub(super) settings: Settings,
    pub(super) subjects: Vec<Given<String>>,
}

pub(super) fn read(root: &mut Section, report: &mut Report) -> Source {
    let default = Settings::default();
    let mut section = root.child(report, "source");
    let modes = [("jetstream", Mode::JetStream), ("core", Mode::Core)];
    let mode = section.choice(report, "mode", default.mode, &modes).value;
    let stream = section.read(report, "stream", default.stream);
    let bad_name = |c: char| c.is_whitespace() || ".*>/\\".contains(c);
    stream.must(
        !stream.value.contains(bad_name),
        report,
        "is not a stream name",
        "stream names have no blanks, dots, slashes or wildcards",
    );
    let subjects = section.read(report, "subjects", default.subjects);
    check_subjects(&subjects, report);
    let start = section.read(report, "start", default.start).value;
    let create = section.read(report, "create", default.create).value;
    section.finish(report);
    let at = &subjects.at;
    Source {
        subjects: subjects
            .value
            .iter()
            .map(|subject| Given {
                value: subject.clone(),
                at: at.clone(),
            })
            .collect(),
        settings: Settings {
            mode,
            stream: stream.value,
            subjects: subjects.value,
            start,
            create,
        },
    }
}

fn check_subjects(subjects: &Given<Vec<String>>, report: &mut Report) {
    subjects.must(
        !subjects.value.is_empty(),
        report,
        "reads nothing",
        "name at least one subject",
    );
    for (index, pattern) in subjects.value.iter().enumerate() {
        if let Some(fault) = subject::pattern_fault(pattern) {
            report.problem(
                &subjects.at,
                format!("`{pattern}` {fault}"),
                "tokens separated by dots; `*` for one token, `>` for the rest",
            );
        }
        let earlier = subjects.value.iter().take(index);
        for other in earlier.filter(|other| subject::overlap(other, pattern)) {
            report.problem(
                &subjects.at,
                format!("`{other}` and `{pattern}` share subjects"),
                "a message would be read twice; keep the wider one",
            );
        }
    }
}

impl Setting for Start {
    fn parse(node: &Node) -> Result<Self, Fault> {
        let text = if let Value::Datetime(text) = &node.value {
            text.clone()
        } else {
            String::parse(node)?
        };
        match text.as_str() {
            "needed" => Ok(Self::Needed),
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            moment => moment
                .parse::<jiff::Timestamp>()
                .map(|moment| Self::At(Timestamp::from_millis(moment.as_millisecond())))
                .map_err(|_| {
                    Fault::new(
                        format!("`{moment}` is neither a start nor a time with an offset"),
                        "\"needed\", \"earliest\", \"latest\" or a time like \"2026-01-31T08:00:00Z\"",
                    )
                }),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Needed => "needed".to_owned(),
            Self::Earliest => "earliest".to_owned(),
            Self::Latest => "latest".to_owned(),
            Self::At(moment) => moment.to_string(),
        }
        .show()
    }
}
