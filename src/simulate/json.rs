//! Events written straight into a `String`. Names and texts come from tables of ours, which hold
//! nothing that JSON would have to escape.

use crate::time::Timestamp;

/// One JSON object under construction; members stand in the order of the calls.
#[derive(Debug)]
pub(super) struct Object<'a> {
    out: &'a mut String,
}

impl<'a> Object<'a> {
    /// Opens an object whose first member is the kind.
    pub(super) fn begin(out: &'a mut String, kind: &str) -> Self {
        out.push_str("{\"type\":\"");
        out.push_str(kind);
        out.push('"');
        Self { out }
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.quoted(name, |out| out.push_str(value));
    }

    /// An id: prefix and number, padded with zeros to `width` digits.
    pub(super) fn id(&mut self, name: &str, prefix: &str, number: u64, width: usize) {
        self.quoted(name, |out| {
            out.push_str(prefix);
            push_padded(out, number, width);
        });
    }

    pub(super) fn time(&mut self, name: &str, moment: Timestamp) {
        self.quoted(name, |out| push_time(out, moment));
    }

    /// A duration in seconds with three decimals.
    pub(super) fn seconds(&mut self, name: &str, millis: i64) {
        self.name(name);
        let millis = u64::try_from(millis).unwrap_or(0);
        push_padded(self.out, millis / 1000, 1);
        self.out.push('.');
        push_padded(self.out, millis % 1000, 3);
    }

    pub(super) fn flag(&mut self, name: &str, value: bool) {
        self.raw(name, if value { "true" } else { "false" });
    }

    pub(super) fn number(&mut self, name: &str, value: i64) {
        self.name(name);
        self.out.push_str(itoa::Buffer::new().format(value));
    }

    /// A value that is JSON already.
    pub(super) fn raw(&mut self, name: &str, json: &str) {
        self.name(name);
        self.out.push_str(json);
    }

    pub(super) fn end(self) {
        self.out.push('}');
    }

    fn name(&mut self, name: &str) {
        self.out.push_str(",\"");
        self.out.push_str(name);
        self.out.push_str("\":");
    }

    fn quoted(&mut self, name: &str, write: impl FnOnce(&mut String)) {
        self.name(name);
        self.out.push('"');
        write(self.out);
        self.out.push('"');
    }
}

/// Appends `value` with at least `width` digits.
pub(super) fn push_padded(out: &mut String, mut value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut from = digits.len();
    let least = digits.len().saturating_sub(width);
    while from > least || value > 0 {
        from -= 1;
        digits[from] = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
        if from == 0 {
            break;
        }
    }
    out.push_str(std::str::from_utf8(&digits[from..]).unwrap_or_default());
}

/// Appends `moment` as RFC 3339 in UTC with milliseconds (`2026-03-02T08:00:00.000Z`); moments
/// before 1970 as 1970.
pub(super) fn push_time(out: &mut String, moment: Timestamp) {
    let millis = u64::try_from(moment.as_millis()).unwrap_or(0);
    let (days, of_day) = (millis / DAY_MS, millis % DAY_MS);
    let (year, month, day) = civil(days);
    let parts = [
        (year, 4, '-'),
        (month, 2, '-'),
        (day, 2, 'T'),
        (of_day / 3_600_000, 2, ':'),
        (of_day / 60_000 % 60, 2, ':'),
        (of_day / 1000 % 60, 2, '.'),
        (of_day % 1000, 3, 'Z'),
    ];
    for (value, width, after) in parts {
        push_padded(out, value, width);
        out.push(after);
    }
}

const DAY_MS: u64 = 86_400_000;

/// Year, month and day of a day since 1970-01-01, by counting in years that begin in March, so
/// that the leap day is the last one (H. Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::random::Random;

    #[test]
    fn times_are_those_of_the_calendar_library() {
        let mut random = Random::new(5);
        let edges = [0, 951_782_400_000, 951_868_799_999, 4_102_444_799_999];
        let drawn = (0..5000).map(|_| random.between(0, 4_102_444_800_000));
        for millis in edges.into_iter().chain(drawn.collect::<Vec<_>>()) {
            let moment = Timestamp::from_millis(millis);
            let mut text = String::new();
            push_time(&mut text, moment);
            assert_eq!(text, moment.to_string());
        }
    }

    #[test]
    fn pads_but_never_cuts() {
        let mut text = String::new();
        for (value, width) in [(7, 3), (1234, 2), (0, 1), (u64::MAX, 1), (5, 0)] {
            push_padded(&mut text, value, width);
            text.push(' ');
        }
        assert_eq!(text, "007 1234 0 18446744073709551615 5 ");
    }

    #[test]
    fn writes_valid_members_in_order() {
        let mut text = String::new();
        let mut object = Object::begin(&mut text, "survey");
        object.id("survey_id", "s-", 42, 5);
        object.time("submitted_at", Timestamp::from_millis(1_700_000_000_123));
        object.seconds("wait_seconds", 61_007);
        object.flag("resolved", true);
        object.number("nps", 10);
        object.raw("comment", "null");
        object.end();
        assert_eq!(
            text,
            r#"{"type":"survey","survey_id":"s-00042","submitted_at":"2023-11-14T22:13:20.123Z","wait_seconds":61.007,"resolved":true,"nps":10,"comment":null}"#
        );
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
    }
}
