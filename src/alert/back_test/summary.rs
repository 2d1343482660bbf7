//! The figures of a back-test.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::{Episode, Incident, Key, Row};
use crate::time::Timestamp;

/// An alert that fires again at the same key within so many milliseconds of its end flaps: a quarter
/// of an hour.
pub const FLAP_WITHIN_MS: i64 = 15 * 60 * 1000;

/// What a back-test found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The first evaluation.
    #[serde(serialize_with = "moment")]
    pub from: Timestamp,
    /// The last evaluation.
    #[serde(serialize_with = "moment")]
    pub to: Timestamp,
    /// Incidents that lie at least in part between the two; `None` when nothing is known of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incidents: Option<usize>,
    /// The rules in configured order; a burn-rate rule is there once for each severity.
    pub rules: Vec<RuleSummary>,
    /// All rules together: how precise all pages are, and which incidents any rule found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all: Option<Score>,
}

/// One rule and severity.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleSummary {
    /// Name of the rule.
    pub alert: String,
    /// Value of the `severity` label.
    pub severity: String,
    /// How often it began to fire, at all keys together.
    pub fired: usize,
    /// How long it fired, all keys added up, seconds.
    pub firing_seconds: f64,
    /// The shortest time it fired, of those that ended, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shortest_seconds: Option<f64>,
    /// How often it fired again at a key that had ended to fire less than [`FLAP_WITHIN_MS`] before.
    pub flaps: usize,
    /// At how many keys it still fired at the end.
    pub still_firing: usize,
    /// How it did against the incidents.
    #[serde(flatten)]
    pub score: Option<Score>,
}

/// Alerts against incidents.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Incidents that could be found.
    pub incidents_concerned: usize,
    /// Those during which it fired.
    pub incidents_found: usize,
    /// Share of the firings that saw an incident; `None` when it never fired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<f64>,
    /// Share of the incidents that were found; `None` when there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recall: Option<f64>,
    /// From the start of an incident to the first firing; `None` when none was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_seconds: Option<Delay>,
}

/// How late incidents were found. One that the alert already fired at was found at once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Delay {
    /// Half of them were found within it (the lower of two in the middle), seconds.
    pub median: f64,
    /// All of them were found within it, seconds.
    pub longest: f64,
}

impl Summary {
    pub(super) fn of(
        rows: &[Row],
        from: Timestamp,
        to: Timestamp,
        incidents: Option<&[Incident]>,
    ) -> Self {
        let inside: Option<Vec<&Incident>> = incidents.map(|known| {
            let some = known.iter().filter(|one| one.overlaps(from, to));
            some.collect()
        });
        let rules = rows
            .iter()
            .map(|row| rule_summary(row, inside.as_deref()))
            .collect();
        let all = inside.as_deref().map(|all| {
            let concerned = all
                .iter()
                .copied()
                .filter(|one| rows.iter().any(|row| one.concerns(&row.rule)));
            let episodes: Vec<&Episode> = rows.iter().flat_map(|row| &row.episodes).collect();
            score(&episodes, &concerned.collect::<Vec<_>>(), all)
        });
        Self {
            from,
            to,
            incidents: inside.as_ref().map(Vec::len),
            rules,
            all,
        }
    }
}

fn rule_summary(row: &Row, incidents: Option<&[&Incident]>) -> RuleSummary {
    let episodes: Vec<&Episode> = row.episodes.iter().collect();
    let length_ms = |episode: &&Episode| episode.to.millis_since(episode.from);
    let ended = episodes.iter().copied().filter(|one| one.has_ended);
    RuleSummary {
        alert: row.rule.name.clone(),
        severity: row.severity.clone(),
        fired: episodes.len(),
        firing_seconds: seconds(episodes.iter().map(length_ms).sum()),
        shortest_seconds: ended.map(|one| length_ms(&one)).min().map(seconds),
        flaps: flaps(&row.episodes),
        still_firing: episodes.iter().filter(|one| !one.has_ended).count(),
        score: incidents.map(|all| {
            let some = all.iter().copied();
            let concerned: Vec<&Incident> = some.filter(|one| one.concerns(&row.rule)).collect();
            score(&episodes, &concerned, all)
        }),
    }
}

/// Episodes come in the order of their beginnings; those of one key do not overlap.
fn flaps(episodes: &[Episode]) -> usize {
    let mut last_end: BTreeMap<&Key, Timestamp> = BTreeMap::new();
    let mut flaps = 0;
    for episode in episodes {
        let before = last_end.insert(&episode.key, episode.to);
        let flapped = before.is_some_and(|end| episode.from.millis_since(end) < FLAP_WITHIN_MS);
        flaps += usize::from(flapped);
    }
    flaps
}

fn score(episodes: &[&Episode], concerned: &[&Incident], all: &[&Incident]) -> Score {
    let right = episodes
        .iter()
        .filter(|episode| all.iter().any(|incident| incident.is_seen_by(episode)))
        .count();
    let mut delays_ms: Vec<i64> = concerned
        .iter()
        .filter_map(|incident| {
            let seen = episodes.iter().filter(|one| incident.is_seen_by(one));
            let first = seen.map(|one| one.from).min()?;
            Some(first.millis_since(incident.start).max(0))
        })
        .collect();
    delays_ms.sort_unstable();
    let middle = delays_ms.len().saturating_sub(1) / 2;
    Score {
        incidents_concerned: concerned.len(),
        incidents_found: delays_ms.len(),
        precision: share(right, episodes.len()),
        recall: share(delays_ms.len(), concerned.len()),
        delay_seconds: delays_ms.get(middle).zip(delays_ms.last()).map(
            |(median_ms, longest_ms)| Delay {
                median: seconds(*median_ms),
                longest: seconds(*longest_ms),
            },
        ),
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    let float = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    (whole > 0).then(|| float(part) / float(whole))
}

fn seconds(millis: i64) -> f64 {
    Timestamp::from_millis(millis).as_seconds()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "asked for by serde")]
fn moment<S: Serializer>(moment: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(moment)
}
