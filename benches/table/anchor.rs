//! What the figures are compared with: `serde_json` into a flat struct that borrows.

use cxpulse::source::Envelope;
use serde::Deserialize;

/// All members that an event of the workload has.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "read to be decoded")]
pub(crate) struct Flat<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    interaction_id: Option<&'a str>,
    survey_id: Option<&'a str>,
    customer_id: Option<&'a str>,
    issue_id: Option<&'a str>,
    channel: Option<&'a str>,
    queue: Option<&'a str>,
    agent_id: Option<&'a str>,
    direction: Option<&'a str>,
    started_at: Option<&'a str>,
    ended_at: Option<&'a str>,
    submitted_at: Option<&'a str>,
    updated_at: Option<&'a str>,
    wait_seconds: Option<f64>,
    talk_seconds: Option<f64>,
    hold_seconds: Option<f64>,
    wrap_seconds: Option<f64>,
    abandoned: Option<bool>,
    transferred: Option<bool>,
    resolved: Option<bool>,
    csat: Option<f64>,
    nps: Option<f64>,
    ces: Option<f64>,
}

/// Decodes every message and counts those that are well-formed.
pub(crate) fn decode(messages: &[Envelope]) -> usize {
    messages
        .iter()
        .filter(|message| {
            let text = std::str::from_utf8(&message.payload).unwrap_or_default();
            std::hint::black_box(serde_json::from_str::<Flat<'_>>(text)).is_ok()
        })
        .count()
}
