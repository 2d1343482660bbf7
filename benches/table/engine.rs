//! Rows 1 and 2: JSON bytes to finished windows on one core, and how that grows.

use std::sync::Arc;
use std::time::Duration;

use cxpulse::decode;
use cxpulse::decode::{Decoded, Decoder};
use cxpulse::source::Envelope;
use cxpulse::window::WindowSpec;

use crate::anchor;
use crate::measure::{median, time};
use crate::row::Row;
use crate::sizes::scaled;
use crate::state::{CHUNK, KEY, Shape, Subject};

/// Chunks of which the median is taken.
const CHUNKS: usize = 21;

/// Row 1.
pub(crate) fn steady() -> Vec<Row> {
    let mut subject = Shape::of_entries(scaled(1_000_000)).steady();
    let (mut anchors, mut decodes, mut engines) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..CHUNKS {
        let messages = subject.feed.chunk(CHUNK);
        anchors.push(each(&messages, || {
            anchor::decode(&messages);
        }));
        decodes.push(each(&messages, || decode_only(&messages)));
        engines.push(each(&messages, || subject.take(&messages)));
    }
    let (serde, only, engine) = (median(anchors), median(decodes), median(engines));
    vec![Row {
        number: "1",
        what: format!(
            "engine, one core: {} ledger entries, {} contacts; against serde_json decoding alone",
            subject.entries(),
            subject.contacts()
        ),
        measured: format!(
            "{engine:.0} ns an event = {:.2} M/s (of that decode {only:.0}); serde_json {serde:.0}",
            1000.0 / engine
        ),
        figure: serde / engine,
        unit: "x",
        bar: 0.5,
        aim: 0.7,
        more_is_better: true,
    }]
}

/// Row 2: six windows.
pub(crate) fn windows() -> Vec<Row> {
    let entries = scaled(1_000_000);
    let mut wide = Shape::of_entries(entries);
    let day = Duration::from_hours(24);
    for (name, length) in [("6h", day / 4), ("7d", day * 7), ("30d", day * 30)] {
        wide.engine.windows.push(WindowSpec::new(name, length));
    }
    let what = "six windows, 7d and 30d among them; against row 1".to_owned();
    compare("2a", what, &Shape::of_entries(entries), &wide, 0.8, 0.9)
}

/// Row 2: many keys. The short side has the breakdown by queue and channel as well.
pub(crate) fn keys() -> Vec<Row> {
    let base = Shape::of_entries(scaled(1_000_000));
    let many = u32::try_from(scaled(80_000)).unwrap().max(800);
    let what = format!("{many} keys of queue and channel; against 800");
    compare(
        "2b",
        what,
        &base.clone().with_keys(800),
        &base.with_keys(many),
        0.3,
        0.45,
    )
}

/// Row 2: a large ledger.
pub(crate) fn ledger() -> Vec<Row> {
    let (few, many) = (scaled(100_000), scaled(10_000_000));
    let what = format!("a ledger of {many} entries; against {few}");
    compare(
        "2c",
        what,
        &Shape::of_entries(few),
        &Shape::of_entries(many),
        0.6,
        0.7,
    )
}

/// The rate of one state as a share of another's, measured in turn.
fn compare(
    number: &'static str,
    what: String,
    base: &Shape,
    grown: &Shape,
    bar: f64,
    aim: f64,
) -> Vec<Row> {
    let (mut base, mut grown) = (base.steady(), grown.steady());
    let (mut short, mut long) = (Vec::new(), Vec::new());
    for _ in 0..CHUNKS {
        short.push(step(&mut base));
        long.push(step(&mut grown));
    }
    let (short, long) = (median(short), median(long));
    vec![Row {
        number,
        what,
        measured: format!(
            "{long:.0} ns an event at {} keys, {} entries, {} contacts; {short:.0} at {}, {}, {}",
            grown.keys(),
            grown.entries(),
            grown.contacts(),
            base.keys(),
            base.entries(),
            base.contacts(),
        ),
        figure: short / long,
        unit: "x",
        bar,
        aim,
        more_is_better: true,
    }]
}

/// Nanoseconds an event of the next chunk.
pub(crate) fn step(subject: &mut Subject) -> f64 {
    let messages = subject.feed.chunk(CHUNK);
    each(&messages, || subject.take(&messages))
}

fn each(messages: &[Envelope], work: impl FnOnce()) -> f64 {
    time(work).0 as f64 / messages.len() as f64
}

fn decode_only(messages: &[Envelope]) {
    let mut decoder = Decoder::new(Arc::new(decode::Settings::default()), KEY);
    let mut decoded = Decoded::default();
    for message in messages {
        decoded.clear();
        decoder.decode(message, 0, &mut decoded);
    }
}
