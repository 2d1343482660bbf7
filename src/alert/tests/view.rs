//! Views made by hand.

use std::sync::Arc;

use crate::engine::{BreakdownView, KeyView, Lifetime, Stats, View, WindowView};
use crate::kpi::{self, Cell, Count, Totals};
use crate::time::Timestamp;

/// Satisfied answers of all answers in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    satisfied: i64,
    answers: i64,
}

/// `satisfied` of `answers`.
pub(super) fn seen(satisfied: i64, answers: i64) -> Seen {
    Seen { satisfied, answers }
}

/// No answer.
pub(super) const NOTHING: Seen = Seen {
    satisfied: 0,
    answers: 0,
};

impl Seen {
    pub(super) fn totals(self) -> Totals {
        let mut totals = Totals::default();
        totals.count(Count::Csat, self.answers);
        totals.count(Count::CsatSatisfied, self.satisfied);
        totals
    }
}

/// A view under construction.
#[derive(Clone, Debug)]
pub(super) struct ViewBuilder {
    view: View,
}

impl ViewBuilder {
    /// A view without windows and breakdowns.
    pub(super) fn new() -> Self {
        Self {
            view: View {
                at: None,
                kpis: Arc::new(kpi::Settings::default()),
                windows: Vec::new(),
                breakdowns: Vec::new(),
                stats: Stats::default(),
                history: Arc::default(),
            },
        }
    }

    /// Adds a complete window of that many hours.
    pub(super) fn window(self, name: &str, hours: i64) -> Self {
        self.window_ms(name, hours * 3_600_000)
    }

    pub(super) fn window_ms(mut self, name: &str, length_ms: i64) -> Self {
        self.view.windows.push(WindowView {
            name: name.into(),
            length_ms,
            day_from: None,
            complete: true,
            complete_for_fcr: true,
            for_alert_only: false,
        });
        self
    }

    /// History does not fill the window of that name, or not the horizon before it.
    pub(super) fn incomplete(mut self, name: &str, complete: bool, complete_for_fcr: bool) -> Self {
        for window in &mut self.view.windows {
            if &*window.name == name {
                window.complete = complete;
                window.complete_for_fcr = complete_for_fcr;
            }
        }
        self
    }

    /// The overall key, with what each window shows.
    pub(super) fn overall(self, windows: &[Seen]) -> Self {
        self.key(&[], &[], windows)
    }

    /// A key of a breakdown; keys in order.
    pub(super) fn key(self, dimensions: &[&str], values: &[&str], windows: &[Seen]) -> Self {
        let cells = windows
            .iter()
            .map(|seen| Cell {
                totals: seen.totals(),
                ..Cell::default()
            })
            .collect();
        self.key_with_cells(dimensions, values, cells)
    }

    pub(super) fn key_with_cells(
        mut self,
        dimensions: &[&str],
        values: &[&str],
        cells: Vec<Cell>,
    ) -> Self {
        let dimensions: Arc<[String]> = dimensions.iter().map(|name| (*name).into()).collect();
        let key = KeyView {
            values: values.iter().map(|value| Arc::from(*value)).collect(),
            live: cells.iter().any(|cell| *cell != Cell::default()),
            revision: 0,
            cells,
            lifetime: Arc::new(Lifetime::default()),
        };
        let breakdowns = &mut self.view.breakdowns;
        let known = breakdowns
            .iter()
            .position(|breakdown| breakdown.dimensions == dimensions);
        let index = known.unwrap_or_else(|| {
            breakdowns.push(BreakdownView {
                label: dimensions.join(",").into(),
                dimensions,
                handle_time: true,
                keys: Vec::new(),
            });
            breakdowns.len() - 1
        });
        breakdowns[index].keys.push(Arc::new(key));
        self
    }

    pub(super) fn build(mut self, at: Timestamp) -> View {
        self.view.at = Some(at);
        self.view
    }
}
