//! NATS subjects: their form, and whether two patterns share a subject.

/// Says what is wrong with a subject pattern, if anything.
pub(super) fn pattern_fault(pattern: &str) -> Option<&'static str> {
    if pattern.contains(char::is_whitespace) {
        return Some("holds a blank");
    }
    let tokens: Vec<&str> = pattern.split('.').collect();
    for (index, token) in tokens.iter().enumerate() {
        if token.is_empty() {
            return Some("has an empty token");
        }
        if token.contains('>') && (*token != ">" || index + 1 < tokens.len()) {
            return Some("has `>` elsewhere than as its last token");
        }
        if token.contains('*') && *token != "*" {
            return Some("has `*` inside a token");
        }
    }
    None
}

/// Says what is wrong with a subject to publish to, if anything.
pub(super) fn literal_fault(subject: &str) -> Option<&'static str> {
    if subject.contains(['*', '>']) {
        return Some("holds a wildcard");
    }
    pattern_fault(subject)
}

/// True if some subject matches both patterns.
pub(super) fn overlap(a: &str, b: &str) -> bool {
    let mut a = a.split('.');
    let mut b = b.split('.');
    loop {
        let (left, right) = match (a.next(), b.next()) {
            (Some(left), Some(right)) => (left, right),
            (left, right) => return left == right,
        };
        if left == ">" || right == ">" {
            return true;
        }
        if left != right && left != "*" && right != "*" {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_whether_patterns_share_a_subject() {
        for (a, b, shared) in [
            ("cx.>", "cx.dead_letter", true),
            ("cx.dead_letter", "cx.dead_letter", true),
            ("cx.*", "cx.dead_letter", true),
            ("*.dead_letter", "cx.*", true),
            (">", "cx.alerts.>", true),
            ("cx.*.x", "cx.alerts.>", true),
            ("cx.alerts", "cx.alerts.>", false),
            ("cx.interactions.>", "cx.surveys.>", false),
            ("cx.*", "cx.alerts.>", false),
            ("cx.*.a", "cx.*.b", false),
            ("cx", "cx.>", false),
        ] {
            assert_eq!(overlap(a, b), shared, "{a} and {b}");
            assert_eq!(overlap(b, a), shared, "{b} and {a}");
        }
    }

    #[test]
    fn knows_the_form_of_subjects() {
        assert_eq!(pattern_fault("cx.*.x.>"), None);
        assert!(pattern_fault("cx..x").is_some());
        assert!(pattern_fault("cx.>.x").is_some());
        assert!(pattern_fault("cx.a*").is_some());
        assert!(pattern_fault("cx a").is_some());
        assert!(pattern_fault("").is_some());
        assert_eq!(literal_fault("cx.dead_letter"), None);
        assert!(literal_fault("cx.*").is_some());
    }
}
