//! Start, signals, stop. The page is served first, then state is restored, then the source begins.
//! At the end `/readyz` fails first; the source stops, what was delivered is processed, the last
//! checkpoint is written, dead letters and notifications are flushed, connections are closed.

use std::future::Future;
use std::num::NonZero;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use prometheus::{IntCounterVec, Registry};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use super::ahead::Inbox;
use super::alerting::{Alerting, Notify};
use super::freshness::Freshness;
use super::pipeline::Pipeline;
use super::recovery::{self, Recovered};
use super::reload::Reloader;
use super::saver::{Saver, SaverMetrics};
use super::worker::{Order, Progress, Worker, needed_history_ms, resume_of};
use crate::alert::Transition;
use crate::checkpoint::{Directory, Store};
use crate::config::Config;
use crate::dead_letter;
use crate::engine::{Engine, WaitingPolicy};
use crate::http::{self, Exported, Shared};
use crate::nats::{self, Link};
use crate::sink::{self, Sinks, Timing};
use crate::source::jetstream::{self, Options};
use crate::source::{self, Begin, Mode, ResetReason, Resume, SourceEvent, Start, Surroundings};
use crate::telemetry::{KnownLabels, SelfMetrics};
use crate::time::{Clock, SystemClock, Timestamp};

/// Reports of the source that may wait for the engine; a batch holds up to 500 messages.
const CHANNEL: usize = 4;
/// Threads of the runtime, with as many cores: one for the connection and the source, which hand on from
/// one to the other best without changing threads, and one for pages.
const MAX_WORKER_THREADS: usize = 2;
/// How long notifications may take at the end.
const SINK_GRACE: Duration = Duration::from_secs(3);
/// How long the rest may take at the end.
const STOP_GRACE: Duration = Duration::from_secs(20);

/// Where events come from.
pub enum Feed {
    /// The source of the configuration.
    Nats,
    /// A task of the caller that sends what a source would (demo).
    Task(FeedTask),
}

/// See [`Feed::Task`]: takes the channel to the engine and the stop signal.
pub type FeedTask = Box<
    dyn FnOnce(
            mpsc::Sender<SourceEvent>,
            watch::Receiver<bool>,
        ) -> Pin<Box<dyn Future<Output = Result<()>> + Send>>
        + Send,
>;

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nats => "Nats",
            Self::Task(_) => "Task",
        })
    }
}

/// What to run.
#[derive(Debug)]
pub struct Service {
    /// The configuration.
    pub config: Config,
    /// Where it came from, for reloads.
    pub config_path: Option<PathBuf>,
    /// Where events come from.
    pub feed: Feed,
    /// Begin anew where kept state cannot be continued.
    pub accept_state_reset: bool,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// When the address cannot be bound, the checkpoint directory cannot be used, or the source meets
/// what no waiting heals.
pub fn run(service: Service) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.min(MAX_WORKER_THREADS))
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let result = runtime.block_on(Box::pin(serve(service)));
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

#[expect(
    clippy::too_many_lines,
    reason = "one story: what starts, in order, and what stops"
)]
async fn serve(service: Service) -> Result<()> {
    let Service {
        config,
        config_path,
        feed,
        accept_state_reset,
    } = service;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let directory = Directory::open(&config.checkpoint.dir)?;
    let registry = Registry::new();
    let metrics = self_metrics(&registry, &clock)?;
    let empty = Engine::new(Arc::new(config.engine.clone()), WaitingPolicy::Keep).empty_view();
    let shared = Shared::new(
        &config.http,
        registry,
        metrics.clone(),
        Arc::clone(&clock),
        Arc::new(empty),
    );
    shared.set_exported(Exported {
        settings: config.export.clone(),
        extras: config.export_extras(),
    });
    let store = directory.store(config.checkpoint.keep);
    // Shown at once they would start from 0, or from the checkpoint's figures.
    metrics.hide_counters(!store.list()?.is_empty());
    let (stop_sender, stop) = watch::channel(false);
    let server = start_server(&config, &shared, stop.clone()).await?;

    let link = Link::new();
    let counters = Arc::new(source::Counters::default());
    let (events_sender, events) = mpsc::channel(CHANNEL);
    let (orders, orders_receiver) = mpsc::channel(4);
    let (resume_sender, resume) = oneshot::channel();
    let receivers = Receivers::start(&config, &clock, &metrics)?;
    let letter_counters = Arc::new(dead_letter::Counters::default());
    let (publisher, letter_worker) =
        dead_letter::channel(&config.dead_letter, &letter_counters, Arc::clone(&clock));
    let uses_nats = matches!(feed, Feed::Nats);
    if uses_nats {
        shared.set_uses_nats();
    }
    let worker = WorkerParts {
        config: config.clone(),
        directory_path: directory.path().to_owned(),
        store,
        key: directory.key(),
        clock: Arc::clone(&clock),
        shared: Arc::clone(&shared),
        metrics: metrics.clone(),
        notify: Box::new(receivers.notifier(uses_nats)),
        publisher: uses_nats.then_some(publisher),
        counters: Arc::clone(&counters),
        accept_state_reset,
    };
    let worker_stop = stop.clone();
    let thread = std::thread::Builder::new()
        .name("engine".into())
        .spawn(move || worker.run(events, orders_receiver, resume_sender, worker_stop))
        .context("cannot start the engine's thread")?;

    let mut tasks = Tasks {
        feed: None,
        others: Vec::new(),
    };
    let (instance, feed_config) = (directory.instance().to_owned(), config.clone());
    let counting = count_for_metrics(&metrics, &link, &letter_counters, &receivers, stop.clone());
    tasks.others.push(tokio::spawn(counting));
    let ended = match feed {
        Feed::Task(task) => {
            drop(resume);
            tasks.feed = Some(tokio::spawn(task(events_sender, stop.clone())));
            receivers.stop_only()
        }
        Feed::Nats => {
            let surroundings = NatsParts {
                config: feed_config,
                instance,
                clock: Arc::clone(&clock),
                link: Arc::clone(&link),
                counters,
                stop: stop.clone(),
            };
            tasks.feed = Some(tokio::spawn(surroundings.run(
                resume,
                events_sender,
                letter_worker,
                receivers.nats_worker(),
            )));
            receivers.stop_only()
        }
    };
    let reloader = Reloader::new(config, config_path, orders, &metrics);
    let outcome = wait(&mut tasks, &thread, reloader).await;
    shared.set_stopping();
    info!("stopping");
    if stop_sender.send(true).is_err() {
        warn!("everything had stopped already");
    }
    let joined = tokio::task::spawn_blocking(move || thread.join());
    match tokio::time::timeout(STOP_GRACE, joined).await {
        Ok(Ok(Ok(result))) => result?,
        Ok(Ok(Err(_))) => error!("the engine's thread ended in a panic"),
        Ok(Err(_)) | Err(_) => error!("the engine did not stop in time"),
    }
    if let Some(source) = tasks.feed.take()
        && tokio::time::timeout(STOP_GRACE, source).await.is_err()
    {
        warn!("the source did not stop in time");
    }
    if !ended.stop(SINK_GRACE).await {
        warn!("notifications were left undelivered; firing alerts are told again after a restart");
    }
    server.await.context("the HTTP server ended in a panic")?;
    drop(directory);
    info!("stopped");
    outcome
}

/// Every `cxpulse_*` family, registered.
pub(super) fn self_metrics(registry: &Registry, clock: &Arc<dyn Clock>) -> Result<SelfMetrics> {
    let reasons = ResetReason::ALL.map(ResetReason::name);
    let known = KnownLabels {
        reset_reasons: &reasons,
        sinks: &["alertmanager", "nats", "webhook"],
        notification_outcomes: &sink::Outcomes::NAMES,
    };
    SelfMetrics::new(registry, Arc::clone(clock), known).context("cannot register metrics")
}

async fn start_server(
    config: &Config,
    shared: &Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) -> Result<JoinHandle<()>> {
    let address = config.http.listen;
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; set http.listen to a free address")
    })?;
    let bound = listener
        .local_addr()
        .context("cannot tell the address of the listener")?;
    if !bound.ip().is_loopback() && config.http.auth.is_none() {
        warn!(address = %bound, "everybody who reaches this address can read the KPIs; set http.auth");
    }
    info!(address = %bound, "serving /metrics, /api/v1/kpis, /livez and /readyz");
    let server =
        http::Server::new(Arc::clone(shared), &config.http).context("cannot set up http.tls")?;
    Ok(tokio::spawn(async move {
        let shutdown = async move { nats::stopped(&mut stop).await };
        let stopped = server.serve(listener, shutdown).await;
        if let http::Stopped::Cut(connections) = stopped {
            warn!(connections, "connections were cut at the end");
        }
    }))
}

/// Waits for the reason to stop: a signal, or the end of source or engine. Reloads on SIGHUP.
async fn wait(
    tasks: &mut Tasks,
    thread: &std::thread::JoinHandle<Result<()>>,
    mut reloader: Reloader,
) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    loop {
        let feed = async {
            match &mut tasks.feed {
                Some(feed) => feed.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => reloader.reload().await,
            ended = feed => {
                tasks.feed = None;
                return ended.context("the source ended in a panic")?;
            }
            () = tokio::time::sleep(Duration::from_millis(500)) => {
                if thread.is_finished() {
                    return Ok(());
                }
            }
        }
    }
}

struct Tasks {
    feed: Option<JoinHandle<Result<()>>>,
    others: Vec<JoinHandle<()>>,
}

/// Where alert notifications go.
struct Receivers {
    sinks: Arc<Sinks>,
    nats_sender: sink::nats::Sender,
    nats_worker: std::sync::Mutex<Option<sink::nats::Worker>>,
    nats_counters: Arc<sink::nats::Counters>,
}

impl Receivers {
    fn start(config: &Config, clock: &Arc<dyn Clock>, metrics: &SelfMetrics) -> Result<Self> {
        let timing = Timing::default();
        let sinks = Sinks::start(&config.sink, &timing, clock, &metrics.alert_notifications)?;
        let nats_counters = Arc::new(sink::nats::Counters::default());
        let prefix = config.sink.nats_subject.as_deref();
        let (nats_sender, nats_worker) = sink::nats::channel(prefix, &nats_counters);
        Ok(Self {
            sinks: Arc::new(sinks),
            nats_sender,
            nats_worker: std::sync::Mutex::new(Some(nats_worker)),
            nats_counters,
        })
    }

    /// `has_nats` is false where there is no server to send anything to (demo).
    fn notifier(&self, has_nats: bool) -> Notifier {
        Notifier {
            sinks: Arc::clone(&self.sinks),
            nats: has_nats.then(|| self.nats_sender.clone()),
        }
    }

    fn nats_worker(&self) -> Option<sink::nats::Worker> {
        self.nats_worker.lock().ok()?.take()
    }

    fn stop_only(self) -> Ended {
        Ended { sinks: self.sinks }
    }
}

/// The sinks at the end of a run.
struct Ended {
    sinks: Arc<Sinks>,
}

impl Ended {
    /// Lets the sinks deliver what waits; true when all of them were done.
    async fn stop(self, grace: Duration) -> bool {
        self.sinks.stop(grace).await
    }
}

struct Notifier {
    sinks: Arc<Sinks>,
    nats: Option<sink::nats::Sender>,
}

impl Notify for Notifier {
    fn adopt(&self, receivers: sink::Plan, announced: &[Transition]) {
        if let Some(nats) = &self.nats {
            let is_new = nats.set_prefix(receivers.nats_subject());
            if is_new {
                self.notify_nats(announced);
            }
        }
        self.sinks.adopt(receivers, announced);
    }

    fn notify(&self, transitions: &[Transition]) {
        self.sinks.notify(transitions);
        self.notify_nats(transitions);
    }
}

impl Notifier {
    fn notify_nats(&self, transitions: &[Transition]) {
        let Some(nats) = &self.nats else { return };
        for transition in transitions {
            let key: Vec<&str> = transition
                .key
                .iter()
                .map(|(_, value)| value.as_str())
                .collect();
            let id = format!(
                "{}/{}/{}/{}/{}",
                transition.alert,
                transition.severity,
                key.join(","),
                transition.at.as_millis(),
                transition.to.name()
            );
            let mut body = serde_json::from_str(&transition.to_json_line()).unwrap_or_default();
            if let serde_json::Value::Object(members) = &mut body {
                members.insert(
                    "active_since".into(),
                    transition.active_since.to_string().into(),
                );
                members.insert("labels".into(), serde_json::json!(transition.labels));
                members.insert(
                    "annotations".into(),
                    serde_json::json!(transition.annotations),
                );
            }
            nats.send(sink::nats::Notification {
                alert: transition.alert.clone(),
                id,
                body,
            });
        }
    }
}

/// Takes over into the page what other tasks count, until the end.
async fn count_for_metrics_loop(
    metrics: SelfMetrics,
    link: Arc<Link>,
    letters: Arc<dead_letter::Counters>,
    notifications: Arc<sink::nats::Counters>,
    mut stop: watch::Receiver<bool>,
) {
    let raise = |family: &IntCounterVec, labels: &[&str], counted: u64| {
        let shown = family.with_label_values(labels);
        shown.inc_by(counted.saturating_sub(shown.get()));
    };
    loop {
        metrics.nats_connected.set(i64::from(link.connected()));
        raise(&metrics.dead_letters, &["stored"], letters.stored());
        raise(&metrics.dead_letters, &["unstored"], letters.unstored());
        raise(&metrics.dead_letters, &["suppressed"], letters.suppressed());
        let family = &metrics.alert_notifications;
        raise(family, &["nats", "delivered"], notifications.sent());
        raise(family, &["nats", "dropped"], notifications.dropped());
        tokio::select! {
            () = nats::stopped(&mut stop) => return,
            () = tokio::time::sleep(Duration::from_millis(250)) => {}
        }
    }
}

fn count_for_metrics(
    metrics: &SelfMetrics,
    link: &Arc<Link>,
    letters: &Arc<dead_letter::Counters>,
    receivers: &Receivers,
    stop: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send + use<> {
    count_for_metrics_loop(
        metrics.clone(),
        Arc::clone(link),
        Arc::clone(letters),
        Arc::clone(&receivers.nats_counters),
        stop,
    )
}

/// What the engine's thread is made of.
struct WorkerParts {
    config: Config,
    directory_path: PathBuf,
    store: Store,
    key: crate::event::HashKey,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    metrics: SelfMetrics,
    notify: Box<dyn Notify>,
    publisher: Option<dead_letter::Publisher>,
    counters: Arc<source::Counters>,
    accept_state_reset: bool,
}

impl WorkerParts {
    /// Restores state, says where the source goes on from, and runs.
    fn run(
        self,
        events: mpsc::Receiver<SourceEvent>,
        orders: mpsc::Receiver<Order>,
        resume: oneshot::Sender<Resume>,
        stop: watch::Receiver<bool>,
    ) -> Result<()> {
        let (config, reset) = (&self.config, self.accept_state_reset);
        let recovered = recovery::recover(&self.store, config, self.key, reset)?;
        let now = self.clock.now();
        let needed_from = now.plus_millis(-needed_history_ms(config));
        let begin = match begin_of(config, now) {
            // What had been read since the first start would be missing.
            Begin::Latest if recovered.rebuild.is_some() => Begin::At(needed_from),
            begin @ (Begin::Latest | Begin::Earliest | Begin::At(_)) => begin,
        };
        let place = recovered.place.clone();
        let decode = Arc::new(config.decode.clone());
        let key = self.key;
        let worker = self.worker(recovered, begin, now)?;
        let addressing = worker.pipeline.engine.addressing();
        let (inbox, decoder) = Inbox::open(decode, key, addressing, events, stop.clone())
            .context("cannot start the decoder's thread")?;
        worker.shared.set_restored();
        // Without a source that waits for it (demo) nobody listens.
        drop(resume.send(resume_of(place.as_ref(), begin)));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .context("cannot start the engine's runtime")?;
        runtime.block_on(Box::pin(worker.run(inbox, orders, stop)))?;
        // It has ended, since the inbox is gone; what broke it has broken the service.
        match decoder.map(std::thread::JoinHandle::join) {
            Some(Err(_)) => bail!("the decoder's thread ended in a panic"),
            Some(Ok(())) | None => Ok(()),
        }
    }

    fn worker(self, recovered: Recovered, begin: Begin, now: Timestamp) -> Result<Worker> {
        let config = &self.config;
        let Recovered {
            mut engine,
            place,
            next_number,
            rebuild,
        } = recovered;
        engine.keep_history();
        if place.is_none() {
            engine.advance(now);
            self.metrics.hide_counters(false);
        }
        let saver_metrics = SaverMetrics {
            last_success: self.metrics.checkpoint_last_success.clone(),
            failures: self.metrics.checkpoint_failures.clone(),
        };
        let saver = Saver::start(
            self.store,
            next_number,
            saver_metrics,
            Arc::clone(&self.clock),
        )
        .context("cannot start the checkpoint thread")?;
        let alerting = Alerting::new(
            &config.alert,
            config.engine.key_ttl,
            self.directory_path.join("alerts.json"),
            Arc::clone(&self.shared),
            self.notify,
            now,
        )?;
        let mut progress = Progress::default();
        if let Resume::After { identity, position } = resume_of(place.as_ref(), begin) {
            progress.identity = Some(identity);
            progress.position = Some(position);
            progress.continues = true;
        }
        Ok(Worker {
            pipeline: Pipeline::new(Arc::new(config.decode.clone()), self.key, engine),
            fingerprint: recovery::fingerprint(config, self.key),
            refresh_ms: crate::time::millis_of(config.http.refresh_interval).max(1),
            checkpoint_ms: crate::time::millis_of(config.checkpoint.interval).max(1),
            clock: self.clock,
            shared: self.shared,
            metrics: self.metrics,
            alerting,
            saver,
            dead_letters: self.publisher,
            counters: self.counters,
            begin,
            at_most_once: config.source.mode == Mode::Core,
            needed_from: now.plus_millis(-needed_history_ms(config)),
            rebuild,
            progress,
            freshness: Freshness::default(),
        })
    }
}

/// Where a first start begins.
fn begin_of(config: &Config, now: Timestamp) -> Begin {
    match config.source.start {
        Start::Needed => Begin::At(now.plus_millis(-needed_history_ms(config))),
        Start::Earliest => Begin::Earliest,
        Start::Latest => Begin::Latest,
        Start::At(moment) => Begin::At(moment),
    }
}

/// What the source and the other users of NATS run on.
struct NatsParts {
    config: Config,
    instance: String,
    clock: Arc<dyn Clock>,
    link: Arc<Link>,
    counters: Arc<source::Counters>,
    stop: watch::Receiver<bool>,
}

impl NatsParts {
    async fn run(
        mut self,
        resume: oneshot::Receiver<Resume>,
        events: mpsc::Sender<SourceEvent>,
        letters: dead_letter::Worker,
        notifications: Option<sink::nats::Worker>,
    ) -> Result<()> {
        let connected = nats::connect(&self.config.nats, &self.link, &mut self.stop).await;
        let client = match connected {
            Ok(client) => client,
            Err(nats::Error::Stopped) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut others = tokio::task::JoinSet::new();
        others.spawn(letters.run(client.clone(), Arc::clone(&self.link), self.stop.clone()));
        if let Some(worker) = notifications {
            others.spawn(worker.run(client.clone(), Arc::clone(&self.link), self.stop.clone()));
        }
        // The engine's thread has failed when it does not answer; it says why.
        let Ok(resume) = resume.await else {
            return Ok(());
        };
        let surroundings = Surroundings {
            client,
            link: self.link,
            counters: self.counters,
            clock: self.clock,
            stop: self.stop,
        };
        let source = &self.config.source;
        let result = match source.mode {
            Mode::JetStream => {
                let needed_ms = needed_history_ms(&self.config);
                let needed = Duration::from_millis(u64::try_from(needed_ms).unwrap_or(u64::MAX));
                let options = Options {
                    settings: source.clone(),
                    resume,
                    instance: self.instance,
                    create_max_age: needed.saturating_add(Duration::from_hours(24)),
                };
                jetstream::run(options, surroundings, events).await
            }
            Mode::Core => {
                source::core::run(&source.subjects, &self.instance, surroundings, events).await
            }
        };
        while others.join_next().await.is_some() {}
        Ok(result?)
    }
}
