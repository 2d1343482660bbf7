//! Contact chains: which contact is a first one, which came back, and how long an episode took.
//!
//! A chain holds the contacts of one customer and issue, ordered by (event time, XXH64 of the
//! interaction id). Whether a contact is a first one depends only on its predecessor, whether it
//! has a repeat only on its successor; an episode is a run of contacts with gaps within the
//! horizon. So a change touches the neighbours and, when it makes or splits an episode, the last
//! contact of the run, which carries the start of its episode along. A contact that has been
//! forgotten needs nothing more: all changes come at most two latenesses back, and everything they
//! look at lies within a horizon of them.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::capture::{
    RestoreError, RouteNumbers, SectionKind, ShardCapture, decode, encode, number_of,
};
use super::hashing::{IdentityState, shard_of};
use super::routes::{RouteId, Routes};
use crate::event::IdHash;
use crate::time::Timestamp;

/// Shards of the chain table; bounds how long one table takes to grow.
pub(super) const SHARDS: usize = 1024;

/// One contact: a handled inbound interaction with a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Contact {
    pub(super) event_time: Timestamp,
    pub(super) tie: u64,
    /// Tells contacts apart whose times and ties are equal.
    pub(super) id: u64,
    /// Start of the contact: `started_at`, else the event time.
    pub(super) start: Timestamp,
    pub(super) route: RouteId,
    /// Failed at once, by flag or transfer.
    pub(super) failed: bool,
    /// `resolved` is true: may end an episode well.
    pub(super) resolved: bool,
    /// No earlier contact of the chain lies within the horizon before it. Kept, since the
    /// predecessor may have been forgotten. Written by the chain.
    pub(super) first: bool,
    /// Start of the episode; meaningful for the last contact of a run only. Written by the chain.
    pub(super) episode_start: Timestamp,
}

impl Contact {
    fn order(&self) -> (Timestamp, u64, u64) {
        (self.event_time, self.tie, self.id)
    }
}

/// What a first contact adds to its pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FirstContact {
    pub(super) failed: bool,
    /// Time to the next contact of the chain, when that lies within the horizon.
    pub(super) repeat_delay_ms: Option<i64>,
}

impl FirstContact {
    pub(super) fn is_resolved(self) -> bool {
        !self.failed && self.repeat_delay_ms.is_none()
    }
}

/// Receives what the chains give and take back.
pub(super) trait Effects {
    /// A first contact at `moment`, given (`sign` 1) or taken back (-1).
    fn first_contact(&mut self, moment: Timestamp, route: RouteId, first: FirstContact, sign: i64);
    /// A resolved episode, booked at its last contact.
    fn episode(&mut self, moment: Timestamp, route: RouteId, milliseconds: i64, sign: i64);
}

/// What an insertion did, for the counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Inserted {
    /// The new contact is a first one.
    pub(super) first: bool,
    /// Route of the contact that lost its credit to the new one.
    pub(super) retracted: Option<RouteId>,
}

type Chain = SmallVec<[Contact; 1]>;

/// All chains.
#[derive(Debug)]
pub(super) struct Chains {
    horizon_ms: i64,
    /// How long contacts stay behind stream time: horizon + 2 x lateness.
    memory_ms: i64,
    max_contacts: usize,
    shards: Vec<Shard>,
    contacts: usize,
    /// Chains with contacts that expire in a bucket; filled on insertion, emptied as stream time
    /// passes.
    expiry: BTreeMap<i64, Vec<u128>>,
    bucket_ms: i64,
    /// The youngest contact that had to go before its time.
    evicted_until: Option<Timestamp>,
    capture: Option<ShardCapture>,
}

impl Chains {
    pub(super) fn new(horizon_ms: i64, lateness_ms: i64, max_contacts: usize) -> Self {
        let memory_ms = horizon_ms.saturating_add(lateness_ms.saturating_mul(2));
        Self {
            horizon_ms,
            memory_ms,
            max_contacts,
            shards: (0..SHARDS)
                .map(|_| HashMap::with_hasher(IdentityState))
                .collect(),
            contacts: 0,
            expiry: BTreeMap::new(),
            bucket_ms: (memory_ms / 512).max(1),
            evicted_until: None,
            capture: None,
        }
    }

    /// Contacts remembered.
    pub(super) fn len(&self) -> usize {
        self.contacts
    }

    /// The shard of a chain, about to change.
    fn shard(&mut self, chain: u128) -> &mut Shard {
        let at = shard_of(chain, SHARDS);
        if let Some(capture) = &mut self.capture
            && capture.is_due(at)
        {
            let bytes = encoded(&self.shards[at], &capture.numbers);
            capture.store(at, bytes);
        }
        &mut self.shards[at]
    }

    /// Puts a contact into its chain; the chain holds a reference to its route from now on.
    pub(super) fn insert(
        &mut self,
        chain_id: IdHash,
        mut contact: Contact,
        routes: &mut Routes,
        effects: &mut impl Effects,
    ) -> Inserted {
        routes.retain(contact.route);
        let horizon_ms = self.horizon_ms;
        self.schedule(chain_id.0, contact.event_time);
        let chain = self.shard(chain_id.0).entry(chain_id.0).or_default();
        let at = chain.partition_point(|other| other.order() < contact.order());
        let inserted = insert_at(chain, at, &mut contact, horizon_ms, effects);
        self.contacts += 1;
        inserted
    }

    fn schedule(&mut self, chain: u128, event_time: Timestamp) {
        let bucket = event_time.as_millis().div_euclid(self.bucket_ms);
        let chains = self.expiry.entry(bucket).or_default();
        if chains.last() != Some(&chain) {
            chains.push(chain);
        }
    }

    /// Takes a contact out of its chain and hands over the chain's reference to its route. Returns
    /// `None`, and changes nothing, when the contact is not there any more.
    pub(super) fn remove(
        &mut self,
        chain_id: IdHash,
        event_time: Timestamp,
        id: u64,
        effects: &mut impl Effects,
    ) -> Option<RouteId> {
        let horizon_ms = self.horizon_ms;
        let shard = self.shard(chain_id.0);
        let chain = shard.get_mut(&chain_id.0)?;
        let from = chain.partition_point(|contact| contact.event_time < event_time);
        let same_time = chain[from..]
            .iter()
            .take_while(|contact| contact.event_time == event_time);
        let at = from
            + same_time
                .map(|contact| contact.id)
                .position(|known| known == id)?;
        let route = chain[at].route;
        remove_at(chain, at, horizon_ms, effects);
        if chain.is_empty() {
            shard.remove(&chain_id.0);
        }
        self.contacts -= 1;
        Some(route)
    }

    /// Forgets contacts whose memory is over at `stream_time`, and the oldest beyond the limit.
    pub(super) fn expire(&mut self, stream_time: Timestamp, routes: &mut Routes) {
        let bound = stream_time.plus_millis(-self.memory_ms);
        while let Some(entry) = self.expiry.first_entry() {
            let bucket_end = (*entry.key() + 1).saturating_mul(self.bucket_ms);
            let over_limit = self.contacts > self.max_contacts;
            if bucket_end > bound.as_millis() && !over_limit {
                return;
            }
            let until = Timestamp::from_millis(bucket_end);
            if bucket_end > bound.as_millis() {
                self.evicted_until = self.evicted_until.max(Some(until));
            }
            for chain in entry.remove() {
                self.forget_before(chain, until, routes);
            }
        }
    }

    fn forget_before(&mut self, chain_id: u128, until: Timestamp, routes: &mut Routes) {
        let shard = self.shard(chain_id);
        let Some(chain) = shard.get_mut(&chain_id) else {
            return;
        };
        let gone = chain.partition_point(|contact| contact.event_time < until);
        for contact in chain.drain(..gone) {
            routes.release(contact.route);
        }
        if chain.is_empty() {
            shard.remove(&chain_id);
        }
        self.contacts -= gone;
    }

    /// The horizon that can still be honoured.
    pub(super) fn effective_horizon_ms(&self, stream_time: Option<Timestamp>) -> i64 {
        match (self.evicted_until, stream_time) {
            (Some(evicted), Some(now)) => {
                let kept_ms = now.millis_since(evicted);
                (kept_ms - (self.memory_ms - self.horizon_ms)).clamp(0, self.horizon_ms)
            }
            _ => self.horizon_ms,
        }
    }
}

type Shard = HashMap<u128, Chain, IdentityState>;

/// Capture and restore.
impl Chains {
    /// Starts a capture of the present state.
    pub(super) fn begin_capture(&mut self, numbers: RouteNumbers) {
        self.capture = Some(ShardCapture::new(SHARDS, numbers));
    }

    /// The next captured shard; `None` when all have been handed out, which ends the capture.
    pub(super) fn capture_next(&mut self) -> Option<Vec<u8>> {
        let capture = self.capture.as_mut()?;
        if let Some(bytes) = capture.take() {
            return Some(bytes);
        }
        while let Some(at) = capture.next_due() {
            let bytes = encoded(&self.shards[at], &capture.numbers);
            capture.store(at, bytes);
            let written = capture.take();
            if written.is_some() {
                return written;
            }
        }
        self.capture = None;
        None
    }

    /// The youngest contact that had to go before its time, for a capture.
    pub(super) fn evicted_until(&self) -> Option<Timestamp> {
        self.evicted_until
    }

    /// Sets what [`Chains::evicted_until`] captured.
    pub(super) fn set_evicted_until(&mut self, evicted_until: Option<Timestamp>) {
        self.evicted_until = evicted_until;
    }

    /// Puts the chains of a captured shard back; `adopt` takes the reference to a contact's route
    /// and says whether it exists.
    pub(super) fn restore(
        &mut self,
        bytes: &[u8],
        mut adopt: impl FnMut(RouteId) -> bool,
    ) -> Result<(), RestoreError> {
        let kind = SectionKind::Chains;
        let chains: Vec<(u128, Vec<Contact>)> = decode(kind, bytes)?;
        for (id, contacts) in chains {
            for contact in &contacts {
                if !adopt(contact.route) {
                    return Err(RestoreError::Dangling { kind });
                }
                self.schedule(id, contact.event_time);
            }
            self.contacts += contacts.len();
            let shard = &mut self.shards[shard_of(id, SHARDS)];
            if shard.insert(id, Chain::from_vec(contacts)).is_some() {
                return Err(RestoreError::Twice { kind });
            }
        }
        Ok(())
    }
}

/// The chains ordered by id, routes by their canonical numbers; `None` without chains.
fn encoded(shard: &Shard, numbers: &RouteNumbers) -> Option<Vec<u8>> {
    if shard.is_empty() {
        return None;
    }
    let mut chains: Vec<(u128, Vec<Contact>)> = shard
        .iter()
        .map(|(id, chain)| (*id, chain.to_vec()))
        .collect();
    chains.sort_unstable_by_key(|chain| chain.0);
    for contact in chains.iter_mut().flat_map(|chain| chain.1.iter_mut()) {
        contact.route = number_of(numbers, contact.route);
    }
    Some(encode(&chains))
}

fn gap_ms(earlier: &Contact, later: &Contact) -> i64 {
    later.event_time.millis_since(earlier.event_time)
}

/// What the contact at `at` counts as a first contact; `None` when it is a repeat.
fn first_at(chain: &[Contact], at: usize, horizon_ms: i64) -> Option<FirstContact> {
    let contact = chain.get(at)?;
    if !contact.first {
        return None;
    }
    let repeat_delay_ms = chain
        .get(at + 1)
        .map(|next| gap_ms(contact, next))
        .filter(|delay| *delay <= horizon_ms);
    Some(FirstContact {
        failed: contact.failed,
        repeat_delay_ms,
    })
}

fn emit_first(
    chain: &[Contact],
    at: usize,
    horizon_ms: i64,
    sign: i64,
    effects: &mut impl Effects,
) {
    if let Some(first) = first_at(chain, at, horizon_ms) {
        effects.first_contact(chain[at].event_time, chain[at].route, first, sign);
    }
}

/// Gives or takes back the episode that ends with the contact at `last`.
fn emit_episode(chain: &[Contact], last: usize, sign: i64, effects: &mut impl Effects) {
    let contact = &chain[last];
    if contact.resolved {
        let took_ms = contact
            .event_time
            .millis_since(contact.episode_start)
            .max(0);
        effects.episode(contact.event_time, contact.route, took_ms, sign);
    }
}

/// The last contact of the run that the contact at `at` belongs to.
fn run_end(chain: &[Contact], mut at: usize, horizon_ms: i64) -> usize {
    while at + 1 < chain.len() && gap_ms(&chain[at], &chain[at + 1]) <= horizon_ms {
        at += 1;
    }
    at
}

fn insert_at(
    chain: &mut Chain,
    at: usize,
    contact: &mut Contact,
    horizon_ms: i64,
    effects: &mut impl Effects,
) -> Inserted {
    let before = at.checked_sub(1);
    let joins_left = before.is_some_and(|before| gap_ms(&chain[before], contact) <= horizon_ms);
    let joins_right = at < chain.len() && gap_ms(contact, &chain[at]) <= horizon_ms;
    let were_joined = joins_left && joins_right && !chain[at].first;
    let credited_before = before
        .and_then(|before| first_at(chain, before, horizon_ms))
        .is_some_and(FirstContact::is_resolved);

    if let (Some(before), true) = (before, joins_left) {
        emit_first(chain, before, horizon_ms, -1, effects);
        if !were_joined {
            emit_episode(chain, before, -1, effects);
        }
    }
    contact.first = !joins_left;
    contact.episode_start = match before {
        Some(before) if joins_left => chain[before].episode_start,
        _ => contact.start,
    };
    if joins_right && !were_joined {
        // The run to the right begins with the new contact, or further left, from now on.
        emit_first(chain, at, horizon_ms, -1, effects);
        chain[at].first = false;
        let last = run_end(chain, at, horizon_ms);
        emit_episode(chain, last, -1, effects);
        chain[last].episode_start = contact.episode_start;
        emit_episode(chain, last, 1, effects);
    }
    chain.insert(at, *contact);
    emit_first(chain, at, horizon_ms, 1, effects);
    if !joins_right {
        emit_episode(chain, at, 1, effects);
    }
    if let (Some(before), true) = (before, joins_left) {
        emit_first(chain, before, horizon_ms, 1, effects);
    }
    let credited_now = before
        .and_then(|before| first_at(chain, before, horizon_ms))
        .is_some_and(FirstContact::is_resolved);
    Inserted {
        first: contact.first,
        retracted: before
            .filter(|_| credited_before && !credited_now)
            .map(|before| chain[before].route),
    }
}

fn remove_at(chain: &mut Chain, at: usize, horizon_ms: i64, effects: &mut impl Effects) {
    let contact = chain[at];
    let before = at.checked_sub(1).filter(|_| !contact.first);
    let joined_right = at + 1 < chain.len() && gap_ms(&contact, &chain[at + 1]) <= horizon_ms;
    let stays_joined = joined_right
        && before.is_some_and(|before| gap_ms(&chain[before], &chain[at + 1]) <= horizon_ms);

    if let Some(before) = before {
        emit_first(chain, before, horizon_ms, -1, effects);
    }
    emit_first(chain, at, horizon_ms, -1, effects);
    if joined_right && !stays_joined {
        // The run to the right begins with the next contact from now on.
        let last = run_end(chain, at, horizon_ms);
        let left_start = chain[last].episode_start;
        emit_episode(chain, last, -1, effects);
        chain[last].episode_start = chain[at + 1].start;
        emit_episode(chain, last, 1, effects);
        chain[at + 1].first = true;
        chain[at].episode_start = left_start;
    } else if !joined_right {
        emit_episode(chain, at, -1, effects);
    }
    let left_start = chain[at].episode_start;
    chain.remove(at);
    if joined_right && !stays_joined {
        emit_first(chain, at, horizon_ms, 1, effects);
    }
    if let Some(before) = before {
        if !stays_joined {
            chain[before].episode_start = left_start;
            emit_episode(chain, before, 1, effects);
        }
        emit_first(chain, before, horizon_ms, 1, effects);
    }
}
