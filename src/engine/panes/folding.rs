//! What has been gathered is folded into rows, the sum that windows share, and windows.

use smallvec::SmallVec;

use super::super::cohorts::FirstContacts;
use super::super::delta::{Delta, Firsts, add_up};
use super::super::first_rows::FirstRow;
use super::super::gathered::{Change, Older, Pending};
use super::super::routes::{RouteId, Routes};
use super::super::row::Row;
use super::Panes;
use crate::time::Timestamp;

/// Deltas that are folded at a time: what they change is fetched for all of them first.
const GROUP: usize = 16;

/// Which windows cover a moment.
#[derive(Clone, Debug, Default)]
struct Covering {
    /// In their order.
    each: SmallVec<[bool; 8]>,
    /// No window does.
    nobody: bool,
    /// So many do that it is less to add to what they share, and to take out of the others.
    is_shared: bool,
    /// From which of them rows have been gathered as leaving; empty where from none.
    left: SmallVec<[bool; 8]>,
}

impl Panes {
    pub(super) fn fold_deltas(&mut self, routes: &mut Routes) {
        let mut pending = std::mem::take(&mut self.gathered.pending);
        let mut deltas = std::mem::take(&mut self.gathered.deltas);
        self.gathered.begin_anew();
        pending.sort_unstable_by_key(|item| item.0);
        let mut row = Row::default();
        let mut covering = Covering::default();
        let mut last = None;
        for (at, (moment, route, place)) in pending.iter().copied().enumerate() {
            if at % GROUP == 0 {
                let group = &pending[at..pending.len().min(at + GROUP)];
                self.fetch(group, &deltas, routes);
            }
            if last != Some(moment) {
                last = Some(moment);
                covering = self.covering(moment);
            }
            let delta = &mut deltas[place];
            delta.fill(&mut row);
            routes.count_records(route, &row);
            if moment >= self.bound() {
                self.fold_row(moment, route, &row, &covering, routes);
                self.fold_firsts(moment, route, &mut delta.firsts, &covering, routes);
            }
            delta.clear();
            routes.release(route);
        }
        pending.clear();
        self.gathered.pending = pending;
        self.gathered.deltas = deltas;
    }

    /// Brings what folding these will look at into the cache. No load waits for another of the same
    /// round.
    fn fetch(&self, pending: &[Pending], deltas: &[Delta], routes: &Routes) {
        for (_, route, _) in pending {
            routes.fetch(*route);
        }
        for (_, route, _) in pending {
            for key in &routes.route(*route).keys {
                if let Some(shared) = self.shared.get(key.at()) {
                    shared.fetch();
                }
                self.marks.fetch(*key);
                routes.fetch_counters(*key);
            }
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
        let mut covering = Covering::default();
        let mut last = None;
        for same in older.chunk_by(|one, next| (one.moment, one.route) == (next.moment, next.route))
        {
            let Some(Older { moment, route, .. }) = same.first().copied() else {
                continue;
            };
            let moment = if self.exact_moments {
                moment
            } else {
                moment.floor_to(self.pane_ms)
            };
            if last != Some(moment) {
                last = Some(moment);
                covering = self.covering(moment);
            }
            let is_kept = moment >= self.bound();
            for item in same {
                match item.change {
                    Change::First(fate, count) => firsts.push((fate, count)),
                    Change::Episode(milliseconds, sign) if is_kept => {
                        row.episode(milliseconds, sign.into());
                        self.fold_row(moment, route, &row, &covering, routes);
                    }
                    Change::Episode(..) => {}
                }
            }
            if is_kept {
                self.fold_firsts(moment, route, &mut firsts, &covering, routes);
            }
            firsts.clear();
            for _ in same {
                routes.release(route);
            }
        }
        older.clear();
        self.gathered.older = older;
    }

    /// Which windows cover a moment.
    fn covering(&self, moment: Timestamp) -> Covering {
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
            nobody: covers == 0,
            is_shared: covers > each.len() - covers + 1,
            each,
            left,
        }
    }

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
        for (key, quantiles) in routes.route(route).keys.iter().zip(&self.has_quantiles) {
            self.marks.touch(*key);
            if covering.is_shared
                && let Some(shared) = self.shared.get_mut(key.at())
            {
                shared.add_row(row, 1);
            }
            for (window, covers) in self.windows.iter_mut().zip(&covering.each) {
                match (covers, covering.is_shared) {
                    (true, false) => window.cells.add_row(*key, row, 1),
                    (false, true) => window.cells.add_row(*key, row, -1),
                    (true, true) | (false, false) => {}
                }
                if *covers && *quantiles {
                    window.cells.add_buckets(*key, &row.buckets, 1);
                }
            }
            for (window, left) in self.windows.iter_mut().zip(&covering.left) {
                if *left {
                    window.ahead.leave(*key, row, *quantiles);
                }
            }
        }
    }

    /// Folds what became of first contacts of a moment and route, which is brought in order for it.
    fn fold_firsts(
        &mut self,
        moment: Timestamp,
        route: RouteId,
        firsts: &mut Firsts,
        covering: &Covering,
        routes: &mut Routes,
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
        for row in rows.clone() {
            self.first_rows.add(moment, row, routes);
        }
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
        if covering.nobody {
            return;
        }
        for key in keys {
            self.marks.touch(*key);
            if covering.is_shared
                && let Some(shared) = self.shared.get_mut(key.at())
            {
                for (count, amount) in contacts.counts(1) {
                    shared.count(count, amount);
                }
            }
            for (window, covers) in self.windows.iter_mut().zip(&covering.each) {
                match (covers, covering.is_shared) {
                    (true, false) => window.cells.add_first(*key, &contacts, 1),
                    (false, true) => window.cells.add_first(*key, &contacts, -1),
                    (true, true) | (false, false) => {}
                }
            }
            for (window, left) in self.windows.iter_mut().zip(&covering.left) {
                if *left {
                    window.ahead.leave_first(*key, &contacts);
                }
            }
        }
    }
}
