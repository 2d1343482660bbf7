//! The counters of keys, and what they count beside the totals of records on its way there.

use std::hint::black_box;

use super::kept_totals::KeptTotals;
use super::routes::{RouteId, Routes};
use super::view::Lifetime;

/// Tallies gathered before they are folded: what a cache holds.
const MAX_PENDING: usize = 8192;

/// Tallies that are counted at a time: what they change is fetched for all of them first.
const GROUP: usize = 32;

/// One thing that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tally {
    /// A handle time, by its place between the bounds of the histogram.
    HandleTime(u16),
    ContactFirst,
    ContactRetracted,
    ContactUnidentified,
}

/// A [`Lifetime`] as it is kept.
#[derive(Debug, Default)]
pub(super) struct KeptLifetime {
    pub(super) totals: KeptTotals,
    contacts_first: u64,
    contacts_retracted: u64,
    contacts_unidentified: u64,
    handle_time_buckets: Vec<u64>,
}

impl KeptLifetime {
    /// Restored ones.
    pub(super) fn of(lifetime: &Lifetime) -> Self {
        let mut totals = KeptTotals::default();
        totals.add(&lifetime.totals, 1);
        Self {
            totals,
            contacts_first: lifetime.contacts_first,
            contacts_retracted: lifetime.contacts_retracted,
            contacts_unidentified: lifetime.contacts_unidentified,
            handle_time_buckets: lifetime.handle_time_buckets.clone(),
        }
    }

    /// The same for all to see.
    pub(super) fn lifetime(&self) -> Lifetime {
        Lifetime {
            totals: self.totals.totals(),
            contacts_first: self.contacts_first,
            contacts_retracted: self.contacts_retracted,
            contacts_unidentified: self.contacts_unidentified,
            handle_time_buckets: self.handle_time_buckets.clone(),
        }
    }
}

/// Tallies by route, each with a reference to it.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    pending: Vec<(RouteId, Tally)>,
}

impl Tallies {
    #[inline]
    pub(super) fn push(&mut self, route: RouteId, tally: Tally, routes: &mut Routes) {
        routes.retain(route);
        self.pending.push((route, tally));
    }

    /// Whether so many have been gathered that they should be folded.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.pending.len() >= MAX_PENDING
    }

    /// Adds them to the counters of their keys; handle times in the breakdowns that keep their
    /// quantiles. `buckets` is the number of handle-time buckets, the one above all bounds included.
    pub(super) fn fold(&mut self, buckets: usize, has_quantiles: &[bool], routes: &mut Routes) {
        for group in self.pending.chunks(GROUP) {
            for (route, _) in group {
                routes.fetch(*route);
            }
            for (route, _) in group {
                routes.each_counted(*route, |lifetime| {
                    black_box((
                        lifetime.contacts_first,
                        lifetime.handle_time_buckets.first(),
                    ));
                });
            }
            for (route, tally) in group {
                let mut keys = has_quantiles.iter();
                routes.count(*route, &mut |lifetime| {
                    let quantiles = keys.next().is_some_and(|quantiles| *quantiles);
                    if quantiles || !matches!(tally, Tally::HandleTime(_)) {
                        add(lifetime, *tally, buckets);
                    }
                });
            }
        }
        for (route, _) in self.pending.drain(..) {
            routes.release(route);
        }
    }
}

fn add(lifetime: &mut KeptLifetime, tally: Tally, buckets: usize) {
    match tally {
        Tally::ContactFirst => lifetime.contacts_first += 1,
        Tally::ContactRetracted => lifetime.contacts_retracted += 1,
        Tally::ContactUnidentified => lifetime.contacts_unidentified += 1,
        Tally::HandleTime(bucket) => {
            if lifetime.handle_time_buckets.len() < buckets {
                lifetime.handle_time_buckets.resize(buckets, 0);
            }
            if let Some(count) = lifetime.handle_time_buckets.get_mut(usize::from(bucket)) {
                *count += 1;
            }
        }
    }
}
