//! Keeping the [`History`]: a point at each of its instants as T passes it, and all of them at once
//! out of the panes when there are none yet.

use std::sync::Arc;

use super::Engine;
use super::history::{HISTORY_KPIS, History, KeyPoints, MOST_KEYS, NO_VALUES, Point};
use super::past::Past;
use super::routes::KeyId;
use crate::kpi::{Cell, Kpi, MatureTotals, Settings, Totals};
use crate::time::Timestamp;

impl Engine {
    /// Keeps a history from here on: panes stay for as long as it reaches back. Call it before the
    /// first event; points are made once [`Engine::fill_history`] has been called.
    pub fn keep_history(&mut self) {
        let history = History::new(self.booking.panes.pane_ms());
        self.booking.panes.keep_for(history.reach_ms());
        self.history = Some(Arc::new(history));
    }

    /// Makes all points of the past hours out of the panes, as of T.
    pub fn fill_history(&mut self) {
        if self.history.is_none() {
            return;
        }
        self.fold();
        let Some(history) = &self.history else {
            return;
        };
        let instants = history.instants(self.now);
        let keys = self.overview_keys().into_iter();
        let nothing = vec![vec![NO_VALUES; instants.len()]; self.geometries.len()];
        let (keys, mut points): (Vec<KeyId>, Vec<KeyPoints>) = keys
            .filter_map(|id| {
                let key = self.booking.routes.key(id)?;
                let place = (key.breakdown, Arc::clone(&key.values));
                Some((id, (place, nothing.clone())))
            })
            .unzip();
        let (routes, kpis) = (&self.booking.routes, &self.settings.kpis);
        let mut visit = |past: Past, totals: &Totals, mature| {
            let length_ms = self.geometries[past.window].length_ms;
            let point = point_of(totals.clone(), mature, length_ms, kpis);
            points[past.key].1[past.window][past.instant] = point;
        };
        self.booking
            .panes
            .recall(&instants, &keys, routes, &mut visit);
        let newest = instants.last().copied().unwrap_or(self.now);
        if let Some(kept) = &mut self.history {
            Arc::make_mut(kept).fill(newest, points.into_iter());
        }
    }

    /// Adds the points of the instant T, at which it is due.
    pub(super) fn record_history(&mut self, at: Timestamp) {
        self.settle(at);
        let points: Vec<_> = self
            .overview_keys()
            .into_iter()
            .filter(|id| self.booking.panes.is_live(*id))
            .filter_map(|id| {
                let key = self.booking.routes.key(id)?;
                let windows = self.geometries.iter().enumerate();
                let points = windows.map(|(window, geometry)| {
                    let panes = &self.booking.panes;
                    let counted = panes.counted(window, id);
                    counted.map_or(NO_VALUES, |counted| {
                        let totals = panes.totals(id, counted);
                        let kpis = &self.settings.kpis;
                        point_of(totals, counted.mature(), geometry.length_ms, kpis)
                    })
                });
                Some((
                    (key.breakdown, Arc::clone(&key.values)),
                    points.collect::<Vec<Point>>(),
                ))
            })
            .collect();
        if let Some(history) = &mut self.history {
            Arc::make_mut(history).push(at, points.into_iter());
        }
    }

    /// The keys of breakdowns with at most one dimension, those of the smallest first.
    fn overview_keys(&self) -> Vec<KeyId> {
        let breakdowns = self.settings.breakdowns.iter().enumerate();
        let narrow = breakdowns.filter(|(_, dimensions)| dimensions.len() <= 1);
        let mut keys: Vec<Vec<KeyId>> = narrow
            .map(|(breakdown, _)| self.booking.routes.keys_of(breakdown).collect())
            .collect();
        keys.sort_by_key(Vec::len);
        keys.into_iter().flatten().take(MOST_KEYS).collect()
    }
}

/// The values alone, for which sums of squares are of no use.
fn point_of(totals: Totals, mature: MatureTotals, length_ms: i64, kpis: &Settings) -> Point {
    let cell = Cell {
        totals,
        mature,
        survival: None,
        quantiles: None,
    };
    let value = |kpi: Kpi| {
        let reading = cell.reading(kpi, false, length_ms, kpis);
        reading
            .and_then(|reading| reading.value)
            .unwrap_or(f64::NAN)
    };
    HISTORY_KPIS.map(value)
}
