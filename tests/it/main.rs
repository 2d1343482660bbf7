//! Tests without servers, in one binary.
#[path = "../reference/mod.rs"]
mod reference;

mod engine_equals_reference;
mod engine_runs;
mod properties;
mod reference_decode;
mod reference_formulas;
mod reference_python;
mod reference_selftest;
//! Tests of the library through its public face, without servers.

mod export;
mod http;
