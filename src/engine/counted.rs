//! What views read of a window.

use super::window::WindowCell;
use crate::kpi::{MatureTotals, Quantiles, Survival, Totals};

/// What a key has counted in a window: in its cell, and in those that were gathered ahead and have not
/// been handed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct CountedCell<'w> {
    pub(super) cell: &'w WindowCell,
    /// What counts in the window itself as well.
    pub(super) main: Option<&'w WindowCell>,
    /// What counts in cohorts as well.
    pub(super) firsts: Option<&'w WindowCell>,
}

impl CountedCell<'_> {
    /// Adds what the window has of its own.
    pub(super) fn add_own_to(&self, totals: &mut Totals) {
        self.cell.own.add_to(totals);
        if let Some(ahead) = self.main {
            ahead.own.add_to(totals);
        }
    }

    /// First contacts of the mature cohort.
    pub(super) fn mature(&self) -> MatureTotals {
        let mut mature = self.cell.mature;
        if let Some(ahead) = self.firsts {
            mature.add(ahead.mature, 1);
        }
        mature
    }

    /// What is counted of the followed cohort; `None` where nobody has been.
    pub(super) fn survival(&self) -> Option<Box<Survival>> {
        match self.firsts {
            Some(ahead) if !ahead.followed.is_nobody() => {
                let mut followed = self.cell.followed.clone();
                followed.add(&ahead.followed);
                followed.survival()
            }
            Some(_) | None => self.cell.followed.survival(),
        }
    }

    /// Handle-time quantiles.
    pub(super) fn quantiles(&self) -> Option<Quantiles> {
        match self.main {
            Some(ahead) if !ahead.buckets.is_empty() => {
                let mut buckets = self.cell.buckets.clone();
                buckets.add_counts(&ahead.buckets);
                buckets.quantiles()
            }
            Some(_) | None => self.cell.buckets.quantiles(),
        }
    }
}
