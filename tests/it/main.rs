//! Tests without servers, in one binary.
#[path = "../reference/mod.rs"]
mod reference;

mod reference_selftest;
