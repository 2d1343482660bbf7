//! Which messages of the stream are ours. For each message that it sends a server with filters does
//! about a third more than one without, so it is asked for the whole stream where all of it is ours.

use crate::nats::{StreamConfig, covers};

/// Whether a stream with these settings stores nothing but what `wanted` matches. What a stream copies
/// from others, or changes on the way, has subjects that its settings do not name.
pub(super) fn all_is_wanted(stream: &StreamConfig, wanted: &[String]) -> bool {
    let is_own = stream.mirror.is_none()
        && stream.subject_transform.is_none()
        && stream.sources.as_ref().is_none_or(Vec::is_empty);
    let is_covered = |stored: &String| wanted.iter().any(|wanted| covers(wanted, stored));
    is_own && !stream.subjects.is_empty() && stream.subjects.iter().all(is_covered)
}

/// Looks whether a message is ours, where the server was not asked to: an older one may have come when
/// the stream stored other subjects, and its settings may be changed at any time.
#[derive(Debug)]
pub(super) struct Ours {
    /// Begins of subjects, of patterns that end with their only wildcard `>`.
    beginnings: Vec<String>,
    /// All others.
    patterns: Vec<String>,
}

impl Ours {
    /// What matches one of the patterns.
    pub(super) fn of(wanted: &[String]) -> Self {
        let (mut beginnings, mut patterns) = (Vec::new(), Vec::new());
        for pattern in wanted {
            match pattern.strip_suffix('>') {
                Some(beginning) if !beginning.contains('*') => {
                    beginnings.push(beginning.to_owned());
                }
                _ => patterns.push(pattern.clone()),
            }
        }
        Self {
            beginnings,
            patterns,
        }
    }

    /// Whether a message of this subject is ours.
    pub(super) fn has(&self, subject: &str) -> bool {
        let begins = |beginning: &String| {
            subject.len() > beginning.len() && subject.starts_with(beginning.as_str())
        };
        self.beginnings.iter().any(begins)
            || self.patterns.iter().any(|pattern| covers(pattern, subject))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn wanted() -> Vec<String> {
        ["cx.interactions.>", "cx.*.surveys"]
            .map(str::to_owned)
            .to_vec()
    }

    fn stream(subjects: &[&str], more: (&str, Value)) -> StreamConfig {
        let mut config = json!({"name": "CX", "retention": "limits", "subjects": subjects});
        config[more.0] = more.1;
        serde_json::from_value(config).unwrap()
    }

    #[test]
    fn a_stream_of_our_subjects_is_read_whole() {
        let all = |subjects: &[&str], more| all_is_wanted(&stream(subjects, more), &wanted());
        let nothing = || ("sources", Value::Null);
        assert!(all(&["cx.interactions.>"], nothing()));
        assert!(all(&["cx.eu.surveys", "cx.interactions.*.eu"], nothing()));
        assert!(all(&["cx.*.surveys"], ("sources", json!([]))));
        assert!(!all(&["cx.>"], nothing()));
        assert!(!all(&["cx.interactions.>", "cx.alerts"], nothing()));
        assert!(!all(&[], nothing()));
    }

    #[test]
    fn what_comes_from_elsewhere_has_other_subjects() {
        for more in [
            ("mirror", json!({"name": "A"})),
            ("sources", json!([{"name": "A"}])),
            ("subject_transform", json!({"src": "a", "dest": "b"})),
        ] {
            assert!(!all_is_wanted(&stream(&["cx.eu.surveys"], more), &wanted()));
        }
    }

    #[test]
    fn ours_is_what_a_pattern_matches() {
        let ours = Ours::of(&wanted());
        for subject in ["cx.interactions.a", "cx.interactions.a.b", "cx.a.surveys"] {
            assert!(ours.has(subject), "{subject}");
        }
        for subject in ["cx.interactions", "cx.interactions.", "cx.surveys", "a.cx"] {
            assert!(!ours.has(subject), "{subject}");
        }
        assert!(Ours::of(&[">".to_owned()]).has("anything.at.all"));
    }
}
