//! The answers of a customer of the simulated center.

use crate::time::Timestamp;

use super::contact::Contact;
use super::floor::{Channel, QUEUES};
use super::json::Object;
use super::random::{Random, whole};

/// A survey about a contact.
#[derive(Clone, Debug)]
pub(super) struct Survey {
    contact: u64,
    customer: u64,
    queue: usize,
    /// Half of the surveys leave queue and channel to their interaction.
    with_dimensions: bool,
    /// End of the contact.
    ended_at: Timestamp,
    pub(super) submitted_at: Timestamp,
    csat: i64,
    nps: Option<i64>,
    ces: Option<i64>,
    resolved: Option<bool>,
    comment: Option<&'static str>,
}

const PRAISE: [&str; 3] = ["quick and friendly", "solved at once", "very helpful"];
const COMPLAINTS: [&str; 3] = [
    "waited far too long",
    "had to call again",
    "nobody knew the answer",
];

impl Survey {
    /// The customer answers; whether at all is the caller's business.
    pub(super) fn draw(contact: &Contact, random: &mut Random) -> Self {
        let channel = QUEUES[contact.situation.queue].channel;
        let after = random.duration_ms(1000.0 * channel.answers_after_seconds(), 0.9);
        let csat = score(contact.mood, random, 5);
        let praises = csat >= 4;
        Self {
            contact: contact.number,
            customer: contact.situation.customer,
            queue: contact.situation.queue,
            with_dimensions: random.chance(0.5),
            ended_at: contact.situation.ended_at,
            submitted_at: contact.situation.ended_at.plus_millis(after + 5000),
            csat,
            nps: random
                .chance(0.7)
                .then(|| score(contact.mood, random, 11) - 1),
            // 1 is the least effort.
            ces: random
                .chance(0.4)
                .then(|| 8 - score(contact.mood, random, 7)),
            resolved: random.chance(0.75).then(|| {
                let solved = if contact.comes_back { 0.15 } else { 0.93 };
                random.chance(solved)
            }),
            comment: random
                .chance(0.12)
                .then(|| *random.pick(if praises { &PRAISE } else { &COMPLAINTS })),
        }
    }

    pub(super) fn channel(&self) -> Channel {
        QUEUES[self.queue].channel
    }

    /// Answers at once.
    pub(super) fn hurry(&mut self) {
        self.submitted_at = self.submitted_at.min(self.ended_at.plus_millis(500));
    }

    /// The same answers after somebody looked at them again.
    pub(super) fn correct(&mut self, random: &mut Random) {
        self.csat = if self.csat > 3 {
            random.between(1, 3)
        } else {
            random.between(4, 5)
        };
    }

    pub(super) fn write(&self, updated_at: Option<Timestamp>, ids: (&str, &str), out: &mut String) {
        let (survey_prefix, interaction_prefix) = ids;
        let queue = &QUEUES[self.queue];
        let mut object = Object::begin(out, "survey");
        object.id("survey_id", survey_prefix, self.contact, 1);
        object.id("interaction_id", interaction_prefix, self.contact, 1);
        object.id("customer_id", "c-", self.customer, 7);
        if self.with_dimensions {
            object.text("channel", queue.channel.name());
            object.text("queue", queue.name);
        }
        object.time("submitted_at", self.submitted_at);
        if let Some(updated_at) = updated_at {
            object.time("updated_at", updated_at);
        }
        object.number("csat", self.csat);
        for (name, value) in [("nps", self.nps), ("ces", self.ces)] {
            if let Some(value) = value {
                object.number(name, value);
            }
        }
        if let Some(resolved) = self.resolved {
            object.flag("resolved", resolved);
        }
        if let Some(comment) = self.comment {
            object.text("comment", comment);
        }
        object.end();
    }
}

/// A score from 1 to `best` for a mood from 0 to 1; every question is answered a little differently.
fn score(mood: f64, random: &mut Random, best: i32) -> i64 {
    let felt = mood + 0.08 * random.normal();
    whole(0.5 + felt * f64::from(best)).clamp(1, i64::from(best))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_use_the_whole_scale_and_nothing_else() {
        let mut random = Random::new(2);
        let moods = (0..2000).map(|step| f64::from(step) / 1000.0 - 0.5);
        let scores: Vec<i64> = moods.map(|mood| score(mood, &mut random, 7)).collect();
        assert_eq!(scores.iter().min(), Some(&1));
        assert_eq!(scores.iter().max(), Some(&7));
        assert_eq!(score(0.5, &mut Random::new(1), 1), 1);
    }
}
