//! Time to resolution: from the start of an episode's first contact to the end of its last one,
//! where that one is resolved. Which contacts form an episode is the business of the engine's
//! contact chains.

use super::{Count, Measure, Totals};

/// Counts a resolved episode.
pub(crate) fn record(totals: &mut Totals, milliseconds: i64, sign: i64) {
    totals.count(Count::Episodes, sign);
    totals.measure(Count::EpisodesMs, Measure::Episode, milliseconds, sign);
}
