//! The day so far equals the brute-force count, on the days on which clocks are changed too.
use proptest::prelude::*;
use proptest::sample::select;

use crate::engine_runs::both;
use crate::reference::output::{Output, Place};
use crate::reference::setup::{Day, Message, Setup};
use crate::reference::{Tick, time};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// Noon UTC of the days on which clocks in Rome are put forward and back, of one before the day,
/// and of a day like any other.
const DAYS: [&str; 4] = [
    "2026-03-29T12:00:00Z",
    "2026-10-25T12:00:00Z",
    "2026-10-24T12:00:00Z",
    "2026-06-10T12:00:00Z",
];

fn instant(text: &str) -> i64 {
    time::parse(text).unwrap()
}

/// Days that begin at midnight, within the hour that is skipped or comes twice, and elsewhere.
fn setup() -> Setup {
    let mut setup = Setup {
        windows: vec![
            Day::window("00:00", "Europe/Rome"),
            Day::window("02:30", "Europe/Rome"),
            Day::window("00:00", "UTC"),
        ],
        breakdowns: vec![vec![], vec!["queue".to_owned()]],
        ..Setup::default()
    };
    // The mature cohort of a day later lies on the day of the change, too.
    setup.fcr.horizon_ms = 24 * HOUR;
    setup
}

fn contact(number: usize, ended_at: i64, customer: u8) -> Message {
    let payload = format!(
        r#"{{"type":"interaction","interaction_id":"i{number}","customer_id":"c{customer}",
        "queue":"q{}","talk_seconds":{},"wait_seconds":3,"ended_at":{ended_at}}}"#,
        number % 2,
        60 + number % 7,
    );
    Message {
        subject: "cx.interactions.x".to_owned(),
        headers: Vec::new(),
        payload: payload.replace('\n', " ").into_bytes(),
        stored_at: ended_at,
    }
}

/// Moments of 30 hours around a noon: at hours and half hours, and a millisecond beside them.
fn moments() -> impl Strategy<Value = Vec<i64>> {
    let moment =
        (-30..60_i64, -1..=1_i64).prop_map(|(half_hours, nudge)| half_hours * HOUR / 2 + nudge);
    proptest::collection::vec(moment, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// Instants over the change and the day after, each with its mature cohort.
    #[test]
    fn every_instant_equals_reference(
        day in select(DAYS.to_vec()),
        mut moments in moments(),
        customers in proptest::collection::vec(0..6_u8, 60),
        nudge in -1..=1_i64,
    ) {
        moments.sort_unstable();
        let noon = instant(day);
        let messages: Vec<Message> = moments
            .iter()
            .zip(customers)
            .enumerate()
            .map(|(number, (moment, customer))| contact(number, noon + moment, customer))
            .collect();
        let ticks: Vec<Tick> = (-12..54_i64)
            .map(|hours| {
                let at = noon + hours * HOUR + HOUR / 2 * (hours % 2) + nudge;
                let after = moments.iter().filter(|moment| noon + **moment < at).count();
                Tick { after, at }
            })
            .collect();
        both::live(&setup(), &messages, &ticks);
        both::replay(&setup(), &messages, ticks.last().map(|tick| tick.at));
        both::replay(&setup(), &messages, None);
    }
}

fn samples(output: &Output, window: &str) -> u64 {
    let place = Place {
        breakdown: "overall".to_owned(),
        key: std::collections::BTreeMap::new(),
        window: window.to_owned(),
        kpi: "aht".to_owned(),
    };
    output.rows[&place].reading.samples
}

/// One contact each minute for four days: a day has as many as it has minutes.
#[test]
fn days_of_23_24_and_25_hours_are_counted_whole() {
    for (end, minutes) in [
        ("2026-03-28T00:00:00+01:00", 24 * 60),
        ("2026-03-30T00:00:00+02:00", 23 * 60),
        ("2026-10-26T00:00:00+01:00", 25 * 60),
    ] {
        let end = instant(end);
        let messages: Vec<Message> = (0..4 * 24 * 60_usize)
            .map(|number| {
                let minute = i64::try_from(number).unwrap();
                contact(number, end - 2 * 24 * HOUR + minute * MINUTE, 1)
            })
            .collect();
        let count = |at: i64| samples(&both_at(&messages, at), "since 00:00 Europe/Rome");
        // The last millisecond of the day has it whole, the first of the next has nothing.
        assert_eq!(count(end - 1), minutes);
        assert_eq!(count(end), 0);
        assert_eq!(count(end + 1), 1);
        assert_eq!(count(end + HOUR), 60);
    }
}

fn both_at(messages: &[Message], at: i64) -> Output {
    let mut setup = setup();
    setup.breakdowns = vec![vec![]];
    let expected = crate::reference::replay(&setup, messages, Some(at));
    let found = crate::engine_runs::replay(&setup, messages, Some(at), 0);
    crate::reference::output::assert_same(
        &expected,
        &found,
        crate::reference::output::Compare::Counters,
    );
    expected
}
