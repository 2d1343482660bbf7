//! What a source is given besides its settings.

use std::sync::Arc;

use async_nats::Client;
use tokio::sync::watch;

use super::Counters;
use crate::nats::Link;
use crate::time::Clock;

/// What a source runs on.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The connection.
    pub client: Client,
    /// Its state.
    pub link: Arc<Link>,
    /// Shared with the metrics page.
    pub counters: Arc<Counters>,
    /// Names consumers.
    pub clock: Arc<dyn Clock>,
    /// True when the process is to stop.
    pub stop: watch::Receiver<bool>,
}
