//! SIGHUP: what of a new configuration a running service takes over, and what must wait for a
//! restart. A bad one never replaces a good one.

use std::path::PathBuf;

use tokio::sync::mpsc;
use tracing::{error, warn};

use super::worker::Order;
use crate::alert::{self, Rule};
use crate::config::{self, Config};
use crate::kpi::Kpi;
use crate::telemetry::SelfMetrics;

/// Loads the configuration again and hands it to the engine's thread.
pub(super) struct Reloader {
    /// What the service was started with; the parts that are not reloaded stay as they are.
    running: Config,
    path: Option<PathBuf>,
    orders: mpsc::Sender<Order>,
    metrics: SelfMetrics,
}

impl Reloader {
    pub(super) fn new(
        running: Config,
        path: Option<PathBuf>,
        orders: mpsc::Sender<Order>,
        metrics: &SelfMetrics,
    ) -> Self {
        Self {
            running,
            path,
            orders,
            metrics: metrics.clone(),
        }
    }

    /// Takes the file as it is now over, or says why not.
    pub(super) async fn reload(&mut self) {
        let loaded = match config::load(self.path.as_deref(), config::process_environment()) {
            Ok(loaded) => loaded,
            Err(problems) => {
                self.metrics.config_last_reload_successful.set(0);
                error!(%problems, "the new configuration is wrong; the running one stays");
                return;
            }
        };
        for warning in &loaded.warnings {
            warn!(%warning, "configuration");
        }
        let config = loaded.config;
        let lacking = lacking(&self.running, &config);
        if !lacking.is_empty() {
            self.metrics.config_last_reload_successful.set(0);
            let lacking = lacking.join("; ");
            error!(
                lacking,
                "the running configuration stays; restart to take the new one over"
            );
            return;
        }
        let waiting = waiting_for_restart(&self.running, &config);
        if !waiting.is_empty() {
            let sections = waiting.join(", ");
            warn!(
                sections,
                "changes outside of alerts, sinks and export wait for a restart"
            );
        }
        let order = Order::Reload(Box::new(config));
        if self.orders.send(order).await.is_err() {
            warn!("the engine is gone, nothing was reloaded");
        }
    }
}

/// What rules of the new configuration look at and the running engine does not keep.
fn lacking(running: &Config, new: &Config) -> Vec<String> {
    let rules = new.alert.rules.iter();
    rules
        .flat_map(|rule| lacking_for(rule, running, new))
        .collect()
}

fn lacking_for(rule: &Rule, running: &Config, new: &Config) -> Vec<String> {
    let mut lacking = Vec::new();
    for name in alert::names_read(rule, &new.engine.windows) {
        let spec = |config: &Config| {
            let mut windows = config.engine.windows.iter();
            let found = windows.find(|window| window.name == name);
            found.map(|window| (window.length, window.pane, window.delay))
        };
        if spec(running).is_none() || spec(running) != spec(new) {
            lacking.push(format!("alert {} needs the window {name}", rule.name));
        }
    }
    let kept = &running.engine;
    if !kept.breakdowns.contains(&rule.breakdown) {
        let breakdown = rule.breakdown.join(",");
        lacking.push(format!(
            "alert {} needs the breakdown {breakdown}",
            rule.name
        ));
    }
    let quantiles = &kept.kpis.handle_time_breakdowns;
    if rule.kpi == Kpi::HandleTime && !quantiles.contains(&rule.breakdown) {
        lacking.push(format!(
            "alert {} needs kpis.handle_time.breakdowns to name its breakdown",
            rule.name
        ));
    }
    lacking
}

/// The sections that differ and are read at the start alone.
fn waiting_for_restart(running: &Config, new: &Config) -> Vec<&'static str> {
    // Windows that only alerts need come and go with the rules.
    let engine = |config: &Config| {
        let mut settings = config.engine.clone();
        settings.windows.retain(|window| !window.for_alert_only);
        settings
    };
    let changed = [
        ("nats", running.nats != new.nats),
        ("source", running.source != new.source),
        ("events", running.decode != new.decode),
        (
            "window, breakdown, dimensions, kpis, ledger",
            engine(running) != engine(new),
        ),
        ("checkpoint", running.checkpoint != new.checkpoint),
        ("dead_letter", running.dead_letter != new.dead_letter),
        ("http", running.http != new.http),
        ("log", running.log != new.log),
    ];
    let changed = changed.into_iter().filter(|(_, differs)| *differs);
    changed.map(|(section, _)| section).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::alert::Condition;

    fn config(window: &str, hours: u64) -> Config {
        let mut config = Config::default();
        let length = Duration::from_hours(hours);
        config.alert.rules = vec![Rule::new(
            "low",
            Kpi::Csat,
            window,
            length,
            Condition::Below(0.7),
        )];
        config
    }

    #[test]
    fn a_rule_may_look_at_what_is_kept() {
        let running = Config::default();
        assert_eq!(lacking(&running, &config("1h", 1)), Vec::<String>::new());
        let unknown = lacking(&running, &config("6h", 6));
        assert_eq!(unknown, ["alert low needs the window 6h"]);
        let mut by_site = config("1h", 1);
        by_site.alert.rules[0].breakdown = vec!["site".into()];
        let lacks = lacking(&running, &by_site);
        assert_eq!(lacks, ["alert low needs the breakdown site"]);
    }

    #[test]
    fn a_window_that_changed_is_not_the_one_that_is_kept() {
        let mut new = config("1h", 1);
        for window in &mut new.engine.windows {
            window.delay = Duration::from_mins(5);
        }
        let lacks = lacking(&Config::default(), &new);
        assert_eq!(lacks, ["alert low needs the window 1h"]);
    }

    #[test]
    fn what_waits_for_a_restart_is_named() {
        let mut new = config("1h", 1);
        assert_eq!(waiting_for_restart(&Config::default(), &new), [""; 0]);
        new.engine.max_keys += 1;
        new.http.refresh_interval *= 2;
        let waiting = waiting_for_restart(&Config::default(), &new);
        assert_eq!(
            waiting,
            ["window, breakdown, dimensions, kpis, ledger", "http"]
        );
    }
}
