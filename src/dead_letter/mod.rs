//! Rejected events, published with reason and position.
//!
//! A [`Publisher`] belongs to whoever finds rejects; [`Publisher::submit`] never waits. A
//! [`Worker`] publishes them through `JetStream` and awaits a bounded number of acknowledgements.
//! Every dead letter ends in exactly one outcome of [`Counters`]:
//!
//! - *stored*: the server has confirmed it, or knew it already (a replay after a crash gives the
//!   same message id);
//! - *suppressed*: more than `max_per_second` came;
//! - *unstored*: the queue was full, no stream stores the subject, or the server did not confirm
//!   in spite of [`ATTEMPTS`] attempts.
//!
//! While NATS is away nothing is tried; dead letters wait as long as the queue has room.

mod headers;
mod publisher;
mod settings;
mod worker;

pub use publisher::{Counters, DeadLetter, Publisher, channel};
pub use settings::*;
pub use worker::{ATTEMPTS, Worker};
