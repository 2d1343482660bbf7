//! How durations are written in configuration: whole numbers with units, `"1h30m"`.

use std::fmt::Write as _;
use std::time::Duration;

/// Units from the greatest to the smallest, with their milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Longest duration that can be written: 100 years. Keeps all later arithmetic in range.
const LONGEST_MS: u64 = 36_500 * 86_400_000;

/// Reads a duration: whole numbers with the units `d`, `h`, `m`, `s`, `ms`, from the greatest to
/// the smallest, each at most once, without blanks.
///
/// ```
/// use std::time::Duration;
/// use cxpulse::config::parse_duration;
/// assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
/// assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
/// assert!(parse_duration("90").is_err());
/// ```
///
/// # Errors
///
/// What is wrong with the text, as a phrase.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    if text.is_empty() {
        return Err("is empty".into());
    }
    if text.starts_with('-') {
        return Err(format!("`{text}` is negative"));
    }
    let mut rest = text;
    let mut total_ms: u64 = 0;
    let mut next_unit = 0;
    while !rest.is_empty() {
        let (number, after) = split_at_first(rest, |c| !c.is_ascii_digit());
        let (unit, remainder) = split_at_first(after, |c| !c.is_ascii_alphabetic());
        if number.is_empty() || unit.is_empty() {
            return Err(not_a_duration(text, number, after));
        }
        let position = UNITS.iter().position(|(name, _)| *name == unit);
        let Some(position) = position else {
            return Err(format!("`{unit}` in `{text}` is not a unit of time"));
        };
        if position < next_unit {
            return Err(format!(
                "`{text}` does not go from the greatest unit to the smallest"
            ));
        }
        next_unit = position + 1;
        total_ms = number
            .parse::<u64>()
            .ok()
            .and_then(|count| count.checked_mul(UNITS.get(position)?.1))
            .and_then(|part| total_ms.checked_add(part))
            .filter(|sum| *sum <= LONGEST_MS)
            .ok_or_else(|| format!("`{text}` is longer than 100 years"))?;
        rest = remainder;
    }
    Ok(Duration::from_millis(total_ms))
}

fn not_a_duration(text: &str, number: &str, after: &str) -> String {
    if !number.is_empty() && after.is_empty() {
        return format!("`{text}` has no unit");
    }
    if after.starts_with(['.', ',']) {
        return format!("`{text}` has a fraction");
    }
    format!("`{text}` is not a duration")
}

fn split_at_first(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(stop).unwrap_or(text.len()))
}

/// Writes a duration as [`parse_duration`] reads it; what is below a millisecond is dropped.
///
/// ```
/// use std::time::Duration;
/// use cxpulse::config::format_duration;
/// assert_eq!(format_duration(Duration::from_secs(5400)), "1h30m");
/// assert_eq!(format_duration(Duration::ZERO), "0s");
/// ```
pub fn format_duration(duration: Duration) -> String {
    let mut rest = duration.as_millis();
    let mut text = String::new();
    for (unit, unit_ms) in UNITS {
        let count = rest / u128::from(unit_ms);
        rest %= u128::from(unit_ms);
        if count > 0 && write!(text, "{count}{unit}").is_err() {
            break;
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_contract_writes() {
        for (text, millis) in [
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("90s", 90_000),
            ("7d", 604_800_000),
            ("500ms", 500),
            ("1d2h3m4s5ms", 93_784_005),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)));
        }
    }

    #[test]
    fn refuses_everything_else_with_words() {
        for (text, words) in [
            ("", "is empty"),
            ("5", "`5` has no unit"),
            ("-5s", "`-5s` is negative"),
            ("1.5h", "`1.5h` has a fraction"),
            ("5 m", "`5 m` is not a duration"),
            ("m", "`m` is not a duration"),
            ("5min", "`min` in `5min` is not a unit of time"),
            ("5M", "`M` in `5M` is not a unit of time"),
            (
                "30m1h",
                "`30m1h` does not go from the greatest unit to the smallest",
            ),
            (
                "1s1s",
                "`1s1s` does not go from the greatest unit to the smallest",
            ),
            ("36501d", "`36501d` is longer than 100 years"),
            (
                "99999999999999999999d",
                "`99999999999999999999d` is longer than 100 years",
            ),
            ("5m\u{e9}", "`5m\u{e9}` is not a duration"),
        ] {
            assert_eq!(parse_duration(text), Err(words.to_owned()));
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for millis in [0, 1, 999, 1000, 61_001, 3_600_000, 86_400_000, 694_861_001] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
    }
}
