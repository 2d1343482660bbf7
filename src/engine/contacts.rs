//! Where contacts lie: those that may still change in slots with all there is of them, settled ones in
//! smaller slots of their own. A place says which.
//!
//! Each contact that may change knows the next older one of its chain. Of that one nobody hears when it
//! is forgotten: a link may lead to a place that is empty, or to what has been put there since, which is
//! never an older contact of the same chain (whoever comes in before a contact is linked to it anew).
//! Settled contacts know nothing of older ones: nobody goes past them.

use std::hint::black_box;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap};
use smallvec::SmallVec;

use super::capture::{RestoreError, RouteNumbers, SectionKind};
use super::contact::{Contact, ContactSlot, Kept};
use super::index::Index;
use super::long_chains::{Across, LongChains, Next, Order};
use super::routes::RouteId;
use super::settled::SettledSlot;
use super::slab::{Place, RUN, Slab, Slot as _};
use crate::event::IdHash;
use crate::time::Timestamp;

/// What the place of a settled contact has and that of another one does not.
const SETTLED: Place = 1 << 31;

/// So many places there are for contacts that may change, and for settled ones.
pub(super) const MOST_CONTACTS: usize = 1 << 31;

/// Contacts of a chain that are gone through for each that settles; of a longer way it is noted where it
/// led.
const SHORT_WAY: usize = 4;

/// For a chain the way from its newest contact to the first in the bucket that settles: the last contact
/// on it before that bucket, and the one in it.
type Ways = HashMap<IdHash, Across, DefaultHashBuilder>;

/// The last byte of a captured piece says what is in it.
const PIECE_OF_RECENT: u8 = 1;
const PIECE_OF_SETTLED: u8 = 2;

/// All contacts, by place and by the bucket of their event time.
#[derive(Debug)]
pub(super) struct Contacts {
    recent: Slab<ContactSlot>,
    settled: Slab<SettledSlot>,
    bucket_ms: i64,
    long: LongChains,
    /// Links that were followed.
    #[cfg(test)]
    pub(super) steps: std::cell::Cell<usize>,
}

/// A contact that was put back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Restored {
    pub(super) chain: IdHash,
    pub(super) route: RouteId,
    pub(super) is_newest: bool,
}

/// The number of a settled contact, if it is one.
#[inline]
fn settled_at(place: Place) -> Option<Place> {
    (place & SETTLED != 0).then_some(place & !SETTLED)
}

impl Contacts {
    /// None, in buckets of so many milliseconds.
    pub(super) fn new(bucket_ms: i64, horizon_ms: i64) -> Self {
        Self {
            recent: Slab::default(),
            settled: Slab::default(),
            bucket_ms,
            long: LongChains::new(horizon_ms),
            #[cfg(test)]
            steps: std::cell::Cell::default(),
        }
    }

    /// The contact at a place.
    #[inline]
    pub(super) fn at(&self, place: Place) -> Contact {
        match settled_at(place) {
            Some(place) => self.settled.at(place).contact(),
            None => self.recent.at(place).contact(),
        }
    }

    /// Its chain.
    #[inline]
    pub(super) fn chain_at(&self, place: Place) -> IdHash {
        match settled_at(place) {
            Some(place) => self.settled.at(place).chain(),
            None => self.recent.at(place).chain(),
        }
    }

    /// Brings it into the cache.
    #[inline]
    pub(super) fn touch(&self, place: Place) {
        _ = match settled_at(place) {
            Some(place) => black_box(self.settled.touch(place)),
            None => black_box(self.recent.touch(place)),
        };
    }

    /// The next older contact of the chain; `None` when there is none, or it has been forgotten, or
    /// nobody can ask for it any more.
    #[inline]
    pub(super) fn older(&self, place: Place) -> Option<Place> {
        if settled_at(place).is_some() {
            return None;
        }
        #[cfg(test)]
        self.steps.update(|steps| steps + 1);
        let slot = self.recent.at(place);
        let link = slot.older()?;
        let is_one = match settled_at(link) {
            Some(link) => self.settled.get(link).is_some_and(|older| {
                older.is_occupied()
                    && older.chain() == slot.chain()
                    && older.event_time() < slot.event_time()
            }),
            None => self.recent.get(link).is_some_and(|older| {
                older.is_occupied() && older.chain() == slot.chain() && older.order() < slot.order()
            }),
        };
        is_one.then_some(link)
    }

    fn bucket_of(&self, event_time: Timestamp) -> i64 {
        event_time.as_millis().div_euclid(self.bucket_ms)
    }

    /// Finds a place for a contact.
    #[inline]
    pub(super) fn put(
        &mut self,
        chain: IdHash,
        contact: &Contact,
        is_newest: bool,
        older: Option<Place>,
    ) -> Place {
        let mut slot = ContactSlot::pack(chain, contact);
        slot.set_newest(is_newest);
        slot.set_older(older);
        let place = self.recent.put(self.bucket_of(contact.event_time), slot);
        self.long.put(chain, contact.order(), place);
        place
    }

    /// Whether so many contacts of a chain are too many to go through for each change.
    #[inline]
    pub(super) fn is_long_way(&self, steps: usize) -> bool {
        self.long.is_long_way(steps)
    }

    /// Goes through a chain once, so that nobody has to any more.
    pub(super) fn note_long(&mut self, chain: IdHash, newest: Place) {
        let places = std::iter::successors(Some(newest), |place| self.older(*place));
        let recent = places.take_while(|place| settled_at(*place).is_none());
        let ordered = recent.map(|place| (self.recent.at(place).order(), place));
        let ordered = ordered.collect();
        self.long.note(chain, ordered);
    }

    /// Whether that has been done for a chain.
    #[inline]
    pub(super) fn is_noted(&self, chain: IdHash) -> bool {
        self.long.has(chain)
    }

    /// What a change of such a chain looks at from its place on; `None` when nothing is there.
    pub(super) fn next(&self, chain: IdHash, order: Order) -> Option<Next> {
        self.long.next(chain, order)
    }

    /// Whether a contact may still change.
    #[cfg(test)]
    pub(super) fn is_recent(&self, place: Place) -> bool {
        settled_at(place).is_none() && self.recent.at(place).is_occupied()
    }

    /// What is noted of long chains.
    #[cfg(test)]
    pub(super) fn long(&mut self) -> &mut LongChains {
        &mut self.long
    }

    /// Says whether it is the newest of its chain.
    #[inline]
    pub(super) fn set_newest(&mut self, place: Place, is_newest: bool) {
        match settled_at(place) {
            Some(place) => self.settled.change(place).set_newest(is_newest),
            None => self.recent.change(place).set_newest(is_newest),
        }
    }

    /// Says what comes before a contact that is not settled.
    pub(super) fn set_older(&mut self, place: Place, older: Option<Place>) {
        if settled_at(place).is_none() {
            self.recent.change(place).set_older(older);
        }
    }

    /// Writes down what has changed of a contact.
    pub(super) fn write(&mut self, place: Place, contact: &Contact) {
        if self.at(place) == *contact {
            return;
        }
        match settled_at(place) {
            Some(place) => self.settled.change(place).set_written(contact),
            None => self.recent.change(place).set_written(contact),
        }
    }

    /// Takes a contact that is not settled away.
    pub(super) fn vacate(&mut self, place: Place, event_time: Timestamp) {
        if settled_at(place).is_none() {
            let slot = self.recent.at(place);
            self.long.take(slot.chain(), slot.order());
            self.recent.vacate(self.bucket_of(event_time), place);
        }
    }

    /// Where the oldest bucket ends; `None` when there is none.
    #[inline]
    pub(super) fn oldest_until(&self) -> Option<Timestamp> {
        let first = match (self.settled.first_bucket(), self.recent.first_bucket()) {
            (Some(settled), Some(recent)) => settled.min(recent),
            (Some(first), None) | (None, Some(first)) => first,
            (None, None) => return None,
        };
        Some(self.end_of(first))
    }

    fn end_of(&self, bucket: i64) -> Timestamp {
        Timestamp::from_millis((bucket + 1).saturating_mul(self.bucket_ms))
    }

    /// Forgets all contacts of the oldest bucket. `newest` finds those that are the newest of their
    /// chains, and forgets them as well; where there is a newer one, the chain goes on without.
    pub(super) fn forget_oldest(&mut self, newest: &mut Index, mut forget: impl FnMut(RouteId)) {
        let oldest = self.oldest_until();
        let is_oldest = |first: Option<i64>| first.map(|first| self.end_of(first)) == oldest;
        let from_settled = is_oldest(self.settled.first_bucket());
        let from_recent = is_oldest(self.recent.first_bucket());
        if from_settled {
            let forget_slot = |slot: &SettledSlot| forget(slot.route());
            forget_first(&mut self.settled, SETTLED, newest, forget_slot);
        }
        if let (true, Some(until)) = (from_recent, oldest) {
            let long = &mut self.long;
            forget_first(&mut self.recent, 0, newest, |slot| {
                long.close(slot.chain(), until);
                forget(slot.route());
            });
        }
    }

    /// Settles the contacts of all buckets that end at `until` or before.
    pub(super) fn settle(&mut self, until: Timestamp, newest: &mut Index) {
        while let Some(bucket) = self.recent.first_bucket()
            && self.end_of(bucket) <= until
        {
            let mut ways = Ways::default();
            for run in self.recent.close_first() {
                self.settle_run(bucket, run, newest, &mut ways);
                self.recent.empty(run);
            }
        }
    }

    fn settle_run(&mut self, bucket: i64, run: u32, newest: &mut Index, ways: &mut Ways) {
        let (first, slots) = self.recent.run(run);
        let slots = (first..).zip(slots).filter(|(_, slot)| slot.is_occupied());
        let slots: SmallVec<[(Place, ContactSlot); RUN]> =
            slots.map(|(place, slot)| (place, *slot)).collect();
        // Far away are the index, and the contacts that came after one that is not the newest.
        for (_, slot) in &slots {
            black_box(newest.touch(slot.chain().low()));
        }
        for (_, slot) in &slots {
            black_box(newest.touch_behind(slot.chain().low()));
        }
        for (_, slot) in slots.iter().filter(|(_, slot)| !slot.is_newest()) {
            newest.each(slot.chain().low(), |place| self.touch(place));
        }
        for (place, slot) in slots {
            let settled = self.settled.put(bucket, SettledSlot::of(&slot)) | SETTLED;
            let chain = slot.chain();
            if !slot.is_newest() {
                if let Some((newer, into)) = self.way_into(bucket, chain, newest, ways)
                    && into == place
                {
                    self.set_older(newer, Some(settled));
                }
                continue;
            }
            // All of the chain has settled.
            self.long.close(chain, self.end_of(bucket));
            if let Some(spot) = newest.find(chain.low(), |other| other == place) {
                newest.set(spot, settled);
            }
        }
    }

    /// The way from the newest contact of a chain into the bucket that settles. Only the contact that it
    /// leads to is to be found from outside: those before it in the bucket settle with what leads to them.
    /// A chain may be very long, and have many contacts in the bucket: it is gone through once for them.
    fn way_into(&mut self, bucket: i64, chain: IdHash, newest: &Index, ways: &mut Ways) -> Across {
        if let Some(known) = ways.get(&chain) {
            return *known;
        }
        if self.is_noted(chain) {
            let way = self.long.close(chain, self.end_of(bucket));
            ways.insert(chain, way);
            return way;
        }
        let spot = newest.find(chain.low(), |other| self.chain_at(other) == chain);
        let first = newest.at(spot?);
        if self.is_in(bucket, first) {
            return None;
        }
        let mut newer = first;
        let mut steps = 0;
        let way = loop {
            let Some(older) = self.older(newer) else {
                break None;
            };
            if self.is_in(bucket, older) {
                break Some((newer, older));
            }
            newer = older;
            steps += 1;
            if self.is_long_way(steps) {
                // Or it would be gone through again for the next bucket.
                self.note_long(chain, first);
                return self.way_into(bucket, chain, newest, ways);
            }
        };
        if steps > SHORT_WAY {
            ways.insert(chain, way);
        }
        way
    }

    /// Whether a contact lies in a bucket.
    fn is_in(&self, bucket: i64, place: Place) -> bool {
        self.bucket_of(self.at(place).event_time) == bucket
    }

    /// The newest contact of each chain, by the hash that it is found by.
    pub(super) fn newest(&self) -> impl Iterator<Item = (u64, Place)> {
        newest_in(&self.recent, 0).chain(newest_in(&self.settled, SETTLED))
    }
}

/// Forgets the first bucket of contacts whose places have this mark.
fn forget_first<S: Kept>(
    slots: &mut Slab<S>,
    mark: Place,
    newest: &mut Index,
    mut forget: impl FnMut(&S),
) {
    slots.empty_first(
        newest,
        |newest, slot| {
            if slot.is_newest() {
                black_box(newest.touch(slot.chain().low()));
            }
        },
        |newest, slot| {
            if slot.is_newest() {
                black_box(newest.touch_behind(slot.chain().low()));
            }
        },
        |newest, place, slot| {
            if slot.is_newest() {
                newest.remove(slot.chain().low(), place | mark);
            }
            forget(slot);
        },
    );
}

/// The newest contacts of chains among those whose places have this mark.
fn newest_in<S: Kept>(slots: &Slab<S>, mark: Place) -> impl Iterator<Item = (u64, Place)> {
    let newest = slots.occupied().filter(|(_, slot)| slot.is_newest());
    newest.map(move |(place, slot)| (slot.chain().low(), place | mark))
}

/// Puts a captured piece back; see [`Contacts::restore`].
fn restore_piece<S: Kept>(
    slots: &mut Slab<S>,
    bytes: &[u8],
    bucket_ms: i64,
    mut admit: impl FnMut(Restored) -> Result<(), RestoreError>,
) -> Result<(), RestoreError> {
    let kind = SectionKind::Chains;
    slots.restore(kind, bytes, |slot| {
        if !slot.is_occupied() {
            return Err(RestoreError::Decode { kind });
        }
        admit(Restored {
            chain: slot.chain(),
            route: slot.route(),
            is_newest: slot.is_newest(),
        })?;
        Ok(slot.event_time().as_millis().div_euclid(bucket_ms))
    })
}

/// Capture and restore.
impl Contacts {
    /// Starts a capture of the present state.
    pub(super) fn begin_capture(&mut self, numbers: RouteNumbers) {
        self.settled.begin_capture(Arc::clone(&numbers));
        self.recent.begin_capture(numbers);
    }

    /// The next captured piece; `None` when all have been handed out, which ends the capture.
    pub(super) fn capture_next(&mut self) -> Option<Vec<u8>> {
        let settled = self.settled.capture_next();
        let piece = settled.map(|bytes| (bytes, PIECE_OF_SETTLED));
        let (mut bytes, what) = match piece {
            Some(piece) => piece,
            None => (self.recent.capture_next()?, PIECE_OF_RECENT),
        };
        bytes.push(what);
        Some(bytes)
    }

    /// Puts the contacts of a captured piece back; `admit` says whether one can be.
    /// [`Contacts::restored`] follows the last piece.
    pub(super) fn restore(
        &mut self,
        bytes: &[u8],
        admit: impl FnMut(Restored) -> Result<(), RestoreError>,
    ) -> Result<(), RestoreError> {
        let kind = SectionKind::Chains;
        match bytes.split_last() {
            Some((&PIECE_OF_RECENT, bytes)) => {
                restore_piece(&mut self.recent, bytes, self.bucket_ms, admit)
            }
            Some((&PIECE_OF_SETTLED, bytes)) => {
                restore_piece(&mut self.settled, bytes, self.bucket_ms, admit)
            }
            Some(_) | None => Err(RestoreError::Decode { kind }),
        }
    }

    /// To be called when all pieces have been put back. Links are as they were: one that leads to
    /// something else than an older contact of the same chain leads nowhere, as at any other time.
    pub(super) fn restored(&mut self) {
        self.recent.restored();
        self.settled.restored();
    }
}
