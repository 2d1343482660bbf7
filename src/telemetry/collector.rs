//! The families that mirror the engine's own counts: read from the newest view when a page is made.
//! (A counter of the `prometheus` crate can only be added to, and the engine's are restored.)

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use crate::engine::{Stats, View};
use crate::event::{Kind, Reason};
use crate::time::{Clock, Timestamp};

/// What the collector reads. Written by the pipeline, one writer each.
#[derive(Debug)]
pub(super) struct Readings {
    snapshot: ArcSwap<Snapshot>,
    /// Store time of the last processed message in milliseconds; `i64::MIN` before the first.
    last_stored_at: AtomicI64,
    /// Messages of the stream that have not been processed.
    pending: AtomicU64,
    /// The counters are left out: restored ones that have not reached what was scraped before.
    counters_hidden: AtomicBool,
}

impl Default for Readings {
    fn default() -> Self {
        Self {
            snapshot: ArcSwap::default(),
            last_stored_at: AtomicI64::new(i64::MIN),
            pending: AtomicU64::new(0),
            counters_hidden: AtomicBool::new(false),
        }
    }
}

/// What the engine counted, with the names of what it counted it for.
#[derive(Debug, Default)]
struct Snapshot {
    stats: Stats,
    breakdowns: Vec<Arc<str>>,
    windows: Vec<(Arc<str>, bool)>,
}

impl Readings {
    pub(super) fn set_view(&self, view: &View) {
        let breakdowns = view.breakdowns.iter();
        let windows = view.windows.iter();
        self.snapshot.store(Arc::new(Snapshot {
            stats: view.stats.clone(),
            breakdowns: breakdowns
                .map(|breakdown| Arc::clone(&breakdown.label))
                .collect(),
            windows: windows
                .map(|window| (Arc::clone(&window.name), window.complete))
                .collect(),
        }));
    }

    pub(super) fn set_progress(&self, last_stored_at: Option<Timestamp>, pending: u64) {
        let millis = last_stored_at.map_or(i64::MIN, Timestamp::as_millis);
        self.last_stored_at.store(millis, Ordering::Relaxed);
        self.pending.store(pending, Ordering::Relaxed);
    }

    pub(super) fn hide_counters(&self, hidden: bool) {
        self.counters_hidden.store(hidden, Ordering::Release);
    }

    pub(super) fn behind_seconds(&self, now: Timestamp) -> f64 {
        let last_stored_at = self.last_stored_at.load(Ordering::Relaxed);
        if self.pending.load(Ordering::Relaxed) == 0 || last_stored_at == i64::MIN {
            return 0.0;
        }
        let behind_ms = now.millis_since(Timestamp::from_millis(last_stored_at));
        seconds(behind_ms.max(0))
    }
}

/// Reads [`Readings`] for the registry.
#[derive(Debug)]
pub(super) struct EngineCollector {
    readings: Arc<Readings>,
    clock: Arc<dyn Clock>,
    descriptions: Vec<Desc>,
}

impl EngineCollector {
    pub(super) fn new(readings: Arc<Readings>, clock: Arc<dyn Clock>) -> prometheus::Result<Self> {
        let descriptions = FAMILIES.iter().map(|family| {
            let labels = family.label.into_iter().map(str::to_owned).collect();
            let (name, help) = (family.name.to_owned(), family.help.to_owned());
            Desc::new(name, help, labels, std::collections::HashMap::new())
        });
        let descriptions = descriptions.collect::<prometheus::Result<_>>()?;
        Ok(Self {
            readings,
            clock,
            descriptions,
        })
    }
}

impl Collector for EngineCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Before the snapshot: what is shown is never older than the decision to show it.
        let hidden = self.readings.counters_hidden.load(Ordering::Acquire);
        let snapshot = self.readings.snapshot.load();
        let now = self.clock.now();
        let shown = FAMILIES
            .iter()
            .filter(|family| !(hidden && family.kind == MetricType::COUNTER));
        let families = shown.map(|family| {
            let samples = (family.read)(&snapshot, &self.readings, now);
            let metrics = samples.into_iter().map(|sample| family.metric(sample));
            let mut proto = MetricFamily::default();
            proto.set_name(family.name.to_owned());
            proto.set_help(family.help.to_owned());
            proto.set_field_type(family.kind);
            proto.set_metric(metrics.collect());
            proto
        });
        families.collect()
    }
}

/// One family: how it looks and where its samples come from.
struct Family {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    label: Option<&'static str>,
    read: fn(&Snapshot, &Readings, Timestamp) -> Vec<Sample>,
}

/// Value of the label (empty without one) and of the sample.
type Sample = (String, f64);

impl Family {
    fn metric(&self, (label_value, value): Sample) -> Metric {
        let mut labels = Vec::new();
        if let Some(name) = self.label {
            let mut label = LabelPair::default();
            label.set_name(name.to_owned());
            label.set_value(label_value);
            labels.push(label);
        }
        let mut metric = Metric::from_label(labels);
        if self.kind == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        metric
    }
}

const fn counter(
    name: &'static str,
    help: &'static str,
    label: Option<&'static str>,
    read: fn(&Snapshot, &Readings, Timestamp) -> Vec<Sample>,
) -> Family {
    Family {
        name,
        help,
        kind: MetricType::COUNTER,
        label,
        read,
    }
}

const fn gauge(
    name: &'static str,
    help: &'static str,
    label: Option<&'static str>,
    read: fn(&Snapshot, &Readings, Timestamp) -> Vec<Sample>,
) -> Family {
    Family {
        name,
        help,
        kind: MetricType::GAUGE,
        label,
        read,
    }
}

const FAMILIES: [Family; 18] = [
    counter(
        "cxpulse_events_received_total",
        "Events received, by kind.",
        Some("kind"),
        |snapshot, _, _| {
            let kinds = [Kind::Interaction.name(), Kind::Survey.name(), "unknown"];
            labelled(kinds.into_iter().zip(snapshot.stats.received))
        },
    ),
    counter(
        "cxpulse_events_applied_total",
        "First versions of records accepted.",
        None,
        |snapshot, _, _| one(snapshot.stats.applied),
    ),
    counter(
        "cxpulse_events_replaced_total",
        "Newer versions of records accepted.",
        None,
        |snapshot, _, _| one(snapshot.stats.replaced),
    ),
    counter(
        "cxpulse_events_duplicate_total",
        "Versions of records that changed nothing.",
        None,
        |snapshot, _, _| one(snapshot.stats.duplicates),
    ),
    counter(
        "cxpulse_events_rejected_total",
        "Events rejected, by reason.",
        Some("reason"),
        |snapshot, _, _| {
            let reasons = Reason::ALL.map(Reason::name);
            labelled(reasons.into_iter().zip(snapshot.stats.rejected))
        },
    ),
    counter(
        "cxpulse_events_late_total",
        "Accepted events that were older than stream time.",
        None,
        |snapshot, _, _| one(snapshot.stats.late),
    ),
    gauge(
        "cxpulse_events_waiting",
        "Accepted events whose time has not come yet.",
        None,
        |snapshot, _, _| one(snapshot.stats.waiting),
    ),
    counter(
        "cxpulse_dimensions_truncated_total",
        "Dimension values cut to 256 bytes.",
        None,
        |snapshot, _, _| one(snapshot.stats.truncated_dimensions),
    ),
    gauge(
        "cxpulse_effective_lateness_seconds",
        "Lateness that the ledger honours; ledger.allowed_lateness unless ledger.max_entries bit.",
        None,
        |snapshot, _, _| number(seconds(snapshot.stats.effective_lateness_ms)),
    ),
    gauge(
        "cxpulse_effective_horizon_seconds",
        "Horizon that the contact chains honour; kpis.fcr.horizon unless kpis.fcr.max_contacts bit.",
        None,
        |snapshot, _, _| number(seconds(snapshot.stats.effective_horizon_ms)),
    ),
    gauge(
        "cxpulse_ledger_entries",
        "Records remembered.",
        None,
        |snapshot, _, _| one(snapshot.stats.ledger_entries),
    ),
    gauge(
        "cxpulse_chain_contacts",
        "Contacts remembered.",
        None,
        |snapshot, _, _| one(snapshot.stats.chain_contacts),
    ),
    counter(
        "cxpulse_breakdown_overflow_total",
        "Records booked under __overflow__ because of breakdown.max_keys, by breakdown.",
        Some("breakdown"),
        |snapshot, _, _| {
            let labels = snapshot.breakdowns.iter().map(|label| &**label);
            let counts = snapshot.stats.overflow.iter().copied();
            labelled(labels.zip(counts.chain(std::iter::repeat(0))))
        },
    ),
    gauge(
        "cxpulse_last_event_timestamp_seconds",
        "Greatest accepted event time; 0 before the first.",
        None,
        |snapshot, _, _| {
            let stream_time = snapshot.stats.stream_time.unwrap_or_default();
            number(stream_time.as_seconds())
        },
    ),
    gauge(
        "cxpulse_window_complete",
        "1 when the processed history reaches back over the window.",
        Some("window"),
        |snapshot, _, _| {
            let windows = snapshot.windows.iter();
            labelled(windows.map(|(name, complete)| (&**name, u64::from(*complete))))
        },
    ),
    gauge(
        "cxpulse_behind_seconds",
        "Age of the last processed message while more wait in the stream; 0 with none waiting.",
        None,
        |_, readings, now| number(readings.behind_seconds(now)),
    ),
    gauge(
        "cxpulse_stream_lag_messages",
        "Messages that wait in the stream.",
        None,
        |_, readings, _| one(readings.pending.load(Ordering::Relaxed)),
    ),
    gauge(
        "cxpulse_history_from_timestamp_seconds",
        "Where the processed history begins; 0 before the first event.",
        None,
        |snapshot, _, _| number(snapshot.stats.history_from.unwrap_or_default().as_seconds()),
    ),
];

fn one(count: u64) -> Vec<Sample> {
    number(float(count))
}

fn number(value: f64) -> Vec<Sample> {
    vec![(String::new(), value)]
}

fn labelled<'a>(samples: impl Iterator<Item = (&'a str, u64)>) -> Vec<Sample> {
    samples
        .map(|(label, count)| (label.to_owned(), float(count)))
        .collect()
}

fn seconds(millis: i64) -> f64 {
    Timestamp::from_millis(millis).as_seconds()
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "the page's numbers are f64; counts are exact up to 2^53"
)]
fn float(count: u64) -> f64 {
    count as f64
}
