//! The history of trend lines: each point is what the brute-force count gives at its instant, made
//! as T passed it or out of the panes afterwards.
use std::sync::Arc;

use cxpulse::engine::{Engine, HISTORY_KPIS, HISTORY_POINTS, History, WaitingPolicy};
use cxpulse::time::Timestamp;

use crate::engine_runs::{engine_settings, feed, output, pipeline, restarted};
use crate::reference::output::{Compare, Place, assert_same};
use crate::reference::setup::{Day, Message, Method, Setup};
use crate::reference::{Tick, live};

const MINUTE: i64 = 60_000;
const STEP: i64 = 2 * MINUTE;
/// 2026-03-29T01:00:00Z: clocks in Rome are put forward.
const BASE: i64 = 1_774_746_000_000;

fn setup() -> Setup {
    let mut setup = Setup::default();
    setup.windows.push(Day::window("02:30", "Europe/Rome"));
    setup.fcr.horizon_ms = 90 * MINUTE;
    setup
}

/// One window ends a while before T and inside of a pane, so that rows keep their moments.
fn delayed_setup() -> Setup {
    let mut delayed = setup();
    delayed.windows[0].delay_ms = 91_234;
    delayed.windows[2].delay_ms = 10 * MINUTE;
    delayed
}

/// First contacts are told by a flag: there is no mature cohort.
fn flag_setup() -> Setup {
    let mut by_flag = setup();
    by_flag.fcr.method = Method::Flag;
    by_flag
}

/// Contacts and answers over twelve hours, customers coming back, queues coming and going.
fn messages() -> Vec<Message> {
    let message = |at: i64, payload: String| Message {
        subject: "cx.other".to_owned(),
        headers: Vec::new(),
        payload: payload.into_bytes(),
        stored_at: at,
    };
    (0..1200_i64)
        .map(|number| {
            let at = BASE - 10 * 60 * MINUTE + number * 37_123;
            let queue = number / 300 % 3 + number % 2;
            let (score, talk) = (1 + number % 5, 60 + number % 13);
            let customer = number % 41;
            message(at, if number % 4 == 0 {
                format!(r#"{{"type":"survey","survey_id":"s{number}","queue":"q{queue}","csat":{score},"nps":{},"submitted_at":{at}}}"#, number % 11)
            } else {
                format!(r#"{{"type":"interaction","interaction_id":"i{number}","customer_id":"c{customer}","queue":"q{queue}","channel":"voice","wait_seconds":{},"talk_seconds":{talk},"ended_at":{at}}}"#, number % 45)
            })
        })
        .collect()
}

/// Every kept value as (kpi, window, breakdown, key, instant) -> value.
fn points(engine: &mut Engine, at: i64) -> Vec<(Place, i64, Option<f64>)> {
    let view = engine.view(Timestamp::from_millis(at));
    let history: &Arc<History> = &view.history;
    let newest = history.newest().expect("points").as_millis();
    let mut points = Vec::new();
    for (breakdown, shown) in view.breakdowns.iter().enumerate() {
        for key in &shown.keys {
            for (window, window_view) in view.windows.iter().enumerate() {
                for kpi in HISTORY_KPIS {
                    let Some(values) = history.values(kpi, window, breakdown, &key.values) else {
                        continue;
                    };
                    let values: Vec<Option<f64>> = values.collect();
                    assert!(values.len() <= HISTORY_POINTS);
                    let names = shown.dimensions.iter().cloned();
                    let place = Place {
                        breakdown: shown.label.to_string(),
                        key: names
                            .zip(key.values.iter().map(ToString::to_string))
                            .collect(),
                        window: window_view.name.to_string(),
                        kpi: kpi.name().to_owned(),
                    };
                    for (steps, value) in (0_i64..).zip(values.into_iter().rev()) {
                        points.push((place.clone(), newest - steps * STEP, value));
                    }
                }
            }
        }
    }
    points
}

/// All points equal the reference's rows at their instants.
fn check(setup: &Setup, points: &[(Place, i64, Option<f64>)], instants: &[i64]) {
    let messages = messages();
    let mut compared = 0;
    for at in instants {
        let tick = Tick {
            after: messages
                .iter()
                .filter(|message| message.stored_at < *at)
                .count(),
            at: *at,
        };
        let known = Tick {
            after: 0,
            at: BASE - 24 * 60 * MINUTE,
        };
        let expected = live(setup, &messages, &[known, tick]).remove(1);
        for (place, _, value) in points.iter().filter(|point| point.1 == *at) {
            let row = expected.rows.get(place);
            assert_eq!(
                *value,
                row.and_then(|row| row.reading.value),
                "{place:?} at {at}"
            );
            compared += usize::from(value.is_some());
        }
    }
    assert!(compared > 300, "{compared} values");
}

/// Some instants of the last eight hours, at one of which a day begins; the first is the newest.
fn instants(now: i64) -> Vec<i64> {
    let newest = now.div_euclid(STEP) * STEP;
    [0, 1, 2, 29, 48, 117, 238, 239]
        .map(|steps| newest - steps * STEP)
        .to_vec()
}

#[test]
fn points_made_afterwards_equal_reference() {
    let now = BASE + 127 * MINUTE + 31_234;
    for setup in [setup(), delayed_setup(), flag_setup()] {
        let mut pipeline = pipeline(&setup, WaitingPolicy::Keep);
        pipeline.engine.keep_history();
        pipeline.engine.advance(Timestamp::from_millis(now));
        feed(&mut pipeline, &messages());
        pipeline.engine.fill_history();
        let filled = points(&mut pipeline.engine, now);
        check(&setup, &filled, &instants(now));

        // A restart makes the same points.
        let mut restarted = restarted(&setup, &mut pipeline, WaitingPolicy::Keep);
        restarted.engine.keep_history();
        restarted.engine.advance(Timestamp::from_millis(now));
        restarted.engine.fill_history();
        assert_eq!(points(&mut restarted.engine, now), filled);
    }
}

/// What is restored is what was captured: at once, after some time, and when more has come.
#[test]
fn a_restart_changes_no_view() {
    let mut all = messages();
    let later = all.split_off(1000);
    let captured_at = all.last().unwrap().stored_at + 1;
    for setup in [setup(), delayed_setup(), flag_setup()] {
        let begin = || {
            let mut pipeline = pipeline(&setup, WaitingPolicy::Keep);
            pipeline.engine.keep_history();
            let at = Timestamp::from_millis(captured_at);
            pipeline.engine.advance(at);
            feed(&mut pipeline, &all);
            pipeline
        };
        let mut whole = begin();
        let mut restarted = restarted(&setup, &mut begin(), WaitingPolicy::Keep);
        restarted.engine.keep_history();
        for hours in [0, 1, 3, 9, 30] {
            let at = Timestamp::from_millis(captured_at + hours * 60 * MINUTE);
            for pipeline in [&mut whole, &mut restarted] {
                pipeline.engine.advance(at);
                if hours == 3 {
                    feed(pipeline, &later);
                }
            }
            let [expected, found] = [&mut whole, &mut restarted].map(|pipeline| {
                pipeline.engine.fill_history();
                let view = pipeline.engine.view(at);
                (output(&view), points(&mut pipeline.engine, at.as_millis()))
            });
            assert_same(&expected.0, &found.0, Compare::Counters);
            assert_eq!(expected.1, found.1, "{hours} hours later");
        }
    }
}

#[test]
fn points_made_on_the_way_equal_reference() {
    let mut pipeline = pipeline(&setup(), WaitingPolicy::Keep);
    pipeline.engine.keep_history();
    let start = BASE - 10 * 60 * MINUTE;
    pipeline.engine.advance(Timestamp::from_millis(start));
    pipeline.engine.fill_history();
    for message in messages() {
        pipeline
            .engine
            .advance(Timestamp::from_millis(message.stored_at));
        feed(&mut pipeline, &[message]);
    }
    // The clock stood still for ten steps: their points are made up for.
    let now = messages().last().unwrap().stored_at + 10 * STEP;
    pipeline.engine.advance(Timestamp::from_millis(now));
    let made = points(&mut pipeline.engine, now);
    check(&setup(), &made, &instants(now));
}

#[test]
fn without_being_asked_for_there_is_none() {
    let mut engine = Engine::new(Arc::new(engine_settings(&setup())), WaitingPolicy::Keep);
    engine.advance(Timestamp::from_millis(BASE));
    engine.fill_history();
    assert_eq!(
        engine.view(Timestamp::from_millis(BASE)).history.newest(),
        None
    );
}
