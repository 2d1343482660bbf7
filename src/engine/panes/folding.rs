//! What has been gathered is folded into rows, the sum that windows share, and windows.

use smallvec::SmallVec;

use super::super::cohorts::FirstContacts;
use super::super::delta::{Delta, Firsts, add_up};
use super::super::first_rows::FirstRow;
use super::super::gathered::{Change, Older, Pending};
use super::super::key_sums::{KeySum, KeySums};
use super::super::routes::{KeyId, RouteId, Routes};
use super::super::row::Row;
use super::Panes;
use crate::time::Timestamp;

/// Deltas that are folded at a time: what they change is fetched for all of them first.
const GROUP: usize = 16;

/// Which windows cover a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Covering {
    /// Rows of the moment are kept.
    is_kept: bool,
    /// In their order.
    each: SmallVec<[bool; 8]>,
    /// No window does.
    nobody: bool,
    /// So many do that it is less to add to what they share, and to take out of the others.
    is_shared: bool,
    /// From which of them rows have been gathered as leaving; empty where from none.
    left: SmallVec<[bool; 8]>,
}

/// A fold under way.
struct Folding {
    /// What is to be booked where that covering says.
    sums: KeySums,
    covering: Covering,
    /// Where the last of it lies.
    moment: Option<Timestamp>,
    /// What became of first contacts at that moment and is not kept yet: all of a pane together.
    firsts: Vec<FirstRow>,
    /// It has records, which the counters of keys count.
    has_records: bool,
}

impl Panes {
    pub(super) fn fold_deltas(&mut self, routes: &mut Routes) {
        let mut pending = std::mem::take(&mut self.gathered.pending);
        let mut deltas = std::mem::take(&mut self.gathered.deltas);
        self.gathered.begin_anew();
        pending.sort_unstable_by_key(|item| item.0);
        let mut folding = self.begin_folding(true);
        let mut row = Row::default();
        for (at, (moment, route, place)) in pending.iter().copied().enumerate() {
            if at % GROUP == 0 {
                let group = &pending[at..pending.len().min(at + GROUP)];
                self.fetch(group, &deltas, routes);
            }
            self.go_on_at(moment, &mut folding, routes);
            let delta = &mut deltas[place];
            let keys = &routes.route(route).keys;
            folding.sums.add(keys, &delta.totals);
            if folding.covering.is_kept {
                delta.fill(&mut row);
                self.fold_row(moment, route, &row, &folding.covering, routes);
                self.fold_firsts(moment, route, &mut delta.firsts, &mut folding, routes);
            }
            delta.clear();
        }
        self.end_folding(folding, routes);
        for (_, route, _) in pending.drain(..) {
            routes.release(route);
        }
        self.gathered.pending = pending;
        self.gathered.deltas = deltas;
    }

    /// Brings what folding these will look at into the cache. No load waits for another of the same
    /// round.
    fn fetch(&self, pending: &[Pending], deltas: &[Delta], routes: &Routes) {
        for (_, route, _) in pending {
            routes.fetch(*route);
        }
        for (_, route, place) in pending {
            let Some(delta) = deltas.get(*place) else {
                continue;
            };
            let keys = &routes.route(*route).keys;
            if let Some(bucket) = delta.any_bucket() {
                for (key, _) in keys.iter().zip(&self.has_quantiles).filter(|key| *key.1) {
                    for window in &self.windows {
                        window.cells.fetch_bucket(*key, bucket);
                    }
                }
            }
            if !delta.firsts.is_empty() {
                for key in keys {
                    for window in &self.windows {
                        window.cells.fetch_survival(*key);
                    }
                }
            }
        }
    }

    pub(super) fn fold_older(&mut self, routes: &mut Routes) {
        let mut older = std::mem::take(&mut self.gathered.older);
        // One pane after the other: each is looked up once, and lies together. What one first contact
        // loses and gains in its pane lies together as well, and mostly differs little.
        older.sort_unstable_by_key(|item| (item.moment, item.route));
        let mut row = Row::default();
        let mut firsts = Firsts::new();
        let mut folding = self.begin_folding(false);
        let (mut at, mut fetched) = (0, 0);
        for same in older.chunk_by(|one, next| (one.moment, one.route) == (next.moment, next.route))
        {
            if at >= fetched {
                fetched = older.len().min(at + GROUP);
                self.fetch_panes(&older[at..fetched]);
            }
            at += same.len();
            let Some(Older { moment, route, .. }) = same.first().copied() else {
                continue;
            };
            let moment = if self.exact_moments {
                moment
            } else {
                moment.floor_to(self.pane_ms)
            };
            self.go_on_at(moment, &mut folding, routes);
            if !folding.covering.is_kept {
                continue;
            }
            for item in same {
                match item.change {
                    Change::First(fate, count) => firsts.push((fate, count)),
                    Change::Episode(milliseconds, sign) => {
                        row.episode(milliseconds, sign.into());
                        folding.sums.add_row(&routes.route(route).keys, &row);
                        self.fold_row(moment, route, &row, &folding.covering, routes);
                    }
                }
            }
            self.fold_firsts(moment, route, &mut firsts, &mut folding, routes);
            firsts.clear();
        }
        self.end_folding(folding, routes);
        for item in older.drain(..) {
            routes.release(item.route);
        }
        self.gathered.older = older;
    }

    /// Brings what these append to into the cache: nearly each of them to another pane of long ago.
    fn fetch_panes(&self, older: &[Older]) {
        for item in older {
            self.rows.fetch(item.moment);
            self.first_rows.fetch(item.moment);
        }
    }

    fn begin_folding(&mut self, has_records: bool) -> Folding {
        Folding {
            sums: std::mem::take(&mut self.sums),
            covering: Covering::default(),
            moment: None,
            firsts: Vec::new(),
            has_records,
        }
    }

    /// What comes next lies at this moment.
    #[inline]
    fn go_on_at(&mut self, moment: Timestamp, folding: &mut Folding, routes: &mut Routes) {
        if folding.moment != Some(moment) {
            self.keep_firsts(folding, routes);
            folding.moment = Some(moment);
            let covering = self.covering(moment);
            if covering != folding.covering {
                self.book(folding, routes);
                folding.covering = covering;
            }
        }
        if folding.sums.is_full() {
            self.book(folding, routes);
        }
    }

    fn end_folding(&mut self, mut folding: Folding, routes: &mut Routes) {
        self.keep_firsts(&mut folding, routes);
        self.book(&mut folding, routes);
        self.sums = folding.sums;
    }

    fn keep_firsts(&mut self, folding: &mut Folding, routes: &mut Routes) {
        if let Some(moment) = folding.moment {
            self.first_rows.add_all(moment, &folding.firsts, routes);
            folding.firsts.clear();
        }
    }

    /// Adds what has been added up for each key to what its windows count, and to its counters.
    fn book(&mut self, folding: &mut Folding, routes: &mut Routes) {
        let mut row = Row::default();
        let (keys, sums) = folding.sums.all();
        for (group, sums_of_group) in keys.chunks(GROUP).zip(sums.chunks(GROUP)) {
            for key in group {
                if let Some(shared) = self.shared.get(key.at()) {
                    shared.fetch();
                }
                self.marks.fetch(*key);
                if folding.has_records {
                    routes.fetch_counters(*key);
                }
            }
            for (key, sum) in group.iter().zip(sums_of_group) {
                sum.fill(&mut row);
                if folding.has_records {
                    routes.count_records_of(*key, &row);
                }
                if !folding.covering.nobody {
                    self.book_key(*key, &row, sum, &folding.covering);
                }
            }
        }
        folding.sums.clear();
    }

    fn book_key(&mut self, key: KeyId, row: &Row, sum: &KeySum, covering: &Covering) {
        self.marks.touch(key);
        if covering.is_shared
            && let Some(shared) = self.shared.get_mut(key.at())
        {
            shared.add_row(row, 1);
            for (count, amount) in sum.firsts(1) {
                shared.count(count, amount);
            }
        }
        for (window, covers) in self.windows.iter_mut().zip(&covering.each) {
            let sign = match (covers, covering.is_shared) {
                (true, false) => 1,
                (false, true) => -1,
                (true, true) | (false, false) => continue,
            };
            window.cells.add_row(key, row, sign);
            window.cells.add_counts(key, sum.firsts(sign));
        }
    }

    /// Which windows cover a moment.
    fn covering(&self, moment: Timestamp) -> Covering {
        if moment < self.bound() {
            return Covering {
                nobody: true,
                ..Covering::default()
            };
        }
        let windows = || self.windows.iter();
        let each = windows().map(|window| window.covers(moment));
        let each: SmallVec<[bool; 8]> = each.collect();
        let covers = each.iter().filter(|covers| **covers).count();
        let left = windows().map(|window| window.ahead.has_left(moment));
        let mut left: SmallVec<[bool; 8]> = left.collect();
        if !left.contains(&true) {
            left.clear();
        }
        Covering {
            is_kept: true,
            nobody: covers == 0,
            is_shared: covers > each.len() - covers + 1,
            each,
            left,
        }
    }

    /// Keeps a row and counts its handle times; what else it counts has been added up by key.
    fn fold_row(
        &mut self,
        moment: Timestamp,
        route: RouteId,
        row: &Row,
        covering: &Covering,
        routes: &mut Routes,
    ) {
        self.rows.add(moment, route, row, routes);
        if covering.nobody {
            return;
        }
        let keys = routes.route(route).keys.iter().zip(&self.has_quantiles);
        if !row.buckets.is_empty() {
            for (key, _) in keys.clone().filter(|(_, quantiles)| **quantiles) {
                let windows = self.windows.iter_mut().zip(&covering.each);
                for (window, _) in windows.filter(|(_, covers)| **covers) {
                    window.cells.add_buckets(*key, &row.buckets, 1);
                }
            }
        }
        for (window, _) in self
            .windows
            .iter_mut()
            .zip(&covering.left)
            .filter(|left| *left.1)
        {
            for (key, quantiles) in keys.clone() {
                window.ahead.leave(*key, row, *quantiles);
            }
        }
    }

    /// Folds what became of first contacts of a moment and route, which is brought in order for it.
    fn fold_firsts(
        &mut self,
        moment: Timestamp,
        route: RouteId,
        firsts: &mut Firsts,
        folding: &mut Folding,
        routes: &Routes,
    ) {
        firsts.sort_unstable_by_key(|first| first.0.number());
        add_up(firsts);
        if firsts.is_empty() {
            return;
        }
        let rows = firsts.iter().map(|(fate, count)| FirstRow {
            route,
            fate: *fate,
            count: *count,
        });
        folding.firsts.extend(rows.clone());
        let contacts = FirstContacts::of_rows(rows.clone());
        let keys = &routes.route(route).keys;
        for window in &mut self.windows {
            window.follow(
                moment,
                rows.clone(),
                (route, &contacts),
                keys,
                &mut self.marks,
            );
        }
        if folding.covering.nobody {
            return;
        }
        folding.sums.add_firsts(keys, &contacts);
        let windows = self.windows.iter_mut().zip(&folding.covering.left);
        for (window, _) in windows.filter(|left| *left.1) {
            for key in keys {
                window.ahead.leave_first(*key, &contacts);
            }
        }
    }
}
