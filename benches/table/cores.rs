//! Which processor cores work is bound to, so that server and client do not share one by chance.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The core of the server and of whoever publishes.
pub(crate) const SERVER: &[usize] = &[0];
/// The core of the consumer that is measured.
pub(crate) const CLIENT: &[usize] = &[1];
/// Both.
pub(crate) const BOTH: &[usize] = &[0, 1];

/// Runs `work` with this thread on `cores`; processes and threads that it starts stay there. Where
/// the machine lacks such a core, nothing is bound.
pub(crate) fn bound_to<T>(cores: &[usize], work: impl FnOnce() -> T) -> T {
    let before = sched_getaffinity(None).unwrap();
    let mut wanted = CpuSet::new();
    for core in cores {
        wanted.set(*core);
    }
    if sched_setaffinity(None, &wanted).is_err() {
        return work();
    }
    let result = work();
    sched_setaffinity(None, &before).unwrap();
    result
}
