//! The finished state of one refresh: an immutable snapshot that metrics, API, alerts, replay and
//! the wallboard read, each at its own pace.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::history::History;
use crate::event::Reason;
use crate::kpi::{self, Cell, Kpi, Reading, Totals};
use crate::time::Timestamp;

/// Everything there is to read at one instant.
#[derive(Clone, Debug)]
pub struct View {
    /// The instant T the windows end at; `None` before the first accepted event of a replay.
    pub at: Option<Timestamp>,
    /// The definitions behind the readings.
    pub kpis: Arc<kpi::Settings>,
    /// The windows, in configured order.
    pub windows: Vec<WindowView>,
    /// The breakdowns, in configured order.
    pub breakdowns: Vec<BreakdownView>,
    /// Accounting and health of the engine.
    pub stats: Stats,
    /// The past hours of the overview keys.
    pub history: Arc<History>,
}

/// One window.
#[derive(Clone, Debug)]
pub struct WindowView {
    /// As written in the configuration.
    pub name: Arc<str>,
    /// Length in milliseconds; 0 for the day so far, which has no fixed one.
    pub length_ms: i64,
    /// When the day so far began; `None` for a rolling window.
    pub day_from: Option<Timestamp>,
    /// The processed history reaches back over the window.
    pub complete: bool,
    /// The processed history reaches back over the window and the FCR horizon before it.
    pub complete_for_fcr: bool,
    /// Kept for an alert alone.
    pub for_alert_only: bool,
}

impl WindowView {
    /// The processed history reaches back over everything that a figure of `kpi` looks at.
    pub fn complete_for(&self, kpi: Kpi) -> bool {
        match kpi {
            Kpi::Fcr | Kpi::FcrMature | Kpi::FcrCorrected => self.complete_for_fcr,
            Kpi::FcrSurvey
            | Kpi::Resolution
            | Kpi::Aht
            | Kpi::HandleTime
            | Kpi::Asa
            | Kpi::ServiceLevel
            | Kpi::Abandonment
            | Kpi::Transfer
            | Kpi::Csat
            | Kpi::CsatScore
            | Kpi::Ces
            | Kpi::Nps
            | Kpi::TimeToResolution => self.complete,
        }
    }
}

/// One breakdown with its keys.
#[derive(Clone, Debug)]
pub struct BreakdownView {
    /// The dimensions joined by commas, `overall` for none: the `breakdown` label.
    pub label: Arc<str>,
    /// The dimensions in configured order.
    pub dimensions: Arc<[String]>,
    /// Handle-time quantiles are kept here.
    pub handle_time: bool,
    /// The keys, ordered by their values.
    pub keys: Vec<Arc<KeyView>>,
}

impl BreakdownView {
    /// The label of a breakdown by these dimensions.
    ///
    /// ```
    /// use cxpulse::engine::BreakdownView;
    /// assert_eq!(BreakdownView::label_of(&[]), "overall");
    /// let dimensions = ["queue".to_owned(), "channel".to_owned()];
    /// assert_eq!(BreakdownView::label_of(&dimensions), "queue,channel");
    /// ```
    pub fn label_of(dimensions: &[String]) -> String {
        if dimensions.is_empty() {
            "overall".to_owned()
        } else {
            dimensions.join(",")
        }
    }
}

/// One key of a breakdown.
#[derive(Clone, Debug)]
pub struct KeyView {
    /// The values of the breakdown's dimensions.
    pub values: Arc<[Arc<str>]>,
    /// A record lies in one of the windows or in a mature cohort. Without one the key has no KPI
    /// rows and gauges, only counters and sample counts of 0.
    pub live: bool,
    /// A number from 1 that differs from that of an earlier view of the same engine if a cell of
    /// the key has changed since; 0 says nothing.
    pub revision: u64,
    /// One cell per window, in the order of [`View::windows`].
    pub cells: Vec<Cell>,
    /// What the counters of this key count.
    pub lifetime: Arc<Lifetime>,
}

/// What has been counted at a key since the start of its counters; each record once, at its first
/// version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifetime {
    /// The counts of first versions, without what follows from contact chains.
    pub totals: Totals,
    /// First contacts.
    pub contacts_first: u64,
    /// Credits taken back because of a repeat contact.
    pub contacts_retracted: u64,
    /// Handled inbound interactions without a customer.
    pub contacts_unidentified: u64,
    /// Handle times per bound of the histogram (not cumulative), the last for those above all.
    pub handle_time_buckets: Vec<u64>,
}

impl Lifetime {
    /// Adds what another has counted.
    pub fn add(&mut self, other: &Self) {
        self.totals.add(&other.totals, 1);
        self.contacts_first += other.contacts_first;
        self.contacts_retracted += other.contacts_retracted;
        self.contacts_unidentified += other.contacts_unidentified;
        let buckets = self
            .handle_time_buckets
            .len()
            .max(other.handle_time_buckets.len());
        self.handle_time_buckets.resize(buckets, 0);
        for (mine, theirs) in self
            .handle_time_buckets
            .iter_mut()
            .zip(&other.handle_time_buckets)
        {
            *mine += theirs;
        }
    }
}

/// Accounting and health of the engine. At all times
/// `received = applied + replaced + duplicate + rejected + waiting`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// Events received: interactions, surveys, and those whose kind is unknown.
    pub received: [u64; 3],
    /// First versions accepted.
    pub applied: u64,
    /// Newer versions accepted.
    pub replaced: u64,
    /// Versions that changed nothing.
    pub duplicates: u64,
    /// Rejects by reason, in the order of [`Reason::ALL`].
    pub rejected: [u64; Reason::ALL.len()],
    /// Accepted events that were older than stream time.
    pub late: u64,
    /// Accepted events at or after T.
    pub waiting: u64,
    /// Values of dimensions cut to 256 bytes.
    pub truncated_dimensions: u64,
    /// Records remembered.
    pub ledger_entries: u64,
    /// Contacts remembered.
    pub chain_contacts: u64,
    /// Lateness that the ledger can honour, milliseconds; the configured one unless its limit bit.
    pub effective_lateness_ms: i64,
    /// Horizon that the chains can honour, milliseconds; the configured one unless its limit bit.
    pub effective_horizon_ms: i64,
    /// Records booked under `__overflow__`, by breakdown in configured order.
    pub overflow: Vec<u64>,
    /// The greatest accepted event time.
    pub stream_time: Option<Timestamp>,
    /// The smallest accepted event time, or where the source began to read, whichever is later.
    pub history_from: Option<Timestamp>,
}

impl View {
    /// The reading of `kpi` at a window, breakdown and key (positions in this view); `None` where
    /// the KPI does not exist.
    pub fn reading(
        &self,
        kpi: Kpi,
        window: usize,
        breakdown: usize,
        key: usize,
    ) -> Option<Reading> {
        let breakdown_view = self.breakdowns.get(breakdown)?;
        let cell = breakdown_view.keys.get(key)?.cells.get(window)?;
        let window_view = self.windows.get(window)?;
        cell.reading(
            kpi,
            breakdown_view.handle_time,
            window_view.length_ms,
            &self.kpis,
        )
    }
}
