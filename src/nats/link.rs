//! The state of the connection, and the log lines about its changes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_nats::connection::State;
use async_nats::{Client, Event, ServerError};
use tokio::sync::watch;
use tracing::{info, warn};

use super::Retry;

/// The connection as seen from outside. Made before connecting and kept for the life of the
/// process.
#[derive(Debug)]
pub struct Link {
    /// Set once, by the first connection; the source of truth for [`Link::connected`].
    client: OnceLock<Client>,
    /// Written by the client's event task only.
    state: watch::Sender<LinkState>,
    /// Grows by one for each notice that a subscription's buffer was full.
    slow_consumer_notices: AtomicU64,
    /// Which errors of the server have had their line.
    errors: Mutex<Retry>,
    /// The newest errors of the server, at most [`REFUSALS`].
    refusals: watch::Sender<Vec<String>>,
}

/// Errors of the server that are remembered.
const REFUSALS: usize = 64;

/// Up or down, and how often it has come up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkState {
    /// There is a connection.
    pub connected: bool,
    /// Connections made so far; a change means that anything under way may be lost.
    pub connects: u64,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            client: OnceLock::new(),
            state: watch::Sender::new(LinkState::default()),
            slow_consumer_notices: AtomicU64::new(0),
            errors: Mutex::default(),
            refusals: watch::Sender::default(),
        }
    }
}

impl Link {
    /// A link that is not connected yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Whether there is a connection now.
    pub fn connected(&self) -> bool {
        self.client
            .get()
            .is_some_and(|client| client.connection_state() == State::Connected)
    }

    /// To wait for a change.
    pub fn watch(&self) -> watch::Receiver<LinkState> {
        self.state.subscribe()
    }

    /// Notices that messages were dropped because a subscription was read too slowly. Under a
    /// flood the client drops notices too: at least so many messages were lost.
    pub fn slow_consumer_notices(&self) -> u64 {
        self.slow_consumer_notices.load(Ordering::Relaxed)
    }

    /// What the server refused, newest last: missing rights with their subjects.
    pub fn refusals(&self) -> watch::Receiver<Vec<String>> {
        self.refusals.subscribe()
    }

    /// The first connection stands.
    pub(super) fn attach(&self, client: &Client) {
        // A second client on one link is not foreseen; the first one stays.
        self.client.set(client.clone()).ok();
    }

    /// What the client library reports. Runs on its own task, in order.
    pub(super) fn on_event(&self, event: &Event) {
        match event {
            Event::Connected => self.up(),
            Event::Disconnected => self.down(),
            Event::LameDuckMode => info!("the NATS server is about to shut down"),
            Event::SlowConsumer(_) => {
                self.slow_consumer_notices.fetch_add(1, Ordering::Relaxed);
                // The queue of events is short and a flood of these may push others out of it.
                // Where messages come there is a connection.
                if self.missed_a_connection() {
                    self.up();
                }
            }
            Event::ServerError(ServerError::Other(text)) => self.refused(text),
            Event::ServerError(error) => self.refused(&error.to_string()),
            Event::Draining | Event::Closed | Event::ClientError(_) => {}
        }
    }

    /// Connections made, as the client counts them; 0 before the first.
    fn connects(&self) -> u64 {
        self.client.get().map_or(0, |client| {
            client.statistics().connects.load(Ordering::Relaxed)
        })
    }

    fn missed_a_connection(&self) -> bool {
        let state = *self.state.borrow();
        !state.connected || state.connects < self.connects()
    }

    fn up(&self) {
        let connects = self.connects();
        let mut again = false;
        self.state.send_modify(|state| {
            again = state.connects > 0;
            state.connected = true;
            state.connects = connects.max(state.connects + 1);
        });
        if again {
            info!("reconnected to NATS");
        }
    }

    fn down(&self) {
        self.state.send_modify(|state| state.connected = false);
        warn!("disconnected from NATS, reconnecting");
    }

    /// Missing rights show here: the server names the subject.
    fn refused(&self, text: &str) {
        self.refusals.send_modify(|refusals| {
            if refusals.len() == REFUSALS {
                refusals.remove(0);
            }
            refusals.push(text.to_owned());
        });
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        if errors.worth_a_line(text) {
            warn!(error = text, "the NATS server reports an error");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_is_counted() {
        let link = Link::new();
        let mut watch = link.watch();
        for event in [Event::Connected, Event::Disconnected, Event::Connected] {
            link.on_event(&event);
        }
        let state = *watch.borrow_and_update();
        assert_eq!((state.connected, state.connects), (true, 2));
        link.on_event(&Event::Disconnected);
        assert!(watch.has_changed().unwrap());
        assert!(!watch.borrow().connected);
    }

    #[test]
    fn slow_consumer_notices_are_counted() {
        let link = Link::new();
        link.on_event(&Event::SlowConsumer(7));
        link.on_event(&Event::SlowConsumer(7));
        assert_eq!(link.slow_consumer_notices(), 2);
    }

    #[test]
    fn a_connection_whose_event_was_pushed_out_is_noticed() {
        let link = Link::new();
        link.on_event(&Event::Connected);
        link.on_event(&Event::Disconnected);
        link.on_event(&Event::SlowConsumer(7));
        let state = *link.watch().borrow();
        assert_eq!((state.connected, state.connects), (true, 2));
    }
}
