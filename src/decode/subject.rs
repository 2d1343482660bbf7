//! NATS subjects against patterns with wildcards.

/// A subject with the wildcards `*` (one token) and `>` (one token or more, at the end).
#[derive(Clone, Debug)]
pub(super) struct Pattern(String);

impl Pattern {
    pub(super) fn new(pattern: &str) -> Self {
        Self(pattern.to_owned())
    }

    /// `subject` is one of those meant. An empty subject (files have none) never is.
    pub(super) fn matches(&self, subject: &str) -> bool {
        if subject.is_empty() {
            return false;
        }
        let mut tokens = subject.split('.');
        for wanted in self.0.split('.') {
            match (wanted, tokens.next()) {
                (">", Some(_)) => return true,
                ("*", Some(_)) => {}
                (wanted, Some(token)) if wanted == token => {}
                (_, Some(_) | None) => return false,
            }
        }
        tokens.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_in_nats() {
        for (pattern, subject, expected) in [
            ("cx.interactions.>", "cx.interactions.eu", true),
            ("cx.interactions.>", "cx.interactions.eu.voice", true),
            ("cx.interactions.>", "cx.interactions", false),
            ("cx.interactions.>", "cx.interactionsx.eu", false),
            ("cx.*.eu", "cx.surveys.eu", true),
            ("cx.*.eu", "cx.surveys.us", false),
            ("cx.*.eu", "cx.surveys.eu.x", false),
            ("cx.*", "cx", false),
            (">", "anything", true),
            (">", "", false),
            ("events", "events", true),
            ("events", "events.x", false),
            ("", "x", false),
        ] {
            assert_eq!(
                Pattern::new(pattern).matches(subject),
                expected,
                "{pattern} {subject}"
            );
        }
    }
}
