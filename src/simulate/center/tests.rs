//! The center as its readers see it: rates, order, what comes back, what goes wrong.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;
use crate::simulate::settings::Pace;

/// Monday 2026-03-02T00:00Z.
const MONDAY: Timestamp = Timestamp::from_millis(1_772_409_600_000);
const HOUR_MS: i64 = 3_600_000;

fn hour(hours: i64) -> Timestamp {
    MONDAY.plus_millis(hours * HOUR_MS)
}

fn settings(contacts: f64) -> Settings {
    Settings {
        pace: Pace::Daily { contacts },
        ..Settings::starting_at(MONDAY)
    }
}

fn without_mishaps(contacts: f64) -> Settings {
    Settings {
        mishaps: Mishaps {
            late_wrap: 0.0,
            corrected_score: 0.0,
            withdrawn: 0.0,
            duplicate: 0.0,
            late: 0.0,
            malformed: 0.0,
        },
        ..settings(contacts)
    }
}

fn payloads(center: &mut Center, until: Timestamp) -> Vec<Value> {
    let events = center.events_until(until);
    let values = events.map(|event| serde_json::from_str(&event.payload).unwrap());
    values.collect()
}

fn of_queue<'a>(events: &'a [Value], queue: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["queue"] == queue)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

#[test]
fn the_same_however_time_is_cut() {
    let whole: Vec<SimulatedEvent> = Center::new(5, settings(20_000.0))
        .events_until(hour(12))
        .collect();
    let mut center = Center::new(5, settings(20_000.0));
    let mut cut = Vec::new();
    for step in 1..=720 {
        let until = MONDAY.plus_millis(step * 60_000);
        let before = cut.len();
        cut.extend(center.events_until(until).take(3));
        cut.extend(center.events_until(until));
        assert!(cut[before..].iter().all(|event| event.publish_at < until));
    }
    assert!(whole.len() > 8000, "{}", whole.len());
    assert_eq!(whole, cut);
    let other: Vec<SimulatedEvent> = Center::new(6, settings(20_000.0))
        .events_until(hour(1))
        .collect();
    assert_ne!(other[..50], whole[..50]);
}

#[test]
fn comes_in_publish_order_and_never_before_it_happened() {
    let mut center = Center::new(1, settings(30_000.0));
    let events: Vec<SimulatedEvent> = center.events_until(hour(24)).collect();
    assert!(events.is_sorted_by_key(|event| event.publish_at));
    let ids: BTreeSet<&String> = events.iter().map(|event| &event.message_id).collect();
    assert_eq!(ids.len(), events.len());
    let mut broken = 0;
    for event in &events {
        assert!(
            event.subject.starts_with("cx.interactions.")
                || event.subject.starts_with("cx.surveys.")
        );
        let Ok(value) = serde_json::from_str::<Value>(&event.payload) else {
            broken += 1;
            continue;
        };
        let told = ["updated_at", "ended_at", "submitted_at"].map(|name| value[name].as_str());
        if let Some(told) = told
            .into_iter()
            .flatten()
            .next()
            .filter(|told| told.starts_with("20"))
        {
            assert!(
                told < event.publish_at.to_string().as_str(),
                "{}",
                event.payload
            );
        }
    }
    assert!(broken > 0, "something malformed comes along");
}

#[test]
fn follows_the_pace_and_the_day() {
    let mut center = Center::new(2, without_mishaps(8_000.0));
    let mut by_hour = Vec::new();
    for day_hour in 1..=7 * 24 {
        let events = center.events_until(hour(day_hour));
        let contacts = events.filter(|event| event.subject.starts_with("cx.interactions."));
        by_hour.push(contacts.count());
    }
    let total: usize = by_hour.iter().sum();
    assert!(total.abs_diff(56_000) < 1200, "{total}");
    assert!(
        by_hour[10] > 8 * by_hour[3],
        "Monday morning against its night"
    );
    assert!(
        by_hour[10] > 2 * by_hour[6 * 24 + 10],
        "Monday against Sunday"
    );
}

#[test]
fn a_steady_pace_counts_every_event() {
    let steady = Settings {
        pace: Pace::Steady {
            events_per_second: 8.0,
        },
        ..Settings::starting_at(MONDAY)
    };
    let mut center = Center::new(3, steady);
    let first = center.events_until(hour(1)).count();
    let second = center.events_until(hour(2)).count();
    assert!(first.abs_diff(28_800) < 1440, "{first}");
    assert!(second.abs_diff(28_800) < 1440, "{second}");
}

#[test]
fn an_incident_shows_at_its_queue_and_only_there() {
    let mut center = Center::new(4, without_mishaps(100_000.0));
    center.events_until(hour(9)).for_each(drop);
    let quiet = payloads(&mut center, hour(10));
    let incident = Incident {
        from: hour(10),
        until: hour(11),
        queue: "support".into(),
    };
    center.inject(incident).unwrap();
    let during = payloads(&mut center, hour(11));
    let talk = |events: &[Value], queue: &str| {
        mean(of_queue(events, queue).filter_map(|event| event["talk_seconds"].as_f64()))
    };
    let gave_up = |events: &[Value], queue: &str| {
        let interactions = of_queue(events, queue).filter(|event| event["type"] == "interaction");
        mean(interactions.map(|event| f64::from(u8::from(event["abandoned"] == true))))
    };
    assert!(talk(&during, "support") > 1.9 * talk(&quiet, "support"));
    assert!((talk(&during, "billing") / talk(&quiet, "billing") - 1.0).abs() < 0.1);
    assert!(gave_up(&during, "support") > 0.35);
    assert!(gave_up(&during, "billing") < 0.12);
    let csat = |events: &[Value]| {
        mean(of_queue(events, "support").filter_map(|event| event["csat"].as_f64()))
    };
    assert!(
        csat(&during) < csat(&quiet) - 1.0,
        "{} {}",
        csat(&during),
        csat(&quiet)
    );

    payloads(&mut center, hour(12));
    let after = payloads(&mut center, hour(13));
    assert!(gave_up(&after, "support") < 0.12, "it ends");
    let nowhere = Incident {
        from: hour(1),
        until: hour(2),
        queue: "nowhere".into(),
    };
    assert_eq!(center.inject(nowhere), Err(UnknownQueue("nowhere".into())));
}

#[test]
fn customers_come_back_over_days_where_skill_is_low() {
    let mut center = Center::new(8, without_mishaps(6_000.0));
    let mut last_seen: BTreeMap<(String, String), Timestamp> = BTreeMap::new();
    let mut contacts: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    let mut delays = Vec::new();
    for event in payloads(&mut center, hour(9 * 24)) {
        let Some(queue) = Center::queues().find(|name| event["queue"] == *name) else {
            continue;
        };
        if event["type"] != "interaction"
            || event["customer_id"].is_null()
            || event["abandoned"] == true
        {
            continue;
        }
        let ended_at: jiff::Timestamp = event["ended_at"].as_str().unwrap().parse().unwrap();
        let ended_at = Timestamp::from_millis(ended_at.as_millisecond());
        let chain = (
            event["customer_id"].to_string(),
            event["issue_id"].to_string(),
        );
        let counts = contacts.entry(queue).or_default();
        counts.1 += 1.0;
        if let Some(before) = last_seen.insert(chain, ended_at) {
            counts.0 += 1.0;
            delays.push(ended_at.millis_since(before) / HOUR_MS);
        }
    }
    let repeats = |queue: &str| contacts[queue].0 / contacts[queue].1;
    assert!(repeats("claims") > 1.5 * repeats("orders"), "{contacts:?}");
    assert!((0.08..0.35).contains(&repeats("support")), "{contacts:?}");
    delays.sort_unstable();
    assert!(delays[delays.len() / 5] < 5, "many come back within hours");
    assert!(delays[delays.len() * 9 / 10] > 48, "some after days");
    assert!(delays[delays.len() * 99 / 100] <= 8 * 24);
}

#[test]
fn records_are_corrected_withdrawn_and_sent_twice() {
    let mut center = Center::new(9, settings(25_000.0));
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut newer, mut withdrawn, mut twice) = (0, 0, 0);
    for event in center.events_until(hour(24)) {
        let Ok(value) = serde_json::from_str::<Value>(&event.payload) else {
            continue;
        };
        newer += usize::from(value["updated_at"].is_string());
        withdrawn += usize::from(value["excluded"] == true);
        let id = value["survey_id"]
            .as_str()
            .or(value["interaction_id"].as_str());
        let seen = versions.entry(id.unwrap().to_owned()).or_default();
        twice += usize::from(seen.contains(&event.payload));
        seen.push(event.payload);
    }
    assert!((250..1125).contains(&newer), "{newer}");
    assert!((10..75).contains(&withdrawn), "{withdrawn}");
    assert!((70..230).contains(&twice), "{twice}");
}

#[test]
fn memory_stays_bounded_at_any_pace() {
    let crowded = Settings {
        pace: Pace::Steady {
            events_per_second: 2000.0,
        },
        max_pending: 2000,
        ..Settings::starting_at(MONDAY)
    };
    let mut center = Center::new(10, crowded);
    let mut longest = 0;
    for step in 1..=20 {
        center
            .events_until(MONDAY.plus_millis(step * 1000))
            .for_each(drop);
        longest = longest.max(center.outbox.len());
        assert!(center.comebacks.len() <= 2000);
    }
    // What waits 1.5 s for its publication, a few late ones, and those that filled the box.
    assert!(longest < 8000, "{longest}");
}

#[test]
fn a_second_run_does_not_correct_the_first() {
    let id = |settings: Settings| {
        let mut center = Center::new(1, settings);
        payloads(&mut center, hour(30))[0]["interaction_id"].clone()
    };
    assert_ne!(
        id(without_mishaps(1000.0)),
        id(Settings {
            start: hour(24),
            ..without_mishaps(1000.0)
        })
    );
}
