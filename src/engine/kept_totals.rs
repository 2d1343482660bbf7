//! [`Totals`] as they are kept by key, in as few bytes as they take: where keys are many each has
//! counted little, and there are several of a key.

use std::hint::black_box;

use super::row::Row;
use crate::kpi::{Count, Measure, Totals};

/// Integer counts and sums of one key; the same as [`Totals`], and wraps as [`Totals::add`].
#[derive(Clone, Debug)]
pub(super) enum KeptTotals {
    /// Nothing was ever too much for it.
    Small(Small),
    /// Something was. It stays so: a sum that all windows share only grows.
    Large(Box<Totals>),
}

/// Totals in 176 bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Small {
    counts: [i32; Count::FIRST_SUM],
    sums: [i64; Measure::LENGTH],
    squares: [i64; Measure::LENGTH],
}

impl Default for KeptTotals {
    fn default() -> Self {
        Self::Small(Small::default())
    }
}

impl KeptTotals {
    /// The same for all to see.
    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.add_to(&mut totals);
        totals
    }

    /// Adds them to others.
    pub(super) fn add_to(&self, totals: &mut Totals) {
        let small = match self {
            Self::Small(small) => small,
            Self::Large(large) => return totals.add(large, 1),
        };
        let (counts, sums) = totals.counts.split_at_mut(Count::FIRST_SUM);
        for (mine, theirs) in counts.iter_mut().zip(small.counts) {
            *mine = mine.wrapping_add(theirs.into());
        }
        for (mine, theirs) in sums.iter_mut().zip(small.sums) {
            *mine = mine.wrapping_add(theirs);
        }
        for (mine, theirs) in totals.squares.iter_mut().zip(small.squares) {
            *mine = mine.wrapping_add(theirs.into());
        }
    }

    /// One count or sum.
    pub(super) fn get(&self, count: Count) -> i64 {
        let index = count.index();
        match self {
            Self::Small(small) => match small.counts.get(index) {
                Some(known) => i64::from(*known),
                None => small.sums[index - Count::FIRST_SUM],
            },
            Self::Large(large) => large.counts[index],
        }
    }

    /// Counts so many more of something.
    #[inline]
    pub(super) fn count(&mut self, count: Count, amount: i64) {
        self.add_count(count.index(), amount);
    }

    /// Adds others `sign` times.
    pub(super) fn add(&mut self, other: &Totals, sign: i64) {
        for (index, count) in other.counts.iter().enumerate() {
            self.add_count(index, sign.wrapping_mul(*count));
        }
        for (index, squares) in other.squares.iter().enumerate() {
            self.add_squares(index, i128::from(sign).wrapping_mul(*squares));
        }
    }

    /// Adds a row `sign` times.
    #[inline]
    pub(super) fn add_row(&mut self, row: &Row, sign: i64) {
        let (mut counts, mut squares) = (row.counts.as_slice(), row.squares.as_slice());
        if let Self::Small(small) = self {
            counts = small.add_counts(counts, sign);
            squares = small.add_all_squares(squares, sign);
            if counts.is_empty() && squares.is_empty() {
                return;
            }
        }
        self.add_to_large(counts, squares, sign);
    }

    #[inline(never)]
    fn add_to_large(&mut self, counts: &[(u8, i64)], squares: &[(u8, i128)], sign: i64) {
        let large = self.large();
        for (index, count) in counts {
            let mine = &mut large.counts[usize::from(*index)];
            *mine = mine.wrapping_add(sign.wrapping_mul(*count));
        }
        for (index, sum) in squares {
            let mine = &mut large.squares[usize::from(*index)];
            *mine = mine.wrapping_add(i128::from(sign).wrapping_mul(*sum));
        }
    }

    /// Adds what records count, and not contacts.
    pub(super) fn add_records_of(&mut self, row: &Row) {
        for (index, count) in &row.counts {
            let index = usize::from(*index);
            if index != Count::Episodes.index() && index != Count::EpisodesMs.index() {
                self.add_count(index, *count);
            }
        }
        for (index, squares) in &row.squares {
            let index = usize::from(*index);
            if index != Measure::Episode.index() {
                self.add_squares(index, *squares);
            }
        }
    }

    #[inline]
    fn add_count(&mut self, index: usize, amount: i64) {
        if let Self::Small(small) = self
            && small.add_count(index, amount).is_some()
        {
            return;
        }
        let mine = &mut self.large().counts[index];
        *mine = mine.wrapping_add(amount);
    }

    #[inline]
    fn add_squares(&mut self, index: usize, amount: i128) {
        if let Self::Small(small) = self
            && small.add_squares(index, amount).is_some()
        {
            return;
        }
        let mine = &mut self.large().squares[index];
        *mine = mine.wrapping_add(amount);
    }

    /// What takes any amount.
    fn large(&mut self) -> &mut Totals {
        if let Self::Small(_) = self {
            *self = Self::Large(Box::new(self.totals()));
        }
        match self {
            Self::Large(large) => large,
            Self::Small(_) => unreachable!("has just been made large"),
        }
    }

    /// Brings it into the cache: reads a word of each of its cache lines.
    #[inline]
    pub(super) fn fetch(&self) {
        const A_LINE: usize = 64 / size_of::<i32>();
        match self {
            Self::Small(small) => {
                let counts = small.counts.iter().step_by(A_LINE);
                black_box(counts.fold(0, |all, one| all ^ one));
                let [sum, .., last_sum] = small.sums;
                let [.., last_squares] = small.squares;
                black_box(sum ^ last_sum ^ last_squares);
            }
            Self::Large(large) => large.fetch(),
        }
    }
}

impl Small {
    /// Adds counts up to the first for which there is no room; returns that one and those behind it.
    #[inline]
    fn add_counts<'c>(&mut self, mut rest: &'c [(u8, i64)], sign: i64) -> &'c [(u8, i64)] {
        while let [(index, count), behind @ ..] = rest
            && let Some(amount) = sign.checked_mul(*count)
            && self.add_count(usize::from(*index), amount).is_some()
        {
            rest = behind;
        }
        rest
    }

    /// The same of sums of squares.
    #[inline]
    fn add_all_squares<'c>(&mut self, mut rest: &'c [(u8, i128)], sign: i64) -> &'c [(u8, i128)] {
        while let [(index, sum), behind @ ..] = rest
            && let Ok(narrow) = i64::try_from(*sum)
            && let Some(amount) = sign.checked_mul(narrow)
            && self
                .add_squares(usize::from(*index), amount.into())
                .is_some()
        {
            rest = behind;
        }
        rest
    }

    /// `None`, and nothing has changed, where there is no room.
    #[inline]
    fn add_count(&mut self, index: usize, amount: i64) -> Option<()> {
        if let Some(mine) = self.counts.get_mut(index) {
            *mine = i32::try_from(i64::from(*mine).checked_add(amount)?).ok()?;
        } else {
            let mine = &mut self.sums[index - Count::FIRST_SUM];
            *mine = mine.checked_add(amount)?;
        }
        Some(())
    }

    /// The same of a sum of squares.
    #[inline]
    fn add_squares(&mut self, index: usize, amount: i128) -> Option<()> {
        let mine = &mut self.squares[index];
        *mine = mine.checked_add(i64::try_from(amount).ok()?)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn amount() -> impl Strategy<Value = i64> {
        prop_oneof![-9_i64..9, any::<i32>().prop_map(i64::from), any::<i64>()]
    }

    proptest! {
        /// Whatever they become too large for, and whatever wraps.
        #[test]
        fn kept_totals_are_totals(
            changes in vec((0..Count::LENGTH, 0..Measure::LENGTH, amount(), amount()), 0..9),
            sign in prop_oneof![Just(1_i64), Just(-1)],
        ) {
            let mut kept = KeptTotals::default();
            let mut expected = Totals::default();
            for (count, measure, amount, root) in changes {
                let mut totals = Totals::default();
                totals.counts[count] = amount;
                totals.squares[measure] = i128::from(root) * i128::from(root / 3);
                let mut row = Row::default();
                row.fill(&totals, std::iter::empty());
                kept.add_row(&row, sign);
                expected.add(&totals, sign);
                kept.add(&totals, 1);
                expected.add(&totals, 1);
                kept.count(Count::Nps, amount);
                expected.count(Count::Nps, amount);
                prop_assert_eq!(&kept.totals(), &expected);
                for known in Count::ALL {
                    prop_assert_eq!(kept.get(known), expected.get(known));
                }
                kept.add_records_of(&row);
                totals.counts[Count::Episodes.index()] = 0;
                totals.counts[Count::EpisodesMs.index()] = 0;
                totals.squares[Measure::Episode.index()] = 0;
                expected.add(&totals, 1);
                prop_assert_eq!(&kept.totals(), &expected);
            }
        }
    }

    #[test]
    fn little_is_kept_in_little() {
        assert_eq!(size_of::<KeptTotals>(), 184);
        let mut kept = KeptTotals::default();
        kept.count(Count::HandleTimeMs, 1 << 50);
        kept.count(Count::Records, i64::from(i32::MAX));
        assert!(matches!(kept, KeptTotals::Small(_)));
        kept.count(Count::Records, 1);
        assert!(matches!(kept, KeptTotals::Large(_)));
        assert_eq!(kept.get(Count::Records), 1 << 31);
        assert_eq!(kept.get(Count::HandleTimeMs), 1 << 50);
    }
}
