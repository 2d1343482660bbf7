//! The reference's formulas against published or hand-computed vectors.
use crate::engine_runs::both::replay;
use crate::reference::hash::xxh64;
use crate::reference::setup::{Formula, Setup, TargetRule};
use crate::reference::stats;
use crate::reference_selftest::{assert_near, assert_share, contact, find, small, survey};

#[test]
fn wilson_intervals() {
    // E. B. Wilson, JASA 22 (1927): 7 of 10 and 5 of 5.
    let seven = stats::ratio(7, 10);
    assert_near(seven.lower, 0.397, 5e-4);
    assert_near(seven.upper, 0.892, 5e-4);
    let five = stats::ratio(5, 5);
    assert_near(five.lower, 0.566, 5e-4);
    assert_near(five.upper, 1.0, 0.0);
    let none = stats::ratio(0, 0);
    assert_eq!((none.value, none.lower, none.samples), (None, None, 0));
    assert_near(stats::ratio(0, 1).lower, 0.0, 0.0);
    // (0 + z^2/2 + z^2/2) / (1 + z^2) = z^2 / (1 + z^2) = 3.8415 / 4.8415.
    assert_near(stats::ratio(0, 1).upper, 0.7935, 1e-4);
}

#[test]
fn promoter_score_intervals() {
    let hundred = stats::promoter_score(50, 20, 100);
    assert_near(hundred.value, 30.0, 1e-12);
    assert_near(hundred.lower, 14.1, 0.06);
    assert_near(hundred.upper, 44.2, 0.06);
    let one = stats::promoter_score(1, 0, 1);
    assert_near(one.lower, -48.5, 0.06);
    assert_near(one.upper, 98.5, 0.06);
    assert_eq!(stats::promoter_score(0, 0, 0).lower, None);
}

#[test]
fn means_have_an_interval_from_two_values_on() {
    assert_eq!(stats::mean(&[]).value, None);
    let one = stats::mean(&[5_000]);
    assert_eq!((one.value, one.lower, one.upper), (Some(5.0), None, None));
    // 4 s and 6 s: deviation sqrt(2), half width 1.96 x sqrt(2) / sqrt(2).
    let two = stats::mean(&[4_000, 6_000]);
    assert_near(two.lower, 5.0 - stats::Z, 1e-12);
    assert_near(two.upper, 5.0 + stats::Z, 1e-12);
}

#[test]
fn quantiles_are_nearest_ranks() {
    let hundred = stats::quantiles((1..=100).map(|n| n * 1_000).collect());
    let found: Vec<_> = hundred.quantiles.values().map(f64::to_string).collect();
    assert_eq!(found, ["50", "90", "95", "99"]);
    let day = replay(
        &small(20_000),
        &[contact("a", "1", 0, ",'handle_seconds':86400")],
        None,
    );
    let reading = &find(&day, "handle_time", Some("unknown"))
        .expect("a row")
        .reading;
    assert_near(reading.quantiles.get("0.99").copied(), 86_400.0, 0.0);
    assert_eq!(
        (reading.value, reading.numerator, reading.samples),
        (None, None, 1)
    );
}

#[test]
fn the_hash_is_xxh64() {
    // Vectors of the reference implementation and its documentation.
    assert_eq!(xxh64(b""), 0xef46_db37_51d8_e999);
    assert_eq!(xxh64(b"a"), 0xd24e_c4f1_a98c_6e5b);
    assert_eq!(xxh64(b"abc"), 0x44bc_2cf5_ad77_0999);
    assert_eq!(
        xxh64(b"Nobody inspects the spammish repetition"),
        0xfbce_a83c_8a37_8bf1
    );
}

#[test]
fn the_six_service_levels() {
    // 1000 answered, 860 of them within T = 20 s; 60 abandoned, 20 within T, 10 of those within S = 5 s.
    let mut messages = Vec::new();
    for (count, wait, more) in [
        (860, 20, ""),
        (140, 21, ""),
        (10, 5, ",'abandoned':true"),
        (10, 20, ",'abandoned':true"),
        (40, 300, ",'abandoned':true"),
    ] {
        for _ in 0..count {
            let id = messages.len().to_string();
            messages.push(contact(
                &id,
                &id,
                0,
                &format!(",'wait_seconds':{wait}{more}"),
            ));
        }
    }
    let setup = Setup {
        breakdowns: vec![Vec::new()],
        ..small(20_000)
    };
    for (formula, expected, percent) in [
        (Formula::ExcludeShort, (860, 1_050), 81.90),
        (Formula::AbandonPositive, (880, 1_060), 83.02),
        (Formula::AnsweredOnly, (860, 1_000), 86.00),
        (Formula::AbandonNegative, (860, 1_060), 81.13),
        (Formula::IgnoreEarlyAbandon, (860, 1_040), 82.69),
        (Formula::ShortPositive, (870, 1_060), 82.08),
    ] {
        let mut setup = setup.clone();
        setup.service_level.formula = formula;
        let output = replay(&setup, &messages, None);
        assert_share(&output, "service_level", None, expected);
        let value = find(&output, "service_level", None)
            .expect("a row")
            .reading
            .value;
        assert_near(value.map(|value| value * 100.0), percent, 0.01);
        assert_share(&output, "abandonment", None, (50, 1_050));
    }
}

#[test]
fn the_contacts_own_target_decides() {
    let mut setup = small(20_000);
    setup.service_level.rules = vec![
        TargetRule {
            channel: Some("email".to_owned()),
            queue: None,
            target_ms: 100_000,
        },
        TargetRule {
            channel: None,
            queue: Some("vip".to_owned()),
            target_ms: 5_000,
        },
    ];
    let messages = [
        contact(
            "a",
            "1",
            0,
            ",'wait_seconds':100,'channel':'email','queue':'vip'",
        ),
        contact("b", "2", 0, ",'wait_seconds':5.001,'queue':'vip'"),
        contact("d", "3", 0, ",'wait_seconds':20.0004"),
        contact("e", "4", 0, ",'wait_seconds':1,'direction':'outbound'"),
        contact("f", "5", 0, ""),
    ];
    assert_share(
        &replay(&setup, &messages, None),
        "service_level",
        None,
        (2, 3),
    );
}

#[test]
fn csat_and_its_score() {
    // 74 satisfied of 107: 69.16 %.
    let mut messages = Vec::new();
    for (count, score) in [(74, "4"), (33, "'3.999'")] {
        for _ in 0..count {
            let id = messages.len().to_string();
            messages.push(survey(&id, 0, &format!(",'csat':{score}")));
        }
    }
    let output = replay(&small(20_000), &messages, None);
    assert_share(&output, "csat", None, (74, 107));
    let value = find(&output, "csat", None).expect("a row").reading.value;
    assert_near(value.map(|value| value * 100.0), 69.16, 0.005);
    let sum = find(&output, "csat_score", None)
        .expect("a row")
        .reading
        .numerator;
    assert_near(sum, 74.0 * 4.0 + 33.0 * 3.999, 1e-9);
}

#[test]
fn unknown_is_never_zero() {
    let messages = [
        contact("a", "1", 0, ",'talk_seconds':10,'wrap_seconds':0.0005"),
        contact("b", "2", 0, ",'hold_seconds':10,'wrap_seconds':1"),
        contact("d", "3", 0, ",'handle_seconds':0,'talk_seconds':7"),
        contact(
            "e",
            "4",
            0,
            ",'abandoned':true,'talk_seconds':7,'resolved':true,'transferred':true",
        ),
        contact(
            "f",
            "5",
            0,
            ",'transferred':true,'resolved':false,'wait_seconds':3",
        ),
    ];
    let output = replay(&small(20_000), &messages, None);
    assert_near(
        find(&output, "aht", None).expect("a row").reading.numerator,
        10.001,
        1e-12,
    );
    assert_eq!(
        find(&output, "aht", None).expect("a row").reading.samples,
        2
    );
    assert_eq!(
        find(&output, "asa", None).expect("a row").reading.samples,
        1
    );
    assert_share(&output, "transfer", None, (1, 4));
    assert_share(&output, "resolution", None, (0, 1));
    assert_share(&output, "abandonment", None, (1, 5));
}
