//! Looks for bytes for which `checks::decode` does not hold.
#![no_main]

use cxpulse as library;

#[path = "../checks/mod.rs"]
#[allow(dead_code, reason = "each target runs one of the checks")]
mod checks;

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::decode::check(input));
