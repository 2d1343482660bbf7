//! Slots by place, in chunks that never move, given out in runs that each belong to one bucket of
//! time: what came together lies together, is forgotten together, and is found then without a list
//! of it.
//!
//! A capture copies run by run, while the slots go on changing: a run that is about to change and has
//! not been copied is copied first. So it holds the slots of the moment at which it began, and little
//! has to be copied before anything may change. What is put back from it lies where it lay.

use std::collections::{BTreeMap, VecDeque};

use super::capture::{RestoreError, RouteNumbers, SectionKind};

/// Slots that a chunk has room for. It takes up memory for those that have been given out: so many that
/// what an allocator adds does not count, and that the table of chunks stays in the cache.
const CHUNK: usize = 1 << 15;
/// Slots of one run; divides a chunk.
pub(super) const RUN: usize = 32;
const RUNS_OF_CHUNK: usize = CHUNK / RUN;
/// Runs that places can be given to.
const MOST_RUNS: u32 = u32::MAX / 32;
/// Bytes that a capture hands out at a time, or a little more.
const PIECE_BYTES: usize = 1 << 16;
/// Runs that are being filled at the same time.
const OPEN: usize = 4;

/// Where a slot is.
pub(super) type Place = u32;

/// Something in as few bytes as it takes, or nothing.
pub(super) trait Slot: Copy {
    /// Nothing.
    const EMPTY: Self;
    /// How many bytes it has.
    const BYTES: usize;

    fn is_occupied(&self) -> bool;

    /// What it is, in bytes.
    fn bytes(&self) -> &[u8];

    /// From as many bytes as it has; `None` from others.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;

    /// The same with the canonical number of each of its routes.
    fn renumbered(&self, numbers: &RouteNumbers) -> Self;
}

/// Slots by place and by bucket.
#[derive(Debug)]
pub(super) struct Slab<S> {
    /// Those without slots are not there yet; others have them up to the last run that was ever given
    /// out.
    chunks: Vec<Vec<S>>,
    /// Numbers of those.
    free_chunks: Vec<u32>,
    /// Of the others.
    free_runs: Vec<u32>,
    buckets: BTreeMap<i64, Bucket>,
    /// The first of them, which is asked for all the time.
    first: Option<i64>,
    /// What is left of the runs that are being filled, of different buckets.
    open: [Option<Open>; OPEN],
    capture: Option<Capture>,
    /// By run, whether it has been put back; empty but for while that lasts. The slots of a run that has
    /// not are not to be looked into for it, which would read much memory that was just made.
    put_back: Vec<bool>,
}

/// The places of one bucket.
#[derive(Debug, Default)]
struct Bucket {
    runs: Vec<u32>,
    /// Empty ones, but for those of a run that is being filled.
    vacant: Vec<Place>,
}

/// The rest of a run.
#[derive(Debug)]
struct Open {
    bucket: i64,
    next: Place,
    left: usize,
}

/// A capture under way.
#[derive(Debug)]
struct Capture {
    numbers: RouteNumbers,
    /// By run, of those that there were when it began: whether it has been copied.
    copied: Vec<bool>,
    /// Those before have been.
    next: usize,
    /// Copied and not handed out, in pieces that are full: what is copied because it changes may be
    /// much, and nothing that is copied already is to be moved for it.
    pieces: VecDeque<Vec<u8>>,
    /// The piece under way.
    bytes: Vec<u8>,
}

impl<S> Default for Slab<S> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            free_chunks: Vec::new(),
            free_runs: Vec::new(),
            buckets: BTreeMap::new(),
            first: None,
            open: [const { None }; OPEN],
            capture: None,
            put_back: Vec::new(),
        }
    }
}

impl<S: Slot> Slab<S> {
    #[inline]
    pub(super) fn at(&self, place: Place) -> &S {
        let (chunk, at) = within(place);
        &self.chunks[chunk][at]
    }

    /// The slot at a place that may never have been given out.
    #[inline]
    pub(super) fn get(&self, place: Place) -> Option<&S> {
        let (chunk, at) = within(place);
        self.chunks.get(chunk)?.get(at)
    }

    /// Reads the slot, and says something of it: many that are read in a row come from memory at the
    /// same time.
    #[inline]
    pub(super) fn touch(&self, place: Place) -> u8 {
        let bytes = self.at(place).bytes();
        bytes[0] ^ bytes[S::BYTES - 1]
    }

    /// The slot, about to change: a capture takes its run as it is.
    #[inline]
    pub(super) fn change(&mut self, place: Place) -> &mut S {
        let (chunk, at) = within(place);
        if let Some(capture) = &mut self.capture {
            capture.copy(&self.chunks, chunk * RUNS_OF_CHUNK + at / RUN);
        }
        &mut self.chunks[chunk][at]
    }

    /// Finds a place for a slot in a bucket.
    #[inline]
    pub(super) fn put(&mut self, bucket: i64, slot: S) -> Place {
        let place = self.free_place(bucket);
        *self.change(place) = slot;
        place
    }

    #[inline]
    fn free_place(&mut self, bucket: i64) -> Place {
        for open in self.open.iter_mut().flatten() {
            if open.bucket == bucket && open.left > 0 {
                let place = open.next;
                open.next += 1;
                open.left -= 1;
                return place;
            }
        }
        self.free_place_elsewhere(bucket)
    }

    /// A place that became empty, or the first of another run.
    fn free_place_elsewhere(&mut self, number: i64) -> Place {
        let vacant = |bucket: &mut Bucket| bucket.vacant.pop();
        if let Some(place) = self.buckets.get_mut(&number).and_then(vacant) {
            return place;
        }
        let run = self.free_run();
        self.make_run(run);
        self.buckets.entry(number).or_default().runs.push(run);
        self.first = Some(self.first.map_or(number, |first| first.min(number)));
        self.fill_from_now_on(Open {
            bucket: number,
            next: place_of(run, 1),
            left: RUN - 1,
        });
        place_of(run, 0)
    }

    /// Fills this run from now on. Where too many are being filled, the one that has been for longest
    /// is left as it is.
    fn fill_from_now_on(&mut self, run: Open) {
        let is_used_up = |open: &Option<Open>| open.as_ref().is_none_or(|open| open.left == 0);
        if let Some(at) = self.open.iter().position(is_used_up) {
            self.open[at] = Some(run);
            return;
        }
        self.open.rotate_left(1);
        if let Some(closed) = self.open[OPEN - 1].replace(run)
            && let Some(bucket) = self.buckets.get_mut(&closed.bucket)
        {
            let rest = (closed.next..).take(closed.left);
            bucket.vacant.extend(rest);
        }
    }

    fn free_run(&mut self) -> u32 {
        if let Some(run) = self.free_runs.pop() {
            return run;
        }
        let chunk = self.free_chunks.pop().map_or(self.chunks.len(), at_of);
        let first = number_of(chunk * RUNS_OF_CHUNK);
        // The last one is taken first.
        let others = (first + 1..).take(RUNS_OF_CHUNK - 1);
        self.free_runs.extend(others);
        self.free_runs.reverse();
        first
    }

    /// Gives a run its slots, where it has none yet.
    fn make_run(&mut self, run: u32) -> &mut [S] {
        let (chunk, at) = within(place_of(run, 0));
        if chunk >= self.chunks.len() {
            self.chunks.resize_with(chunk + 1, Vec::new);
        }
        let slots = &mut self.chunks[chunk];
        let end = at + RUN;
        if slots.len() < end {
            slots.reserve_exact(CHUNK - slots.len());
            slots.resize(end, S::EMPTY);
        }
        &mut slots[at..end]
    }

    /// Empties a place of a bucket.
    pub(super) fn vacate(&mut self, bucket: i64, place: Place) {
        *self.change(place) = S::EMPTY;
        if let Some(bucket) = self.buckets.get_mut(&bucket) {
            bucket.vacant.push(place);
        }
    }

    /// The bucket that comes first; `None` when there is none.
    #[inline]
    pub(super) fn first_bucket(&self) -> Option<i64> {
        self.first
    }

    /// Empties the bucket that comes first, and hands out each slot of it with its place. Those of a
    /// run are shown to `touch` before, and then to `touch_behind`: what `visit` will need of memory far
    /// away can be fetched for all of them at once, and then what that leads to.
    pub(super) fn empty_first<W>(
        &mut self,
        with: &mut W,
        touch: impl Fn(&W, &S),
        touch_behind: impl Fn(&W, &S),
        mut visit: impl FnMut(&mut W, Place, &S),
    ) {
        for run in self.close_first() {
            let (first, slots) = self.run(run);
            for slot in slots.iter().filter(|slot| slot.is_occupied()) {
                touch(with, slot);
            }
            for slot in slots.iter().filter(|slot| slot.is_occupied()) {
                touch_behind(with, slot);
            }
            for (place, slot) in (first..).zip(slots) {
                if slot.is_occupied() {
                    visit(with, place, slot);
                }
            }
            self.empty(run);
        }
    }

    /// The runs of the bucket that comes first, which is no more: each is to be emptied. Until then its
    /// slots are where they were.
    pub(super) fn close_first(&mut self) -> Vec<u32> {
        let Some((number, bucket)) = self.buckets.pop_first() else {
            return Vec::new();
        };
        self.first = self.buckets.keys().next().copied();
        for open in &mut self.open {
            open.take_if(|open| open.bucket == number);
        }
        bucket.runs
    }

    /// The slots of a run, and the place of the first of them.
    pub(super) fn run(&self, run: u32) -> (Place, &[S]) {
        let first = place_of(run, 0);
        let (chunk, at) = within(first);
        (first, &self.chunks[chunk][at..at + RUN])
    }

    /// Empties a run whose bucket was closed; others may have it.
    pub(super) fn empty(&mut self, run: u32) {
        let (chunk, at) = within(place_of(run, 0));
        if let Some(capture) = &mut self.capture {
            capture.copy(&self.chunks, chunk * RUNS_OF_CHUNK + at / RUN);
        }
        self.chunks[chunk][at..at + RUN].fill(S::EMPTY);
        self.free_runs.push(run);
    }

    /// All slots that hold something, with their places.
    pub(super) fn occupied(&self) -> impl Iterator<Item = (Place, &S)> {
        let chunks = self.chunks.iter().enumerate();
        chunks.flat_map(|(chunk, slots)| {
            let first = number_of(chunk * CHUNK);
            let slots = (first..).zip(slots.iter());
            slots.filter(|(_, slot)| slot.is_occupied())
        })
    }
}

/// Capture and restore.
impl<S: Slot> Slab<S> {
    /// Starts a capture of the present state.
    pub(super) fn begin_capture(&mut self, numbers: RouteNumbers) {
        self.capture = Some(Capture {
            numbers,
            copied: vec![false; self.chunks.len() * RUNS_OF_CHUNK],
            next: 0,
            pieces: VecDeque::new(),
            bytes: Vec::new(),
        });
    }

    /// The next captured piece; `None` when all have been handed out, which ends the capture.
    pub(super) fn capture_next(&mut self) -> Option<Vec<u8>> {
        let capture = self.capture.as_mut()?;
        while capture.pieces.is_empty() && capture.next < capture.copied.len() {
            capture.copy(&self.chunks, capture.next);
            capture.next += 1;
        }
        if let Some(piece) = capture.pieces.pop_front() {
            return Some(piece);
        }
        if capture.bytes.is_empty() {
            self.capture = None;
            return None;
        }
        Some(std::mem::take(&mut capture.bytes))
    }

    /// Puts the runs of a captured piece back where they were; `admit` looks at each slot and says its
    /// bucket. [`Slab::restored`] follows the last piece.
    pub(super) fn restore(
        &mut self,
        kind: SectionKind,
        mut bytes: &[u8],
        mut admit: impl FnMut(&S) -> Result<i64, RestoreError>,
    ) -> Result<(), RestoreError> {
        while !bytes.is_empty() {
            let (run, occupied) = take_run(&mut bytes).ok_or(RestoreError::Decode { kind })?;
            let slots = self.run_to_fill(run).ok_or(RestoreError::Twice { kind })?;
            let (mut number, mut vacant) = (None, Vec::new());
            for (at, slot) in slots.iter_mut().enumerate() {
                if occupied & 1 << at == 0 {
                    vacant.push(place_of(run, at));
                    continue;
                }
                let taken = bytes.split_off(..S::BYTES).and_then(S::from_bytes);
                *slot = taken.ok_or(RestoreError::Decode { kind })?;
                let bucket = admit(slot)?;
                if *number.get_or_insert(bucket) != bucket {
                    return Err(RestoreError::Decode { kind });
                }
            }
            let number = number.ok_or(RestoreError::Decode { kind })?;
            let bucket = self.buckets.entry(number).or_default();
            bucket.runs.push(run);
            bucket.vacant.extend(vacant);
        }
        Ok(())
    }

    /// The slots of a run; `None` when it has been put back already.
    fn run_to_fill(&mut self, run: u32) -> Option<&mut [S]> {
        let number = at_of(run);
        if self.put_back.len() <= number {
            self.put_back.resize(number + 1, false);
        }
        let is_taken = std::mem::replace(&mut self.put_back[number], true);
        (!is_taken).then(|| self.make_run(run))
    }

    /// Finds out what is free once all pieces have been put back.
    pub(super) fn restored(&mut self) {
        self.first = self.buckets.keys().next().copied();
        let put_back = std::mem::take(&mut self.put_back);
        for (number, chunk) in self.chunks.iter().enumerate().rev() {
            if chunk.is_empty() {
                self.free_chunks.push(number_of(number));
                continue;
            }
            let first = number * RUNS_OF_CHUNK;
            let is_free = |run: &usize| !put_back.get(*run).copied().unwrap_or(false);
            let free = (first..first + RUNS_OF_CHUNK).rev().filter(is_free);
            self.free_runs.extend(free.map(number_of));
        }
    }
}

impl Capture {
    /// Copies a run, where that has not been done: its number, which of its slots hold something, and
    /// those.
    fn copy<S: Slot>(&mut self, chunks: &[Vec<S>], run: usize) {
        if self.copied.get(run) != Some(&false) {
            return;
        }
        self.copied[run] = true;
        if self.bytes.is_empty() {
            self.bytes.reserve(PIECE_BYTES + 8 + RUN * S::BYTES);
        }
        let first = run % RUNS_OF_CHUNK * RUN;
        let Some(slots) = chunks[run / RUNS_OF_CHUNK].get(first..first + RUN) else {
            return;
        };
        let start = self.bytes.len();
        self.bytes.extend(number_of(run).to_le_bytes());
        self.bytes.extend([0; 4]);
        let mut occupied = 0_u32;
        for (at, slot) in slots.iter().enumerate() {
            if slot.is_occupied() {
                occupied |= 1 << at;
                let slot = slot.renumbered(&self.numbers);
                self.bytes.extend_from_slice(slot.bytes());
            }
        }
        if occupied == 0 {
            self.bytes.truncate(start);
        } else {
            self.bytes[start + 4..start + 8].copy_from_slice(&occupied.to_le_bytes());
        }
        if self.bytes.len() >= PIECE_BYTES {
            self.pieces.push_back(std::mem::take(&mut self.bytes));
        }
    }
}

/// The number of a run and which of its slots hold something: some do.
fn take_run(bytes: &mut &[u8]) -> Option<(u32, u32)> {
    let run = u32::from_le_bytes(*bytes.split_off(..4)?.as_array()?);
    let occupied = u32::from_le_bytes(*bytes.split_off(..4)?.as_array()?);
    (run < MOST_RUNS && occupied != 0).then_some((run, occupied))
}

/// Chunk and place in it.
#[inline]
fn within(place: Place) -> (usize, usize) {
    (at_of(place) / CHUNK, at_of(place) % CHUNK)
}

#[expect(
    clippy::as_conversions,
    reason = "u32 to usize never loses on supported targets"
)]
#[inline]
fn at_of(number: u32) -> usize {
    number as usize
}

#[inline]
fn place_of(run: u32, at: usize) -> Place {
    number_of(at_of(run) * RUN + at)
}

/// There are fewer chunks, runs and places than that.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "what is given out has a place"
)]
#[inline]
fn number_of(at: usize) -> u32 {
    at as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    struct Number([u8; 4]);

    impl Slot for Number {
        const EMPTY: Self = Self([0; 4]);
        const BYTES: usize = 4;

        fn is_occupied(&self) -> bool {
            self.number() != 0
        }

        fn bytes(&self) -> &[u8] {
            &self.0
        }

        fn from_bytes(bytes: &[u8]) -> Option<Self> {
            bytes.as_array().copied().map(Self)
        }

        fn renumbered(&self, _: &RouteNumbers) -> Self {
            *self
        }
    }

    impl Number {
        fn number(self) -> u32 {
            u32::from_le_bytes(self.0)
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(i64),
        Vacate(usize),
        EmptyFirst,
        Capture,
        Next,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            20 => (0_i64..5).prop_map(Step::Put),
            6 => any::<usize>().prop_map(Step::Vacate),
            1 => Just(Step::EmptyFirst),
            1 => Just(Step::Capture),
            2 => Just(Step::Next),
        ]
    }

    const KIND: SectionKind = SectionKind::Ledger;

    /// Puts a piece back; the numbers are their buckets.
    fn restore(slab: &mut Slab<Number>, bytes: &[u8]) -> Result<(), RestoreError> {
        slab.restore(KIND, bytes, |slot| Ok(i64::from(slot.number() % 5)))
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let run = |number: u32, occupied: u32, slots: &[u32]| {
            let all = [number, occupied].into_iter().chain(slots.iter().copied());
            all.flat_map(u32::to_le_bytes).collect::<Vec<u8>>()
        };
        let damaged = Err(RestoreError::Decode { kind: KIND });
        let mut slab = Slab::default();
        assert_eq!(restore(&mut slab, &run(7, 5, &[1, 6])), Ok(()));
        let twice = Err(RestoreError::Twice { kind: KIND });
        assert_eq!(restore(&mut slab, &run(7, 2, &[1])), twice);
        assert_eq!(restore(&mut slab, &run(8, 0, &[])), damaged);
        assert_eq!(restore(&mut slab, &run(8, 3, &[1])), damaged);
        assert_eq!(restore(&mut slab, &run(9, 3, &[1, 2])), damaged);
        assert_eq!(restore(&mut slab, &run(u32::MAX / 32, 1, &[1])), damaged);
        assert_eq!(restore(&mut slab, &run(10, 1, &[1])[..11]), damaged);
    }

    proptest! {
        /// What was captured lies where it lay, and the rest is given out before there is more.
        #[test]
        fn slots_come_back(steps in proptest::collection::vec((0_u32..5, any::<bool>()), 1..4000)) {
            let mut slab = Slab::<Number>::default();
            let mut held = Vec::new();
            for (number, (bucket, stays)) in (1..).zip(steps) {
                let number = number * 5 + bucket;
                let place = slab.put(bucket.into(), Number(number.to_le_bytes()));
                if stays {
                    held.push((place, number));
                } else {
                    slab.vacate(bucket.into(), place);
                }
            }
            slab.begin_capture(Arc::default());
            let mut other = Slab::<Number>::default();
            while let Some(piece) = slab.capture_next() {
                restore(&mut other, &piece).unwrap();
            }
            other.restored();
            let occupied = other.occupied().map(|(place, slot)| (place, slot.number()));
            held.sort_unstable();
            prop_assert_eq!(occupied.collect::<Vec<_>>(), held.clone());
            let first = held.iter().map(|(_, number)| i64::from(number % 5)).min();
            prop_assert_eq!(other.first_bucket(), first);
            let room = other.chunks.iter().map(Vec::len).sum::<usize>();
            // Buckets have room that the others do not take.
            for number in 0..room - held.len() {
                let place = other.put(0, Number(1_000_000_u32.to_le_bytes()));
                prop_assert!(held.iter().all(|held| held.0 != place), "{number}: {place}");
            }
            for (place, number) in held {
                prop_assert_eq!(other.at(place).number(), number);
            }
        }
    }

    /// The numbers of a captured piece.
    fn numbers_in(mut bytes: &[u8]) -> Vec<u32> {
        let mut numbers = Vec::new();
        while let Some((_, occupied)) = take_run(&mut bytes) {
            for _ in 0..occupied.count_ones() {
                let slot = bytes.split_off(..4).and_then(Number::from_bytes);
                numbers.push(slot.unwrap().number());
            }
        }
        assert!(bytes.is_empty());
        numbers
    }

    proptest! {
        /// It holds what was put and not taken, by bucket, and a capture what was there when it
        /// began.
        #[test]
        fn slots_stay_until_they_go(steps in proptest::collection::vec(step(), 0..4000)) {
            let mut slab = Slab::<Number>::default();
            let mut held: Vec<(i64, Place, u32)> = Vec::new();
            let mut next = 0;
            let mut captured: Option<(BTreeSet<u32>, BTreeSet<u32>)> = None;
            for step in steps {
                match step {
                    Step::Put(bucket) => {
                        next += 1;
                        let place = slab.put(bucket, Number(u32::to_le_bytes(next)));
                        held.push((bucket, place, next));
                    }
                    Step::Vacate(any) if !held.is_empty() => {
                        let (bucket, place, _) = held.swap_remove(any % held.len());
                        slab.vacate(bucket, place);
                    }
                    Step::EmptyFirst => {
                        let first = slab.first_bucket();
                        let mut gone = BTreeSet::new();
                        slab.empty_first(
                            &mut gone,
                            |_, _| {},
                            |_, _| {},
                            |gone, place, slot| {
                                gone.insert((place, slot.number()));
                            },
                        );
                        let of_first = held.extract_if(.., |(bucket, _, _)| Some(*bucket) == first);
                        let expected: BTreeSet<(Place, u32)> =
                            of_first.map(|(_, place, number)| (place, number)).collect();
                        prop_assert_eq!(gone, expected);
                    }
                    Step::Capture if captured.is_none() => {
                        slab.begin_capture(Arc::default());
                        let present = held.iter().map(|(_, _, number)| *number).collect();
                        captured = Some((present, BTreeSet::new()));
                    }
                    Step::Vacate(_) | Step::Capture => {}
                    Step::Next => match (slab.capture_next(), &mut captured) {
                        (Some(bytes), Some((_, seen))) => {
                            for number in numbers_in(&bytes) {
                                prop_assert!(seen.insert(number), "{number} comes twice");
                            }
                        }
                        (None, Some((present, seen))) => {
                            prop_assert_eq!(present, seen);
                            captured = None;
                        }
                        (bytes, None) => prop_assert_eq!(bytes, None),
                    },
                }
                for (_, place, number) in &held {
                    prop_assert_eq!(slab.at(*place).number(), *number);
                }
            }
        }
    }
}
