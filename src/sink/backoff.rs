//! Pauses between attempts: doubled with each failure, with jitter, bounded.

use std::time::Duration;

use super::Timing;

/// Longest pause a receiver may ask for with `Retry-After`.
const LONGEST_ASKED: Duration = Duration::from_mins(5);

/// How often it went wrong in a row.
#[derive(Clone, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It went well; whether it had gone wrong before.
    pub(super) fn reset(&mut self) -> bool {
        std::mem::take(&mut self.failures) > 0
    }

    /// The pause after one more failure: between half of and the whole of first x 2^failures, so
    /// that instances that failed together do not come back together. What the receiver asks for
    /// counts when it is longer.
    pub(super) fn pause(&mut self, timing: &Timing, asked: Option<Duration>) -> Duration {
        let doubled = timing
            .first_pause
            .saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        let pause = doubled
            .min(timing.longest_pause)
            .mul_f64(rand::random_range(0.5..=1.0));
        pause.max(asked.unwrap_or_default().min(LONGEST_ASKED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let timing = Timing::default();
        let mut backoff = Backoff::default();
        for whole in [1, 2, 4, 8, 16, 32, 60, 60] {
            let pause = backoff.pause(&timing, None);
            let whole = Duration::from_secs(whole);
            assert!(pause >= whole / 2 && pause <= whole, "{pause:?}");
        }
        for _ in 0..100 {
            backoff.pause(&timing, None);
        }
        assert!(backoff.reset());
        assert!(!backoff.reset());
        assert!(backoff.pause(&timing, None) <= Duration::from_secs(1));
    }

    #[test]
    fn a_receiver_may_ask_for_more_but_not_for_ever() {
        let timing = Timing::default();
        let asked = |seconds| Backoff::default().pause(&timing, Some(Duration::from_secs(seconds)));
        assert_eq!(asked(30), Duration::from_secs(30));
        assert_eq!(asked(86_400), LONGEST_ASKED);
        assert!(asked(0) > Duration::ZERO);
    }
}
