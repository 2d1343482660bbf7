//! The connection to NATS that source, dead letters and sinks share: how it is made and kept, how
//! its state is seen, and the few JetStream API calls that are needed.
//!
//! - [`connect`] waits until a server answers; afterwards the client library reconnects for ever.
//! - [`Link`] is the state of the connection, for metrics and for whoever must know of a new
//!   connection, and the one place that logs its changes.
//! - [`Api`] asks JetStream about streams and consumers.
//! - [`Retry`] spaces attempts out and says which failures deserve a log line.

mod api;
mod auth;
mod connect;
mod error;
mod link;
mod retry;
mod settings;
mod subject;

pub(crate) use api::parse as parse_answer;
pub use api::{
    Api, ApiError, ConsumerEcho, ConsumerInfo, ConsumerRequest, Copies, Copy, Deliver, Delivered,
    StreamConfig, StreamInfo, StreamRequest, StreamState,
};
pub use connect::{SUBSCRIPTION_CAPACITY, connect, connect_once, server_addresses};
pub use error::Error;
pub use link::{Link, LinkState};
pub use retry::Retry;
pub use settings::*;
pub use subject::{covers, overlap};

use tokio::sync::watch;

/// Comes back when the process is to stop: `stop` has become true or its sender is gone.
///
/// Cancel-safe.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is an end as well.
    stop.wait_for(|stop| *stop).await.ok();
}
