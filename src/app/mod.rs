//! Composition: what runs when cxpulse runs, in which order it starts, and in which it stops.
//!
//! | where to look | for |
//! |---|---|
//! | [`run`] | start, signals, stop |
//! | [`Pipeline`] | envelope → decode → engine, the one path of every event |
//! | `worker` | the engine's thread: events, instants, views, checkpoints |
//! | `recovery` | from checkpoint files to an engine and a position |
//! | `saver` | the thread that writes checkpoints |
//! | `alerting` | evaluation at its instants, saved before anything is sent |

mod alerting;
mod pipeline;
mod recovery;
mod saver;
mod service;
#[cfg(test)]
mod tests;
mod worker;

pub use pipeline::{Pipeline, RejectedEvent};
pub use recovery::{RecoveryError, fingerprint};
pub use service::{Feed, FeedTask, Service, run};
pub use worker::needed_history_ms;
