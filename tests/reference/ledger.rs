//! Verdicts in stream order, and which version of each record counts.
use std::collections::BTreeMap;

use super::record::{Reason, Record};
use super::setup::Setup;

/// A record and its place in the stream.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub place: usize,
    pub record: Record,
}

/// What became of each event received.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub received: u64,
    pub applied: u64,
    pub replaced: u64,
    pub duplicates: u64,
    pub rejected: BTreeMap<String, u64>,
}

/// Everything accepted so far, in order of entry, and what waits.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub accepted: Vec<Arrival>,
    pub waiting: Vec<Arrival>,
    pub counts: Counts,
    /// Greatest accepted event time.
    pub stream_time: Option<i64>,
    /// Smallest accepted event time.
    pub earliest: Option<i64>,
}

impl Ledger {
    /// Judges one event at instant `now`; without one, nothing waits.
    pub(crate) fn receive(
        &mut self,
        setup: &Setup,
        event: Result<Record, Reason>,
        stored_at: i64,
        now: Option<i64>,
    ) {
        let place = usize::try_from(self.counts.received).expect("few events");
        self.counts.received += 1;
        let record = match event {
            Ok(record) => record,
            Err(reason) => return self.reject(reason),
        };
        let time = record.time();
        let arrival = Arrival { place, record };
        if time - stored_at > setup.max_clock_skew_ms {
            self.reject(Reason::Future);
        } else if now.is_some_and(|now| time >= now) {
            self.waiting.push(arrival);
        } else if self
            .stream_time
            .is_some_and(|stream| stream - time > setup.allowed_lateness_ms)
        {
            self.reject(Reason::TooLate);
        } else {
            self.enter(arrival);
        }
    }

    /// Lets in what waited for an instant before `now`.
    pub(crate) fn release(&mut self, now: i64) {
        let (ready, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|one| one.record.time() < now);
        self.waiting = waiting;
        for arrival in ready {
            self.enter(arrival);
        }
    }

    fn reject(&mut self, reason: Reason) {
        *self
            .counts
            .rejected
            .entry(reason.name().to_owned())
            .or_default() += 1;
    }

    fn enter(&mut self, arrival: Arrival) {
        let time = arrival.record.time();
        self.stream_time = Some(self.stream_time.map_or(time, |stream| stream.max(time)));
        self.earliest = Some(self.earliest.map_or(time, |earliest| earliest.min(time)));
        let identity = arrival.record.identity();
        let versions = self
            .accepted
            .iter()
            .filter(|one| one.record.identity() == identity);
        match versions.max_by_key(|one| rank(one)) {
            None => self.counts.applied += 1,
            Some(newest) if newest.record == arrival.record => self.counts.duplicates += 1,
            Some(newest) if rank(newest) < rank(&arrival) => self.counts.replaced += 1,
            Some(_) => self.counts.duplicates += 1,
        }
        self.accepted.push(arrival);
    }

    /// The version of each record that counts, withdrawn ones left out.
    pub(crate) fn winners(&self) -> Vec<&Record> {
        let mut newest: BTreeMap<(bool, &str), &Arrival> = BTreeMap::new();
        for arrival in &self.accepted {
            let best = newest.entry(arrival.record.identity()).or_insert(arrival);
            if rank(arrival) > rank(best) {
                *best = arrival;
            }
        }
        newest
            .values()
            .map(|one| &one.record)
            .filter(|record| !record.excluded())
            .collect()
    }
}

/// Greater version time first, then later in the stream.
fn rank(arrival: &Arrival) -> (i64, usize) {
    (arrival.record.version(), arrival.place)
}
