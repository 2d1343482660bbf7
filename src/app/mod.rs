//! Composition: what runs when cxpulse runs, in which order it starts, and in which it stops.
//!
//! | where to look | for |
//! |---|---|
//! | [`run`] | start, signals, stop |
//! | [`Pipeline`] | envelope → decode → engine, the one path of every event |
//! | `ahead` | the thread that decodes, where there is a core for it |
//! | `worker` | the engine's thread: events, instants, views, checkpoints |
//! | `intake` | what becomes of messages besides: delays, dead letters |
//! | `recovery` | from checkpoint files to an engine and a position |
//! | [`Saver`] | the thread that writes checkpoints |
//! | `alerting` | evaluation at its instants, saved before anything is sent |
//! | [`BackTest`] | evaluation at the instants that recorded events pass |
//! | `reload` | what a running service takes over of a new configuration |

mod ahead;
mod alerting;
mod back_test;
mod freshness;
mod intake;
mod pipeline;
mod recovery;
mod reload;
#[cfg(test)]
mod same_alerts;
mod saver;
mod service;
#[cfg(test)]
mod tests;
mod worker;

pub use back_test::{BackTest, leave_out_what_no_rule_reads};
pub use pipeline::{Observer, Pipeline, RejectedEvent, Unwatched};
pub use recovery::{RecoveryError, fingerprint};
pub use saver::{Saver, SaverMetrics};
pub use service::{Feed, FeedTask, Service, run};
pub use worker::needed_history_ms;
