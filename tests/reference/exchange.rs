//! Cases and results as JSON, the way `cxpulse replay --format json` and the script in `tools/reference` write them.
use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::output::{Output, Place, Row};
use super::setup::{Message, Setup};
use super::stats::Reading;
use super::time;

/// One case on one line, for `cxpulse_reference.py --universes`.
pub(crate) fn case(setup: &Setup, messages: &[Message], at: Option<i64>) -> String {
    let messages: Vec<Value> = messages.iter().map(captured).collect();
    json!({ "setup": setup, "messages": messages, "at": at }).to_string()
}

fn captured(message: &Message) -> Value {
    let mut hex = String::new();
    for byte in &message.payload {
        write!(hex, "{byte:02x}").expect("writing to a string");
    }
    json!({
        "subject": message.subject,
        "headers": message.headers,
        "payload_hex": hex,
        "stored_at": message.stored_at,
    })
}

/// Reads a result. What `replay` does not print (received, applied, replaced) is 0 where it is absent.
pub(crate) fn output(result: &Value) -> Output {
    let count = |name: &str| result[name].as_u64().unwrap_or(0);
    let rejected = result["rejected"].as_object().expect("rejected by reason");
    let rows = result["kpis"].as_array().expect("rows");
    Output {
        at: result.get("at").map(instant),
        received: count("received"),
        applied: count("applied"),
        replaced: count("replaced"),
        duplicates: count("duplicates"),
        waiting: count("waiting"),
        rejected: rejected
            .iter()
            .map(|(reason, n)| (reason.clone(), n.as_u64().expect("a count")))
            .collect(),
        rows: rows.iter().map(|row| (place(row), read_row(row))).collect(),
    }
}

fn instant(value: &Value) -> i64 {
    value
        .as_i64()
        .or_else(|| time::parse(value.as_str()?))
        .expect("an instant")
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn place(row: &Value) -> Place {
    let key = row["key"].as_object().expect("a key");
    Place {
        breakdown: text(&row["breakdown"]),
        key: key
            .iter()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
        window: text(&row["window"]),
        kpi: text(&row["kpi"]),
    }
}

fn read_row(row: &Value) -> Row {
    let quantiles: BTreeMap<String, f64> =
        row["quantiles"]
            .as_object()
            .map_or_else(BTreeMap::new, |found| {
                found
                    .iter()
                    .map(|(name, value)| (name.clone(), value.as_f64().expect("a number")))
                    .collect()
            });
    let reading = Reading {
        value: row["value"].as_f64(),
        samples: row["samples"].as_u64().expect("samples"),
        numerator: row["numerator"].as_f64(),
        denominator: row["denominator"].as_f64(),
        lower: row["lower"].as_f64(),
        upper: row["upper"].as_f64(),
        quantiles,
    };
    Row {
        reading,
        complete: row["complete"].as_bool().expect("complete"),
    }
}
