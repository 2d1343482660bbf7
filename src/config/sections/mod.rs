//! The sections of the configuration, one file each, and their composition.

mod alert_keys;
mod alert_texts;
mod alerts;
mod board;
mod breakdown;
mod checkpoint;
mod condition;
mod dead_letter;
mod dimension;
mod events;
mod export;
mod http;
mod kpis;
mod ledger;
mod log;
mod nats;
mod scale;
mod sinks;
mod source;
mod window;

pub(super) use condition::Draft;
pub(super) use dimension::Known;
pub(super) use window::Length;

use std::collections::BTreeSet;

use crate::{decode, engine};

use super::checked::Config;
use super::report::{At, Given, Report};
use super::section::Section;
use super::{advice, subject};

/// The sections in the order of the documented default.
const ORDER: [&str; 16] = [
    "nats",
    "source",
    "events",
    "window",
    "breakdown",
    "dimensions",
    "kpis",
    "ledger",
    "export",
    "checkpoint",
    "dead_letter",
    "alerts",
    "alert",
    "sinks",
    "http",
    "board",
];

/// Reads and checks everything. Where something is wrong, the report has problems and the result is
/// not to be used.
pub(super) fn read(mut root: Section, report: &mut Report) -> Config {
    let nats = nats::read(&mut root, report);
    let source = source::read(&mut root, report);
    let dead_letter = dead_letter::read(&mut root, report);
    let sink = sinks::read(&mut root, report);
    let mut windows = window::read(&mut root, report);
    let breakdown = breakdown::read(&mut root, report);
    let known = dimension::read_known(&mut root, report);
    let kpis = kpis::read(&mut root, report, &breakdown.sets, &known);
    let ledger = ledger::read(&mut root, report);
    let judge = advice::Judge {
        known: &known,
        kpis: &kpis.settings,
        csat_scale_milli: kpis.csat_scale_milli,
        ces_scale_milli: kpis.ces_scale_milli,
    };
    let alert = alerts::read(&mut root, report, &mut windows, &breakdown.sets, &judge);
    let dimensions = dimensions(&breakdown.sets.value, &known, &kpis);
    let events = events::read(&mut root, report, &dimensions);
    let export = export::read(&mut root, report, &kpis.settings, &windows);
    let board = board::read(&mut root, report, &windows);
    let config = Config {
        decode: decode::Settings {
            dimensions: dimensions.clone(),
            csat_scale_milli: kpis.csat_scale_milli,
            ces_scale_milli: kpis.ces_scale_milli,
            ..events.decode
        },
        engine: engine::Settings {
            windows: windows.into_specs(),
            breakdowns: breakdown.sets.value,
            max_keys: breakdown.max_keys,
            key_ttl: breakdown.key_ttl,
            known_values: known.values,
            dimensions,
            kpis: kpis.settings,
            max_clock_skew: events.max_clock_skew,
            allowed_lateness: ledger.allowed_lateness,
            max_entries: ledger.max_entries,
        },
        export,
        checkpoint: checkpoint::read(&mut root, report),
        http: crate::http::Settings {
            board,
            ..http::read(&mut root, report)
        },
        log: log::read(&mut root, report),
        nats,
        source: source.settings,
        dead_letter: dead_letter.settings,
        alert,
        sink: sink.settings,
    };
    refuse_own_output(
        &source.subjects,
        &dead_letter.subject,
        sink.nats.as_ref(),
        report,
    );
    advise_on_subjects(&source.subjects, &events.subjects, report);
    root.finish(report);
    report.shown.sort_by_key(|shown| {
        let section = shown.key.split(['.', '[']).next();
        ORDER
            .iter()
            .position(|name| Some(*name) == section)
            .unwrap_or(ORDER.len())
    });
    config
}

/// The dimensions that events carry: the three of the contract, then all that a breakdown, a list
/// of known values or a service-level rule names. Alerts name no others: their breakdowns are
/// among the configured ones.
fn dimensions(sets: &[Vec<String>], known: &Known, kpis: &kpis::Kpis) -> Vec<String> {
    let standard = decode::Settings::default().dimensions;
    let rules = &kpis.settings.service_level_rules;
    let named: BTreeSet<&String> = sets
        .iter()
        .flatten()
        .chain(&known.names)
        .chain(rules.iter().flat_map(|rule| rule.matches.keys()))
        .filter(|name| !standard.contains(*name))
        .collect();
    standard.iter().chain(named).cloned().collect()
}

/// A source that reads what we publish would feed on itself.
fn refuse_own_output(
    subjects: &[Given<String>],
    dead_letter: &Given<String>,
    alerts: Option<&Given<String>>,
    report: &mut Report,
) {
    let alerts = alerts.map(|prefix| (format!("{}.>", prefix.value), &prefix.at, "alerts"));
    let dead_letters = (dead_letter.value.clone(), &dead_letter.at, "dead letters");
    for (output, output_at, what) in std::iter::once(dead_letters).chain(alerts) {
        for subject in subjects {
            if subject::overlap(&subject.value, &output) {
                let at = first_given(&subject.at, output_at);
                report.problem(
                    at,
                    format!(
                        "source subject `{}` covers {what} (`{output}`)",
                        subject.value
                    ),
                    "read narrower subjects, or publish elsewhere",
                );
            }
        }
    }
}

/// A mapping that no message can meet is most likely left over.
fn advise_on_subjects(subjects: &[Given<String>], mapped: &[Given<String>], report: &mut Report) {
    for mapping in mapped.iter().filter(|mapping| mapping.at.origin.is_given()) {
        let met = subjects
            .iter()
            .any(|subject| subject::overlap(&subject.value, &mapping.value));
        if !met {
            report.warning(
                &mapping.at,
                format!("no source subject meets `{}`", mapping.value),
                "source.subjects says what is read",
            );
        }
    }
}

/// The place to report a contradiction at: the one that somebody wrote.
fn first_given<'a>(first: &'a At, second: &'a At) -> &'a At {
    if first.origin.is_given() {
        first
    } else {
        second
    }
}
