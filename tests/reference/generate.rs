//! Random small universes in which everything collides: few customers, issues, queues and ids, times on a coarse grid around the
//! edges of panes, horizon and lateness, and settings to match.
//!
//! Kept inside what the contract promises: versions of one record lie within the allowed lateness of each other, and a survey
//! that is within reach of one version of its contact is not earlier than the lateness allows before any other.
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;

use super::Tick;
use super::events::{ContactSpec, SurveySpec};
use super::settings::{MAX_EVENT_BYTES, setup};
use super::setup::{Message, Setup};

/// Events are spread around this instant, 2023-11-14T22:13:20Z.
pub(crate) const BASE: i64 = 1_700_000_000_000;
/// One step of the time grid.
const STEP_MS: i64 = 500;

/// Settings and messages.
pub(crate) fn universe() -> impl Strategy<Value = (Setup, Vec<Message>)> {
    let bundles = proptest::collection::vec(bundle(), 0..24);
    (setup(), bundles, 0..3_usize).prop_map(|(setup, mut bundles, order)| {
        // Two in three arrive roughly in order of time, so that not too many are late.
        if order > 0 {
            bundles.sort_by_key(|bundle| bundle.parts.iter().filter_map(Part::time).max());
        }
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

/// What one message carries.
#[derive(Clone, Debug)]
enum Part {
    Contact(ContactSpec, Option<Edge>),
    Survey(SurveySpec, Option<Edge>),
    /// Something that is rejected, one line, by number.
    Broken(usize),
}

impl Part {
    fn time(&self) -> Option<i64> {
        match self {
            Self::Contact(spec, _) => Some(spec.ended_at),
            Self::Survey(spec, _) => Some(spec.submitted_at),
            Self::Broken(_) => None,
        }
    }
}

/// A time at one of the bounds seen from a contact that came before, or a millisecond beside it.
#[derive(Clone, Copy, Debug)]
struct Edge {
    bound: Bound,
    nudge_ms: i64,
}

#[derive(Clone, Copy, Debug)]
enum Bound {
    HorizonAfter,
    HorizonBefore,
    LatenessBefore,
    JoinAfter,
}

impl Edge {
    fn beside(self, setup: &Setup, end: i64) -> i64 {
        let distance = match self.bound {
            Bound::HorizonAfter => setup.fcr.horizon_ms,
            Bound::HorizonBefore => -setup.fcr.horizon_ms,
            Bound::LatenessBefore => -setup.allowed_lateness_ms,
            Bound::JoinAfter => setup.survey_join_within_ms,
        };
        end + distance + self.nudge_ms
    }
}

fn edge() -> impl Strategy<Value = Option<Edge>> {
    let bound = select(vec![
        Bound::HorizonAfter,
        Bound::HorizonBefore,
        Bound::LatenessBefore,
        Bound::JoinAfter,
    ]);
    let edge = (bound, -1..=1_i64).prop_map(|(bound, nudge_ms)| Edge { bound, nudge_ms });
    prop_oneof![3 => Just(None), 1 => edge.prop_map(Some)]
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
        6 => (super::events::contact(), edge()).prop_map(|(spec, edge)| Part::Contact(spec, edge)),
        3 => (super::events::survey(), edge()).prop_map(|(spec, edge)| Part::Survey(spec, edge)),
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
        prop_oneof![19 => Just(None), 1 => select(vec![1_000_i64, 1_001, 0]).prop_map(Some)];
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
    let mut last_end = None;
    for bundle in &mut bundles {
        let framing = bundle.framing;
        let id = bundle.id;
        for (index, part) in bundle.parts.iter_mut().enumerate() {
            match part {
                Part::Contact(spec, edge) => {
                    let moved = edge
                        .zip(last_end)
                        .map(|(edge, end)| edge.beside(setup, end));
                    spec.ended_at = moved.unwrap_or(spec.ended_at);
                    spec.ended_at = within(&mut contacts, spec.name(), spec.ended_at, lateness);
                    last_end = Some(spec.ended_at);
                }
                Part::Survey(spec, edge) => {
                    let end = spec
                        .about()
                        .and_then(|name| contacts.get(&name)?.last().copied());
                    let moved = edge.zip(end).map(|(edge, end)| edge.beside(setup, end));
                    spec.submitted_at = moved.unwrap_or(spec.submitted_at);
                    let identity = spec.identity(outside_id(framing, id, index));
                    spec.submitted_at = within(&mut surveys, identity, spec.submitted_at, lateness);
                }
                Part::Broken(_) => {}
            }
        }
    }
    for part in bundles.iter_mut().flat_map(|bundle| &mut bundle.parts) {
        if let Part::Survey(spec, _) = part {
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
            Part::Contact(spec, _) => spec.text(),
            Part::Survey(spec, _) => spec.text(setup),
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
    let first_time = bundle.parts.iter().find_map(Part::time);
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
