//! A contact of a chain, and the same in as few bytes as it takes: there are more contacts than
//! ledger entries by default, nine days of them.

use super::capture::{RouteNumbers, number_of};
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
const BYTES: usize = 47;

/// A field: where it begins and how many bytes it has, little-endian.
type Field = (usize, usize);

const CHAIN: Field = (0, 10);
const EVENT_TIME: Field = (10, 6);
const STATE: Field = (16, 4);
const ROUTE: Field = (20, 4);
const XXH64: Field = (24, 8);
const TIE_ID: Field = (32, 3);
const START: Field = (35, 6);
const EPISODE_START: Field = (41, 6);

// Bits of the state; above them the next older contact of the chain, [`FIRST_LINK`] more than its
// place.
const FAILED: u32 = 1;
const RESOLVED: u32 = 1 << 1;
const FIRST: u32 = 1 << 2;
const NEWEST: u32 = 1 << 3;
const LINK_SHIFT: u32 = 4;
/// The link of a slot that holds nothing is 0, without an older contact it is 1.
const NO_LINK: u32 = 1;
const FIRST_LINK: u32 = 2;

/// Contacts that have a place to which a link can lead; more are not remembered.
pub(super) const MOST_CONTACTS: usize = 250_000_000;

/// A contact with the id of its chain and a link to the next older one, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContactSlot([u8; BYTES]);

impl Slot for ContactSlot {
    const EMPTY: Self = Self([0; BYTES]);
    const BYTES: usize = BYTES;

    #[inline]
    fn is_occupied(&self) -> bool {
        self.state() >> LINK_SHIFT != 0
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    #[inline]
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.as_array().copied().map(Self)
    }

    fn renumbered(&self, numbers: &RouteNumbers) -> Self {
        let mut slot = *self;
        slot.set(ROUTE, number_of(numbers, self.route()).0.into());
        slot
    }
}

impl ContactSlot {
    /// The contact in its bytes, without a link. Moments of the years 1970 to 9999 come back as they
    /// are, which is all that decoding lets through; of others the rest is lost.
    #[inline]
    pub(super) fn pack(chain: IdHash, contact: &Contact) -> Self {
        let mut slot = Self::EMPTY;
        slot.0[CHAIN.0..CHAIN.0 + CHAIN.1].copy_from_slice(&chain.0.to_le_bytes()[..CHAIN.1]);
        slot.set_time(EVENT_TIME, contact.event_time);
        slot.set_time(START, contact.start);
        slot.set(XXH64, contact.tie.xxh64);
        slot.set(TIE_ID, contact.tie.id.into());
        slot.set(ROUTE, contact.route.0.into());
        let state = NO_LINK << LINK_SHIFT
            | if contact.failed { FAILED } else { 0 }
            | if contact.resolved { RESOLVED } else { 0 };
        slot.set(STATE, state.into());
        slot.set_written(contact);
        slot
    }

    /// Takes over what the chain writes of a contact.
    #[inline]
    pub(super) fn set_written(&mut self, contact: &Contact) {
        self.set_time(EPISODE_START, contact.episode_start);
        self.set_flag(FIRST, contact.first);
    }

    /// The contact; what was never packed reads as anything.
    #[inline]
    pub(super) fn contact(&self) -> Contact {
        let state = self.state();
        Contact {
            event_time: self.event_time(),
            tie: self.tie(),
            start: self.time(START),
            route: self.route(),
            failed: state & FAILED != 0,
            resolved: state & RESOLVED != 0,
            first: state & FIRST != 0,
            episode_start: self.time(EPISODE_START),
        }
    }

    /// The chain of the contact.
    #[inline]
    pub(super) fn chain(&self) -> IdHash {
        let low = u64::from_le_bytes(self.part(CHAIN.0));
        let high = u16::from_le_bytes(self.part(CHAIN.0 + 8));
        IdHash(u128::from(high) << 64 | u128::from(low))
    }

    #[inline]
    pub(super) fn event_time(&self) -> Timestamp {
        self.time(EVENT_TIME)
    }

    /// See [`Contact::order`].
    #[inline]
    pub(super) fn order(&self) -> (Timestamp, Tie) {
        (self.event_time(), self.tie())
    }

    #[inline]
    fn tie(&self) -> Tie {
        Tie {
            xxh64: self.get(XXH64),
            id: u32::try_from(self.get(TIE_ID)).unwrap_or(0),
        }
    }

    #[inline]
    pub(super) fn route(&self) -> RouteId {
        RouteId(u32::from_le_bytes(self.part(ROUTE.0)))
    }

    /// Whether it is the newest contact of its chain, by which that is found.
    #[inline]
    pub(super) fn is_newest(&self) -> bool {
        self.state() & NEWEST != 0
    }

    #[inline]
    pub(super) fn set_newest(&mut self, is_newest: bool) {
        self.set_flag(NEWEST, is_newest);
    }

    /// Where the next older contact of the chain is, or was before it was forgotten.
    #[inline]
    pub(super) fn older(&self) -> Option<Place> {
        (self.state() >> LINK_SHIFT).checked_sub(FIRST_LINK)
    }

    #[inline]
    pub(super) fn set_older(&mut self, older: Option<Place>) {
        let most = u32::MAX >> LINK_SHIFT;
        let older = older.filter(|place| *place <= most - FIRST_LINK);
        let link = older.map_or(NO_LINK, |place| place + FIRST_LINK);
        let flags = self.state() & ((1 << LINK_SHIFT) - 1);
        self.set(STATE, (link << LINK_SHIFT | flags).into());
    }

    #[inline]
    fn state(&self) -> u32 {
        u32::from_le_bytes(self.part(STATE.0))
    }

    #[inline]
    fn set_flag(&mut self, flag: u32, is_set: bool) {
        let others = self.state() & !flag;
        self.set(STATE, (others | if is_set { flag } else { 0 }).into());
    }

    #[inline]
    fn set(&mut self, (from, length): Field, value: u64) {
        self.0[from..from + length].copy_from_slice(&value.to_le_bytes()[..length]);
    }

    /// A field of at most eight bytes, none of them among the first ten.
    #[inline]
    fn get(&self, (from, length): Field) -> u64 {
        // One load that ends where the field does.
        u64::from_le_bytes(self.part(from + length - 8)) >> (64 - 8 * length)
    }

    #[inline]
    fn part<const COUNT: usize>(&self, from: usize) -> [u8; COUNT] {
        let mut bytes = [0; COUNT];
        bytes.copy_from_slice(&self.0[from..from + COUNT]);
        bytes
    }

    #[inline]
    fn set_time(&mut self, field: Field, moment: Timestamp) {
        self.set(field, moment.as_millis().cast_unsigned());
    }

    #[inline]
    fn time(&self, field: Field) -> Timestamp {
        Timestamp::from_millis(self.get(field).cast_signed())
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
            older in any::<Option<u16>>(),
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
            let older = older.map(Place::from);
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
