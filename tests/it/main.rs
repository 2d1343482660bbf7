//! Tests of the library that need no server.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests end at the first surprise like the tests themselves"
)]

mod config;
