//! Random small universes in which everything collides: few customers, issues, queues and ids, times on a coarse grid around the
//! edges of panes, horizon and lateness, and settings to match.
//!
//! Kept inside what the contract promises: versions of one record lie within the allowed lateness of each other, and a survey
//! that is within reach of one version of its contact is not earlier than the lateness allows before any other.
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::Tick;
use super::events::{ContactSpec, SurveySpec};
use super::setup::{
    Fcr, Formula, MatchOn, Message, Method, Scale, ServiceLevel, Setup, TargetRule, Window,
};

/// Events are spread around this instant, 2023-11-14T22:13:20Z.
pub(crate) const BASE: i64 = 1_700_000_000_000;
/// One step of the time grid.
const STEP_MS: i64 = 500;
/// Longest event text that is accepted; some events are made exactly that long, or a byte longer.
const MAX_EVENT_BYTES: usize = 1_000;

/// Settings and messages.
pub(crate) fn universe() -> impl Strategy<Value = (Setup, Vec<Message>)> {
    let bundles = proptest::collection::vec(bundle(), 0..18);
    (setup(), bundles).prop_map(|(setup, bundles)| {
        let messages = build(&setup, bundles);
        (setup, messages)
    })
}

/// A live run over a universe: instants in steps of at most the lateness, so that waiting events enter within it.
pub(crate) fn live_universe() -> impl Strategy<Value = (Setup, Vec<Message>, Vec<Tick>)> {
    let steps = proptest::collection::vec((0..5_usize, 0..12_i64, -1..=1_i64), 1..12);
    (universe(), -6..6_i64, steps).prop_map(|((setup, messages), start, steps)| {
        let mut tick = Tick {
            after: 0,
            at: BASE + start * STEP_MS,
        };
        let mut ticks = vec![tick];
        for (messages_more, grid_steps, nudge) in steps {
            let step = (grid_steps * STEP_MS + nudge).clamp(0, setup.allowed_lateness_ms);
            tick = Tick {
                after: (tick.after + messages_more).min(messages.len()),
                at: tick.at + step,
            };
            ticks.push(tick);
        }
        (setup, messages, ticks)
    })
}

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
        select(vec![1_000_i64, 3_000, 8_000, 30_000]),
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
        select(vec![1_i64, 2, 3, 5, 12, 30]),
        select(vec![0_i64, 0, 1, 500, 1_000]),
    );
    proptest::collection::vec(one, 1..=3).prop_map(|windows| {
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
                },
            );
        }
        by_length.into_values().collect()
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

/// What one message carries.
#[derive(Clone, Debug)]
enum Part {
    Contact(ContactSpec),
    Survey(SurveySpec),
    /// Something that is rejected, one line, by number.
    Broken(usize),
}

/// How the parts of a message are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Lines,
    Array,
    /// An envelope around each event.
    Envelopes,
    /// One envelope around an array.
    EnvelopeOfArray,
    /// `CloudEvents` headers on an array.
    Headers,
    /// The plain text of the first event alone, its message id in the header.
    MessageId,
}

#[derive(Clone, Debug)]
struct Bundle {
    parts: Vec<Part>,
    framing: Framing,
    id: usize,
    /// Stored that much before the first event, else long after everything.
    stored_before_ms: Option<i64>,
}

fn bundle() -> impl Strategy<Value = Bundle> {
    let part = prop_oneof![
        6 => super::events::contact().prop_map(Part::Contact),
        3 => super::events::survey().prop_map(Part::Survey),
        1 => (0..super::events::BROKEN.len()).prop_map(Part::Broken),
    ];
    let framing = prop_oneof![
        5 => Just(Framing::Lines),
        2 => Just(Framing::Array),
        1 => Just(Framing::Envelopes),
        1 => Just(Framing::EnvelopeOfArray),
        1 => Just(Framing::Headers),
        1 => Just(Framing::MessageId),
    ];
    let stored =
        prop_oneof![8 => Just(None), 1 => select(vec![1_000_i64, 1_001, 0]).prop_map(Some)];
    (
        proptest::collection::vec(part, 1..=3),
        framing,
        0..4_usize,
        stored,
    )
        .prop_map(|(parts, framing, id, stored_before_ms)| Bundle {
            parts,
            framing,
            id,
            stored_before_ms,
        })
}

/// Puts the specs inside what is promised, then writes them.
fn build(setup: &Setup, mut bundles: Vec<Bundle>) -> Vec<Message> {
    let lateness = setup.allowed_lateness_ms;
    let mut contacts: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let mut surveys: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for bundle in &mut bundles {
        let framing = bundle.framing;
        let id = bundle.id;
        for (index, part) in bundle.parts.iter_mut().enumerate() {
            match part {
                Part::Contact(spec) => {
                    spec.ended_at = within(&mut contacts, spec.name(), spec.ended_at, lateness);
                }
                Part::Survey(spec) => {
                    let identity = spec.identity(outside_id(framing, id, index));
                    spec.submitted_at = within(&mut surveys, identity, spec.submitted_at, lateness);
                }
                Part::Broken(_) => {}
            }
        }
    }
    for part in bundles.iter_mut().flat_map(|bundle| &mut bundle.parts) {
        if let Part::Survey(spec) = part {
            let ends = spec.about().and_then(|name| contacts.get(&name));
            let gaps = || {
                ends.into_iter()
                    .flatten()
                    .map(|end| spec.submitted_at - end)
            };
            let reach = -lateness..=setup.survey_join_within_ms;
            if gaps().any(|gap| reach.contains(&gap)) && gaps().any(|gap| gap < -lateness) {
                spec.about = None;
            }
        }
    }
    bundles.iter().map(|bundle| write(setup, bundle)).collect()
}

/// Moves a time to within the lateness of the other versions of its record.
fn within(seen: &mut BTreeMap<String, Vec<i64>>, name: String, time: i64, lateness: i64) -> i64 {
    let times = seen.entry(name).or_default();
    let low = times.iter().max().map_or(time, |latest| latest - lateness);
    let high = times
        .iter()
        .min()
        .map_or(time, |earliest| earliest + lateness);
    let time = time.clamp(low, high);
    times.push(time);
    time
}

/// The identity that the message gives to the event at `index`, where it gives one.
fn outside_id(framing: Framing, id: usize, index: usize) -> Option<String> {
    match framing {
        Framing::Lines | Framing::Array => None,
        Framing::Envelopes | Framing::MessageId => Some(format!("s{id}")),
        Framing::EnvelopeOfArray | Framing::Headers => Some(format!("s{id}#{index}")),
    }
}

fn write(setup: &Setup, bundle: &Bundle) -> Message {
    let mut texts: Vec<String> = Vec::new();
    for part in &bundle.parts {
        texts.push(match part {
            Part::Contact(spec) => spec.text(),
            Part::Survey(spec) => spec.text(setup),
            Part::Broken(number) => super::events::broken(*number, MAX_EVENT_BYTES),
        });
    }
    // Only lines can hold what is not even grammatical JSON without spoiling the rest.
    let whole = texts
        .iter()
        .all(|text| super::json::pieces(text.as_bytes()).is_some());
    let framing = if whole {
        bundle.framing
    } else {
        Framing::Lines
    };
    let id = format!("s{}", bundle.id);
    let mut headers = Vec::new();
    let payload = match framing {
        Framing::Lines => texts.join("\n"),
        Framing::Array => format!("[{}]", texts.join(" ,\n")),
        Framing::Envelopes => {
            let wrap = |text: &String| {
                format!(r#"{{"specversion":"1.0","type":"t","id":"{id}","data":{text}}}"#)
            };
            texts.iter().map(wrap).collect::<Vec<_>>().join("\n")
        }
        Framing::EnvelopeOfArray => {
            format!(
                r#"{{"specversion":"1.0","id":"{id}","data":[{}]}}"#,
                texts.join(",")
            )
        }
        Framing::Headers => {
            headers.push(("ce-specversion".to_owned(), "1.0".to_owned()));
            headers.push(("ce-id".to_owned(), id));
            format!("[{}]", texts.join(","))
        }
        Framing::MessageId => {
            headers.push(("Nats-Msg-Id".to_owned(), id));
            texts.swap_remove(0)
        }
    };
    let first_time = bundle.parts.iter().find_map(|part| match part {
        Part::Contact(spec) => Some(spec.ended_at),
        Part::Survey(spec) => Some(spec.submitted_at),
        Part::Broken(_) => None,
    });
    let stored_at = first_time
        .zip(bundle.stored_before_ms)
        .map(|(time, before)| time - before);
    Message {
        subject: ["cx.interactions.a", "cx.surveys.a.b", "cx.other"][bundle.id % 3].to_owned(),
        headers,
        payload: payload.into_bytes(),
        stored_at: stored_at.unwrap_or(BASE + 86_400_000),
    }
}
