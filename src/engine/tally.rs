//! The counters of keys, and what they count beside the totals of records on its way there.

use std::hint::black_box;

use super::kept_totals::KeptTotals;
use super::routes::{RouteId, Routes};
use super::view::Lifetime;

/// Tallies gathered before they are folded: what a cache holds.
const MAX_PENDING: usize = 8192;

/// Tallies that are counted at a time: what they change is fetched for all of them first.
const GROUP: usize = 32;

/// What is counted of contacts, by its place in [`KeptLifetime::contacts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContactTally {
    First,
    Retracted,
    Unidentified,
}

impl ContactTally {
    const COUNT: usize = 3;

    #[inline]
    fn index(self) -> usize {
        match self {
            Self::First => 0,
            Self::Retracted => 1,
            Self::Unidentified => 2,
        }
    }
}

/// A [`Lifetime`] as it is kept.
#[derive(Debug, Default)]
pub(super) struct KeptLifetime {
    pub(super) totals: KeptTotals,
    contacts: [u64; ContactTally::COUNT],
    handle_time_buckets: Vec<u64>,
}

impl KeptLifetime {
    /// Restored ones.
    pub(super) fn of(lifetime: &Lifetime) -> Self {
        let mut totals = KeptTotals::default();
        totals.add(&lifetime.totals, 1);
        Self {
            totals,
            contacts: [
                lifetime.contacts_first,
                lifetime.contacts_retracted,
                lifetime.contacts_unidentified,
            ],
            handle_time_buckets: lifetime.handle_time_buckets.clone(),
        }
    }

    /// The same for all to see.
    pub(super) fn lifetime(&self) -> Lifetime {
        let [contacts_first, contacts_retracted, contacts_unidentified] = self.contacts;
        Lifetime {
            totals: self.totals.totals(),
            contacts_first,
            contacts_retracted,
            contacts_unidentified,
            handle_time_buckets: self.handle_time_buckets.clone(),
        }
    }
}

/// Tallies by route, each with a reference to it. Those of a kind together: which comes next is nobody's
/// guess.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    contacts: Vec<(RouteId, ContactTally)>,
    /// With the place between the bounds of the histogram.
    handle_times: Vec<(RouteId, u16)>,
}

impl Tallies {
    #[inline]
    pub(super) fn contact(&mut self, route: RouteId, tally: ContactTally, routes: &mut Routes) {
        routes.retain(route);
        self.contacts.push((route, tally));
    }

    /// A handle time in that bucket of the histogram.
    #[inline]
    pub(super) fn handle_time(&mut self, route: RouteId, bucket: u16, routes: &mut Routes) {
        routes.retain(route);
        self.handle_times.push((route, bucket));
    }

    /// Whether so many have been gathered that they should be folded.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.contacts.len() + self.handle_times.len() >= MAX_PENDING
    }

    /// Adds them to the counters of their keys; handle times in the breakdowns that keep their
    /// quantiles. `buckets` is the number of handle-time buckets, the one above all bounds included.
    pub(super) fn fold(&mut self, buckets: usize, has_quantiles: &[bool], routes: &mut Routes) {
        for group in self.contacts.chunks(GROUP) {
            fetch(group, routes, |lifetime| lifetime.contacts[0]);
            for (route, tally) in group {
                routes.count(*route, &mut |lifetime| {
                    lifetime.contacts[tally.index()] += 1;
                });
            }
        }
        for group in self.handle_times.chunks(GROUP) {
            fetch(group, routes, |lifetime| {
                lifetime.handle_time_buckets.first().copied().unwrap_or(0)
            });
            for (route, bucket) in group {
                let mut keys = has_quantiles.iter();
                routes.count(*route, &mut |lifetime| {
                    if keys.next().is_some_and(|quantiles| *quantiles) {
                        lifetime.handle_time(*bucket, buckets);
                    }
                });
            }
        }
        let contacts = self.contacts.drain(..).map(|(route, _)| route);
        let handle_times = self.handle_times.drain(..).map(|(route, _)| route);
        for route in contacts.chain(handle_times) {
            routes.release(route);
        }
    }
}

/// Brings what counting these will look at into the cache.
fn fetch<T>(group: &[(RouteId, T)], routes: &Routes, look: impl Fn(&KeptLifetime) -> u64) {
    for (route, _) in group {
        routes.fetch(*route);
    }
    for (route, _) in group {
        routes.each_counted(*route, |lifetime| {
            black_box(look(lifetime));
        });
    }
}

impl KeptLifetime {
    fn handle_time(&mut self, bucket: u16, buckets: usize) {
        if self.handle_time_buckets.len() < buckets {
            self.handle_time_buckets.resize(buckets, 0);
        }
        if let Some(count) = self.handle_time_buckets.get_mut(usize::from(bucket)) {
            *count += 1;
        }
    }
}
