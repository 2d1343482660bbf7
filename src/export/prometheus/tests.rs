//! The page as Prometheus reads it: names, types, labels, limits.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::testing::{breakdown, full_key, rename_first_queue, sample_view};
use super::*;
use crate::export::estimate;
use crate::kpi::FcrMethod;

fn page(view: &View, settings: &Settings) -> Page {
    render(view, settings, &[], &[])
}

fn only(kpis: &[Kpi]) -> Settings {
    Settings {
        kpis: kpis.to_vec(),
        ..Settings::default()
    }
}

/// The lines of a page that begin with `start`.
fn lines<'a>(page: &'a Page, start: &str) -> Vec<&'a str> {
    let lines = page.text.lines();
    lines.filter(|line| line.starts_with(start)).collect()
}

fn families(page: &Page) -> Vec<&str> {
    let lines = page.text.lines();
    let headers = lines.filter_map(|line| line.strip_prefix("# TYPE "));
    headers
        .map(|header| header.split(' ').next().unwrap())
        .collect()
}

#[test]
fn a_small_page_in_full() {
    let mut view = sample_view();
    view.breakdowns.truncate(2);
    view.windows.truncate(2);
    view.breakdowns[0].keys.clear();
    let alert = AlertSeries {
        name: "csat low".into(),
        severity: "page".into(),
        labels: vec![("queue".into(), "billing".into())],
        state: 2,
        insufficient: false,
    };
    let page = render(&view, &only(&[Kpi::Csat]), &[], &[alert]);
    assert_eq!(page.text, include_str!("golden.prom"));
    assert_eq!(page.suppressed, 0);
    let samples = page.text.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(page.series, samples.count());
}

#[test]
fn families_stand_in_one_piece_and_only_with_samples() {
    let page = page(&sample_view(), &Settings::default());
    let mut seen = BTreeSet::new();
    let mut current = "";
    for line in page.text.lines() {
        if let Some(header) = line.strip_prefix("# HELP ") {
            current = header.split(' ').next().unwrap();
            assert!(seen.insert(current), "{current} stands twice");
        } else if !line.starts_with('#') {
            assert!(line.starts_with(current), "{line} stands under {current}");
        }
    }
    let names = families(&page);
    assert!(names.contains(&"cx_fcr_mature_ratio"));
    assert!(names.contains(&"cx_window_numerator"));
    for absent in ["cx_kpi_lower", "cx_ces_score", "cx_alert_state"] {
        assert!(!names.contains(&absent), "{absent}");
        assert!(!page.text.contains(absent), "{absent} has a lone header");
    }
}

#[test]
fn a_key_that_is_not_live_keeps_counters_and_zero_samples() {
    let page = page(&sample_view(), &Settings::default());
    let gone: Vec<_> = page
        .text
        .lines()
        .filter(|l| l.contains("\"gone\""))
        .collect();
    for line in &gone {
        let is_counter = line.split('{').next().unwrap().ends_with("_total");
        let is_histogram = line.starts_with("cx_handle_time_seconds_");
        let is_zero = line.starts_with("cx_kpi_samples{") && line.ends_with(" 0");
        assert!(is_counter || is_histogram || is_zero, "{line}");
    }
    let samples = gone
        .iter()
        .filter(|line| line.starts_with("cx_kpi_samples"));
    assert_eq!(samples.count(), 16);
    assert!(
        lines(&page, "cx_aht_seconds")
            .iter()
            .all(|line| line.contains("window=\"1h\""))
    );
}

#[test]
fn intervals_and_partials_come_when_asked_for() {
    let view = sample_view();
    let mut settings = only(&[Kpi::Csat]);
    let plain = page(&view, &settings);
    assert_eq!(lines(&plain, "cx_window_numerator").len(), 2);
    assert!(
        lines(&plain, "cx_window_")
            .iter()
            .all(|l| l.contains("\"overall\""))
    );
    settings.intervals = true;
    settings.partials = true;
    let full = page(&view, &settings);
    assert_eq!(lines(&full, "cx_kpi_lower{").len(), 2);
    assert_eq!(lines(&full, "cx_kpi_upper{").len(), 2);
    let numerators = lines(&full, "cx_window_numerator{");
    // Two windows at overall, billing and voice; 0 where there is nothing.
    assert_eq!(numerators.len(), 6);
    assert!(numerators.contains(
        &r#"cx_window_numerator{kpi="csat",window="1h",breakdown="queue",queue="billing"} 7"#
    ));
}

#[test]
fn an_alert_brings_its_window_breakdown_and_interval() {
    let view = sample_view();
    let extra = Extra {
        kpi: Kpi::Asa,
        window: "30m".into(),
        breakdown: "queue".into(),
        intervals: true,
    };
    let page = render(&view, &only(&[Kpi::Csat]), &[extra], &[]);
    assert_eq!(
        lines(&page, "cx_asa_seconds"),
        [r#"cx_asa_seconds{window="30m",breakdown="queue",queue="billing"} 15"#]
    );
    let places: Vec<_> = page
        .text
        .lines()
        .filter(|l| l.contains("\"30m\""))
        .collect();
    let names: BTreeSet<_> = places
        .iter()
        .map(|l| l.split('{').next().unwrap())
        .collect();
    let expected = [
        "cx_asa_seconds",
        "cx_kpi_lower",
        "cx_kpi_samples",
        "cx_kpi_upper",
        "cx_window_denominator",
        "cx_window_numerator",
    ];
    assert_eq!(names.into_iter().collect::<Vec<_>>(), expected);
    assert!(
        lines(&page, "cx_kpi_definition_info")
            .iter()
            .any(|l| l.contains("\"asa\""))
    );
}

#[test]
fn counters_follow_the_formulas_of_the_windows() {
    let page = page(&sample_view(), &Settings::default());
    for line in [
        r#"cx_interactions_total{breakdown="overall",abandoned="true"} 1"#,
        r#"cx_interactions_total{breakdown="overall",abandoned="false"} 2"#,
        r#"cx_survey_responses_total{breakdown="overall",question="csat"} 10"#,
        r#"cx_nps_responses_total{breakdown="overall",category="passive"} 3"#,
        r#"cx_contacts_first_total{breakdown="overall"} 9"#,
        r#"cx_kpi_numerator_total{breakdown="overall",kpi="service_level"} 1"#,
        r#"cx_kpi_denominator_total{breakdown="overall",kpi="service_level"} 3"#,
        r#"cx_handle_time_seconds_bucket{breakdown="queue",le="120",queue="billing"} 1"#,
        r#"cx_handle_time_seconds_bucket{breakdown="queue",le="600",queue="billing"} 2"#,
        r#"cx_handle_time_seconds_bucket{breakdown="queue",le="+Inf",queue="billing"} 2"#,
        r#"cx_handle_time_seconds_sum{breakdown="queue",queue="billing"} 600.5"#,
        r#"cx_handle_time_seconds_count{breakdown="queue",queue="billing"} 2"#,
        r#"cx_handle_time_quantile_seconds{window="1h",breakdown="overall",quantile="0.5"} 120"#,
    ] {
        assert!(
            page.text.lines().any(|l| l == line),
            "{line} is missing in\n{}",
            page.text
        );
    }
    // First contact resolution is no counter: its credits are taken back.
    assert!(
        lines(&page, "cx_kpi_numerator_total")
            .iter()
            .all(|l| !l.contains("fcr"))
    );
    assert!(
        lines(&page, "cx_handle_time_seconds")
            .iter()
            .all(|l| !l.contains("channel"))
    );
}

#[test]
fn the_limit_keeps_whole_keys_broadest_first() {
    let mut view = sample_view();
    view.breakdowns.rotate_left(1);
    let all = page(&view, &Settings::default());
    let mut settings = Settings {
        max_series: all.series - 1,
        ..Settings::default()
    };
    let cut = page(&view, &settings);
    assert_eq!(cut.series + cut.suppressed, all.series);
    assert!(cut.text.contains("breakdown=\"overall\""));
    assert!(cut.text.contains("\"gone\"") && !cut.text.contains("\"voice\""));
    settings.max_series = 0;
    let nothing = page(&view, &settings);
    assert_eq!(
        (nothing.text.as_str(), nothing.suppressed),
        ("", all.series)
    );
    settings.max_series = all.series;
    assert_eq!(page(&view, &settings), all);
}

#[test]
fn a_hostile_name_stays_in_its_value() {
    let mut view = sample_view();
    let name = "x\"} 1\ncx_up 1\n# TYPE a gauge\\\r\u{0}\u{202e}\u{7f}";
    rename_first_queue(&mut view, name);
    let hostile = page(&view, &Settings::default());
    let honest = page(&sample_view(), &Settings::default());
    assert_eq!(
        hostile.text.split('\n').count(),
        honest.text.split('\n').count()
    );
    assert_eq!(families(&hostile), families(&honest));
    let escaped = "queue=\"x\\\"} 1\\ncx_up 1\\n# TYPE a gauge\\\\\r\u{0}\u{202e}\u{7f}\"";
    assert!(hostile.text.contains(escaped));
}

#[test]
fn under_flag_there_is_one_reading_of_fcr() {
    let mut view = sample_view();
    let mut kpis = (*view.kpis).clone();
    kpis.fcr.method = FcrMethod::Flag;
    view.kpis = Arc::new(kpis);
    let page = page(&view, &only(&[Kpi::Fcr, Kpi::FcrMature, Kpi::FcrCorrected]));
    assert_eq!(lines(&page, "cx_fcr_ratio").len(), 2);
    assert!(!page.text.contains("cx_fcr_mature_ratio{"));
    assert!(
        lines(&page, "cx_kpi_samples")
            .iter()
            .all(|l| l.contains("\"fcr\""))
    );
    assert_eq!(
        lines(&page, "cx_kpi_definition_info"),
        [r#"cx_kpi_definition_info{kpi="fcr",definition="flag"} 1"#]
    );
}

#[test]
fn what_is_not_finite_is_left_out() {
    let mut view = sample_view();
    Arc::make_mut(&mut view.breakdowns[0].keys[0]).cells[1].quantiles =
        Some([f64::NAN, 1.0, f64::INFINITY, 2.0]);
    let page = page(&view, &Settings::default());
    let overall = r#"cx_handle_time_quantile_seconds{window="1h",breakdown="overall""#;
    assert_eq!(lines(&page, overall).len(), 2);
    assert!(!page.text.contains("NaN") && !page.text.contains("inf "));
}

#[test]
fn the_estimate_is_what_a_full_page_has() {
    let mut view = sample_view();
    let keys: Vec<_> = ["a", "b", "c"].map(|name| full_key(&[name])).into();
    view.breakdowns = vec![
        breakdown(&[], vec![full_key(&[])]),
        breakdown(&["queue"], keys),
    ];
    for breakdown in &mut view.breakdowns {
        for key in &mut breakdown.keys {
            let key = Arc::make_mut(key);
            key.cells[0] = key.cells[1].clone();
        }
    }
    let mut engine = crate::engine::Settings::default();
    engine.windows.truncate(2);
    engine.breakdowns.truncate(2);
    for (intervals, partials) in [(false, false), (true, false), (false, true), (true, true)] {
        let settings = Settings {
            intervals,
            partials,
            ..Settings::default()
        };
        let estimate = estimate(&engine, &settings, &[]);
        let per_key: Vec<_> = estimate
            .breakdowns
            .iter()
            .map(|b| b.series_per_key)
            .collect();
        let expected = estimate.definitions + per_key[0] + 3 * per_key[1];
        assert_eq!(page(&view, &settings).series, expected);
    }
}

/// Where no interval is shown none is computed; nothing else differs.
#[test]
fn all_but_the_interval_is_the_same_without_intervals() {
    let view = sample_view();
    let all = only(&Kpi::ALL);
    let with = page(
        &view,
        &Settings {
            intervals: true,
            ..all.clone()
        },
    );
    let ends = ["_lower", "_upper"];
    let is_interval = |line: &str| ends.iter().any(|end| line.contains(end));
    assert!(with.text.lines().any(is_interval));
    let rest: Vec<_> = with
        .text
        .lines()
        .filter(|line| !is_interval(line))
        .collect();
    let without = page(&view, &all);
    assert_eq!(rest, without.text.lines().collect::<Vec<_>>());
}
