//! Fields of accepted events.

use super::{
    INTERACTION, SURVEY, decode, decode_with, dimensions, id_hash, interaction, message, outcomes,
    survey, with,
};
use crate::decode::Settings;
use crate::event::{Direction, Domain, tie_break};
use crate::time::Timestamp;

const NOON: i64 = 1_769_860_800_000;

#[test]
fn an_interaction_in_full() {
    let text = with(
        INTERACTION,
        r#""event_id":"e","updated_at":"2026-02-01T00:00:00+01:00","customer_id":"c","issue_id":"b",
        "channel":"voice","queue":"sales","agent_id":7,"direction":"outbound",
        "started_at":"2026-01-31T11:50:00Z","wait_seconds":1.5,"talk_seconds":100,
        "hold_seconds":20.0005,"wrap_seconds":3e1,"abandoned":false,"transferred":true,
        "excluded":true,"resolved":false,"color":"green""#,
    );
    let found = interaction(&text);
    assert_eq!(found.record.id, id_hash(Domain::Interaction, b"i1"));
    assert_eq!(found.record.event_time, Timestamp::from_millis(NOON));
    assert_eq!(
        found.record.version_time,
        Timestamp::from_millis(NOON + 11 * 3_600_000)
    );
    assert!(found.record.excluded);
    assert_eq!(found.tie, tie_break(b"i1"));
    assert_eq!(found.customer, Some(id_hash(Domain::Customer, b"c")));
    assert_eq!(found.issue, Some(id_hash(Domain::Issue, b"b")));
    assert_eq!(found.direction, Direction::Outbound);
    assert!(!found.abandoned);
    assert!(found.transferred);
    assert_eq!(found.resolved, Some(false));
    assert_eq!(
        found.started_at,
        Some(Timestamp::from_millis(NOON - 600_000))
    );
    assert_eq!(found.wait_ms, Some(1500));
    assert_eq!(found.handle_ms, Some(100_000 + 20_001 + 30_000));
    let decoded = decode(&text);
    assert_eq!(
        dimensions(&decoded, 4),
        [Some("voice"), Some("sales"), Some("7"), None]
    );
}

#[test]
fn an_interaction_with_nothing_optional() {
    let found = interaction(INTERACTION);
    assert_eq!(found.record.version_time, found.record.event_time);
    assert!(!found.record.excluded && !found.abandoned && !found.transferred);
    assert_eq!(found.direction, Direction::Inbound);
    assert_eq!(
        (found.customer, found.issue, found.resolved),
        (None, None, None)
    );
    assert_eq!(
        (found.started_at, found.wait_ms, found.handle_ms),
        (None, None, None)
    );
    assert_eq!(dimensions(&decode(INTERACTION), 3), [None, None, None]);
}

#[test]
fn a_survey_in_full() {
    let text = with(
        SURVEY,
        r#""event_id":"e","updated_at":1769947200000,"interaction_id":"i1","customer_id":"c",
        "channel":"chat","nps":"9","ces":6.5,"resolved":true,"comment":"thanks""#,
    );
    let found = survey(&text);
    assert_eq!(found.record.id, id_hash(Domain::Survey, b"s1"));
    assert_eq!(
        found.record.event_time,
        Timestamp::from_millis(NOON + 1_800_000)
    );
    assert_eq!(
        found.record.version_time,
        Timestamp::from_millis(NOON + 86_400_000)
    );
    assert_eq!(found.interaction, Some(interaction(INTERACTION).record.id));
    assert_eq!(
        (found.csat_milli, found.ces_milli),
        (Some(5000), Some(6500))
    );
    assert_eq!((found.nps, found.resolved), (Some(9), Some(true)));
    assert_eq!(dimensions(&decode(&text), 3), [Some("chat"), None, None]);
}

#[test]
fn null_and_empty_equal_absent() {
    let plain = interaction(INTERACTION);
    for absent in ["null", "\"\""] {
        let members: Vec<String> = [
            "event_id",
            "updated_at",
            "customer_id",
            "issue_id",
            "channel",
            "queue",
            "agent_id",
            "direction",
            "started_at",
            "wait_seconds",
            "talk_seconds",
            "hold_seconds",
            "wrap_seconds",
            "handle_seconds",
            "abandoned",
            "transferred",
            "excluded",
            "resolved",
        ]
        .map(|name| format!("\"{name}\":{absent}"))
        .into();
        assert_eq!(interaction(with(INTERACTION, &members.join(","))), plain);
        let members: Vec<String> = [
            "event_id",
            "updated_at",
            "customer_id",
            "interaction_id",
            "queue",
            "nps",
            "ces",
            "resolved",
            "excluded",
            "comment",
        ]
        .map(|name| format!("\"{name}\":{absent}"))
        .into();
        assert_eq!(survey(with(SURVEY, &members.join(","))), survey(SURVEY));
    }
}

#[test]
fn ids_are_strings_or_integers() {
    let id = |value: &str| {
        interaction(with(INTERACTION, &format!("\"interaction_id\":{value}")))
            .record
            .id
    };
    let of = |text: &str| id_hash(Domain::Interaction, text.as_bytes());
    assert_eq!(id("42"), of("42"));
    assert_eq!(id("\"42\""), of("42"));
    assert_eq!(id("-0"), of("0"));
    assert_eq!(id("-7"), of("-7"));
    let digits = "123456789012345678901234567890";
    assert_eq!(id(digits), of(digits));
    assert_eq!(
        id("\"a\\u0062\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\""),
        of("ab😀\"\\/\u{8}\u{c}\n\r\t\0")
    );
    assert_eq!(id("\" padded \""), of(" padded "));
    let longest = "é".repeat(128);
    assert_eq!(id(&format!("\"{longest}\"")), of(&longest));
    // 256 bytes after unescaping, far more before.
    let escaped = "\\u0041".repeat(256);
    assert_eq!(id(&format!("\"{escaped}\"")), of(&"A".repeat(256)));
    let too_long = with(
        INTERACTION,
        &format!("\"interaction_id\":{}", "1".repeat(257)),
    );
    assert_eq!(outcomes(&decode(too_long)), ["invalid_field"]);
}

#[test]
fn domains_keep_equal_ids_apart() {
    let text = with(
        INTERACTION,
        r#""interaction_id":"x","customer_id":"x","issue_id":"x""#,
    );
    let found = interaction(text);
    let ids = [Some(found.record.id), found.customer, found.issue];
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
    assert_ne!(
        survey(with(SURVEY, r#""survey_id":"x""#)).record.id,
        found.record.id
    );
}

#[test]
fn long_dimensions_are_cut_at_a_character_and_counted() {
    let text = with(
        INTERACTION,
        &format!(
            "\"queue\":\"{}é!\",\"channel\":\"{}\",\"agent_id\":{}",
            "q".repeat(255),
            "c".repeat(256),
            "9".repeat(300)
        ),
    );
    let decoded = decode(&text);
    let (queue, channel) = ("q".repeat(255), "c".repeat(256));
    let agent = "9".repeat(256);
    assert_eq!(
        dimensions(&decoded, 3),
        [Some(&*channel), Some(&queue), Some(&agent)]
    );
    assert_eq!(decoded.truncated_dimensions, 2);
    let rejected = decode(with(&text, "\"direction\":5"));
    assert_eq!(outcomes(&rejected), ["invalid_field"]);
    assert_eq!(rejected.truncated_dimensions, 0);
}

#[test]
fn dimensions_follow_the_settings() {
    let settings = Settings {
        dimensions: ["channel", "queue", "agent_id", "team", "site"]
            .map(String::from)
            .to_vec(),
        ..Settings::default()
    };
    let line = with(
        INTERACTION,
        r#""site":"Rome","team":"\u0061\"b","queue":-0"#,
    );
    let decoded = decode_with(settings, &message(format!("{INTERACTION}\n{{}}\n{line}\n")));
    assert_eq!(outcomes(&decoded), ["event", "unknown_type", "event"]);
    let values: Vec<_> = (0..6)
        .map(|at| decoded.dimension(&decoded.items[2], at))
        .collect();
    assert_eq!(
        values,
        [None, Some("0"), None, Some("a\"b"), Some("Rome"), None]
    );
    assert_eq!(decoded.dimension(&decoded.items[0], 4), None);
}

#[test]
fn durations_round_each_before_adding() {
    let handle = |members: &str| interaction(with(INTERACTION, members)).handle_ms;
    assert_eq!(
        handle("\"talk_seconds\":0.0004,\"hold_seconds\":0.0004,\"wrap_seconds\":0.0004"),
        Some(0)
    );
    assert_eq!(
        handle("\"talk_seconds\":0.0005,\"wrap_seconds\":0.0005"),
        Some(2)
    );
    assert_eq!(handle("\"hold_seconds\":5,\"wrap_seconds\":5"), None);
    assert_eq!(handle("\"talk_seconds\":0,\"hold_seconds\":5"), Some(5000));
    assert_eq!(
        handle("\"talk_seconds\":10,\"handle_seconds\":3"),
        Some(3000)
    );
    assert_eq!(handle("\"handle_seconds\":0"), Some(0));
    assert_eq!(handle("\"handle_seconds\":-0"), Some(0));
    assert_eq!(handle("\"handle_seconds\":1e9"), Some(1_000_000_000_000));
    assert_eq!(handle("\"handle_seconds\":1E-400"), Some(0));
    assert_eq!(handle("\"handle_seconds\":86400"), Some(86_400_000));
    // The nearest f64 of 1.0005 is below it, but its product with 1000 is 1000.5 again.
    let product: f64 = 1.0005 * 1000.0;
    assert_eq!(
        handle("\"handle_seconds\":1.0005"),
        Some(if product >= 1000.5 { 1001 } else { 1000 })
    );
}

#[test]
fn scores_round_to_thousandths_before_the_scale() {
    let csat = |value: &str| survey(with(SURVEY, &format!("\"csat\":{value}"))).csat_milli;
    assert_eq!(csat("4.0006"), Some(4001));
    assert_eq!(csat("5.0004"), Some(5000));
    assert_eq!(csat("0.9996"), Some(1000));
    assert_eq!(csat("\"4.5\""), Some(4500));
    assert_eq!(csat("\"\\u0034\""), Some(4000));
    assert_eq!(csat("4e0"), Some(4000));
    let nps = |value: &str| survey(with(SURVEY, &format!("\"nps\":{value}"))).nps;
    assert_eq!(nps("0"), Some(0));
    assert_eq!(nps("-0"), Some(0));
    assert_eq!(nps("10"), Some(10));
    assert_eq!(nps("\"1e1\""), Some(10));
    assert_eq!(nps("7.0"), Some(7));
    let settings = Settings {
        csat_scale_milli: (0, 100_000),
        ..Settings::default()
    };
    let decoded = decode_with(settings, &message(with(SURVEY, "\"csat\":87.5")));
    assert_eq!(outcomes(&decoded), ["event"]);
}

#[test]
fn a_survey_takes_the_first_identity_there_is() {
    let bare = r#"{"type":"survey","submitted_at":1769860800000,"nps":9}"#;
    let id = |members: &str| survey(with(bare, members)).record.id;
    let of = |text: &str| id_hash(Domain::Survey, text.as_bytes());
    assert_eq!(id(r#""survey_id":"s","event_id":"e""#), of("s"));
    assert_eq!(id(r#""survey_id":"","event_id":"e""#), of("e"));
    assert_eq!(id(r#""survey_id":null,"event_id":5"#), of("5"));
}

#[test]
fn any_answer_will_do() {
    let bare = r#"{"type":"survey","survey_id":"s","submitted_at":1769860800000}"#;
    for answer in ["\"csat\":1", "\"nps\":0", "\"ces\":1", "\"resolved\":false"] {
        survey(with(bare, answer));
    }
}

#[test]
fn the_last_of_equal_keys_counts() {
    let found = interaction(with(
        INTERACTION,
        r#""interaction_id":"second","resolved":true,"resolved":null"#,
    ));
    assert_eq!(found.record.id, id_hash(Domain::Interaction, b"second"));
    assert_eq!(found.resolved, None);
    let found = interaction(with(INTERACTION, r#""queue":[1,{}],"qu\u0065ue":"ok""#));
    assert_eq!(found.record.id, id_hash(Domain::Interaction, b"i1"));
}

#[test]
fn keys_may_hold_escapes() {
    let text = with(
        INTERACTION,
        r#""que\u0075e":"a","\u0063ustomer_id":"c","resolved\u0000":5"#,
    );
    assert_eq!(
        interaction(&text).customer,
        Some(id_hash(Domain::Customer, b"c"))
    );
    assert_eq!(dimensions(&decode(&text), 3)[1], Some("a"));
}

#[test]
fn unknown_members_may_hold_anything_valid() {
    let text = with(
        INTERACTION,
        r#""":0,"Queue":5,"extra":{"type":"survey","a":[1e999,-0,1E+2,"\ud83d\ude00",{"b":{}},[]]},"ünï":"✓""#,
    );
    assert_eq!(interaction(&text), interaction(INTERACTION));
    assert_eq!(dimensions(&decode(&text), 3), [None, None, None]);
}

#[test]
fn order_and_white_space_do_not_matter() {
    let reordered = "\r\n{ \"ended_at\" :\t\"2026-01-31T12:00:00Z\" ,\n\"interaction_id\": \"i1\"\n,\"type\" : \"interaction\" }";
    assert_eq!(interaction(reordered), interaction(INTERACTION));
}

#[test]
fn content_of_an_interaction_changes_with_all_that_is_kept_and_nothing_else() {
    let base = with(
        INTERACTION,
        r#""updated_at":1769947200000,"customer_id":"c","issue_id":"b","queue":"q","talk_seconds":5,"hold_seconds":5"#,
    );
    let content = |members: &str| interaction(with(&base, members)).record.content;
    let plain = interaction(&base).record.content;
    for same in [
        "\"event_id\":\"other\"",
        "\"color\":\"green\"",
        "\"comment\":\"other\"",
        "\"interaction_id\":\"i1\"",
        "\"direction\":\"inbound\"",
        "\"excluded\":false",
        "\"talk_seconds\":5.0",
        "\"ended_at\":1769860800000",
        "\"queue\":\"\\u0071\"",
    ] {
        assert_eq!(content(same), plain, "{same}");
    }
    let mut seen = vec![plain];
    for changed in [
        "\"ended_at\":1769860800001",
        "\"updated_at\":1769947200001",
        "\"started_at\":1769860800000",
        "\"customer_id\":\"d\"",
        "\"customer_id\":null",
        "\"issue_id\":\"c\"",
        "\"issue_id\":null",
        "\"queue\":\"r\"",
        "\"queue\":null",
        "\"channel\":\"q\"",
        "\"agent_id\":\"q\"",
        "\"direction\":\"outbound\"",
        "\"wait_seconds\":5",
        "\"talk_seconds\":6",
        "\"talk_seconds\":0,\"hold_seconds\":10",
        "\"hold_seconds\":null",
        "\"wrap_seconds\":0",
        "\"handle_seconds\":10",
        "\"abandoned\":true",
        "\"transferred\":true",
        "\"excluded\":true",
        "\"resolved\":true",
        "\"resolved\":false",
    ] {
        let content = content(changed);
        assert!(!seen.contains(&content), "{changed}");
        seen.push(content);
    }
}

#[test]
fn content_of_a_survey_changes_with_all_that_is_kept_and_nothing_else() {
    let plain = survey(SURVEY).record.content;
    let content = |members: &str| survey(with(SURVEY, members)).record.content;
    assert_eq!(content("\"comment\":\"x\",\"event_id\":\"y\""), plain);
    let mut seen = vec![plain];
    for changed in [
        "\"submitted_at\":1769862600001",
        "\"updated_at\":1769862600001",
        "\"interaction_id\":\"i\"",
        "\"customer_id\":\"i\"",
        "\"queue\":\"i\"",
        "\"csat\":4",
        "\"nps\":4",
        "\"ces\":4",
        "\"csat\":null,\"ces\":5",
        "\"resolved\":true",
        "\"resolved\":false",
        "\"excluded\":true",
    ] {
        let content = content(changed);
        assert!(!seen.contains(&content), "{changed}");
        seen.push(content);
    }
}
