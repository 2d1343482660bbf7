//! The brute-force reference: every KPI recomputed from nothing out of the list of all accepted events. Written from the text
//! of the contract in the plainest way; shares no code with the crate. Where the text is open, the reading taken is said here:
//!
//! - A payload that is grammatically one JSON value is one event or an array of events; any other is read line by line.
//! - An absent dimension has the value `unknown`, which like any other unlisted value is `__other__` where known values are configured.
//! - A window is complete when an event at or before its start was accepted; duplicates and withdrawn ones count for that.
//! - A waiting event enters without being judged for lateness again, and keeps its place in the stream for version ties.
//! - A key has rows when a record that counts lies in any window, or a first contact in any mature cohort.
pub(crate) mod chains;
pub(crate) mod evaluate;
pub(crate) mod events;
pub(crate) mod exchange;
pub(crate) mod generate;
pub(crate) mod hash;
pub(crate) mod json;
pub(crate) mod kpis;
pub(crate) mod ledger;
pub(crate) mod message;
pub(crate) mod output;
pub(crate) mod rearrange;
pub(crate) mod record;
pub(crate) mod settings;
pub(crate) mod setup;
pub(crate) mod stats;
pub(crate) mod time;
pub(crate) mod wording;

use ledger::Ledger;
use output::Output;
use setup::{Message, Setup};

/// After that many messages, the evaluation instant moves to `at` and a view is made. Instants do not fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tick {
    pub after: usize,
    pub at: i64,
}

/// The result of a replay: at the given instant, else at the first pane boundary after everything.
pub(crate) fn replay(setup: &Setup, messages: &[Message], at: Option<i64>) -> Output {
    let mut ledger = Ledger::default();
    for message in messages {
        for event in message::open(setup, message) {
            ledger.receive(setup, event, message.stored_at, at);
        }
    }
    let Some(stream_time) = ledger.stream_time else {
        return output(&ledger);
    };
    let pane = setup
        .windows
        .iter()
        .map(|window| window.pane_ms)
        .min()
        .expect("a window");
    let at = at.unwrap_or((stream_time.div_euclid(pane) + 1) * pane);
    Output {
        at: Some(at),
        rows: evaluate::rows(setup, &ledger, at),
        ..output(&ledger)
    }
}

/// One result per tick of a live run. Before the first tick everything waits.
pub(crate) fn live(setup: &Setup, messages: &[Message], ticks: &[Tick]) -> Vec<Output> {
    let mut ledger = Ledger::default();
    let mut outputs = Vec::new();
    let mut taken = 0;
    let mut now = i64::MIN;
    for tick in ticks {
        for message in messages.iter().take(tick.after).skip(taken) {
            for event in message::open(setup, message) {
                ledger.receive(setup, event, message.stored_at, Some(now));
            }
        }
        taken = tick.after;
        now = tick.at;
        ledger.release(now);
        let rows = evaluate::rows(setup, &ledger, now);
        outputs.push(Output {
            at: Some(now),
            rows,
            ..output(&ledger)
        });
    }
    outputs
}

/// The counts of a ledger.
fn output(ledger: &Ledger) -> Output {
    Output {
        at: None,
        received: ledger.counts.received,
        applied: ledger.counts.applied,
        replaced: ledger.counts.replaced,
        duplicates: ledger.counts.duplicates,
        waiting: u64::try_from(ledger.waiting.len()).expect("few events"),
        rejected: ledger.counts.rejected.clone(),
        rows: std::collections::BTreeMap::new(),
    }
}
