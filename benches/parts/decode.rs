//! Bytes to events: the workload as it is, and `serde_json` for comparison.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput};
use cxpulse::decode::{Decoded, Decoder, Settings};
use cxpulse::simulate::workload;

use crate::anchor;
use crate::feed::Feed;
use crate::state::KEY;

const MESSAGES: u64 = 10_000;

pub(crate) fn benches(criterion: &mut Criterion) {
    let messages = Feed::new(workload::Settings::default()).chunk(MESSAGES);
    let mut decoder = Decoder::new(Arc::new(Settings::default()), KEY);
    let mut decoded = Decoded::default();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(MESSAGES));
    group.bench_function("cxpulse", |bencher| {
        bencher.iter(|| {
            for message in &messages {
                decoded.clear();
                decoder.decode(message, 0, &mut decoded);
                black_box(&decoded);
            }
        });
    });
    group.bench_function("serde_json", |bencher| {
        bencher.iter(|| anchor::decode(&messages));
    });
    group.finish();
}
