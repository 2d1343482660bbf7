//! Instants as written in events: RFC 3339 with an offset, kept to the millisecond.

/// 9999-12-31T23:59:59.999Z.
pub(crate) const LAST: i64 = 253_402_300_799_999;
/// 1980-01-01T00:00:00Z: smaller integers look like seconds.
pub(crate) const FIRST_INTEGER: i64 = 315_532_800_000;

/// Milliseconds since the epoch of an RFC 3339 instant with `T` and an offset, in the years 1970 to 9999. Digits after the third
/// of the fraction are cut off; second 60 and hour 24 are refused.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = bytes.get(from..to)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        Some(
            digits
                .iter()
                .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')),
        )
    };
    let mark = |at: usize, byte: u8| (bytes.get(at) == Some(&byte)).then_some(());
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    for (at, byte) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
        mark(at, byte)?;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut at = 19;
    let mut fraction = 0;
    if bytes.get(at) == Some(&b'.') {
        let from = at + 1;
        at = from;
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        let length = (at - from).min(3);
        let scale = [0, 100, 10, 1].get(length)?;
        if length == 0 {
            return None;
        }
        fraction = number(from, from + length)? * scale;
    }
    let offset = offset_minutes(bytes.get(at..)?)?;
    let days = days_from_epoch(year, month, day)?;
    let minutes = (days * 24 + hour) * 60 + minute - offset;
    let instant = (minutes * 60 + second) * 1_000 + fraction;
    (0..=LAST).contains(&instant).then_some(instant)
}

/// `Z` or `+hh:mm` or `-hh:mm`.
fn offset_minutes(text: &[u8]) -> Option<i64> {
    if text == b"Z" {
        return Some(0);
    }
    let &[sign, h1, h2, b':', m1, m2] = text else {
        return None;
    };
    if ![h1, h2, m1, m2].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let two = |a: u8, b: u8| i64::from(a - b'0') * 10 + i64::from(b - b'0');
    let (hours, minutes) = (two(h1, h2), two(m1, m2));
    if hours > 23 || minutes > 59 {
        return None;
    }
    match sign {
        b'+' => Some(hours * 60 + minutes),
        b'-' => Some(-(hours * 60 + minutes)),
        _ => None,
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn month_lengths(year: i64) -> [i64; 12] {
    let february = if is_leap(year) { 29 } else { 28 };
    [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

/// Days from 1970-01-01 to a date, counted the plain way, from years and months.
fn days_from_epoch(year: i64, month: i64, day: i64) -> Option<i64> {
    let month = usize::try_from(month).ok()?.checked_sub(1)?;
    let lengths = month_lengths(year);
    if year < 1969 || day < 1 || day > *lengths.get(month)? {
        return None;
    }
    let year_days = |one: i64| if is_leap(one) { 366 } else { 365 };
    let before = if year < 1970 {
        -365
    } else {
        (1970..year).map(year_days).sum()
    };
    Some(before + lengths.iter().take(month).sum::<i64>() + day - 1)
}

/// Milliseconds that the clocks of a zone are ahead of UTC: `UTC`, or `Europe/Rome` by the rule of the European Union since 1996:
/// one hour, two from the last Sunday of March, 01:00 UTC, to the last Sunday of October, 01:00 UTC.
pub(crate) fn offset_ms(zone: &str, at: i64) -> i64 {
    const HOUR_MS: i64 = 3_600_000;
    if zone == "UTC" {
        return 0;
    }
    assert_eq!(zone, "Europe/Rome", "the reference knows two zones");
    let near = 1970 + at / (365 * 24 * HOUR_MS);
    let is_summer = (near - 1..=near + 1).any(|year| {
        let last_sunday = |month: i64| {
            let last = days_from_epoch(year, month, 31).expect("months of 31 days");
            // 1970-01-01 was a Thursday.
            (last - (last + 4).rem_euclid(7)) * 24 * HOUR_MS + HOUR_MS
        };
        (last_sunday(3)..last_sunday(10)).contains(&at)
    });
    if is_summer { 2 * HOUR_MS } else { HOUR_MS }
}

/// The instant at which clocks of a zone show `local` (milliseconds, as if they were UTC): the first of two; where they skip it,
/// as much later as they jump.
pub(crate) fn instant_of(zone: &str, local: i64) -> i64 {
    if zone == "UTC" {
        return local;
    }
    let (winter, summer) = (local - 3_600_000, local - 7_200_000);
    if offset_ms(zone, summer) == 7_200_000 {
        summer
    } else {
        winter
    }
}
