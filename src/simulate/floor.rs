//! The queues of the simulated center and the agents behind them.

use super::random::{float, mix};

/// How a queue works; the figures are those of a quiet hour.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) name: &'static str,
    pub(super) channel: Channel,
    /// Share of all contacts, in thousandths.
    pub(super) permille: u16,
    /// How well its agents solve what comes, 0 to 1.
    pub(super) skill: f64,
    /// Median wait of those who are answered, seconds.
    pub(super) wait_seconds: f64,
    /// Median talk time, or time at work on a text, seconds.
    pub(super) talk_seconds: f64,
    /// Share of customers who give up waiting.
    pub(super) gives_up: f64,
    /// Share of contacts that are handed on.
    pub(super) transfers: f64,
    /// Share of contacts that the center itself began.
    pub(super) outbound: f64,
    /// Agents.
    pub(super) agents: u16,
    pub(super) issues: &'static [&'static str],
}

/// The way a contact came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    Voice,
    Chat,
    Email,
    Messaging,
}

impl Channel {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Voice => "voice",
            Self::Chat => "chat",
            Self::Email => "email",
            Self::Messaging => "messaging",
        }
    }

    /// Where the interactions of this channel are published.
    pub(super) fn interaction_subject(self) -> &'static str {
        match self {
            Self::Voice => "cx.interactions.voice",
            Self::Chat => "cx.interactions.chat",
            Self::Email => "cx.interactions.email",
            Self::Messaging => "cx.interactions.messaging",
        }
    }

    /// Where the surveys about contacts of this channel are published.
    pub(super) fn survey_subject(self) -> &'static str {
        match self {
            Self::Voice => "cx.surveys.voice",
            Self::Chat => "cx.surveys.chat",
            Self::Email => "cx.surveys.email",
            Self::Messaging => "cx.surveys.messaging",
        }
    }

    /// Share of handled contacts that answer the survey.
    pub(super) fn responds(self) -> f64 {
        match self {
            Self::Voice => 0.30,
            Self::Chat => 0.38,
            Self::Email => 0.18,
            Self::Messaging => 0.26,
        }
    }

    /// Median time until the answer, seconds.
    pub(super) fn answers_after_seconds(self) -> f64 {
        match self {
            Self::Voice => 90.0,
            Self::Chat => 45.0,
            Self::Email => 2400.0,
            Self::Messaging => 300.0,
        }
    }

    /// Relative volume by hour of the day: calls peak in the morning and after lunch, chats in the
    /// evening too, mail is written at breakfast, at lunch and late.
    pub(super) fn day(self) -> &'static [f64; 24] {
        match self {
            Self::Voice => &[
                0.10, 0.08, 0.06, 0.06, 0.08, 0.15, 0.35, 0.80, 1.45, 2.05, 2.35, 2.20, 1.70, 1.60,
                2.00, 1.95, 1.70, 1.50, 1.25, 0.90, 0.60, 0.40, 0.25, 0.15,
            ],
            Self::Chat => &[
                0.25, 0.15, 0.10, 0.08, 0.08, 0.12, 0.25, 0.55, 1.00, 1.45, 1.70, 1.60, 1.45, 1.30,
                1.35, 1.35, 1.30, 1.40, 1.65, 2.00, 2.10, 1.60, 0.95, 0.50,
            ],
            Self::Email => &[
                0.30, 0.20, 0.15, 0.15, 0.20, 0.40, 0.90, 1.60, 1.80, 1.50, 1.20, 1.10, 1.60, 1.50,
                1.10, 1.00, 0.95, 0.90, 0.90, 1.00, 1.20, 1.50, 1.20, 0.70,
            ],
            Self::Messaging => &[
                0.45, 0.25, 0.15, 0.10, 0.10, 0.15, 0.35, 0.75, 1.05, 1.20, 1.30, 1.40, 1.65, 1.40,
                1.20, 1.15, 1.20, 1.35, 1.55, 1.80, 1.90, 1.60, 1.10, 0.70,
            ],
        }
    }
}

/// Relative volume by day of the week, Monday first.
pub(super) const WEEK: [f64; 7] = [1.30, 1.12, 1.05, 1.02, 1.06, 0.62, 0.45];

pub(super) const QUEUE_COUNT: usize = 12;

#[rustfmt::skip]
pub(super) const QUEUES: [Queue; QUEUE_COUNT] = [
    Queue { name: "support",       channel: Channel::Voice,     permille: 210, skill: 0.80, wait_seconds: 14.0, talk_seconds: 260.0, gives_up: 0.05, transfers: 0.10, outbound: 0.00, agents: 120, issues: &["no_signal", "slow_line", "device_setup", "router", "roaming"] },
    Queue { name: "billing",       channel: Channel::Voice,     permille: 170, skill: 0.86, wait_seconds: 12.0, talk_seconds: 210.0, gives_up: 0.04, transfers: 0.07, outbound: 0.00, agents: 90,  issues: &["invoice", "refund", "direct_debit", "price_change"] },
    Queue { name: "orders",        channel: Channel::Voice,     permille: 110, skill: 0.90, wait_seconds: 9.0,  talk_seconds: 170.0, gives_up: 0.03, transfers: 0.04, outbound: 0.00, agents: 60,  issues: &["delivery", "return", "order_status"] },
    Queue { name: "retention",     channel: Channel::Voice,     permille: 50,  skill: 0.75, wait_seconds: 8.0,  talk_seconds: 420.0, gives_up: 0.04, transfers: 0.05, outbound: 0.30, agents: 40,  issues: &["cancel", "contract"] },
    Queue { name: "claims",        channel: Channel::Voice,     permille: 40,  skill: 0.70, wait_seconds: 22.0, talk_seconds: 480.0, gives_up: 0.08, transfers: 0.14, outbound: 0.05, agents: 36,  issues: &["damage", "complaint", "warranty"] },
    Queue { name: "vip",           channel: Channel::Voice,     permille: 15,  skill: 0.95, wait_seconds: 4.0,  talk_seconds: 300.0, gives_up: 0.01, transfers: 0.02, outbound: 0.05, agents: 14,  issues: &["concierge", "invoice"] },
    Queue { name: "chat_support",  channel: Channel::Chat,      permille: 130, skill: 0.78, wait_seconds: 11.0, talk_seconds: 380.0, gives_up: 0.06, transfers: 0.09, outbound: 0.00, agents: 70,  issues: &["no_signal", "slow_line", "device_setup", "account"] },
    Queue { name: "chat_sales",    channel: Channel::Chat,      permille: 70,  skill: 0.92, wait_seconds: 7.0,  talk_seconds: 290.0, gives_up: 0.07, transfers: 0.03, outbound: 0.00, agents: 36,  issues: &["offer", "upgrade", "availability"] },
    Queue { name: "email_care",    channel: Channel::Email,     permille: 90,  skill: 0.74, wait_seconds: 5400.0, talk_seconds: 320.0, gives_up: 0.0, transfers: 0.06, outbound: 0.00, agents: 44, issues: &["invoice", "complaint", "account", "delivery"] },
    Queue { name: "email_back",    channel: Channel::Email,     permille: 25,  skill: 0.82, wait_seconds: 14_400.0, talk_seconds: 540.0, gives_up: 0.0, transfers: 0.02, outbound: 0.10, agents: 16, issues: &["documents", "warranty"] },
    Queue { name: "messaging",     channel: Channel::Messaging, permille: 75,  skill: 0.83, wait_seconds: 45.0, talk_seconds: 240.0, gives_up: 0.05, transfers: 0.06, outbound: 0.00, agents: 40,  issues: &["delivery", "order_status", "account"] },
    Queue { name: "social",        channel: Channel::Messaging, permille: 15,  skill: 0.72, wait_seconds: 180.0, talk_seconds: 310.0, gives_up: 0.03, transfers: 0.08, outbound: 0.00, agents: 10, issues: &["complaint", "outage"] },
];

/// An agent: a number, and how this one differs from the others of the queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agent {
    pub(super) number: u64,
    /// Multiplies the handle time, 0.8 to 1.25.
    pub(super) pace: f64,
    /// Added to the skill of the queue, -0.06 to 0.06.
    pub(super) skill: f64,
}

impl Agent {
    /// Agent `index` of queue `queue`: always the same person.
    pub(super) fn of(queue: usize, index: u64) -> Self {
        let number = 1000 * (u64::try_from(queue).unwrap_or(0) + 1) + index;
        let traits = mix(number);
        let first = float(i64::try_from(traits % 1000).unwrap_or(0)) / 1000.0;
        let second = float(i64::try_from(traits / 1000 % 1000).unwrap_or(0)) / 1000.0;
        Self {
            number,
            pace: 0.8 + 0.45 * first,
            skill: -0.06 + 0.12 * second,
        }
    }

    /// The team: agents of a queue by the dozen.
    pub(super) fn team(self) -> u64 {
        self.number / 1000 * 10 + self.number % 1000 / 12
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queues_share_all_contacts() {
        let total: u16 = QUEUES.iter().map(|queue| queue.permille).sum();
        assert_eq!(total, 1000);
        assert!(
            QUEUES
                .iter()
                .all(|queue| queue.agents < 120 + 1 && !queue.issues.is_empty())
        );
    }

    #[test]
    fn agents_are_the_same_person_every_time() {
        let agent = Agent::of(3, 17);
        assert_eq!((agent.number, agent.team()), (4017, 41));
        assert!((0.8..=1.25).contains(&agent.pace));
        assert!((Agent::of(3, 17).pace - agent.pace).abs() < f64::EPSILON);
    }
}
