//! Small views made by hand, for the tests of this room.

use std::sync::Arc;

use crate::engine::{BreakdownView, KeyView, Lifetime, Stats, View, WindowView};
use crate::kpi::{Cell, Count, MatureTotals, Measure, Settings, Totals};
use crate::time::Timestamp;

/// 2026-03-02T08:00:00Z; windows `5m` (empty), `1h` and `30m` (for an alert alone); overall, queue
/// `billing` with figures and queue `gone` that is no longer live, channel `voice` without figures.
pub(super) fn sample_view() -> View {
    View {
        at: Some(Timestamp::from_millis(1_772_438_400_000)),
        kpis: Arc::new(Settings::default()),
        windows: vec![
            window("5m", 300_000, false),
            window("1h", 3_600_000, false),
            window("30m", 1_800_000, true),
        ],
        breakdowns: vec![
            breakdown(&[], vec![full_key(&[])]),
            breakdown(&["queue"], vec![full_key(&["billing"]), gone_key("gone")]),
            breakdown(&["channel"], vec![empty_key("voice")]),
        ],
        stats: Stats::default(),
        history: Arc::default(),
    }
}

/// Gives the first queue another name.
pub(super) fn rename_first_queue(view: &mut View, name: &str) {
    Arc::make_mut(&mut view.breakdowns[1].keys[0]).values = [Arc::from(name)].into();
}

fn window(name: &str, length_ms: i64, for_alert_only: bool) -> WindowView {
    WindowView {
        name: name.into(),
        length_ms,
        day_from: None,
        complete: true,
        complete_for_fcr: true,
        for_alert_only,
    }
}

/// A breakdown with quantiles unless it is by channel.
pub(super) fn breakdown(dimensions: &[&str], keys: Vec<KeyView>) -> BreakdownView {
    let dimensions: Vec<String> = dimensions.iter().map(ToString::to_string).collect();
    let label = BreakdownView::label_of(&dimensions);
    BreakdownView {
        label: label.as_str().into(),
        handle_time: label != "channel",
        dimensions: dimensions.into(),
        keys: keys.into_iter().map(Arc::new).collect(),
    }
}

/// A live key with figures in all windows but the first.
pub(super) fn full_key(values: &[&str]) -> KeyView {
    KeyView {
        values: values.iter().map(|value| Arc::from(*value)).collect(),
        live: true,
        revision: 0,
        cells: vec![Cell::default(), full_cell(), full_cell()],
        lifetime: Arc::new(Lifetime {
            totals: full_totals(),
            contacts_first: 9,
            contacts_retracted: 2,
            contacts_unidentified: 1,
            handle_time_buckets: vec![0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0],
        }),
    }
}

fn empty_key(value: &str) -> KeyView {
    KeyView {
        values: [Arc::from(value)].into(),
        live: true,
        revision: 0,
        cells: vec![Cell::default(); 3],
        lifetime: Arc::default(),
    }
}

fn gone_key(value: &str) -> KeyView {
    KeyView {
        live: false,
        revision: 0,
        cells: vec![Cell::default(); 3],
        ..full_key(&[value])
    }
}

/// Two handled and one abandoned interaction, ten satisfaction answers, seven of them satisfied.
fn full_cell() -> Cell {
    Cell {
        totals: full_totals(),
        mature: MatureTotals {
            first: 4,
            resolved: 3,
        },
        survival: None,
        quantiles: Some([120.0, 480.5, 480.5, 480.5]),
    }
}

fn full_totals() -> Totals {
    let mut totals = Totals::default();
    for (count, value) in [
        (Count::FcrFirst, 8),
        (Count::FcrResolved, 6),
        (Count::Answered, 2),
        (Count::AnsweredWaitMs, 30_000),
        (Count::AnsweredInTarget, 1),
        (Count::AbandonedInbound, 1),
        (Count::Inbound, 3),
        (Count::Abandoned, 1),
        (Count::Handled, 2),
        (Count::Csat, 10),
        (Count::CsatSatisfied, 7),
        (Count::CsatMilli, 38_000),
        (Count::Nps, 10),
        (Count::NpsPromoters, 5),
        (Count::NpsDetractors, 2),
    ] {
        totals.count(count, value);
    }
    for handle_ms in [120_000, 480_500] {
        totals.count(Count::HandleTime, 1);
        totals.measure(Count::HandleTimeMs, Measure::HandleTime, handle_ms, 1);
    }
    totals
}
