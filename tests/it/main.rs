//! Tests of the library through its public face, without servers, in one binary.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests end at the first surprise like the tests themselves"
)]

use cxpulse as library;

#[path = "../../fuzz/checks/mod.rs"]
mod checks;
#[path = "../reference/mod.rs"]
mod reference;

mod config;
mod crowds;
mod day_so_far;
mod dependencies;
mod documents;
mod engine_equals_reference;
mod engine_runs;
mod export;
mod fuzz_corpus;
mod history;
mod http;
mod licences;
mod limits;
mod openapi;
mod properties;
mod reference_decode;
mod reference_formulas;
mod reference_python;
mod reference_selftest;
mod simulated_traffic;
mod tidy;
