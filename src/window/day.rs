//! The day so far: from the last time the clocks of a zone showed an hour, to now.

use std::fmt;

use jiff::ToSpan;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use crate::time::Timestamp;

/// Offsets of time zones are whole multiples of this since 1970, and days begin at whole minutes:
/// days begin at multiples of this.
pub(super) const DAY_STARTS_AT_MULTIPLES_OF_MS: i64 = 30_000;

/// No day is longer: clocks are put back by at most two hours.
pub(super) const LONGEST_DAY_MS: i64 = 26 * 3_600_000;

/// When a day begins: an hour of the clocks of a time zone.
///
/// On the day the clocks jump over that hour the day begins as much later as they jump; on the day
/// they show it twice it begins at the first.
#[derive(Clone, PartialEq, Eq)]
pub struct DayStart {
    since: Time,
    zone: TimeZone,
}

impl DayStart {
    /// The day that begins when clocks in `zone` show `since`.
    pub fn new(since: Time, zone: TimeZone) -> Self {
        Self { since, zone }
    }

    /// The start of the day that `at` lies in: the last one that is not after it.
    ///
    /// ```
    /// use cxpulse::time::Timestamp;
    /// use cxpulse::window::DayStart;
    /// let zone = jiff::tz::TimeZone::get("Europe/Rome")?;
    /// let day = DayStart::new(jiff::civil::time(0, 0, 0, 0), zone);
    /// let noon: jiff::Timestamp = "2026-03-29T12:00:00+02:00".parse()?;
    /// let start = day.last_before(Timestamp::from_millis(noon.as_millisecond()));
    /// // The clocks were put forward at two: noon is eleven hours after midnight.
    /// assert_eq!(start.to_string(), "2026-03-28T23:00:00.000Z");
    /// # Ok::<(), jiff::Error>(())
    /// ```
    pub fn last_before(&self, at: Timestamp) -> Timestamp {
        let Ok(moment) = jiff::Timestamp::from_millisecond(at.as_millis()) else {
            return at;
        };
        let today = self.zone.to_datetime(moment).date();
        let days = [1, 0, -1].map(|offset| today.checked_add(offset.days()));
        let starts = days.into_iter().flatten().filter_map(|date| {
            let start = self
                .zone
                .to_ambiguous_timestamp(date.to_datetime(self.since));
            let start = start.compatible().ok()?.as_millisecond();
            Some(Timestamp::from_millis(start))
        });
        starts.filter(|start| *start <= at).max().unwrap_or(at)
    }

    /// Hour and minute, as configured.
    pub fn since(&self) -> String {
        self.since.strftime("%H:%M").to_string()
    }

    /// Name of the time zone.
    pub fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }
}

impl fmt::Display for DayStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "since {} {}", self.since(), self.zone())
    }
}

/// What was configured, without the rules of the zone: they change with its data base.
impl fmt::Debug for DayStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DayStart({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Timestamp {
        let moment: jiff::Timestamp = text.parse().unwrap();
        Timestamp::from_millis(moment.as_millisecond())
    }

    fn start(since: (i8, i8), zone: &str, at: &str) -> Timestamp {
        let zone = TimeZone::get(zone).unwrap();
        DayStart::new(jiff::civil::time(since.0, since.1, 0, 0), zone).last_before(moment(at))
    }

    #[test]
    fn a_day_begins_at_midnight_of_the_zone() {
        let rome = |at| start((0, 0), "Europe/Rome", at);
        assert_eq!(
            rome("2026-03-10T00:00:00+01:00"),
            moment("2026-03-10T00:00:00+01:00")
        );
        assert_eq!(
            rome("2026-03-10T23:59:59.999+01:00"),
            moment("2026-03-10T00:00:00+01:00")
        );
        assert_eq!(
            rome("2026-03-09T23:59:59.999+01:00"),
            moment("2026-03-09T00:00:00+01:00")
        );
    }

    #[test]
    fn days_of_23_and_25_hours() {
        let rome = |at| start((0, 0), "Europe/Rome", at);
        assert_eq!(
            rome("2026-03-29T23:30:00+02:00"),
            moment("2026-03-29T00:00:00+01:00")
        );
        assert_eq!(
            rome("2026-03-30T00:00:00+02:00"),
            moment("2026-03-30T00:00:00+02:00")
        );
        assert_eq!(
            rome("2026-10-25T23:30:00+01:00"),
            moment("2026-10-25T00:00:00+02:00")
        );
        assert_eq!(
            rome("2026-10-26T00:00:00+01:00"),
            moment("2026-10-26T00:00:00+01:00")
        );
    }

    #[test]
    fn an_hour_that_is_skipped_comes_later_and_one_that_comes_twice_counts_once() {
        let rome = |at| start((2, 30), "Europe/Rome", at);
        // 02:30 is skipped: the day begins at 03:30.
        assert_eq!(
            rome("2026-03-29T03:10:00+02:00"),
            moment("2026-03-28T02:30:00+01:00")
        );
        assert_eq!(
            rome("2026-03-29T03:30:00+02:00"),
            moment("2026-03-29T03:30:00+02:00")
        );
        // 02:30 comes twice: the day begins at the first.
        assert_eq!(
            rome("2026-10-25T02:30:00+02:00"),
            moment("2026-10-25T02:30:00+02:00")
        );
        assert_eq!(
            rome("2026-10-25T02:40:00+01:00"),
            moment("2026-10-25T02:30:00+02:00")
        );
        // Midnight is skipped in Beirut, and comes twice in Havana.
        let beirut = start((0, 0), "Asia/Beirut", "2026-03-29T12:00:00+03:00");
        assert_eq!(beirut, moment("2026-03-29T01:00:00+03:00"));
        let havana = start((0, 0), "America/Havana", "2026-11-01T00:30:00-05:00");
        assert_eq!(havana, moment("2026-11-01T00:00:00-04:00"));
    }

    #[test]
    fn days_begin_at_known_multiples_and_are_not_longer_than_known() {
        for zone in [
            "Europe/Rome",
            "Asia/Kathmandu",
            "Antarctica/Troll",
            "Australia/Lord_Howe",
            "Pacific/Apia",
            "Africa/Monrovia",
            "America/Sao_Paulo",
        ] {
            let day = DayStart::new(jiff::civil::time(0, 1, 0, 0), TimeZone::get(zone).unwrap());
            let mut at = moment("1970-01-03T00:00:00Z");
            while at < moment("2040-01-01T00:00:00Z") {
                let start = day.last_before(at);
                assert_eq!(
                    start.as_millis() % DAY_STARTS_AT_MULTIPLES_OF_MS,
                    0,
                    "{zone} {at}"
                );
                assert!(
                    start <= at && at.millis_since(start) < LONGEST_DAY_MS,
                    "{zone} {at}"
                );
                at = at.plus_millis(9_977_777);
            }
        }
    }
}
