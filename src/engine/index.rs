//! Places by the hash of what lies there, a cache line at a time: whoever looks for something reads
//! one line here, and what a tag in it says is likely to be it.
//!
//! The table is cut into shards by the high bits of a hash, and grows shard by shard: no growth takes
//! long. A shard doubles as long as nothing is forgotten, since to move a place its hash has to be read;
//! from then on it goes from one size to the next that allocators have, by a seventh to a quarter, in
//! both directions. Within a shard a place lies in the line that its hash names, or in one behind it when
//! that is full; each line knows how many went past it, and by a few bits which, so that nobody looks
//! further than where there may be something to find.
#![expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "bits of hashes, of which a part is meant, and places within a line"
)]

use std::hint::black_box;

use wide::u8x16;

use super::slab::Place;

/// Shards; bounds how long one takes to grow.
const SHARDS: usize = 4096;
/// High bits of a hash that name its shard.
const SHARD_BITS: u32 = SHARDS.ilog2();
/// Places of one line.
const WIDTH: usize = 12;
/// A shard grows when it holds more than this many for each line.
const MOST_PER_LINE: usize = 10;

/// A shard of no more lines is not too large.
const FEW_LINES: usize = 4;
/// Shards that are looked at together for being too large.
const SHARDS_AT_A_TIME: usize = 16;
/// Places whose lines are fetched together when an index is filled.
const GROUP: usize = 64;

/// Places that share the line they are looked for in.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Line {
    /// Part of the hash of each place, 0 where there is none: the tags, which are compared all at once. Then
    /// [`Line::passed`] and [`Line::passed_bits`], two bytes each.
    head: [u8; 16],
    places: [Place; WIDTH],
}

/// Lines that grow together.
#[derive(Debug, Default)]
struct Shard {
    lines: Box<[Line]>,
    filled: u32,
}

/// Where in the index a place is; holds until the index changes otherwise than by [`Index::set`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    shard: usize,
    line: usize,
    at: usize,
}

/// Places by hash; of equal hashes there may be several.
#[derive(Debug)]
pub(super) struct Index {
    shards: Box<[Shard]>,
    filled: usize,
    /// Something has been forgotten, or was before a restart: there is about as much as there will be.
    is_steady: bool,
    /// The shard that is looked at next for being too large.
    next_tightened: usize,
}

/// How many places an index is about to be filled with.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// By shard; empty where there are none.
    counts: Vec<usize>,
}

impl Expected {
    /// One more, of this hash.
    #[inline]
    pub(super) fn add(&mut self, hash: u64) {
        if self.counts.is_empty() {
            self.counts.resize(SHARDS, 0);
        }
        self.counts[shard_of(hash)] += 1;
    }
}

impl Default for Index {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            filled: 0,
            is_steady: false,
            next_tightened: 0,
        }
    }
}

impl Index {
    /// Whether there is nothing in it.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// The first place of this hash for which `is_it` holds.
    #[inline]
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(Place) -> bool) -> Option<Spot> {
        let shard = shard_of(hash);
        self.shards[shard]
            .find(hash, is_it)
            .map(|(line, at)| Spot { shard, line, at })
    }

    /// Hands out every place of this hash, and with few bits of it in common perhaps others.
    #[inline]
    pub(super) fn each(&self, hash: u64, mut visit: impl FnMut(Place)) {
        let look = |place| {
            visit(place);
            false
        };
        self.shards[shard_of(hash)].probe(hash, look);
    }

    /// The place at a spot.
    #[inline]
    pub(super) fn at(&self, spot: Spot) -> Place {
        self.shards[spot.shard].lines[spot.line].places[spot.at]
    }

    /// Puts another place of the same hash at a spot.
    #[inline]
    pub(super) fn set(&mut self, spot: Spot, place: Place) {
        self.shards[spot.shard].lines[spot.line].places[spot.at] = place;
    }

    /// Adds a place; `hash_of` says the hashes of those that are there. Returns past how many full lines
    /// it went.
    #[inline]
    pub(super) fn insert(
        &mut self,
        hash: u64,
        place: Place,
        hash_of: impl Fn(Place) -> u64,
    ) -> usize {
        let shard = &mut self.shards[shard_of(hash)];
        if shard.is_full() {
            let lines = shard.lines.len();
            let least = if self.is_steady { lines + 1 } else { lines * 2 };
            shard.move_to(size_from(least.max(1)), hash_of);
        }
        self.filled += 1;
        shard.insert(hash, place)
    }

    /// Takes a place of this hash out; says whether it was there.
    #[inline]
    pub(super) fn remove(&mut self, hash: u64, place: Place) -> bool {
        let is_removed = self.shards[shard_of(hash)].remove(hash, place);
        self.filled -= usize::from(is_removed);
        is_removed
    }

    /// To be called when something was forgotten: from then on there is about as much as there will be,
    /// and the memory of what has grown too far is given back, a little at each call.
    pub(super) fn tighten(&mut self, hash_of: impl Fn(Place) -> u64) {
        self.is_steady = true;
        for _ in 0..SHARDS_AT_A_TIME {
            let shard = &mut self.shards[self.next_tightened];
            if shard.is_sparse() {
                shard.move_to(lines_for(shard.filled as usize), &hash_of);
            }
            self.next_tightened = (self.next_tightened + 1) % SHARDS;
        }
    }

    /// Reads the line where places of this hash are looked for first, and says one of its bytes: many
    /// lines that are read in a row come from memory at the same time.
    #[inline]
    pub(super) fn touch(&self, hash: u64) -> u8 {
        let lines = &self.shards[shard_of(hash)].lines;
        let line = lines.get(home_of(hash, lines.len()));
        line.map_or(0, |line| line.head[0])
    }

    /// Reads the line behind that one, where something went past it.
    #[inline]
    pub(super) fn touch_behind(&self, hash: u64) -> u8 {
        let shard = &self.shards[shard_of(hash)];
        let home = home_of(hash, shard.lines.len());
        match shard.lines.get(home) {
            Some(line) if line.passed_bits() & bit_of(hash) != 0 => {
                shard.lines[shard.behind(home)].head[0]
            }
            Some(_) | None => 0,
        }
    }

    /// Makes room for what an empty index is about to be filled with.
    pub(super) fn make_room(&mut self, expected: Expected) {
        self.is_steady = true;
        // Without any there are no counts.
        let counts = expected.counts.into_iter();
        for (shard, count) in self.shards.iter_mut().zip(counts) {
            shard.lines = vec![Line::default(); lines_for(count)].into();
        }
    }

    /// How many lines whoever looks for places of this hash reads at most.
    #[cfg(test)]
    pub(super) fn reach(&self, hash: u64) -> usize {
        let shard = &self.shards[shard_of(hash)];
        let mut number = home_of(hash, shard.lines.len());
        for read in 0..shard.lines.len() {
            if shard.lines[number].passed_bits() & bit_of(hash) == 0 {
                return read + 1;
            }
            number = shard.behind(number);
        }
        shard.lines.len()
    }

    /// Fills an index that has room for all of these, hash and place; says `false` when `is_same` holds
    /// for two of them.
    pub(super) fn fill(
        &mut self,
        places: impl Iterator<Item = (u64, Place)>,
        is_same: impl Fn(Place, Place) -> bool,
    ) -> bool {
        in_groups(places, |group| {
            for (hash, _) in group {
                black_box(self.touch(*hash));
            }
            group.iter().all(|(hash, place)| {
                if self.find(*hash, |other| is_same(other, *place)).is_some() {
                    return false;
                }
                self.shards[shard_of(*hash)].insert(*hash, *place);
                self.filled += 1;
                true
            })
        })
    }
}

/// Hands out as many at a time as are to be fetched together, until `take` says `false`; says whether it
/// took them all.
pub(super) fn in_groups<T>(
    mut items: impl Iterator<Item = T>,
    mut take: impl FnMut(&[T]) -> bool,
) -> bool {
    let mut group = Vec::with_capacity(GROUP);
    loop {
        group.clear();
        group.extend(items.by_ref().take(GROUP));
        if group.is_empty() {
            return true;
        }
        if !take(&group) {
            return false;
        }
    }
}

impl Shard {
    /// Line and place in it.
    #[inline]
    fn find(&self, hash: u64, is_it: impl Fn(Place) -> bool) -> Option<(usize, usize)> {
        self.probe(hash, is_it)
    }

    /// Goes through the places of this hash until `is_it` holds for one.
    #[inline]
    fn probe(&self, hash: u64, mut is_it: impl FnMut(Place) -> bool) -> Option<(usize, usize)> {
        let (tag, bit) = (tag_of(hash), bit_of(hash));
        let mut number = home_of(hash, self.lines.len());
        for _ in 0..self.lines.len() {
            let line = &self.lines[number];
            for at in line.hits(tag) {
                if is_it(line.places[at]) {
                    return Some((number, at));
                }
            }
            if line.passed_bits() & bit == 0 {
                return None;
            }
            number = self.behind(number);
        }
        None
    }

    #[inline]
    fn behind(&self, number: usize) -> usize {
        if number + 1 == self.lines.len() {
            0
        } else {
            number + 1
        }
    }

    fn is_full(&self) -> bool {
        self.filled as usize >= self.lines.len() * MOST_PER_LINE
    }

    /// There is room in some line. Returns past how many it went.
    #[inline]
    fn insert(&mut self, hash: u64, place: Place) -> usize {
        let mut number = home_of(hash, self.lines.len());
        let mut passed = 0;
        loop {
            let line = &mut self.lines[number];
            if let Some(at) = line.hits(0).next() {
                line.head[at] = tag_of(hash);
                line.places[at] = place;
                self.filled += 1;
                return passed;
            }
            line.go_past(hash);
            passed += 1;
            number = self.behind(number);
        }
    }

    #[inline]
    fn remove(&mut self, hash: u64, place: Place) -> bool {
        let Some((last, at)) = self.find(hash, |other| other == place) else {
            return false;
        };
        self.lines[last].head[at] = 0;
        self.filled -= 1;
        let mut number = home_of(hash, self.lines.len());
        while number != last {
            self.lines[number].go_past_no_more();
            number = self.behind(number);
        }
        true
    }

    /// There is a smaller size in which it would not be about to grow, and it does not hold hardly
    /// anything.
    fn is_sparse(&self) -> bool {
        let lines = self.lines.len();
        lines > FEW_LINES && lines_for(self.filled as usize) < lines
    }

    /// Puts everything into so many lines. All hashes are asked for in a row and nothing else between, so
    /// that what that takes of memory is fetched together.
    #[cold]
    fn move_to(&mut self, count: usize, hash_of: impl Fn(Place) -> u64) {
        let lines = std::mem::take(&mut self.lines);
        let mut places = Vec::with_capacity(self.filled as usize);
        for line in &lines {
            let is_taken = |at: &usize| line.head[*at] != 0;
            places.extend((0..WIDTH).filter(is_taken).map(|at| line.places[at]));
        }
        drop(lines);
        let hashes: Vec<u64> = places.iter().map(|place| hash_of(*place)).collect();
        self.lines = vec![Line::default(); count].into();
        self.filled = 0;
        for (hash, place) in hashes.into_iter().zip(places) {
            self.insert(hash, place);
        }
    }
}

impl Line {
    /// Places that lie further on since this line was full; the greatest number stands for any more, and
    /// stays.
    #[inline]
    fn passed(&self) -> u16 {
        u16::from_le_bytes([self.head[WIDTH], self.head[WIDTH + 1]])
    }

    /// Of each of them one of these bits is set. As places come and go most lines become lines past which
    /// something lies, though they have room again: hardly anything else has to go past them for it.
    #[inline]
    fn passed_bits(&self) -> u16 {
        u16::from_le_bytes([self.head[WIDTH + 2], self.head[WIDTH + 3]])
    }

    fn set_passed(&mut self, passed: u16, bits: u16) {
        self.head[WIDTH..WIDTH + 2].copy_from_slice(&passed.to_le_bytes());
        self.head[WIDTH + 2..].copy_from_slice(&bits.to_le_bytes());
    }

    /// A place of this hash lies further on.
    #[inline]
    fn go_past(&mut self, hash: u64) {
        let bits = self.passed_bits() | bit_of(hash);
        self.set_passed(self.passed().saturating_add(1), bits);
    }

    /// One of those that do has gone.
    #[inline]
    fn go_past_no_more(&mut self) {
        match self.passed() {
            u16::MAX => {}
            1 => self.set_passed(0, 0),
            passed => self.set_passed(passed - 1, self.passed_bits()),
        }
    }

    /// Where in the line this tag is.
    #[inline]
    fn hits(&self, tag: u8) -> impl Iterator<Item = usize> + use<> {
        let is_hit = u8x16::new(self.head).simd_eq(u8x16::splat(tag));
        let mut hits = is_hit.to_bitmask() & ((1 << WIDTH) - 1);
        std::iter::from_fn(move || {
            if hits == 0 {
                return None;
            }
            let at = hits.trailing_zeros();
            hits &= hits - 1;
            Some(at as usize)
        })
    }
}

/// From the high bits.
#[inline]
fn shard_of(hash: u64) -> usize {
    (hash >> (u64::BITS - SHARD_BITS)) as usize
}

/// From the bits in the middle: the line among so many.
#[inline]
fn home_of(hash: u64, lines: usize) -> usize {
    let bits = u64::from((hash >> 8) as u32);
    ((bits * lines as u64) >> 32) as usize
}

/// One of sixteen, from bits that neither the line nor the tag is made of.
#[inline]
fn bit_of(hash: u64) -> u16 {
    1 << ((hash >> 40) & 15)
}

/// From the low bits; never 0.
#[inline]
fn tag_of(hash: u64) -> u8 {
    (hash as u8).max(1)
}

/// Lines for so many places, with room for a tenth more.
fn lines_for(count: usize) -> usize {
    if count == 0 {
        0
    } else {
        size_from((count * 10).div_ceil(MOST_PER_LINE * 9))
    }
}

/// The smallest size of a shard that is no less: allocators have four of them from each power of two to
/// the next, and what lies between would be rounded up to one.
fn size_from(lines: usize) -> usize {
    match lines {
        0..=8 => lines,
        9.. => lines.next_multiple_of(1 << ((lines - 1).ilog2() - 2)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Few hashes in few lines of one shard, so that lines overflow and hashes meet.
    fn hash_of(number: u32) -> u64 {
        u64::from(number % 5) << 40 | u64::from(number % 7) << 33 | u64::from(number % 3)
    }

    /// How many different ones there are.
    const HASHES: u32 = 5 * 7 * 3;

    #[test]
    fn more_than_can_be_counted_went_past_for_good() {
        let mut line = Line::default();
        let many = usize::from(u16::MAX) + 2;
        (0..many).for_each(|_| line.go_past(hash_of(1)));
        (0..many).for_each(|_| line.go_past_no_more());
        assert_eq!(line.passed_bits(), bit_of(hash_of(1)));
        let mut counted = Line::default();
        (0..many - 3).for_each(|_| counted.go_past(hash_of(1)));
        (0..many - 3).for_each(|_| counted.go_past_no_more());
        assert_eq!((counted.passed(), counted.passed_bits()), (0, 0));
    }

    proptest! {
        /// It holds what was put and not taken.
        #[test]
        fn places_stay_until_they_go(
            steps in proptest::collection::vec((any::<bool>(), 0_u32..300), 0..3000),
            made_room in any::<bool>(),
        ) {
            let mut index = Index::default();
            if made_room {
                let mut expected = Expected::default();
                (0..50).map(hash_of).for_each(|hash| expected.add(hash));
                index.make_room(expected);
            }
            let mut held = BTreeSet::new();
            for (puts, place) in steps {
                let hash = hash_of(place);
                if puts && held.insert(place) {
                    index.insert(hash, place, hash_of);
                } else if !puts {
                    prop_assert_eq!(index.remove(hash, place), held.remove(&place));
                    if place % 5 == 0 {
                        index.tighten(hash_of);
                    }
                }
                let spot = index.find(hash, |other| other == place);
                prop_assert_eq!(spot.map(|spot| index.at(spot)), held.get(&place).copied());
            }
            for _ in 0..SHARDS / SHARDS_AT_A_TIME {
                index.tighten(hash_of);
            }
            prop_assert!(index.shards.iter().all(|shard| !shard.is_sparse()));
            prop_assert_eq!(index.is_empty(), held.is_empty());
            for hash in (0..HASHES).map(hash_of) {
                let mut found = BTreeSet::new();
                index.each(hash, |place| {
                    if hash_of(place) == hash {
                        assert!(found.insert(place), "{place} comes twice");
                    }
                });
                let expected = held.iter().copied().filter(|place| hash_of(*place) == hash);
                prop_assert_eq!(found, expected.collect());
            }
            // Nothing is left of what went past.
            for place in held {
                index.remove(hash_of(place), place);
            }
            let lines = index.shards.iter().flat_map(|shard| &shard.lines);
            for line in lines {
                prop_assert_eq!((line.passed(), line.passed_bits()), (0, 0));
                prop_assert_eq!(line.head, [0; 16]);
            }
        }
    }
}
