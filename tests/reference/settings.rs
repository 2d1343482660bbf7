//! Random settings: windows of odd panes, every formula and method, few known values.
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::setup::{
    Day, Fcr, Formula, MatchOn, Method, Scale, ServiceLevel, Setup, TargetRule, Window,
};

/// Longest event text that is accepted; some events are made exactly that long, or a byte longer.
pub(crate) const MAX_EVENT_BYTES: usize = 1_000;

/// Random settings of every kind.
pub(crate) fn setup() -> impl Strategy<Value = Setup> {
    let sets: Vec<Vec<&str>> = vec![
        vec![],
        vec!["queue"],
        vec!["channel"],
        vec!["queue", "channel"],
        vec!["team"],
        vec!["channel", "queue", "team"],
    ];
    let breakdowns = subsequence(sets, 1..=4).prop_flat_map(|sets| {
        let count = sets.len();
        (Just(owned(&sets)), subsequence(owned(&sets), 0..=count))
    });
    let times = (
        select(vec![1_000_i64, 4_000, 8_000, 8_000, 30_000]),
        select(vec![0_i64, 500, 2_000, 6_000]),
        select(vec![0_i64, 1_000, 2_000]),
    );
    (
        windows(),
        breakdowns,
        values(),
        times,
        service_level(),
        fcr(),
        scales(),
    )
        .prop_map(
            |(
                windows,
                (breakdowns, handle_time_breakdowns),
                values,
                times,
                service_level,
                fcr,
                scales,
            )| {
                let (allowed_lateness_ms, survey_join_within_ms, short_abandon_ms) = times;
                let (csat, csat_satisfied_from) = scales;
                Setup {
                    windows,
                    breakdowns,
                    values,
                    handle_time_breakdowns,
                    short_abandon_ms,
                    survey_join_within_ms,
                    service_level,
                    csat,
                    csat_satisfied_from,
                    fcr,
                    allowed_lateness_ms,
                    max_clock_skew_ms: 1_000,
                    max_event_bytes: MAX_EVENT_BYTES,
                    ..Setup::default()
                }
            },
        )
}

fn owned(sets: &[Vec<&str>]) -> Vec<Vec<String>> {
    sets.iter()
        .map(|set| set.iter().map(|&name| name.to_owned()).collect())
        .collect()
}

/// One to three windows of different lengths, some of odd panes and with a delay.
fn windows() -> impl Strategy<Value = Vec<Window>> {
    let pane = select(vec![1_000_i64, 500, 1_500, 700, 250]);
    let one = (
        pane,
        select(vec![1_i64, 3, 5, 12, 30, 60]),
        select(vec![0_i64, 0, 1, 500, 1_000]),
    );
    // Events lie around 22:13:20 UTC, which is 23:13:20 in Rome.
    let day = select(vec![
        ("22:13", "UTC"),
        ("22:14", "UTC"),
        ("23:13", "Europe/Rome"),
        ("23:14", "Europe/Rome"),
    ]);
    let day_panes = (
        select(vec![60_000_i64, 1_000, 700]),
        select(vec![0_i64, 0, 500]),
    );
    let day = proptest::option::of((day, day_panes));
    (proptest::collection::vec(one, 1..=3), day).prop_map(|(windows, day)| {
        let mut by_length = BTreeMap::new();
        for (pane_ms, panes, delay_ms) in windows {
            let length_ms = pane_ms * panes;
            by_length.insert(
                length_ms,
                Window {
                    name: format!("{length_ms}ms"),
                    length_ms,
                    pane_ms,
                    delay_ms,
                    day: None,
                },
            );
        }
        let day = day.map(|((since, zone), (pane_ms, delay_ms))| Window {
            pane_ms,
            delay_ms,
            ..Day::window(since, zone)
        });
        by_length.into_values().chain(day).collect()
    })
}

fn values() -> impl Strategy<Value = BTreeMap<String, Vec<String>>> {
    let queues = proptest::option::of(select(vec![
        vec!["q1"],
        vec!["q1", "q2"],
        vec!["q1", "nobody"],
    ]));
    queues.prop_map(|queues| {
        let known = queues.map(|known| known.into_iter().map(str::to_owned).collect());
        known
            .map(|known| ("queue".to_owned(), known))
            .into_iter()
            .collect()
    })
}

fn service_level() -> impl Strategy<Value = ServiceLevel> {
    let formula = select(vec![
        Formula::ExcludeShort,
        Formula::AbandonPositive,
        Formula::AnsweredOnly,
        Formula::AbandonNegative,
        Formula::IgnoreEarlyAbandon,
        Formula::ShortPositive,
    ]);
    let rule = |channel: Option<&str>, queue: Option<&str>, target_ms| TargetRule {
        channel: channel.map(str::to_owned),
        queue: queue.map(str::to_owned),
        target_ms,
    };
    let rules = subsequence(
        vec![
            rule(Some("chat"), None, 2_001),
            rule(None, Some("q1"), 500),
            rule(Some("voice"), Some("q1"), 20_000),
        ],
        0..=3,
    );
    (formula, select(vec![1_000_i64, 2_000, 500]), rules).prop_map(|(formula, target_ms, rules)| {
        ServiceLevel {
            formula,
            target_ms,
            rules,
        }
    })
}

fn fcr() -> impl Strategy<Value = Fcr> {
    let method = prop_oneof![5 => Just(Method::RepeatContact), 1 => Just(Method::Flag)];
    let match_on = select(vec![MatchOn::CustomerAndIssue, MatchOn::Customer]);
    (
        method,
        select(vec![500_i64, 1_000, 2_800, 3_000, 5_000]),
        match_on,
        any::<bool>(),
    )
        .prop_map(|(method, horizon_ms, match_on, transfer_fails)| Fcr {
            method,
            horizon_ms,
            match_on,
            transfer_fails,
        })
}

fn scales() -> impl Strategy<Value = (Scale, i64)> {
    select(vec![
        (
            Scale {
                low: 1_000,
                high: 5_000,
            },
            4_000,
        ),
        (
            Scale {
                low: 0,
                high: 10_000,
            },
            7_500,
        ),
    ])
}
