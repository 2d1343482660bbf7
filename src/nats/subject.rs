//! Subject patterns of NATS: tokens parted by dots, `*` for one token, `>` for one or more at the
//! end.

/// Whether some subject matches both patterns.
///
/// ```
/// use cxpulse::nats::overlap;
/// assert!(overlap("cx.>", "cx.surveys.*"));
/// assert!(overlap("cx.*.eu", "cx.surveys.*"));
/// assert!(!overlap("cx.*", "cx.surveys.eu"));
/// ```
pub fn overlap(one: &str, other: &str) -> bool {
    let mut ones = one.split('.');
    let mut others = other.split('.');
    loop {
        match (ones.next(), others.next()) {
            (None, None) | (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
            (Some(a), Some(b)) if a == b || a == "*" || b == "*" => {}
            _ => return false,
        }
    }
}

/// Whether every subject that matches `narrow` matches `wide`; a subject is a pattern as well.
///
/// ```
/// use cxpulse::nats::covers;
/// assert!(covers("cx.>", "cx.surveys.*"));
/// assert!(covers("cx.*", "cx.surveys"));
/// assert!(!covers("cx.*.eu", "cx.surveys.*"));
/// ```
pub fn covers(wide: &str, narrow: &str) -> bool {
    let mut wides = wide.split('.');
    let mut narrows = narrow.split('.');
    loop {
        match (wides.next(), narrows.next()) {
            (None, None) | (Some(">"), Some(_)) => return true,
            (Some("*"), Some(token)) if token != ">" => {}
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_wildcard_needs_at_least_one_token() {
        assert!(!overlap("cx.>", "cx"));
        assert!(overlap("cx.>", "cx.a.b.c"));
        assert!(overlap(">", "cx"));
        assert!(overlap("cx.>", "*.a"));
    }

    #[test]
    fn literal_tokens_must_agree() {
        assert!(overlap("cx.dead_letter", "cx.dead_letter"));
        assert!(!overlap("cx.dead_letter", "cx.dead"));
        assert!(!overlap("cx.interactions.>", "cx.alerts.fcr"));
    }

    #[test]
    fn what_is_covered_is_matched_whatever_it_is() {
        for (wide, narrow) in [
            (">", ">"),
            (">", "*"),
            ("cx.>", "cx.*.>"),
            ("cx.*.>", "cx.a.b"),
            ("cx.a", "cx.a"),
        ] {
            assert!(covers(wide, narrow), "{wide} {narrow}");
        }
        for (wide, narrow) in [
            ("*", ">"),
            ("cx.>", "cx"),
            ("cx.*", "cx.>"),
            ("cx.a", "cx.*"),
            ("cx.a", "cx.a.b"),
            ("cx.a.b", "cx.a"),
            ("cx.*.>", "cx.>"),
        ] {
            assert!(!covers(wide, narrow), "{wide} {narrow}");
        }
    }
}
