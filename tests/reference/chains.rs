//! Contact chains: first contacts, repeats and episodes, recomputed from all contacts.
use std::collections::BTreeMap;

use super::hash::xxh64;
use super::record::Interaction;
use super::setup::{MatchOn, Setup};

/// What a chain says of one of its contacts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Link {
    /// No earlier contact of the chain lies within the horizon.
    pub first: bool,
    /// Unresolved by its own flag or by a transfer.
    pub failed: bool,
    /// Time to the next contact of the chain, where that lies within the horizon.
    pub repeat_after: Option<i64>,
    /// Sample of time to resolution that is booked at this contact, the last of its episode.
    pub resolution_ms: Option<i64>,
}

impl Link {
    pub(crate) fn resolved(&self) -> bool {
        self.first && !self.failed && self.repeat_after.is_none()
    }
}

/// The link of every contact that takes part, by interaction id.
pub(crate) fn links(setup: &Setup, interactions: &[&Interaction]) -> BTreeMap<String, Link> {
    let mut chains: BTreeMap<(&str, Option<&str>), Vec<&Interaction>> = BTreeMap::new();
    for &contact in interactions {
        let Some(customer) = contact.customer.as_deref() else {
            continue;
        };
        if contact.abandoned || !contact.inbound {
            continue;
        }
        let issue = match setup.fcr.match_on {
            MatchOn::CustomerAndIssue => contact.issue.as_deref(),
            MatchOn::Customer => None,
        };
        chains.entry((customer, issue)).or_default().push(contact);
    }
    let mut links = BTreeMap::new();
    for chain in chains.values_mut() {
        chain.sort_by_key(|contact| (contact.ended_at, xxh64(contact.id.as_bytes())));
        for (at, contact) in chain.iter().enumerate() {
            links.insert(contact.id.clone(), link(setup, chain, at));
        }
    }
    links
}

fn link(setup: &Setup, chain: &[&Interaction], at: usize) -> Link {
    let contact = chain[at];
    let next = chain.get(at + 1);
    let delay = next.map(|next| next.ended_at - contact.ended_at);
    let transfer_fails = setup.fcr.transfer_fails && contact.transferred;
    // The last contact of an episode is followed by a first contact or by nothing.
    let ends_episode = at + 1 == chain.len() || is_first(setup, chain, at + 1);
    let sample = || {
        let start = (0..=at)
            .rev()
            .find(|&one| is_first(setup, chain, one))
            .map(|one| chain[one])?;
        Some((contact.ended_at - start.started_at.unwrap_or(start.ended_at)).max(0))
    };
    Link {
        first: is_first(setup, chain, at),
        failed: contact.resolved == Some(false) || transfer_fails,
        repeat_after: delay.filter(|delay| *delay <= setup.fcr.horizon_ms),
        resolution_ms: (ends_episode && contact.resolved == Some(true))
            .then(sample)
            .flatten(),
    }
}

fn is_first(setup: &Setup, chain: &[&Interaction], at: usize) -> bool {
    let within =
        |earlier: &&Interaction| chain[at].ended_at - earlier.ended_at <= setup.fcr.horizon_ms;
    !chain[..at].iter().any(within)
}
