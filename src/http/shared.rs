//! What the server reads, and who writes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use bytes::Bytes;
use prometheus::Registry;
use tokio::sync::{Semaphore, watch};

use super::Settings;
use super::api::RenderedRows;
use super::page::MetricsPage;
use crate::engine::View;
use crate::export::{self, AlertSeries, Extra};
use crate::telemetry::SelfMetrics;
use crate::time::{Clock, Timestamp, millis_of};

/// Everything the server reads. Writers replace whole values and never wait for a reader.
#[derive(Debug)]
pub struct Shared {
    /// The newest view. Written by the pipeline, once per refresh.
    view: ArcSwap<View>,
    /// Number of the newest view; wakes the readers of the event stream.
    refreshed: watch::Sender<u64>,
    /// Written by the pipeline, once per evaluation.
    alerts: ArcSwap<Alerts>,
    /// Written at start and at each reload.
    exported: ArcSwap<Exported>,
    /// Rises with every change of the three above; what was rendered before is stale then.
    epoch: AtomicU64,
    /// When the engine last ticked, milliseconds since the epoch.
    ticked_at: AtomicI64,
    restored: AtomicBool,
    attached: AtomicBool,
    /// Events come by NATS; without, there is no connection to lose.
    uses_nats: AtomicBool,
    /// What the wallboard shows; fixed.
    pub(super) board: super::Board,
    /// True from the first moment of a shutdown on.
    stopping: watch::Sender<bool>,
    pub(super) registry: Registry,
    pub(super) metrics: SelfMetrics,
    pub(super) clock: Arc<dyn Clock>,
    /// A page is rendered anew when it is older than this, milliseconds.
    pub(super) refresh_ms: i64,
    pub(super) page: MetricsPage,
    pub(super) rows: RenderedRows,
    /// Free places for readers of the event stream.
    pub(super) stream_places: Arc<Semaphore>,
}

/// The alert states of one evaluation.
#[derive(Clone, Debug)]
pub struct Alerts {
    /// For the metrics page.
    pub series: Vec<AlertSeries>,
    /// The body of `/api/v1/alerts`.
    pub json: Bytes,
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            series: Vec::new(),
            json: Bytes::from_static(b"{\"rules\":[]}"),
        }
    }
}

/// What the metrics page shows.
#[derive(Clone, Debug, Default)]
pub struct Exported {
    /// `[export]` of the configuration.
    pub settings: export::Settings,
    /// What alerts read.
    pub extras: Vec<Extra>,
}

impl Shared {
    /// Shared state that shows `view`, not restored, not attached, not caught up.
    ///
    /// `registry` is the one `metrics` is registered on; `clock` tells `/livez` the time.
    pub fn new(
        settings: &Settings,
        registry: Registry,
        metrics: SelfMetrics,
        clock: Arc<dyn Clock>,
        view: Arc<View>,
    ) -> Arc<Self> {
        metrics.update(&view);
        Arc::new(Self {
            view: ArcSwap::new(view),
            refreshed: watch::Sender::new(0),
            alerts: ArcSwap::default(),
            exported: ArcSwap::default(),
            epoch: AtomicU64::new(0),
            ticked_at: AtomicI64::new(clock.now().as_millis()),
            restored: AtomicBool::new(false),
            attached: AtomicBool::new(false),
            uses_nats: AtomicBool::new(false),
            board: settings.board.clone(),
            stopping: watch::Sender::new(false),
            registry,
            metrics,
            clock,
            refresh_ms: millis_of(settings.refresh_interval),
            page: MetricsPage::default(),
            rows: RenderedRows::default(),
            stream_places: Arc::new(Semaphore::new(settings.limits.max_stream_clients)),
        })
    }

    /// Shows `view` from here on and wakes the readers of the event stream; also takes its figures
    /// over into the self metrics.
    pub fn publish(&self, view: Arc<View>) {
        self.metrics.update(&view);
        self.view.store(view);
        self.changed();
        self.refreshed.send_modify(|number| *number += 1);
    }

    /// Shows these alert states from here on.
    pub fn set_alerts(&self, alerts: Alerts) {
        self.alerts.store(Arc::new(alerts));
        self.changed();
    }

    /// Exports this from here on.
    pub fn set_exported(&self, exported: Exported) {
        self.exported.store(Arc::new(exported));
        self.changed();
    }

    /// Called after each change: what is rendered under an older epoch is not served again.
    fn changed(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// The engine is alive at `now`. Call it at every tick, and while state is restored; `/livez`
    /// fails 30 s after the last call.
    pub fn tick(&self, now: Timestamp) {
        self.ticked_at.store(now.as_millis(), Ordering::Relaxed);
    }

    /// State has been restored, or there was none.
    pub fn set_restored(&self) {
        self.restored.store(true, Ordering::Release);
    }

    /// Whether the consumer is attached to the stream.
    pub fn set_attached(&self, attached: bool) {
        self.attached.store(attached, Ordering::Release);
    }

    /// Events come by NATS: what is shown is stale while there is no connection.
    pub fn set_uses_nats(&self) {
        self.uses_nats.store(true, Ordering::Release);
    }

    /// Whether events can come in at present.
    pub(super) fn is_connected(&self) -> bool {
        let by_nats = self.uses_nats.load(Ordering::Acquire);
        let is_lost = by_nats && self.metrics.nats_connected.get() == 0;
        self.attached.load(Ordering::Acquire) && !is_lost
    }

    /// History has been caught up with: the `cx_*` families appear and stay.
    pub fn set_caught_up(&self) {
        self.metrics.caught_up.set(1);
    }

    /// The first thing of a shutdown: `/readyz` fails and event streams end from here on.
    pub fn set_stopping(&self) {
        self.stopping.send_replace(true);
    }

    pub(super) fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    pub(super) fn alerts(&self) -> Arc<Alerts> {
        self.alerts.load_full()
    }

    pub(super) fn exported(&self) -> Arc<Exported> {
        self.exported.load_full()
    }

    /// Read it before the values: then nothing newer is ever taken for older.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(super) fn refreshes(&self) -> watch::Receiver<u64> {
        self.refreshed.subscribe()
    }

    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    pub(super) fn caught_up(&self) -> bool {
        self.metrics.caught_up.get() == 1
    }

    pub(super) fn ticked_at(&self) -> Timestamp {
        Timestamp::from_millis(self.ticked_at.load(Ordering::Relaxed))
    }

    /// Why the instance is not ready, one phrase each; empty when it is.
    pub(super) fn not_ready(&self) -> Vec<&'static str> {
        let mut reasons = Vec::new();
        if *self.stopping.borrow() {
            reasons.push("shutting down");
        }
        if !self.restored.load(Ordering::Acquire) {
            reasons.push("state is not restored yet");
        }
        if !self.attached.load(Ordering::Acquire) {
            reasons.push("not attached to the stream");
        }
        if !self.caught_up() {
            reasons.push("history is not caught up with yet");
        }
        reasons
    }
}
