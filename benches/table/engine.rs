//! Engine rows: JSON bytes to finished windows on one core.

use std::sync::Arc;
use std::time::Duration;

use cxpulse::app::Pipeline;
use cxpulse::decode;
use cxpulse::decode::{Decoded, Decoder};
use cxpulse::engine::{Engine, Settings, WaitingPolicy};
use cxpulse::event::HashKey;
use cxpulse::simulate::workload;
use cxpulse::source::Envelope;

use crate::anchor;
use crate::feed::Feed;
use crate::measure::{median, time};
use crate::row::Row;

const KEY: HashKey = HashKey::from_bytes([7; 16]);
/// Messages between two ticks: the smallest pane, five seconds of event time.
const TICK: usize = 5000;
const CHUNK: u64 = 50_000;

/// Settings whose ledger holds about so many entries in the steady state of the workload: lateness
/// and horizon are shortened, in the ratio of the defaults.
pub(crate) fn settings_for(entries: u64) -> Settings {
    let lateness = Duration::from_millis(entries / 2);
    let mut settings = Settings {
        allowed_lateness: lateness,
        ..Settings::default()
    };
    settings.kpis.survey_join_within = lateness;
    settings.kpis.fcr.horizon = lateness * 7;
    settings
}

pub(crate) fn workload_for(entries: u64) -> workload::Settings {
    workload::Settings {
        chains: workload::Settings::chains_for_memory(entries / 2 * 9),
        ..workload::Settings::default()
    }
}

pub(crate) fn pipeline(settings: Settings) -> Pipeline {
    let engine = Engine::new(Arc::new(settings), WaitingPolicy::Keep);
    Pipeline::new(Arc::new(decode::Settings::default()), KEY, engine)
}

/// Lets messages in as a live run does: T moves on each second of event time, and so do the windows.
pub(crate) fn run(pipeline: &mut Pipeline, messages: &[Envelope]) -> u64 {
    let mut rejected = 0;
    for second in messages.chunks(TICK) {
        let at = second[second.len() - 1].stored_at.plus_millis(1);
        pipeline.engine.advance(at);
        for message in second {
            pipeline.process(message, &mut |_| rejected += 1);
        }
        pipeline.engine.settle(at);
    }
    rejected
}

/// Medians of nanoseconds an event over the chunks of a steady state.
pub(crate) struct Steady {
    pub(crate) anchor: f64,
    pub(crate) decode: f64,
    pub(crate) engine: f64,
}

pub(crate) fn measure(
    pipeline: &mut Pipeline,
    feed: &mut Feed,
    warm: u64,
    chunks: usize,
) -> Steady {
    let mut left = warm;
    while left > 0 {
        run(pipeline, &feed.chunk(CHUNK.min(left)));
        left = left.saturating_sub(CHUNK);
    }
    let mut decoder = Decoder::new(Arc::new(decode::Settings::default()), KEY);
    let mut decoded = Decoded::default();
    let (mut anchors, mut decodes, mut engines) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..chunks {
        let messages = feed.chunk(CHUNK);
        let each = |nanoseconds: u64| nanoseconds as f64 / messages.len() as f64;
        anchors.push(each(time(|| anchor::decode(&messages)).0));
        let only = time(|| {
            for message in &messages {
                decoded.clear();
                decoder.decode(message, 0, &mut decoded);
            }
        });
        decodes.push(each(only.0));
        engines.push(each(time(|| run(pipeline, &messages)).0));
    }
    Steady {
        anchor: median(anchors),
        decode: median(decodes),
        engine: median(engines),
    }
}

/// Row 1.
pub(crate) fn steady() -> Vec<Row> {
    let entries = number("CXPULSE_BENCH_ENTRIES", 1_000_000);
    let mut pipeline = pipeline(settings_for(entries));
    let mut feed = Feed::new(workload_for(entries));
    let steady = measure(&mut pipeline, &mut feed, entries / 2 * 9 + entries, 20);
    let stats = pipeline.engine.stats();
    vec![Row {
        number: "1",
        what: format!(
            "engine, one core: {} ledger entries, {} contacts",
            stats.ledger_entries, stats.chain_contacts
        ),
        measured: format!(
            "{:.0} ns an event (of that decode {:.0}); serde_json alone {:.0}",
            steady.engine, steady.decode, steady.anchor
        ),
        figure: steady.anchor / steady.engine,
        unit: "x",
        bar: 0.5,
        aim: 0.7,
        more_is_better: true,
    }]
}

pub(crate) fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap(),
        Err(_) => default,
    }
}
