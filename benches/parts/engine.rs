//! Messages to finished windows in a steady state.

use criterion::{BatchSize, Criterion, Throughput};

use crate::state::{Shape, Subject, take};

const MESSAGES: u64 = 5000;

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    group.throughput(Throughput::Elements(MESSAGES));
    for (name, shape) in [
        ("default", Shape::of_entries(100_000)),
        ("800 keys more", Shape::of_entries(100_000).with_keys(800)),
    ] {
        let Subject {
            mut pipeline,
            mut feed,
        } = shape.steady();
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || feed.chunk(MESSAGES),
                |messages| take(&mut pipeline, &messages),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}
