//! Slots by place, in chunks that never move, given out in runs that each belong to one bucket of
//! time: what came together lies together, is forgotten together, and is found then without a list
//! of it.
//!
//! A capture copies run by run, while the slots go on changing: a run that is about to change and has
//! not been copied is copied first. So it holds the slots of the moment at which it began, and little
//! has to be copied before anything may change.

use std::collections::BTreeMap;

use super::capture::RouteNumbers;

/// Slots of one chunk.
const CHUNK: usize = 1024;
/// Slots of one run; divides a chunk.
const RUN: usize = 32;
const RUNS_OF_CHUNK: usize = CHUNK / RUN;
/// Bytes that a capture hands out at a time, or a little more.
const PIECE_BYTES: usize = 1 << 16;

/// Where a slot is.
pub(super) type Place = u32;

/// Something in as few bytes as it takes, or nothing.
pub(super) trait Slot: Copy {
    /// Nothing.
    const EMPTY: Self;

    fn is_occupied(&self) -> bool;

    /// Appends what a capture keeps of it, with the canonical number of its route.
    fn write(&self, numbers: &RouteNumbers, bytes: &mut Vec<u8>);
}

/// Slots by place and by bucket.
#[derive(Debug)]
pub(super) struct Slab<S> {
    chunks: Vec<Box<[S]>>,
    free_runs: Vec<u32>,
    buckets: BTreeMap<i64, Bucket>,
    capture: Option<Capture>,
}

/// A capture under way.
#[derive(Debug)]
struct Capture {
    numbers: RouteNumbers,
    /// By run, of those that there were when it began: whether it has been copied.
    copied: Vec<bool>,
    /// Those before have been.
    next: usize,
    /// Copied and not handed out.
    bytes: Vec<u8>,
}

/// The places of one bucket.
#[derive(Debug)]
struct Bucket {
    runs: Vec<u32>,
    /// Slots of the last run that have been given out.
    filled: usize,
    /// Given out and empty again.
    vacant: Vec<Place>,
}

impl Default for Bucket {
    fn default() -> Self {
        Self {
            runs: Vec::new(),
            filled: RUN,
            vacant: Vec::new(),
        }
    }
}

impl<S> Default for Slab<S> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            free_runs: Vec::new(),
            buckets: BTreeMap::new(),
            capture: None,
        }
    }
}

impl<S: Slot> Slab<S> {
    #[inline]
    pub(super) fn at(&self, place: Place) -> &S {
        let (chunk, at) = within(place);
        &self.chunks[chunk][at]
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
    pub(super) fn put(&mut self, bucket: i64, slot: S) -> Place {
        let place = self.free_place(bucket);
        *self.change(place) = slot;
        place
    }

    fn free_place(&mut self, bucket: i64) -> Place {
        let bucket = self.buckets.entry(bucket).or_default();
        if let Some(place) = bucket.vacant.pop() {
            return place;
        }
        if bucket.filled == RUN {
            if self.free_runs.is_empty() {
                let first = self.chunks.len() * RUNS_OF_CHUNK;
                self.chunks.push(vec![S::EMPTY; CHUNK].into());
                // The last one is taken first.
                let runs = (first..first + RUNS_OF_CHUNK).rev();
                self.free_runs
                    .extend(runs.filter_map(|run| u32::try_from(run).ok()));
            }
            bucket.runs.extend(self.free_runs.pop());
            bucket.filled = 0;
        }
        let place = bucket
            .runs
            .last()
            .map_or(0, |run| place_of(*run, bucket.filled));
        bucket.filled += 1;
        place
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
        self.buckets.first_key_value().map(|(bucket, _)| *bucket)
    }

    /// Empties the bucket that comes first, and hands out each slot of it with its place. Those of a
    /// run are shown to `touch` before: what `visit` will need of memory far away can be fetched for
    /// all of them at once.
    pub(super) fn empty_first<W>(
        &mut self,
        with: &mut W,
        touch: impl Fn(&W, Place, &S),
        mut visit: impl FnMut(&mut W, Place, &S),
    ) {
        let Some((_, bucket)) = self.buckets.pop_first() else {
            return;
        };
        for (number, run) in bucket.runs.iter().enumerate() {
            let is_last = number + 1 == bucket.runs.len();
            let filled = if is_last { bucket.filled } else { RUN };
            let first = place_of(*run, 0);
            let (chunk, at) = within(first);
            if let Some(capture) = &mut self.capture {
                capture.copy(&self.chunks, chunk * RUNS_OF_CHUNK + at / RUN);
            }
            let slots = &mut self.chunks[chunk][at..at + filled];
            for (place, slot) in (first..).zip(slots.iter()) {
                touch(with, place, slot);
            }
            for (place, slot) in (first..).zip(slots) {
                if slot.is_occupied() {
                    visit(with, place, slot);
                    *slot = S::EMPTY;
                }
            }
        }
        self.free_runs.extend(bucket.runs.iter().rev());
    }

    /// Starts a capture of the present state.
    pub(super) fn begin_capture(&mut self, numbers: RouteNumbers) {
        self.capture = Some(Capture {
            numbers,
            copied: vec![false; self.chunks.len() * RUNS_OF_CHUNK],
            next: 0,
            bytes: Vec::new(),
        });
    }

    /// The next captured piece; `None` when all have been handed out, which ends the capture.
    pub(super) fn capture_next(&mut self) -> Option<Vec<u8>> {
        let capture = self.capture.as_mut()?;
        while capture.bytes.len() < PIECE_BYTES && capture.next < capture.copied.len() {
            capture.copy(&self.chunks, capture.next);
            capture.next += 1;
        }
        if capture.bytes.is_empty() {
            self.capture = None;
            return None;
        }
        Some(std::mem::take(&mut capture.bytes))
    }
}

impl Capture {
    /// Copies a run, where that has not been done.
    fn copy<S: Slot>(&mut self, chunks: &[Box<[S]>], run: usize) {
        if self.copied.get(run) != Some(&false) {
            return;
        }
        self.copied[run] = true;
        if self.bytes.is_empty() {
            self.bytes.reserve(PIECE_BYTES + RUN * size_of::<S>());
        }
        let at = run % RUNS_OF_CHUNK * RUN;
        let slots = &chunks[run / RUNS_OF_CHUNK][at..at + RUN];
        for slot in slots.iter().filter(|slot| slot.is_occupied()) {
            slot.write(&self.numbers, &mut self.bytes);
        }
    }
}

/// Chunk and place in it.
#[expect(
    clippy::as_conversions,
    reason = "u32 to usize never loses on supported targets"
)]
#[inline]
fn within(place: Place) -> (usize, usize) {
    (place as usize / CHUNK, place as usize % CHUNK)
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "below the length of a run"
)]
fn place_of(run: u32, at: usize) -> Place {
    run * RUN as u32 + at as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    struct Number(u32);

    impl Slot for Number {
        const EMPTY: Self = Self(0);

        fn is_occupied(&self) -> bool {
            self.0 != 0
        }

        fn write(&self, _: &RouteNumbers, bytes: &mut Vec<u8>) {
            bytes.extend(self.0.to_le_bytes());
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

    fn numbers_in(bytes: &[u8]) -> impl Iterator<Item = u32> {
        bytes.as_chunks().0.iter().copied().map(u32::from_le_bytes)
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
                        let place = slab.put(bucket, Number(next));
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
                            |_, _, _| {},
                            |gone, place, slot| {
                                gone.insert((place, slot.0));
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
                    prop_assert_eq!(slab.at(*place).0, *number);
                }
            }
        }
    }
}
