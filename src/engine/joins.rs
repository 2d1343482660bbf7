//! Places of surveys by the interaction that they take dimensions from.
//!
//! Most interactions have one survey, and an [`Index`] finds it in one line. But of a producer that
//! writes the same placeholder for every interaction it does not know, all surveys have one hash: the
//! index would go through all lines of it for each survey that comes, goes or is put back. Where an
//! interaction gets so many its places move into a set of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

use super::index::{Expected, Index, in_groups};
use super::slab::Place;
use crate::event::IdHash;

/// Where interactions have few surveys, nothing has to go past so many full lines.
const FAR: usize = 16;
/// Fewer places than this get no set of their own: it is those of another that lie in the way.
const MANY: usize = 64;

/// Places of surveys by interaction. What lies at a place is asked of `joined`.
#[derive(Debug, Default)]
pub(super) struct Joins {
    /// By the hash of the interaction.
    index: Index,
    /// The places of interactions with very many surveys, none of which is in the index. A set comes when
    /// an insertion went too far, and goes with its last place: there are no more of them than surveys.
    crowded: BTreeMap<IdHash, BTreeSet<Place>>,
}

impl Joins {
    /// Whether there is nothing in it.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty() && self.crowded.is_empty()
    }

    /// Hands out every survey of this interaction, and perhaps some of others.
    #[inline]
    pub(super) fn each(&self, interaction: IdHash, mut visit: impl FnMut(Place)) {
        match self.crowded.get(&interaction) {
            Some(places) => places.iter().for_each(|place| visit(*place)),
            None => self.index.each(interaction.low(), visit),
        }
    }

    /// Whether there are very many surveys of this interaction.
    #[inline]
    pub(super) fn is_crowded(&self, interaction: IdHash) -> bool {
        !self.crowded.is_empty() && self.crowded.contains_key(&interaction)
    }

    /// Adds a survey of this interaction; `joined` says those of all that are there, with this one.
    #[inline]
    pub(super) fn insert(
        &mut self,
        interaction: IdHash,
        place: Place,
        joined: impl Fn(Place) -> Option<IdHash>,
    ) {
        if !self.crowded.is_empty()
            && let Some(places) = self.crowded.get_mut(&interaction)
        {
            places.insert(place);
            return;
        }
        let hash = interaction.low();
        let passed = self
            .index
            .insert(hash, place, |other| hash_of(joined(other)));
        if passed > FAR {
            self.set_apart(interaction, joined);
        }
    }

    /// Moves the surveys of an interaction into a set of their own, if they are many.
    #[cold]
    fn set_apart(&mut self, interaction: IdHash, joined: impl Fn(Place) -> Option<IdHash>) {
        let mut places = BTreeSet::new();
        self.index.each(interaction.low(), |place| {
            if joined(place) == Some(interaction) {
                places.insert(place);
            }
        });
        if places.len() < MANY {
            return;
        }
        for place in &places {
            self.index.remove(interaction.low(), *place);
        }
        self.crowded.insert(interaction, places);
    }

    /// Takes a survey of this interaction out.
    #[inline]
    pub(super) fn remove(&mut self, interaction: IdHash, place: Place) {
        if !self.crowded.is_empty()
            && let Some(places) = self.crowded.get_mut(&interaction)
        {
            places.remove(&place);
            if places.is_empty() {
                self.crowded.remove(&interaction);
            }
            return;
        }
        self.index.remove(interaction.low(), place);
    }

    /// To be called when something was forgotten, see [`Index::tighten`].
    pub(super) fn tighten(&mut self, joined: impl Fn(Place) -> Option<IdHash>) {
        self.index.tighten(|place| hash_of(joined(place)));
    }

    /// Reads where surveys of this interaction are looked for first, see [`Index::touch`].
    #[inline]
    pub(super) fn touch(&self, interaction: IdHash) -> u8 {
        self.index.touch(interaction.low())
    }

    /// Reads what lies behind that, see [`Index::touch_behind`].
    #[inline]
    pub(super) fn touch_behind(&self, interaction: IdHash) -> u8 {
        self.index.touch_behind(interaction.low())
    }

    /// Makes room for what is about to be put back.
    pub(super) fn make_room(&mut self, expected: Expected) {
        self.index.make_room(expected);
    }

    /// Puts surveys back, interaction and place.
    pub(super) fn fill(
        &mut self,
        surveys: impl Iterator<Item = (IdHash, Place)>,
        joined: impl Fn(Place) -> Option<IdHash>,
    ) {
        in_groups(surveys, |group| {
            for (interaction, _) in group {
                black_box(self.touch(*interaction));
            }
            for (interaction, place) in group {
                self.insert(*interaction, *place, &joined);
            }
            true
        });
    }
}

#[inline]
fn hash_of(interaction: Option<IdHash>) -> u64 {
    interaction.unwrap_or_default().low()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Numbers of the interactions that there are.
    const NUMBERS: [u8; 8] = [0, 1, 2, 3, 4, 5, 6, 7];
    /// Lines that are read for one of them at most: those that nothing goes past far, and what the few
    /// surveys of each take.
    const MOST_READ: usize = FAR + 2 + NUMBERS.len() * MANY / 12;

    /// [`Joins`] beside a plain list of what joins what.
    #[derive(Default)]
    struct Surveys {
        joins: Joins,
        joined: BTreeMap<Place, IdHash>,
    }

    impl Surveys {
        fn insert(&mut self, interaction: IdHash, place: Place) {
            // What was there goes first, as a version that is replaced does.
            self.remove(place);
            self.joined.insert(place, interaction);
            let joined = |other| self.joined.get(&other).copied();
            self.joins.insert(interaction, place, joined);
        }

        fn remove(&mut self, place: Place) {
            if let Some(interaction) = self.joined.remove(&place) {
                self.joins.remove(interaction, place);
            }
        }

        fn tighten(&mut self) {
            self.joins.tighten(|place| self.joined.get(&place).copied());
        }

        /// The same as it would be after a restart.
        fn put_back(&mut self) {
            let surveys = || self.joined.iter().map(|(place, id)| (*id, *place));
            let mut expected = Expected::default();
            surveys().for_each(|(interaction, _)| expected.add(interaction.low()));
            self.joins = Joins::default();
            self.joins.make_room(expected);
            let joined = |place| self.joined.get(&place).copied();
            self.joins.fill(surveys(), joined);
        }

        /// What [`Joins`] has of an interaction.
        fn of(&self, interaction: IdHash) -> BTreeSet<Place> {
            let mut found = BTreeSet::new();
            self.joins.each(interaction, |place| {
                if self.joined[&place] == interaction {
                    assert!(found.insert(place), "{place} comes twice");
                }
            });
            found
        }

        /// What the list has of it.
        fn expected_of(&self, interaction: IdHash) -> BTreeSet<Place> {
            let of_it = self.joined.iter().filter(|(_, id)| **id == interaction);
            of_it.map(|(place, _)| *place).collect()
        }

        /// How many lines are read for an interaction.
        fn read_of(&self, interaction: IdHash) -> usize {
            self.joins.index.reach(interaction.low())
        }
    }

    /// Interactions that are looked for in the same lines; of the last two all that the index knows is
    /// the same.
    fn interaction(number: u8) -> IdHash {
        let number = u128::from(number);
        match number {
            0..6 => IdHash((number << 40) | (number % 3)),
            6.. => IdHash((number << 64) | 7),
        }
    }

    #[test]
    fn however_many_surveys_name_one_interaction_few_lines_are_read() {
        let (crowd, other) = (interaction(1), interaction(2));
        let mut surveys = Surveys::default();
        // Twice: what has emptied fills anew.
        for _ in 0..2 {
            for place in 0..5000 {
                let is_other = place % 100 == 0;
                surveys.insert(if is_other { other } else { crowd }, place);
                assert!(surveys.read_of(crowd) <= MOST_READ, "at {place}");
            }
            surveys.put_back();
            assert!(surveys.read_of(crowd) <= MOST_READ);
            assert_eq!(surveys.of(crowd).len(), 4950);
            assert_eq!(surveys.of(other).len(), 50);
            for place in 0..5000 {
                surveys.remove(place);
                assert!(surveys.read_of(crowd) <= MOST_READ, "at {place}");
            }
            assert!(surveys.joins.is_empty());
            assert!(surveys.joins.crowded.is_empty());
        }
    }

    #[test]
    fn behind_those_of_another_few_surveys_stay_in_the_index() {
        let (first, behind) = (interaction(6), interaction(7));
        let mut surveys = Surveys::default();
        let mut place = 0;
        // As many lines as may be gone past.
        while surveys.read_of(first) <= FAR {
            surveys.insert(first, place);
            place += 1;
        }
        for _ in 1..MANY {
            surveys.insert(behind, place);
            place += 1;
        }
        assert!(surveys.read_of(behind) > FAR + 1);
        assert!(surveys.joins.crowded.is_empty());
        surveys.insert(behind, place);
        let crowded: Vec<_> = surveys.joins.crowded.keys().copied().collect();
        assert_eq!(crowded, [behind]);
        for one in [first, behind] {
            assert_eq!(surveys.of(one), surveys.expected_of(one));
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u8, Place),
        Remove(Place),
        PutBack,
    }

    /// Many go to a few of the interactions; they come and go in runs of places.
    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let number = prop_oneof![3 => Just(1_u8), 3 => Just(6), 2 => 0..8_u8];
        let run = (0_u32..1000, 1_u32..300);
        let step = prop_oneof![
            6 => (number, run.clone()).prop_map(|(number, (first, count))| {
                (first..first + count).map(|place| Step::Insert(number, place)).collect()
            }),
            3 => run.prop_map(|(first, count)| {
                (first..first + count).map(Step::Remove).collect()
            }),
            1 => Just(vec![Step::PutBack]),
        ];
        let runs = proptest::collection::vec(step, 1..20);
        runs.prop_map(|runs: Vec<Vec<Step>>| runs.concat())
    }

    proptest! {
        /// It holds of each interaction what was put and not taken.
        #[test]
        fn surveys_stay_until_they_go(steps in steps()) {
            let mut surveys = Surveys::default();
            for step in steps {
                match step {
                    Step::Insert(number, place) => surveys.insert(interaction(number), place),
                    Step::Remove(place) => {
                        surveys.remove(place);
                        surveys.tighten();
                    }
                    Step::PutBack => surveys.put_back(),
                }
            }
            for one in NUMBERS.map(interaction) {
                prop_assert_eq!(surveys.of(one), surveys.expected_of(one));
                prop_assert!(surveys.read_of(one) <= MOST_READ);
            }
            prop_assert_eq!(surveys.joins.is_empty(), surveys.joined.is_empty());
            for place in 0..1300 {
                surveys.remove(place);
            }
            prop_assert!(surveys.joins.is_empty());
        }
    }
}
