//! Row 9: how long ingest stands still: while a checkpoint of millions of entries is captured, and
//! when the pane of very many keys closes.

use std::sync::Arc;

use cxpulse::app::{Saver, SaverMetrics, Unwatched};
use cxpulse::checkpoint::{Head, Store};
use cxpulse::engine::WORK_AT_A_TIME;
use cxpulse::source::Envelope;
use cxpulse::time::SystemClock;
use hdrhistogram::Histogram;
use prometheus::{Gauge, IntCounter};

use crate::child;
use crate::measure::{median, now};
use crate::row::Row;
use crate::sizes::{runs, scaled};
use crate::state::{CHUNK, Shape, Subject};

/// Messages in a batch of the source.
const BATCH: usize = 500;
/// Batches in a second of event time.
const BATCHES_A_SECOND: usize = 2;
/// Seconds of event time that pass: the longest pane, 24 minutes, closes among them.
const SECONDS: u64 = 1500;

/// Row 9.
pub(crate) fn rows() -> Vec<Row> {
    let saved = child::run("stops-checkpoint", scaled(5_000_000));
    let closed = child::run("stops-panes", scaled(80_000).max(800));
    vec![
        Row {
            number: "9a",
            what: format!(
                "longest stop of ingest, checkpoint of {} entries and {} contacts",
                saved["entries"], saved["contacts"]
            ),
            measured: format!(
                "between batches of 500: p99.9 {:.2} ms, without a checkpoint longest {:.2} ms; {:.0} ms a checkpoint",
                saved["p999"], saved["quiet"], saved["took"]
            ),
            figure: saved["longest"],
            unit: "ms",
            bar: 10.0,
            aim: 2.0,
            more_is_better: false,
        },
        Row {
            number: "9b",
            what: format!(
                "longest stop of ingest, panes of {} keys close",
                closed["keys"]
            ),
            measured: format!(
                "between batches of 500: p99 {:.2} ms; making a view takes {:.0} ms",
                closed["p99"], closed["view"]
            ),
            figure: closed["longest"],
            unit: "ms",
            bar: 50.0,
            aim: 10.0,
            more_is_better: false,
        },
    ]
}

/// The process of one of them.
pub(crate) fn child(name: &str, size: u64) {
    match name {
        "stops-checkpoint" => checkpoints(size),
        _ => panes(size),
    }
}

fn checkpoints(entries: u64) {
    let mut subject = Shape::with_horizon(entries, 1).steady();
    let folder = tempfile::tempdir().unwrap();
    let metrics = SaverMetrics {
        last_success: Gauge::new("last", "When.").unwrap(),
        failures: IntCounter::new("failures", "How many.").unwrap(),
    };
    let failures = metrics.failures.clone();
    let store = Store::new(folder.path(), 2);
    let mut saver = Saver::start(store, 1, metrics, Arc::new(SystemClock)).unwrap();
    let head = Head {
        fingerprint: 0,
        place: None,
    };
    let mut quiet = Histogram::<u64>::new(3).unwrap();
    let mut all = Histogram::<u64>::new(3).unwrap();
    let (mut longest, mut took) = (Vec::new(), Vec::new());
    for _ in 0..runs() {
        let mut gaps = Histogram::<u64>::new(3).unwrap();
        let began = now();
        let mut begun = false;
        // The saver's thread may still be at the one before: then it begins a batch later.
        while !begun || saver.is_busy() {
            batches(
                &mut subject,
                |subject, batch| {
                    if !begun {
                        begun = saver.begin(&mut subject.pipeline.engine, head.clone());
                    }
                    let busy = saver.is_busy();
                    take(subject, batch);
                    saver.step(&mut subject.pipeline.engine);
                    busy
                },
                [&mut quiet, &mut gaps],
            );
        }
        took.push(began.elapsed().as_secs_f64() * 1000.0);
        longest.push(milliseconds(gaps.max()));
        all.add(&gaps).unwrap();
    }
    saver.finish(&mut subject.pipeline.engine, &head);
    assert_eq!(failures.get(), 0, "a checkpoint failed");
    child::print(&[
        ("longest", median(longest)),
        ("p999", milliseconds(all.value_at_quantile(0.999))),
        ("quiet", milliseconds(quiet.max())),
        ("took", median(took)),
        ("entries", subject.entries() as f64),
        ("contacts", subject.contacts() as f64),
    ]);
}

fn panes(keys: u64) {
    let shape = Shape::of_entries(scaled(1_000_000)).with_keys(u32::try_from(keys).unwrap());
    let mut subject = shape.steady();
    let mut quiet = Histogram::<u64>::new(3).unwrap();
    let mut gaps = Histogram::<u64>::new(3).unwrap();
    let (mut second, mut in_second) = (0, 0);
    let mut views = Vec::new();
    while second < SECONDS {
        batches(
            &mut subject,
            |subject, batch| {
                take(subject, batch);
                in_second += 1;
                if in_second == BATCHES_A_SECOND {
                    in_second = 0;
                    second += 1;
                    let at = batch[batch.len() - 1].stored_at.plus_millis(1);
                    // A refresh: what has left the windows is taken off, what came is added up.
                    subject.pipeline.engine.settle(at);
                }
                // As the service does between what it takes from the source.
                subject.pipeline.engine.work_ahead(WORK_AT_A_TIME);
                true
            },
            [&mut quiet, &mut gaps],
        );
        let at = subject.feed.now().plus_millis(1);
        let began = now();
        let view = subject.pipeline.engine.view(at);
        views.push(began.elapsed().as_secs_f64() * 1000.0);
        drop(view);
    }
    child::print(&[
        ("longest", milliseconds(gaps.max())),
        ("p99", milliseconds(gaps.value_at_quantile(0.99))),
        ("view", median(views)),
        ("keys", subject.keys() as f64),
    ]);
}

/// Hands the batches of the next chunk to `work`, and records how long each took: in the second
/// histogram where `work` says so.
fn batches(
    subject: &mut Subject,
    mut work: impl FnMut(&mut Subject, &[Envelope]) -> bool,
    [no, yes]: [&mut Histogram<u64>; 2],
) {
    let messages = subject.feed.chunk(CHUNK);
    for batch in messages.chunks(BATCH) {
        let began = now();
        let counts = work(subject, batch);
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap();
        let gaps = if counts { &mut *yes } else { &mut *no };
        gaps.record(micros.max(1)).unwrap();
    }
}

/// T stands at the present, and the events of a batch have ended before.
fn take(subject: &mut Subject, batch: &[Envelope]) {
    let at = batch[batch.len() - 1].stored_at.plus_millis(1);
    subject.pipeline.engine.advance(at);
    subject.pipeline.process_all(batch, &mut Unwatched);
}

fn milliseconds(micros: u64) -> f64 {
    micros as f64 / 1000.0
}
