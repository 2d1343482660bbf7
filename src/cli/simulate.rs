//! `cxpulse simulate`: publishes realistic traffic, and nothing else.

use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::HeaderMap;
use clap::Args;
use tokio::sync::watch;
use tracing::info;

use crate::config::Config;
use crate::nats::{self, Link};
use crate::simulate::{Center, Pace, Settings};
use crate::time::{Clock, SystemClock, Timestamp};

/// How often traffic is published.
const TICK: Duration = Duration::from_millis(50);
/// History that is published in one go before the connection is flushed, milliseconds.
const STEP_MS: i64 = 10 * 60 * 1000;

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
        let publishing = publisher.publish(now, stop);
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
}

impl Publisher {
    pub(super) fn new(nats: nats::Settings, center: Center) -> Self {
        Self { nats, center }
    }

    /// Publishes from a thread of its own until the process ends.
    pub(super) fn start(self, from: Timestamp) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name("simulate".into())
            .spawn(move || {
                let (_sender, stop) = watch::channel(false);
                if let Err(error) = runtime.block_on(self.publish(from, stop)) {
                    tracing::error!(%error, "traffic ended");
                }
            })
            .context("cannot start the publisher")?;
        Ok(())
    }

    /// Publishes what lies between the center's start and now, then what comes, until `stop`.
    pub(super) async fn publish(
        mut self,
        from: Timestamp,
        mut stop: watch::Receiver<bool>,
    ) -> Result<()> {
        let link = Link::new();
        let client = match nats::connect(&self.nats, &link, &mut stop).await {
            Ok(client) => client,
            Err(nats::Error::Stopped) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        wait_for_stream(&client, &mut stop).await;
        let clock = SystemClock;
        let mut published: u64 = 0;
        let mut until = from.plus_millis(-30 * 86_400_000);
        let mut ticks = tokio::time::interval(TICK);
        loop {
            if *stop.borrow() {
                break;
            }
            let now = clock.now();
            until = until.plus_millis(STEP_MS).min(now);
            let events: Vec<_> = self.center.events_until(until).collect();
            for event in events {
                let mut headers = HeaderMap::new();
                headers.insert("Nats-Msg-Id", event.message_id.as_str());
                client
                    .publish_with_headers(event.subject, headers, event.payload.into())
                    .await?;
                published += 1;
            }
            client.flush().await?;
            if until == now {
                tokio::select! {
                    () = nats::stopped(&mut stop) => break,
                    _ = ticks.tick() => {}
                }
            }
        }
        info!(published, "traffic ended");
        Ok(())
    }
}

/// What is published before a stream stores the subjects would be lost: waits a little for one.
async fn wait_for_stream(client: &async_nats::Client, stop: &mut watch::Receiver<bool>) {
    let api = nats::Api::new(client.clone());
    for _ in 0..50 {
        match api.streams_of("cx.interactions.any").await {
            Ok(streams) if !streams.is_empty() => return,
            Ok(_) | Err(_) => {}
        }
        tokio::select! {
            () = nats::stopped(stop) => return,
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
    }
    info!("no stream stores the subjects; publishing all the same");
}
