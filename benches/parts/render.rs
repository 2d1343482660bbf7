//! A view to the text of the metrics page.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use cxpulse::export::Settings;
use cxpulse::export::prometheus::Renderer;

use crate::state::Shape;

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("render");
    let settings = Settings {
        max_series: 10_000_000,
        ..Settings::default()
    };
    for (name, shape) in [
        ("205 keys", Shape::of_entries(100_000)),
        ("10000 keys", Shape::of_entries(100_000).with_keys(8000)),
    ] {
        let mut subject = shape.steady();
        let at = subject.feed.now().plus_millis(1);
        let view = subject.pipeline.engine.view(at);
        let mut renderer = Renderer::default();
        let series = renderer.render(&view, &settings, &[], &[]).series;
        group.throughput(Throughput::Elements(u64::try_from(series).unwrap()));
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(renderer.render(&view, &settings, &[], &[])));
        });
    }
    group.finish();
}
