//! Events at a steady rate, for what must go on as before beside them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use cxpulse::time::{Clock, SystemClock};
use serde_json::json;

use crate::support::nats_raw::{Publish, RawNats};

/// Events of one message.
const EVENTS: u64 = 20;

/// A figure from the environment: the ordinary run is short, the recorded one is not.
pub(crate) fn given(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Events at a steady rate until it is stopped.
pub(crate) struct Feed {
    stop: Arc<AtomicBool>,
    published: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Feed {
    pub(crate) fn start(mut nats: RawNats, rate: u64) -> Self {
        let (stop, published) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&published));
        let thread = thread::spawn(move || {
            let begin = SystemClock.now();
            while !stopped.load(Ordering::Relaxed) {
                let elapsed_ms = SystemClock.now().millis_since(begin);
                let due = rate * u64::try_from(elapsed_ms).unwrap_or(0) / 1000;
                let done = count.load(Ordering::Relaxed);
                let messages = due.saturating_sub(done) / EVENTS;
                if messages == 0 {
                    thread::sleep(Duration::from_millis(5));
                    continue;
                }
                let batch = (0..messages).map(|number| message(done + number * EVENTS));
                nats.publish_acknowledged(batch).expect("stored");
                count.fetch_add(messages * EVENTS, Ordering::Relaxed);
            }
        });
        Self {
            stop,
            published,
            thread,
        }
    }

    pub(crate) fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the feed ends");
        self.published.load(Ordering::Relaxed)
    }
}

/// New contacts on two hundred queues.
fn message(first: u64) -> Publish {
    let ended_at = SystemClock.now().as_millis() - 1000;
    let events = (first..first + EVENTS).map(|number| {
        json!({"interaction_id": format!("i-{number}"), "ended_at": ended_at, "talk_seconds": 60,
            "wait_seconds": 5, "queue": format!("queue {}", number % 200)})
        .to_string()
    });
    Publish::new("cx.interactions.a", events.collect::<Vec<_>>().join("\n"))
}
