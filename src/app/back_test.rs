//! Alerts over recorded events: the rules judged at the multiples of their interval that event time
//! passes, as they would have been live.

use super::pipeline::Observer;
use crate::alert::template::TemplateError;
use crate::alert::{Evaluator, Rule, Transition, windows_read};
use crate::config::Config;
use crate::engine::{Engine, KeptView};
use crate::event::Event;
use crate::kpi::Kpi;
use crate::source::Envelope;
use crate::time::{Timestamp, millis_of};

/// Leaves out the breakdowns that no rule watches: no transition depends on them, and booking each
/// event there would take most of the time.
pub fn leave_out_what_no_rule_reads(config: &mut Config) {
    let rules = &config.alert.rules;
    config
        .engine
        .breakdowns
        .retain(|set| set.is_empty() || rules.iter().any(|rule| rule.breakdown == *set));
    config.engine.kpis.handle_time_breakdowns.retain(|set| {
        let watches = |rule: &Rule| rule.kpi == Kpi::HandleTime;
        rules
            .iter()
            .any(|rule| watches(rule) && rule.breakdown == *set)
    });
}

/// Rules, their states, and what came of them so far.
#[derive(Debug)]
pub struct BackTest {
    evaluator: Evaluator,
    view: KeptView,
    interval_ms: i64,
    max_clock_skew_ms: i64,
    until: Timestamp,
    /// The first and the last instant that was judged.
    judged: Option<(Timestamp, Timestamp)>,
    /// The next instant; `None` before the first event.
    next: Option<Timestamp>,
    transitions: Vec<Transition>,
}

impl BackTest {
    /// The rules of a configuration, all inactive; nothing is judged after `until`.
    ///
    /// # Errors
    ///
    /// When an annotation is not a valid template; the configuration has checked that before.
    pub fn new(
        config: &Config,
        engine: &Engine,
        until: Option<Timestamp>,
    ) -> Result<Self, TemplateError> {
        let wanted = windows_read(&config.alert.rules, &config.engine.windows);
        Ok(Self {
            evaluator: Evaluator::new(&config.alert, config.engine.key_ttl)?,
            view: engine.kept_view(wanted),
            interval_ms: millis_of(config.alert.interval).max(1),
            max_clock_skew_ms: millis_of(config.engine.max_clock_skew),
            until: until.unwrap_or(Timestamp::MAX),
            judged: None,
            next: None,
            transitions: Vec::new(),
        })
    }

    /// Judges the instants before `end`.
    pub fn evaluate_until(&mut self, engine: &mut Engine, end: Timestamp) {
        while let Some(next) = self.next.filter(|next| *next < end && *next <= self.until) {
            let view = engine.update(&mut self.view, next);
            self.transitions
                .extend(self.evaluator.evaluate(view, next, false));
            self.judged = Some((self.judged.map_or(next, |judged| judged.0), next));
            self.next = Some(next.plus_millis(self.interval_ms));
        }
    }

    /// The transitions since the last call, in order.
    pub fn transitions(&mut self) -> std::vec::Drain<'_, Transition> {
        self.transitions.drain(..)
    }

    /// The first and the last instant that was judged; `None` before the first.
    pub fn judged(&self) -> Option<(Timestamp, Timestamp)> {
        self.judged
    }
}

impl Observer for BackTest {
    /// Judges the instants between the events so far and this one, which comes next. An instant T
    /// is judged by what came before the first event at or after T.
    fn before(&mut self, engine: &mut Engine, event: &Event, envelope: &Envelope) {
        let event_time = event.record().event_time;
        if self.next.is_some_and(|next| event_time < next) {
            return;
        }
        let is_future = event_time.millis_since(envelope.stored_at) > self.max_clock_skew_ms;
        if is_future || event_time >= self.until {
            return;
        }
        if self.next.is_none() {
            self.next = Some(
                event_time
                    .floor_to(self.interval_ms)
                    .plus_millis(self.interval_ms),
            );
        }
        self.evaluate_until(engine, event_time.plus_millis(1));
    }
}
