//! What cxpulse must answer: the brute-force reference over everything that was published, and the
//! answers of the API and the metrics page in the same shape.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::reference;
use crate::reference::message::open;
use crate::reference::output::{Compare, Output, Place, Row, assert_same};
use crate::reference::setup::{Message, Setup};
use crate::reference::stats::Reading;
use crate::support::nats_raw::Publish;
use crate::support::page::Page;
use crate::support::service::Service;

/// Panics with every difference between what cxpulse says now and the reference over `published`,
/// in their order; messages on other subjects than cxpulse reads are left out. All of them must have
/// been processed. `stored_ms` is about when they were stored.
pub(crate) fn assert_as_expected(service: &Service, published: &[Publish], stored_ms: i64) {
    let answer = service.kpis("");
    let found = found(&answer, &service.metrics());
    let expected = reference::replay(&Setup::default(), &ours(published, stored_ms), found.at);
    assert_same(&expected, &found, Compare::Kpis);
}

/// How many events the messages hold that cxpulse reads, rejected ones included.
pub(crate) fn count_events(published: &[Publish]) -> u64 {
    let setup = Setup::default();
    let messages = ours(published, 0);
    let events = messages.iter().map(|message| open(&setup, message).len());
    u64::try_from(events.sum::<usize>()).expect("few events")
}

/// Accounting and values of one moment. The page is read after the API; nothing may arrive in
/// between.
fn found(answer: &Value, page: &Page) -> Output {
    let rows = answer["kpis"].as_array().expect("kpis");
    Output {
        at: answer["at"].as_str().map(millis),
        received: page.count("cxpulse_events_received_total"),
        applied: page.count("cxpulse_events_applied_total"),
        replaced: page.count("cxpulse_events_replaced_total"),
        duplicates: page.count("cxpulse_events_duplicate_total"),
        waiting: page.count("cxpulse_events_waiting"),
        rejected: page
            .series()
            .iter()
            .filter(|series| series.name == "cxpulse_events_rejected_total" && series.value > 0.0)
            .map(|series| (series.labels["reason"].clone(), series.count()))
            .collect(),
        rows: rows.iter().map(row).collect(),
    }
}

/// One row of the API: `{"kpi","window","breakdown","key","value","samples",...}`.
fn row(row: &Value) -> (Place, Row) {
    let text = |name: &str| {
        let text = row[name].as_str();
        text.unwrap_or_else(|| panic!("no {name}: {row}"))
            .to_owned()
    };
    let key = row["key"].as_object().into_iter().flatten();
    let place = Place {
        breakdown: text("breakdown"),
        key: key
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        window: text("window"),
        kpi: text("kpi"),
    };
    let reading = Reading {
        value: row["value"].as_f64(),
        samples: row["samples"].as_u64().unwrap_or_default(),
        numerator: row["numerator"].as_f64(),
        denominator: row["denominator"].as_f64(),
        lower: row["lower"].as_f64(),
        upper: row["upper"].as_f64(),
        quantiles: numbers(&row["quantiles"]),
    };
    let complete = row["complete"].as_bool().unwrap_or_default();
    (place, Row { reading, complete })
}

fn numbers(value: &Value) -> BTreeMap<String, f64> {
    let members = value.as_object().into_iter().flatten();
    members
        .filter_map(|(name, number)| Some((name.clone(), number.as_f64()?)))
        .collect()
}

/// The messages that cxpulse reads, as the reference takes them.
fn ours(published: &[Publish], stored_ms: i64) -> Vec<Message> {
    published
        .iter()
        .filter(|message| {
            message.subject.starts_with("cx.interactions.")
                || message.subject.starts_with("cx.surveys.")
        })
        .map(|message| Message {
            subject: message.subject.clone(),
            headers: message.headers.clone(),
            payload: message.payload.clone(),
            stored_at: stored_ms,
        })
        .collect()
}

fn millis(moment: &str) -> i64 {
    moment
        .parse::<jiff::Timestamp>()
        .unwrap_or_else(|error| panic!("{moment}: {error}"))
        .as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejects::rejected;
    use crate::traffic::Traffic;

    /// Without this, a test against cxpulse could compare nothing with nothing.
    #[test]
    fn made_up_traffic_has_of_everything() {
        let now_ms = 1_780_000_000_000;
        let mut messages = Traffic::before(now_ms, 2).messages(10_000);
        let foreign = messages.len() - ours(&messages, now_ms).len();
        assert!(foreign > 300, "{foreign} foreign messages");
        assert_eq!(count_events(&messages), 10_000);
        let rejected = rejected(200, now_ms);
        messages.extend(rejected.into_iter().map(|rejected| rejected.message));

        let setup = Setup::default();
        let output = reference::replay(&setup, &ours(&messages, now_ms), Some(now_ms));
        assert!(output.received > 10_200);
        assert_eq!(output.rejected.len(), 7);
        let reasons: Vec<_> = output.rejected.values().collect();
        assert!(
            reasons.iter().all(|count| [28, 29].contains(*count)),
            "{reasons:?}"
        );
        assert!(
            output.replaced > 300 && output.duplicates > 300,
            "{output:?}"
        );
        assert_eq!(output.waiting, 0);
        for kpi in ["fcr", "aht", "csat", "nps", "service_level", "fcr_survey"] {
            let valued = output
                .rows
                .iter()
                .filter(|(place, row)| place.kpi == kpi && row.reading.value.is_some());
            // Overall, four queues, three channels in three windows, less what 5m may lack.
            assert!(valued.count() >= 16, "{kpi}");
        }
        let fcr = output.rows.iter().find(|(place, _)| {
            place.kpi == "fcr" && place.window == "24h" && place.breakdown == "overall"
        });
        let fcr = fcr.and_then(|(_, row)| row.reading.value).unwrap();
        assert!(
            (0.2..0.8).contains(&fcr),
            "repeats and first contacts: {fcr}"
        );
    }
}
