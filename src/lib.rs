//! cxpulse: live customer-experience KPIs from NATS events.

pub mod alert;
pub mod app;
pub mod checkpoint;
pub mod cli;
pub mod config;
pub mod dead_letter;
pub mod decode;
pub mod engine;
pub mod event;
pub mod export;
pub mod http;
pub mod kpi;
pub mod nats;
pub mod secret;
pub mod simulate;
pub mod sink;
pub mod source;
pub mod telemetry;
pub mod time;
pub mod window;

/// Events come in on one thread and leave on another, and state is a great many small pieces: an
/// allocator for that, on every system the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
