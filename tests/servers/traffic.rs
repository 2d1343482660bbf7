//! Made-up traffic in which things collide: few queues, few customers, corrections, withdrawals,
//! repeats of the same record, surveys before and after their contact, in every form a payload can
//! have, with foreign messages in between. The same seed gives the same traffic.

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::support::nats_raw::Publish;

/// All event times lie this far back at most: less than the allowed lateness, and little enough
/// that nothing leaves the 24h window while a test runs.
const OLDEST_MS: i64 = 20 * 3_600_000;

/// All event times lie this far back at least, so that nothing is in the future or waits.
const YOUNGEST_MS: i64 = 5_000;

/// Where made-up events come from.
#[derive(Debug)]
pub(crate) struct Traffic {
    random: StdRng,
    now_ms: i64,
    made: u32,
    /// What can be corrected, withdrawn or said again.
    remembered: Vec<Value>,
}

impl Traffic {
    /// Traffic of the hours before a moment.
    pub(crate) fn before(now_ms: i64, seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            now_ms,
            made: 0,
            remembered: Vec::new(),
        }
    }

    /// Messages that carry the next `count` events in order, in all forms, with foreign messages in
    /// between. An event without `type` is on the subject of its kind.
    pub(crate) fn messages(&mut self, count: usize) -> Vec<Publish> {
        let mut messages = Vec::new();
        let mut left = count;
        while left > 0 {
            if self.random.random_bool(0.2) {
                messages.push(foreign(self.made));
            }
            let form = Form::ALL[self.random.random_range(0..Form::ALL.len())];
            let most = if form.takes_several() { 12 } else { 1 };
            let size = self.random.random_range(1..=most).min(left);
            let events: Vec<Value> = (0..size).map(|_| self.event()).collect();
            messages.push(form.message(&events, self.made));
            left -= size;
        }
        messages
    }

    fn event(&mut self) -> Value {
        self.made += 1;
        match self.random.random_range(0..100) {
            0..20 => self.survey(),
            20..32 if !self.remembered.is_empty() => self.correction(),
            32..37 if !self.remembered.is_empty() => self.remembered_event(),
            _ => self.interaction(),
        }
    }

    fn interaction(&mut self) -> Value {
        let random = &mut self.random;
        let ended = random.random_range(self.now_ms - OLDEST_MS..self.now_ms - YOUNGEST_MS);
        let abandoned = random.random_bool(0.08);
        let queue = ["sales", "support", "billing", "retention"][random.random_range(0..4)];
        let channel = ["voice", "chat", "email"][random.random_range(0..3)];
        let mut event = json!({
            "type": "interaction",
            "interaction_id": format!("i-{}", self.made),
            "ended_at": time(random, ended),
            "started_at": ended - random.random_range(0..900_000),
            "queue": queue,
            "channel": channel,
            "agent_id": random.random_range(100..120),
            "abandoned": abandoned,
            "wait_seconds": f64::from(random.random_range(0..60_000)) / 1000.0,
            "comment": "not ours to keep",
        });
        if random.random_bool(0.9) {
            event["customer_id"] = json!(format!("c-{}", random.random_range(0..900)));
        }
        if random.random_bool(0.3) {
            event["issue_id"] = json!(format!("issue-{}", random.random_range(0..4)));
        }
        if random.random_bool(0.15) {
            event["direction"] = json!("outbound");
        }
        if !abandoned {
            event["talk_seconds"] = json!(f64::from(random.random_range(0..1_200_000)) / 1000.0);
            event["wrap_seconds"] = json!(random.random_range(0..90));
            event["transferred"] = json!(random.random_bool(0.1));
        }
        if random.random_bool(0.5) {
            event["resolved"] = json!(random.random_bool(0.8));
        }
        if random.random_bool(0.1) {
            event["hold_seconds"] = Value::Null;
            event["issue_id"] = json!("");
        }
        self.remembered.push(event.clone());
        event
    }

    fn survey(&mut self) -> Value {
        let random = &mut self.random;
        let submitted = random.random_range(self.now_ms - OLDEST_MS..self.now_ms - YOUNGEST_MS);
        let mut event = json!({
            "type": "survey",
            "survey_id": format!("s-{}", self.made),
            "submitted_at": time(random, submitted),
            "nps": random.random_range(0..=10),
        });
        if random.random_bool(0.8) {
            let score: i32 = random.random_range(1..=5);
            event["csat"] = if random.random_bool(0.5) {
                json!(score.to_string())
            } else {
                json!(score)
            };
        }
        if random.random_bool(0.3) {
            event["resolved"] = json!(random.random_bool(0.7));
        }
        if random.random_bool(0.7) {
            // Also of contacts that come later, or never.
            let contact = random.random_range(1..=self.made + 50);
            event["interaction_id"] = json!(format!("i-{contact}"));
        } else {
            event["queue"] = json!("support");
        }
        self.remembered.push(event.clone());
        event
    }

    /// A later version of something sent before, or one of the same version time.
    fn correction(&mut self) -> Value {
        let mut event = self.remembered_event();
        let random = &mut self.random;
        event["updated_at"] = json!(self.now_ms + random.random_range(-3..3) * 1000);
        match random.random_range(0..6) {
            0 => event["excluded"] = json!(true),
            1 => event["queue"] = json!("billing"),
            // A survey's customer is not asked for by any KPI.
            2 if event["type"] == "interaction" => {
                event["customer_id"] = json!(format!("c-{}", random.random_range(0..900)));
            }
            3 => event["resolved"] = json!(random.random_bool(0.5)),
            4 if event["type"] == "survey" => event["nps"] = json!(random.random_range(0..=10)),
            _ => event["channel"] = json!("chat"),
        }
        self.remembered.push(event.clone());
        event
    }

    fn remembered_event(&mut self) -> Value {
        let which = self.random.random_range(0..self.remembered.len());
        self.remembered[which].clone()
    }
}

/// How events are put into a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    One,
    OneByItsSubject,
    SurveyByMessageId,
    Array,
    Lines,
    CloudEvent,
    CloudEventOfSeveral,
    CloudEventInHeaders,
}

impl Form {
    const ALL: [Self; 8] = [
        Self::One,
        Self::OneByItsSubject,
        Self::SurveyByMessageId,
        Self::Array,
        Self::Lines,
        Self::CloudEvent,
        Self::CloudEventOfSeveral,
        Self::CloudEventInHeaders,
    ];

    fn takes_several(self) -> bool {
        matches!(self, Self::Array | Self::Lines | Self::CloudEventOfSeveral)
    }

    fn message(self, events: &[Value], number: u32) -> Publish {
        let first = &events[0];
        let own_subject = subject(first);
        let message_id = format!("message-{number}");
        match self {
            Self::One => Publish::new(own_subject, first.to_string()),
            Self::OneByItsSubject => Publish::new(own_subject, without(first, "type").to_string()),
            // An identity from the header; a contact has none to lose.
            Self::SurveyByMessageId => {
                Publish::new(own_subject, without(first, "survey_id").to_string())
                    .header("Nats-Msg-Id", &message_id)
            }
            Self::Array => Publish::new("cx.interactions.batch", json!(events).to_string()),
            Self::Lines => {
                let lines: Vec<String> = events.iter().map(Value::to_string).collect();
                Publish::new("cx.surveys.batch", lines.join("\n\n") + "\n")
            }
            Self::CloudEvent => Publish::new(own_subject, envelope(&message_id, first).to_string()),
            Self::CloudEventOfSeveral => Publish::new(
                "cx.interactions.events",
                envelope(&message_id, &json!(events)).to_string(),
            ),
            Self::CloudEventInHeaders => {
                Publish::new(own_subject, without(first, "survey_id").to_string())
                    .header("ce-specversion", "1.0")
                    .header("ce-id", &message_id)
                    .header("ce-source", "/test")
                    .header("ce-type", "com.example.contact")
                    .header("Content-Type", "application/json")
            }
        }
    }
}

fn subject(event: &Value) -> &'static str {
    if event["type"] == "survey" {
        "cx.surveys.post"
    } else {
        "cx.interactions.voice.eu"
    }
}

fn without(event: &Value, member: &str) -> Value {
    let mut event = event.clone();
    if let Some(members) = event.as_object_mut() {
        members.remove(member);
    }
    event
}

fn envelope(id: &str, data: &Value) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/test", "type": "com.example.contact",
        "time": "2001-01-01T00:00:00Z", "datacontenttype": "application/json", "data": data,
    })
}

/// A message of somebody else on the same stream; looks like one of ours on purpose.
fn foreign(number: u32) -> Publish {
    let event = json!({
        "type": "interaction", "interaction_id": format!("foreign-{number}"),
        "ended_at": "2024-01-01T00:00:00Z",
    });
    Publish::new("orders.placed", event.to_string())
}

/// A moment as RFC 3339 in UTC or with an offset, or in milliseconds.
fn time(random: &mut StdRng, at_ms: i64) -> Value {
    let moment = Timestamp::from_millisecond(at_ms).expect("a moment of this century");
    match random.random_range(0..3) {
        0 => json!(at_ms),
        1 => json!(format!("{moment:.3}")),
        _ => {
            let two_hours = jiff::SignedDuration::from_hours(2);
            let local = format!("{:.3}", moment + two_hours);
            json!(local.replace('Z', "+02:00"))
        }
    }
}
