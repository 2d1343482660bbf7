//! The reference's reading of messages: forms, identities and every reason to reject.
use crate::reference::message::open;
use crate::reference::record::{Reason, Record};
use crate::reference::setup::{Message, Setup};
use crate::reference::time;
use crate::reference_selftest::message;

/// What each event of a payload comes to: `ok` or the reason.
fn verdicts(setup: &Setup, message: &Message) -> Vec<&'static str> {
    let name = |result: &Result<Record, Reason>| {
        result
            .as_ref()
            .map_or_else(|reason| reason.name(), |_| "ok")
    };
    open(setup, message).iter().map(name).collect()
}

fn verdict(event: &str) -> Vec<&'static str> {
    verdicts(&Setup::default(), &message(event))
}

fn identities(message: &Message) -> Vec<String> {
    let opened = open(&Setup::default(), message);
    opened
        .iter()
        .map(|one| {
            one.as_ref()
                .map_or_else(|_| "-".to_owned(), |record| record.identity().1.to_owned())
        })
        .collect()
}

/// An interaction with one more member.
fn with(member: &str) -> Vec<&'static str> {
    verdict(&format!(
        "{{'type':'interaction','interaction_id':'a','ended_at':1700000000000,{member}}}"
    ))
}

fn with_answer(answer: &str) -> Vec<&'static str> {
    verdict(&format!(
        "{{'type':'survey','survey_id':'a','submitted_at':1700000000000,{answer}}}"
    ))
}

#[test]
fn payload_forms() {
    let event = "{'type':'survey','survey_id':'a','submitted_at':1700000000000,'nps':9}";
    assert_eq!(verdict(&format!(" {event}\n")), ["ok"]);
    assert_eq!(
        verdict(&format!("[{event}, {event},5]")),
        ["ok", "ok", "invalid_json"]
    );
    assert_eq!(
        verdict(&format!("{event}\r\n\n {event}\nnope\n")),
        ["ok", "ok", "invalid_json"]
    );
    assert_eq!(verdict(&format!("[{event},]")), ["invalid_json"]);
    for nothing in ["", "[]", " \n\n"] {
        assert_eq!(verdict(nothing), Vec::<&str>::new());
    }
}

#[test]
fn what_is_not_json() {
    for broken in [
        "{'a':NaN}",
        "{'a':Infinity}",
        "5",
        "'x'",
        "{'a':01}",
        "{'a':'\\ud800'}",
        "{'a':1}}",
        "{'a':'\u{1}'}",
    ] {
        assert_eq!(verdict(broken), ["invalid_json"], "{broken}");
    }
    let mut bytes =
        message("{'type':'survey','survey_id':'a','submitted_at':1700000000000,'nps':9,'x':'?'}");
    let at = bytes.payload.iter().position(|byte| *byte == b'?').unwrap();
    bytes.payload[at] = 0xFF;
    assert_eq!(verdicts(&Setup::default(), &bytes), ["invalid_json"]);
    let nested = |depth: usize| format!("'x':{}{}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert_eq!(with(&nested(128)), ["ok"]);
    assert_eq!(with(&nested(129)), ["invalid_json"]);
    assert_eq!(with("'x':'\\ud83d\\ude00','y':1e999"), ["ok"]);
}

#[test]
fn too_large_is_the_text_of_one_event() {
    let event = "{'type':'survey','survey_id':'a','submitted_at':1700000000000,'nps':9}";
    let mut setup = Setup {
        max_event_bytes: event.len(),
        ..Setup::default()
    };
    assert_eq!(
        verdicts(&setup, &message(&format!("[ {event} ,{event}]"))),
        ["ok", "ok"]
    );
    setup.max_event_bytes -= 1;
    assert_eq!(
        verdicts(&setup, &message(&format!("[ {event} ,5]"))),
        ["too_large", "invalid_json"]
    );
    setup.max_message_bytes = 10;
    assert_eq!(verdicts(&setup, &message(event)), ["too_large"]);
}

#[test]
fn kinds_come_from_the_type_else_the_subject() {
    let mut one = message("{'survey_id':'a','submitted_at':1700000000000,'nps':9}");
    assert_eq!(verdicts(&Setup::default(), &one), ["unknown_type"]);
    one.subject = "cx.surveys.north.web".to_owned();
    assert_eq!(verdicts(&Setup::default(), &one), ["ok"]);
    one.subject = "cx.surveys".to_owned();
    assert_eq!(verdicts(&Setup::default(), &one), ["unknown_type"]);
    let mut named =
        message("{'type':'order','survey_id':'a','submitted_at':1700000000000,'nps':9}");
    named.subject = "cx.surveys.web".to_owned();
    assert_eq!(verdicts(&Setup::default(), &named), ["unknown_type"]);
}

#[test]
fn fields_that_are_missing_or_wrong() {
    assert_eq!(
        verdict("{'type':'interaction','interaction_id':'','ended_at':'x'}"),
        ["missing_field"]
    );
    assert_eq!(
        verdict("{'type':'interaction','interaction_id':null,'ended_at':1700000000000}"),
        ["missing_field"]
    );
    assert_eq!(
        verdict("{'type':'interaction','interaction_id':true,'ended_at':1700000000000}"),
        ["invalid_field"]
    );
    assert_eq!(
        verdict("{'type':'interaction','interaction_id':1.5,'ended_at':1700000000000}"),
        ["invalid_field"]
    );
    for right in [
        "'wait_seconds':1e9",
        "'wait_seconds':null",
        "'abandoned':''",
        "'queue':5",
        "'customer_id':-5",
        "'csat':'x'",
        "'ended_at':'x','ended_at':1700000000000",
        "'started_at':1700000000000",
        "'direction':'outbound'",
    ] {
        assert_eq!(with(right), ["ok"], "{right}");
    }
    for wrong in [
        "'wait_seconds':-1",
        "'wait_seconds':'5'",
        "'wait_seconds':1000000001",
        "'wait_seconds':1e999",
        "'abandoned':'true'",
        "'abandoned':1",
        "'queue':true",
        "'queue':1.0",
        "'direction':'Inbound'",
        "'started_at':1700000000001",
        "'updated_at':1700000000",
        "'updated_at':1700000000000.0",
        "'updated_at':'2024-02-30T00:00:00Z'",
        "'event_id':[]",
    ] {
        assert_eq!(with(wrong), ["invalid_field"], "{wrong}");
    }
    let long = "x".repeat(257);
    assert_eq!(with(&format!("'customer_id':'{long}'")), ["invalid_field"]);
    assert_eq!(with(&format!("'queue':'{long}'")), ["ok"]);
}

#[test]
fn answers_stay_on_their_scales() {
    for right in [
        "'csat':'5'",
        "'csat':1.0",
        "'nps':'1e1'",
        "'nps':0",
        "'ces':7",
        "'resolved':false",
    ] {
        assert_eq!(with_answer(right), ["ok"], "{right}");
    }
    for wrong in [
        "'csat':0.9",
        "'csat':'05'",
        "'csat':' 5'",
        "'nps':9.5",
        "'nps':11",
        "'ces':8",
        "'nps':9,'csat':6",
    ] {
        assert_eq!(with_answer(wrong), ["invalid_field"], "{wrong}");
    }
    for none in ["'comment':'fine'", "'csat':null", "'resolved':''"] {
        assert_eq!(with_answer(none), ["missing_field"], "{none}");
    }
}

#[test]
fn long_dimensions_are_cut_at_a_character() {
    let queue = format!("{}é", "x".repeat(255));
    let opened = open(
        &Setup::default(),
        &message(&format!(
            "{{'type':'interaction','interaction_id':'a','ended_at':1700000000000,'queue':'{queue}'}}"
        )),
    );
    let Ok(Record::Interaction(one)) = &opened[0] else {
        panic!("an interaction")
    };
    assert_eq!(one.dims["queue"], "x".repeat(255));
}

#[test]
fn surveys_without_an_id_take_that_of_the_event_or_message() {
    let mut one = message("{'type':'survey','submitted_at':1700000000000,'nps':9}");
    assert_eq!(verdicts(&Setup::default(), &one), ["missing_field"]);
    one.headers = vec![("Nats-Msg-Id".to_owned(), "m".to_owned())];
    assert_eq!(identities(&one), ["m"]);
    let mut two = message("{'type':'survey','event_id':7,'submitted_at':1700000000000,'nps':9}");
    two.headers = one.headers;
    assert_eq!(identities(&two), ["7"]);
}

#[test]
fn cloud_events_of_both_modes() {
    let answer = "{'type':'survey','submitted_at':1700000000000,'nps':9}";
    let envelope = |data: &str| {
        message(&format!(
            "{{'specversion':'1.0','type':'x','id':'e'{data}}}"
        ))
    };
    assert_eq!(identities(&envelope(&format!(",'data':{answer}"))), ["e"]);
    assert_eq!(
        identities(&envelope(&format!(",'data':[{answer},{answer}]"))),
        ["e#0", "e#1"]
    );
    assert_eq!(
        verdicts(&Setup::default(), &envelope(",'data':[5]")),
        ["invalid_json"]
    );
    // base64 of {"type":"survey","submitted_at":1700000000000,"nps":9}
    let encoded = "eyJ0eXBlIjoic3VydmV5Iiwic3VibWl0dGVkX2F0IjoxNzAwMDAwMDAwMDAwLCJucHMiOjl9";
    assert_eq!(
        identities(&envelope(&format!(",'data_base64':'{encoded}'"))),
        ["e"]
    );
    let mut bare = envelope("");
    bare.subject = "cx.surveys.a".to_owned();
    assert_eq!(verdicts(&Setup::default(), &bare), ["missing_field"]);
    let mut binary = message(&format!("[{answer},{answer}]"));
    binary.headers = vec![
        ("ce-specversion".to_owned(), "1.0".to_owned()),
        ("ce-id".to_owned(), "b".to_owned()),
    ];
    assert_eq!(identities(&binary), ["b#0", "b#1"]);
    binary.payload = message(answer).payload;
    assert_eq!(identities(&binary), ["b"]);
}

#[test]
fn instants_as_written() {
    for (text, expected) in [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("2024-02-29T12:00:00.1239Z", Some(1_709_208_000_123)),
        ("2024-02-29T13:30:00+01:30", Some(1_709_208_000_000)),
        ("2024-02-29T04:00:00.5-08:00", Some(1_709_208_000_500)),
        ("9999-12-31T23:59:59.999Z", Some(time::LAST)),
        ("1980-01-01T00:00:00Z", Some(time::FIRST_INTEGER)),
    ] {
        assert_eq!(time::parse(text), expected, "{text}");
    }
    for wrong in [
        "2024-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:00:60Z",
        "2024-01-01 00:00:00Z",
        "2024-01-01T00:00:00",
        "2024-01-01T00:00:00.Z",
        "1969-12-31T23:59:59Z",
        "2024-01-01",
        "2024-13-01T00:00:00Z",
        "2024-01-01T00:00:00+0100",
        "+10000-01-01T00:00:00Z",
    ] {
        assert_eq!(time::parse(wrong), None, "{wrong}");
    }
}
