//! A month in which everything that can make counting go wrong happens often: records changed
//! several times (in queue, customer, time, flags, scores), withdrawn and brought back, sent twice,
//! surveys without dimensions or before their interaction, repeat contacts exactly at the horizon,
//! times on the edges of panes. The same set of lines can be had in order of event time and in
//! random order within a lateness: a count that depends on the order is wrong.

use crate::time::Timestamp;

use super::super::random::Random;

mod record;

use record::{Chain, Contact, Revision, Survey};

/// What the month looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonthSettings {
    /// Number of lines; below 2^32.
    pub events: u32,
    /// The first moment of the month.
    pub start: Timestamp,
    /// Length of the month, milliseconds.
    pub span_ms: i64,
    /// The horizon of first contact resolution, milliseconds: repeats exactly there, and one
    /// millisecond to either side, are made on purpose.
    pub horizon_ms: i64,
    /// The lateness that the reader allows, milliseconds. Versions of one record lie at most two
    /// thirds of it apart.
    pub lateness_ms: i64,
}

impl Default for MonthSettings {
    /// Five million lines in 30 days from 2026-01-01, for the default horizon and lateness.
    fn default() -> Self {
        Self {
            events: 5_000_000,
            start: Timestamp::from_millis(1_767_225_600_000),
            span_ms: 30 * DAY_MS,
            horizon_ms: 7 * DAY_MS,
            lateness_ms: DAY_MS,
        }
    }
}

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;
/// Lines a thousand records come to: 1170 versions, 3 % of them sent twice, and the malformed.
const LINES_PER_THOUSAND_RECORDS: u64 = 1206;
const MALFORMED: u8 = u8::MAX;

/// The lines of a month, in any order that is asked for.
///
/// ```
/// use cxpulse::simulate::workload::{Month, MonthSettings};
/// let month = Month::new(1, MonthSettings { events: 1000, ..MonthSettings::default() });
/// let mut sorted: Vec<String> = month.sorted().collect();
/// let mut shuffled: Vec<String> = month.shuffled(7, 3_600_000).collect();
/// assert_ne!(sorted, shuffled);
/// sorted.sort();
/// shuffled.sort();
/// assert_eq!(sorted, shuffled);
/// ```
#[derive(Clone, Debug)]
pub struct Month {
    plan: Plan,
    /// Every line by its event time; 16 bytes each.
    lines: Vec<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    event_time: Timestamp,
    record: u32,
    version: u8,
}

impl Month {
    /// The month of `seed`.
    pub fn new(seed: u64, settings: MonthSettings) -> Self {
        let plan = Plan::new(seed, settings);
        let wanted = usize::try_from(plan.settings.events).unwrap_or(usize::MAX);
        let mut lines = Vec::with_capacity(wanted.saturating_add(8));
        for record in 0..u32::MAX {
            if lines.len() >= wanted {
                break;
            }
            plan.places(record, &mut lines);
        }
        lines.truncate(wanted);
        lines.sort_unstable();
        Self { plan, lines }
    }

    /// The lines in order of event time, without line ends.
    pub fn sorted(&self) -> impl Iterator<Item = String> + '_ {
        self.lines.iter().map(|place| self.plan.line(*place))
    }

    /// The lines in a random order in which none is further than `lateness_ms` behind the greatest
    /// event time before it. The order is that of `seed`; the set of lines is always the same.
    pub fn shuffled(&self, seed: u64, lateness_ms: i64) -> impl Iterator<Item = String> + '_ {
        // A line comes up to `lateness_ms` after its event time. All lines before it came no later,
        // so their event times are not above its own plus the lateness.
        let mut random = Random::new(seed);
        let arrivals = self.lines.iter().zip(0_usize..).map(|(place, index)| {
            let delay_ms = random.between(0, lateness_ms);
            (place.event_time.plus_millis(delay_ms), index)
        });
        let mut order: Vec<(Timestamp, usize)> = arrivals.collect();
        order.sort_unstable();
        order
            .into_iter()
            .map(|(_, index)| self.plan.line(self.lines[index]))
    }
}

/// Draws any version of any record alone.
#[derive(Clone, Debug)]
struct Plan {
    seed: u64,
    settings: MonthSettings,
    records: u64,
}

impl Plan {
    fn new(seed: u64, settings: MonthSettings) -> Self {
        let records = (u64::from(settings.events) * 1000 / LINES_PER_THOUSAND_RECORDS).max(1);
        Self {
            seed,
            settings,
            records,
        }
    }

    /// Appends where the lines of `record` belong.
    fn places(&self, record: u32, lines: &mut Vec<Place>) {
        let mut random = Random::for_item(self.seed ^ PLACES, u64::from(record));
        let versions = match random.below(100) {
            0..88 => 1,
            88..96 => 2,
            96..99 => 3,
            _ => 4,
        };
        for version in 0..versions {
            let place = Place {
                event_time: self.event_time(record, version),
                record,
                version,
            };
            lines.push(place);
            if random.below(100) < 3 {
                lines.push(place);
            }
        }
        if random.below(1000) == 0 {
            lines.push(Place {
                event_time: self.due(record),
                record,
                version: MALFORMED,
            });
        }
    }

    fn line(&self, place: Place) -> String {
        let mut line = String::with_capacity(400);
        if place.version == MALFORMED {
            line.push_str("{\"type\":\"interaction\",\"interaction_id\":");
        } else if self.is_survey(place.record) {
            self.survey(place.record, place.version).write(&mut line);
        } else {
            self.contact(place.record, place.version).write(&mut line);
        }
        line
    }

    fn event_time(&self, record: u32, version: u8) -> Timestamp {
        if self.is_survey(record) {
            self.survey(record, version).submitted_at
        } else {
            self.contact(record, version).ended_at
        }
    }

    fn is_survey(&self, record: u32) -> bool {
        Random::for_item(self.seed ^ KIND, u64::from(record)).below(10) < 3
    }

    /// When a record is due if nothing else moves it: spread over the month, often on the edge of a
    /// pane.
    fn due(&self, record: u32) -> Timestamp {
        let mut random = Random::for_item(self.seed ^ DUE, u64::from(record));
        let span = u128::try_from(self.settings.span_ms).unwrap_or(0);
        let through = span * u128::from(record) / u128::from(self.records);
        let offset = i64::try_from(through).unwrap_or(0) + random.between(0, HOUR_MS);
        let moment = self.settings.start.plus_millis(offset);
        match random.below(20) {
            0..4 => moment.floor_to(MINUTE_MS),
            4 => moment.floor_to(HOUR_MS),
            _ => moment,
        }
    }

    /// Who contacts about what. Few enough customers that most contacts meet another one.
    fn chain(&self, record: u32) -> Chain {
        let mut random = Random::for_item(self.seed ^ CHAIN, u64::from(record));
        Chain::draw(&mut random, self.records)
    }

    /// A record up to `farthest` records before `record`.
    fn neighbour(record: u32, farthest: u64, random: &mut Random) -> u32 {
        let back = u32::try_from(1 + random.below(farthest)).unwrap_or(1);
        record.saturating_sub(back)
    }

    fn contact(&self, record: u32, version: u8) -> Contact {
        let mut random = Random::for_item(self.seed ^ RECORD, u64::from(record));
        let mut chain = self.chain(record);
        let mut ended_at = self.due(record);
        if random.below(100) < 3 {
            // The same chain again: at the same moment, right after, or at the horizon.
            let other = Self::neighbour(record, 16, &mut random);
            let horizon = self.settings.horizon_ms;
            let gap = *random.pick(&[0, 1, horizon - 1, horizon, horizon + 1]);
            let again_at = self.due(other).plus_millis(gap);
            if again_at.millis_since(self.settings.start) < self.settings.span_ms {
                chain = self.chain(other);
                ended_at = again_at;
            }
        }
        let mut contact = Contact::draw(record, ended_at, chain, &mut random);
        for newer in 1..=version {
            let revision = self.revision(newer, ended_at, &mut random);
            contact.change(&revision, &mut random);
        }
        contact
    }

    fn survey(&self, record: u32, version: u8) -> Survey {
        let mut random = Random::for_item(self.seed ^ RECORD, u64::from(record));
        let about = Self::neighbour(record, 400, &mut random);
        let delay = match random.below(10) {
            0 => random.between(-2 * HOUR_MS, 0),
            1 => random.between(0, 80 * HOUR_MS),
            _ => random.between(30_000, HOUR_MS),
        };
        let submitted_at = self.due(about).plus_millis(delay);
        let mut survey = Survey::draw(record, about, submitted_at, &mut random);
        for newer in 1..=version {
            let revision = self.revision(newer, submitted_at, &mut random);
            survey.change(&revision, &mut random);
        }
        survey
    }

    /// What version `newer` (1 and up) of a record first seen at `first` may take over.
    fn revision(&self, newer: u8, first: Timestamp, random: &mut Random) -> Revision {
        let third = self.settings.lateness_ms / 3;
        let after = i64::from(newer) * HOUR_MS + random.between(0, HOUR_MS / 2);
        Revision {
            // Rises with the version, so that no two versions tie.
            updated_at: first.plus_millis(after),
            event_time: first.plus_millis(random.between(-third, third)),
            chain: Chain::draw(random, self.records),
        }
    }
}

/// Keep the draws for different questions about one record apart.
const PLACES: u64 = 0x5EED_0000_0000_0010;
const KIND: u64 = 0x5EED_0000_0000_0011;
const DUE: u64 = 0x5EED_0000_0000_0012;
const CHAIN: u64 = 0x5EED_0000_0000_0013;
const RECORD: u64 = 0x5EED_0000_0000_0014;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;

    fn month(seed: u64) -> Month {
        Month::new(
            seed,
            MonthSettings {
                events: 20_000,
                ..MonthSettings::default()
            },
        )
    }

    fn events(lines: impl Iterator<Item = String>) -> Vec<Value> {
        let events: Vec<Value> = lines
            .filter_map(|line| serde_json::from_str(&line).ok())
            .collect();
        assert!(events.len() > 19_900, "{} lines are JSON", events.len());
        events
    }

    fn millis(value: &Value) -> i64 {
        value.as_i64().unwrap_or_else(|| {
            let moment: jiff::Timestamp = value.as_str().unwrap().parse().unwrap();
            moment.as_millisecond()
        })
    }

    fn event_time(event: &Value) -> i64 {
        let field = ["ended_at", "submitted_at"]
            .into_iter()
            .find(|name| !event[*name].is_null());
        millis(&event[field.unwrap()])
    }

    fn versions(events: &[Value]) -> BTreeMap<String, Vec<&Value>> {
        let mut versions: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
        for event in events {
            let id = if event["type"] == "survey" {
                event["survey_id"].as_str()
            } else {
                event["interaction_id"].as_str()
            };
            let seen = versions.entry(id.unwrap().to_owned()).or_default();
            if !seen.contains(&event) {
                seen.push(event);
            }
        }
        versions
    }

    #[test]
    fn sorted_is_in_order_of_event_time_and_repeatable() {
        let lines: Vec<String> = month(1).sorted().collect();
        assert_eq!(lines.len(), 20_000);
        assert_eq!(lines, month(1).sorted().collect::<Vec<_>>());
        let times: Vec<i64> = events(lines.into_iter()).iter().map(event_time).collect();
        assert!(times.is_sorted());
        assert!(times[times.len() - 1] - times[0] > 29 * DAY_MS);
    }

    #[test]
    fn shuffled_is_never_later_than_asked() {
        let month = month(2);
        let mut stream_time = i64::MIN;
        let mut latest = 0;
        for event in events(month.shuffled(5, 6 * HOUR_MS)) {
            stream_time = stream_time.max(event_time(&event));
            latest = latest.max(stream_time - event_time(&event));
        }
        assert!((5 * HOUR_MS..=6 * HOUR_MS).contains(&latest), "{latest}");
    }

    #[test]
    fn versions_of_a_record_never_tie_and_stay_within_lateness() {
        let events = events(month(3).sorted());
        let mut changed = 0;
        for (id, versions) in versions(&events) {
            let mut times: Vec<i64> = versions
                .iter()
                .map(|event| {
                    event
                        .get("updated_at")
                        .map_or_else(|| event_time(event), millis)
                })
                .collect();
            times.sort_unstable();
            changed += usize::from(times.len() > 1);
            let distinct = times.windows(2).all(|pair| pair[0] < pair[1]);
            assert!(distinct, "versions of {id} tie");
            let moments: Vec<i64> = versions.iter().map(|event| event_time(event)).collect();
            let spread = moments.iter().max().unwrap() - moments.iter().min().unwrap();
            assert!(spread <= DAY_MS, "{id} moves by {spread} ms");
        }
        assert!(changed > 1500, "{changed}");
    }

    #[test]
    fn has_every_nasty() {
        let events = events(month(4).sorted());
        let count =
            |fits: &dyn Fn(&Value) -> bool| events.iter().filter(|event| fits(event)).count();
        assert!(count(&|event| event["excluded"] == true) > 50, "withdrawn");
        assert!(
            count(&|event| event["excluded"] == false) > 5,
            "brought back"
        );
        assert!(
            count(&|event| event["ended_at"].is_i64()) > 100,
            "epoch times"
        );
        assert!(
            count(&|event| event["type"] == "survey" && event["queue"].is_null()) > 500,
            "bare surveys"
        );
        assert!(
            count(&|event| event["abandoned"] == true) > 200,
            "abandoned"
        );
        assert!(
            count(&|event| event_time(event) % MINUTE_MS == 0) > 2000,
            "edges of panes"
        );
        let distinct: std::collections::BTreeSet<String> =
            events.iter().map(Value::to_string).collect();
        assert!(events.len() - distinct.len() > 300, "duplicates");
    }

    #[test]
    fn contacts_repeat_exactly_at_the_horizon() {
        let events = events(month(5).sorted());
        let mut chains: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for event in events
            .iter()
            .filter(|event| event["customer_id"].is_string())
        {
            let chain = format!("{} {}", event["customer_id"], event["issue_id"]);
            chains.entry(chain).or_default().push(event_time(event));
        }
        for gap in [1, 7 * DAY_MS - 1, 7 * DAY_MS, 7 * DAY_MS + 1] {
            let hits = chains
                .values()
                .filter(|times| times.iter().any(|time| times.contains(&(time + gap))));
            assert!(hits.count() > 20, "gap of {gap} ms");
        }
    }
}
