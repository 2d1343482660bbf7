//! Panes that have grown are brought together: rows of one route and moment become one. A customer who
//! comes back takes away from a pane of days ago what the contact before had given it, with a row of its
//! own; left as they come, such rows would be most of what is kept, and gone through when a window lets
//! go of the pane or is filled anew.

use super::delta::Delta;
use super::first_rows::PackedFirstRow;
use super::routes::RouteId;
use super::row::{Row, WrittenRow};
use crate::time::Timestamp;

/// Bytes of panes that are brought together at a time, or a pane more: ingest waits for it.
const BYTES_AT_A_TIME: usize = 1 << 18;
/// A pane that is longer is left as it is: it would be too long to wait for. Panes are as long where all
/// windows are long.
const MOST_BYTES: usize = 1 << 20;

/// How far a pane may grow before it is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    /// It is one that is only added to: events come to later ones.
    is_closed: bool,
    /// It is looked at when it is longer; nobody waits for it when it is noted already.
    limit: usize,
}

/// Panes that have outgrown their limits and have not been looked at.
#[derive(Debug, Default)]
pub(super) struct Grown(Vec<i64>);

impl Growth {
    /// Of a pane that begins, and is worth the while when it is longer than this.
    pub(super) fn new(least: usize) -> Self {
        Self {
            is_closed: false,
            limit: least,
        }
    }

    /// Whether it is to be looked at, now that it has outgrown its limit: not where it has just been
    /// closed, since it is mostly as it should be then.
    pub(super) fn is_due(self) -> bool {
        self.is_closed
    }

    /// Of a pane that is left as long as this: once it is longer by a third, it is looked at.
    pub(super) fn of(length: usize, least: usize) -> Self {
        Self {
            is_closed: true,
            limit: (length + length / 3).max(least),
        }
    }

    /// Makes room for a little more in a list that is only added to now and then.
    #[inline]
    pub(super) fn make_room<T>(self, list: &mut Vec<T>, more: usize) {
        if self.is_closed && list.capacity() - list.len() < more {
            list.reserve_exact(list.len() / 16 + more);
        }
    }
}

impl Grown {
    /// Notes a pane that is that long now, if it has just outgrown its limit.
    #[inline]
    pub(super) fn note(&mut self, pane: i64, growth: &mut Growth, length: usize) {
        if length > growth.limit {
            growth.limit = usize::MAX;
            self.0.push(pane);
        }
    }

    /// Takes out panes that may be brought together, one after the other, and hands them to `look`, which
    /// says how many bytes it has gone through.
    pub(super) fn each(
        &mut self,
        pane_ms: i64,
        is_free: &impl Fn(Timestamp) -> bool,
        mut look: impl FnMut(i64) -> usize,
    ) {
        let mut left = BYTES_AT_A_TIME;
        self.0.retain(|pane| {
            let start = Timestamp::from_millis(pane.saturating_mul(pane_ms));
            let stays = left == 0 || !is_free(start);
            if !stays {
                left = left.saturating_sub(look(*pane));
            }
            stays
        });
    }
}

/// A row where it lies.
#[derive(Clone, Copy, Debug)]
struct Part<'b> {
    route: RouteId,
    offset_ms: u64,
    bytes: &'b [u8],
}

impl Part<'_> {
    fn order(&self) -> (RouteId, u64) {
        (self.route, self.offset_ms)
    }
}

/// The rows of a pane brought together; `None` where that would hardly make them fewer. Of each that goes
/// the route is handed to `release`.
pub(super) fn rows_together(bytes: &[u8], mut release: impl FnMut(RouteId)) -> Option<Vec<u8>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    let mut rest = bytes;
    loop {
        let before = rest;
        let Some((route, row)) = WrittenRow::next(&mut rest) else {
            break;
        };
        parts.push(Part {
            route,
            offset_ms: row.offset_ms,
            bytes: &before[..before.len() - rest.len()],
        });
    }
    // Those that were brought together before are in order: a stable sort finds that out.
    parts.sort_by_key(Part::order);
    let groups = || parts.chunk_by(|one, next| one.order() == next.order());
    if !is_worth_it(parts.len(), groups().count()) {
        return None;
    }
    let mut together = Vec::with_capacity(bytes.len());
    let (mut row, mut sum) = (Row::default(), Delta::default());
    for same in groups() {
        if let [alone] = same {
            together.extend_from_slice(alone.bytes);
            continue;
        }
        sum.clear();
        for part in same {
            if row.read(&mut { part.bytes }).is_some() {
                sum.add_row(&row);
            }
        }
        sum.fill(&mut row);
        let mut gone = same.iter().map(|part| part.route);
        if !row.is_empty()
            && let Some(route) = gone.next()
        {
            row.write(route, same[0].offset_ms, &mut together);
        }
        gone.for_each(&mut release);
    }
    together.shrink_to_fit();
    Some(together)
}

/// The same with rows of first contacts, and the offsets of their moments, where those are kept.
pub(super) fn first_rows_together(
    rows: &[PackedFirstRow],
    offsets_ms: &[i64],
    mut release: impl FnMut(RouteId),
) -> Option<(Vec<PackedFirstRow>, Vec<i64>)> {
    let all_offsets = offsets_ms.iter().copied().chain(std::iter::repeat(0));
    let mut parts: Vec<(PackedFirstRow, i64)> = rows.iter().copied().zip(all_offsets).collect();
    let order = |part: &(PackedFirstRow, i64)| (part.0.order(), part.1);
    parts.sort_by_key(order);
    let same = parts.chunk_by(|one, next| order(one) == order(next));
    if !is_worth_it(parts.len(), same.count()) {
        return None;
    }
    parts.dedup_by(|later, earlier| {
        let is_merged = order(later) == order(earlier) && earlier.0.merge(later.0);
        if is_merged {
            release(later.0.route());
        }
        is_merged
    });
    parts.retain(|(row, _)| {
        let is_something = row.count() != 0;
        if !is_something {
            release(row.route());
        }
        is_something
    });
    let has_offsets = !offsets_ms.is_empty();
    let together = parts.iter().map(|part| part.0).collect();
    let offsets = parts.iter().filter(|_| has_offsets).map(|part| part.1);
    Some((together, offsets.collect()))
}

/// Whether a pane of so many bytes is brought together at all.
pub(super) fn is_short(bytes: usize) -> bool {
    bytes <= MOST_BYTES
}

/// An eighth of the rows goes.
fn is_worth_it(rows: usize, different: usize) -> bool {
    different * 8 <= rows * 7
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::first_rows::{Fate, FirstRow};
    use crate::kpi::{Count, Totals};

    /// What rows come to, and how many there are of each route.
    type Sums = (
        BTreeMap<(u32, u64), (Vec<i64>, BTreeMap<u16, i32>)>,
        BTreeMap<u32, i64>,
    );

    fn sums_of(mut bytes: &[u8]) -> Sums {
        let (mut sums, mut routes) = Sums::default();
        let mut row = Row::default();
        while let Some((route, offset_ms)) = row.read(&mut bytes) {
            *routes.entry(route.0).or_default() += 1;
            let sum = sums.entry((route.0, offset_ms)).or_default();
            sum.0.resize(Count::LENGTH, 0);
            for (index, count) in &row.counts {
                sum.0[usize::from(*index)] += count;
            }
            for (bucket, count) in &row.buckets {
                *sum.1.entry(*bucket).or_default() += count;
            }
        }
        assert!(bytes.is_empty());
        for sum in sums.values_mut() {
            sum.1.retain(|_, count| *count != 0);
        }
        sums.retain(|_, sum| sum.0.iter().any(|count| *count != 0) || !sum.1.is_empty());
        (sums, routes)
    }

    proptest! {
        /// They come to the same, each once, and what goes is released.
        #[test]
        fn rows_come_to_the_same(
            rows in proptest::collection::vec((0_u32..6, 0_u64..2, -2_i64..3, 0_u16..3), 0..60),
        ) {
            let mut bytes = Vec::new();
            for (route, offset_ms, count, bucket) in rows {
                let mut totals = Totals::default();
                totals.count(Count::Records, count);
                let buckets = (count != 0).then(|| (bucket, i32::try_from(count).unwrap()));
                let mut row = Row::default();
                row.fill(&totals, buckets.into_iter());
                if !row.is_empty() {
                    row.write(RouteId(route), offset_ms, &mut bytes);
                }
            }
            let (before, mut routes) = sums_of(&bytes);
            let mut gone = Vec::new();
            if let Some(together) = rows_together(&bytes, |route| gone.push(route)) {
                let (after, left) = sums_of(&together);
                prop_assert_eq!(&after, &before);
                prop_assert_eq!(left.values().sum::<i64>(), i64::try_from(after.len()).unwrap());
                for route in gone {
                    *routes.entry(route.0).or_default() -= 1;
                }
                routes.retain(|_, count| *count != 0);
                prop_assert_eq!(left, routes);
            }
        }

        #[test]
        fn first_rows_come_to_the_same(
            rows in proptest::collection::vec((0_u32..4, 0_u8..3, -2_i32..3, 0_i64..2), 0..60),
            has_offsets: bool,
        ) {
            let (mut packed, mut offsets_ms) = (Vec::new(), Vec::new());
            for (route, step, count, offset_ms) in rows {
                let row = FirstRow {
                    route: RouteId(route),
                    fate: Fate::Repeated(step),
                    count,
                };
                for one in PackedFirstRow::of(row) {
                    packed.push(one);
                    if has_offsets {
                        offsets_ms.push(offset_ms);
                    }
                }
            }
            let sums_of = |of: &[PackedFirstRow], at: &[i64]| {
                let mut sums = BTreeMap::new();
                let mut routes: BTreeMap<RouteId, i64> = BTreeMap::new();
                let offsets = at.iter().chain(std::iter::repeat(&0));
                for (row, offset_ms) in of.iter().zip(offsets) {
                    *sums.entry((row.order(), *offset_ms)).or_default() += row.count();
                    *routes.entry(row.route()).or_default() += 1;
                }
                sums.retain(|_, count: &mut i32| *count != 0);
                (sums, routes)
            };
            let (before, mut routes) = sums_of(&packed, &offsets_ms);
            let mut gone = Vec::new();
            let together = first_rows_together(&packed, &offsets_ms, |route| gone.push(route));
            if let Some((together, offsets)) = together {
                let (after, left) = sums_of(&together, &offsets);
                prop_assert_eq!(together.len(), after.len());
                prop_assert_eq!(after, before);
                for route in gone {
                    *routes.entry(route).or_default() -= 1;
                }
                routes.retain(|_, count| *count != 0);
                prop_assert_eq!(left, routes);
            }
        }
    }
}
