//! The same events give the same alerts: live, where they arrive one by one on a moving clock, and
//! in a back-test, as long as each arrives before the evaluation after its event time; and a
//! back-test, which passes over what cannot have changed, judges as one that judges everything.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prometheus::Registry;
use proptest::prelude::*;

use super::alerting::{Alerting, Notify};
use super::back_test::{BackTest, leave_out_what_no_rule_reads};
use super::freshness::Freshness;
use super::pipeline::{Observer, Pipeline};
use super::saver::{Saver, SaverMetrics};
use super::service::self_metrics;
use super::worker::{Progress, Worker};
use crate::alert::{Amount, Change, Condition, Evaluator, Objective, Rule, Transition};
use crate::checkpoint::Store;
use crate::config::Config;
use crate::engine::{Engine, WaitingPolicy};
use crate::event::{Event, HashKey};
use crate::http::Shared;
use crate::kpi::Kpi;
use crate::sink;
use crate::source::{self, Batch, Begin, Envelope, Position, SourceEvent};
use crate::time::{Clock, ManualClock, Timestamp, millis_of};
use crate::window::WindowSpec;

/// A multiple of the interval.
const START_MS: i64 = 1_780_000_005_000;
const INTERVAL_MS: i64 = 15_000;
const SPAN_MS: i64 = 100 * 60_000;

/// An event and when it arrives.
#[derive(Clone, Debug)]
struct Arrival {
    at_ms: i64,
    text: String,
}

/// Times are drawn such that events of one minute are likely and silences of ten minutes happen.
fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    let drawn = (
        0..20_i64,
        0..300_000_i64,
        0..1000_i64,
        0..8_u32,
        any::<u32>(),
    );
    proptest::collection::vec(drawn, 1..160).prop_map(|all| {
        let mut arrivals: Vec<Arrival> = all
            .into_iter()
            .map(|(burst, within_ms, wait_permille, id, chance)| {
                let event_ms = START_MS + burst * (SPAN_MS / 20) + within_ms;
                let next_ms = (event_ms.div_euclid(INTERVAL_MS) + 1) * INTERVAL_MS;
                let at_ms = event_ms + (next_ms - 1 - event_ms) * wait_permille / 1000;
                let id = id + 8 * u32::try_from(burst).unwrap();
                Arrival {
                    at_ms,
                    text: event(event_ms, id, chance),
                }
            })
            .collect();
        arrivals.sort_by_key(|arrival| arrival.at_ms);
        arrivals
    })
}

/// Few ids, so that some are corrections and duplicates; three queues and two customers.
fn event(event_ms: i64, id: u32, chance: u32) -> String {
    let queue = ["a", "b", "c"][usize::try_from(chance % 3).unwrap()];
    let (talk, wait) = (60 + chance / 3 % 900, chance / 7 % 60);
    match chance / 11 % 5 {
        0 | 1 => format!(
            r#"{{"type":"survey","survey_id":"s{id}","submitted_at":{event_ms},"queue":"{queue}","csat":{},"nps":{}}}"#,
            1 + chance / 13 % 5,
            chance / 17 % 11
        ),
        2 => format!(
            r#"{{"type":"interaction","interaction_id":"i{id}","ended_at":{event_ms},"queue":"{queue}","abandoned":true,"wait_seconds":{wait}}}"#
        ),
        _ => format!(
            r#"{{"type":"interaction","interaction_id":"i{id}","ended_at":{event_ms},"queue":"{queue}","customer_id":"c{}","talk_seconds":{talk},"wait_seconds":{wait}}}"#,
            chance / 19 % 2
        ),
    }
}

/// Every condition and every modifier, on windows so short that much happens.
fn rules() -> Vec<Rule> {
    let minute = Duration::from_mins(1);
    let on = |name, kpi, condition| {
        let mut rule = Rule::new(name, kpi, "1m", minute, condition);
        rule.min_samples = 1;
        rule
    };
    let against = |by| Change {
        baseline: "10m".into(),
        by,
    };
    let mut slow = on("slow", Kpi::ServiceLevel, Condition::Below(0.8));
    slow.hold = Duration::from_secs(30);
    let mut long = on("long", Kpi::Aht, Condition::Above(400.0));
    long.keep_firing = Duration::from_secs(45);
    long.clear = Some(200.0);
    let mut unhappy = on("unhappy", Kpi::Csat, Condition::Below(0.6));
    unhappy.confident = true;
    unhappy.clear = Some(0.7);
    let mut few = on("few", Kpi::CsatScore, Condition::Below(3.5));
    few.min_samples = 3;
    few.insufficient_for = Duration::from_secs(45);
    let drops = Condition::Drops(against(Amount::Absolute(20.0)));
    let rises = Condition::Rises(against(Amount::Ratio(0.2)));
    let burn = Condition::Burn(Objective {
        objective: 0.6,
        period: Duration::from_hours(1),
    });
    let mut quantile = on("quantile", Kpi::HandleTime, Condition::Above(600.0));
    quantile.quantile_permille = Some(900);
    let mut only = on("only", Kpi::Abandonment, Condition::Above(0.3));
    only.only
        .insert("queue".into(), vec!["a".into(), "c".into()]);
    let mut rules = vec![
        slow,
        long,
        unhappy,
        few,
        on("drops", Kpi::Nps, drops),
        on("rises", Kpi::Aht, rises),
        on("burn", Kpi::Abandonment, burn),
        quantile,
        only,
        on("silent", Kpi::Csat, Condition::NoData(minute)),
        on("returns", Kpi::Fcr, Condition::Below(0.9)),
        on("returned", Kpi::FcrMature, Condition::Below(0.9)),
    ];
    for rule in rules.iter_mut().filter(|rule| rule.name != "slow") {
        rule.breakdown = vec!["queue".into()];
    }
    rules
}

fn config() -> Config {
    let mut config = Config::default();
    let window = |name: &str, length| WindowSpec::new(name, length);
    config.engine.windows = vec![
        window("1m", Duration::from_mins(1)),
        window("5m", Duration::from_mins(5)),
        window("10m", Duration::from_mins(10)),
        window("1h", Duration::from_hours(1)),
    ];
    config.engine.kpis.fcr.horizon = Duration::from_mins(4);
    config.engine.key_ttl = Duration::from_mins(15);
    config.alert.rules = rules();
    config.checkpoint.interval = Duration::from_hours(10_000);
    config
}

fn envelope(sequence: usize, arrival: &Arrival, stored_at: Timestamp) -> Envelope {
    Envelope {
        sequence: u64::try_from(sequence).unwrap() + 1,
        stored_at,
        subject: "cx.interactions.a".into(),
        headers: None,
        payload: arrival.text.clone().into(),
    }
}

/// Without what differs by nature: nothing. Each transition as its line.
fn lines(transitions: &[Transition]) -> Vec<String> {
    transitions.iter().map(Transition::to_json_line).collect()
}

fn pipeline(config: &Config, policy: WaitingPolicy, now: Timestamp) -> Pipeline {
    let mut engine = Engine::new(Arc::new(config.engine.clone()), policy);
    engine.advance(now);
    Pipeline::new(
        Arc::new(config.decode.clone()),
        HashKey::from_bytes([7; 16]),
        engine,
    )
}

/// Takes down all that is told.
struct Recorder(Arc<Mutex<Vec<Transition>>>);

impl Notify for Recorder {
    fn notify(&self, transitions: &[Transition]) {
        self.0.lock().unwrap().extend_from_slice(transitions);
    }

    fn adopt(&self, _: sink::Plan, _: &[Transition]) {}
}

/// A worker on a manual clock, and what it tells.
fn worker(
    config: &Config,
    manual: &Arc<ManualClock>,
    folder: &std::path::Path,
) -> (Worker, Arc<Mutex<Vec<Transition>>>) {
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(manual);
    let now = clock.now();
    let registry = Registry::new();
    let metrics = self_metrics(&registry, &clock).unwrap();
    let pipeline = pipeline(config, WaitingPolicy::Keep, now);
    let view = Arc::new(pipeline.engine.empty_view());
    let shared = Shared::new(
        &config.http,
        registry,
        metrics.clone(),
        Arc::clone(&clock),
        view,
    );
    let told = Arc::new(Mutex::new(Vec::new()));
    let alerting = Alerting::new(
        &config.alert,
        config.engine.key_ttl,
        folder.join("alerts.json"),
        Arc::clone(&shared),
        Box::new(Recorder(Arc::clone(&told))),
        now,
    );
    let saver_metrics = SaverMetrics {
        last_success: metrics.checkpoint_last_success.clone(),
        failures: metrics.checkpoint_failures.clone(),
    };
    let store = Store::new(folder, 1);
    let worker = Worker {
        pipeline,
        fingerprint: 0,
        refresh_ms: 1000,
        checkpoint_ms: millis_of(config.checkpoint.interval),
        saver: Saver::start(store, 1, saver_metrics, Arc::clone(&clock)).unwrap(),
        clock,
        shared,
        metrics,
        alerting: alerting.unwrap(),
        dead_letters: None,
        counters: Arc::new(source::Counters::default()),
        begin: Begin::Latest,
        at_most_once: false,
        needed_from: now,
        rebuild: None,
        progress: Progress::default(),
        freshness: Freshness::default(),
    };
    (worker, told)
}

/// The transitions up to `end` of a service that runs from the start on.
fn live(config: &Config, arrivals: &[Arrival], end: Timestamp) -> Vec<Transition> {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(START_MS - 1)));
    let (mut worker, told) = worker(config, &clock, folder.path());
    worker.take(SourceEvent::CaughtUp).unwrap();
    let mut now = clock.now();
    let mut pass = |running: &mut Worker, to: Timestamp| {
        while now < to {
            // Steps of any length, but such that nothing is missed.
            now = now.plus_millis(1 + now.as_millis() * 7919 % 40_000).min(to);
            clock.set(now);
            running.on_time();
        }
    };
    for (sequence, arrival) in arrivals.iter().enumerate() {
        let at = Timestamp::from_millis(arrival.at_ms);
        pass(&mut worker, at);
        let envelope = envelope(sequence, arrival, at);
        let position = Position {
            sequence: envelope.sequence,
            stored_at: at,
            through: envelope.sequence,
        };
        let batch = Batch {
            envelopes: vec![envelope],
            pending: 0,
            position,
        };
        worker.take(SourceEvent::Batch(batch)).unwrap();
        worker.on_time();
    }
    pass(&mut worker, end);
    let told = told.lock().unwrap();
    told.iter().filter(|one| one.at <= end).cloned().collect()
}

/// The transitions of a back-test, and its last instant.
fn replayed(config: &Config, arrivals: &[Arrival]) -> (Vec<Transition>, Timestamp) {
    let mut config = config.clone();
    leave_out_what_no_rule_reads(&mut config);
    let mut pipeline = pipeline(&config, WaitingPolicy::CountOnly, Timestamp::MAX);
    let mut back_test = BackTest::new(&config, &pipeline.engine, None).unwrap();
    let stored_at = Timestamp::from_millis(START_MS + 10 * SPAN_MS);
    for (sequence, arrival) in arrivals.iter().enumerate() {
        let envelope = envelope(sequence, arrival, stored_at);
        pipeline.process_all(&[envelope], &mut back_test);
    }
    let engine = &mut pipeline.engine;
    // Until the last keys have outlived their time.
    let end = Timestamp::from_millis(START_MS + SPAN_MS + 100 * 60_000);
    assert!(engine.replay_instant().unwrap() < end);
    back_test.evaluate_until(engine, end.plus_millis(1));
    (back_test.transitions().collect(), end)
}

/// Judges up to the time of each event before that is judged itself.
struct Judge<F>(F);

impl<F: FnMut(&mut Engine, Timestamp)> Observer for Judge<F> {
    fn before(&mut self, engine: &mut Engine, event: &Event, _envelope: &Envelope) {
        (self.0)(engine, event.record().event_time);
    }
}

/// The same with whole views, in which nothing says that a key has not changed.
fn judged_in_full(config: &Config, arrivals: &[Arrival], end: Timestamp) -> Vec<Transition> {
    let mut pipeline = pipeline(config, WaitingPolicy::CountOnly, Timestamp::MAX);
    let mut evaluator = Evaluator::new(&config.alert, config.engine.key_ttl).unwrap();
    let mut transitions = Vec::new();
    let mut next = Timestamp::from_millis(START_MS);
    let judge_until = |engine: &mut Engine, moment: Timestamp| {
        while next <= moment {
            let mut view = engine.view(next);
            let breakdowns = view.breakdowns.iter_mut();
            breakdowns
                .flat_map(|breakdown| &mut breakdown.keys)
                .for_each(|key| Arc::make_mut(key).revision = 0);
            transitions.extend(evaluator.evaluate(&view, next, false));
            next = next.plus_millis(INTERVAL_MS);
        }
    };
    let mut judge = Judge(judge_until);
    for (sequence, arrival) in arrivals.iter().enumerate() {
        let stored_at = Timestamp::from_millis(START_MS + 10 * SPAN_MS);
        pipeline.process_all(&[envelope(sequence, arrival, stored_at)], &mut judge);
    }
    (judge.0)(&mut pipeline.engine, end);
    transitions
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn live_and_back_test_tell_the_same_transitions(arrivals in arrivals()) {
        let config = config();
        let (replayed, end) = replayed(&config, &arrivals);
        prop_assert_eq!(lines(&live(&config, &arrivals, end)), lines(&replayed));
        prop_assert_eq!(lines(&judged_in_full(&config, &arrivals, end)), lines(&replayed));
    }
}

/// What the property rests on happens: each rule fires and clears, for each reason.
#[test]
fn the_universe_of_the_property_is_eventful() {
    let mut random = 1_u64;
    let mut draw = |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % below
    };
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..10 {
        let mut arrivals: Vec<Arrival> = (0..150)
            .map(|_| {
                let burst = draw(20);
                let offset = burst * 300_000 + draw(300_000);
                let at_ms = START_MS + i64::try_from(offset).unwrap();
                let id = u32::try_from(draw(8) + 8 * burst).unwrap();
                let chance = u32::try_from(draw(1 << 31)).unwrap();
                Arrival {
                    at_ms,
                    text: event(at_ms, id, chance),
                }
            })
            .collect();
        arrivals.sort_by_key(|arrival| arrival.at_ms);
        for transition in replayed(&config(), &arrivals).0 {
            *seen.entry(transition.alert.clone()).or_default() +=
                u32::from(transition.to.number() == 2);
            *seen.entry(transition.reason.name().to_owned()).or_default() += 1;
        }
    }
    for rule in rules() {
        assert!(
            seen.get(&rule.name).is_some_and(|fired| *fired > 0),
            "{} of {seen:?}",
            rule.name
        );
    }
    for reason in [
        "threshold",
        "baseline",
        "burn_rate",
        "no_data",
        "cleared",
        "insufficient",
        "key_expired",
    ] {
        assert!(seen.contains_key(reason), "{reason} of {seen:?}");
    }
}
