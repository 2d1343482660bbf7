//! Tests without servers, in one binary.
#[path = "../reference/mod.rs"]
mod reference;

mod properties;
mod reference_decode;
mod reference_formulas;
mod reference_python;
mod reference_selftest;
