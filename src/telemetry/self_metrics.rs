//! The metrics struct handed to the rooms.

use std::sync::Arc;

use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, Result,
    core::Collector,
};

use super::collector::{EngineCollector, Readings};
use crate::engine::View;
use crate::time::{Clock, Timestamp};

/// Upper bounds of `cxpulse_event_delay_seconds`.
const DELAY_BOUNDS_SECONDS: [f64; 11] = [
    0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0,
];

/// Upper bounds of `cxpulse_event_to_view_seconds`.
const TO_VIEW_BOUNDS_SECONDS: [f64; 12] = [
    0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.05, 1.25, 2.0, 5.0, 15.0, 60.0,
];

/// Label values that are known from the start, so that their series begin at 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct KnownLabels<'a> {
    /// Values of `reason` of `cxpulse_consumer_resets_total`.
    pub reset_reasons: &'a [&'a str],
    /// Values of `sink` of `cxpulse_alert_notifications_total`.
    pub sinks: &'a [&'a str],
    /// Values of its `outcome`.
    pub notification_outcomes: &'a [&'a str],
}

/// All `cxpulse_*` families. Cheap to clone; clones count into the same series.
///
/// What the engine counts is not counted again here: [`SelfMetrics::update`] takes the newest view,
/// and a collector reads it when the page is made. The other fields are set by the room named at
/// each.
#[derive(Clone, Debug)]
pub struct SelfMetrics {
    readings: Arc<Readings>,
    clock: Arc<dyn Clock>,
    /// `source`: 1 while the NATS connection stands.
    pub nats_connected: IntGauge,
    /// `app`: 1 from the moment that history has been caught up; `/metrics` and `/readyz` go by it.
    pub caught_up: IntGauge,
    /// `source`: messages that the stream lost before they could be processed.
    pub stream_gap_messages: IntCounter,
    /// `source`: consumers recreated, by `reason`.
    pub consumer_resets: IntCounterVec,
    /// `app`: arrival less event time, seconds, of every accepted event. Observe through
    /// `event_delay.local()` and flush once a batch.
    pub event_delay: Histogram,
    /// `app`: from the store time of a message to the view that shows its events, seconds, once
    /// history has been caught up with.
    pub event_to_view: Histogram,
    /// `checkpoint`: when the last one was written, seconds since the epoch; 0 before the first.
    pub checkpoint_last_success: Gauge,
    /// `checkpoint`: those that could not be written.
    pub checkpoint_failures: IntCounter,
    /// `dead_letter`: rejected events by `outcome` (`stored`, `unstored`, `suppressed`).
    pub dead_letters: IntCounterVec,
    /// `sink`: notifications by `sink` and `outcome`.
    pub alert_notifications: IntCounterVec,
    /// `app`: whether the configuration of the last reload was taken.
    pub config_last_reload_successful: IntGauge,
    /// `http`: what clients take, and what they were refused.
    pub http: HttpMetrics,
}

impl SelfMetrics {
    /// Registers every family on `registry`, `process_*` included. `clock` tells how far behind
    /// the stream is at the moment of a scrape.
    ///
    /// # Errors
    /// When one of the families is on the registry already.
    pub fn new(registry: &Registry, clock: Arc<dyn Clock>, known: KnownLabels<'_>) -> Result<Self> {
        let readings = Arc::new(Readings::default());
        registry.register(Box::new(EngineCollector::new(
            Arc::clone(&readings),
            Arc::clone(&clock),
        )?))?;
        #[cfg(target_os = "linux")]
        registry.register(Box::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        ))?;
        let metrics = Self::register(registry, readings, clock)?;
        metrics.config_last_reload_successful.set(1);
        for reason in known.reset_reasons {
            metrics.consumer_resets.with_label_values(&[*reason]);
        }
        for outcome in ["stored", "unstored", "suppressed"] {
            metrics.dead_letters.with_label_values(&[outcome]);
        }
        for sink in known.sinks {
            for outcome in known.notification_outcomes {
                metrics
                    .alert_notifications
                    .with_label_values(&[*sink, *outcome]);
            }
        }
        let build = Opts::new("cxpulse_build_info", "Version of this cxpulse, always 1.")
            .const_label("version", env!("CARGO_PKG_VERSION"));
        registered(registry, IntGauge::with_opts(build)?)?.set(1);
        Ok(metrics)
    }

    fn register(
        registry: &Registry,
        readings: Arc<Readings>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let gauge = |name: &str, help: &str| registered(registry, IntGauge::new(name, help)?);
        let counter = |name: &str, help: &str| registered(registry, IntCounter::new(name, help)?);
        let counters = |name: &str, help: &str, labels: &[&str]| {
            registered(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
        };
        let delay = HistogramOpts::new(
            "cxpulse_event_delay_seconds",
            "Arrival less event time of accepted events.",
        )
        .buckets(DELAY_BOUNDS_SECONDS.into());
        let to_view = HistogramOpts::new(
            "cxpulse_event_to_view_seconds",
            "Time from storing a message to the view that shows its events, once caught up.",
        )
        .buckets(TO_VIEW_BOUNDS_SECONDS.into());
        Ok(Self {
            readings,
            clock,
            nats_connected: gauge(
                "cxpulse_nats_connected",
                "1 while the NATS connection stands.",
            )?,
            caught_up: gauge(
                "cxpulse_caught_up",
                "1 once the history in the stream has been processed; the KPI families appear then.",
            )?,
            stream_gap_messages: counter(
                "cxpulse_stream_gap_messages_total",
                "Messages that the stream no longer held when they were due.",
            )?,
            consumer_resets: counters(
                "cxpulse_consumer_resets_total",
                "JetStream consumers recreated, by reason.",
                &["reason"],
            )?,
            event_delay: registered(registry, Histogram::with_opts(delay)?)?,
            event_to_view: registered(registry, Histogram::with_opts(to_view)?)?,
            checkpoint_last_success: registered(
                registry,
                Gauge::new(
                    "cxpulse_checkpoint_last_success_timestamp_seconds",
                    "When the last checkpoint was written; 0 before the first.",
                )?,
            )?,
            checkpoint_failures: counter(
                "cxpulse_checkpoint_failures_total",
                "Checkpoints that could not be written.",
            )?,
            dead_letters: counters(
                "cxpulse_dead_letters_total",
                "Rejected events by what became of their dead letters.",
                &["outcome"],
            )?,
            alert_notifications: counters(
                "cxpulse_alert_notifications_total",
                "Alert notifications by sink and outcome.",
                &["sink", "outcome"],
            )?,
            config_last_reload_successful: gauge(
                "cxpulse_config_last_reload_successful",
                "1 when the configuration of the last reload was taken.",
            )?,
            http: HttpMetrics::register(registry)?,
        })
    }

    /// Takes over what the engine counted: all of it at once, so that a page never shows half of
    /// an update and `received = applied + replaced + duplicate + rejected + waiting` holds on it.
    pub fn update(&self, view: &View) {
        self.readings.set_view(view);
    }

    /// Leaves out (or shows again) the counters that the engine keeps. After a restart they stand
    /// where the checkpoint has them, below what was scraped before, until the stream is caught up
    /// with: shown in between, they would look like a reset, and the increase would be counted
    /// twice.
    pub fn hide_counters(&self, hidden: bool) {
        self.readings.hide_counters(hidden);
    }

    /// Time since the last processed message was stored, seconds; 0 with none waiting.
    pub fn behind_seconds(&self) -> f64 {
        self.readings.behind_seconds(self.clock.now())
    }

    /// How far the source has come: store time of the last processed message (`None` before the
    /// first) and messages that wait in the stream behind it.
    pub fn set_progress(&self, last_stored_at: Option<Timestamp>, pending: u64) {
        self.readings.set_progress(last_stored_at, pending);
    }
}

/// What HTTP clients take, and where a limit bit.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    /// Series that did not fit into `export.max_series`.
    pub series_suppressed: IntGauge,
    /// Open connections.
    pub connections: IntGauge,
    /// Connections refused because `http.limits.max_connections` were open.
    pub connections_refused: IntCounter,
    /// Readers of the event stream.
    pub stream_clients: IntGauge,
    /// Readers refused because `http.limits.max_stream_clients` were there.
    pub stream_clients_refused: IntCounter,
    /// Connections cut, by reason.
    pub connections_cut: IntCounterVec,
}

impl HttpMetrics {
    fn register(registry: &Registry) -> Result<Self> {
        let gauge = |name: &str, help: &str| registered(registry, IntGauge::new(name, help)?);
        let counter = |name: &str, help: &str| registered(registry, IntCounter::new(name, help)?);
        Ok(Self {
            series_suppressed: gauge(
                "cxpulse_series_suppressed",
                "Series left off the page because of export.max_series.",
            )?,
            connections: gauge("cxpulse_http_connections", "Open HTTP connections.")?,
            connections_refused: counter(
                "cxpulse_http_connections_refused_total",
                "HTTP connections refused because of http.limits.max_connections.",
            )?,
            stream_clients: gauge(
                "cxpulse_http_stream_clients",
                "Readers of the event stream.",
            )?,
            stream_clients_refused: counter(
                "cxpulse_http_stream_clients_refused_total",
                "Readers of the event stream refused because of http.limits.max_stream_clients.",
            )?,
            connections_cut: cut_counters(registry)?,
        })
    }
}

/// One counter a reason, there from the start.
fn cut_counters(registry: &Registry) -> Result<IntCounterVec> {
    let help = "HTTP connections cut: the headers took too long (http.limits.header_timeout) \
        or too much room, nothing was taken for too long (http.limits.write_timeout), or idle and in the way of a new one.";
    let counters = IntCounterVec::new(
        Opts::new("cxpulse_http_connections_cut_total", help),
        &["reason"],
    )?;
    for reason in ["headers", "head", "write", "idle"] {
        counters.get_metric_with_label_values(&[reason])?;
    }
    registered(registry, counters)
}

fn registered<M: Collector + Clone + 'static>(registry: &Registry, metric: M) -> Result<M> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;

    use super::*;
    use crate::engine::{BreakdownView, Stats, WindowView};
    use crate::time::ManualClock;

    fn page(registry: &Registry) -> String {
        TextEncoder::new()
            .encode_to_string(&registry.gather())
            .unwrap()
    }

    fn sample<'a>(page: &'a str, series: &str) -> &'a str {
        let line = page.lines().find(|line| {
            line.strip_prefix(series)
                .is_some_and(|rest| rest.starts_with(' '))
        });
        line.unwrap_or_else(|| panic!("{series} is missing in\n{page}"))
            .rsplit(' ')
            .next()
            .unwrap()
    }

    fn set_up() -> (Registry, SelfMetrics, Arc<ManualClock>) {
        let registry = Registry::new();
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(100_000)));
        let known = KnownLabels {
            reset_reasons: &["heartbeat"],
            sinks: &["webhook"],
            notification_outcomes: &["delivered"],
        };
        let metrics =
            SelfMetrics::new(&registry, Arc::<ManualClock>::clone(&clock), known).unwrap();
        (registry, metrics, clock)
    }

    fn view(stats: Stats) -> View {
        View {
            at: None,
            kpis: Arc::default(),
            windows: vec![WindowView {
                name: "5m".into(),
                length_ms: 300_000,
                day_from: None,
                complete: true,
                complete_for_fcr: false,
                for_alert_only: false,
            }],
            breakdowns: vec![BreakdownView {
                label: "queue".into(),
                dimensions: Arc::from(["queue".to_owned()]),
                handle_time: true,
                keys: vec![],
            }],
            stats,
            history: Arc::default(),
        }
    }

    /// Contract, section 4: every family is there before anything has happened.
    #[test]
    fn every_family_is_there_from_the_start() {
        let (registry, metrics, _) = set_up();
        metrics.update(&view(Stats::default()));
        let page = page(&registry);
        for family in [
            "cxpulse_build_info",
            "cxpulse_nats_connected",
            "cxpulse_caught_up",
            "cxpulse_behind_seconds",
            "cxpulse_stream_lag_messages",
            "cxpulse_stream_gap_messages_total",
            "cxpulse_consumer_resets_total",
            "cxpulse_events_received_total",
            "cxpulse_events_applied_total",
            "cxpulse_events_replaced_total",
            "cxpulse_events_duplicate_total",
            "cxpulse_events_rejected_total",
            "cxpulse_events_late_total",
            "cxpulse_events_waiting",
            "cxpulse_effective_lateness_seconds",
            "cxpulse_effective_horizon_seconds",
            "cxpulse_ledger_entries",
            "cxpulse_chain_contacts",
            "cxpulse_breakdown_overflow_total",
            "cxpulse_last_event_timestamp_seconds",
            "cxpulse_event_delay_seconds",
            "cxpulse_event_to_view_seconds",
            "cxpulse_checkpoint_last_success_timestamp_seconds",
            "cxpulse_checkpoint_failures_total",
            "cxpulse_alert_notifications_total",
            "cxpulse_config_last_reload_successful",
            "cxpulse_dead_letters_total",
            "cxpulse_series_suppressed",
            "cxpulse_http_connections_cut_total",
            "cxpulse_window_complete",
            "process_resident_memory_bytes",
        ] {
            let header = format!("# TYPE {family} ");
            assert_eq!(page.matches(&header).count(), 1, "{family}\n{page}");
        }
        assert_eq!(sample(&page, "cxpulse_window_complete{window=\"5m\"}"), "1");
        assert_eq!(sample(&page, "cxpulse_config_last_reload_successful"), "1");
        assert_eq!(
            sample(
                &page,
                "cxpulse_alert_notifications_total{outcome=\"delivered\",sink=\"webhook\"}"
            ),
            "0"
        );
    }

    #[test]
    fn hidden_counters_are_left_out_and_come_back() {
        let (registry, metrics, _) = set_up();
        metrics.update(&view(Stats {
            applied: 80,
            ..Stats::default()
        }));
        metrics.hide_counters(true);
        let hidden = page(&registry);
        assert!(!hidden.contains("cxpulse_events_applied_total"), "{hidden}");
        assert_eq!(sample(&hidden, "cxpulse_events_waiting"), "0");
        metrics.hide_counters(false);
        assert_eq!(
            sample(&page(&registry), "cxpulse_events_applied_total"),
            "80"
        );
    }

    #[test]
    fn accounting_adds_up_on_the_page() {
        let (registry, metrics, _) = set_up();
        metrics.update(&view(Stats {
            received: [70, 28, 2],
            applied: 80,
            replaced: 5,
            duplicates: 4,
            rejected: [1, 2, 0, 0, 3, 0, 1],
            waiting: 4,
            overflow: vec![6],
            effective_lateness_ms: 86_400_000,
            stream_time: Some(Timestamp::from_millis(1500)),
            ..Stats::default()
        }));
        let page = page(&registry);
        let total = |family: &str| -> u64 {
            let lines = page.lines().filter(|line| line.starts_with(family));
            lines
                .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
                .sum()
        };
        let received = total("cxpulse_events_received_total{");
        assert_eq!(received, 100);
        let parts = [
            "applied_total",
            "replaced_total",
            "duplicate_total",
            "rejected_total",
            "waiting",
        ];
        let parts = parts.map(|part| total(&format!("cxpulse_events_{part}")));
        assert_eq!(parts.iter().sum::<u64>(), received);
        assert_eq!(
            sample(
                &page,
                "cxpulse_events_rejected_total{reason=\"invalid_field\"}"
            ),
            "3"
        );
        assert_eq!(
            sample(
                &page,
                "cxpulse_breakdown_overflow_total{breakdown=\"queue\"}"
            ),
            "6"
        );
        assert_eq!(sample(&page, "cxpulse_effective_lateness_seconds"), "86400");
        assert_eq!(sample(&page, "cxpulse_last_event_timestamp_seconds"), "1.5");
    }

    #[test]
    fn behind_grows_with_the_clock_while_messages_wait() {
        let (registry, metrics, clock) = set_up();
        assert_eq!(sample(&page(&registry), "cxpulse_behind_seconds"), "0");
        metrics.set_progress(Some(Timestamp::from_millis(95_000)), 3);
        assert_eq!(sample(&page(&registry), "cxpulse_behind_seconds"), "5");
        clock.set(Timestamp::from_millis(100_500));
        assert_eq!(sample(&page(&registry), "cxpulse_behind_seconds"), "5.5");
        assert_eq!(sample(&page(&registry), "cxpulse_stream_lag_messages"), "3");
        metrics.set_progress(Some(Timestamp::from_millis(95_000)), 0);
        assert_eq!(sample(&page(&registry), "cxpulse_behind_seconds"), "0");
    }

    #[test]
    fn a_registry_takes_the_families_once() {
        let (registry, _, clock) = set_up();
        assert!(SelfMetrics::new(&registry, clock, KnownLabels::default()).is_err());
    }
}
