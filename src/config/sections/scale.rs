//! `[kpis.csat]` and `[kpis.ces]`: the scales of the scores and what is good on them.

use crate::kpi::{Polarity, Settings};

use super::super::report::{Given, Report};
use super::super::section::Section;
use super::super::setting::{Fault, Setting};
use super::super::tree::Node;

pub(super) fn read_csat(
    kpis: &mut Section,
    report: &mut Report,
    scale: (i32, i32),
) -> ((i32, i32), i32) {
    let default = Settings::default().csat_satisfied_from_milli;
    let mut section = kpis.child(report, "csat");
    let scale_given = section.has("scale");
    let scale = read_scale(&mut section, report, scale);
    let from = section.read(report, "satisfied_from", Milli(default));
    section.finish(report);
    if !scale_holds(scale.value, from.value.0) {
        let at = if from.at.origin.is_given() {
            &from.at
        } else {
            &scale.at
        };
        report.problem(
            at,
            format!(
                "satisfied_from {} is not on the scale {}",
                from.value.show(),
                show_scale(scale.value)
            ),
            "answers from satisfied_from on count as satisfied; it lies on the scale",
        );
    } else if scale_given && !from.at.origin.is_given() {
        report.warning(
            &scale.at,
            format!(
                "the scale is given but satisfied_from stays {}",
                from.value.show()
            ),
            "say from which answer on customers count as satisfied",
        );
    }
    (scale.value, from.value.0)
}

pub(super) fn read_ces(
    kpis: &mut Section,
    report: &mut Report,
    scale: (i32, i32),
) -> ((i32, i32), Polarity) {
    let mut section = kpis.child(report, "ces");
    let scale = read_scale(&mut section, report, scale);
    let polarities = [
        ("low_is_easy", Polarity::LowIsEasy),
        ("high_is_easy", Polarity::HighIsEasy),
    ];
    let default = Settings::default().ces_polarity;
    let polarity = section.choice(report, "polarity", default, &polarities);
    section.finish(report);
    (scale.value, polarity.value)
}

/// A score, kept in thousandths.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Milli(i32);

impl Setting for Milli {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::as_conversions,
        reason = "checked to be whole and within a million"
    )]
    fn parse(node: &Node) -> Result<Self, Fault> {
        let milli = f64::parse(node)? * 1000.0;
        if milli.abs() > 1e9 {
            return Err(Fault::new(
                "is beyond a million",
                "scores are small numbers: 4, 4.5",
            ));
        }
        if (milli - milli.round()).abs() > 1e-6 {
            return Err(Fault::new(
                "has more than three decimals",
                "scores are kept to the thousandth",
            ));
        }
        Ok(Self(milli.round() as i32))
    }

    fn show(&self) -> String {
        if self.0 % 1000 == 0 {
            (self.0 / 1000).to_string()
        } else {
            (f64::from(self.0) / 1000.0).to_string()
        }
    }
}

fn read_scale(
    section: &mut Section,
    report: &mut Report,
    default: (i32, i32),
) -> Given<(i32, i32)> {
    let ends = section.read(report, "scale", vec![Milli(default.0), Milli(default.1)]);
    let scale = match ends.value.as_slice() {
        [Milli(low), Milli(high)] if low < high => (*low, *high),
        [_, _] => {
            report.problem(
                &ends.at,
                "the low end is not below the high end",
                "scale = [1, 5]",
            );
            default
        }
        _ => {
            report.problem(&ends.at, "a scale has two ends", "scale = [1, 5]");
            default
        }
    };
    Given {
        value: scale,
        at: ends.at,
    }
}

fn scale_holds((low, high): (i32, i32), value: i32) -> bool {
    (low..=high).contains(&value)
}

fn show_scale((low, high): (i32, i32)) -> String {
    vec![Milli(low), Milli(high)].show()
}
