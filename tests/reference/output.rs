//! What comes out, and a comparison that says where two results part.
use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::stats::Reading;

/// The result at one evaluation instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Output {
    /// The instant, in milliseconds; none when nothing was accepted.
    pub at: Option<i64>,
    pub received: u64,
    pub applied: u64,
    pub replaced: u64,
    pub duplicates: u64,
    pub waiting: u64,
    /// By name of the reason; reasons that did not occur are absent.
    pub rejected: BTreeMap<String, u64>,
    pub rows: BTreeMap<Place, Row>,
}

/// Where a row belongs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    // First what differs most, so that two places are told apart at a glance.
    pub kpi: String,
    pub window: String,
    /// Dimension names joined by `,`, or `overall`.
    pub breakdown: String,
    pub key: BTreeMap<String, String>,
}

/// One KPI at one place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub reading: Reading,
    pub complete: bool,
}

/// What a comparison looks at besides the rows, `at`, rejects and what waits, which must always agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    /// Applied, replaced and duplicate each: for the same events in the same order.
    Counters,
    /// Only that every event received is accounted for: for another order or with repetitions.
    Kpis,
}

/// Ratios and interval ends may differ by this.
const ABSOLUTE: f64 = 1e-9;
/// Means, and sums of times and scores, may differ by this share.
const RELATIVE: f64 = 1e-9;
/// Quantiles may differ by this share.
const QUANTILE: f64 = 0.02;

/// Panics with every difference between what was expected and what was found.
pub(crate) fn assert_same(expected: &Output, found: &Output, compare: Compare) {
    let differences = differences(expected, found, compare);
    assert!(
        differences.is_empty(),
        "{} differences (expected | found):\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// Every difference, in words: `what: expected | found`.
pub(crate) fn differences(expected: &Output, found: &Output, compare: Compare) -> Vec<String> {
    let mut list = Differences::default();
    list.equal("at", &expected.at, &found.at);
    if compare == Compare::Counters {
        list.equal("received", &expected.received, &found.received);
        list.equal("applied", &expected.applied, &found.applied);
        list.equal("replaced", &expected.replaced, &found.replaced);
        list.equal("duplicates", &expected.duplicates, &found.duplicates);
        list.equal("rejected", &expected.rejected, &found.rejected);
    }
    for output in [expected, found] {
        list.equal("accounted for", &output.received, &accounted(output));
    }
    list.equal("waiting", &expected.waiting, &found.waiting);
    let pairs = || expected.rows.iter().zip(&found.rows);
    if expected.rows.len() == found.rows.len() && pairs().all(|(one, other)| one.0 == other.0) {
        for ((place, row), (_, other)) in pairs() {
            list.rows(place, row, other);
        }
        return list.found;
    }
    for (place, row) in &expected.rows {
        match found.rows.get(place) {
            None => list.found.push(format!(
                "{}: samples {} | no row",
                label(place),
                row.reading.samples
            )),
            Some(other) => list.rows(place, row, other),
        }
    }
    for (place, row) in &found.rows {
        if !expected.rows.contains_key(place) {
            list.found.push(format!(
                "{}: no row | samples {}",
                label(place),
                row.reading.samples
            ));
        }
    }
    list.found
}

/// Applied, replaced, duplicate, rejected and waiting together.
pub(crate) fn accounted(output: &Output) -> u64 {
    let rejected: u64 = output.rejected.values().sum();
    output.applied + output.replaced + output.duplicates + rejected + output.waiting
}

fn label(place: &Place) -> String {
    let mut text = format!("{} {} by {}", place.kpi, place.window, place.breakdown);
    for (dimension, value) in &place.key {
        write!(text, " {dimension}={value}").expect("writing to a string");
    }
    text
}

/// How far two numbers may lie apart.
#[derive(Clone, Copy)]
enum Tolerance {
    Exact,
    Absolute(f64),
    Relative(f64),
}

#[derive(Default)]
struct Differences {
    found: Vec<String>,
}

impl Differences {
    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, expected: &T, found: &T) {
        if expected != found {
            self.found.push(format!("{what}: {expected:?} | {found:?}"));
        }
    }

    fn rows(&mut self, place: &Place, expected: &Row, found: &Row) {
        if expected == found {
            return;
        }
        let label = label(place);
        let is_mean = matches!(
            place.kpi.as_str(),
            "aht" | "asa" | "csat_score" | "ces" | "time_to_resolution"
        );
        let (e, f) = (&expected.reading, &found.reading);
        self.equal(
            &format!("{label}: complete"),
            &expected.complete,
            &found.complete,
        );
        self.equal(&format!("{label}: samples"), &e.samples, &f.samples);
        let value = if is_mean {
            Tolerance::Relative(RELATIVE)
        } else {
            Tolerance::Absolute(ABSOLUTE)
        };
        let sum = if is_mean {
            Tolerance::Relative(RELATIVE)
        } else {
            Tolerance::Exact
        };
        // A mean's interval is as fine as the numbers it is made of.
        let scale = e
            .value
            .unwrap_or(1.0)
            .abs()
            .max(e.upper.unwrap_or(1.0).abs())
            .max(1.0);
        let end = Tolerance::Absolute(if is_mean { RELATIVE * scale } else { ABSOLUTE });
        self.number(&label, "value", value, e.value, f.value);
        self.number(&label, "lower", end, e.lower, f.lower);
        self.number(&label, "upper", end, e.upper, f.upper);
        self.number(
            &label,
            "numerator",
            sum,
            or_nothing(e, e.numerator),
            or_nothing(f, f.numerator),
        );
        self.number(
            &label,
            "denominator",
            Tolerance::Exact,
            or_nothing(e, e.denominator),
            or_nothing(f, f.denominator),
        );
        let names: Vec<_> = e.quantiles.keys().chain(f.quantiles.keys()).collect();
        for name in names {
            let (one, other) = (
                e.quantiles.get(name).copied(),
                f.quantiles.get(name).copied(),
            );
            self.number(
                &label,
                &format!("quantile {name}"),
                Tolerance::Relative(QUANTILE),
                one,
                other,
            );
        }
    }

    fn number(
        &mut self,
        label: &str,
        what: &str,
        tolerance: Tolerance,
        expected: Option<f64>,
        found: Option<f64>,
    ) {
        let near = match expected.zip(found) {
            None => expected.is_none() && found.is_none(),
            Some((e, f)) => match tolerance {
                Tolerance::Exact => e.to_bits() == f.to_bits() || (e - f).abs() <= 0.0,
                Tolerance::Absolute(apart) => (e - f).abs() <= apart,
                Tolerance::Relative(share) => (e - f).abs() <= share * e.abs(),
            },
        };
        if !near {
            self.found
                .push(format!("{label}: {what}: {expected:?} | {found:?}"));
        }
    }
}

/// With no samples, a sum of 0 says as much as none.
fn or_nothing(reading: &Reading, number: Option<f64>) -> Option<f64> {
    number.filter(|_| reading.samples > 0)
}
