//! Tests of the library through its public face, without servers, in one binary.

#[path = "../reference/mod.rs"]
mod reference;

mod engine_equals_reference;
mod engine_runs;
mod export;
mod http;
mod properties;
mod reference_decode;
mod reference_formulas;
mod reference_python;
mod reference_selftest;
//! Tests of the library through its public face, without servers.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests end at the first surprise like the tests themselves"
)]

mod config;
mod export;
mod http;
mod simulated_traffic;
mod tidy;
