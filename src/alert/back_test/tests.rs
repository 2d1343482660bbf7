//! Tallies of transitions made by hand.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::{Condition, Reason};
use super::*;
use crate::kpi::Kpi;

const MINUTE_MS: i64 = 60_000;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis(minute * MINUTE_MS)
}

fn settings(only: &[&str]) -> Settings {
    let hour = Duration::from_hours(1);
    let mut rule = Rule::new("low", Kpi::Csat, "1h", hour, Condition::Below(0.7));
    rule.breakdown = vec!["queue".into()];
    if !only.is_empty() {
        let only = only.iter().map(|value| (*value).to_owned()).collect();
        rule.only.insert("queue".into(), only);
    }
    Settings {
        rules: vec![rule],
        ..Settings::default()
    }
}

fn transition(minute: i64, queue: &str, to: Phase) -> Transition {
    Transition {
        at: at(minute),
        alert: "low".into(),
        key: vec![("queue".into(), queue.into())],
        severity: crate::alert::DEFAULT_SEVERITY.into(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        from: if to == Phase::Inactive {
            Phase::Firing
        } else {
            Phase::Inactive
        },
        to,
        value: None,
        samples: 0,
        threshold: None,
        window: "1h".into(),
        reason: Reason::Threshold,
        active_since: at(minute),
    }
}

/// Each row is a queue with the minutes in which it begins and ends to fire.
fn tally(only: &[&str], rows: &[(&str, i64, Option<i64>)]) -> Tally {
    let mut all: Vec<Transition> = Vec::new();
    for (queue, from, to) in rows {
        all.push(transition(*from, queue, Phase::Firing));
        all.extend(to.map(|to| transition(to, queue, Phase::Inactive)));
    }
    all.sort_by_key(|one| one.at);
    let mut tally = Tally::new(&settings(only));
    tally.record(&transition(0, "a", Phase::Pending));
    for one in &all {
        tally.record(one);
    }
    tally
}

fn incident(start: i64, end: i64, queue: &str) -> Incident {
    Incident {
        start: at(start),
        end: at(end),
        key: vec![(Some("queue".into()), queue.into())],
    }
}

#[test]
fn firings_are_counted_and_timed() {
    let rows = [
        ("a", 10, Some(20)),
        ("a", 30, Some(31)),
        ("a", 46, Some(50)),
        ("b", 32, Some(40)),
        ("b", 90, None),
    ];
    let summary = tally(&[], &rows).finish(at(0), at(100), None);
    let rule = &summary.rules[0];
    assert_eq!((rule.fired, rule.flaps, rule.still_firing), (5, 1, 1));
    assert!((rule.firing_seconds - 33.0 * 60.0).abs() < 1e-9);
    assert_eq!(rule.shortest_seconds, Some(60.0));
    assert_eq!(rule.score, None);
    assert_eq!(summary.incidents, None);
}

#[test]
fn silence_is_no_number() {
    let summary = tally(&[], &[]).finish(at(0), at(100), Some(&[]));
    let rule = &summary.rules[0];
    assert_eq!((rule.fired, rule.shortest_seconds), (0, None));
    let score = rule.score.as_ref().unwrap();
    assert_eq!((score.precision, score.recall), (None, None));
    assert_eq!(score.delay_seconds, None);
}

#[test]
fn incidents_are_found_at_their_time_and_key() {
    let rows = [
        // Right, and the second finding of the same incident.
        ("a", 12, Some(15)),
        ("a", 18, Some(25)),
        // Of another queue, though at the time of the incident.
        ("b", 12, Some(15)),
        // Begins when the incident is over.
        ("b", 60, Some(65)),
        // Fires already when the incident begins.
        ("c", 70, None),
    ];
    let incidents = [
        incident(10, 20, "a"),
        incident(50, 60, "b"),
        incident(80, 90, "c"),
        incident(200, 210, "a"),
    ];
    let summary = tally(&[], &rows).finish(at(0), at(100), Some(&incidents));
    assert_eq!(summary.incidents, Some(3));
    let score = summary.rules[0].score.clone().unwrap();
    assert_eq!(score.precision, Some(0.6));
    assert_eq!((score.incidents_found, score.incidents_concerned), (2, 3));
    let delay = score.delay_seconds.unwrap();
    assert_eq!((delay.median, delay.longest), (0.0, 120.0));
    assert_eq!(summary.all, summary.rules[0].score);
}

#[test]
fn a_rule_is_not_blamed_for_what_it_does_not_watch() {
    let incidents = [incident(10, 20, "a"), incident(10, 20, "b")];
    let summary = tally(&["a"], &[("a", 11, Some(12))]).finish(at(0), at(100), Some(&incidents));
    let score = summary.rules[0].score.clone().unwrap();
    assert_eq!((score.incidents_concerned, score.recall), (1, Some(1.0)));
}

#[test]
fn a_dimension_that_one_does_not_have_is_not_looked_at() {
    let mut anywhere = incident(10, 20, "a");
    anywhere.key = vec![(Some("site".into()), "Turin".into())];
    let mut bare = incident(10, 20, "a");
    bare.key = vec![(None, "a".into())];
    for (incident, queue, found) in [(&anywhere, "b", 1), (&bare, "a", 1), (&bare, "b", 0)] {
        let incidents = [incident.clone()];
        let summary = tally(&[], &[(queue, 11, Some(12))]).finish(at(0), at(100), Some(&incidents));
        let score = summary.rules[0].score.clone().unwrap();
        assert_eq!(score.incidents_found, found, "{incident:?} {queue}");
    }
}
