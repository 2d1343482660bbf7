//! One contact of the simulated center: how it went, and its JSON.

use crate::time::Timestamp;

use super::floor::{Agent, Channel, QUEUES, Queue};
use super::json::Object;
use super::random::Random;

/// What a contact is about and under which circumstances it takes place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    pub(super) customer: u64,
    pub(super) queue: usize,
    pub(super) issue: usize,
    /// How often the customer has tried before.
    pub(super) attempt: u8,
    pub(super) ended_at: Timestamp,
    /// How busy the center is, 1 being the mean of the week.
    pub(super) load: f64,
    /// The queue has an incident.
    pub(super) incident: bool,
}

/// A contact that has ended.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the flags of the record as they stand in its JSON, and what follows from it"
)]
pub(super) struct Contact {
    pub(super) number: u64,
    pub(super) situation: Situation,
    /// The customer is known to the center.
    identified: bool,
    agent: Option<Agent>,
    outbound: bool,
    pub(super) abandoned: bool,
    transferred: bool,
    resolved: Option<bool>,
    wait_ms: i64,
    talk_ms: i64,
    hold_ms: i64,
    pub(super) wrap_ms: i64,
    /// The customer was not helped and will try again.
    pub(super) comes_back: bool,
    /// What the customer feels, about 0 to 1; drives the survey.
    pub(super) mood: f64,
}

/// How an incident makes itself felt; see [`Incident`](super::Incident).
mod incident {
    pub(super) const WAIT: f64 = 6.0;
    pub(super) const HANDLE: f64 = 2.2;
    pub(super) const GIVES_UP: f64 = 0.40;
    pub(super) const COMES_BACK: f64 = 0.20;
    pub(super) const MOOD: f64 = -0.40;
}

impl Contact {
    pub(super) fn draw(number: u64, situation: Situation, random: &mut Random) -> Self {
        let queue = &QUEUES[situation.queue];
        let outbound = situation.attempt == 0 && random.chance(queue.outbound);
        let gives_up = queue.gives_up * (0.5 + 0.5 * situation.load)
            + if situation.incident {
                incident::GIVES_UP
            } else {
                0.0
            };
        let abandoned = !outbound && random.chance(gives_up);
        let mut contact = Self {
            number,
            situation,
            identified: random.chance(0.96),
            agent: None,
            outbound,
            abandoned,
            transferred: false,
            resolved: None,
            wait_ms: 0,
            talk_ms: 0,
            hold_ms: 0,
            wrap_ms: 0,
            comes_back: false,
            mood: 0.0,
        };
        if abandoned {
            contact.give_up(random);
        } else {
            contact.take_place(queue, random);
        }
        contact
    }

    pub(super) fn channel(&self) -> Channel {
        QUEUES[self.situation.queue].channel
    }

    fn give_up(&mut self, random: &mut Random) {
        let at_once = random.chance(0.12);
        self.wait_ms = if at_once {
            random.between(800, 5000)
        } else {
            random.duration_ms(45_000.0, 0.7)
        };
        self.comes_back = self.identified && random.chance(0.55);
    }

    fn take_place(&mut self, queue: &Queue, random: &mut Random) {
        let trouble = self.situation.incident;
        let agent = Agent::of(self.situation.queue, random.below(u64::from(queue.agents)));
        if !self.outbound {
            let wait = if trouble { incident::WAIT } else { 1.0 };
            let median = 1000.0 * queue.wait_seconds * (0.3 + 0.7 * self.situation.load) * wait;
            self.wait_ms = random.duration_ms(median, 0.8);
        }
        let slower = agent.pace * if trouble { incident::HANDLE } else { 1.0 };
        self.talk_ms = random.duration_ms(1000.0 * queue.talk_seconds * slower, 0.55);
        if queue.channel == Channel::Voice && random.chance(0.3) {
            self.hold_ms = random.duration_ms(35_000.0 * slower, 0.7);
        }
        self.wrap_ms = random.duration_ms(40_000.0 * slower, 0.5);
        self.transferred = random.chance(queue.transfers);

        let skill = queue.skill + agent.skill;
        self.comes_back = self.identified && !self.outbound && random.chance(self.repeats(skill));
        if random.chance(0.85) {
            let solved = if self.comes_back { 0.5 } else { 0.95 };
            self.resolved = Some(random.chance(solved));
        }
        self.mood = skill + 0.20 * random.normal() + if trouble { incident::MOOD } else { 0.0 }
            - if self.comes_back { 0.20 } else { 0.0 }
            - if self.transferred { 0.08 } else { 0.0 }
            - 0.06 * f64::from(self.situation.attempt);
        self.agent = Some(agent);
    }

    /// How likely the customer has to contact again: from 1 in 12 at the best agents to 4 in 10.
    fn repeats(&self, skill: f64) -> f64 {
        let base = 0.05 + 0.8 * (1.0 - skill).max(0.0);
        let more = base
            + if self.transferred { 0.08 } else { 0.0 }
            + if self.situation.incident {
                incident::COMES_BACK
            } else {
                0.0
            };
        // After a few attempts people give up, or get help elsewhere.
        if self.situation.attempt >= 3 {
            more / 2.0
        } else {
            more
        }
    }

    /// Time until the customer tries again: soon after having given up, else hours or days.
    pub(super) fn tries_again_after_ms(&self, within_ms: i64, random: &mut Random) -> i64 {
        const HOUR_MS: f64 = 3_600_000.0;
        let mean = if self.abandoned {
            0.3 * HOUR_MS
        } else if random.chance(0.35) {
            2.0 * HOUR_MS
        } else {
            40.0 * HOUR_MS
        };
        let delay = super::random::whole(random.exponential(mean)).saturating_add(30_000);
        if delay < within_ms {
            delay
        } else {
            random.between(30_000, within_ms)
        }
    }

    /// Appends a version of the record. `id_prefix` goes before the number.
    pub(super) fn write(&self, version: &Version, id_prefix: &str, out: &mut String) {
        let queue = &QUEUES[self.situation.queue];
        let busy_ms = self.talk_ms + self.hold_ms + self.wrap_ms;
        let ended_at = self.situation.ended_at;
        let mut object = Object::begin(out, "interaction");
        object.id("interaction_id", id_prefix, self.number, 1);
        if self.identified {
            object.id("customer_id", "c-", self.situation.customer, 7);
            object.text("issue_id", queue.issues[self.situation.issue]);
        }
        object.text("channel", queue.channel.name());
        object.text("queue", queue.name);
        if let Some(agent) = self.agent {
            object.id("agent_id", "a-", agent.number, 5);
            object.id("team", "team-", agent.team(), 3);
        }
        object.text(
            "direction",
            if self.outbound { "outbound" } else { "inbound" },
        );
        object.time("started_at", ended_at.plus_millis(-busy_ms - self.wait_ms));
        object.time("ended_at", ended_at);
        if let Some(updated_at) = version.updated_at {
            object.time("updated_at", updated_at);
        }
        if !self.outbound {
            object.seconds("wait_seconds", self.wait_ms);
        }
        if !self.abandoned {
            object.seconds("talk_seconds", self.talk_ms);
            object.seconds("hold_seconds", self.hold_ms);
            object.seconds("wrap_seconds", version.wrap_ms);
        }
        object.flag("abandoned", self.abandoned);
        object.flag("transferred", self.transferred);
        if let Some(resolved) = self.resolved {
            object.flag("resolved", resolved);
        }
        if version.excluded {
            object.flag("excluded", true);
        }
        object.end();
    }
}

/// What may differ between two versions of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    pub(super) updated_at: Option<Timestamp>,
    pub(super) wrap_ms: i64,
    pub(super) excluded: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(incident: bool, count: u64) -> Vec<Contact> {
        let mut random = Random::new(1);
        let contacts = (0..count).map(|number| {
            let situation = Situation {
                customer: number,
                queue: 0,
                issue: 1,
                attempt: 0,
                ended_at: Timestamp::from_millis(1_772_442_000_000),
                load: 1.0,
                incident,
            };
            Contact::draw(number, situation, &mut random)
        });
        contacts.collect()
    }

    fn mean(contacts: &[Contact], value: impl Fn(&Contact) -> f64) -> f64 {
        let sum: f64 = contacts.iter().map(value).sum();
        sum / f64::from(u32::try_from(contacts.len()).unwrap())
    }

    fn handle(contact: &Contact) -> f64 {
        crate::simulate::random::float(contact.talk_ms + contact.hold_ms + contact.wrap_ms)
    }

    #[test]
    fn an_incident_makes_everything_worse() {
        let (quiet, bad) = (drawn(false, 5000), drawn(true, 5000));
        let gave_up =
            |contacts: &[Contact]| mean(contacts, |one| f64::from(u8::from(one.abandoned)));
        assert!((gave_up(&quiet) - 0.05).abs() < 0.01);
        assert!((gave_up(&bad) - 0.45).abs() < 0.02);
        let answered = |contacts: Vec<Contact>| -> Vec<Contact> {
            contacts.into_iter().filter(|one| !one.abandoned).collect()
        };
        let (quiet, bad) = (answered(quiet), answered(bad));
        assert!(mean(&bad, handle) > 2.0 * mean(&quiet, handle));
        assert!(mean(&bad, |one| one.mood) < mean(&quiet, |one| one.mood) - 0.35);
    }

    #[test]
    fn the_record_is_json_of_the_contract() {
        for contact in drawn(false, 200) {
            let mut text = String::new();
            let version = Version {
                updated_at: None,
                wrap_ms: contact.wrap_ms,
                excluded: false,
            };
            contact.write(&version, "i-00c0ffee-", &mut text);
            let event: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(event["type"], "interaction");
            assert_eq!(event["queue"], "support");
            assert_eq!(event["abandoned"], contact.abandoned);
            assert_eq!(event["talk_seconds"].is_null(), contact.abandoned);
            assert!(event["started_at"].as_str() <= event["ended_at"].as_str());
        }
    }
}
