//! Alerts: evaluated at the multiples of their interval, their state on disk before anything is
//! sent.

use std::path::PathBuf;
use std::sync::Arc;

use tracing::{error, info, warn};

use crate::alert::{Evaluator, Settings, State, Transition};
use crate::checkpoint;
use crate::engine::View;
use crate::export::AlertSeries;
use crate::http::{Alerts, Shared};
use crate::sink;
use crate::time::{Timestamp, millis_of};

/// Who is told of transitions.
pub(super) trait Notify: Send {
    /// Hands transitions over; never waits.
    fn notify(&self, transitions: &[Transition]);

    /// Takes over changed receivers. New ones are told `announced`, what all receivers should know
    /// after a restart; those that stay are not told it again.
    fn adopt(&self, receivers: sink::Plan, announced: &[Transition]);
}

/// The evaluator with its surroundings.
pub(super) struct Alerting {
    evaluator: Evaluator,
    interval_ms: i64,
    max_behind_ms: i64,
    /// Where the state is kept; `None` keeps it nowhere (demo).
    path: PathBuf,
    shared: Arc<Shared>,
    notify: Box<dyn Notify>,
    /// The next instant; `None` before the first.
    next: Option<Timestamp>,
}

impl Alerting {
    /// An evaluator of these rules that continues the state kept at `path`.
    pub(super) fn new(
        settings: &Settings,
        key_ttl: std::time::Duration,
        path: PathBuf,
        shared: Arc<Shared>,
        notify: Box<dyn Notify>,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let mut alerting = Self {
            evaluator: Evaluator::new(settings, key_ttl)?,
            interval_ms: millis_of(settings.interval).max(1),
            max_behind_ms: millis_of(settings.max_behind),
            path,
            shared,
            notify,
            next: None,
        };
        alerting.restore(now);
        alerting.publish();
        Ok(alerting)
    }

    fn restore(&mut self, now: Timestamp) {
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => {
                error!(path = %self.path.display(), %error, "alert state cannot be read; alerts begin inactive");
                return;
            }
        };
        match State::from_json(&text) {
            Ok(state) => {
                let mut transitions = self.evaluator.restore(state, now);
                transitions.extend(self.evaluator.announce());
                self.save();
                self.notify.notify(&transitions);
                info!(path = %self.path.display(), "alert state restored");
            }
            Err(error) => {
                let aside = self.path.with_extension("corrupt");
                let kept = std::fs::rename(&self.path, &aside).is_ok();
                error!(path = %self.path.display(), %error, kept, "alert state is damaged; alerts begin inactive");
            }
        }
    }

    /// The next instant that lies at or before `now`, if any. The first one is the next multiple
    /// of the interval after the start.
    pub(super) fn due(&mut self, now: Timestamp) -> Option<Timestamp> {
        let next = *self
            .next
            .get_or_insert_with(|| now.floor_to(self.interval_ms).plus_millis(self.interval_ms));
        (next <= now).then_some(next)
    }

    /// Whether the instant must be judged by a view at exactly it; otherwise it is passed over
    /// with states frozen.
    pub(super) fn is_frozen(&self, caught_up: bool, behind_ms: i64) -> bool {
        !caught_up || behind_ms > self.max_behind_ms
    }

    /// Judges the rules at `at`.
    pub(super) fn evaluate(&mut self, view: &View, at: Timestamp, frozen: bool) {
        self.next = Some(at.plus_millis(self.interval_ms));
        let transitions = self.evaluator.evaluate(view, at, frozen);
        if !transitions.is_empty() {
            self.save();
            for transition in &transitions {
                info!(
                    alert = transition.alert,
                    from = transition.from.name(),
                    to = transition.to.name(),
                    value = transition.value,
                    samples = transition.samples,
                    reason = transition.reason.name(),
                    "alert changed"
                );
            }
            self.notify.notify(&transitions);
        }
        self.publish();
    }

    /// Takes over changed rules and receivers; all of it or, on an error, nothing.
    pub(super) fn reload(
        &mut self,
        settings: &Settings,
        receivers: &sink::Settings,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let receivers = sink::Plan::of(receivers)?;
        let transitions = self.evaluator.reload(settings, now)?;
        self.interval_ms = millis_of(settings.interval).max(1);
        self.max_behind_ms = millis_of(settings.max_behind);
        self.next = None;
        self.save();
        self.notify.notify(&transitions);
        self.notify.adopt(receivers, &self.evaluator.announce());
        self.publish();
        Ok(())
    }

    /// Writes the state, synced, before anything is sent: otherwise a page could lose its resolve.
    fn save(&self) {
        let saved = match self.evaluator.state().to_json() {
            Ok(text) => {
                checkpoint::write_atomically(&self.path, &text).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = saved {
            warn!(path = %self.path.display(), error, "alert state cannot be saved; a restart may repeat or miss notifications");
        }
    }

    fn publish(&self) {
        let snapshot = self.evaluator.snapshot();
        let series = snapshot
            .series()
            .map(|series| AlertSeries {
                name: series.alert.to_owned(),
                severity: series.severity.to_owned(),
                labels: series.key.to_vec(),
                state: series.state,
                insufficient: series.insufficient,
            })
            .collect();
        match serde_json::to_vec(&snapshot) {
            Ok(json) => self.shared.set_alerts(Alerts {
                series,
                json: json.into(),
            }),
            Err(error) => error!(%error, "alert states cannot be shown"),
        }
    }
}
