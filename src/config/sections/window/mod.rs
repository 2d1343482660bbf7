//! `[[window]]`: the rolling windows, the day so far, and the windows that alerts need besides.

mod day;

use std::time::Duration;

use crate::window::WindowSpec;

use super::super::duration::format_duration;
use super::super::report::{At, Given, Report};
use super::super::section::Section;
use super::super::setting::{Fault, Setting};
use super::super::tree::Node;

/// The longest window.
const LONGEST: Duration = Duration::from_hours(30 * 24);

/// Slices a window has unless configured.
const PANES: u32 = 60;

/// Above this number of panes a window costs memory and time for little.
const MANY_PANES: u128 = 10_000;

/// A duration that is also a name: kept as written.
#[derive(Clone, Debug)]
pub(in super::super) struct Length {
    pub(in super::super) text: String,
    pub(in super::super) duration: Duration,
}

impl Length {
    /// A length that nobody wrote.
    pub(super) fn of(duration: Duration) -> Self {
        Self {
            text: format_duration(duration),
            duration,
        }
    }
}

impl Setting for Length {
    fn parse(node: &Node) -> Result<Self, Fault> {
        if node
            .value
            .text()
            .is_some_and(|text| text.starts_with("since "))
        {
            return Err(Fault::new(
                "the day so far has no fixed length",
                "alerts watch rolling windows: window = \"1h\"",
            ));
        }
        Ok(Self {
            duration: Duration::parse(node)?,
            text: String::parse(node)?,
        })
    }

    fn show(&self) -> String {
        self.text.show()
    }
}

/// The windows, those of alerts at the end.
pub(super) struct Windows(Vec<WindowSpec>);

pub(super) fn read(root: &mut Section, report: &mut Report) -> Windows {
    let Some(sections) = root.children(report, "window") else {
        let defaults = WindowSpec::defaults();
        for (index, window) in defaults.iter().enumerate() {
            show_default(index, window, report);
        }
        return Windows(defaults);
    };
    if sections.is_empty() {
        let at = root.at_key("window", &root.at().origin);
        report.problem(
            &at,
            "there is no window",
            "leave the key out for the default windows",
        );
    }
    let mut windows: Vec<WindowSpec> = Vec::new();
    for section in sections {
        let Some(window) = read_window(section, report) else {
            continue;
        };
        let known = windows.iter().any(|other| other.name == window.value.name);
        window.must(
            !known,
            report,
            "there is another window of that name",
            "a window is named by its length, or its `since` and `zone`, as written; keep one",
        );
        windows.push(window.value);
    }
    Windows(windows)
}

fn show_default(index: usize, window: &WindowSpec, report: &mut Report) {
    for (name, value) in [
        ("length", window.name.clone()),
        ("pane", format_duration(window.pane)),
        ("delay", format_duration(window.delay)),
    ] {
        let at = At {
            key: format!("window[{index}].{name}"),
            origin: super::super::Origin::Default,
        };
        report.show(&at, value.show());
    }
}

fn read_window(mut section: Section, report: &mut Report) -> Option<Given<WindowSpec>> {
    if section.has("since") || section.has("zone") {
        return day::read(section, report);
    }
    let length = section.required::<Length>(report, "length", "length = \"1h\"");
    let pane_given = section.has("pane");
    let default_pane = length
        .as_ref()
        .map_or(Duration::ZERO, |length| length.value.duration / PANES);
    let pane = section.read(report, "pane", default_pane);
    let delay = read_delay(&mut section, report);
    section.finish(report);
    let length = length?;
    if check_length(&length, report) {
        if pane_given {
            check_pane(&pane, length.value.duration, report);
        } else {
            check_default_pane(&length, report);
        }
    }
    Some(Given {
        value: WindowSpec {
            pane: pane.value,
            delay,
            ..WindowSpec::new(&length.value.text, length.value.duration)
        },
        at: length.at,
    })
}

fn read_delay(section: &mut Section, report: &mut Report) -> Duration {
    let delay = section.read(report, "delay", Duration::ZERO);
    delay.must(
        delay.value <= LONGEST,
        report,
        "is longer than 30 days",
        "the delay says how far behind the present the window ends",
    );
    delay.value
}

fn check_length(length: &Given<Length>, report: &mut Report) -> bool {
    let duration = length.value.duration;
    length.must(
        !duration.is_zero(),
        report,
        "a window has a length above 0",
        "length = \"1h\"",
    );
    length.must(
        duration <= LONGEST,
        report,
        "is longer than 30 days",
        "windows go up to 30d",
    );
    !duration.is_zero() && duration <= LONGEST
}

fn check_pane(pane: &Given<Duration>, length: Duration, report: &mut Report) {
    let pane_ms = pane.value.as_millis();
    if pane_ms == 0 {
        report.problem(
            &pane.at,
            "a pane is at least 1ms long",
            "leave it out for a 60th of the length",
        );
        return;
    }
    let length_ms = length.as_millis();
    pane.must(
        length_ms.is_multiple_of(pane_ms),
        report,
        &format!("does not divide the length {}", format_duration(length)),
        &format!(
            "the length must be a whole number of panes; leave it out for {}",
            format_duration(length / PANES)
        ),
    );
    if length_ms / pane_ms > MANY_PANES {
        report.warning(
            &pane.at,
            format!("makes {} panes", length_ms / pane_ms),
            "60 to 1440 panes are usual; each is kept in memory at every key",
        );
    }
}

fn check_default_pane(length: &Given<Length>, report: &mut Report) {
    let even = length
        .value
        .duration
        .as_millis()
        .is_multiple_of(u128::from(PANES));
    length.must(
        even,
        report,
        "is not 60 panes of whole milliseconds",
        "give `pane`, a whole number of milliseconds that divides the length",
    );
}

impl Windows {
    /// The window of that name, else one of that length, else a new one for the alert alone.
    pub(super) fn watched(&mut self, length: &Given<Length>, report: &mut Report) -> WindowSpec {
        let named = self
            .0
            .iter()
            .find(|window| window.name == length.value.text);
        let duration = length.value.duration;
        let same_length = |window: &&WindowSpec| window.length == duration;
        match named.or_else(|| self.0.iter().find(same_length)) {
            Some(window) => window.clone(),
            None => self.add(&length.value, Duration::ZERO, &length.at, report),
        }
    }

    /// The window to compare a watched one with. It has the same delay: the short one is taken out
    /// of it.
    pub(super) fn baseline(
        &mut self,
        length: &Given<Length>,
        watched: &WindowSpec,
        report: &mut Report,
    ) -> WindowSpec {
        let fits = |window: &&WindowSpec| {
            window.length == length.value.duration && window.delay == watched.delay
        };
        if let Some(window) = self.0.iter().find(fits) {
            return window.clone();
        }
        if self.0.iter().any(|window| window.name == length.value.text) {
            report.problem(
                &length.at,
                format!(
                    "window {} has another delay than window {}",
                    length.value.text, watched.name
                ),
                "give both windows the same `delay`",
            );
        }
        self.add(&length.value, watched.delay, &length.at, report)
    }

    /// Makes sure that there is a window of that length.
    pub(super) fn derived(
        &mut self,
        duration: Duration,
        watched: &WindowSpec,
        at: &At,
        report: &mut Report,
    ) {
        if !self.0.iter().any(|window| window.length == duration) {
            self.add(&Length::of(duration), watched.delay, at, report);
        }
    }

    fn add(
        &mut self,
        length: &Length,
        delay: Duration,
        at: &At,
        report: &mut Report,
    ) -> WindowSpec {
        let given = Given {
            value: length.clone(),
            at: at.clone(),
        };
        if check_length(&given, report) {
            check_default_pane(&given, report);
        }
        let window = WindowSpec {
            delay,
            for_alert_only: true,
            ..WindowSpec::new(&length.text, length.duration)
        };
        self.0.push(window.clone());
        window
    }

    /// True if a configured window is longer than that.
    pub(super) fn any_longer_than(&self, length: Duration) -> bool {
        let mut configured = self.0.iter().filter(|window| !window.for_alert_only);
        configured.any(|window| window.length > length)
    }

    /// True if that is the name of a configured window.
    pub(super) fn has(&self, name: &str) -> bool {
        let mut configured = self.0.iter().filter(|window| !window.for_alert_only);
        configured.any(|window| window.name == name)
    }

    /// All windows, the configured ones first.
    pub(super) fn into_specs(self) -> Vec<WindowSpec> {
        self.0
    }
}
