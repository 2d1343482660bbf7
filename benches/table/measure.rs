//! Clocks and medians.

use std::time::{Duration, Instant};

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

/// The present.
#[expect(
    clippy::disallowed_methods,
    reason = "what is measured happens in real time"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// What `work` takes by the clock on the wall.
pub(crate) fn wall<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let began = now();
    let result = work();
    (began.elapsed(), result)
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The middle of some durations in milliseconds.
pub(crate) fn median_ms(durations: &[Duration]) -> f64 {
    median(
        durations
            .iter()
            .map(|one| one.as_secs_f64() * 1000.0)
            .collect(),
    )
}

/// Resident memory of this process, bytes.
pub(crate) fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes: u64 = line
        .and_then(|line| line.split_whitespace().nth(1))
        .and_then(|number| number.parse().ok())
        .unwrap();
    kilobytes * 1024
}

/// Processor time of a process so far, all its threads, seconds.
pub(crate) fn processor_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // Fields 14 and 15, counted behind the name in parentheses; clock ticks of 10 ms.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().unwrap())
        .sum();
    ticks as f64 / 100.0
}
