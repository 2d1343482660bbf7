//! The center in motion: contacts end one after the other, and what is told of them comes in the
//! order in which a real system would publish it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use thiserror::Error;

use crate::time::Timestamp;

use super::contact::{Contact, Situation};
use super::curve::Curve;
use super::floor::QUEUES;
use super::outbox::{Outbox, SimulatedEvent};
use super::random::{Random, float, whole};
use super::settings::{Incident, Mishaps, Settings};
use super::survey::Survey;

/// A simulated contact center. The same seed, settings and incidents give the same events, however
/// the calls of [`Center::events_until`] cut the time.
///
/// ```
/// use cxpulse::simulate::{Center, Settings};
/// use cxpulse::time::Timestamp;
///
/// let start = Timestamp::from_millis(1_772_442_000_000);
/// let mut center = Center::new(7, Settings::starting_at(start));
/// let minute = start.plus_millis(60_000);
/// assert!(center.events_until(minute).all(|event| event.publish_at < minute));
/// ```
#[derive(Debug)]
pub struct Center {
    settings: Settings,
    random: Random,
    curve: Curve,
    incidents: Vec<(usize, Incident)>,
    /// Milliseconds from the start to the end of the next contact.
    next_contact_ms: f64,
    /// Contacts and broken events so far.
    numbers: u64,
    /// Customers who will try again, the earliest first; at most `max_pending`.
    comebacks: BinaryHeap<Reverse<Comeback>>,
    outbox: Outbox,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Comeback {
    due: Timestamp,
    after: u64,
    customer: u64,
    queue: usize,
    issue: usize,
    attempt: u8,
}

/// There is no queue of that name.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the simulated center has no queue `{0}`")]
pub struct UnknownQueue(pub String);

impl Center {
    /// A center that opens at `settings.start`.
    pub fn new(seed: u64, settings: Settings) -> Self {
        let mut center = Self {
            random: Random::new(seed),
            curve: Curve::new(&settings, events_per_contact(&settings.mishaps)),
            outbox: Outbox::new(seed, &settings),
            settings,
            incidents: Vec::new(),
            next_contact_ms: 0.0,
            numbers: 0,
            comebacks: BinaryHeap::new(),
        };
        center.draw_next_contact();
        center
    }

    /// The names of the queues, the busiest first.
    pub fn queues() -> impl Iterator<Item = &'static str> {
        let mut queues: Vec<_> = QUEUES.iter().collect();
        queues.sort_by_key(|queue| Reverse(queue.permille));
        queues.into_iter().map(|queue| queue.name)
    }

    /// Adds a bad time to those there are. Contacts that were already handed out stay as they are,
    /// so `from` should not lie before the last moment asked for.
    ///
    /// # Errors
    ///
    /// When the center has no such queue.
    pub fn inject(&mut self, incident: Incident) -> Result<(), UnknownQueue> {
        let index = QUEUES.iter().position(|queue| queue.name == incident.queue);
        match index {
            Some(index) => {
                self.incidents.push((index, incident));
                Ok(())
            }
            None => Err(UnknownQueue(incident.queue)),
        }
    }

    /// What is published before `moment` and was not handed out yet, in the order of publication.
    /// Dropping the iterator early loses nothing: the next call goes on where this one stopped.
    pub fn events_until(&mut self, moment: Timestamp) -> EventsUntil<'_> {
        EventsUntil {
            center: self,
            until: moment,
        }
    }

    fn next_before(&mut self, until: Timestamp) -> Option<SimulatedEvent> {
        loop {
            let next_contact_at = self.elapsed(self.next_contact_ms);
            // Whatever a later contact causes is published after that contact.
            match self.outbox.next_at() {
                Some(publish_at) if publish_at <= next_contact_at => {
                    if publish_at >= until {
                        return None;
                    }
                    return self.outbox.pop();
                }
                Some(_) | None => {
                    if next_contact_at >= until {
                        return None;
                    }
                    self.end_contact(next_contact_at);
                    self.draw_next_contact();
                }
            }
        }
    }

    fn elapsed(&self, millis: f64) -> Timestamp {
        self.settings.start.plus_millis(whole(millis.floor()))
    }

    /// Moves to the end of the next contact: independent contacts at the rate of the curve, which
    /// is constant between its steps.
    fn draw_next_contact(&mut self) {
        let mut contacts = self.random.exponential(1.0);
        loop {
            let (rate, changes_at) = self.curve.rate(self.elapsed(self.next_contact_ms));
            let step_end_ms = float(changes_at.millis_since(self.settings.start));
            let until_change = (step_end_ms - self.next_contact_ms) * rate;
            if contacts <= until_change {
                self.next_contact_ms += contacts / rate;
                return;
            }
            contacts -= until_change;
            self.next_contact_ms = step_end_ms;
        }
    }

    fn end_contact(&mut self, ended_at: Timestamp) {
        let situation = self.situation(ended_at);
        let number = self.number();
        let contact = Contact::draw(number, situation, &mut self.random);
        self.plan_comeback(&contact);
        self.outbox.contact(&contact, &mut self.random);
        if !contact.abandoned && self.random.chance(contact.channel().responds()) {
            let survey = Survey::draw(&contact, &mut self.random);
            self.outbox.survey(survey, &mut self.random);
        }
        if self.random.chance(self.settings.mishaps.malformed) {
            let stranger = Contact::draw(self.number(), situation, &mut self.random);
            self.outbox.malformed(&stranger, &mut self.random);
        }
    }

    /// Who ends a contact at `ended_at`: often somebody who was due to try again, else a customer
    /// with a new issue.
    fn situation(&mut self, ended_at: Timestamp) -> Situation {
        let due = self
            .comebacks
            .peek()
            .is_some_and(|Reverse(next)| next.due <= ended_at);
        // Never everybody, or a quiet night would consist of repeats alone.
        let comeback = if due && self.random.chance(0.5) {
            self.comebacks.pop()
        } else {
            None
        };
        let (customer, queue, issue, attempt) = if let Some(Reverse(comeback)) = comeback {
            let Comeback {
                customer,
                queue,
                issue,
                attempt,
                due: _,
                after: _,
            } = comeback;
            (customer, queue, issue, attempt)
        } else {
            let customer = self.random.below(self.settings.customers.max(1));
            let queue = self.curve.queue(ended_at, self.random.unit());
            let issue = self.random.index(QUEUES[queue].issues.len());
            (customer, queue, issue, 0)
        };
        Situation {
            customer,
            queue,
            issue,
            attempt,
            ended_at,
            load: self.curve.load(ended_at),
            incident: self.has_incident(queue, ended_at),
        }
    }

    fn has_incident(&self, queue: usize, at: Timestamp) -> bool {
        self.incidents
            .iter()
            .any(|(index, incident)| *index == queue && incident.from <= at && at < incident.until)
    }

    fn plan_comeback(&mut self, contact: &Contact) {
        if !contact.comes_back || self.comebacks.len() >= self.settings.max_pending {
            return;
        }
        let within_ms = self.settings.repeat_within_ms.max(60_000);
        let delay_ms = contact.tries_again_after_ms(within_ms, &mut self.random);
        let situation = &contact.situation;
        self.comebacks.push(Reverse(Comeback {
            due: situation.ended_at.plus_millis(delay_ms),
            after: contact.number,
            customer: situation.customer,
            queue: situation.queue,
            issue: situation.issue,
            attempt: situation.attempt.saturating_add(1),
        }));
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

/// Messages a contact brings in the mean.
fn events_per_contact(mishaps: &Mishaps) -> f64 {
    let of_contacts = mishaps.late_wrap + mishaps.withdrawn + mishaps.duplicate + mishaps.malformed;
    let surveys = QUEUES.iter().map(|queue| {
        f64::from(queue.permille) / 1000.0 * (1.0 - queue.gives_up) * queue.channel.responds()
    });
    1.0 + of_contacts + surveys.sum::<f64>() * (1.0 + mishaps.corrected_score)
}

/// The events of a [`Center`] up to a moment; see [`Center::events_until`].
#[derive(Debug)]
pub struct EventsUntil<'a> {
    center: &'a mut Center,
    until: Timestamp,
}

impl Iterator for EventsUntil<'_> {
    type Item = SimulatedEvent;

    fn next(&mut self) -> Option<SimulatedEvent> {
        self.center.next_before(self.until)
    }
}

#[cfg(test)]
mod tests;
