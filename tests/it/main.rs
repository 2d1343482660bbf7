//! Tests of the library through its public face, without servers.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests end at the first surprise like the tests themselves"
)]

mod config;
mod export;
mod http;
