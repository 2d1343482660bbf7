//! The records of the month and what a newer version changes in them.

use crate::time::Timestamp;

use super::super::super::json::Object;
use super::super::super::random::Random;
use super::super::{CHANNELS, SCORES};

/// Who contacts about what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    customer: Option<u64>,
    issue: Option<u64>,
}

impl Chain {
    /// One of the chains among so many customers that each has about twelve of `records`.
    pub(super) fn draw(random: &mut Random, records: u64) -> Self {
        Self {
            customer: (random.below(20) > 0).then(|| random.below(records / 12 + 1)),
            issue: (random.below(10) > 2).then(|| random.below(3)),
        }
    }

    fn write(self, object: &mut Object<'_>) {
        if let Some(customer) = self.customer {
            object.id("customer_id", "c-", customer, 7);
        }
        if let Some(issue) = self.issue {
            object.id("issue_id", "issue-", issue, 1);
        }
    }
}

/// What a newer version may take over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Revision {
    pub(super) updated_at: Timestamp,
    pub(super) event_time: Timestamp,
    pub(super) chain: Chain,
}

/// The dimensions of a record; an absent one is not written.
#[derive(Clone, Copy, Debug)]
struct Dimensions {
    queue: Option<u64>,
    channel: Option<usize>,
    team: Option<u64>,
}

impl Dimensions {
    fn draw(random: &mut Random) -> Self {
        Self {
            queue: (random.below(50) > 0).then(|| random.below(14) * random.below(14) / 13),
            channel: (random.below(50) > 0).then(|| random.index(CHANNELS.len())),
            team: (random.below(4) > 0).then(|| random.below(5)),
        }
    }

    fn write(self, object: &mut Object<'_>) {
        if let Some(queue) = self.queue {
            object.id("queue", "queue-", queue, 2);
        }
        if let Some(channel) = self.channel {
            object.text("channel", CHANNELS[channel]);
        }
        if let Some(team) = self.team {
            object.id("team", "team-", team, 1);
        }
    }
}

/// One version of an interaction.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the flags of the record as they stand in its JSON"
)]
pub(super) struct Contact {
    number: u32,
    chain: Chain,
    dimensions: Dimensions,
    pub(super) ended_at: Timestamp,
    updated_at: Option<Timestamp>,
    /// Write the event time as milliseconds since the epoch.
    epoch_time: bool,
    outbound: bool,
    excluded: Option<bool>,
    abandoned: bool,
    transferred: bool,
    resolved: Option<bool>,
    wait_ms: Option<i64>,
    talk_ms: Option<i64>,
    wrap_ms: Option<i64>,
    handle_ms: Option<i64>,
}

/// Waits on the edges of the default service-level target and short abandon.
const EDGE_WAITS_MS: [i64; 6] = [0, 4999, 5000, 5001, 20_000, 20_001];

impl Contact {
    pub(super) fn draw(
        number: u32,
        ended_at: Timestamp,
        chain: Chain,
        random: &mut Random,
    ) -> Self {
        let wait_ms = match random.below(20) {
            0 => None,
            1..8 => Some(*random.pick(&EDGE_WAITS_MS)),
            _ => Some(random.between(0, 120_000)),
        };
        let day_long = random.below(2000) == 0;
        Self {
            number,
            chain,
            dimensions: Dimensions::draw(random),
            ended_at,
            updated_at: None,
            epoch_time: random.below(20) == 0,
            outbound: random.below(20) == 0,
            excluded: None,
            abandoned: random.below(15) == 0,
            transferred: random.below(12) == 0,
            resolved: draw_resolved(random),
            wait_ms,
            talk_ms: (random.below(20) > 0).then(|| random.between(1000, 1_200_000)),
            wrap_ms: (random.below(3) > 0).then(|| random.between(0, 300_000)),
            handle_ms: if day_long {
                Some(86_400_000)
            } else {
                (random.below(10) == 0).then(|| random.between(0, 1_800_000))
            },
        }
    }

    pub(super) fn change(&mut self, revision: &Revision, random: &mut Random) {
        self.updated_at = Some(revision.updated_at);
        if self.excluded == Some(true) && random.below(2) == 0 {
            self.excluded = Some(false);
            return;
        }
        match random.below(9) {
            0 => self.dimensions = Dimensions::draw(random),
            1 => self.chain = revision.chain,
            2 => self.ended_at = revision.event_time,
            3 => self.abandoned = !self.abandoned,
            4 => self.transferred = !self.transferred,
            5 => self.resolved = draw_resolved(random),
            6 => self.excluded = Some(true),
            7 => self.wait_ms = Some(*random.pick(&EDGE_WAITS_MS)),
            _ => self.wrap_ms = Some(random.between(0, 600_000)),
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        let mut object = Object::begin(out, "interaction");
        object.id("interaction_id", "i-", u64::from(self.number), 8);
        self.chain.write(&mut object);
        self.dimensions.write(&mut object);
        write_times(
            &mut object,
            "ended_at",
            self.ended_at,
            self.updated_at,
            self.epoch_time,
        );
        if self.outbound {
            object.text("direction", "outbound");
        }
        let durations = [
            ("wait_seconds", self.wait_ms),
            ("talk_seconds", self.talk_ms),
            ("wrap_seconds", self.wrap_ms),
            ("handle_seconds", self.handle_ms),
        ];
        for (name, duration_ms) in durations {
            if let Some(duration_ms) = duration_ms {
                object.seconds(name, duration_ms);
            }
        }
        object.flag("abandoned", self.abandoned);
        object.flag("transferred", self.transferred);
        write_flags(&mut object, self.resolved, self.excluded);
        object.end();
    }
}

/// One version of a survey.
#[derive(Clone, Debug)]
pub(super) struct Survey {
    number: u32,
    about: u32,
    dimensions: Option<Dimensions>,
    pub(super) submitted_at: Timestamp,
    updated_at: Option<Timestamp>,
    epoch_time: bool,
    excluded: Option<bool>,
    csat: i64,
    nps: Option<i64>,
    ces: Option<i64>,
    resolved: Option<bool>,
}

impl Survey {
    pub(super) fn draw(
        number: u32,
        about: u32,
        submitted_at: Timestamp,
        random: &mut Random,
    ) -> Self {
        Self {
            number,
            about,
            dimensions: (random.below(2) == 0).then(|| Dimensions::draw(random)),
            submitted_at,
            updated_at: None,
            epoch_time: random.below(20) == 0,
            excluded: None,
            csat: *random.pick(&SCORES),
            nps: (random.below(3) > 0).then(|| random.between(0, 10)),
            ces: (random.below(2) == 0).then(|| random.between(1, 7)),
            resolved: draw_resolved(random),
        }
    }

    pub(super) fn change(&mut self, revision: &Revision, random: &mut Random) {
        self.updated_at = Some(revision.updated_at);
        if self.excluded == Some(true) && random.below(2) == 0 {
            self.excluded = Some(false);
            return;
        }
        match random.below(7) {
            0 => self.dimensions = Some(Dimensions::draw(random)),
            1 => self.dimensions = None,
            2 => self.submitted_at = revision.event_time,
            3 => self.excluded = Some(true),
            4 => self.nps = Some(random.between(0, 10)),
            5 => self.resolved = draw_resolved(random),
            _ => self.csat = *random.pick(&SCORES),
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        let mut object = Object::begin(out, "survey");
        object.id("survey_id", "s-", u64::from(self.number), 8);
        object.id("interaction_id", "i-", u64::from(self.about), 8);
        if let Some(dimensions) = self.dimensions {
            dimensions.write(&mut object);
        }
        write_times(
            &mut object,
            "submitted_at",
            self.submitted_at,
            self.updated_at,
            self.epoch_time,
        );
        object.number("csat", self.csat);
        for (name, score) in [("nps", self.nps), ("ces", self.ces)] {
            if let Some(score) = score {
                object.number(name, score);
            }
        }
        write_flags(&mut object, self.resolved, self.excluded);
        object.end();
    }
}

fn draw_resolved(random: &mut Random) -> Option<bool> {
    match random.below(10) {
        0..3 => None,
        3..5 => Some(false),
        _ => Some(true),
    }
}

fn write_times(
    object: &mut Object<'_>,
    name: &str,
    event_time: Timestamp,
    updated_at: Option<Timestamp>,
    epoch_time: bool,
) {
    if epoch_time {
        object.number(name, event_time.as_millis());
    } else {
        object.time(name, event_time);
    }
    if let Some(updated_at) = updated_at {
        object.time("updated_at", updated_at);
    }
}

fn write_flags(object: &mut Object<'_>, resolved: Option<bool>, excluded: Option<bool>) {
    if let Some(resolved) = resolved {
        object.flag("resolved", resolved);
    }
    if let Some(excluded) = excluded {
        object.flag("excluded", excluded);
    }
}
