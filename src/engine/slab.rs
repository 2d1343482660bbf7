//! Slots by place, in chunks that never move, given out in runs that each belong to one bucket of
//! time: what came together lies together, is forgotten together, and is found then without a list
//! of it. A capture copies chunk by chunk, so that little has to be copied before it may change.

use std::collections::BTreeMap;

use super::capture::{RouteNumbers, ShardCapture};

/// Slots of one chunk.
const CHUNK: usize = 1024;
/// Slots of one run; divides a chunk.
const RUN: usize = 64;
const RUNS_OF_CHUNK: usize = CHUNK / RUN;

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
    capture: Option<ShardCapture>,
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

    /// The slot, about to change: a capture takes its chunk as it is.
    #[inline]
    pub(super) fn change(&mut self, place: Place) -> &mut S {
        let (chunk, at) = within(place);
        self.before_change(chunk);
        &mut self.chunks[chunk][at]
    }

    fn before_change(&mut self, chunk: usize) {
        if let Some(capture) = &mut self.capture
            && capture.is_due(chunk)
        {
            let bytes = copied(&self.chunks[chunk], &capture.numbers);
            capture.store(chunk, bytes);
        }
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

    /// Empties the bucket that comes first, and hands out each slot of it with its place.
    pub(super) fn empty_first(&mut self, mut visit: impl FnMut(Place, &S)) {
        let Some((_, bucket)) = self.buckets.pop_first() else {
            return;
        };
        for (number, run) in bucket.runs.iter().enumerate() {
            let is_last = number + 1 == bucket.runs.len();
            let filled = if is_last { bucket.filled } else { RUN };
            let first = place_of(*run, 0);
            let (chunk, at) = within(first);
            self.before_change(chunk);
            let slots = &mut self.chunks[chunk][at..at + filled];
            for (place, slot) in (first..).zip(slots) {
                if slot.is_occupied() {
                    visit(place, slot);
                    *slot = S::EMPTY;
                }
            }
        }
        self.free_runs.extend(bucket.runs.iter().rev());
    }

    /// Starts a capture of the present state.
    pub(super) fn begin_capture(&mut self, numbers: RouteNumbers) {
        self.capture = Some(ShardCapture::new(self.chunks.len(), numbers));
    }

    /// The next captured chunk; `None` when all have been handed out, which ends the capture.
    pub(super) fn capture_next(&mut self) -> Option<Vec<u8>> {
        let capture = self.capture.as_mut()?;
        loop {
            if let Some(bytes) = capture.take() {
                return Some(bytes);
            }
            let Some(chunk) = capture.next_due() else {
                break;
            };
            let bytes = copied(&self.chunks[chunk], &capture.numbers);
            capture.store(chunk, bytes);
        }
        self.capture = None;
        None
    }
}

/// What a capture keeps of a chunk; `None` of an empty one.
fn copied<S: Slot>(chunk: &[S], numbers: &RouteNumbers) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(size_of_val(chunk));
    for slot in chunk.iter().filter(|slot| slot.is_occupied()) {
        slot.write(numbers, &mut bytes);
    }
    (!bytes.is_empty()).then_some(bytes)
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
                    Step::Vacate(_) => {}
                    Step::EmptyFirst => {
                        let first = slab.first_bucket();
                        let mut gone = BTreeSet::new();
                        slab.empty_first(|place, slot| {
                            gone.insert((place, slot.0));
                        });
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
                    Step::Capture => {}
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
