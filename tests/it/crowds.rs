//! A producer that writes the same placeholder for every interaction it does not know: one interaction with
//! very many versions and very many surveys, which take their dimensions from it.
use proptest::prelude::*;

use crate::engine_runs::{self, Aside};
use crate::reference::output::{Compare, assert_same};
use crate::reference::setup::{Message, Setup};
use crate::reference::{Tick, live, replay};

/// 2026-03-02T08:00:00Z.
const BASE: i64 = 1_772_438_400_000;
const MINUTE: i64 = 60_000;
/// Short against all that comes, so that much of it is forgotten, and long enough for the interaction to have
/// another version before it is.
const LATENESS_MS: i64 = 4 * MINUTE;
/// Surveys that come first: so many that the engine keeps them apart from others (`engine::joins`), and they
/// go along with the interaction later than others do.
const CROWD: usize = 260;

fn setup() -> Setup {
    Setup {
        allowed_lateness_ms: LATENESS_MS,
        survey_join_within_ms: 2 * MINUTE,
        ..Setup::default()
    }
}

/// What one message carries; interactions ended so long before.
#[derive(Clone, Debug)]
enum Part {
    /// A survey by number, with a queue of its own or not.
    Survey(usize, Option<u8>),
    /// The same withdrawn.
    Withdrawn(usize),
    /// Another version of the interaction, in a queue, excluded or not.
    Interaction(i64, u8, bool),
    /// An interaction of its own.
    Other(i64, u8),
}

fn part() -> impl Strategy<Value = Part> {
    let number = 0..CROWD;
    let late = || prop_oneof![3 => 0..MINUTE, 1 => 0..LATENESS_MS];
    let own_queue = proptest::option::weighted(0.2, 0_u8..3);
    let interaction = (late(), 0_u8..3, proptest::bool::weighted(0.2));
    prop_oneof![
        4 => (number.clone(), own_queue).prop_map(|(number, queue)| Part::Survey(number, queue)),
        1 => number.prop_map(Part::Withdrawn),
        4 => interaction.prop_map(|(late_ms, queue, excluded)| {
            Part::Interaction(late_ms, queue, excluded)
        }),
        1 => (late(), 0_u8..3).prop_map(|(late_ms, queue)| Part::Other(late_ms, queue)),
    ]
}

/// The message of a place that is stored at `at`; surveys are handed in `apart_ms` one after the other.
fn message(place: usize, at: i64, apart_ms: i64, part: &Part) -> Message {
    let survey = |number: usize, more: &str| {
        let score = 1 + (number + place) % 5;
        let submitted = submitted_at(number, apart_ms);
        format!(
            r#"{{"type":"survey","survey_id":"s{number}","interaction_id":"n/a","submitted_at":{submitted},"updated_at":{at},"csat":{score}{more}}}"#
        )
    };
    let interaction = |id: &str, late_ms: i64, queue: u8, excluded: bool| {
        let (ended, talk) = (at - late_ms, 60 + place % 7);
        format!(
            r#"{{"type":"interaction","interaction_id":"{id}","customer_id":"c","ended_at":{ended},"updated_at":{at},"queue":"q{queue}","channel":"voice","talk_seconds":{talk},"excluded":{excluded}}}"#
        )
    };
    let payload = match part {
        Part::Survey(number, None) => survey(*number, ""),
        Part::Survey(number, Some(queue)) => survey(*number, &format!(r#","queue":"q{queue}""#)),
        Part::Withdrawn(number) => survey(*number, r#","excluded":true"#),
        Part::Interaction(late_ms, queue, excluded) => {
            interaction("n/a", *late_ms, *queue, *excluded)
        }
        Part::Other(late_ms, queue) => interaction(&format!("i{place}"), *late_ms, *queue, false),
    };
    Message {
        subject: "cx.other".to_owned(),
        headers: Vec::new(),
        payload: payload.into_bytes(),
        stored_at: at,
    }
}

fn submitted_at(number: usize, apart_ms: i64) -> i64 {
    BASE + (i64::try_from(number).unwrap() + 1) * apart_ms
}

/// The crowd comes first; then all sorts of things.
fn messages() -> impl Strategy<Value = Vec<Message>> {
    let more = proptest::collection::vec((part(), 0..8000_i64), 0..250);
    (more, 1..1000_i64).prop_map(|(more, apart_ms)| {
        let crowd = (0..CROWD).map(|number| (Part::Survey(number, None), apart_ms));
        let mut at = BASE;
        let all = crowd.chain(more).enumerate();
        all.map(|(place, (part, after_ms))| {
            at += after_ms;
            message(place, at, apart_ms, &part)
        })
        .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn replay_of_a_crowd_equals_reference(messages in messages(), restart_every in 0_usize..100) {
        let setup = setup();
        let expected = replay(&setup, &messages, None);
        let found = engine_runs::replay(&setup, &messages, None, restart_every);
        assert_same(&expected, &found, Compare::Counters);
    }

    #[test]
    fn a_crowd_live_equals_reference(
        messages in messages(),
        every in 5_usize..100,
        restart_every in 0_usize..4,
        pace in 0_usize..6,
        ahead in 0_usize..40,
    ) {
        let setup = setup();
        let last = |after: usize| messages[..after].last().map_or(BASE, |last| last.stored_at);
        let ticks: Vec<Tick> = (0..=messages.len())
            .step_by(every)
            .map(|after| Tick { after, at: last(after) + 1 })
            .collect();
        let expected = live(&setup, &messages, &ticks);
        let aside = Aside { restart_every, pace, ahead };
        let found = engine_runs::live(&setup, &messages, &ticks, aside);
        prop_assert_eq!(expected.len(), found.len());
        for (one, other) in expected.iter().zip(&found) {
            assert_same(one, other, Compare::Counters);
        }
    }
}
