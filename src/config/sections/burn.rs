//! The windows in which burn-rate alerts look at an objective, each long one with the short one
//! that lets it end soon (Google, "The Site Reliability Workbook", chapter 5).

use std::time::Duration;

/// Long and short windows: page fast on a fast burn, slowly on a slow one.
const PAIRS: [(Duration, Duration); 4] = [
    (Duration::from_hours(1), Duration::from_mins(5)),
    (Duration::from_hours(6), Duration::from_mins(30)),
    (Duration::from_hours(24), Duration::from_hours(2)),
    (Duration::from_hours(72), Duration::from_hours(6)),
];

/// The window whose value stands for a burn-rate alert that names none.
pub(super) const USUAL: Duration = Duration::from_hours(1);

/// All windows, from the shortest, each once.
pub(super) fn windows() -> Vec<Duration> {
    let mut windows: Vec<Duration> = PAIRS
        .iter()
        .flat_map(|(long, short)| [*long, *short])
        .collect();
    windows.sort_unstable();
    windows.dedup();
    windows
}
