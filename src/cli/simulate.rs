//! `cxpulse simulate`: publishes realistic traffic, and nothing else.

use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::HeaderMap;
use async_nats::jetstream::context::PublishAckFuture;
use clap::Args;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use indicatif::ProgressBar;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::config::Config;
use crate::nats::{self, Link};
use crate::simulate::{Center, Incident, Pace, Settings, SimulatedEvent};
use crate::time::{Clock, SystemClock, Timestamp};

/// How often traffic is published.
const TICK: Duration = Duration::from_millis(50);
/// History that is published before the progress is shown, milliseconds.
const STEP_MS: i64 = 10 * 60 * 1000;
/// Messages on their way to the stream. Without a bound the server is so busy storing that it has no
/// time left for readers.
const MAX_UNACKNOWLEDGED: usize = 512;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The server.
    #[arg(long, value_name = "URL", default_value = "nats://127.0.0.1:4222")]
    nats: String,
    /// Events a second, in the mean.
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// The same seed makes the same traffic, relative to the start.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Stop after so many seconds; without it when interrupted.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
}

/// Publishes until a signal; gives the exit code.
pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    let now = SystemClock.now();
    let settings = Settings {
        pace: Pace::Steady {
            events_per_second: arguments.rate,
        },
        ..Settings::starting_at(now)
    };
    let center = Center::new(arguments.seed, settings.busy_at(now));
    let nats = nats::Settings {
        url: arguments.nats.clone(),
        ..Config::default().nats
    };
    let publisher = Publisher::new(nats, center);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (stop_sender, stop) = watch::channel(false);
    let limit = arguments.seconds.map(Duration::from_secs);
    runtime.block_on(async {
        let publishing = publisher.publish(now, 0, stop);
        tokio::pin!(publishing);
        tokio::select! {
            result = &mut publishing => return result,
            _ = tokio::signal::ctrl_c() => {}
            () = sleep_for(limit) => {}
        }
        stop_sender.send_replace(true);
        publishing.await
    })?;
    Ok(0)
}

async fn sleep_for(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

/// Sends a center's events to NATS.
pub(super) struct Publisher {
    nats: nats::Settings,
    center: Center,
    /// Told from the moment at which the traffic is live.
    incident: Option<Incident>,
    bar: ProgressBar,
}

impl Publisher {
    pub(super) fn new(nats: nats::Settings, center: Center) -> Self {
        Self {
            nats,
            center,
            incident: None,
            bar: ProgressBar::hidden(),
        }
    }

    /// The same with an incident, times as if live traffic began at `from`, and a bar of a thousand
    /// parts that shows how much of the history is published.
    pub(super) fn with_incident(self, incident: Incident, bar: ProgressBar) -> Self {
        Self {
            incident: Some(incident),
            bar,
            ..self
        }
    }

    /// Publishes from a thread of its own until the process ends.
    pub(super) fn start(self, from: Timestamp, history_ms: i64) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name("simulate".into())
            .spawn(move || {
                let (_sender, stop) = watch::channel(false);
                if let Err(error) = runtime.block_on(self.publish(from, history_ms, stop)) {
                    tracing::error!(%error, "traffic ended");
                }
            })
            .context("cannot start the publisher")?;
        Ok(())
    }

    /// Publishes the history of so many milliseconds before `from`, then what comes, until `stop`.
    pub(super) async fn publish(
        mut self,
        from: Timestamp,
        history_ms: i64,
        mut stop: watch::Receiver<bool>,
    ) -> Result<()> {
        let link = Link::new();
        let client = match nats::connect(&self.nats, &link, &mut stop).await {
            Ok(client) => client,
            Err(nats::Error::Stopped) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let is_stored = wait_for_stream(&client, &mut stop).await;
        let mut outlet = Outlet::new(client, is_stored);
        let clock = SystemClock;
        let begin = from.plus_millis(-history_ms);
        let mut until = begin;
        let mut ticks = tokio::time::interval(TICK);
        while !*stop.borrow() {
            let now = clock.now();
            until = until.plus_millis(STEP_MS).min(now);
            let events: Vec<_> = self.center.events_until(until).collect();
            for event in events {
                outlet.publish(event).await?;
            }
            if until < now {
                let done = until.millis_since(begin) * 1000 / history_ms.max(1);
                self.bar.set_position(u64::try_from(done).unwrap_or(0));
                continue;
            }
            outlet.settle().await?;
            self.bar.finish_and_clear();
            if let Some(mut incident) = self.incident.take() {
                let late_ms = clock.now().millis_since(from);
                incident.from = incident.from.plus_millis(late_ms);
                incident.until = incident.until.plus_millis(late_ms);
                self.center.inject(incident)?;
            }
            tokio::select! {
                () = nats::stopped(&mut stop) => break,
                _ = ticks.tick() => {}
            }
        }
        outlet.settle().await?;
        let Outlet {
            published, lost, ..
        } = outlet;
        info!(published, not_stored = lost, "traffic ended");
        Ok(())
    }
}

/// Publishes messages, and knows whether the stream has stored them where there is one.
struct Outlet {
    client: async_nats::Client,
    /// `None` where no stream stores the subjects: nobody acknowledges then.
    stream: Option<async_nats::jetstream::Context>,
    unacknowledged: FuturesUnordered<<PublishAckFuture as IntoFuture>::IntoFuture>,
    published: u64,
    /// Messages whose acknowledgement failed or did not come.
    lost: u64,
}

impl Outlet {
    fn new(client: async_nats::Client, is_stored: bool) -> Self {
        Self {
            stream: is_stored.then(|| async_nats::jetstream::new(client.clone())),
            client,
            unacknowledged: FuturesUnordered::new(),
            published: 0,
            lost: 0,
        }
    }

    async fn publish(&mut self, event: SimulatedEvent) -> Result<()> {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", event.message_id.as_str());
        let payload = event.payload.into();
        match &self.stream {
            None => {
                self.client
                    .publish_with_headers(event.subject, headers, payload)
                    .await?;
            }
            Some(stream) => {
                let acknowledged = stream
                    .publish_with_headers(event.subject, headers, payload)
                    .await?;
                self.unacknowledged.push(acknowledged.into_future());
                while self.unacknowledged.len() >= MAX_UNACKNOWLEDGED {
                    self.take_acknowledgement().await;
                }
            }
        }
        self.published += 1;
        Ok(())
    }

    /// Waits until all that was published is on the server.
    async fn settle(&mut self) -> Result<()> {
        while !self.unacknowledged.is_empty() {
            self.take_acknowledgement().await;
        }
        self.client.flush().await?;
        Ok(())
    }

    async fn take_acknowledgement(&mut self) {
        if let Some(Err(error)) = self.unacknowledged.next().await {
            if self.lost == 0 {
                warn!(%error, "the stream did not store a message");
            }
            self.lost += 1;
        }
    }
}

/// Whether a stream stores the subjects. What is published before there is one would be lost: waits
/// a little for it.
async fn wait_for_stream(client: &async_nats::Client, stop: &mut watch::Receiver<bool>) -> bool {
    let api = nats::Api::new(client.clone());
    for _ in 0..50 {
        match api.streams_of("cx.interactions.any").await {
            Ok(streams) if !streams.is_empty() => return true,
            Ok(_) | Err(_) => {}
        }
        tokio::select! {
            () = nats::stopped(stop) => return false,
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
    }
    info!("no stream stores the subjects; publishing all the same");
    false
}
