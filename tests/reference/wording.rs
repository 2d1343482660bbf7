//! How random events are written down: ids as strings or integers, times in four forms, scores as text.
use std::fmt::Write as _;

use super::events::{ContactSpec, SurveySpec};
use super::generate::BASE;
use super::setup::Setup;

/// Durations that give different handle times, so that equal versions which differ also differ in what is counted.
pub(crate) const HANDLED: [&str; 6] = [
    "",
    r#","talk_seconds":1"#,
    r#","talk_seconds":1.0,"hold_seconds":0.5"#,
    r#","talk_seconds":2,"hold_seconds":null,"wrap_seconds":0.2505"#,
    r#","handle_seconds":3e0"#,
    r#","handle_seconds":0,"talk_seconds":4"#,
];

pub(crate) const WAITS: [&str; 8] = [
    "",
    r#","wait_seconds":0"#,
    r#","wait_seconds":0.5"#,
    r#","wait_seconds":1"#,
    r#","wait_seconds":1.0005"#,
    r#","wait_seconds":2"#,
    r#","wait_seconds":2.001"#,
    r#","wait_seconds":20.000"#,
];

/// An id as a string or, where it is one, as an integer.
fn interaction_id(id: usize, as_integer: bool) -> (String, String) {
    if id < 3 {
        let text = format!("{}", 70 + id);
        let written = if as_integer {
            text.clone()
        } else {
            format!("\"{text}\"")
        };
        (text, written)
    } else {
        let text = format!("call-{id}-of-a-center-with-long-identifiers");
        (text.clone(), format!("\"{text}\""))
    }
}

impl ContactSpec {
    /// Its identity.
    pub(crate) fn name(&self) -> String {
        interaction_id(self.id, false).0
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            r#"{{"type":"interaction","interaction_id":{},"ended_at":{}"#,
            interaction_id(self.id, self.time_form.is_multiple_of(2)).1,
            written(self.ended_at, self.time_form),
        );
        if let Some(version) = self.version {
            member(
                &mut text,
                "updated_at",
                &written(version, self.time_form + 1),
            );
        }
        if let Some(before) = self.started_before_ms {
            member(
                &mut text,
                "started_at",
                &written(self.ended_at - before, self.time_form + 2),
            );
        }
        text += [
            "",
            r#","customer_id":"c1""#,
            r#","customer_id":"c2""#,
            r#","customer_id":3"#,
        ][self.customer];
        text += [
            r#","issue_id":null"#,
            r#","issue_id":"bill""#,
            r#","issue_id":"line""#,
        ][self.issue];
        text += &dimensions(self.queue, self.channel);
        text += ["", r#","team":"t1""#, r#","team":2"#][self.team];
        text += if self.inbound {
            r#","direction":"inbound""#
        } else {
            r#","direction":"outbound""#
        };
        text += WAITS[self.wait];
        text += HANDLED[self.handled];
        text += flag("abandoned", self.abandoned.then_some(true));
        text += flag("transferred", self.transferred.then_some(true));
        text += flag("excluded", self.excluded.then_some(true));
        text += flag("resolved", self.resolved);
        text + "}"
    }
}

impl SurveySpec {
    /// Its identity, given that of the message.
    pub(crate) fn identity(&self, outside: Option<String>) -> String {
        let own = self.id.or(self.event_id).map(|id| format!("s{id}"));
        own.or(outside).unwrap_or_default()
    }

    /// Identity of the contact it is about.
    pub(crate) fn about(&self) -> Option<String> {
        self.about.map(|id| interaction_id(id, false).0)
    }

    pub(crate) fn text(&self, setup: &Setup) -> String {
        let mut text = format!(
            r#"{{"type":"survey","submitted_at":{}"#,
            written(self.submitted_at, self.time_form)
        );
        if let Some(version) = self.version {
            member(
                &mut text,
                "updated_at",
                &written(version, self.time_form + 1),
            );
        }
        if let Some(id) = self.id {
            member(&mut text, "survey_id", &format!("\"s{id}\""));
        }
        if let Some(id) = self.event_id {
            member(&mut text, "event_id", &format!("\"s{id}\""));
        }
        if let Some(id) = self.about {
            member(
                &mut text,
                "interaction_id",
                &interaction_id(id, self.time_form.is_multiple_of(2)).1,
            );
        }
        text += &dimensions(self.queue, self.channel);
        // The last one is off the narrow scale and on the wide one.
        let wide = setup.csat.high > 5_000;
        if let Some(csat) = self.csat {
            text += [
                r#","csat":4"#,
                r#","csat":"3.999""#,
                r#","csat":1"#,
                r#","csat":"5e0""#,
                r#","csat":7.5"#,
            ][if wide || csat < 4 {
                csat
            } else {
                usize::from(self.time_form == 0) * 4
            }];
        }
        if let Some(ces) = self.ces {
            text += [
                r#","ces":1"#,
                r#","ces":2.5"#,
                r#","ces":"7""#,
                r#","ces":6"#,
            ][ces];
        }
        if let Some(nps) = self.nps {
            let quote = if self.time_form == 3 { "\"" } else { "" };
            member(&mut text, "nps", &format!("{quote}{nps}{quote}"));
        }
        text += flag("excluded", self.excluded.then_some(true));
        text += flag("resolved", self.resolved);
        text + "}"
    }
}

fn member(text: &mut String, name: &str, value: &str) {
    write!(text, r#","{name}":{value}"#).expect("writing to a string");
}

fn dimensions(queue: usize, channel: usize) -> String {
    let queue = ["", r#","queue":"q1""#, r#","queue":"q2""#, r#","queue":3"#][queue];
    let channel = ["", r#","channel":"voice""#, r#","channel":"chat""#][channel];
    format!("{queue}{channel}")
}

fn flag(name: &str, value: Option<bool>) -> &'static str {
    match (name, value) {
        ("abandoned", Some(true)) => r#","abandoned":true"#,
        ("transferred", Some(true)) => r#","transferred":true"#,
        ("excluded", Some(true)) => r#","excluded":true"#,
        ("resolved", Some(true)) => r#","resolved":true"#,
        ("resolved", Some(false)) => r#","resolved":false"#,
        _ => "",
    }
}

/// An instant near the base in one of four forms. They never leave the hour of the base.
fn written(instant: i64, form: usize) -> String {
    let since = instant - (BASE - 800_000);
    let (minutes, seconds, ms) = (since / 60_000, since / 1_000 % 60, since % 1_000);
    match form % 4 {
        0 => instant.to_string(),
        1 => format!(r#""2023-11-14T22:{minutes:02}:{seconds:02}.{ms:03}Z""#),
        2 => format!(r#""2023-11-15T00:{minutes:02}:{seconds:02}.{ms:03}999+02:00""#),
        _ => format!(r#""2023-11-14T15:{minutes:02}:{seconds:02}.{ms:03}-07:00""#),
    }
}
