//! Random events, and some that are rejected.
use proptest::prelude::*;
use proptest::sample::select;

use super::generate::BASE;
use super::wording::{HANDLED, WAITS};

/// One version of an interaction.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the event has these four flags"
)]
pub(crate) struct ContactSpec {
    pub id: usize,
    pub ended_at: i64,
    pub version: Option<i64>,
    pub started_before_ms: Option<i64>,
    pub customer: usize,
    pub issue: usize,
    pub queue: usize,
    pub channel: usize,
    pub team: usize,
    pub inbound: bool,
    pub abandoned: bool,
    pub transferred: bool,
    pub excluded: bool,
    pub resolved: Option<bool>,
    pub wait: usize,
    pub handled: usize,
    pub time_form: usize,
}

/// One version of a survey.
#[derive(Clone, Debug)]
pub(crate) struct SurveySpec {
    pub id: Option<usize>,
    pub event_id: Option<usize>,
    pub submitted_at: i64,
    pub version: Option<i64>,
    pub about: Option<usize>,
    pub queue: usize,
    pub channel: usize,
    pub excluded: bool,
    pub csat: Option<usize>,
    pub ces: Option<usize>,
    pub nps: Option<usize>,
    pub resolved: Option<bool>,
    pub time_form: usize,
}

/// A time on the grid, mostly early on it so that things meet, now and then a millisecond beside it.
fn time() -> impl Strategy<Value = i64> {
    let steps = prop_oneof![3 => 0..12_i64, 1 => -8..36_i64];
    let nudge = prop_oneof![4 => Just(0_i64), 1 => Just(-1_i64), 1 => Just(1_i64)];
    (steps, nudge).prop_map(|(steps, nudge)| BASE + steps * 500 + nudge)
}

/// No version time, or one that collides with others and with event times.
fn version() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![2 => Just(None), 3 => (0..4_i64).prop_map(|steps| Some(BASE + steps * 5_000))]
}

fn mostly_not() -> impl Strategy<Value = bool> {
    prop_oneof![5 => Just(false), 1 => Just(true)]
}

/// Few enough that corrections happen, many enough that chains grow.
fn id() -> impl Strategy<Value = usize> {
    prop_oneof![1 => 0..6_usize, 1 => 0..24_usize]
}

pub(crate) fn contact() -> impl Strategy<Value = ContactSpec> {
    let customer = prop_oneof![1 => Just(0_usize), 4 => 1..4_usize];
    let started = proptest::option::of(select(vec![0_i64, 1, 700, 9_000]));
    let dims = (0..4_usize, 0..3_usize, 0..3_usize);
    let flags = (
        mostly_not(),
        mostly_not(),
        mostly_not(),
        mostly_not(),
        any::<Option<bool>>(),
    );
    let sizes = (0..WAITS.len(), 0..HANDLED.len(), 0..4_usize);
    (
        id(),
        time(),
        version(),
        started,
        (customer, 0..3_usize),
        dims,
        flags,
        sizes,
    )
        .prop_map(
            |(id, ended_at, version, started_before_ms, (customer, issue), dims, flags, sizes)| {
                let (outbound, abandoned, transferred, excluded, resolved) = flags;
                let (queue, channel, team) = dims;
                let (wait, handled, time_form) = sizes;
                // What an abandoned contact says of these does not count; it must not be the only difference of two versions.
                let even = id.is_multiple_of(2);
                ContactSpec {
                    id,
                    ended_at,
                    version,
                    started_before_ms,
                    customer,
                    issue,
                    queue,
                    channel,
                    team,
                    inbound: !outbound,
                    abandoned,
                    transferred: if abandoned { even } else { transferred },
                    excluded,
                    resolved: if abandoned { Some(even) } else { resolved },
                    wait,
                    handled: if abandoned { 1 } else { handled },
                    time_form,
                }
            },
        )
}

pub(crate) fn survey() -> impl Strategy<Value = SurveySpec> {
    let identity = (
        proptest::option::weighted(0.85, 0..4_usize),
        proptest::option::weighted(0.3, 0..4_usize),
    );
    let about = proptest::option::weighted(0.8, id());
    let answers = (
        proptest::option::of(0..5_usize),
        proptest::option::of(0..4_usize),
        proptest::option::of(0..11_usize),
        any::<Option<bool>>(),
    );
    let dims = (
        prop_oneof![2 => Just(0_usize), 1 => 0..4_usize],
        prop_oneof![2 => Just(0_usize), 1 => 0..3_usize],
    );
    (
        identity,
        time(),
        version(),
        about,
        dims,
        mostly_not(),
        answers,
        0..4_usize,
    )
        .prop_map(
            |(
                (id, event_id),
                submitted_at,
                version,
                about,
                (queue, channel),
                excluded,
                answers,
                time_form,
            )| {
                let (csat, ces, nps, resolved) = answers;
                SurveySpec {
                    id,
                    event_id,
                    submitted_at,
                    version,
                    about,
                    queue,
                    channel,
                    excluded,
                    csat,
                    ces,
                    nps,
                    resolved,
                    time_form,
                }
            },
        )
}

/// Events that are rejected, each on one line; the last two stand for ones at the limit of length and past it.
pub(crate) const BROKEN: [&str; 16] = [
    "nope",
    "5",
    "{\"type\":\"survey\",",
    r#"{"type":"interaction","interaction_id":"x","ended_at":NaN}"#,
    r#"{"type":"interaction","interaction_id":"x","ended_at":1700000000000,"note":"\ud800"}"#,
    r#"{"type":"order","interaction_id":"x","ended_at":1700000000000}"#,
    r#"{"type":7,"interaction_id":"x","ended_at":1700000000000}"#,
    r#"{"type":"interaction","interaction_id":"","ended_at":1700000000000}"#,
    r#"{"type":"interaction","interaction_id":"x","ended_at":1700000000}"#,
    r#"{"type":"interaction","interaction_id":"x","ended_at":1700000000000,"started_at":1700000000001}"#,
    r#"{"type":"interaction","interaction_id":"x","ended_at":1700000000000,"wait_seconds":"5"}"#,
    r#"{"type":"survey","survey_id":"x","submitted_at":1700000000000,"comment":"hm"}"#,
    r#"{"type":"survey","survey_id":"x","submitted_at":1700000000000,"nps":9.5,"csat":4}"#,
    r#"{"type":"survey","survey_id":"x","nps":9}"#,
    "at the limit",
    "past the limit",
];

/// The broken event of that number.
pub(crate) fn broken(number: usize, max_event_bytes: usize) -> String {
    let length = match BROKEN[number] {
        "at the limit" => max_event_bytes,
        "past the limit" => max_event_bytes + 1,
        other => return other.to_owned(),
    };
    let head = r#"{"type":"order","note":""#;
    format!("{head}{}\"}}", "x".repeat(length - head.len() - 2))
}
