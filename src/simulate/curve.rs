//! How busy the center is through the week, and which queues are.

use crate::time::Timestamp;

use super::floor::{QUEUE_COUNT, QUEUES, WEEK};
use super::random::float;
use super::settings::{Pace, Settings};

const STEP_MS: i64 = 600_000;
const STEPS_PER_HOUR: usize = 6;
const STEPS: usize = 7 * 24 * STEPS_PER_HOUR;
const WEEK_MS: i64 = 7 * DAY_MS;
const DAY_MS: i64 = 86_400_000;
/// 1970-01-01 was a Thursday.
const EPOCH_FROM_MONDAY_MS: i64 = 3 * DAY_MS;

/// Volume and mix of the queues, in steps of ten minutes of a week.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    /// Contacts per millisecond in the mean of a week.
    mean_rate: f64,
    /// The rate does not follow the curve, only the mix does.
    steady: bool,
    utc_offset_ms: i64,
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    /// Volume relative to the mean of the week.
    volume: f64,
    /// Cumulated shares of the queues, rising to 1.
    mix: [f64; QUEUE_COUNT],
}

impl Curve {
    /// `events_per_contact` turns a steady pace in events into contacts.
    pub(super) fn new(settings: &Settings, events_per_contact: f64) -> Self {
        let mut steps: Vec<Step> = (0..STEPS).map(step).collect();
        let mean = steps.iter().map(|step| step.volume).sum::<f64>() / float_of(STEPS);
        for step in &mut steps {
            step.volume /= mean;
        }
        let (mean_rate, steady) = match settings.pace {
            Pace::Daily { contacts } => (contacts / float(DAY_MS), false),
            Pace::Steady { events_per_second } => {
                (events_per_second / events_per_contact / 1000.0, true)
            }
        };
        Self {
            // At least one contact a day, so that the next one is always found.
            mean_rate: mean_rate.max(1.0 / float(DAY_MS)),
            steady,
            utc_offset_ms: settings.utc_offset_ms,
            steps,
        }
    }

    /// Contacts per millisecond at `moment`, and when that changes.
    pub(super) fn rate(&self, moment: Timestamp) -> (f64, Timestamp) {
        let local = moment.as_millis().saturating_add(self.utc_offset_ms);
        let changes_at = moment.plus_millis(STEP_MS - local.rem_euclid(STEP_MS));
        let volume = if self.steady {
            1.0
        } else {
            self.step(moment).volume
        };
        (self.mean_rate * volume, changes_at)
    }

    /// How busy it is relative to the mean of the week; waits grow with it.
    pub(super) fn load(&self, moment: Timestamp) -> f64 {
        self.step(moment).volume
    }

    /// The queue of a new contact; `unit` is an even draw from 0 to 1.
    pub(super) fn queue(&self, moment: Timestamp, unit: f64) -> usize {
        let mix = &self.step(moment).mix;
        mix.partition_point(|end| *end <= unit).min(QUEUE_COUNT - 1)
    }

    fn step(&self, moment: Timestamp) -> &Step {
        let local = moment.as_millis().saturating_add(self.utc_offset_ms);
        let of_week = local
            .saturating_add(EPOCH_FROM_MONDAY_MS)
            .rem_euclid(WEEK_MS);
        let index = usize::try_from(of_week / STEP_MS).unwrap_or(0);
        &self.steps[index.min(STEPS - 1)]
    }
}

/// Step `index` of the week before its volume is set in relation to the mean.
fn step(index: usize) -> Step {
    let of_day = index % (24 * STEPS_PER_HOUR);
    let (hour, within) = (of_day / STEPS_PER_HOUR, of_day % STEPS_PER_HOUR);
    let toward_next = float_of(within) / float_of(STEPS_PER_HOUR);
    let weekday = WEEK[index / (24 * STEPS_PER_HOUR)];
    let volumes = QUEUES.each_ref().map(|queue| {
        let day = queue.channel.day();
        let by_hour = day[hour] + (day[(hour + 1) % 24] - day[hour]) * toward_next;
        f64::from(queue.permille) * by_hour * weekday
    });
    let volume: f64 = volumes.iter().sum();
    let mut below = 0.0;
    let mix = volumes.map(|part| {
        below += part / volume;
        below
    });
    Step { volume, mix }
}

fn float_of(count: usize) -> f64 {
    float(i64::try_from(count).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Monday 2026-03-02T00:00Z.
    const MONDAY: Timestamp = Timestamp::from_millis(1_772_409_600_000);
    const HOUR_MS: i64 = 3_600_000;

    fn curve(utc_offset_ms: i64) -> Curve {
        let settings = Settings {
            utc_offset_ms,
            ..Settings::starting_at(MONDAY)
        };
        Curve::new(&settings, 1.3)
    }

    fn load(curve: &Curve, day: i64, hour: i64) -> f64 {
        curve.load(MONDAY.plus_millis(day * DAY_MS + hour * HOUR_MS))
    }

    #[test]
    fn has_peaks_valleys_and_a_weekend() {
        let curve = curve(0);
        assert!(load(&curve, 0, 10) > 1.5);
        assert!(load(&curve, 0, 13) < load(&curve, 0, 10));
        assert!(
            load(&curve, 0, 13) < load(&curve, 0, 14),
            "second peak after lunch"
        );
        assert!(load(&curve, 0, 3) < 0.2);
        assert!(load(&curve, 6, 10) < 0.5 * load(&curve, 0, 10));
    }

    #[test]
    fn the_mean_of_a_week_is_what_was_asked() {
        let curve = curve(0);
        let steps =
            (0..i64::try_from(STEPS).unwrap()).map(|step| MONDAY.plus_millis(step * STEP_MS));
        let contacts: f64 = steps.map(|at| curve.rate(at).0 * float(STEP_MS)).sum();
        assert!((contacts - 1_400_000.0).abs() < 1.0, "{contacts}");
    }

    #[test]
    fn follows_local_time_and_says_when_it_changes() {
        let (moved, home) = (curve(2 * HOUR_MS), curve(0));
        assert!((load(&moved, 0, 8) - load(&home, 0, 10)).abs() < 1e-12);
        for within_ms in [0, 61_000, STEP_MS - 1] {
            let (_, changes_at) = home.rate(MONDAY.plus_millis(within_ms));
            assert_eq!(changes_at, MONDAY.plus_millis(STEP_MS));
        }
    }

    #[test]
    fn busy_at_is_a_monday_morning_whenever_it_is() {
        let peak = load(&curve(0), 0, 10);
        for hours in [0, 3, 9, 26, 100, 150, 167] {
            let moment = MONDAY.plus_millis(hours * HOUR_MS + 12_345);
            let settings = Settings::starting_at(MONDAY).busy_at(moment);
            let found = Curve::new(&settings, 1.3).load(moment);
            assert!((0.98..1.1).contains(&(found / peak)), "{hours} h: {found}");
        }
    }

    #[test]
    fn chats_are_an_evening_matter() {
        let curve = curve(0);
        let share = |hour: i64, name: &str| {
            let at = MONDAY.plus_millis(hour * HOUR_MS);
            let hits = (0..1000)
                .filter(|draw| QUEUES[curve.queue(at, f64::from(*draw) / 1000.0)].name == name);
            hits.count()
        };
        assert!(share(20, "chat_sales") > share(10, "chat_sales"));
        assert!(share(10, "support") > share(20, "support"));
    }
}
