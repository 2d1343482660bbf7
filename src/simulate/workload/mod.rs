//! The workload of the benchmarks: the same lines for the same seed on every machine. Line `n` can
//! be written without the lines before it, so a reference to an earlier contact needs no memory.
//!
//! Only integers are drawn here: no result depends on a mathematics library.

use crate::time::Timestamp;

use super::json::Object;
use super::random::{Random, Zipf};

mod month;
mod settings;

pub use month::{Month, MonthSettings};
pub use settings::Settings;

use settings::{HANDLED_PERMILLE, IDENTIFIED_PERMILLE, INBOUND_PERMILLE, INTERACTIONS_PERMILLE};

const CHANNELS: [&str; 4] = ["voice", "chat", "email", "messaging"];
const SCORES: [i64; 8] = [5, 5, 5, 4, 4, 3, 2, 1];
/// Longest way back to a line that is repeated or corrected, in lines.
const LOOK_BACK: u64 = 50_000;

/// The benchmark workload.
///
/// ```
/// use cxpulse::simulate::workload::{Settings, Workload};
/// let workload = Workload::new(1, Settings::with_events(100));
/// let lines: Vec<String> = workload.lines().collect();
/// assert_eq!(lines.len(), 100);
///
/// let mut again = String::new();
/// workload.write_line(42, &mut again);
/// assert_eq!(again, lines[42]);
/// ```
#[derive(Clone, Debug)]
pub struct Workload {
    seed: u64,
    settings: Settings,
    queues: Zipf,
}

impl Workload {
    /// The workload of `seed`.
    pub fn new(seed: u64, settings: Settings) -> Self {
        Self {
            seed,
            queues: Zipf::new(settings.queues),
            settings,
        }
    }

    /// All lines in order, without line ends.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        (0..self.settings.events).map(|index| {
            let mut line = String::with_capacity(400);
            self.write_line(index, &mut line);
            line
        })
    }

    /// Appends line `index` to `out`, without a line end. Indexes beyond the configured number of
    /// lines go on in the same way.
    pub fn write_line(&self, index: u64, out: &mut String) {
        match self.line(index) {
            Line::Interaction => self.interaction(index).write(None, out),
            Line::Survey => self.write_survey(index, out),
            Line::Duplicate => match self.earlier(index, 1, LOOK_BACK, Line::is_record) {
                Some(earlier) => self.write_line(earlier, out),
                None => self.interaction(index).write(None, out),
            },
            Line::Correction => self.write_correction(index, out),
            Line::Malformed => self.write_malformed(index, out),
        }
    }

    /// What line `index` is, cheaply.
    fn line(&self, index: u64) -> Line {
        let mut random = Random::for_item(self.seed, index);
        let settings = &self.settings;
        let kinds = [
            (settings.malformed_ppm, Line::Malformed),
            (settings.duplicates_ppm, Line::Duplicate),
            (settings.corrections_ppm, Line::Correction),
        ];
        let mut roll = random.below(1_000_000);
        for (ppm, line) in kinds {
            if roll < u64::from(ppm) {
                return line;
            }
            roll -= u64::from(ppm);
        }
        if random.below(1000) < INTERACTIONS_PERMILLE {
            Line::Interaction
        } else {
            Line::Survey
        }
    }

    /// Some line between `nearest` and `farthest` lines before `index` that `fits`.
    fn earlier(
        &self,
        index: u64,
        nearest: u64,
        farthest: u64,
        fits: fn(Line) -> bool,
    ) -> Option<u64> {
        let mut random = Random::for_item(self.seed ^ BACKWARD, index);
        let farthest = farthest.min(index);
        let width = farthest.checked_sub(nearest)?;
        let from = index - nearest - random.below(width + 1);
        // The kinds are mixed evenly: a run of 64 misfits does not happen by chance.
        (from.saturating_sub(64)..=from)
            .rev()
            .find(|candidate| fits(self.line(*candidate)))
    }

    /// When line `index` is due.
    fn due(&self, index: u64) -> Timestamp {
        let steps = i64::try_from(index).unwrap_or(i64::MAX);
        let per_second = i64::from(self.settings.events_per_second.max(1));
        let elapsed = steps.saturating_mul(1000) / per_second;
        self.settings.start.plus_millis(elapsed)
    }

    /// The event time of line `index`: when it is due, or up to a minute earlier.
    fn event_time(&self, index: u64, random: &mut Random) -> Timestamp {
        let late = random.below(1_000_000) < u64::from(self.settings.out_of_order_ppm);
        let behind = if late { random.between(1, 60_000) } else { 0 };
        self.due(index).plus_millis(-behind)
    }

    fn interaction(&self, index: u64) -> Interaction {
        let mut random = Random::for_item(self.seed ^ RECORD, index);
        let ended_at = self.event_time(index, &mut random);
        let handled = random.below(1000) < HANDLED_PERMILLE;
        Interaction {
            number: index,
            ended_at,
            queue: self.queues.draw(&mut random),
            channel: random.index(CHANNELS.len()),
            agent: random.below(u64::from(self.settings.agents)),
            chain: random.below(self.settings.chains),
            identified: random.below(1000) < IDENTIFIED_PERMILLE,
            inbound: random.below(1000) < INBOUND_PERMILLE,
            handled,
            wait_ms: skewed(&mut random, 0, 120_000),
            talk_ms: skewed(&mut random, 20_000, 1_600_000),
            hold_ms: skewed(&mut random, 0, 180_000),
            wrap_ms: skewed(&mut random, 5000, 240_000),
            transferred: random.below(1000) < 80,
            resolved: random.below(1000) < 850,
        }
    }

    fn write_survey(&self, index: u64, out: &mut String) {
        let mut random = Random::for_item(self.seed ^ RECORD, index);
        let submitted_at = self.event_time(index, &mut random);
        // One to ten minutes after the contact, or as far back as the beginning allows.
        let minute = 60 * u64::from(self.settings.events_per_second);
        let nearest = minute.min(index / 2).max(1);
        let about = self
            .earlier(index, nearest, 10 * minute, |line| {
                line == Line::Interaction
            })
            .map(|earlier| self.interaction(earlier));
        let bare = random.below(1_000_000) < u64::from(self.settings.bare_surveys_ppm);

        let mut object = Object::begin(out, "survey");
        object.id("survey_id", "s-", index, 9);
        if let Some(interaction) = &about {
            object.id("interaction_id", "i-", interaction.number, 9);
            if !bare {
                object.text("channel", CHANNELS[interaction.channel]);
                object.id("queue", "queue-", wide(interaction.queue), 3);
            }
        }
        object.time("submitted_at", submitted_at);
        object.number("csat", *random.pick(&SCORES));
        object.number(
            "nps",
            10 - random.between(0, 10) * random.between(0, 10) / 10,
        );
        object.number("ces", 8 - random.between(1, 7));
        object.flag("resolved", random.below(1000) < 800);
        object.end();
    }

    fn write_correction(&self, index: u64, out: &mut String) {
        let earlier = self.earlier(index, 1, LOOK_BACK, |line| line == Line::Interaction);
        let Some(earlier) = earlier else {
            self.interaction(index).write(None, out);
            return;
        };
        let mut random = Random::for_item(self.seed ^ RECORD, index);
        let mut interaction = self.interaction(earlier);
        interaction.wrap_ms += random.between(1000, 120_000);
        // Due later than the corrected line, so a newer version; no two corrections tie.
        interaction.write(Some(self.due(index)), out);
    }

    fn write_malformed(&self, index: u64, out: &mut String) {
        let mut random = Random::for_item(self.seed ^ RECORD, index);
        let mut line = String::with_capacity(400);
        self.interaction(index).write(None, &mut line);
        let broken = match random.below(6) {
            0 => {
                line.truncate(line.len() * 2 / 3);
                line
            }
            1 => line.replace("\"type\":\"", "\"type\":\"x-"),
            2 => line.replace("\"ended_at\"", "\"ended\""),
            3 => line.replace("\"started_at\":\"2", "\"started_at\":\"x"),
            4 => line.replace("\"wait_seconds\":", "\"wait_seconds\":-1"),
            _ => line.replace('}', ",}"),
        };
        out.push_str(&broken);
    }
}

/// Keep the draws for a record's content and for its look-back apart from those for its kind.
const RECORD: u64 = 0x5EED_0000_0000_0001;
const BACKWARD: u64 = 0x5EED_0000_0000_0002;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Interaction,
    Survey,
    Duplicate,
    Correction,
    Malformed,
}

impl Line {
    fn is_record(self) -> bool {
        matches!(self, Self::Interaction | Self::Survey)
    }
}

#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the flags of the record as they stand in its JSON"
)]
struct Interaction {
    number: u64,
    ended_at: Timestamp,
    queue: usize,
    channel: usize,
    agent: u64,
    chain: u64,
    identified: bool,
    inbound: bool,
    handled: bool,
    wait_ms: i64,
    talk_ms: i64,
    hold_ms: i64,
    wrap_ms: i64,
    transferred: bool,
    resolved: bool,
}

impl Interaction {
    fn write(&self, updated_at: Option<Timestamp>, out: &mut String) {
        let busy_ms = if self.handled {
            self.talk_ms + self.hold_ms + self.wrap_ms
        } else {
            0
        };
        let mut object = Object::begin(out, "interaction");
        object.id("interaction_id", "i-", self.number, 9);
        if self.identified {
            object.id("customer_id", "c-", self.chain / 2, 8);
            object.raw(
                "issue_id",
                ["\"issue-0\"", "\"issue-1\""][usize::from(self.chain % 2 == 1)],
            );
        }
        object.text("channel", CHANNELS[self.channel]);
        object.id("queue", "queue-", wide(self.queue), 3);
        object.id("agent_id", "a-", self.agent, 4);
        if !self.inbound {
            object.text("direction", "outbound");
        }
        object.time(
            "started_at",
            self.ended_at.plus_millis(-busy_ms - self.wait_ms),
        );
        object.time("ended_at", self.ended_at);
        if let Some(updated_at) = updated_at {
            object.time("updated_at", updated_at);
        }
        object.seconds("wait_seconds", self.wait_ms);
        if self.handled {
            object.seconds("talk_seconds", self.talk_ms);
            object.seconds("hold_seconds", self.hold_ms);
            object.seconds("wrap_seconds", self.wrap_ms);
        }
        object.flag("abandoned", !self.handled);
        object.flag("transferred", self.transferred && self.handled);
        if self.handled {
            object.flag("resolved", self.resolved);
        }
        object.end();
    }
}

/// Between `low` and `low + width`, small values being the more likely ones.
fn skewed(random: &mut Random, low: i64, width: i64) -> i64 {
    low + random.between(0, width) * random.between(0, 1000) / 1000
}

fn wide(index: usize) -> u64 {
    u64::try_from(index).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use serde_json::Value;

    use super::*;

    fn lines(seed: u64, settings: Settings) -> Vec<String> {
        Workload::new(seed, settings).lines().collect()
    }

    fn parsed(lines: &[String]) -> Vec<Value> {
        let objects = lines
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok());
        objects.collect()
    }

    fn kind(event: &Value) -> &str {
        event["type"].as_str().unwrap()
    }

    /// The share of `part` in `whole` is near `expected`.
    fn assert_share(part: usize, whole: usize, expected: f64, tolerance: f64) {
        let share =
            f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(whole).unwrap());
        assert!(
            (share - expected).abs() < tolerance,
            "{share} is not {expected}"
        );
    }

    #[test]
    fn same_seed_same_lines() {
        let settings = Settings::with_events(2000);
        assert_eq!(lines(9, settings.clone()), lines(9, settings.clone()));
        assert_ne!(lines(9, settings.clone()), lines(10, settings));
    }

    #[test]
    fn has_the_published_proportions() {
        let lines = lines(1, Settings::with_events(50_000));
        let bytes: usize = lines.iter().map(String::len).sum();
        assert_share(bytes, lines.len() * 1000, 0.321, 0.002);

        let distinct: HashSet<&String> = lines.iter().collect();
        assert_share(lines.len() - distinct.len(), lines.len(), 0.005, 0.001);

        let events = parsed(&lines);
        let surveys = events.iter().filter(|event| kind(event) == "survey");
        assert_share(surveys.count(), events.len(), 0.3, 0.005);

        let mut queues: BTreeMap<&str, usize> = BTreeMap::new();
        for event in &events {
            *queues
                .entry(event["queue"].as_str().unwrap_or("none"))
                .or_default() += 1;
        }
        assert!(queues.len() >= 200, "{}", queues.len());
        assert_share(queues["queue-001"], queues["queue-000"], 0.5, 0.03);
    }

    #[test]
    fn one_line_in_a_thousand_is_no_event() {
        let total = 200_000;
        let workload = Workload::new(4, Settings::with_events(total));
        let malformed = (0..total).filter(|index| workload.line(*index) == Line::Malformed);
        let malformed: Vec<u64> = malformed.collect();
        assert_share(malformed.len(), 200_000, 0.001, 0.0003);
        for index in malformed {
            let mut line = String::new();
            workload.write_line(index, &mut line);
            assert!(is_rejected(&line), "{line}");
        }
    }

    /// Every way of breaking a line that the generator has, told apart by plain means.
    fn is_rejected(line: &str) -> bool {
        let Ok(event) = serde_json::from_str::<Value>(line) else {
            return true;
        };
        let time = |name: &str| {
            event[name]
                .as_str()
                .is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok())
        };
        kind(&event).starts_with("x-")
            || !time("ended_at")
            || !time("started_at")
            || event["wait_seconds"].as_f64().unwrap() < 0.0
    }

    #[test]
    fn one_line_in_a_hundred_is_up_to_a_minute_behind() {
        let settings = Settings::with_events(100_000);
        let workload = Workload::new(6, settings);
        let behind: Vec<i64> = (0..100_000)
            .map(|index| {
                let mut random = Random::for_item(workload.seed ^ RECORD, index);
                workload
                    .due(index)
                    .millis_since(workload.event_time(index, &mut random))
            })
            .collect();
        let late = behind.iter().filter(|millis| **millis > 0).count();
        assert_share(late, behind.len(), 0.01, 0.002);
        assert!(behind.iter().all(|millis| (0..=60_000).contains(millis)));
        assert!(behind.iter().any(|millis| *millis > 50_000));
    }

    #[test]
    fn a_third_of_the_contacts_meets_an_earlier_one() {
        let events = parsed(&lines(2, Settings::with_events(50_000)));
        let mut ids = HashSet::new();
        let mut chains = HashSet::new();
        let (mut contacts, mut repeats) = (0, 0);
        for event in &events {
            let fresh = ids.insert(event["interaction_id"].as_str().map(str::to_owned));
            let known = event["customer_id"].is_string();
            let counts = event["abandoned"] == false && event["direction"].is_null();
            if kind(event) == "interaction" && fresh && known && counts {
                contacts += 1;
                let chain = (
                    event["customer_id"].to_string(),
                    event["issue_id"].to_string(),
                );
                repeats += usize::from(!chains.insert(chain));
            }
        }
        assert_share(repeats, contacts, 1.0 / 3.0, 0.02);
    }

    #[test]
    fn surveys_name_an_earlier_contact_and_its_queue() {
        let lines = lines(8, Settings::with_events(30_000));
        let mut queues = BTreeMap::new();
        let (mut surveys, mut joined) = (0, 0);
        for event in parsed(&lines) {
            if kind(&event) == "survey" {
                surveys += 1;
                if let Some(id) = event["interaction_id"].as_str() {
                    joined += 1;
                    assert_eq!(queues.get(id), Some(&event["queue"]), "{event}");
                }
            } else if kind(&event) == "interaction" {
                let id = event["interaction_id"].as_str().unwrap().to_owned();
                queues.insert(id, event["queue"].clone());
            }
        }
        assert_share(joined, surveys, 1.0, 0.01);
    }

    #[test]
    fn corrections_carry_a_newer_version_time() {
        let settings = Settings {
            corrections_ppm: 20_000,
            bare_surveys_ppm: 1_000_000,
            ..Settings::with_events(20_000)
        };
        let events = parsed(&lines(3, settings));
        let corrected: Vec<&Value> = events
            .iter()
            .filter(|event| event["updated_at"].is_string())
            .collect();
        assert_share(corrected.len(), events.len(), 0.02, 0.004);
        for event in corrected {
            assert!(
                event["updated_at"].as_str() > event["ended_at"].as_str(),
                "{event}"
            );
        }
        assert!(
            events
                .iter()
                .all(|event| kind(event) != "survey" || event["queue"].is_null())
        );
    }
}
