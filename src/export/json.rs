//! Rows as JSON, streamed: the output of `cxpulse replay --format json` and of `/api/v1/kpis`.

use std::io::{self, Write};

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::{Filter, rows, series};
use crate::engine::{Stats, View};
use crate::event::Reason;

/// Writes the result of a replay: `at`, the accounting and the rows, one row a line.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write_replay(out: &mut impl Write, view: &View, filter: &Filter) -> io::Result<()> {
    out.write_all(b"{")?;
    write_at(out, view)?;
    let stats = &view.stats;
    write!(out, "\"waiting\":{},\"rejected\":", stats.waiting)?;
    serde_json::to_writer(&mut *out, &Rejected(stats))?;
    write!(out, ",\"duplicates\":{},", stats.duplicates)?;
    write_rows(out, view, filter)?;
    out.write_all(b"}\n")
}

/// Writes `at` and the rows, one row a line: the body of `/api/v1/kpis` and of a stream event.
/// While history is still being caught up, `"caught_up":false` says that the figures are not whole
/// yet.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write_kpis(
    out: &mut impl Write,
    view: &View,
    filter: &Filter,
    caught_up: bool,
) -> io::Result<()> {
    out.write_all(b"{")?;
    write_at(out, view)?;
    if !caught_up {
        out.write_all(b"\"caught_up\":false,")?;
    }
    write_rows(out, view, filter)?;
    out.write_all(b"}\n")
}

/// Writes the past hours, one series a line: the body of `/api/v1/history`. `at` is the instant of
/// the newest values.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write_history(out: &mut impl Write, view: &View, filter: &Filter) -> io::Result<()> {
    out.write_all(b"{")?;
    if let Some(at) = view.history.newest() {
        write!(out, "\"at\":\"{at}\",")?;
    }
    let step_seconds = view.history.step_ms() / 1000;
    write!(out, "\"step_seconds\":{step_seconds},\"series\":[")?;
    for (index, series) in series(view, filter).enumerate() {
        out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, &series)?;
    }
    out.write_all(b"]}\n")
}

fn write_at(out: &mut impl Write, view: &View) -> io::Result<()> {
    match view.at {
        Some(at) => write!(out, "\"at\":\"{at}\","),
        None => Ok(()),
    }
}

fn write_rows(out: &mut impl Write, view: &View, filter: &Filter) -> io::Result<()> {
    out.write_all(b"\"kpis\":[")?;
    for (index, row) in rows(view, filter).enumerate() {
        out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, &row)?;
    }
    out.write_all(b"]")
}

/// Rejects by reason, those that occurred.
struct Rejected<'a>(&'a Stats);

impl Serialize for Rejected<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (reason, count) in Reason::ALL.into_iter().zip(self.0.rejected) {
            if count > 0 {
                map.serialize_entry(reason.name(), &count)?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::sample_view;
    use super::*;

    fn replay(view: &View) -> Value {
        let mut out = Vec::new();
        write_replay(&mut out, view, &Filter::default()).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    fn row<'a>(replay: &'a Value, kpi: &str, window: &str, breakdown: &str) -> &'a Value {
        let rows = replay["kpis"].as_array().unwrap();
        rows.iter()
            .find(|row| {
                row["kpi"] == kpi && row["window"] == window && row["breakdown"] == breakdown
            })
            .unwrap()
    }

    #[test]
    fn accounting_stands_before_the_rows() {
        let mut view = sample_view();
        view.stats.waiting = 3;
        view.stats.duplicates = 2;
        view.stats.rejected[1] = 7;
        let replay = replay(&view);
        assert_eq!(replay["at"], "2026-03-02T08:00:00.000Z");
        assert_eq!(replay["waiting"], 3);
        assert_eq!(replay["rejected"], json!({"invalid_json": 7}));
        assert_eq!(replay["duplicates"], 2);
    }

    #[test]
    fn rows_have_the_members_of_the_contract() {
        let replay = replay(&sample_view());
        let aht = row(&replay, "aht", "1h", "queue");
        assert_eq!(aht["key"], json!({"queue": "billing"}));
        assert_eq!(aht["value"], 300.25);
        assert_eq!(aht["samples"], 2);
        // A whole numerator would stand as an integer; the denominator does.
        assert_eq!(aht["numerator"].to_string(), "600.5");
        assert_eq!(aht["denominator"].to_string(), "2");
        assert_eq!(aht["complete"], true);
        let quantiles = &row(&replay, "handle_time", "1h", "overall")["quantiles"];
        let names: Vec<_> = quantiles.as_object().unwrap().keys().collect();
        assert_eq!(names, ["0.5", "0.9", "0.95", "0.99"]);
    }

    #[test]
    fn absent_members_are_left_out() {
        let replay = replay(&sample_view());
        let members = |kpi: &str| {
            let row = row(&replay, kpi, "5m", "overall");
            let names = row.as_object().unwrap().keys().cloned();
            names.collect::<std::collections::BTreeSet<_>>()
        };
        let expected = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let always = ["kpi", "window", "breakdown", "key", "samples", "complete"];
        let mut with_parts = always.to_vec();
        with_parts.extend(["numerator", "denominator"]);
        assert_eq!(members("ces"), expected(&with_parts));
        assert_eq!(members("handle_time"), expected(&always));
        assert_eq!(row(&replay, "ces", "5m", "overall")["key"], json!({}));
    }

    #[test]
    fn nothing_accepted_has_no_moment_and_no_rows() {
        let mut view = sample_view();
        view.at = None;
        assert_eq!(
            replay(&view),
            json!({"waiting": 0, "rejected": {}, "duplicates": 0, "kpis": []})
        );
    }

    #[test]
    fn the_api_says_when_it_has_not_caught_up() {
        let view = sample_view();
        let body = |caught_up| {
            let mut out = Vec::new();
            write_kpis(&mut out, &view, &Filter::default(), caught_up).unwrap();
            serde_json::from_slice::<Value>(&out).unwrap()
        };
        assert_eq!(body(false)["caught_up"], false);
        let whole = body(true);
        let names: Vec<_> = whole.as_object().unwrap().keys().collect();
        assert_eq!(names, ["at", "kpis"]);
    }

    #[test]
    fn two_writes_are_equal_to_the_byte() {
        let view = sample_view();
        let mut pages = [Vec::new(), Vec::new()];
        for page in &mut pages {
            write_replay(page, &view, &Filter::default()).unwrap();
        }
        assert_eq!(pages[0], pages[1]);
    }
}
