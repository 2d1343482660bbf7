//! The small grammar of the Prometheus text format 0.0.4: labels and numbers.

/// Appends `name="value"`.
///
/// ```text
/// queue="say \"hi\""
/// ```
pub(super) fn push_label(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str("=\"");
    push_escaped(out, value);
    out.push('"');
}

/// Appends a label value. The format knows three escapes; every other character, control
/// characters included, stands as it is. Replacing those would make two different values equal,
/// and two equal series are what a scraper does not forgive.
fn push_escaped(out: &mut String, value: &str) {
    let mut rest = value;
    while let Some(at) = rest.find(['\\', '"', '\n']) {
        let (clean, special) = rest.split_at(at);
        out.push_str(clean);
        let mut characters = special.chars();
        match characters.next() {
            Some('\n') => out.push_str("\\n"),
            Some(quoted) => {
                out.push('\\');
                out.push(quoted);
            }
            None => {}
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
}

/// Appends a finite number: whole ones without a fraction, others in their shortest form.
pub(super) fn push_float(out: &mut String, value: f64) {
    match whole(value) {
        Some(value) => out.push_str(itoa::Buffer::new().format(value)),
        None => out.push_str(zmij::Buffer::new().format(value)),
    }
}

/// Appends a count.
pub(super) fn push_count(out: &mut String, count: u64) {
    out.push_str(itoa::Buffer::new().format(count));
}

/// The value as an integer, when it is one that an `f64` holds exactly.
pub(super) fn whole(value: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() != 0.0 || value.abs() > EXACT {
        return None;
    }
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        reason = "a whole number of at most 2^53"
    )]
    Some(value as i64)
}

/// The quantile of a permille figure as it stands in labels and JSON: 500 is `0.5`.
pub(super) fn quantile_name(permille: u32) -> String {
    (f64::from(permille) / 1000.0).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(value: &str) -> String {
        let mut out = String::new();
        push_label(&mut out, "queue", value);
        out
    }

    fn float(value: f64) -> String {
        let mut out = String::new();
        push_float(&mut out, value);
        out
    }

    #[test]
    fn three_characters_are_escaped_and_all_others_kept() {
        assert_eq!(label("plain"), r#"queue="plain""#);
        assert_eq!(label("a\\b\"c\nd"), r#"queue="a\\b\"c\nd""#);
        assert_eq!(label("\n\n"), r#"queue="\n\n""#);
        assert_eq!(label("\\"), r#"queue="\\""#);
        assert_eq!(
            label("tab\tü\u{202e}\r\u{0}"),
            "queue=\"tab\tü\u{202e}\r\u{0}\""
        );
    }

    /// A value cannot pretend to be another one.
    #[test]
    fn escapes_keep_values_apart() {
        assert_ne!(label("a\nb"), label("a\\nb"));
        assert_ne!(label("a\u{1}"), label("a\u{2}"));
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(float(0.0), "0");
        assert_eq!(float(-3.0), "-3");
        assert_eq!(float(0.1), "0.1");
        assert_eq!(float(312.25), "312.25");
        assert_eq!(float(1e300), "1e+300");
        assert_eq!(float(1e-7), "1e-7");
        assert_eq!(quantile_name(500), "0.5");
        assert_eq!(quantile_name(950), "0.95");
    }
}
