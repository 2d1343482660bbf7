//! Which event times a window covers at an instant (CONTRACT sections 2, 3 and 9).

use super::day::DAY_STARTS_AT_MULTIPLES_OF_MS;
use super::{DayStart, WindowSpec};
use crate::time::{Timestamp, millis_of};

/// Event times from `from` (included) to `to` (excluded).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First moment covered.
    pub from: Timestamp,
    /// First moment no longer covered.
    pub to: Timestamp,
}

impl Range {
    /// Covers nothing.
    pub const EMPTY: Self = Self {
        from: Timestamp::MIN,
        to: Timestamp::MIN,
    };

    /// Covers everything.
    pub const ALL: Self = Self {
        from: Timestamp::MIN,
        to: Timestamp::MAX,
    };

    /// Whether `moment` is covered.
    pub fn contains(self, moment: Timestamp) -> bool {
        self.from <= moment && moment < self.to
    }

    /// Covers nothing.
    pub fn is_empty(self) -> bool {
        self.to <= self.from
    }
}

/// The arithmetic of one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowGeometry {
    /// Length, milliseconds; 0 for the day so far, which has no fixed one.
    pub length_ms: i64,
    /// Pane, milliseconds; divides the length.
    pub pane_ms: i64,
    /// Delay, milliseconds.
    pub delay_ms: i64,
    /// FCR horizon, milliseconds.
    pub horizon_ms: i64,
    /// Where the day so far begins; `None` for a rolling window.
    pub day: Option<DayStart>,
}

/// What a window covers at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranges {
    /// The window itself: `[k p - W, T)` with k = ceil(T / p), T less the delay; for the day so far
    /// from the start of the day that T lies in.
    pub window: Range,
    /// The mature cohort: `[T' - W, T')` with T' = floor((T - H) / p) p; for the day so far from the
    /// start of the day that T' lies in.
    pub mature: Range,
    /// The cohort followed for `fcr_corrected`: `[T' - W, T')` with T' = floor(T / p) p; empty for
    /// the day so far.
    pub followed: Range,
}

impl WindowGeometry {
    /// The geometry of `spec` with an FCR horizon.
    pub fn new(spec: &WindowSpec, horizon_ms: i64) -> Self {
        Self {
            length_ms: millis_of(spec.length),
            pane_ms: millis_of(spec.pane).max(1),
            delay_ms: millis_of(spec.delay),
            horizon_ms,
            day: spec.day.clone(),
        }
    }

    /// What the window covers at instant `at`.
    ///
    /// ```
    /// use cxpulse::time::Timestamp;
    /// use cxpulse::window::WindowGeometry;
    /// let window = WindowGeometry { length_ms: 600, pane_ms: 10, delay_ms: 0, horizon_ms: 100, day: None };
    /// let ranges = window.ranges(Timestamp::from_millis(1005));
    /// assert_eq!(ranges.window.from.as_millis(), 410);
    /// assert_eq!(ranges.window.to.as_millis(), 1005);
    /// assert_eq!(ranges.mature.to.as_millis(), 900);
    /// assert_eq!(ranges.followed.to.as_millis(), 1000);
    /// ```
    pub fn ranges(&self, at: Timestamp) -> Ranges {
        let end = at.plus_millis(-self.delay_ms);
        let floor = end.floor_to(self.pane_ms);
        let ceiling = if floor == end {
            end
        } else {
            floor.plus_millis(self.pane_ms)
        };
        let matured = end.plus_millis(-self.horizon_ms).floor_to(self.pane_ms);
        if let Some(day) = &self.day {
            let so_far = |to| Range {
                from: day.last_before(to),
                to,
            };
            let followed = Range {
                from: floor,
                to: floor,
            };
            return Ranges {
                window: so_far(end),
                mature: so_far(matured),
                followed,
            };
        }
        Ranges {
            window: Range {
                from: ceiling.plus_millis(-self.length_ms),
                to: end,
            },
            mature: Range {
                from: matured.plus_millis(-self.length_ms),
                to: matured,
            },
            followed: Range {
                from: floor.plus_millis(-self.length_ms),
                to: floor,
            },
        }
    }

    /// The first instant after `at` at which something moves by a pane that ends `behind_ms` before
    /// the window does: the cohort followed at 0, the mature one at the horizon. The window itself lets
    /// go of a pane a millisecond later than its end reaches the next one.
    ///
    /// ```
    /// use cxpulse::time::Timestamp;
    /// use cxpulse::window::WindowGeometry;
    /// let window = WindowGeometry { length_ms: 600, pane_ms: 10, delay_ms: 0, horizon_ms: 100, day: None };
    /// let at = Timestamp::from_millis(1005);
    /// assert_eq!(window.next_move(at, 0).as_millis(), 1010);
    /// assert_eq!(window.next_move(at, 1).as_millis(), 1011);
    /// assert_eq!(window.ranges(Timestamp::from_millis(1010)).window.from.as_millis(), 410);
    /// assert_eq!(window.ranges(Timestamp::from_millis(1011)).window.from.as_millis(), 420);
    /// ```
    pub fn next_move(&self, at: Timestamp, behind_ms: i64) -> Timestamp {
        let behind_ms = behind_ms.saturating_add(self.delay_ms);
        let end = at.plus_millis(behind_ms.saturating_neg());
        let next = end.floor_to(self.pane_ms).plus_millis(self.pane_ms);
        next.plus_millis(behind_ms)
    }

    /// The first contacts of the followed cohort that have been followed for `steps` whole steps of
    /// a horizon cut into `of`: those in panes that end no later than T' less that time.
    pub fn followed_for(&self, ranges: &Ranges, steps: i64, of: i64) -> Range {
        // floor(of * age / H) >= steps  <=>  age >= ceil(steps * H / of)
        let age = (i128::from(steps) * i128::from(self.horizon_ms) + i128::from(of) - 1)
            .div_euclid(i128::from(of));
        let age = i64::try_from(age).unwrap_or(i64::MAX);
        let whole_panes =
            age.div_euclid(self.pane_ms) + i64::from(age.rem_euclid(self.pane_ms) > 0);
        let to = ranges
            .followed
            .to
            .plus_millis(-whole_panes.saturating_mul(self.pane_ms));
        Range {
            from: ranges.followed.from.min(to),
            to,
        }
    }
}

/// The longest pane that all panes, and the starts of days, are multiples of; one second when there
/// is no window.
pub fn common_pane_ms(windows: &[WindowGeometry]) -> i64 {
    let common = windows.iter().fold(0, |common, window| {
        let common = greatest_common_divisor(common, window.pane_ms);
        match window.day {
            Some(_) => greatest_common_divisor(common, DAY_STARTS_AT_MULTIPLES_OF_MS),
            None => common,
        }
    });
    if common > 0 { common } else { 1000 }
}

fn greatest_common_divisor(mut left: i64, mut right: i64) -> i64 {
    while right != 0 {
        (left, right) = (right, left % right);
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window() -> WindowGeometry {
        WindowGeometry {
            length_ms: 60,
            pane_ms: 10,
            delay_ms: 0,
            horizon_ms: 28,
            day: None,
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_window_at_a_pane_edge_is_exactly_its_length() {
        let range = window().ranges(at(100)).window;
        assert_eq!((range.from, range.to), (at(40), at(100)));
    }

    #[test]
    fn a_delay_moves_every_range() {
        let delayed = WindowGeometry {
            delay_ms: 7,
            ..window()
        };
        assert_eq!(delayed.ranges(at(107)), window().ranges(at(100)));
    }

    #[test]
    fn followed_steps_count_from_the_end_of_the_pane() {
        let ranges = window().ranges(at(100));
        // One step is 1 ms: a pane that ends at 90 has been followed for 10 ms.
        assert_eq!(window().followed_for(&ranges, 10, 28).to, at(90));
        assert_eq!(window().followed_for(&ranges, 11, 28).to, at(80));
        assert_eq!(window().followed_for(&ranges, 28, 28).to, at(70));
    }

    #[test]
    fn common_pane_divides_all() {
        let panes = [5_000, 60_000, 1_440_000].map(|pane_ms| WindowGeometry {
            pane_ms,
            ..window()
        });
        assert_eq!(common_pane_ms(&panes), 5_000);
    }
}
