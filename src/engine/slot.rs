//! A ledger entry in as few bytes as it takes: tens of millions of them may be remembered, and a
//! cache line that need not be fetched is the fastest one.

use super::capture::{RouteNumbers, number_of};
use super::ledger::{Body, Entry, InteractionBody, SurveyBody};
use super::routes::RouteId;
use super::slab;
use crate::event::IdHash;
use crate::time::Timestamp;

/// Bytes of a slot.
const BYTES: usize = 72;

/// A field: where it begins and how many bytes it has, little-endian.
type Field = (usize, usize);

const ID: Field = (0, 12);
/// Chain of an interaction, or the interaction a survey joins.
const LINK: Field = (12, 12);
const EVENT_TIME: Field = (24, 7);
const VERSION_TIME: Field = (31, 7);
const ORDER: Field = (38, 6);
const CONTENT: Field = (44, 8);
const ROUTE: Field = (52, 4);
const WAIT: Field = (56, 6);
const HANDLE: Field = (62, 6);
const OWN_ROUTE: Field = (56, 4);
const CSAT: Field = (60, 4);
const CES: Field = (64, 4);
const NPS: Field = (68, 1);
const FLAGS: Field = (69, 2);

const OCCUPIED: u16 = 1;
const EXCLUDED: u16 = 1 << 1;
const COUNTED: u16 = 1 << 2;
const SURVEY: u16 = 1 << 3;
const HAS_LINK: u16 = 1 << 4;
const HAS_RESOLVED: u16 = 1 << 5;
const RESOLVED: u16 = 1 << 6;
const INBOUND: u16 = 1 << 7;
const ABANDONED: u16 = 1 << 8;
const TRANSFERRED: u16 = 1 << 9;
const HAS_WAIT: u16 = 1 << 10;
const HAS_HANDLE: u16 = 1 << 11;
const HAS_CSAT: u16 = 1 << 12;
const HAS_CES: u16 = 1 << 13;
const HAS_NPS: u16 = 1 << 14;

/// An entry with its id, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot([u8; BYTES]);

impl slab::Slot for Slot {
    const EMPTY: Self = Self([0; BYTES]);

    #[inline]
    fn is_occupied(&self) -> bool {
        self.has(OCCUPIED)
    }

    fn write(&self, numbers: &RouteNumbers, bytes: &mut Vec<u8>) {
        let mut slot = *self;
        slot.set_route(number_of(numbers, RouteId(self.low(ROUTE))));
        if self.is_survey() {
            let own_route = number_of(numbers, RouteId(self.low(OWN_ROUTE)));
            slot.set(OWN_ROUTE, u64::from(own_route.0));
        }
        bytes.extend_from_slice(&slot.0);
    }
}

impl Slot {
    /// The captured slots in `bytes`, which hold whole ones and nothing else; `None` otherwise.
    pub(super) fn read_all(bytes: &[u8]) -> Option<impl Iterator<Item = Self>> {
        let (slots, rest) = bytes.as_chunks();
        rest.is_empty().then(|| slots.iter().copied().map(Self))
    }

    /// The entry in its bytes. Moments of the years 1970 to 9999, durations below 2^48 ms and the
    /// first 2^48 events of a stream come back as they are, which is all that decoding lets through;
    /// of what is larger the rest is lost.
    pub(super) fn pack(id: IdHash, entry: &Entry) -> Self {
        let mut slot = <Self as slab::Slot>::EMPTY;
        let mut flags = OCCUPIED | flag(entry.excluded, EXCLUDED) | flag(entry.counted, COUNTED);
        slot.set_wide(ID, id.0);
        slot.set_time(EVENT_TIME, entry.event_time);
        slot.set_time(VERSION_TIME, entry.version_time);
        slot.set(ORDER, entry.order);
        slot.set(CONTENT, entry.content);
        slot.set(ROUTE, u64::from(entry.route.0));
        match &entry.body {
            Body::Interaction(body) => {
                flags |= flag(body.inbound, INBOUND)
                    | flag(body.abandoned, ABANDONED)
                    | flag(body.transferred, TRANSFERRED)
                    | answer(body.resolved)
                    | flag(body.chain.is_some(), HAS_LINK)
                    | flag(body.wait_ms.is_some(), HAS_WAIT)
                    | flag(body.handle_ms.is_some(), HAS_HANDLE);
                slot.set_wide(LINK, body.chain.unwrap_or_default().0);
                slot.set(WAIT, body.wait_ms.unwrap_or(0));
                slot.set(HANDLE, body.handle_ms.unwrap_or(0));
            }
            Body::Survey(body) => {
                flags |= SURVEY
                    | answer(body.resolved)
                    | flag(body.joins.is_some(), HAS_LINK)
                    | flag(body.csat_milli.is_some(), HAS_CSAT)
                    | flag(body.ces_milli.is_some(), HAS_CES)
                    | flag(body.nps.is_some(), HAS_NPS);
                slot.set_wide(LINK, body.joins.unwrap_or_default().0);
                slot.set(OWN_ROUTE, u64::from(body.own_route.0));
                slot.set_score(CSAT, body.csat_milli);
                slot.set_score(CES, body.ces_milli);
                slot.set(NPS, u64::from(body.nps.unwrap_or(0)));
            }
        }
        slot.set(FLAGS, u64::from(flags));
        slot
    }

    /// The entry; what was never packed reads as anything.
    pub(super) fn entry(&self) -> Entry {
        let body = if self.has(SURVEY) {
            Body::Survey(SurveyBody {
                joins: self.joins(),
                own_route: RouteId(self.low(OWN_ROUTE)),
                csat_milli: self.has(HAS_CSAT).then(|| self.low(CSAT).cast_signed()),
                ces_milli: self.has(HAS_CES).then(|| self.low(CES).cast_signed()),
                nps: self.has(HAS_NPS).then_some(self.0[NPS.0]),
                resolved: self.has(HAS_RESOLVED).then(|| self.has(RESOLVED)),
            })
        } else {
            Body::Interaction(InteractionBody {
                chain: self.link(),
                inbound: self.has(INBOUND),
                abandoned: self.has(ABANDONED),
                transferred: self.has(TRANSFERRED),
                resolved: self.has(HAS_RESOLVED).then(|| self.has(RESOLVED)),
                wait_ms: self.has(HAS_WAIT).then(|| self.get(WAIT)),
                handle_ms: self.has(HAS_HANDLE).then(|| self.get(HANDLE)),
            })
        };
        Entry {
            event_time: self.event_time(),
            version_time: self.time(VERSION_TIME),
            order: self.get(ORDER),
            content: self.get(CONTENT),
            excluded: self.has(EXCLUDED),
            counted: self.has(COUNTED),
            route: RouteId(self.low(ROUTE)),
            body,
        }
    }

    #[inline]
    pub(super) fn id(&self) -> IdHash {
        IdHash(self.get_wide(ID))
    }

    #[inline]
    pub(super) fn event_time(&self) -> Timestamp {
        self.time(EVENT_TIME)
    }

    /// Whether it is a survey.
    #[inline]
    pub(super) fn is_survey(&self) -> bool {
        self.has(SURVEY)
    }

    /// The interaction that a survey takes dimensions from.
    #[inline]
    pub(super) fn joins(&self) -> Option<IdHash> {
        self.link().filter(|_| self.has(SURVEY))
    }

    pub(super) fn set_route(&mut self, route: RouteId) {
        self.set(ROUTE, u64::from(route.0));
    }

    pub(super) fn set_order(&mut self, order: u64) {
        self.set(ORDER, order);
    }

    #[inline]
    fn link(&self) -> Option<IdHash> {
        self.has(HAS_LINK).then(|| IdHash(self.get_wide(LINK)))
    }

    #[inline]
    fn has(&self, flag: u16) -> bool {
        u16::from_le_bytes(self.bytes(FLAGS.0)) & flag != 0
    }

    fn set(&mut self, (from, length): Field, value: u64) {
        self.0[from..from + length].copy_from_slice(&value.to_le_bytes()[..length]);
    }

    #[inline]
    fn get(&self, (from, length): Field) -> u64 {
        // Lengths that the compiler knows make loads of these, and calls of a copying routine
        // otherwise.
        match length {
            4 => u64::from(self.low((from, length))),
            6 => pair(
                self.bytes(from),
                u16::from_le_bytes(self.bytes(from + 4)).into(),
            ),
            7 => pair(self.bytes(from), {
                let [low, high, last] = self.bytes(from + 4);
                u32::from_le_bytes([low, high, last, 0])
            }),
            8 => u64::from_le_bytes(self.bytes(from)),
            _ => {
                let mut bytes = [0; 8];
                bytes[..length].copy_from_slice(&self.0[from..from + length]);
                u64::from_le_bytes(bytes)
            }
        }
    }

    /// A field of four bytes.
    #[inline]
    fn low(&self, (from, _): Field) -> u32 {
        u32::from_le_bytes(self.bytes(from))
    }

    #[inline]
    fn bytes<const COUNT: usize>(&self, from: usize) -> [u8; COUNT] {
        let mut bytes = [0; COUNT];
        bytes.copy_from_slice(&self.0[from..from + COUNT]);
        bytes
    }

    fn set_wide(&mut self, (from, length): Field, value: u128) {
        self.0[from..from + length].copy_from_slice(&value.to_le_bytes()[..length]);
    }

    /// A field of twelve bytes.
    #[inline]
    fn get_wide(&self, (from, _): Field) -> u128 {
        let low = u64::from_le_bytes(self.bytes(from));
        let high = u32::from_le_bytes(self.bytes(from + 8));
        u128::from(high) << 64 | u128::from(low)
    }

    fn set_score(&mut self, field: Field, score: Option<i32>) {
        self.set(field, u64::from(score.unwrap_or(0).cast_unsigned()));
    }

    fn set_time(&mut self, field: Field, moment: Timestamp) {
        self.set(field, moment.as_millis().cast_unsigned());
    }

    #[inline]
    fn time(&self, field: Field) -> Timestamp {
        let unused = 64 - 8 * field.1;
        // The sign comes back.
        Timestamp::from_millis((self.get(field) << unused).cast_signed() >> unused)
    }
}

/// A number of four bytes and what stands above them.
#[inline]
fn pair(low: [u8; 4], high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(u32::from_le_bytes(low))
}

fn flag(is_set: bool, flag: u16) -> u16 {
    if is_set { flag } else { 0 }
}

fn answer(resolved: Option<bool>) -> u16 {
    flag(resolved.is_some(), HAS_RESOLVED) | flag(resolved == Some(true), RESOLVED)
}

#[cfg(test)]
mod tests {
    use proptest::option::of;
    use proptest::prelude::*;

    use super::*;
    use crate::engine::slab::Slot as _;

    fn id() -> impl Strategy<Value = IdHash> {
        any::<u128>().prop_map(|id| IdHash(id & IdHash::MASK))
    }

    fn body() -> impl Strategy<Value = Body> {
        let duration = 0_u64..1 << 48;
        let interaction = (
            of(id()),
            any::<[bool; 3]>(),
            any::<Option<bool>>(),
            of(duration.clone()),
            of(duration),
        )
            .prop_map(|(chain, flags, resolved, wait_ms, handle_ms)| {
                Body::Interaction(InteractionBody {
                    chain,
                    inbound: flags[0],
                    abandoned: flags[1],
                    transferred: flags[2],
                    resolved,
                    wait_ms,
                    handle_ms,
                })
            });
        let survey = (
            of(id()),
            any::<u32>(),
            any::<[Option<i32>; 2]>(),
            any::<Option<u8>>(),
            any::<Option<bool>>(),
        )
            .prop_map(|(joins, own_route, scores, nps, resolved)| {
                Body::Survey(SurveyBody {
                    joins,
                    own_route: RouteId(own_route),
                    csat_milli: scores[0],
                    ces_milli: scores[1],
                    nps,
                    resolved,
                })
            });
        prop_oneof![interaction, survey]
    }

    proptest! {
        #[test]
        fn entries_come_back(
            id in id(),
            times in any::<[i64; 2]>(),
            numbers in any::<[u64; 2]>(),
            flags in any::<[bool; 2]>(),
            route in any::<[u32; 2]>(),
            body in body(),
        ) {
            let times = times.map(|time| Timestamp::from_millis(time >> 8));
            let mut entry = Entry {
                event_time: times[0],
                version_time: times[1],
                order: numbers[0] >> 16,
                content: numbers[1],
                excluded: flags[0],
                counted: flags[1],
                route: RouteId(route[0]),
                body,
            };
            let mut slot = Slot::pack(id, &entry);
            prop_assert_eq!(slot.id(), id);
            prop_assert!(slot.is_occupied());
            prop_assert_eq!(&slot.entry(), &entry);
            entry.route = RouteId(route[1]);
            entry.order /= 2;
            slot.set_route(entry.route);
            slot.set_order(entry.order);
            prop_assert_eq!(slot.entry(), entry);
        }
    }
}
