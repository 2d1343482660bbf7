//! A ledger entry in as few bytes as it takes: tens of millions of them may be remembered, and a
//! cache line that need not be fetched is the fastest one.

use super::capture::{RouteNumbers, number_of};
use super::ledger::{Body, Entry, InteractionBody, SurveyBody};
use super::packed::{Field, Packed};
use super::routes::RouteId;
use super::slab;
use crate::event::IdHash;
use crate::time::Timestamp;

/// Bytes of a slot.
const BYTES: usize = 61;

const ID: Field = (0, 10);
const EVENT_TIME: Field = (10, 6);
/// Chain of an interaction, or the interaction a survey joins.
const LINK: Field = (16, 10);
const VERSION_TIME: Field = (26, 6);
const ROUTE: Field = (32, 4);
const FLAGS: Field = (36, 2);
const ORDER: Field = (38, 6);
const CONTENT: Field = (44, 5);
const WAIT: Field = (49, 5);
const HANDLE: Field = (54, 6);
const OWN_ROUTE: Field = (49, 4);
const CSAT: Field = (53, 4);
const CES: Field = (57, 4);

/// What is kept of the hash of a record's content. It tells versions of one record apart that have the
/// same version time: among a hundred thousand changed ones one is taken for equal with a probability of
/// less than 10^-7.
pub(super) const CONTENT_MASK: u64 = (1 << 40) - 1;

const OCCUPIED: u16 = 1;
const EXCLUDED: u16 = 1 << 1;
const COUNTED: u16 = 1 << 2;
const SURVEY: u16 = 1 << 3;
const HAS_LINK: u16 = 1 << 4;
const HAS_RESOLVED: u16 = 1 << 5;
const RESOLVED: u16 = 1 << 6;
// Of interactions.
const INBOUND: u16 = 1 << 7;
const ABANDONED: u16 = 1 << 8;
const TRANSFERRED: u16 = 1 << 9;
const HAS_WAIT: u16 = 1 << 10;
const HAS_HANDLE: u16 = 1 << 11;
// Of surveys.
const HAS_CSAT: u16 = 1 << 7;
const HAS_CES: u16 = 1 << 8;
const HAS_NPS: u16 = 1 << 9;
/// The answer, 0 to 10, in the bits from here on.
const NPS_SHIFT: u32 = 10;
const NPS_MASK: u16 = 0xF;

/// An entry with its id, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(Packed<BYTES>);

impl slab::Slot for Slot {
    const EMPTY: Self = Self(Packed::EMPTY);
    const BYTES: usize = BYTES;

    #[inline]
    fn is_occupied(&self) -> bool {
        self.has(OCCUPIED)
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
        slot.set_route(number_of(numbers, self.route()));
        if let Some(own_route) = self.own_route() {
            slot.0
                .set(OWN_ROUTE, number_of(numbers, own_route).0.into());
        }
        slot
    }
}

impl Slot {
    /// The entry in its bytes. Moments of the years 1970 to 9999, waits below 2^40 ms, handle times
    /// below 2^48 ms, answers of 0 to 10 and the first 2^48 events of a stream come back as they are,
    /// which is all that decoding lets through; of what is larger the rest is lost. Of the content's
    /// hash [`CONTENT_MASK`] is kept.
    #[inline]
    pub(super) fn pack(id: IdHash, entry: &Entry) -> Self {
        let mut slot = <Self as slab::Slot>::EMPTY;
        let mut flags = OCCUPIED | flag(entry.excluded, EXCLUDED) | flag(entry.counted, COUNTED);
        slot.0.set_id(ID, id);
        slot.0.set_time(EVENT_TIME, entry.event_time);
        slot.0.set_time(VERSION_TIME, entry.version_time);
        slot.0.set(ORDER, entry.order);
        slot.0.set(CONTENT, entry.content);
        slot.0.set(ROUTE, entry.route.0.into());
        match &entry.body {
            Body::Interaction(body) => {
                flags |= flag(body.inbound, INBOUND)
                    | flag(body.abandoned, ABANDONED)
                    | flag(body.transferred, TRANSFERRED)
                    | answer(body.resolved)
                    | flag(body.chain.is_some(), HAS_LINK)
                    | flag(body.wait_ms.is_some(), HAS_WAIT)
                    | flag(body.handle_ms.is_some(), HAS_HANDLE);
                slot.0.set_id(LINK, body.chain.unwrap_or_default());
                slot.0.set(WAIT, body.wait_ms.unwrap_or(0));
                slot.0.set(HANDLE, body.handle_ms.unwrap_or(0));
            }
            Body::Survey(body) => {
                flags |= SURVEY
                    | answer(body.resolved)
                    | flag(body.joins.is_some(), HAS_LINK)
                    | flag(body.csat_milli.is_some(), HAS_CSAT)
                    | flag(body.ces_milli.is_some(), HAS_CES)
                    | flag(body.nps.is_some(), HAS_NPS)
                    | (u16::from(body.nps.unwrap_or(0)) & NPS_MASK) << NPS_SHIFT;
                slot.0.set_id(LINK, body.joins.unwrap_or_default());
                slot.0.set(OWN_ROUTE, body.own_route.0.into());
                slot.set_score(CSAT, body.csat_milli);
                slot.set_score(CES, body.ces_milli);
            }
        }
        slot.0.set(FLAGS, flags.into());
        slot
    }

    /// The entry; what was never packed reads as anything.
    pub(super) fn entry(&self) -> Entry {
        let flags = self.flags();
        let has = |flag| flags & flag != 0;
        let resolved = has(HAS_RESOLVED).then(|| has(RESOLVED));
        let body = if has(SURVEY) {
            let nps = (flags >> NPS_SHIFT & NPS_MASK).to_le_bytes()[0];
            Body::Survey(SurveyBody {
                joins: self.link(),
                own_route: RouteId(self.0.low(OWN_ROUTE)),
                csat_milli: has(HAS_CSAT).then(|| self.0.low(CSAT).cast_signed()),
                ces_milli: has(HAS_CES).then(|| self.0.low(CES).cast_signed()),
                nps: has(HAS_NPS).then_some(nps),
                resolved,
            })
        } else {
            Body::Interaction(InteractionBody {
                chain: self.link(),
                inbound: has(INBOUND),
                abandoned: has(ABANDONED),
                transferred: has(TRANSFERRED),
                resolved,
                wait_ms: has(HAS_WAIT).then(|| self.0.get(WAIT)),
                handle_ms: has(HAS_HANDLE).then(|| self.0.get(HANDLE)),
            })
        };
        Entry {
            event_time: self.event_time(),
            version_time: self.0.time(VERSION_TIME),
            order: self.0.get(ORDER),
            content: self.0.get(CONTENT),
            excluded: has(EXCLUDED),
            counted: has(COUNTED),
            route: self.route(),
            body,
        }
    }

    /// Whether it is what [`Slot::pack`] makes of an entry: of restored bytes nothing else is taken.
    #[inline]
    pub(super) fn is_packed(&self) -> bool {
        let flags = self.flags();
        let has = |flag| flags & flag != 0;
        let common = has(OCCUPIED)
            && (has(HAS_RESOLVED) || !has(RESOLVED))
            && (has(HAS_LINK) || self.0.id(LINK) == IdHash::default());
        let body = if has(SURVEY) {
            flags >> NPS_SHIFT <= NPS_MASK
                && (has(HAS_NPS) || flags >> NPS_SHIFT == 0)
                && (has(HAS_CSAT) || self.0.low(CSAT) == 0)
                && (has(HAS_CES) || self.0.low(CES) == 0)
        } else {
            flags < HAS_HANDLE << 1
                && (has(HAS_WAIT) || self.0.get(WAIT) == 0)
                && (has(HAS_HANDLE) || self.0.get(HANDLE) == 0)
                && self.0.0[HANDLE.0 + HANDLE.1..] == [0]
        };
        common && body
    }

    #[inline]
    pub(super) fn id(&self) -> IdHash {
        self.0.id(ID)
    }

    #[inline]
    pub(super) fn event_time(&self) -> Timestamp {
        self.0.time(EVENT_TIME)
    }

    /// Whether it is a survey.
    #[inline]
    pub(super) fn is_survey(&self) -> bool {
        self.has(SURVEY)
    }

    /// The interaction that a survey takes dimensions from.
    #[inline]
    pub(super) fn joins(&self) -> Option<IdHash> {
        self.link().filter(|_| self.is_survey())
    }

    #[inline]
    pub(super) fn route(&self) -> RouteId {
        RouteId(self.0.low(ROUTE))
    }

    /// The route of a survey before the join.
    #[inline]
    pub(super) fn own_route(&self) -> Option<RouteId> {
        self.is_survey().then(|| RouteId(self.0.low(OWN_ROUTE)))
    }

    pub(super) fn set_route(&mut self, route: RouteId) {
        self.0.set(ROUTE, route.0.into());
    }

    pub(super) fn set_order(&mut self, order: u64) {
        self.0.set(ORDER, order);
    }

    #[inline]
    fn link(&self) -> Option<IdHash> {
        self.has(HAS_LINK).then(|| self.0.id(LINK))
    }

    #[inline]
    fn flags(&self) -> u16 {
        u16::from_le_bytes(self.0.part(FLAGS.0))
    }

    #[inline]
    fn has(&self, flag: u16) -> bool {
        self.flags() & flag != 0
    }

    #[inline]
    fn set_score(&mut self, field: Field, score: Option<i32>) {
        self.0.set(field, score.unwrap_or(0).cast_unsigned().into());
    }
}

#[inline]
fn flag(is_set: bool, flag: u16) -> u16 {
    if is_set { flag } else { 0 }
}

#[inline]
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
        let interaction = (
            of(id()),
            any::<[bool; 3]>(),
            any::<Option<bool>>(),
            of(0_u64..1 << 40),
            of(0_u64..1 << 48),
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
            of(0_u8..=10),
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
            times in any::<[u64; 2]>(),
            numbers in any::<[u64; 2]>(),
            flags in any::<[bool; 2]>(),
            route in any::<[u32; 2]>(),
            body in body(),
        ) {
            let times = times.map(|time| Timestamp::from_millis((time >> 16).cast_signed()));
            let mut entry = Entry {
                event_time: times[0],
                version_time: times[1],
                order: numbers[0] >> 16,
                content: numbers[1] & CONTENT_MASK,
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
            prop_assert!(slot.is_packed());
            prop_assert_eq!(slot.entry(), entry);
        }

        /// Any bit may be another.
        #[test]
        fn what_was_never_packed_is_told(
            id in id(),
            route in any::<u32>(),
            body in body(),
            flips in proptest::collection::vec((FLAGS.0..BYTES, 0_u32..8), 0..4),
            cleared in 0..2_usize,
        ) {
            let entry = Entry {
                event_time: Timestamp::from_millis(1),
                version_time: Timestamp::from_millis(2),
                order: 3,
                content: 4,
                excluded: false,
                counted: true,
                route: RouteId(route),
                body,
            };
            let mut slot = Slot::pack(id, &entry);
            slot.0.0[LINK.0..LINK.0 + LINK.1 * cleared].fill(0);
            for (byte, bit) in flips {
                slot.0.0[byte] ^= 1 << bit;
            }
            let packed_again = Slot::pack(slot.id(), &slot.entry());
            prop_assert_eq!(slot.is_packed(), packed_again == slot);
        }
    }
}
