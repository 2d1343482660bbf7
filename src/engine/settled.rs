//! A contact that can neither go nor be corrected any more, in half the bytes: no ledger entry leads to it,
//! and whatever still comes in comes behind it. Nothing more is asked of it than what becomes of it when a
//! next one comes or goes: then it is the newest of its chain or not, and the last of its episode or not.

use super::capture::{RouteNumbers, number_of};
use super::contact::{Contact, ContactSlot, Kept, Tie};
use super::packed::{Field, Packed};
use super::routes::RouteId;
use super::slab::Slot;
use crate::event::IdHash;
use crate::time::Timestamp;

/// Bytes of a slot.
const BYTES: usize = 27;

const CHAIN: Field = (0, 10);
const EVENT_TIME: Field = (10, 6);
const EPISODE_START: Field = (16, 6);
const ROUTE: Field = (22, 4);
const STATE: Field = (26, 1);

const OCCUPIED: u64 = 1;
const FAILED: u64 = 1 << 1;
const RESOLVED: u64 = 1 << 2;
const FIRST: u64 = 1 << 3;
const NEWEST: u64 = 1 << 4;

/// A settled contact with the id of its chain, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SettledSlot(Packed<BYTES>);

impl Slot for SettledSlot {
    const EMPTY: Self = Self(Packed::EMPTY);
    const BYTES: usize = BYTES;

    #[inline]
    fn is_occupied(&self) -> bool {
        self.0.has(STATE, OCCUPIED)
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
        let route = number_of(numbers, self.route());
        slot.0.set(ROUTE, route.0.into());
        slot
    }
}

/// Of the contact its tie and its start are not kept: nobody asks for them any more.
impl Kept for SettledSlot {
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
        let event_time = self.event_time();
        Contact {
            event_time,
            tie: Tie::default(),
            start: event_time,
            route: self.route(),
            failed: self.0.has(STATE, FAILED),
            resolved: self.0.has(STATE, RESOLVED),
            first: self.0.has(STATE, FIRST),
            episode_start: self.0.time(EPISODE_START),
        }
    }

    #[inline]
    fn set_written(&mut self, contact: &Contact) {
        self.0.set_time(EPISODE_START, contact.episode_start);
        self.0.set_flag(STATE, FIRST, contact.first);
    }
}

impl SettledSlot {
    /// What is left of a contact.
    #[inline]
    pub(super) fn of(slot: &ContactSlot) -> Self {
        let contact = slot.contact();
        let mut settled = Self(Packed::EMPTY);
        settled.0.set_id(CHAIN, slot.chain());
        settled.0.set_time(EVENT_TIME, contact.event_time);
        settled.0.set(ROUTE, contact.route.0.into());
        settled.0.set_flag(STATE, OCCUPIED, true);
        settled.0.set_flag(STATE, FAILED, contact.failed);
        settled.0.set_flag(STATE, RESOLVED, contact.resolved);
        settled.0.set_flag(STATE, NEWEST, slot.is_newest());
        settled.set_written(&contact);
        settled
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What is asked of a settled contact is what it was.
        #[test]
        fn what_is_left_is_what_it_was(
            chain in any::<u128>(),
            times in any::<[u64; 3]>(),
            route in any::<u32>(),
            flags in any::<[bool; 4]>(),
        ) {
            let chain = IdHash(chain & IdHash::MASK);
            let [event_time, start, episode_start] =
                times.map(|time| Timestamp::from_millis((time >> 16).cast_signed()));
            let mut contact = Contact {
                event_time,
                tie: Tie::of(7, IdHash(9)),
                start,
                route: RouteId(route),
                failed: flags[0],
                resolved: flags[1],
                first: flags[2],
                episode_start,
            };
            let mut recent = ContactSlot::pack(chain, &contact);
            recent.set_newest(flags[3]);
            let mut settled = SettledSlot::of(&recent);
            (contact.tie, contact.start) = (Tie::default(), event_time);
            prop_assert!(settled.is_occupied());
            prop_assert_eq!((settled.chain(), settled.contact()), (chain, contact));
            prop_assert_eq!(settled.is_newest(), flags[3]);
            contact.first = !contact.first;
            contact.episode_start = start;
            settled.set_written(&contact);
            settled.set_newest(!flags[3]);
            prop_assert_eq!((settled.chain(), settled.contact()), (chain, contact));
            prop_assert_eq!(settled.is_newest(), !flags[3]);
            prop_assert_eq!(SettledSlot::from_bytes(settled.bytes()), Some(settled));
        }
    }
}
