//! Moments and clocks. Durations inside the engine are whole milliseconds; how durations are
//! written in configuration lives in `config`.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment in milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
///
/// ```
/// use cxpulse::time::Timestamp;
/// let moment = Timestamp::from_millis(1_700_000_000_123);
/// assert_eq!(moment.to_string(), "2023-11-14T22:13:20.123Z");
/// assert_eq!(moment.plus_millis(877).as_millis(), 1_700_000_001_000);
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest moment; older than any event.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest moment; no event is at or after it.
    pub const MAX: Self = Self(i64::MAX);

    /// The moment `millis` after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Seconds since the epoch, for metrics.
    #[expect(
        clippy::cast_precision_loss,
        clippy::as_conversions,
        reason = "milliseconds of the years 1970 to 9999 are exact in an f64"
    )]
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// This moment moved by `millis`, which may be negative; stays within the range of the type.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to this moment; negative when this moment is the earlier one.
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The greatest multiple of `step_ms` (counted from the epoch) that is not after this moment.
    #[must_use]
    pub const fn floor_to(self, step_ms: i64) -> Self {
        Self(self.0.div_euclid(step_ms).saturating_mul(step_ms))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

/// Whole milliseconds of a configured duration, at most `i64::MAX`.
pub fn millis_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Where the wall clock comes from. Only the rim (`app`, `cli`, `source`) holds one; processing
/// code is handed moments.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present moment of the wall clock.
    fn now(&self) -> Timestamp;
}

/// The machine's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_millisecond())
    }
}

/// A clock that stands still until it is set; for tests and for replay.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `moment`.
    pub fn at(moment: Timestamp) -> Self {
        Self(AtomicI64::new(moment.0))
    }

    /// Moves the clock to `moment`.
    pub fn set(&self, moment: Timestamp) {
        self.0.store(moment.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_to_multiples_also_before_the_epoch() {
        assert_eq!(Timestamp(7).floor_to(5), Timestamp(5));
        assert_eq!(Timestamp(10).floor_to(5), Timestamp(10));
        assert_eq!(Timestamp(-1).floor_to(5), Timestamp(-5));
    }
}
