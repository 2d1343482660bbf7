//! One alert instance: a rule at one key, and how a judgement moves it on.

use super::condition::{Figures, Judgement, Verdict};
use super::{Phase, Reason, Rule, Transition};
use crate::time::{Timestamp, millis_of};

/// The moment of an evaluation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// The instant T.
    pub(super) at: Timestamp,
    /// The evaluator's own clock, which stands still while states are frozen. All durations of an
    /// alert are measured on it.
    pub(super) counted_ms: i64,
}

/// A rule at one key.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) state: InstanceState,
    /// Since when, on the counted clock, the data do not suffice.
    pub(super) insufficient_since_ms: Option<i64>,
    /// The figures of the last judgement.
    pub(super) figures: Figures,
    /// The last evaluation that found a record at the key, at first the one that found the key.
    pub(super) last_live: Timestamp,
    /// The last evaluation that found the key.
    pub(super) last_seen: Timestamp,
    /// What was told when it began to fire; `None` in the other phases.
    pub(super) fired: Option<Box<Transition>>,
    /// The revision of the key at which nothing is left to happen: until the key changes, judging it
    /// again would change nothing, whatever time passes.
    pub(super) settled: Option<u64>,
}

/// Where the instance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InstanceState {
    /// Nothing wrong.
    Inactive,
    /// True, not yet for long enough.
    Pending {
        /// When it became true.
        active_since: Timestamp,
        /// The same on the counted clock.
        since_ms: i64,
    },
    /// Firing.
    Firing {
        /// When it became true.
        active_since: Timestamp,
        /// Since when, on the counted clock, it is kept firing though the condition ended.
        ended_ms: Option<i64>,
    },
}

/// A change of phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) from: Phase,
    pub(super) to: Phase,
    pub(super) reason: Reason,
    pub(super) active_since: Timestamp,
}

impl Instance {
    pub(super) fn new(figures: Figures, at: Timestamp) -> Self {
        Self {
            state: InstanceState::Inactive,
            insufficient_since_ms: None,
            figures,
            last_live: at,
            last_seen: at,
            fired: None,
            settled: None,
        }
    }

    /// Whether the same verdict again, now or later, would leave the state as it is.
    pub(super) fn is_settled(&self, verdict: Verdict) -> bool {
        match (verdict, self.state) {
            (Verdict::Ended | Verdict::Insufficient, InstanceState::Inactive)
            | (Verdict::Met(_), InstanceState::Firing { ended_ms: None, .. }) => true,
            (Verdict::Met(_), InstanceState::Inactive | InstanceState::Firing { .. })
            | (_, InstanceState::Pending { .. })
            | (Verdict::Ended | Verdict::Insufficient, InstanceState::Firing { .. }) => false,
        }
    }

    /// The evaluation found the key.
    pub(super) fn see(&mut self, live: bool, at: Timestamp) {
        self.last_seen = at;
        if live {
            self.last_live = at;
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match self.state {
            InstanceState::Inactive => Phase::Inactive,
            InstanceState::Pending { .. } => Phase::Pending,
            InstanceState::Firing { .. } => Phase::Firing,
        }
    }

    /// When the condition became true; `None` while inactive.
    pub(super) fn active_since(&self) -> Option<Timestamp> {
        match self.state {
            InstanceState::Inactive => None,
            InstanceState::Pending { active_since, .. }
            | InstanceState::Firing { active_since, .. } => Some(active_since),
        }
    }

    /// Moves on by one judgement. At most one change of phase.
    pub(super) fn step(&mut self, judgement: Judgement, rule: &Rule, now: Now) -> Option<Step> {
        self.figures = judgement.figures;
        match judgement.verdict {
            Verdict::Met(reason) => {
                self.insufficient_since_ms = None;
                self.begin(reason, millis_of(rule.hold), now)
            }
            Verdict::Ended => {
                self.insufficient_since_ms = None;
                self.cease(millis_of(rule.keep_firing), now)
            }
            Verdict::Insufficient => {
                let since_ms = *self.insufficient_since_ms.get_or_insert(now.counted_ms);
                let passed = now.counted_ms - since_ms >= millis_of(rule.insufficient_for);
                if passed {
                    self.end(Reason::Insufficient)
                } else {
                    None
                }
            }
        }
    }

    /// Back to inactive from wherever it stands, at once.
    pub(super) fn end(&mut self, reason: Reason) -> Option<Step> {
        let from = self.phase();
        let active_since = self.active_since()?;
        self.state = InstanceState::Inactive;
        Some(Step {
            from,
            to: Phase::Inactive,
            reason,
            active_since,
        })
    }

    /// The condition is true.
    fn begin(&mut self, reason: Reason, hold_ms: i64, now: Now) -> Option<Step> {
        let from = self.phase();
        let (active_since, since_ms) = match &mut self.state {
            InstanceState::Inactive => (now.at, now.counted_ms),
            InstanceState::Pending {
                active_since,
                since_ms,
            } => (*active_since, *since_ms),
            InstanceState::Firing { ended_ms, .. } => {
                *ended_ms = None;
                return None;
            }
        };
        let to = if now.counted_ms - since_ms >= hold_ms {
            self.state = InstanceState::Firing {
                active_since,
                ended_ms: None,
            };
            Phase::Firing
        } else {
            self.state = InstanceState::Pending {
                active_since,
                since_ms,
            };
            Phase::Pending
        };
        (from != to).then_some(Step {
            from,
            to,
            reason,
            active_since,
        })
    }

    /// The condition is false.
    fn cease(&mut self, keep_firing_ms: i64, now: Now) -> Option<Step> {
        if let InstanceState::Firing { ended_ms, .. } = &mut self.state {
            let since_ms = *ended_ms.get_or_insert(now.counted_ms);
            if now.counted_ms - since_ms < keep_firing_ms {
                return None;
            }
        }
        self.end(Reason::Cleared)
    }
}
