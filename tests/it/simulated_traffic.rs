//! The traffic of `simulate` through decoder and engine: what is meant to be good is accepted, what
//! is meant to be broken is rejected, and the order of the month makes no difference.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cxpulse::app::Pipeline;
use cxpulse::decode;
use cxpulse::engine::{self, Engine, Stats, View, WaitingPolicy};
use cxpulse::event::{HashKey, Reason};
use cxpulse::kpi::Kpi;
use cxpulse::simulate::workload::{Month, MonthSettings, Settings as WorkloadSettings, Workload};
use cxpulse::simulate::{Center, Incident, Pace, Settings};
use cxpulse::source::Envelope;
use cxpulse::time::Timestamp;
use cxpulse::window::WindowSpec;

/// Monday 2026-03-02T08:00Z.
const MORNING: Timestamp = Timestamp::from_millis(1_772_438_400_000);
const HOUR_MS: i64 = 3_600_000;

fn pipeline(windows: Vec<WindowSpec>) -> Pipeline {
    let settings = engine::Settings {
        windows,
        ..engine::Settings::default()
    };
    let engine = Engine::new(Arc::new(settings), WaitingPolicy::Keep);
    let decode = Arc::new(decode::Settings::default());
    Pipeline::new(decode, HashKey::from_bytes([1; 16]), engine)
}

fn process(
    pipeline: &mut Pipeline,
    subject: &'static str,
    stored_at: Timestamp,
    payload: String,
) -> Option<Reason> {
    let envelope = Envelope {
        stored_at,
        subject: Bytes::from_static(subject.as_bytes()),
        payload: Bytes::from(payload),
        ..Envelope::default()
    };
    let mut rejected = None;
    pipeline.process(&envelope, &mut |event| rejected = Some(event.reject.reason));
    rejected
}

fn assert_adds_up(stats: &Stats) {
    let received: u64 = stats.received.iter().sum();
    let rejected: u64 = stats.rejected.iter().sum();
    let fates = stats.applied + stats.replaced + stats.duplicates + rejected + stats.waiting;
    assert_eq!(received, fates, "{stats:?}");
}

#[test]
fn the_center_is_understood_and_its_incident_shows() {
    let start = MORNING;
    let settings = Settings {
        pace: Pace::Daily { contacts: 60_000.0 },
        ..Settings::starting_at(start)
    };
    let mut center = Center::new(1, settings);
    let from = start.plus_millis(2 * HOUR_MS);
    let incident = Incident {
        from,
        until: from.plus_millis(HOUR_MS / 2),
        queue: "support".into(),
    };
    center.inject(incident).expect("the queue exists");

    let mut pipeline = pipeline(vec![WindowSpec::new("5m", Duration::from_mins(5))]);
    let mut reasons: BTreeMap<Reason, u32> = BTreeMap::new();
    let mut run_to = |minutes: i64, counting: &mut Pipeline| {
        let until = start.plus_millis(minutes * 60_000);
        for event in center.events_until(until) {
            counting.engine.advance(event.publish_at);
            let stored_at = event.publish_at;
            if let Some(reason) = process(counting, event.subject, stored_at, event.payload) {
                *reasons.entry(reason).or_default() += 1;
            }
        }
        counting.engine.advance(until);
        counting.engine.view(until)
    };
    let quiet = run_to(119, &mut pipeline);
    let bad = run_to(145, &mut pipeline);
    let after = run_to(180, &mut pipeline);

    let support = |view: &View, kpi| reading(view, kpi, "support");
    assert!(support(&quiet, Kpi::Abandonment) < 0.2);
    assert!(support(&bad, Kpi::Abandonment) > 0.3);
    assert!(support(&after, Kpi::Abandonment) < 0.2);
    assert!(support(&bad, Kpi::Aht) > 1.5 * support(&quiet, Kpi::Aht));

    let stats = pipeline.engine.stats();
    assert_adds_up(&stats);
    let broken: u32 = reasons.values().sum();
    assert!(stats.applied > 10_000, "{stats:?}");
    assert!((1..30).contains(&broken), "{reasons:?}");
    assert!(stats.replaced > 50 && stats.duplicates > 20, "{stats:?}");
}

fn reading(view: &View, kpi: Kpi, queue: &str) -> f64 {
    let by_queue = view
        .breakdowns
        .iter()
        .position(|one| &*one.label == "queue");
    let by_queue = by_queue.expect("a default breakdown");
    let keys = &view.breakdowns[by_queue].keys;
    let key = keys.iter().position(|key| &*key.values[0] == queue);
    let key = key.expect("the queue has contacts");
    let reading = view.reading(kpi, 0, by_queue, key).expect("the KPI exists");
    reading.value.expect("there are samples")
}

#[test]
fn of_the_workload_only_the_malformed_is_rejected() {
    let settings = WorkloadSettings {
        corrections_ppm: 10_000,
        ..WorkloadSettings::with_events(60_000)
    };
    let mut pipeline = pipeline(WindowSpec::defaults());
    for (index, line) in (0_i64..).zip(Workload::new(3, settings).lines()) {
        let now = MORNING.plus_millis(index + 1);
        pipeline.engine.advance(now);
        process(&mut pipeline, "cx.interactions.bench", now, line);
    }
    let stats = pipeline.engine.stats();
    assert_adds_up(&stats);
    let rejected: u64 = stats.rejected.iter().sum();
    assert!((30..100).contains(&rejected), "{stats:?}");
    assert!((200..420).contains(&stats.duplicates), "{stats:?}");
    assert!((500..700).contains(&stats.replaced), "{stats:?}");
    assert_eq!(stats.waiting, 0);
}

#[test]
fn the_month_counts_the_same_in_any_order() {
    let settings = MonthSettings {
        events: 6000,
        ..MonthSettings::default()
    };
    let month = Month::new(1, settings);
    let counted = |lines: &mut dyn Iterator<Item = String>| {
        let mut pipeline = pipeline(vec![
            WindowSpec::new("24h", Duration::from_hours(24)),
            WindowSpec::new("14d", Duration::from_hours(14 * 24)),
        ]);
        let long_after = MORNING.plus_millis(365 * 24 * HOUR_MS);
        // As replay does: nothing waits, and the instant follows from the events.
        pipeline.engine.advance(Timestamp::MAX);
        for line in lines {
            process(&mut pipeline, "cx.interactions.month", long_after, line);
        }
        let at = pipeline
            .engine
            .replay_instant()
            .expect("events were accepted");
        let view = pipeline.engine.view(at);
        (view, pipeline.engine.stats())
    };
    let (view, stats) = counted(&mut month.sorted());
    assert_adds_up(&stats);
    assert_eq!(stats.rejected[4..], [0, 0, 0], "none is refused: {stats:?}");
    assert!(stats.applied > 4500, "{stats:?}");
    for lateness_ms in [HOUR_MS, 24 * HOUR_MS] {
        let (shuffled, _) = counted(&mut month.shuffled(9, lateness_ms));
        assert_eq!(kpis(&shuffled), kpis(&view), "{lateness_ms} ms");
    }
}

/// Every reading of a view, as text.
fn kpis(view: &View) -> Vec<String> {
    let mut readings = vec![format!("{:?}", view.at)];
    for (window, window_view) in view.windows.iter().enumerate() {
        for (breakdown, breakdown_view) in view.breakdowns.iter().enumerate() {
            for (key, key_view) in breakdown_view.keys.iter().enumerate() {
                for kpi in Kpi::ALL {
                    let reading = view.reading(kpi, window, breakdown, key);
                    let values = &key_view.values;
                    readings.push(format!(
                        "{kpi:?} {} {values:?} {reading:?}",
                        window_view.name
                    ));
                }
            }
        }
    }
    readings
}
