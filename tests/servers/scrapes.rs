//! Scrapes of one cxpulse after the other at the same address, as a Prometheus sees them.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::page::{Page, Series};

/// Families of counters that the engine keeps with its state.
const KEPT: [&str; 4] = [
    "cx_",
    "cxpulse_events_",
    "cxpulse_dimensions_truncated_total",
    "cxpulse_breakdown_overflow_total",
];

/// What was seen last, and the rules that each page must keep.
#[derive(Debug, Default)]
pub(crate) struct Scrapes {
    last: BTreeMap<String, f64>,
    /// Series seen since the last restart.
    seen: BTreeSet<String>,
    /// The state is continued: no counter of it may begin anew.
    continues: bool,
    count: u64,
}

impl Scrapes {
    /// cxpulse starts, with state to go on from or without.
    pub(crate) fn restart(&mut self, continues: bool) {
        self.seen.clear();
        self.continues = continues;
    }

    /// How many pages were looked at.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Reads a page and checks it.
    pub(crate) fn look(&mut self, text: &str) {
        self.take(&Page::parse(text));
    }

    /// Panics when a counter stepped back, the accounting does not add up, or a lag is negative.
    pub(crate) fn take(&mut self, page: &Page) {
        self.count += 1;
        for series in page.series().iter().filter(|series| is_counter(series)) {
            let name = format!("{} {:?}", series.name, series.labels);
            let is_kept = KEPT.iter().any(|family| name.starts_with(family));
            let first = self.seen.insert(name.clone());
            let last = self.last.insert(name.clone(), series.value);
            let may_begin_anew = first && !(is_kept && self.continues);
            if let Some(last) = last {
                let value = series.value;
                assert!(
                    value >= last || may_begin_anew,
                    "{name}: {value} after {last}"
                );
            }
        }
        check_accounting(page);
        let lag = page.value("cxpulse_stream_lag_messages", &[]);
        assert!(lag.is_none_or(|lag| lag >= 0.0), "{lag:?}");
    }
}

fn is_counter(series: &Series) -> bool {
    let endings = ["_total", "_bucket", "_count"];
    endings.iter().any(|ending| series.name.ends_with(ending))
}

fn check_accounting(page: &Page) {
    if !page.has_family("cxpulse_events_received_total") {
        return;
    }
    let count = |name: &str| page.count(&format!("cxpulse_events_{name}"));
    let parts = [
        "applied_total",
        "replaced_total",
        "duplicate_total",
        "rejected_total",
        "waiting",
    ];
    let sum: u64 = parts.into_iter().map(count).sum();
    assert_eq!(
        count("received_total"),
        sum,
        "the accounting does not add up"
    );
}
