//! Times as events write them: RFC 3339 text, or an integer since the epoch.

use super::fault::Problem;
use super::json::is_number;
use crate::time::Timestamp;

/// 1980-01-01T00:00:00Z. An integer before it is taken for seconds and refused: milliseconds of
/// the years before are rare, seconds in place of milliseconds are not.
const YEAR_1980_MS: i64 = 315_532_800_000;
/// 9999-12-31T23:59:59.999Z.
const LAST_MS: i64 = 253_402_300_799_999;
const DAY_MS: i64 = 86_400_000;
/// From the first of March 400 years before the year 0 to 1970-01-01.
const DAYS_BEFORE_EPOCH: i64 = 719_468 + 146_097;

/// The day of the time that was read last: nearly always that of the next one too.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Day {
    /// The day as it was written, eight characters and two; at first something that is no day.
    text: (u64, u64),
    /// Days from 1970-01-01.
    days: i64,
}

/// The moment that `text` names if it is written as most are, `YYYY-MM-DDTHH:MM:SS.mmmZ`; `None` for
/// all that [`from_text`] is to judge.
#[inline]
pub(super) fn from_usual_text(text: &[u8], day: &mut Day) -> Option<Timestamp> {
    let millis = utc_millis(text, day).filter(|millis| (0..=LAST_MS).contains(millis))?;
    Some(Timestamp::from_millis(millis))
}

/// The moment that `text` names in RFC 3339, cut (not rounded) to the millisecond.
pub(super) fn from_text(text: &[u8]) -> Result<Timestamp, Problem> {
    let millis = rfc3339_millis(text).ok_or(Problem::TimeText)?;
    if (0..=LAST_MS).contains(&millis) {
        Ok(Timestamp::from_millis(millis))
    } else {
        Err(Problem::TimeRange)
    }
}

/// The moment `number` units of `unit_ms` milliseconds after the epoch. `number` is in JSON number
/// grammar.
pub(super) fn from_number(number: &[u8], unit_ms: u32) -> Result<Timestamp, Problem> {
    let (negative, digits) = match number {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(Problem::TimeFraction);
    }
    if negative {
        return Err(Problem::TimeLooksLikeSeconds);
    }
    let count = digits.iter().try_fold(0_i64, |count, digit| {
        count.checked_mul(10)?.checked_add(i64::from(digit - b'0'))
    });
    let millis = count.and_then(|count| count.checked_mul(i64::from(unit_ms)));
    match millis {
        Some(millis) if millis < YEAR_1980_MS => Err(Problem::TimeLooksLikeSeconds),
        Some(millis) if millis <= LAST_MS => Ok(Timestamp::from_millis(millis)),
        Some(_) | None => Err(Problem::TimeRange),
    }
}

/// The moment that a word names as an event would: RFC 3339 with `T` and offset, years 1970 to 9999,
/// digits after the third cut; or integer milliseconds, not before 1980.
///
/// # Errors
/// What is wrong with the word.
pub fn parse_moment(word: &str) -> Result<Timestamp, String> {
    let moment = if is_number(word) {
        from_number(word.as_bytes(), 1)
    } else {
        from_text(word.as_bytes())
    };
    moment.map_err(|problem| problem.to_string())
}

fn rfc3339_millis(text: &[u8]) -> Option<i64> {
    let (head, tail) = text.split_first_chunk::<19>()?;
    let &[
        y0,
        y1,
        y2,
        y3,
        b'-',
        mo0,
        mo1,
        b'-',
        d0,
        d1,
        b'T' | b't',
        h0,
        h1,
        b':',
        mi0,
        mi1,
        b':',
        s0,
        s1,
    ] = head
    else {
        return None;
    };
    let pairs = [
        (y0, y1),
        (y2, y3),
        (mo0, mo1),
        (d0, d1),
        (h0, h1),
        (mi0, mi1),
        (s0, s1),
    ];
    let [century, year, month, day, hour, minute, second] = numbers(pairs)?;
    let seconds = second_of_day(hour, minute, second)?;
    let days = days_since_epoch(century * 100 + year, month, day)?;
    let (millis, zone) = fraction_millis(tail)?;
    let local = days * DAY_MS + i64::from(seconds * 1000 + millis);
    Some(local - i64::from(offset_minutes(zone)?) * 60_000)
}

/// The moment that `YYYY-MM-DDTHH:MM:SS.mmmZ` names, eight characters at a time; `None` for every
/// other form, and when there is no such moment.
#[inline]
fn utc_millis(text: &[u8], day: &mut Day) -> Option<i64> {
    const DATE: Form = Form::new(*b"0000-00-");
    const TIME: Form = Form::new(*b"00T00:00");
    const REST: Form = Form::new(*b":00.000Z");
    let text: &[u8; 24] = text.try_into().ok()?;
    let (words, _) = text.as_chunks();
    let &[date, time, rest] = words else {
        return None;
    };
    let [date, time, rest] = [date, time, rest].map(u64::from_le_bytes);
    let (time_digits, rest_digits) = (TIME.digits(time)?, REST.digits(rest)?);
    let (time_pairs, rest_pairs) = (pairs(time_digits), pairs(rest_digits));
    let written = (date, time & 0xffff);
    if day.text != written {
        let date_pairs = pairs(DATE.digits(date)?);
        let year = u32::from(date_pairs[0]) * 100 + u32::from(date_pairs[2]);
        let days = days_since_epoch(year, date_pairs[5].into(), time_pairs[0].into())?;
        *day = Day {
            text: written,
            days,
        };
    }
    let seconds = second_of_day(
        time_pairs[3].into(),
        time_pairs[6].into(),
        rest_pairs[1].into(),
    )?;
    let [.., last_digit, _] = rest_digits.to_le_bytes();
    let millis = u32::from(rest_pairs[4]) * 10 + u32::from(last_digit);
    Some(day.days * DAY_MS + i64::from(seconds * 1000 + millis))
}

/// Eight characters, of which those written as 0 are any digits.
struct Form {
    text: u64,
    /// Ones where no digit is.
    fixed: u64,
}

impl Form {
    const fn new(text: [u8; 8]) -> Self {
        let mut fixed = [0; 8];
        let mut at = 0;
        while at < text.len() {
            if text[at] != b'0' {
                fixed[at] = u8::MAX;
            }
            at += 1;
        }
        Self {
            text: u64::from_le_bytes(text),
            fixed: u64::from_le_bytes(fixed),
        }
    }

    /// The values of the digits in `word`, and 0 for what else the form has; `None` for another form.
    #[inline]
    fn digits(&self, word: u64) -> Option<u64> {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const HIGHS: u64 = 0x8080_8080_8080_8080;
        let values = word ^ self.text;
        // Reaches the high bit from 10 on.
        let beyond = (values.wrapping_add(ONES * 0x76) | values) & HIGHS;
        ((values & self.fixed) | beyond == 0).then_some(values)
    }
}

/// The number that each digit makes with the next one. No digit is above 9, so that no sum leaves its
/// byte.
#[inline]
fn pairs(digits: u64) -> [u8; 8] {
    (digits * 10 + (digits >> 8)).to_le_bytes()
}

/// Seconds since midnight; `None` when there is no such time.
#[inline]
fn second_of_day(hour: u32, minute: u32, second: u32) -> Option<u32> {
    (hour <= 23 && minute <= 59 && second <= 59).then_some((hour * 60 + minute) * 60 + second)
}

/// The numbers that pairs of decimal digits write. All are looked at before any is judged, so that
/// there is one branch and not one a digit.
#[inline]
#[expect(
    clippy::needless_bitwise_bool,
    reason = "a branch that is spared, see above"
)]
fn numbers<const COUNT: usize>(pairs: [(u8, u8); COUNT]) -> Option<[u32; COUNT]> {
    let mut all_digits = true;
    let numbers = pairs.map(|(tens, ones)| {
        let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
        all_digits &= (tens <= 9) & (ones <= 9);
        u32::from(tens) * 10 + u32::from(ones)
    });
    all_digits.then_some(numbers)
}

/// Milliseconds of an optional fraction at the start of `text`, and what follows it.
#[inline]
fn fraction_millis(text: &[u8]) -> Option<(u32, &[u8])> {
    let Some((b'.', digits)) = text.split_first() else {
        return Some((0, text));
    };
    let count = digits
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(digits.len());
    let (fraction, zone) = digits.split_at_checked(count)?;
    let digit = |at: usize| fraction.get(at).map_or(0, |digit| u32::from(digit - b'0'));
    let millis = digit(0) * 100 + digit(1) * 10 + digit(2);
    (count > 0).then_some((millis, zone))
}

/// Minutes that local time is ahead of UTC.
#[inline]
fn offset_minutes(zone: &[u8]) -> Option<i32> {
    match *zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h0, h1, b':', m0, m1] => {
            let [hours, minutes] = numbers([(h0, h1), (m0, m1)])?;
            if hours > 23 || minutes > 59 {
                return None;
            }
            let ahead = i32::try_from(hours * 60 + minutes).ok()?;
            Some(if sign == b'-' { -ahead } else { ahead })
        }
        _ => None,
    }
}

/// Days from 1970-01-01 to a day of the proleptic Gregorian calendar, of the years 0 to 9999; `None`
/// when there is no such day. Counts in years that begin in March, so that the leap day comes last,
/// from the one before the year 0.
#[inline]
fn days_since_epoch(year: u32, month: u32, day: u32) -> Option<i64> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if day < 1 || day > length {
        return None;
    }
    let (march_year, march_month) = if month <= 2 {
        (year + 399, month + 9)
    } else {
        (year + 400, month - 3)
    };
    let leap_days = march_year / 4 - march_year / 100 + march_year / 400;
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    let days = march_year * 365 + leap_days + day_of_year;
    Some(i64::from(days) - DAYS_BEFORE_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(text: &str) -> Result<i64, Problem> {
        from_text(text.as_bytes()).map(Timestamp::as_millis)
    }

    #[test]
    fn reads_rfc3339() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:00:00-01:30", 1_800_000),
            ("2023-11-14T22:13:20Z", 1_700_000_000_000),
            ("2023-11-14t22:13:20z", 1_700_000_000_000),
            ("2023-11-14T22:13:20.1Z", 1_700_000_000_100),
            ("2023-11-14T22:13:20.1239999Z", 1_700_000_000_123),
            ("2023-11-15T03:43:20.123+05:30", 1_700_000_000_123),
            ("2023-11-14T22:13:20-00:00", 1_700_000_000_000),
            ("2024-02-29T12:00:00Z", 1_709_208_000_000),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("9999-12-31T23:59:59.999Z", LAST_MS),
            ("9999-12-31T23:59:59.9999+00:00", LAST_MS),
        ] {
            assert_eq!(millis(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn the_common_form_reads_the_same_both_ways() {
        let texts = [
            "2026-03-02T08:00:00.000Z",
            "1970-01-01T00:00:00.000Z",
            "9999-12-31T23:59:59.999Z",
            "0000-02-29T10:20:30.456Z",
            "2024-02-29T12:34:56.789Z",
        ];
        // One for all: what was read before must not show.
        let mut day = Day::default();
        for text in texts {
            let read = utc_millis(text.as_bytes(), &mut day);
            assert!(read.is_some(), "{text}");
            assert_eq!(read, rfc3339_millis(text.as_bytes()), "{text}");
            // Whatever one byte of it becomes: the same, or the form is another one.
            for at in 0..text.len() {
                for byte in 0..=u8::MAX {
                    let mut odd = text.as_bytes().to_vec();
                    odd[at] = byte;
                    let slow = rfc3339_millis(&odd);
                    if let Some(millis) = utc_millis(&odd, &mut day) {
                        assert_eq!(Some(millis), slow, "{text} {at} {byte}");
                    } else {
                        let is_digit = text.as_bytes()[at].is_ascii_digit();
                        assert!(!is_digit || !byte.is_ascii_digit() || slow.is_none());
                    }
                }
            }
        }
    }

    #[test]
    fn refuses_what_is_not_a_moment() {
        for text in [
            "2023-11-14 22:13:20Z",
            "2023-11-14T22:13:20",
            "2023-11-14T22:13:20.Z",
            "2023-11-14T22:13:20,1Z",
            "2023-11-14T22:13:60Z",
            "2023-11-14T24:00:00Z",
            "2023-11-14T22:60:00Z",
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2023-04-31T00:00:00Z",
            "2023-00-01T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-01-00T00:00:00Z",
            "2023-11-14T22:13:20+24:00",
            "2023-11-14T22:13:20+0100",
            "2023-11-14T22:13:20+01",
            "2023-11-14T22:13:20Z ",
            "2023-11-14T22:13:2٣Z",
            "23-11-14T22:13:20Z",
            "+2023-11-14T22:13:20Z",
            "2023-11-14",
            "now",
        ] {
            assert_eq!(millis(text), Err(Problem::TimeText), "{text}");
        }
    }

    #[test]
    fn keeps_to_1970_through_9999_by_the_instant() {
        for text in [
            "1969-12-31T23:59:59.999Z",
            "1970-01-01T00:59:59+01:00",
            "9999-12-31T23:59:59-00:01",
            "0000-01-01T00:00:00Z",
        ] {
            assert_eq!(millis(text), Err(Problem::TimeRange), "{text}");
        }
    }

    #[test]
    fn integers_count_from_the_epoch() {
        let read =
            |number: &str, unit| from_number(number.as_bytes(), unit).map(Timestamp::as_millis);
        assert_eq!(read("1700000000123", 1), Ok(1_700_000_000_123));
        assert_eq!(read("1700000000", 1000), Ok(1_700_000_000_000));
        assert_eq!(read("315532800000", 1), Ok(YEAR_1980_MS));
        assert_eq!(read("315532799999", 1), Err(Problem::TimeLooksLikeSeconds));
        assert_eq!(read("1700000000", 1), Err(Problem::TimeLooksLikeSeconds));
        assert_eq!(read("-0", 1), Err(Problem::TimeLooksLikeSeconds));
        assert_eq!(
            read("-99999999999999999999", 1),
            Err(Problem::TimeLooksLikeSeconds)
        );
        assert_eq!(read("253402300799999", 1), Ok(LAST_MS));
        assert_eq!(read("253402300800000", 1), Err(Problem::TimeRange));
        assert_eq!(read("99999999999999999999", 1), Err(Problem::TimeRange));
        assert_eq!(read("9223372036854775807", 1000), Err(Problem::TimeRange));
        assert_eq!(read("1700000000123.0", 1), Err(Problem::TimeFraction));
        assert_eq!(read("17e11", 1), Err(Problem::TimeFraction));
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut days = days_since_epoch(1969, 12, 31).unwrap();
        assert_eq!(days, -1);
        for year in 1970..2105 {
            for month in 1..=12 {
                for day in 1..=31 {
                    if let Some(next) = days_since_epoch(year, month, day) {
                        assert_eq!(next, days + 1, "{year}-{month}-{day}");
                        days = next;
                    }
                }
            }
        }
    }
}
