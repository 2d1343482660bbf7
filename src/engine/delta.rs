//! What records and contacts add to one moment and route before it is folded into windows and rows.

use smallvec::{Array, SmallVec};

use super::first_rows::Fate;
use super::row::Row;
use crate::kpi::{Totals, bucket_of};

/// Figures on their way to the windows.
#[derive(Clone, Debug, Default)]
pub(super) struct Delta {
    pub(super) totals: Totals,
    /// Handle-time buckets and how often, as they came.
    buckets: SmallVec<[(u16, i32); 8]>,
    /// What became of first contacts, each fate once.
    pub(super) firsts: Firsts,
}

/// What became of first contacts, and of how many; negative where they are taken back.
pub(super) type Firsts = SmallVec<[(Fate, i32); 4]>;

/// Adds changes of the same up, which stand together; what comes to nothing goes.
pub(super) fn add_up<K, A>(changes: &mut SmallVec<A>)
where
    K: PartialEq,
    A: Array<Item = (K, i32)>,
{
    changes.dedup_by(|later, earlier| {
        let is_same = later.0 == earlier.0;
        if is_same {
            earlier.1 += later.1;
        }
        is_same
    });
    changes.retain(|change| change.1 != 0);
}

impl Delta {
    /// The bucket of one of its handle times.
    #[inline]
    pub(super) fn any_bucket(&self) -> Option<u16> {
        self.buckets.first().map(|change| change.0)
    }

    /// Counts a handle time in its bucket, or takes it back.
    #[inline]
    pub(super) fn handle_time(&mut self, handle_ms: u64, sign: i32) {
        self.buckets.push((bucket_of(handle_ms), sign));
    }

    /// Counts a first contact, or takes it back.
    #[inline]
    pub(super) fn first_contact(&mut self, fate: Fate, sign: i32) {
        match self.firsts.iter_mut().find(|known| known.0 == fate) {
            Some(known) => known.1 += sign,
            None => self.firsts.push((fate, sign)),
        }
    }

    /// Adds what a row holds.
    pub(super) fn add_row(&mut self, row: &Row) {
        row.add_to(&mut self.totals);
        self.buckets.extend_from_slice(&row.buckets);
    }

    /// Writes the figures that are not zero in place of what `row` holds, but for first contacts.
    pub(super) fn fill(&mut self, row: &mut Row) {
        self.buckets.sort_unstable_by_key(|change| change.0);
        add_up(&mut self.buckets);
        row.fill(&self.totals, self.buckets.iter().copied());
    }

    /// Empties the delta and keeps its memory.
    pub(super) fn clear(&mut self) {
        self.totals = Totals::default();
        self.buckets.clear();
        self.firsts.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kpi::Count;

    #[test]
    fn what_is_taken_back_leaves_nothing() {
        let mut delta = Delta::default();
        let mut row = Row::default();
        for sign in [1, -1] {
            delta.handle_time(1000, sign);
            delta.first_contact(Fate::Repeated(3), sign);
            delta.totals.count(Count::Records, sign.into());
            delta.fill(&mut row);
            assert_eq!(row.is_empty(), sign < 0);
            assert_eq!(
                delta.firsts.as_slice(),
                [(Fate::Repeated(3), i32::from(sign > 0))]
            );
        }
    }

    #[test]
    fn buckets_come_once_and_in_order() {
        let mut delta = Delta::default();
        for handle_ms in [9, 5, 9, 7] {
            delta.handle_time(handle_ms, 1);
        }
        delta.handle_time(7, -1);
        let mut row = Row::default();
        delta.fill(&mut row);
        assert_eq!(row.buckets.as_slice(), [(5, 1), (9, 2)]);
    }
}
