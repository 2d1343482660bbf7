//! The same records in another arrival order, some of them again, in other messages: what must change no KPI.
use std::ops::RangeInclusive;

use super::json;
use super::message::{open, pieces};
use super::record::Record;
use super::setup::{Message, Setup};

/// A small reproducible source of choices (`SplitMix64`).
#[derive(Clone, Debug)]
pub(crate) struct Choices(pub u64);

impl Choices {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number within the range.
    pub(crate) fn within(&mut self, range: RangeInclusive<usize>) -> usize {
        let span = u64::try_from(range.end() - range.start() + 1).expect("a small range");
        range.start() + usize::try_from(self.next() % span).expect("a small range")
    }
}

/// A message that is moved as one, and the records in it that enter.
#[derive(Clone, Debug)]
struct Unit {
    message: Message,
    records: Vec<Record>,
}

impl Unit {
    fn new(setup: &Setup, message: Message) -> Self {
        let in_time =
            |record: &Record| record.time() - message.stored_at <= setup.max_clock_skew_ms;
        let records = open(setup, &message)
            .into_iter()
            .flatten()
            .filter(in_time)
            .collect();
        Self { message, records }
    }

    /// Whether the other must stay behind this one: they hold different records of equal identity and version time.
    fn ties(&self, other: &Self) -> bool {
        self.records.iter().any(|one| {
            let tied =
                |two: &&Record| one.identity() == two.identity() && one.version() == two.version();
            other.records.iter().filter(tied).any(|two| one != two)
        })
    }

    /// Stream time after this unit, or `None` where one of its events would be too late. Before all events it is `i64::MIN`.
    fn advance(&self, setup: &Setup, mut stream: i64) -> Option<i64> {
        for record in &self.records {
            stream = stream.max(record.time());
            if stream - record.time() > setup.allowed_lateness_ms {
                return None;
            }
        }
        Some(stream)
    }
}

/// The messages cut into single events where that keeps their meaning, without those that hold an event that comes too late.
pub(crate) fn accepted(setup: &Setup, messages: &[Message]) -> Vec<Message> {
    let mut stream = i64::MIN;
    let mut kept = Vec::new();
    for unit in messages
        .iter()
        .flat_map(cut)
        .map(|message| Unit::new(setup, message))
    {
        if let Some(after) = unit.advance(setup, stream) {
            stream = after;
            kept.push(unit.message);
        }
    }
    kept
}

/// One message per event; headers give identities by position, so messages with headers stay whole.
fn cut(message: &Message) -> Vec<Message> {
    if !message.headers.is_empty() {
        return vec![message.clone()];
    }
    let one = |piece: &[u8]| Message {
        payload: piece.to_vec(),
        ..message.clone()
    };
    pieces(&message.payload).into_iter().map(one).collect()
}

/// Another order in which nothing comes too late and different records of equal version keep theirs, with some repeated, in other
/// batches. `messages` must be what `accepted` gave.
pub(crate) fn rearranged(
    setup: &Setup,
    messages: &[Message],
    choices: &mut Choices,
) -> Vec<Message> {
    let mut units = Vec::new();
    let mut stream = i64::MIN;
    for message in messages {
        let unit = Unit::new(setup, message.clone());
        stream = unit
            .advance(setup, stream)
            .expect("what was accepted before");
        let again = unit.advance(setup, stream).is_some() && choices.within(0..=3) == 0;
        units.extend(again.then(|| unit.clone()));
        units.push(unit);
    }
    let ordered = shuffled(setup, units.clone(), choices).unwrap_or(units);
    batched(
        ordered.into_iter().map(|unit| unit.message).collect(),
        choices,
    )
}

/// A random order, or `None` where the choices led into a corner.
fn shuffled(setup: &Setup, mut units: Vec<Unit>, choices: &mut Choices) -> Option<Vec<Unit>> {
    let mut stream = i64::MIN;
    let mut ordered = Vec::new();
    while !units.is_empty() {
        let mut able = Vec::new();
        for (at, unit) in units.iter().enumerate() {
            let held_back = units[..at].iter().any(|earlier| earlier.ties(unit));
            let Some(after) = unit.advance(setup, stream) else {
                continue;
            };
            let others = units.iter().enumerate().filter(|(other, _)| *other != at);
            let all_follow = others
                .into_iter()
                .all(|(_, other)| other.advance(setup, after).is_some());
            if !held_back && all_follow {
                able.push((at, after));
            }
        }
        let last = able.len().checked_sub(1)?;
        let (at, after) = able[choices.within(0..=last)];
        stream = after;
        ordered.push(units.remove(at));
    }
    Some(ordered)
}

/// Neighbours without headers, of one subject and store time, joined at random as lines or as an array.
fn batched(messages: Vec<Message>, choices: &mut Choices) -> Vec<Message> {
    let mut batches: Vec<Vec<Message>> = Vec::new();
    for message in messages {
        let joins = |batch: &Vec<Message>| {
            let first = &batch[0];
            first.headers.is_empty()
                && message.headers.is_empty()
                && first.subject == message.subject
                && first.stored_at == message.stored_at
        };
        match batches.last_mut() {
            Some(batch) if joins(batch) && choices.within(0..=2) > 0 => batch.push(message),
            _ => batches.push(vec![message]),
        }
    }
    batches
        .into_iter()
        .map(|batch| joined(&batch, choices))
        .collect()
}

fn joined(batch: &[Message], choices: &mut Choices) -> Message {
    let [first, _, ..] = batch else {
        return batch[0].clone();
    };
    let grammatical = batch
        .iter()
        .all(|message| json::pieces(&message.payload).is_some());
    let texts: Vec<_> = batch
        .iter()
        .map(|message| message.payload.as_slice())
        .collect();
    let payload = if grammatical && choices.within(0..=1) == 0 {
        [b"[".as_slice(), &texts.join(b",".as_slice()), b"]"].concat()
    } else {
        texts.join(b"\n".as_slice())
    };
    Message {
        payload,
        ..first.clone()
    }
}
