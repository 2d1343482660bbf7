//! The metrics page and replay output of a larger view.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cxpulse::engine::{BreakdownView, KeyView, Lifetime, Stats, View, WindowView};
use cxpulse::export::{self, Filter, json, prometheus};
use cxpulse::kpi::{Cell, Count, Kpi, MatureTotals, Totals};
use cxpulse::time::Timestamp;

/// A view with the default windows and breakdowns, `queues` and `channels` all full of figures.
pub(crate) fn full_view(queues: usize, channels: usize) -> View {
    let windows = [("5m", 300_000), ("1h", 3_600_000), ("24h", 86_400_000)];
    let named =
        |what: &str, count: usize| (0..count).map(|n| vec![format!("{what} {n}")]).collect();
    View {
        at: Some(Timestamp::from_millis(1_772_438_400_000)),
        kpis: Arc::default(),
        windows: windows
            .map(|(name, length_ms)| WindowView {
                name: name.into(),
                length_ms,
                day_from: None,
                complete: true,
                complete_for_fcr: false,
                for_alert_only: false,
            })
            .into(),
        breakdowns: vec![
            breakdown("overall", &[], vec![vec![]]),
            breakdown("queue", &["queue"], named("queue", queues)),
            breakdown("channel", &["channel"], named("channel", channels)),
        ],
        stats: Stats::default(),
        history: Arc::default(),
    }
}

fn breakdown(label: &str, dimensions: &[&str], keys: Vec<Vec<String>>) -> BreakdownView {
    let dimensions: Vec<_> = dimensions.iter().map(ToString::to_string).collect();
    let keys = keys.into_iter().map(|values| KeyView {
        values: values
            .iter()
            .map(|value| Arc::from(value.as_str()))
            .collect(),
        live: true,
        revision: 0,
        cells: vec![cell(); 3],
        lifetime: Arc::new(Lifetime {
            totals: totals(),
            handle_time_buckets: vec![0; 13],
            ..Lifetime::default()
        }),
    });
    BreakdownView {
        label: label.into(),
        dimensions: dimensions.into(),
        handle_time: label != "channel",
        keys: keys.map(Arc::new).collect(),
    }
}

fn cell() -> Cell {
    Cell {
        totals: totals(),
        mature: MatureTotals {
            first: 3,
            resolved: 2,
        },
        survival: None,
        quantiles: Some([1.5, 2.0, 2.5, 3.25]),
    }
}

/// Every count 3, so that every KPI has a value.
fn totals() -> Totals {
    let mut totals = Totals::default();
    for count in Count::ALL {
        totals.count(count, 3);
    }
    totals.count(Count::NpsDetractors, -2);
    totals.count(Count::AbandonedShort, -3);
    totals
}

/// Issue 2, Show 3.
#[test]
fn the_default_page_of_a_large_center_stays_under_twenty_thousand_series() {
    let view = full_view(200, 4);
    let page = prometheus::render(&view, &export::Settings::default(), &[], &[]);
    assert!(page.series < 20_000, "{} series", page.series);
    assert!(
        page.series > 15_000,
        "{} series: is something missing?",
        page.series
    );
    let samples: BTreeSet<_> = page
        .text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(' ').unwrap().0)
        .collect();
    assert_eq!(samples.len(), page.series, "a series stands twice");
}

/// The page says what the API says.
#[test]
fn page_and_rows_agree() {
    let view = full_view(3, 2);
    let settings = export::Settings {
        kpis: Kpi::ALL.into(),
        ..export::Settings::default()
    };
    let page = prometheus::render(&view, &settings, &[], &[]);
    let samples: BTreeMap<_, f64> = page
        .text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(series, value)| (series, value.parse().unwrap()))
        .collect();
    let mut compared = 0;
    for row in export::rows(&view, &Filter::default()) {
        let mut key = String::new();
        for (name, value) in row.dimensions() {
            key.extend([",", name, "=\"", value, "\""]);
        }
        let (window, breakdown) = (&row.window.name, &row.breakdown.label);
        let place = format!("window=\"{window}\",breakdown=\"{breakdown}\"");
        if let Some(value) = row.reading.value {
            let series = format!("{}{{{place}{key}}}", row.kpi.family());
            assert_eq!(
                samples[series.as_str()].to_bits(),
                value.to_bits(),
                "{series}"
            );
            compared += 1;
        }
        let series = format!("cx_kpi_samples{{kpi=\"{}\",{place}{key}}}", row.kpi.name());
        assert_eq!(
            samples[series.as_str()].to_string(),
            row.reading.samples.to_string(),
            "{series}"
        );
    }
    assert!(compared > 6 * 3 * 10);
}

#[test]
fn replay_output_is_json_in_the_order_of_the_contract() {
    let view = full_view(2, 1);
    let mut text = Vec::new();
    json::write_replay(&mut text, &view, &Filter::default()).unwrap();
    let replay: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(replay["at"], "2026-03-02T08:00:00.000Z");
    let rows = replay["kpis"].as_array().unwrap();
    // 16 KPIs, one of them absent in windows this short and one at the channel; 3 windows, 4 keys.
    assert_eq!(rows.len(), 15 * 3 * 4 - 3);
    let order: Vec<_> = rows
        .iter()
        .map(|row| {
            let kpi = Kpi::from_name(row["kpi"].as_str().unwrap()).unwrap();
            let window = ["5m", "1h", "24h"]
                .iter()
                .position(|name| row["window"] == *name);
            let breakdown = ["overall", "queue", "channel"]
                .iter()
                .position(|label| row["breakdown"] == *label);
            (
                kpi,
                window.unwrap(),
                breakdown.unwrap(),
                row["key"].to_string(),
            )
        })
        .collect();
    assert!(order.is_sorted());
    assert_eq!(
        rows[0]["complete"], false,
        "fcr needs the horizon before the window"
    );
    assert_eq!(rows.last().unwrap()["complete"], true);
}
