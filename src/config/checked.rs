//! The checked configuration: composed of the settings of the rooms.

use crate::engine::BreakdownView;
use crate::{alert, checkpoint, dead_letter, decode, engine, export, http, nats, sink, source};

/// Everything cxpulse can be told, checked. Made by `config::load`; the default is what runs
/// without a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `[nats]`
    pub nats: nats::Settings,
    /// `[source]`
    pub source: source::Settings,
    /// `[events]` and the scales of `[kpis]`
    pub decode: decode::Settings,
    /// `[[window]]`, `[breakdown]`, `[dimensions]`, `[kpis]`, `[ledger]`
    pub engine: engine::Settings,
    /// `[export]`
    pub export: export::Settings,
    /// `[checkpoint]`
    pub checkpoint: checkpoint::Settings,
    /// `[dead_letter]`
    pub dead_letter: dead_letter::Settings,
    /// `[alerts]` and `[[alert]]`
    pub alert: alert::Settings,
    /// `[sinks]`
    pub sink: sink::Settings,
    /// `[http]`
    pub http: http::Settings,
    /// `[log]`
    pub log: Log,
}

impl Config {
    /// What the alerts look at: on the metrics page whatever `export.kpis` says.
    pub fn export_extras(&self) -> Vec<export::Extra> {
        let rules = self.alert.rules.iter();
        rules.flat_map(|rule| self.extras_of(rule)).collect()
    }

    fn extras_of(&self, rule: &alert::Rule) -> Vec<export::Extra> {
        let mut windows = alert::names_read(rule, &self.engine.windows);
        windows.push(rule.window.clone());
        windows.sort();
        windows.dedup();
        let extras = windows.into_iter().map(|window| export::Extra {
            kpi: rule.kpi,
            window,
            breakdown: BreakdownView::label_of(&rule.breakdown),
            intervals: rule.confident,
        });
        extras.collect()
    }
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Filter directive (`info`, `cxpulse=debug`); default `info`.
    pub level: String,
    /// How lines look; default text.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: LogFormat::Text,
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}
