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
    /// The order of contacts in a chain.
    pub(super) fn order(&self) -> (Timestamp, u64, u64) {
        (self.event_time, self.tie, self.id)
    }
}

/// Bytes of a slot.
const BYTES: usize = 55;
/// Bytes of it that a capture keeps: all but the link, which restoring makes anew.
const CAPTURED_BYTES: usize = OLDER.0;

/// A field: where it begins and how many bytes it has, little-endian.
type Field = (usize, usize);

const CHAIN: Field = (0, 12);
const EVENT_TIME: Field = (12, 6);
const START: Field = (18, 6);
const EPISODE_START: Field = (24, 6);
const TIE: Field = (30, 8);
const ID: Field = (38, 8);
const ROUTE: Field = (46, 4);
const FLAGS: usize = 50;
/// The next older contact of the chain, one more than its place; 0 for none.
const OLDER: Field = (51, 4);

const OCCUPIED: u8 = 1;
const FAILED: u8 = 1 << 1;
const RESOLVED: u8 = 1 << 2;
const FIRST: u8 = 1 << 3;

/// A contact with the id of its chain and a link to the next older one, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContactSlot([u8; BYTES]);

impl Slot for ContactSlot {
    const EMPTY: Self = Self([0; BYTES]);

    #[inline]
    fn is_occupied(&self) -> bool {
        self.0[FLAGS] & OCCUPIED != 0
    }

    fn write(&self, numbers: &RouteNumbers, bytes: &mut Vec<u8>) {
        let mut slot = *self;
        slot.set_route(number_of(numbers, self.route()));
        bytes.extend_from_slice(&slot.0[..CAPTURED_BYTES]);
    }
}

impl ContactSlot {
    /// The contact in its bytes, without a link. Moments of the years 1970 to 9999 come back as they
    /// are, which is all that decoding lets through; of others the rest is lost.
    pub(super) fn pack(chain: IdHash, contact: &Contact) -> Self {
        let mut slot = Self::EMPTY;
        slot.0[CHAIN.0..CHAIN.0 + CHAIN.1].copy_from_slice(&chain.0.to_le_bytes()[..CHAIN.1]);
        slot.set_time(EVENT_TIME, contact.event_time);
        slot.set_time(START, contact.start);
        slot.set(TIE, contact.tie);
        slot.set(ID, contact.id);
        slot.set_route(contact.route);
        slot.0[FLAGS] = OCCUPIED
            | if contact.failed { FAILED } else { 0 }
            | if contact.resolved { RESOLVED } else { 0 };
        slot.set_written(contact);
        slot
    }

    /// Takes over what the chain writes of a contact.
    pub(super) fn set_written(&mut self, contact: &Contact) {
        self.set_time(EPISODE_START, contact.episode_start);
        self.0[FLAGS] &= !FIRST;
        self.0[FLAGS] |= if contact.first { FIRST } else { 0 };
    }

    /// The contact; what was never packed reads as anything.
    #[inline]
    pub(super) fn contact(&self) -> Contact {
        let has = |flag| self.0[FLAGS] & flag != 0;
        Contact {
            event_time: self.event_time(),
            tie: u64::from_le_bytes(self.bytes(TIE.0)),
            id: u64::from_le_bytes(self.bytes(ID.0)),
            start: self.time(START),
            route: self.route(),
            failed: has(FAILED),
            resolved: has(RESOLVED),
            first: has(FIRST),
            episode_start: self.time(EPISODE_START),
        }
    }

    /// The captured slots in `bytes`, which hold whole ones and nothing else; `None` otherwise.
    pub(super) fn read_all(bytes: &[u8]) -> Option<impl Iterator<Item = Self>> {
        let (slots, rest) = bytes.as_chunks::<CAPTURED_BYTES>();
        rest.is_empty().then(|| {
            slots.iter().map(|captured| {
                let mut slot = Self::EMPTY;
                slot.0[..CAPTURED_BYTES].copy_from_slice(captured);
                slot
            })
        })
    }

    /// The chain of the contact.
    #[inline]
    pub(super) fn chain(&self) -> IdHash {
        let low = u64::from_le_bytes(self.bytes(CHAIN.0));
        let high = u32::from_le_bytes(self.bytes(CHAIN.0 + 8));
        IdHash(u128::from(high) << 64 | u128::from(low))
    }

    #[inline]
    pub(super) fn event_time(&self) -> Timestamp {
        self.time(EVENT_TIME)
    }

    #[inline]
    pub(super) fn route(&self) -> RouteId {
        RouteId(u32::from_le_bytes(self.bytes(ROUTE.0)))
    }

    /// Where the next older contact of the chain is, or was before it was forgotten.
    #[inline]
    pub(super) fn older(&self) -> Option<Place> {
        u32::from_le_bytes(self.bytes(OLDER.0)).checked_sub(1)
    }

    pub(super) fn set_older(&mut self, older: Option<Place>) {
        self.set(OLDER, older.map_or(0, |place| u64::from(place) + 1));
    }

    fn set_route(&mut self, route: RouteId) {
        self.set(ROUTE, u64::from(route.0));
    }

    fn set(&mut self, (from, length): Field, value: u64) {
        self.0[from..from + length].copy_from_slice(&value.to_le_bytes()[..length]);
    }

    #[inline]
    fn bytes<const COUNT: usize>(&self, from: usize) -> [u8; COUNT] {
        let mut bytes = [0; COUNT];
        bytes.copy_from_slice(&self.0[from..from + COUNT]);
        bytes
    }

    fn set_time(&mut self, field: Field, moment: Timestamp) {
        self.set(field, moment.as_millis().cast_unsigned());
    }

    #[inline]
    fn time(&self, (from, _): Field) -> Timestamp {
        let low = u32::from_le_bytes(self.bytes(from));
        let high = u16::from_le_bytes(self.bytes(from + 4));
        Timestamp::from_millis(i64::from(high) << 32 | i64::from(low))
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
            numbers in any::<[u64; 2]>(),
            route in any::<u32>(),
            flags in any::<[bool; 3]>(),
            older in any::<Option<u16>>(),
        ) {
            let chain = IdHash(chain & IdHash::MASK);
            let [event_time, start, episode_start] =
                times.map(|time| Timestamp::from_millis((time >> 16).cast_signed()));
            let mut contact = Contact {
                event_time,
                tie: numbers[0],
                id: numbers[1],
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
            let mut bytes = Vec::new();
            slot.write(&std::sync::Arc::new(Vec::new()), &mut bytes);
            let read: Vec<ContactSlot> = ContactSlot::read_all(&bytes).unwrap().collect();
            slot.set_older(None);
            slot.set_route(RouteId(u32::MAX));
            prop_assert_eq!(read, vec![slot]);
        }
    }
}
