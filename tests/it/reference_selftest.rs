//! The reference against cases computed by hand: the edges of windows, chains, versions and joins.
#![expect(
    clippy::shadow_unrelated,
    reason = "the steps of one case share their names"
)]
use crate::engine_runs::both::{live, replay};
use crate::reference::Tick;
use crate::reference::output::{Output, Place, Row};
use crate::reference::setup::{MatchOn, Message, Method, Setup, Window};

/// A round instant all cases count from: 2023-11-14T22:13:20Z, a multiple of ten seconds.
pub(crate) const B: i64 = 1_700_000_000_000;

/// A message stored a year after `B`, so that nothing is in the future, with single quotes for double ones.
pub(crate) fn message(event: &str) -> Message {
    Message {
        subject: "cx.other".to_owned(),
        headers: Vec::new(),
        payload: event.replace('\'', "\"").into_bytes(),
        stored_at: B + 365 * 86_400_000,
    }
}

/// An interaction of a customer, `ms` after `B`, with more members as written.
pub(crate) fn contact(id: &str, customer: &str, ms: i64, more: &str) -> Message {
    let ended_at = B + ms;
    message(&format!(
        "{{'type':'interaction','interaction_id':'{id}','customer_id':'{customer}','ended_at':{ended_at}{more}}}"
    ))
}

pub(crate) fn survey(id: &str, ms: i64, more: &str) -> Message {
    let submitted_at = B + ms;
    message(&format!(
        "{{'type':'survey','survey_id':'{id}','submitted_at':{submitted_at}{more}}}"
    ))
}

/// One window of `length_ms` in panes of a second, overall and by queue; horizon 3 s, lateness 10 s, join within 5 s.
pub(crate) fn small(length_ms: i64) -> Setup {
    let mut setup = Setup {
        windows: vec![Window {
            name: "w".to_owned(),
            length_ms,
            pane_ms: 1_000,
            delay_ms: 0,
            day: None,
        }],
        breakdowns: vec![Vec::new(), vec!["queue".to_owned()]],
        allowed_lateness_ms: 10_000,
        survey_join_within_ms: 5_000,
        ..Setup::default()
    };
    setup.fcr.horizon_ms = 3_000;
    setup
}

/// The row of a KPI, overall or of one queue.
pub(crate) fn find<'a>(output: &'a Output, kpi: &str, queue: Option<&str>) -> Option<&'a Row> {
    let key = queue.map(|queue| ("queue".to_owned(), queue.to_owned()));
    output.rows.get(&Place {
        breakdown: if queue.is_some() { "queue" } else { "overall" }.to_owned(),
        key: key.into_iter().collect(),
        window: "w".to_owned(),
        kpi: kpi.to_owned(),
    })
}

/// Numerator and denominator as whole numbers.
pub(crate) fn share(output: &Output, kpi: &str, queue: Option<&str>) -> (String, String) {
    let reading = &find(output, kpi, queue).expect("a row").reading;
    let text = |number: Option<f64>| number.map_or_else(String::new, |number| number.to_string());
    (text(reading.numerator), text(reading.denominator))
}

#[track_caller]
pub(crate) fn assert_share(output: &Output, kpi: &str, queue: Option<&str>, expected: (i64, i64)) {
    assert_eq!(
        share(output, kpi, queue),
        (expected.0.to_string(), expected.1.to_string()),
        "{kpi}"
    );
}

#[track_caller]
pub(crate) fn assert_near(found: Option<f64>, expected: f64, apart: f64) {
    let found = found.expect("a number");
    assert!(
        (found - expected).abs() <= apart,
        "{found} is not {expected}"
    );
}

#[test]
fn a_repeat_at_the_horizon_counts_and_one_ms_later_does_not() {
    for (delay, expected) in [(2_999, (0, 1)), (3_000, (0, 1)), (3_001, (2, 2))] {
        let messages = [contact("a", "c", 0, ""), contact("b", "c", delay, "")];
        assert_share(
            &replay(&small(20_000), &messages, None),
            "fcr",
            None,
            expected,
        );
    }
}

#[test]
fn of_equal_timestamps_the_smaller_hash_is_the_first() {
    // XXH64: "abc" 44bc2cf5ad770999 < "a" d24ec4f1a98c6e5b.
    let messages = [
        contact("a", "c", 0, ",'queue':'q1'"),
        contact("abc", "c", 0, ",'queue':'q2'"),
    ];
    let output = replay(&small(20_000), &messages, None);
    assert_share(&output, "fcr", Some("q1"), (0, 0));
    assert_share(&output, "fcr", Some("q2"), (0, 1));
}

#[test]
fn chains_follow_issues_unless_matched_on_the_customer_alone() {
    let messages = [
        contact("a", "c", 0, ",'issue_id':1"),
        contact("b", "c", 1_000, ""),
    ];
    let mut setup = small(20_000);
    assert_share(&replay(&setup, &messages, None), "fcr", None, (2, 2));
    setup.fcr.match_on = MatchOn::Customer;
    assert_share(&replay(&setup, &messages, None), "fcr", None, (0, 1));
}

#[test]
fn outbound_abandoned_and_unidentified_contacts_are_in_no_chain() {
    let messages = [
        contact("a", "c", 0, ""),
        contact("b", "c", 1, ",'direction':'outbound'"),
        contact("d", "c", 2, ",'abandoned':true"),
        contact("e", "", 3, ""),
    ];
    assert_share(
        &replay(&small(20_000), &messages, None),
        "fcr",
        None,
        (1, 1),
    );
}

#[test]
fn a_middle_contact_bridges_and_is_no_first_contact() {
    // b lies within 3 s of a, d within 3 s of b but not of a: d is still a repeat of "any contact, first or not".
    let messages = [
        contact("a", "c", 0, ""),
        contact("b", "c", 2_000, ""),
        contact("d", "c", 4_000, ""),
    ];
    assert_share(
        &replay(&small(20_000), &messages, None),
        "fcr",
        None,
        (0, 1),
    );
}

#[test]
fn a_withdrawn_first_contact_leaves_the_second_as_first() {
    let messages = [
        contact("a", "c", 0, ",'queue':'q1'"),
        contact("b", "c", 1_000, ",'queue':'q2'"),
        contact(
            "a",
            "c",
            0,
            ",'queue':'q1','updated_at':1800000000000,'excluded':true",
        ),
    ];
    let output = replay(&small(20_000), &messages, None);
    assert_share(&output, "fcr", None, (1, 1));
    assert_share(&output, "fcr", Some("q2"), (1, 1));
    assert!(find(&output, "fcr", Some("q1")).is_none());
    assert_eq!((output.applied, output.replaced), (2, 1));
}

#[test]
fn flags_and_transfers_fail_a_first_contact() {
    let messages = [
        contact("a", "1", 0, ",'resolved':false"),
        contact("b", "2", 0, ",'transferred':true"),
        contact("d", "3", 0, ",'resolved':true"),
        contact("e", "4", 0, ""),
    ];
    let mut setup = small(20_000);
    assert_share(&replay(&setup, &messages, None), "fcr", None, (2, 4));
    setup.fcr.transfer_fails = false;
    assert_share(&replay(&setup, &messages, None), "fcr", None, (3, 4));
    setup.fcr.method = Method::Flag;
    let output = replay(&setup, &messages, None);
    assert_share(&output, "fcr", None, (1, 2));
    assert!(find(&output, "fcr_mature", None).is_none());
    assert!(find(&output, "fcr_corrected", None).is_none());
}

#[test]
fn a_window_holds_its_start_and_not_its_end() {
    let messages = [
        contact("a", "1", -1, ""),
        contact("b", "2", 0, ""),
        contact("d", "3", 10_000, ""),
    ];
    let output = replay(&small(10_000), &messages, Some(B + 10_000));
    assert_share(&output, "fcr", None, (1, 1));
    assert_eq!((output.waiting, output.applied), (1, 2));
    // One ms past the boundary the window starts a pane later, and what waited is in.
    let output = replay(&small(10_000), &messages, Some(B + 10_001));
    assert_share(&output, "fcr", None, (1, 1));
    assert_eq!((output.waiting, output.applied), (0, 3));
}

#[test]
fn a_delay_moves_the_window_and_its_cohorts_but_not_the_repeats() {
    let mut setup = small(10_000);
    setup.windows[0].delay_ms = 2_000;
    let messages = [
        contact("a", "1", 9_999, ""),
        contact("b", "2", 10_000, ""),
        contact("d", "1", 11_999, ""),
    ];
    let output = replay(&setup, &messages, Some(B + 12_000));
    // a is inside [B, B + 10 s), b on its end; the repeat of a at 11.999 s is known.
    assert_share(&output, "fcr", None, (0, 1));
}

#[test]
fn without_an_instant_replay_ends_at_the_next_pane_boundary() {
    for (ms, at) in [(0, 1_000), (999, 1_000), (1_000, 2_000)] {
        let output = replay(&small(10_000), &[contact("a", "1", ms, "")], None);
        assert_eq!(output.at, Some(B + at));
    }
    let output = replay(&small(10_000), &[message("{")], Some(B));
    assert_eq!((output.at, output.rows.len()), (None, 0));
}

#[test]
fn the_mature_cohort_is_followed_for_the_whole_horizon() {
    // At 13.5 s: T' = floor(10.5) = 10 s, cohort [0, 10 s).
    let messages = [
        contact("z", "0", -1, ""),
        contact("a", "1", 0, ""),
        contact("b", "2", 9_999, ",'queue':'q1'"),
        contact("d", "2", 12_999, ""),
        contact("e", "3", 10_000, ""),
    ];
    let output = replay(&small(10_000), &messages, Some(B + 13_500));
    assert_share(&output, "fcr_mature", None, (1, 2));
    assert_share(&output, "fcr_mature", Some("q1"), (0, 1));
}

#[test]
fn a_key_with_nothing_but_a_mature_first_contact_has_rows() {
    // Window [10 s, 13 s), cohort [7 s, 10 s).
    let messages = [
        contact("a", "1", 8_000, ",'queue':'q1'"),
        contact("b", "2", 6_999, ",'queue':'q2'"),
    ];
    let output = replay(&small(3_000), &messages, Some(B + 13_000));
    assert_share(&output, "fcr_mature", Some("q1"), (1, 1));
    assert_share(&output, "fcr", Some("q1"), (0, 0));
    assert!(find(&output, "fcr", Some("q2")).is_none());
}

#[test]
fn corrected_is_the_survival_product_of_the_followed_steps() {
    // Horizon 28 s, so steps of a second. At B + 40 s: a repeats in step 1, b never, d is followed for 2 steps, e failed.
    // Step 0: 3 at risk; step 1: 3 at risk, 1 repeats; later: b alone. S = 2/3, value = (1 - 1/4) x 2/3.
    let mut setup = small(40_000);
    setup.fcr.horizon_ms = 28_000;
    let messages = [
        contact("a", "1", 0, ""),
        contact("b", "2", 0, ""),
        contact("e", "4", 0, ",'resolved':false"),
        contact("a2", "1", 1_500, ""),
        contact("d", "3", 37_000, ""),
    ];
    setup.allowed_lateness_ms = 60_000;
    let output = replay(&setup, &messages, Some(B + 40_000));
    let reading = &find(&output, "fcr_corrected", None).expect("a row").reading;
    assert_near(reading.value, 0.5, 1e-12);
    assert_eq!(
        (reading.samples, reading.numerator, reading.lower),
        (4, None, None)
    );
    setup.windows[0].length_ms = 28_000;
    let output = replay(&setup, &messages, Some(B + 40_000));
    assert!(
        find(&output, "fcr_corrected", None).is_none(),
        "not in windows up to the horizon"
    );
}

#[test]
fn corrected_has_no_value_where_nobody_is_left_at_risk() {
    // Only contacts of 12 s ago: followed 11 of 28 s.
    let mut setup = small(40_000);
    setup.fcr.horizon_ms = 28_000;
    let output = replay(&setup, &[contact("a", "1", 28_000, "")], Some(B + 40_000));
    assert_eq!(
        find(&output, "fcr_corrected", None)
            .expect("a row")
            .reading
            .value,
        None
    );
    // A repeat at once of the only contact: S is 0 in step 0 and stays so.
    let messages = [contact("a", "1", 28_000, ""), contact("b", "1", 28_500, "")];
    let output = replay(&setup, &messages, Some(B + 40_000));
    assert_near(
        find(&output, "fcr_corrected", None)
            .expect("a row")
            .reading
            .value,
        0.0,
        0.0,
    );
    // A repeat exactly at the horizon falls in the last step.
    let messages = [
        contact("a", "1", 1_000, ""),
        contact("b", "1", 29_000, ",'resolved':false"),
    ];
    setup.allowed_lateness_ms = 60_000;
    let output = replay(&setup, &messages, Some(B + 40_000));
    assert_near(
        find(&output, "fcr_corrected", None)
            .expect("a row")
            .reading
            .value,
        0.0,
        0.0,
    );
}

#[test]
fn an_episode_runs_from_its_first_contact_to_its_resolved_last_one() {
    let started = B - 500;
    let mut messages = vec![
        contact("a", "1", 0, &format!(",'started_at':{started}")),
        contact("b", "1", 2_000, ",'resolved':true,'queue':'q1'"),
        contact("d", "1", 9_000, ",'resolved':true"),
    ];
    let output = replay(&small(20_000), &messages, None);
    assert_near(
        find(&output, "time_to_resolution", Some("q1"))
            .expect("a row")
            .reading
            .numerator,
        2.5,
        0.0,
    );
    assert_near(
        find(&output, "time_to_resolution", None)
            .expect("a row")
            .reading
            .value,
        1.25,
        0.0,
    );
    // A later contact of the episode takes the sample back.
    messages.push(contact("e", "1", 4_000, ""));
    let output = replay(&small(20_000), &messages, None);
    assert_eq!(
        find(&output, "time_to_resolution", Some("q1"))
            .expect("a row")
            .reading
            .samples,
        0
    );
}

#[test]
fn the_greatest_version_counts_and_ties_go_to_the_later() {
    let version = |ms: i64, queue: &str| {
        contact(
            "a",
            "1",
            0,
            &format!(",'updated_at':{},'queue':'{queue}'", B + ms),
        )
    };
    let messages = [
        version(5, "q1"),
        version(7, "q2"),
        version(6, "q3"),
        version(7, "q4"),
        version(7, "q4"),
    ];
    let output = replay(&small(20_000), &messages, None);
    assert_share(&output, "fcr", Some("q4"), (1, 1));
    assert!(find(&output, "fcr", Some("q2")).is_none());
    assert_eq!(
        (output.applied, output.replaced, output.duplicates),
        (1, 2, 2)
    );
}

#[test]
fn a_correction_can_leave_the_window_or_return_to_it() {
    let later = ",'updated_at':1800000000000";
    let messages = [
        contact("a", "1", 9_000, ""),
        contact("b", "2", 3_000, ""),
        contact("a", "1", 1_000, later),
    ];
    assert_share(
        &replay(&small(5_000), &messages, Some(B + 10_000)),
        "fcr",
        None,
        (0, 0),
    );
    let messages = [
        contact("a", "1", 1_000, ""),
        contact("b", "2", 3_000, ""),
        contact("a", "1", 9_000, later),
    ];
    assert_share(
        &replay(&small(5_000), &messages, Some(B + 10_000)),
        "fcr",
        None,
        (1, 1),
    );
}

#[test]
fn exactly_as_late_as_allowed_is_accepted() {
    let messages = [
        contact("a", "1", 10_000, ""),
        contact("b", "2", 0, ""),
        contact("d", "3", -1, ""),
    ];
    let output = replay(&small(20_000), &messages, None);
    assert_eq!(
        (output.applied, output.rejected.get("too_late")),
        (2, Some(&1))
    );
}

#[test]
fn the_year_2099_does_not_move_stream_time() {
    let future =
        message("{'type':'interaction','interaction_id':'x','ended_at':'2099-01-01T00:00:00Z'}");
    let messages = [
        contact("a", "1", 0, ""),
        future,
        contact("b", "2", -5_000, ""),
    ];
    let output = replay(&small(20_000), &messages, None);
    assert_eq!(
        (output.applied, output.rejected.get("future")),
        (2, Some(&1))
    );
}

#[test]
fn a_survey_takes_missing_dimensions_from_its_contact_within_reach() {
    for (ms, queue) in [
        (-10_001, "unknown"),
        (-10_000, "q1"),
        (5_000, "q1"),
        (5_001, "unknown"),
    ] {
        let messages = [
            survey("s", ms, ",'interaction_id':'a','csat':5"),
            contact("a", "1", 0, ",'queue':'q1'"),
        ];
        let output = replay(&small(40_000), &messages, None);
        assert_eq!(output.applied, 2);
        assert_share(&output, "csat", Some(queue), (1, 1));
    }
}

#[test]
fn corrections_and_withdrawal_of_the_contact_move_its_survey() {
    let version =
        |ms: i64, more: &str| contact("a", "1", 0, &format!(",'updated_at':{}{more}", B + ms));
    let mut messages = vec![
        survey("s", 1_000, ",'interaction_id':'a','nps':9"),
        version(1, ",'queue':'q1'"),
        version(2, ",'queue':'q2'"),
    ];
    assert_share(
        &replay(&small(20_000), &messages, None),
        "nps",
        Some("q2"),
        (1, 1),
    );
    messages.push(version(3, ",'queue':'q2','excluded':true"));
    assert_share(
        &replay(&small(20_000), &messages, None),
        "nps",
        Some("unknown"),
        (1, 1),
    );
    messages.push(survey(
        "s",
        1_000,
        ",'interaction_id':'a','nps':9,'queue':'q3','updated_at':1800000000000",
    ));
    assert_share(
        &replay(&small(20_000), &messages, None),
        "nps",
        Some("q3"),
        (1, 1),
    );
}

#[test]
fn unlisted_and_absent_values_are_other() {
    let mut setup = small(20_000);
    setup
        .values
        .insert("queue".to_owned(), vec!["q1".to_owned()]);
    let messages = [
        contact("a", "1", 0, ",'queue':'q1'"),
        contact("b", "2", 0, ",'queue':'q2'"),
        contact("d", "3", 0, ",'queue':3"),
        contact("e", "4", 0, ""),
    ];
    let output = replay(&setup, &messages, None);
    for (queue, expected) in [("q1", (1, 1)), ("__other__", (3, 3))] {
        assert_share(&output, "fcr", Some(queue), expected);
    }
}

#[test]
fn a_window_is_complete_when_history_reaches_its_start() {
    for (ms, window, chains) in [
        (1, false, false),
        (0, true, false),
        (-2_999, true, false),
        (-3_000, true, true),
    ] {
        let output = replay(
            &small(10_000),
            &[contact("a", "1", ms, "")],
            Some(B + 10_000),
        );
        assert_eq!(
            find(&output, "csat", None).expect("a row").complete,
            window,
            "{ms}"
        );
        assert_eq!(
            find(&output, "fcr", None).expect("a row").complete,
            chains,
            "{ms}"
        );
    }
}

#[test]
fn what_waited_enters_unjudged_and_keeps_its_place() {
    let tied = ",'updated_at':1750000000000";
    let messages = [
        contact("a", "1", 5_000, &format!("{tied},'queue':'q1'")),
        contact("a", "1", 2_000, &format!("{tied},'queue':'q2'")),
        contact("b", "2", 30_000, ""),
    ];
    let ticks = [
        Tick {
            after: 0,
            at: B + 3_000,
        },
        Tick {
            after: 2,
            at: B + 4_000,
        },
        Tick {
            after: 3,
            at: B + 31_000,
        },
    ];
    let outputs = live(&small(40_000), &messages, &ticks);
    assert_eq!(
        outputs.iter().map(|one| one.waiting).collect::<Vec<_>>(),
        [0, 1, 0]
    );
    assert_eq!(
        (
            outputs[2].applied,
            outputs[2].duplicates,
            outputs[2].rejected.len()
        ),
        (2, 1, 0)
    );
    assert!(find(&outputs[2], "fcr", Some("q1")).is_none());
    assert_share(&outputs[2], "fcr", Some("q2"), (1, 1));
}
