//! State to a view: what a refresh costs the engine.

use std::hint::black_box;

use criterion::Criterion;

use crate::state::Shape;

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("view");
    for (name, shape) in [
        ("205 keys", Shape::of_entries(100_000)),
        ("1005 keys", Shape::of_entries(100_000).with_keys(800)),
        ("10000 keys", Shape::of_entries(100_000).with_keys(8000)),
    ] {
        let mut subject = shape.steady();
        let at = subject.feed.now().plus_millis(1);
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(subject.pipeline.engine.view(at)));
        });
    }
    group.finish();
}
