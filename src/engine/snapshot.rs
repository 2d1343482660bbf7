//! From state to a [`View`].

use std::sync::Arc;

use super::Engine;
use super::routes::{Key, KeyId};
use super::view::{BreakdownView, KeyView, Stats, View, WindowView};
use crate::kpi::Cell;
use crate::time::Timestamp;

impl Engine {
    /// Folds what has been gathered, moves every window to the instant `at` (never backwards) and
    /// returns a snapshot.
    ///
    /// Live, `at` is T; in a replay without a fixed instant it is chosen after the last event. All
    /// state must lie before `at`, which holds for any `at` not before T.
    pub fn view(&mut self, at: Timestamp) -> View {
        self.settle(at);
        let kpis = Arc::new(self.settings.kpis.clone());
        let windows = self.window_views(at);
        let breakdowns = (0..self.settings.breakdowns.len())
            .map(|breakdown| self.breakdown_view(breakdown, at))
            .collect();
        self.booking.panes.shown();
        View {
            at: Some(at),
            kpis,
            windows,
            breakdowns,
            stats: self.stats(),
            history: self.history.clone().unwrap_or_default(),
        }
    }

    /// Moves every window to the instant `at` (never backwards) without a look at it: a view of
    /// that instant has less to do.
    pub fn settle(&mut self, at: Timestamp) {
        self.fold();
        self.booking.panes.move_to(at, &mut self.booking.routes);
        self.mark_empty_keys(at);
    }

    /// Does a little of the work that the windows will have when they move next, at most about `most`
    /// ([`WORK_AT_A_TIME`](super::WORK_AT_A_TIME) for a live run). Call it between batches: where panes
    /// of very many keys close, the view that moves the windows would wait for all of it, and ingest
    /// for that view. Changes nothing that can be seen. Says whether there is more to do at once.
    pub fn work_ahead(&mut self, most: usize) -> bool {
        let booking = &mut self.booking;
        booking.panes.work_ahead(self.now, most, &booking.routes)
    }

    /// A view before anything was accepted: no instant and no rows.
    pub fn empty_view(&self) -> View {
        View {
            at: None,
            kpis: Arc::new(self.settings.kpis.clone()),
            windows: Vec::new(),
            breakdowns: Vec::new(),
            stats: self.stats(),
            history: Arc::default(),
        }
    }

    /// The smallest multiple of the smallest pane that is after stream time; `None` before the
    /// first accepted event. Where a replay without `--at` evaluates.
    pub fn replay_instant(&self) -> Option<Timestamp> {
        let stream_time = self.stream_time?;
        let pane_ms = self
            .geometries
            .iter()
            .map(|geometry| geometry.pane_ms)
            .min()
            .unwrap_or(1);
        Some(stream_time.floor_to(pane_ms).plus_millis(pane_ms))
    }

    /// Accounting and health of the engine.
    pub fn stats(&self) -> Stats {
        let accounting = &self.accounting;
        Stats {
            received: accounting.received,
            applied: accounting.applied,
            replaced: accounting.replaced,
            duplicates: accounting.duplicates,
            rejected: accounting.rejected,
            late: accounting.late,
            waiting: self.waiting.len(),
            truncated_dimensions: accounting.truncated_dimensions,
            ledger_entries: count(self.ledger.len()),
            chain_contacts: count(self.booking.contacts()),
            effective_lateness_ms: self.ledger.effective_lateness_ms(self.stream_time),
            effective_horizon_ms: self.booking.effective_horizon_ms(self.stream_time),
            overflow: self.booking.routes.overflowed(),
            stream_time: self.stream_time,
            history_from: self.history_from(),
        }
    }

    /// Where the processed history begins: where the source began to read when it left older
    /// messages out, else the earliest accepted event.
    fn history_from(&self) -> Option<Timestamp> {
        self.history_floor.or(self.earliest_event)
    }

    pub(super) fn window_views(&self, at: Timestamp) -> Vec<WindowView> {
        let history_from = self.history_from();
        let reaches = |moment: Timestamp| history_from.is_some_and(|from| from <= moment);
        self.settings
            .windows
            .iter()
            .zip(&self.geometries)
            .map(|(spec, geometry)| {
                let from = geometry.ranges(at).window.from;
                WindowView {
                    name: Arc::from(spec.name.as_str()),
                    length_ms: geometry.length_ms,
                    day_from: geometry.day.is_some().then_some(from),
                    complete: reaches(from),
                    complete_for_fcr: reaches(from.plus_millis(-geometry.horizon_ms)),
                    for_alert_only: spec.for_alert_only,
                }
            })
            .collect()
    }

    /// Notes since when keys have nothing left in any window, and drops those that outlived their
    /// time to live. Only a key that changed, or is new, can have become empty or filled.
    pub(super) fn mark_empty_keys(&mut self, at: Timestamp) {
        let booking = &mut self.booking;
        let changed = booking.panes.take_changed();
        for id in booking.routes.take_made().into_iter().chain(changed) {
            let is_live = booking.panes.is_live(id);
            booking.routes.set_live(id, is_live, at);
        }
        booking.routes.drop_outlived(at);
    }

    fn breakdown_view(&mut self, breakdown: usize, at: Timestamp) -> BreakdownView {
        let handle_time = self.has_handle_time(breakdown);
        let mut shown = std::mem::take(&mut self.shown);
        shown.resize(self.booking.routes.key_count(), None);
        let keys = self
            .shown_keys(breakdown, at)
            .map(|(id, key)| match &shown[id.at()] {
                Some(known) if self.is_as_shown(known, id, key) => Arc::clone(known),
                Some(_) | None => {
                    let view = Arc::new(self.key_view(id, key, handle_time));
                    shown[id.at()] = Some(Arc::clone(&view));
                    view
                }
            })
            .collect();
        self.shown = shown;
        let dimensions = &self.settings.breakdowns[breakdown];
        BreakdownView {
            label: BreakdownView::label_of(dimensions).into(),
            dimensions: Arc::from(dimensions.as_slice()),
            handle_time,
            keys,
        }
    }

    /// Nothing of the key has changed since that view. Its number may be that of another key now;
    /// values and counters are the key's own as long as it lives, and counters shared with a view
    /// are copied when they change.
    fn is_as_shown(&self, known: &KeyView, id: KeyId, key: &Key) -> bool {
        Arc::ptr_eq(&known.values, &key.values)
            && key.counts_as(&known.lifetime)
            && known.revision == self.booking.panes.revision(id)
    }

    fn key_view(&self, id: KeyId, key: &Key, handle_time: bool) -> KeyView {
        let cells = (0..self.geometries.len())
            .map(|window| self.cell(window, id, handle_time))
            .collect();
        KeyView {
            values: Arc::clone(&key.values),
            live: self.is_live(id, key),
            revision: self.booking.panes.revision(id),
            cells,
            lifetime: key.lifetime(),
        }
    }
}

/// What views of both kinds are made of.
impl Engine {
    /// Whether handle-time quantiles are kept at the breakdown.
    pub(super) fn has_handle_time(&self, breakdown: usize) -> bool {
        let kept = &self.settings.kpis.handle_time_breakdowns;
        kept.contains(&self.settings.breakdowns[breakdown])
    }

    /// The keys of a breakdown that have not outlived their time, ordered by their values.
    pub(super) fn shown_keys(
        &self,
        breakdown: usize,
        at: Timestamp,
    ) -> impl Iterator<Item = (KeyId, &Key)> {
        let routes = &self.booking.routes;
        routes
            .keys_of(breakdown)
            .filter_map(|id| Some((id, routes.key(id)?)))
            .filter(move |(_, key)| !routes.is_outlived(key, at))
    }

    /// A record of the key lies in a window or a mature cohort; overall always counts as live.
    pub(super) fn is_live(&self, id: KeyId, key: &Key) -> bool {
        key.values.is_empty() || self.booking.panes.is_live(id)
    }

    /// The counts of a key in a window.
    pub(super) fn cell(&self, window: usize, id: KeyId, handle_time: bool) -> Cell {
        let Some(counted) = self.booking.panes.counted(window, id) else {
            return Cell::default();
        };
        Cell {
            totals: self.booking.panes.totals(id, counted),
            mature: counted.mature(),
            survival: counted.survival(),
            quantiles: handle_time.then(|| counted.quantiles()).flatten(),
        }
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
