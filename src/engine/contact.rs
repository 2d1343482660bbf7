//! A contact of a chain, and the same in as few bytes as it takes: there are more contacts than
//! ledger entries by default, nine days of them, of which the older ones are [settled](super::settled).

use super::capture::{RouteNumbers, number_of};
use super::packed::{Field, Packed};
use super::routes::RouteId;
use super::slab::{Place, Slot};
use crate::event::IdHash;
use crate::time::Timestamp;

/// One contact: a handled inbound interaction with a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contact {
    pub(super) event_time: Timestamp,
    /// Orders contacts of the chain whose times are equal, and tells them apart.
    pub(super) tie: Tie,
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
    /// The order of contacts in a chain.
    #[inline]
    pub(super) fn order(&self) -> (Timestamp, Tie) {
        (self.event_time, self.tie)
    }
}

/// XXH64 of the interaction id, which anybody can calculate and so make equal for two contacts, and 24
/// bits of its keyed hash, which nobody can: they tell such two apart, with a probability of 6 x 10^-8
/// that they do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tie {
    xxh64: u64,
    id: u32,
}

impl Tie {
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        reason = "the low 24 bits"
    )]
    #[inline]
    pub(super) fn of(xxh64: u64, id: IdHash) -> Self {
        Self {
            xxh64,
            id: id.low() as u32 & 0x00ff_ffff,
        }
    }
}

/// Bytes of a slot.
const BYTES: usize = 48;

const CHAIN: Field = (0, 10);
const EVENT_TIME: Field = (10, 6);
const STATE: Field = (16, 5);
const ROUTE: Field = (21, 4);
const XXH64: Field = (25, 8);
const TIE_ID: Field = (33, 3);
const START: Field = (36, 6);
const EPISODE_START: Field = (42, 6);

// Bits of the state; above them the next older contact of the chain, [`FIRST_LINK`] more than its
// place.
const FAILED: u64 = 1;
const RESOLVED: u64 = 1 << 1;
const FIRST: u64 = 1 << 2;
const NEWEST: u64 = 1 << 3;
const LINK_SHIFT: u32 = 4;
/// The link of a slot that holds nothing is 0, without an older contact it is 1.
const NO_LINK: u64 = 1;
const FIRST_LINK: u64 = 2;

/// A contact as it is kept: what all forms of it tell.
pub(super) trait Kept: Slot {
    /// The chain of the contact.
    fn chain(&self) -> IdHash;

    fn event_time(&self) -> Timestamp;

    fn route(&self) -> RouteId;

    /// Whether it is the newest contact of its chain, by which that is found.
    fn is_newest(&self) -> bool;

    fn set_newest(&mut self, is_newest: bool);

    /// The contact; what was never packed reads as anything.
    fn contact(&self) -> Contact;

    /// Takes over what the chain writes of a contact.
    fn set_written(&mut self, contact: &Contact);
}

/// A contact with the id of its chain and a link to the next older one, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContactSlot(Packed<BYTES>);

impl Slot for ContactSlot {
    const EMPTY: Self = Self(Packed::EMPTY);
    const BYTES: usize = BYTES;

    #[inline]
    fn is_occupied(&self) -> bool {
        self.state() >> LINK_SHIFT != 0
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        &self.0.0
    }

    #[inline]
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Packed::from_bytes(bytes).map(Self)
    }

    fn renumbered(&self, numbers: &RouteNumbers) -> Self {
        let mut slot = *self;
        slot.0.set(ROUTE, number_of(numbers, self.route()).0.into());
        slot
    }
}

impl Kept for ContactSlot {
    #[inline]
    fn chain(&self) -> IdHash {
        self.0.id(CHAIN)
    }

    #[inline]
    fn event_time(&self) -> Timestamp {
        self.0.time(EVENT_TIME)
    }

    #[inline]
    fn route(&self) -> RouteId {
        RouteId(self.0.low(ROUTE))
    }

    #[inline]
    fn is_newest(&self) -> bool {
        self.0.has(STATE, NEWEST)
    }

    #[inline]
    fn set_newest(&mut self, is_newest: bool) {
        self.0.set_flag(STATE, NEWEST, is_newest);
    }

    #[inline]
    fn contact(&self) -> Contact {
        let state = self.state();
        Contact {
            event_time: self.event_time(),
            tie: self.tie(),
            start: self.0.time(START),
            route: self.route(),
            failed: state & FAILED != 0,
            resolved: state & RESOLVED != 0,
            first: state & FIRST != 0,
            episode_start: self.0.time(EPISODE_START),
        }
    }

    #[inline]
    fn set_written(&mut self, contact: &Contact) {
        self.0.set_time(EPISODE_START, contact.episode_start);
        self.0.set_flag(STATE, FIRST, contact.first);
    }
}

impl ContactSlot {
    /// The contact in its bytes, without a link. Moments of the years 1970 to 9999 come back as they
    /// are, which is all that decoding lets through; of others the rest is lost.
    #[inline]
    pub(super) fn pack(chain: IdHash, contact: &Contact) -> Self {
        let mut slot = Self::EMPTY;
        slot.0.set_id(CHAIN, chain);
        slot.0.set_time(EVENT_TIME, contact.event_time);
        slot.0.set_time(START, contact.start);
        slot.0.set(XXH64, contact.tie.xxh64);
        slot.0.set(TIE_ID, contact.tie.id.into());
        slot.0.set(ROUTE, contact.route.0.into());
        let state = NO_LINK << LINK_SHIFT
            | if contact.failed { FAILED } else { 0 }
            | if contact.resolved { RESOLVED } else { 0 };
        slot.0.set(STATE, state);
        slot.set_written(contact);
        slot
    }

    /// See [`Contact::order`].
    #[inline]
    pub(super) fn order(&self) -> (Timestamp, Tie) {
        (self.event_time(), self.tie())
    }

    #[inline]
    fn tie(&self) -> Tie {
        Tie {
            xxh64: self.0.get(XXH64),
            id: u32::try_from(self.0.get(TIE_ID)).unwrap_or(0),
        }
    }

    /// Where the next older contact of the chain is, or was before it was forgotten.
    #[inline]
    pub(super) fn older(&self) -> Option<Place> {
        let place = (self.state() >> LINK_SHIFT).checked_sub(FIRST_LINK)?;
        Place::try_from(place).ok()
    }

    #[inline]
    pub(super) fn set_older(&mut self, older: Option<Place>) {
        let link = older.map_or(NO_LINK, |place| u64::from(place) + FIRST_LINK);
        let flags = self.state() & ((1 << LINK_SHIFT) - 1);
        self.0.set(STATE, link << LINK_SHIFT | flags);
    }

    #[inline]
    fn state(&self) -> u64 {
        self.0.get(STATE)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn contacts_come_back(
            chain in any::<u128>(),
            times in any::<[u64; 3]>(),
            xxh64 in any::<u64>(),
            id in any::<u128>(),
            route in any::<u32>(),
            flags in any::<[bool; 4]>(),
            older in any::<Option<Place>>(),
        ) {
            let chain = IdHash(chain & IdHash::MASK);
            let [event_time, start, episode_start] =
                times.map(|time| Timestamp::from_millis((time >> 16).cast_signed()));
            let mut contact = Contact {
                event_time,
                tie: Tie::of(xxh64, IdHash(id)),
                start,
                route: RouteId(route),
                failed: flags[0],
                resolved: flags[1],
                first: flags[2],
                episode_start,
            };
            let mut slot = ContactSlot::pack(chain, &contact);
            slot.set_older(older);
            prop_assert!(slot.is_occupied());
            prop_assert_eq!((slot.chain(), slot.contact(), slot.older()), (chain, contact, older));
            contact.first = !contact.first;
            contact.episode_start = contact.start;
            slot.set_written(&contact);
            prop_assert_eq!((slot.chain(), slot.contact(), slot.older()), (chain, contact, older));
            slot.set_newest(flags[3]);
            prop_assert_eq!((slot.contact(), slot.older()), (contact, older));
            prop_assert_eq!((slot.is_newest(), slot.order()), (flags[3], contact.order()));
            prop_assert_eq!(ContactSlot::from_bytes(slot.bytes()), Some(slot));
        }
    }
}
