//! The engine driven by the reference's setups and messages, and its views in the reference's terms.
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cxpulse::app::Pipeline;
use cxpulse::decode;
use cxpulse::engine::{self, Engine, Section, View, WaitingPolicy};
use cxpulse::event::{HashKey, Reason};
use cxpulse::kpi::{self, Kpi};
use cxpulse::source::{Envelope, MessageHeaders};
use cxpulse::time::Timestamp;
use cxpulse::window::{DayStart, WindowSpec};

use crate::reference::Tick;
use crate::reference::output::{Output, Place, Row};
use crate::reference::setup::{Formula, MatchOn, Message, Method, Setup};
use crate::reference::stats::Reading;

const KEY: HashKey = HashKey::from_bytes([7; 16]);

fn millis(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).expect("not negative"))
}

fn dimensions(setup: &Setup) -> Vec<String> {
    let mut dimensions = vec![
        "channel".to_owned(),
        "queue".to_owned(),
        "agent_id".to_owned(),
    ];
    for name in setup.breakdowns.iter().flatten().chain(setup.values.keys()) {
        if !dimensions.contains(name) {
            dimensions.push(name.clone());
        }
    }
    dimensions
}

fn small(value: i64) -> i32 {
    i32::try_from(value).expect("a score")
}

/// The engine settings that a setup means.
pub(crate) fn engine_settings(setup: &Setup) -> engine::Settings {
    let windows = setup.windows.iter().map(|window| WindowSpec {
        pane: millis(window.pane_ms),
        delay: millis(window.delay_ms),
        day: window.day.as_ref().map(|day| {
            let since = jiff::civil::Time::strptime("%H:%M", &day.since).expect("HH:MM");
            let zone = jiff::tz::TimeZone::get(&day.zone).expect("a zone");
            DayStart::new(since, zone)
        }),
        ..WindowSpec::new(&window.name, millis(window.length_ms))
    });
    let rules = setup.service_level.rules.iter().map(|rule| {
        let mut matches = std::collections::BTreeMap::new();
        matches.extend(
            rule.channel
                .clone()
                .map(|value| ("channel".to_owned(), value)),
        );
        matches.extend(rule.queue.clone().map(|value| ("queue".to_owned(), value)));
        kpi::ServiceLevelRule {
            matches,
            target: millis(rule.target_ms),
        }
    });
    engine::Settings {
        windows: windows.collect(),
        breakdowns: setup.breakdowns.clone(),
        known_values: setup.values.clone(),
        dimensions: dimensions(setup),
        max_clock_skew: millis(setup.max_clock_skew_ms),
        allowed_lateness: millis(setup.allowed_lateness_ms),
        kpis: kpi::Settings {
            short_abandon: millis(setup.short_abandon_ms),
            survey_join_within: millis(setup.survey_join_within_ms),
            service_level_formula: match setup.service_level.formula {
                Formula::ExcludeShort => kpi::ServiceLevelFormula::ExcludeShort,
                Formula::AbandonPositive => kpi::ServiceLevelFormula::AbandonPositive,
                Formula::AnsweredOnly => kpi::ServiceLevelFormula::AnsweredOnly,
                Formula::AbandonNegative => kpi::ServiceLevelFormula::AbandonNegative,
                Formula::IgnoreEarlyAbandon => kpi::ServiceLevelFormula::IgnoreEarlyAbandon,
                Formula::ShortPositive => kpi::ServiceLevelFormula::ShortPositive,
            },
            service_level_target: millis(setup.service_level.target_ms),
            service_level_rules: rules.collect(),
            csat_satisfied_from_milli: small(setup.csat_satisfied_from),
            fcr: kpi::Fcr {
                method: match setup.fcr.method {
                    Method::RepeatContact => kpi::FcrMethod::RepeatContact,
                    Method::Flag => kpi::FcrMethod::Flag,
                },
                horizon: millis(setup.fcr.horizon_ms),
                match_on: match setup.fcr.match_on {
                    MatchOn::CustomerAndIssue => kpi::FcrMatch::CustomerAndIssue,
                    MatchOn::Customer => kpi::FcrMatch::Customer,
                },
                transfer_fails: setup.fcr.transfer_fails,
                ..kpi::Fcr::default()
            },
            handle_time_breakdowns: setup.handle_time_breakdowns.clone(),
            ..kpi::Settings::default()
        },
        ..engine::Settings::default()
    }
}

fn decode_settings(setup: &Setup) -> decode::Settings {
    decode::Settings {
        kind_field: setup.kind_field.clone(),
        interaction_subject: setup.interaction_subject.clone(),
        survey_subject: setup.survey_subject.clone(),
        max_event_bytes: setup.max_event_bytes,
        max_message_bytes: setup.max_message_bytes,
        dimensions: dimensions(setup),
        csat_scale_milli: (small(setup.csat.low), small(setup.csat.high)),
        ces_scale_milli: (small(setup.ces.low), small(setup.ces.high)),
        ..decode::Settings::default()
    }
}

/// A pipeline for a setup.
pub(crate) fn pipeline(setup: &Setup, policy: WaitingPolicy) -> Pipeline {
    let engine = Engine::new(Arc::new(engine_settings(setup)), policy);
    Pipeline::new(Arc::new(decode_settings(setup)), KEY, engine)
}

/// The same pipeline after its state has been captured and restored.
pub(crate) fn restarted(setup: &Setup, pipeline: &mut Pipeline, policy: WaitingPolicy) -> Pipeline {
    let mut sections = vec![pipeline.engine.begin_capture()];
    sections.extend(std::iter::from_fn(|| pipeline.engine.next_section()));
    restored(setup, sections, policy)
}

fn restored(setup: &Setup, sections: Vec<Section>, policy: WaitingPolicy) -> Pipeline {
    let engine = Engine::restore(Arc::new(engine_settings(setup)), policy, sections);
    Pipeline::new(
        Arc::new(decode_settings(setup)),
        KEY,
        engine.expect("a whole capture"),
    )
}

/// Hands messages to a pipeline.
pub(crate) fn feed(pipeline: &mut Pipeline, messages: &[Message]) {
    for (sequence, message) in messages.iter().enumerate() {
        pipeline.process(&envelope(sequence, message), &mut |_| {});
    }
}

fn envelope(sequence: usize, message: &Message) -> Envelope {
    let text = |name| message.header(name).map(str::to_owned);
    let headers = MessageHeaders {
        message_id: text("Nats-Msg-Id"),
        cloud_event: message.header("ce-specversion").is_some(),
        cloud_event_id: text("ce-id"),
        dead_letter: false,
    };
    Envelope {
        sequence: u64::try_from(sequence).expect("few messages"),
        stored_at: Timestamp::from_millis(message.stored_at),
        subject: Bytes::from(message.subject.clone().into_bytes()),
        headers: (headers != MessageHeaders::default()).then(|| Box::new(headers)),
        payload: Bytes::from(message.payload.clone()),
    }
}

/// A replay as the reference does it. `restart_every` messages, the state goes to bytes and back.
pub(crate) fn replay(
    setup: &Setup,
    messages: &[Message],
    at: Option<i64>,
    restart_every: usize,
) -> Output {
    let policy = WaitingPolicy::CountOnly;
    let mut pipeline = pipeline(setup, policy);
    pipeline
        .engine
        .advance(at.map_or(Timestamp::MAX, Timestamp::from_millis));
    for (sequence, message) in messages.iter().enumerate() {
        pipeline.process(&envelope(sequence, message), &mut |_| {});
        if at.is_none() && restart_every > 0 && sequence % restart_every == 0 {
            pipeline = restarted(setup, &mut pipeline, policy);
        }
    }
    let instant = at
        .map(Timestamp::from_millis)
        .or(pipeline.engine.replay_instant());
    let view = match (pipeline.engine.stream_time(), instant) {
        (Some(_), Some(instant)) => pipeline.engine.view(instant),
        _ => pipeline.engine.empty_view(),
    };
    output(&view)
}

/// What happens in a live run beside the messages and ticks, and must not be seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Aside {
    /// So many ticks, the state goes to bytes and back; 0 for never.
    pub(crate) restart_every: usize,
    /// So many steps come between two sections of a capture, as where a checkpoint is taken while ingest
    /// goes on; what came since it began comes again when the state is back.
    pub(crate) pace: usize,
    /// What moves next is worked at so much at a time, after each message and before each view.
    pub(crate) ahead: usize,
}

/// One step of a live run.
#[derive(Clone, Debug)]
enum Step {
    Message(Box<Envelope>),
    Tick(Timestamp),
}

/// A capture under way.
#[derive(Debug)]
struct Capture {
    sections: Vec<Section>,
    /// Steps since it began.
    since: Vec<Step>,
}

/// A pipeline, and what happens to it aside.
struct Live<'s> {
    setup: &'s Setup,
    aside: Aside,
    pipeline: Pipeline,
    capture: Option<Capture>,
    ticks: usize,
}

impl Live<'_> {
    const POLICY: WaitingPolicy = WaitingPolicy::Keep;

    /// Takes a step; its view where it is a tick.
    fn take(&mut self, step: Step) -> Option<View> {
        let view = self.apply(&step);
        if let Some(capture) = &mut self.capture {
            capture.since.push(step);
            if capture.since.len().is_multiple_of(self.aside.pace.max(1)) {
                self.go_on();
            }
        }
        view
    }

    fn apply(&mut self, step: &Step) -> Option<View> {
        match step {
            Step::Message(envelope) => {
                self.pipeline.process(envelope, &mut |_| {});
                self.pipeline.engine.work_ahead(self.aside.ahead);
                None
            }
            Step::Tick(at) => {
                self.pipeline.engine.advance(*at);
                self.pipeline.engine.work_ahead(self.aside.ahead);
                Some(self.pipeline.engine.view(*at))
            }
        }
    }

    /// The state goes to bytes, at once or a section after the other.
    fn restart(&mut self) {
        if self.aside.pace == 0 {
            self.pipeline = restarted(self.setup, &mut self.pipeline, Self::POLICY);
        } else if self.capture.is_none() {
            self.capture = Some(Capture {
                sections: vec![self.pipeline.engine.begin_capture()],
                since: Vec::new(),
            });
        }
    }

    /// The next section; after the last the state comes back, and what came since.
    fn go_on(&mut self) {
        let section = self.pipeline.engine.next_section();
        if let (Some(section), Some(capture)) = (section, &mut self.capture) {
            capture.sections.push(section);
        } else if let Some(capture) = self.capture.take() {
            self.pipeline = restored(self.setup, capture.sections, Self::POLICY);
            for step in capture.since {
                self.apply(&step);
            }
        }
    }
}

/// A live run as the reference does it, one result per tick.
pub(crate) fn live(
    setup: &Setup,
    messages: &[Message],
    ticks: &[Tick],
    aside: Aside,
) -> Vec<Output> {
    let mut live = Live {
        setup,
        aside,
        pipeline: pipeline(setup, Live::POLICY),
        capture: None,
        ticks: 0,
    };
    let mut outputs = Vec::new();
    let mut taken = 0;
    for tick in ticks {
        for (sequence, message) in messages.iter().enumerate().take(tick.after).skip(taken) {
            live.take(Step::Message(Box::new(envelope(sequence, message))));
        }
        taken = tick.after.max(taken);
        if aside.restart_every > 0 && live.ticks.is_multiple_of(aside.restart_every) {
            live.restart();
        }
        live.ticks += 1;
        let view = live.take(Step::Tick(Timestamp::from_millis(tick.at)));
        outputs.extend(view.as_ref().map(output));
    }
    outputs
}

/// A view in the reference's terms.
pub(crate) fn output(view: &View) -> Output {
    let stats = &view.stats;
    let rejected = Reason::ALL
        .iter()
        .zip(stats.rejected)
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| (reason.name().to_owned(), count));
    let mut output = Output {
        at: view.at.map(Timestamp::as_millis),
        received: stats.received.iter().sum(),
        applied: stats.applied,
        replaced: stats.replaced,
        duplicates: stats.duplicates,
        waiting: stats.waiting,
        rejected: rejected.collect(),
        ..Output::default()
    };
    for (breakdown_number, breakdown) in view.breakdowns.iter().enumerate() {
        for (key_number, key) in breakdown
            .keys
            .iter()
            .enumerate()
            .filter(|(_, key)| key.live)
        {
            let values = key.values.iter().map(ToString::to_string);
            let names = breakdown.dimensions.iter().cloned();
            for (window_number, window) in view.windows.iter().enumerate() {
                for kpi in Kpi::ALL {
                    let reading = view.reading(kpi, window_number, breakdown_number, key_number);
                    let Some(reading) = reading else { continue };
                    let place = Place {
                        breakdown: breakdown.label.to_string(),
                        key: names.clone().zip(values.clone()).collect(),
                        window: window.name.to_string(),
                        kpi: kpi.name().to_owned(),
                    };
                    output.rows.insert(
                        place,
                        Row {
                            reading: reading_of(&reading),
                            complete: window.complete_for(kpi),
                        },
                    );
                }
            }
        }
    }
    output
}

fn reading_of(reading: &kpi::Reading) -> Reading {
    let names = ["0.5", "0.9", "0.95", "0.99"];
    let quantiles = reading
        .quantiles
        .map(|values| names.into_iter().map(str::to_owned).zip(values).collect());
    Reading {
        value: reading.value,
        samples: reading.samples,
        numerator: reading.numerator,
        denominator: reading.denominator,
        lower: reading.lower,
        upper: reading.upper,
        quantiles: quantiles.unwrap_or_default(),
    }
}

/// The reference, and the engine beside it: each named edge is tried on both, and they must agree.
pub(crate) mod both {
    use crate::reference::output::{Compare, Output, assert_same};
    use crate::reference::setup::{Message, Setup};
    use crate::reference::{self, Tick};

    /// The reference's replay, which the engine's equals, with and without restarts on the way.
    pub(crate) fn replay(setup: &Setup, messages: &[Message], at: Option<i64>) -> Output {
        let expected = reference::replay(setup, messages, at);
        for restart_every in 0..=2 {
            let found = super::replay(setup, messages, at, restart_every);
            assert_same(&expected, &found, Compare::Counters);
        }
        expected
    }

    /// The reference's live run, which the engine's equals, with and without restarts and work
    /// ahead on the way.
    pub(crate) fn live(setup: &Setup, messages: &[Message], ticks: &[Tick]) -> Vec<Output> {
        let expected = reference::live(setup, messages, ticks);
        for (restart_every, pace, ahead) in [
            (0, 0, 0),
            (1, 0, 0),
            (2, 0, 0),
            (1, 1, 0),
            (1, 5, 1),
            (0, 0, 1),
            (0, 0, 7),
            (2, 0, 100),
        ] {
            let aside = super::Aside {
                restart_every,
                pace,
                ahead,
            };
            let found = super::live(setup, messages, ticks, aside);
            assert_eq!(expected.len(), found.len());
            for (one, other) in expected.iter().zip(&found) {
                assert_same(one, other, Compare::Counters);
            }
        }
        expected
    }
}
