//! Growing, jittered pauses between attempts, and which of many equal failures is worth a line.

use std::time::Duration;

use rand::RngExt;

/// Every how many equal failures in a row one is worth a line again. At the default longest pause
/// of 5 s that is about once a minute.
const REPEAT_LINE_EVERY: u32 = 15;

/// A row of attempts at one thing.
#[derive(Debug)]
pub struct Retry {
    first: Duration,
    longest: Duration,
    attempts: u32,
    reason: String,
    repeats: u32,
}

impl Default for Retry {
    /// From 100 ms to 5 s.
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(5))
    }
}

impl Retry {
    /// Pauses that double from `first` to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            attempts: 0,
            reason: String::new(),
            repeats: 0,
        }
    }

    /// The pause before the next attempt: a random one between half and all of what is due, so
    /// that many instances do not return as one.
    pub fn pause(&mut self) -> Duration {
        let due = pause_after(self.attempts, self.first, self.longest);
        self.attempts = self.attempts.saturating_add(1);
        jittered(due)
    }

    /// Whether a failure with this reason is worth a log line: a new reason always, the same one
    /// again only now and then. Reasons that differ in numbers and names with numbers are the same.
    pub fn worth_a_line(&mut self, reason: &str) -> bool {
        let reason = without_numbers(reason);
        if self.reason == reason {
            self.repeats += 1;
            self.repeats.is_multiple_of(REPEAT_LINE_EVERY)
        } else {
            self.reason = reason;
            self.repeats = 0;
            true
        }
    }

    /// After a success: pauses start small again and the next failure gets its line.
    pub fn reset(&mut self) {
        self.attempts = 0;
        self.repeats = 0;
        self.reason.clear();
    }

    /// Attempts since the last success.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

/// The words of a text that hold no digit: not times, ports, and names of consumers.
fn without_numbers(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c == '.' || c == '"');
    let plain = words.filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
    plain.collect::<Vec<_>>().join(" ")
}

/// What is due after so many failed attempts, before jitter.
pub(super) fn pause_after(attempts: u32, first: Duration, longest: Duration) -> Duration {
    first
        .saturating_mul(2_u32.saturating_pow(attempts.min(16)))
        .min(longest)
}

/// A random part of a pause: between half and all of it.
pub(super) fn jittered(due: Duration) -> Duration {
    let most = u64::try_from(due.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(rand::rng().random_range(most / 2..=most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let [first, longest] = [Duration::from_millis(100), Duration::from_secs(5)];
        let due: Vec<u128> = (0..8)
            .map(|attempts| pause_after(attempts, first, longest).as_millis())
            .collect();
        assert_eq!(due, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(pause_after(u32::MAX, first, longest), longest);
    }

    #[test]
    fn jitter_stays_between_half_and_all() {
        let mut retry = Retry::new(Duration::from_millis(64), Duration::from_secs(1));
        for attempt in 0..200 {
            let due = pause_after(attempt, Duration::from_millis(64), Duration::from_secs(1));
            let pause = retry.pause();
            assert!(pause >= due / 2 && pause <= due, "{attempt}: {pause:?}");
        }
    }

    #[test]
    fn equal_reasons_get_few_lines() {
        let mut retry = Retry::default();
        let lines = (0..31).filter(|_| retry.worth_a_line("refused")).count();
        assert_eq!(lines, 3);
        assert!(retry.worth_a_line("timed out"));
        assert!(retry.worth_a_line("expired at 17 (\"x.c-1-af\")"));
        assert!(!retry.worth_a_line("expired at 18 (\"x.c-2-b0\")"));
        assert!(retry.worth_a_line("timed out"));
        retry.reset();
        assert!(retry.worth_a_line("timed out"));
    }
}
