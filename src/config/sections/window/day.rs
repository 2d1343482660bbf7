//! `since` and `zone` of a `[[window]]`: the day so far.

use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;

use crate::window::{DayStart, WindowSpec};

use super::super::super::report::{Given, Report};
use super::super::super::section::Section;
use super::super::super::setting::{Fault, Setting};
use super::super::super::tree::Node;

/// No pane of a day is longer.
const LONGEST_PANE: Duration = Duration::from_hours(1);

/// An hour of the clock.
struct Since(Time);

impl Setting for Since {
    fn parse(node: &Node) -> Result<Self, Fault> {
        let text = String::parse(node)?;
        let is_short = text.len() == 5 && text.is_char_boundary(2);
        let time = is_short
            .then(|| Time::strptime("%H:%M", &text).ok())
            .flatten();
        time.map(Self).ok_or_else(|| {
            Fault::new(
                format!("`{text}` is no hour of the clock"),
                "hours and minutes, \"00:00\" to \"23:59\"",
            )
        })
    }

    fn show(&self) -> String {
        self.0.strftime("%H:%M").to_string().show()
    }
}

impl Setting for TimeZone {
    fn parse(node: &Node) -> Result<Self, Fault> {
        let name = String::parse(node)?;
        Self::get(&name).map_err(|_| {
            Fault::new(
                format!("`{name}` is no time zone"),
                "a name of the IANA data base: \"Europe/Rome\", \"America/New_York\", \"UTC\"",
            )
        })
    }

    fn show(&self) -> String {
        self.iana_name().unwrap_or("UTC").to_owned().show()
    }
}

/// Reads a window that has `since` or `zone`.
pub(super) fn read(mut section: Section, report: &mut Report) -> Option<Given<WindowSpec>> {
    let since = section.required::<Since>(report, "since", "since = \"00:00\"");
    let zone = section.required::<TimeZone>(report, "zone", "zone = \"Europe/Rome\"");
    if let Some(node) = section.take(report, "length") {
        report.problem(
            &section.at_key("length", &node.origin),
            "the day so far has no length",
            "leave `length` out, or `since` and `zone` for a rolling window",
        );
    }
    let built_in = WindowSpec::day_so_far(DayStart::new(Time::midnight(), TimeZone::UTC));
    let pane = section.read(report, "pane", built_in.pane);
    let delay = super::read_delay(&mut section, report);
    section.finish(report);
    pane.must(
        pane.value.as_millis() > 0 && pane.value <= LONGEST_PANE,
        report,
        "is not between 1ms and 1h",
        "leave it out for 1m",
    );
    let (since, zone) = (since?, zone?);
    Some(Given {
        value: WindowSpec {
            pane: pane.value,
            delay,
            ..WindowSpec::day_so_far(DayStart::new(since.value.0, zone.value))
        },
        at: since.at,
    })
}
