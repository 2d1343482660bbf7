//! Clocks and medians.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of processor time that this thread has used: what other work on the machine takes
/// does not count.
pub(crate) fn thread_ns() -> u64 {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(used.tv_sec * 1_000_000_000 + used.tv_nsec).unwrap()
}

/// What `work` takes of this thread's processor time, nanoseconds.
pub(crate) fn time<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let began = thread_ns();
    let result = work();
    (thread_ns() - began, result)
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
