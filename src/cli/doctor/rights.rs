//! Each right by itself, tried without an effect: a consumer of our own on the stream, requests
//! that change nothing, and messages that every stream refuses to store.

use async_nats::HeaderMap;
use serde_json::json;

use super::findings::Findings;
use super::question::{Answer, Questioner};
use crate::config::Config;
use crate::nats::{ApiError, ConsumerInfo, StreamInfo, parse_answer};
use crate::time::{Clock, SystemClock, Timestamp};

/// A stream of this name is expected, and so no stream stores the message; subscribers see it.
const NO_STREAM: &str = "cxpulse-doctor";
/// What the server says then.
const OTHER_STREAM: u64 = 10_060;
/// Not JSON, so that the server refuses what it would otherwise make.
const NOT_JSON: &str = "{";

const WHERE: &str = "docs/nats.md has the rights that cxpulse needs";

/// A stream as the server describes it, and how far its clock is ahead of ours.
pub(super) struct Described {
    pub(super) info: StreamInfo,
    pub(super) ahead_ms: Option<i64>,
    /// Half of the way there and back: the figure is not more exact.
    pub(super) uncertain_ms: i64,
}

/// What a JetStream source asks for; gives the stream when it is there.
pub(super) async fn check_reading(
    config: &Config,
    questioner: &mut Questioner,
    findings: &mut Findings,
) -> Option<Described> {
    let stream = &config.source.stream;
    let described = stream_info(config, questioner, findings).await;
    if let Some(subject) = questioner.refused_subscription() {
        let text = format!("subscribe _INBOX.>: refused ({subject})");
        findings.failed("right", text, WHERE);
        return described;
    }
    findings.ok("right", "subscribe _INBOX.>");
    if config.source.create {
        let call = format!("$JS.API.STREAM.CREATE.{stream}");
        let answer = questioner.ask(&call, NOT_JSON).await;
        tell(findings, &call, "source.create", &answer);
    }
    let consumer = format!("cxpulse-doctor-{:08x}", rand::random::<u32>());
    let create = json!({
        "stream_name": stream,
        "action": "create",
        "config": {
            "name": consumer, "deliver_policy": "all", "ack_policy": "none",
            "replay_policy": "instant", "num_replicas": 1, "mem_storage": true,
            "filter_subjects": config.source.subjects,
            "inactive_threshold": 10_000_000_000_u64,
            "description": "cxpulse doctor",
        },
    });
    let calls = [
        ("CREATE", "reading", create.to_string()),
        (
            "MSG.NEXT",
            "reading",
            r#"{"batch":1,"no_wait":true}"#.into(),
        ),
        ("INFO", "watching the consumer", String::new()),
        ("DELETE", "leaving nothing behind", String::new()),
    ];
    let mut made = false;
    for (call, purpose, payload) in calls {
        let subject = format!("$JS.API.CONSUMER.{call}.{stream}.{consumer}");
        let shown = format!("$JS.API.CONSUMER.{call}.{stream}.*");
        let answer = questioner.ask(&subject, &payload).await;
        if call == "CREATE"
            && let Answer::Message(message) = &answer
        {
            match parse_answer::<ConsumerInfo>(subject, &message.payload) {
                Ok(_) => made = true,
                Err(error) if described.is_some() => findings.failed(
                    "stream",
                    format!("no consumer can be made on {stream}: {error}"),
                    "see the limits of the stream and of the account",
                ),
                // Without a stream there is nothing to make it on, which is told already.
                Err(_) => {}
            }
        }
        if !made && matches!(answer, Answer::Nobody) {
            // No consumer, no answer; but nothing was refused.
            findings.ok("right", format!("publish {shown} ({purpose})"));
        } else {
            tell(findings, &shown, purpose, &answer);
        }
    }
    described
}

async fn stream_info(
    config: &Config,
    questioner: &mut Questioner,
    findings: &mut Findings,
) -> Option<Described> {
    let stream = &config.source.stream;
    let call = format!("$JS.API.STREAM.INFO.{stream}");
    let clock = SystemClock;
    let asked = clock.now();
    let answer = questioner.ask(&call, "").await;
    let answered = clock.now();
    tell(findings, &call, "reading", &answer);
    let Answer::Message(message) = answer else {
        return None;
    };
    match parse_answer::<StreamInfo>(call, &message.payload) {
        Ok(info) => {
            let uncertain_ms = answered.millis_since(asked) / 2;
            let ours = asked.plus_millis(uncertain_ms);
            let theirs = info.ts.as_deref().and_then(|ts| ts.parse().ok());
            let theirs = theirs.map(|ts: jiff::Timestamp| ts.as_millisecond());
            let ahead_ms = theirs.map(|ts| Timestamp::from_millis(ts).millis_since(ours));
            Some(Described {
                info,
                ahead_ms,
                uncertain_ms,
            })
        }
        Err(error) => {
            tell_missing(config, &error, findings);
            None
        }
    }
}

fn tell_missing(config: &Config, error: &ApiError, findings: &mut Findings) {
    let stream = &config.source.stream;
    if error.is_stream_not_found() && config.source.create {
        let hint = "it is made at the first start, since source.create is set";
        findings.warning("stream", format!("{stream} does not exist"), hint);
    } else if error.is_stream_not_found() {
        let hint = "create it, set source.create, or name another one in source.stream";
        findings.failed("stream", format!("{stream} does not exist"), hint);
    } else {
        let hint = "is JetStream enabled for this account?";
        findings.failed("stream", format!("{stream}: {error}"), hint);
    }
}

/// What a source on core NATS asks for.
pub(super) async fn check_subscribing(
    config: &Config,
    questioner: &mut Questioner,
    findings: &mut Findings,
) {
    for subject in &config.source.subjects {
        let subscribed = questioner.client.subscribe(subject.clone()).await;
        // The server answers in order: with this answer it has looked at the subscription.
        let answer = questioner.ask("cxpulse.doctor", "").await;
        let refused = questioner.refused_subscription();
        if subscribed.is_err() || refused.as_ref() == Some(subject) {
            findings.failed("right", format!("subscribe {subject}: refused"), WHERE);
        } else if matches!(answer, Answer::Silence) {
            let text = format!("subscribe {subject}: no answer");
            findings.failed("right", text, WHERE);
        } else {
            findings.ok("right", format!("subscribe {subject}"));
        }
    }
    findings.skipped("stream", "core NATS keeps nothing: what is missed is lost");
}

/// Dead letters and alerts.
pub(super) async fn check_publishing(
    config: &Config,
    questioner: &mut Questioner,
    findings: &mut Findings,
) {
    let letters = &config.dead_letter;
    if letters.create {
        let name = letters.subject.replace('.', "_").to_uppercase();
        for (call, payload) in [
            ("$JS.API.STREAM.NAMES".to_owned(), ""),
            (format!("$JS.API.STREAM.CREATE.{name}"), NOT_JSON),
        ] {
            let answer = questioner.ask(&call, payload).await;
            tell(findings, &call, "dead_letter.create", &answer);
        }
    }
    let letter = publish(questioner, &letters.subject).await;
    tell(findings, &letters.subject, "dead letters", &letter);
    if !letters.create && !is_stored(&letter) && !matches!(letter, Answer::Refused) {
        findings.warning(
            "dead letters",
            format!("no stream stores {}", letters.subject),
            "rejected events are counted but kept nowhere: make a stream, or set dead_letter.create",
        );
    }
    if let Some(prefix) = &config.sink.nats_subject {
        let subject = format!("{prefix}.cxpulse_doctor");
        let alert = publish(questioner, &subject).await;
        tell(findings, &format!("{prefix}.*"), "alerts", &alert);
    }
}

async fn publish(questioner: &mut Questioner, subject: &str) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Expected-Stream", NO_STREAM);
    questioner.ask_with(subject, headers, "").await
}

/// A stream has refused it for its header alone.
fn is_stored(answer: &Answer) -> bool {
    let Answer::Message(message) = answer else {
        return false;
    };
    let said: Result<serde_json::Value, ApiError> = parse_answer(String::new(), &message.payload);
    matches!(said, Err(ApiError::Refused { code, .. }) if code == OTHER_STREAM)
}

/// Says whether the right to publish is there. Silence on a subject of ours only says that nobody
/// answers; on one of the server it says that something is wrong.
fn tell(findings: &mut Findings, subject: &str, purpose: &str, answer: &Answer) {
    let text = format!("publish {subject} ({purpose})");
    let of_server = subject.starts_with("$JS.");
    match answer {
        Answer::Refused => findings.failed("right", format!("{text}: refused"), WHERE),
        Answer::Nobody if of_server => findings.failed(
            "right",
            format!("{text}: nobody answers"),
            "is JetStream enabled for this account?",
        ),
        Answer::Silence if of_server => findings.failed(
            "right",
            format!("{text}: no answer"),
            "is the cluster without a leader, or the right to answer missing?",
        ),
        Answer::Message(_) | Answer::Nobody | Answer::Silence => findings.ok("right", text),
    }
}
