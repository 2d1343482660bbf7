//! `cxpulse demo`: the main job with a made-up contact center, in one process.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::{mpsc, watch};

use super::simulate::Publisher;
use crate::alert::{Condition, Rule};
use crate::app::{self, Feed, Service};
use crate::config::Config;
use crate::kpi::Kpi;
use crate::nats;
use crate::simulate::{Center, Incident, Pace, Settings, SimulatedEvent};
use crate::source::{
    Attached, Batch, Envelope, Idle, MAX_BATCH, Position, SourceEvent, StreamIdentity,
};
use crate::time::{Clock, SystemClock, Timestamp};
use crate::window::WindowSpec;

const SECOND_MS: i64 = 1000;
const DAY_MS: i64 = 86_400 * SECOND_MS;
/// History that is made up: the longest window and the horizon of first contact resolution.
const HISTORY_MS: i64 = 8 * DAY_MS + DAY_MS / 4;
/// Contacts a day.
const CONTACTS: f64 = 120_000.0;
/// Where the incident happens.
const QUEUE: &str = "support";
/// When the incident begins and ends, after the start of live traffic.
const INCIDENT_MS: (i64, i64) = (30 * SECOND_MS, 75 * SECOND_MS);
/// How often live traffic comes.
const TICK: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Send the traffic through a real NATS server with JetStream.
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:10425")]
    listen: SocketAddr,
    /// The same seed makes the same traffic, relative to the start.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs until a signal; gives the exit code.
pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    let directory = std::env::temp_dir().join(format!("cxpulse-demo-{}", std::process::id()));
    let mut config = demo_config(directory.clone());
    config.http.listen = arguments.listen;
    let now = SystemClock.now();
    let center = center(arguments.seed, now);
    let incident = Incident {
        from: now.plus_millis(INCIDENT_MS.0),
        until: now.plus_millis(INCIDENT_MS.1),
        queue: QUEUE.to_owned(),
    };
    let feed = if let Some(url) = &arguments.nats {
        config.nats.url.clone_from(url);
        config.source.stream = "CXPULSE_DEMO".into();
        config.source.subjects = vec!["cx.interactions.>".into(), "cx.surveys.>".into()];
        config.source.create = true;
        config.dead_letter.create = true;
        Publisher::new(config.nats.clone(), center)
            .with_incident(incident, progress_bar())
            .start(now, HISTORY_MS)?;
        Feed::Nats
    } else {
        config.sink.nats_subject = None;
        Feed::Task(Box::new(move |events, stop| {
            Box::pin(feed(center, incident, events, stop))
        }))
    };
    explain(arguments)?;
    let result = app::run(Service {
        config,
        config_path: None,
        feed,
        accept_state_reset: false,
    });
    let removed = std::fs::remove_dir_all(&directory);
    result?;
    removed.with_context(|| format!("cannot remove {}", directory.display()))?;
    Ok(0)
}

fn center(seed: u64, now: Timestamp) -> Center {
    let settings = Settings::starting_at(now.plus_millis(-HISTORY_MS));
    Center::new(
        seed,
        Settings {
            pace: Pace::Daily { contacts: CONTACTS },
            ..settings
        }
        .busy_at(now),
    )
}

/// The defaults, with a window of one minute and an alert that is quick to show what alerts do.
fn demo_config(directory: PathBuf) -> Config {
    let mut config = Config::default();
    config.checkpoint.dir = directory;
    config
        .engine
        .windows
        .insert(0, WindowSpec::new("1m", Duration::from_mins(1)));
    config.http.board.title = "cxpulse demo".into();
    config.http.board.window = Some("1m".into());
    config.http.board.targets.insert(Kpi::Aht, 420.0);
    config.alert.interval = Duration::from_secs(5);
    config.alert.rules.push(Rule {
        name: "SupportHandleTimeHigh".into(),
        kpi: Kpi::Aht,
        quantile_permille: None,
        window: "1m".into(),
        breakdown: vec!["queue".into()],
        only: [("queue".to_owned(), vec![QUEUE.to_owned()])].into(),
        condition: Condition::Above(520.0),
        hold: Duration::from_secs(10),
        keep_firing: Duration::ZERO,
        clear: Some(480.0),
        min_samples: 10,
        confident: false,
        insufficient_for: Duration::from_mins(1),
        severity: "page".into(),
        labels: std::collections::BTreeMap::new(),
        annotations: [(
            "summary".to_owned(),
            "handle time at {{ queue }} is {{ value }} s, above {{ threshold }} s".to_owned(),
        )]
        .into(),
    });
    config
}

fn explain(arguments: &Arguments) -> Result<()> {
    let address = arguments.listen;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "cxpulse demo: a made-up contact center, 8 days of history and live traffic

  http://{address}/               start here
  http://{address}/metrics        what Prometheus scrapes
  http://{address}/api/v1/kpis    the KPIs as JSON
  http://{address}/api/v1/alerts  the alert SupportHandleTimeHigh

  About 30 s after live traffic begins, handle times at the queue `{QUEUE}` double for 45 s: the
  alert goes pending, fires, and clears within three minutes. Watch it with

  watch -n1 \"curl -s http://{address}/metrics | grep -E 'cx_alert_state|cx_aht_seconds.*1m.*{QUEUE}'\"

  Stop with Ctrl-C.
"
    )?;
    out.flush()?;
    Ok(())
}

/// Sends the history as fast as it is taken, then live traffic, as a source would.
async fn feed(
    mut center: Center,
    mut incident: Incident,
    events: mpsc::Sender<SourceEvent>,
    mut stop: watch::Receiver<bool>,
) -> Result<()> {
    let clock = SystemClock;
    let start = clock.now();
    let identity = StreamIdentity {
        name: "demo".into(),
        created_ns: start.as_millis().saturating_mul(1_000_000),
    };
    let mut batches = Batches { sequence: 0 };
    let attached = Attached {
        identity,
        pending: 1,
        first_sequence: 1,
        ..attached_nothing()
    };
    if events.send(SourceEvent::Attached(attached)).await.is_err() {
        return Ok(());
    }
    let begin = start.plus_millis(-HISTORY_MS);
    let bar = progress_bar();
    let mut until = begin;
    while until < clock.now() {
        until = until.plus_millis(10 * 60 * SECOND_MS).min(clock.now());
        if *stop.borrow() || !batches.send(center.events_until(until), 1, &events).await {
            return Ok(());
        }
        bar.set_position(share(until.millis_since(begin)));
    }
    bar.finish_and_clear();
    // The incident is told from the moment at which there is somebody to watch it.
    let late_ms = clock.now().millis_since(start);
    incident.from = incident.from.plus_millis(late_ms);
    incident.until = incident.until.plus_millis(late_ms);
    center.inject(incident)?;
    if events.send(SourceEvent::CaughtUp).await.is_err() {
        return Ok(());
    }
    let mut ticks = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            biased;
            () = nats::stopped(&mut stop) => return Ok(()),
            _ = ticks.tick() => {}
        }
        if !batches
            .send(center.events_until(clock.now()), 0, &events)
            .await
        {
            return Ok(());
        }
    }
}

/// History done, in permille.
fn share(done_ms: i64) -> u64 {
    u64::try_from(done_ms * 1000 / HISTORY_MS).unwrap_or(0)
}

fn attached_nothing() -> Attached {
    Attached {
        identity: StreamIdentity::default(),
        pending: 0,
        first_sequence: 0,
        first_stored_at: None,
        last_sequence: 0,
        position: None,
    }
}

struct Batches {
    sequence: u64,
}

impl Batches {
    /// Sends the events in batches; `false` when the engine is gone.
    async fn send(
        &mut self,
        simulated: impl Iterator<Item = SimulatedEvent>,
        pending: u64,
        events: &mpsc::Sender<SourceEvent>,
    ) -> bool {
        let mut envelopes = Vec::with_capacity(MAX_BATCH);
        let simulated: Vec<SimulatedEvent> = simulated.collect();
        for event in simulated {
            self.sequence += 1;
            envelopes.push(Envelope {
                sequence: self.sequence,
                stored_at: event.publish_at,
                subject: Bytes::from_static(event.subject.as_bytes()),
                headers: None,
                payload: Bytes::from(event.payload),
            });
            if envelopes.len() == MAX_BATCH && !self.flush(&mut envelopes, pending, events).await {
                return false;
            }
        }
        if envelopes.is_empty() {
            let position = self.position(None);
            return pending > 0
                || events
                    .send(SourceEvent::Idle(Idle { position }))
                    .await
                    .is_ok();
        }
        self.flush(&mut envelopes, pending, events).await
    }

    async fn flush(
        &self,
        envelopes: &mut Vec<Envelope>,
        pending: u64,
        events: &mpsc::Sender<SourceEvent>,
    ) -> bool {
        let envelopes = std::mem::take(envelopes);
        let position = self.position(envelopes.last());
        events
            .send(SourceEvent::Batch(Batch {
                envelopes,
                pending,
                position,
            }))
            .await
            .is_ok()
    }

    fn position(&self, last: Option<&Envelope>) -> Position {
        Position {
            sequence: self.sequence,
            stored_at: last.map_or(Timestamp::default(), |last| last.stored_at),
            through: self.sequence,
        }
    }
}

fn progress_bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(1000);
    match ProgressStyle::with_template(
        "making up 8 days of history [{wide_bar}] {percent} % ({eta} left)",
    ) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
