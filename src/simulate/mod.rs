//! Made-up traffic, all of it from a seed.
//!
//! [`workload`]: the lines of the benchmarks, and a month full of nasties for tests.

mod json;
mod random;
pub mod workload;
