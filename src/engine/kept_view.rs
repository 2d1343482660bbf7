//! A view for one reader that looks often and at little: it is kept and brought up to date, and only
//! what the reader reads and what has changed is copied. Back-tests of alerts judge their rules at
//! 172 800 instants of a month.

use std::sync::Arc;

use super::Engine;
use super::routes::{Key, KeyId};
use super::view::{BreakdownView, KeyView, Lifetime, View};
use crate::kpi::Cell;
use crate::time::Timestamp;

/// See [`Engine::kept_view`].
#[derive(Clone, Debug)]
pub struct KeptView {
    view: View,
    /// Whether the cells of each window are wanted.
    wanted: Vec<bool>,
    /// In place of the counters, which are not copied.
    lifetime: Arc<Lifetime>,
}

impl Engine {
    /// A view to be brought up to date by [`Engine::update`], with the cells of the windows that
    /// are `wanted` (in configured order) alone. Those of other windows stay empty, as do counters
    /// and statistics.
    pub fn kept_view(&self, wanted: Vec<bool>) -> KeptView {
        KeptView {
            view: self.empty_view(),
            wanted,
            lifetime: Arc::default(),
        }
    }

    /// Moves every window to the instant `at` (never backwards), as [`Engine::view`] does, and
    /// brings the kept view there.
    pub fn update<'k>(&mut self, kept: &'k mut KeptView, at: Timestamp) -> &'k View {
        self.settle(at);
        kept.view.at = Some(at);
        kept.view.windows = self.window_views(at);
        if kept.view.breakdowns.is_empty() {
            kept.view.breakdowns = self.bare_breakdowns();
        }
        for breakdown in 0..kept.view.breakdowns.len() {
            self.update_breakdown(kept, breakdown, at);
        }
        self.booking.panes.shown();
        &kept.view
    }

    fn bare_breakdowns(&self) -> Vec<BreakdownView> {
        let bare = |(breakdown, dimensions): (usize, &Vec<String>)| BreakdownView {
            label: BreakdownView::label_of(dimensions).into(),
            dimensions: Arc::from(dimensions.as_slice()),
            handle_time: self.has_handle_time(breakdown),
            keys: Vec::new(),
        };
        self.settings
            .breakdowns
            .iter()
            .enumerate()
            .map(bare)
            .collect()
    }

    fn update_breakdown(&self, kept: &mut KeptView, breakdown: usize, at: Timestamp) {
        let KeptView {
            view,
            wanted,
            lifetime,
        } = kept;
        let BreakdownView {
            handle_time, keys, ..
        } = &mut view.breakdowns[breakdown];
        let mut count = 0;
        for (id, key) in self.shown_keys(breakdown, at) {
            // The values of a key are its own as long as it lives. Keys that came or went in
            // between are rare: what follows them is copied again.
            if !keys
                .get(count)
                .is_some_and(|known: &Arc<KeyView>| Arc::ptr_eq(&known.values, &key.values))
            {
                keys.truncate(count);
                keys.push(Arc::new(bare_key(key, lifetime)));
            }
            let known = Arc::make_mut(&mut keys[count]);
            let revision = self.booking.panes.revision(id);
            if known.revision != revision || known.cells.is_empty() {
                known.revision = revision;
                known.live = self.is_live(id, key);
                self.copy_cells(id, *handle_time, wanted, &mut known.cells);
            }
            count += 1;
        }
        keys.truncate(count);
    }

    fn copy_cells(&self, id: KeyId, handle_time: bool, wanted: &[bool], cells: &mut Vec<Cell>) {
        cells.resize(wanted.len(), Cell::default());
        for (window, cell) in cells.iter_mut().enumerate() {
            if wanted[window] {
                *cell = self.cell(window, id, handle_time);
            }
        }
    }
}

fn bare_key(key: &Key, lifetime: &Arc<Lifetime>) -> KeyView {
    KeyView {
        values: Arc::clone(&key.values),
        live: false,
        revision: 0,
        cells: Vec::new(),
        lifetime: Arc::clone(lifetime),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Settings, WaitingPolicy};
    use super::*;

    #[test]
    fn breakdowns_are_called_as_in_any_view() {
        let mut engine = Engine::new(Arc::new(Settings::default()), WaitingPolicy::CountOnly);
        let at = Timestamp::from_millis(1_767_225_600_000);
        let mut kept = engine.kept_view(vec![true; 5]);
        let labels = |view: &View| -> Vec<String> {
            let breakdowns = view.breakdowns.iter();
            breakdowns.map(|one| one.label.to_string()).collect()
        };
        let updated = labels(engine.update(&mut kept, at));
        assert_eq!(updated, ["overall", "queue", "channel"]);
        assert_eq!(updated, labels(&engine.view(at)));
    }
}
