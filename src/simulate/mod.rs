//! Made-up traffic, all of it from a seed and without a clock.
//!
//! [`Center`]: the contact center behind `cxpulse demo` and `cxpulse simulate`. It has a day and a
//! week, queues of different size and skill, customers who come back when they were not helped,
//! surveys some minutes after the contact, corrections, and now and then a broken event.
//!
//! [`workload`]: the lines of the benchmarks, and a month full of nasties for tests.

mod center;
mod contact;
mod curve;
mod floor;
mod json;
mod malformed;
mod outbox;
mod random;
mod settings;
mod survey;
pub mod workload;

pub use center::{Center, EventsUntil, UnknownQueue};
pub use outbox::SimulatedEvent;
pub use settings::{Incident, Mishaps, Pace, Settings};
