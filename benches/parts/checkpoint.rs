//! State to sections, sections to a file, and back.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput};
use cxpulse::checkpoint::{Head, Store};
use cxpulse::engine::{Engine, Section, WaitingPolicy};

use crate::state::Shape;

const ENTRIES: u64 = 100_000;

pub(crate) fn benches(criterion: &mut Criterion) {
    let shape = Shape::of_entries(ENTRIES);
    let mut engine = shape.steady().pipeline.engine;
    let settings = Arc::new(shape.engine);
    let sections = capture(&mut engine);
    let mut group = criterion.benchmark_group("checkpoint");
    group.sample_size(20);
    group.throughput(Throughput::Elements(ENTRIES));
    group.bench_function("capture", |bencher| {
        bencher.iter(|| black_box(capture(&mut engine)));
    });
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path(), 1);
    let mut number = 0;
    group.bench_function("write and sync", |bencher| {
        bencher.iter(|| {
            number += 1;
            write(&store, number, &sections);
        });
    });
    group.bench_function("read", |bencher| {
        let (newest, path) = store.list().unwrap().remove(0);
        bencher.iter(|| black_box(store.read(newest, &path).unwrap()));
    });
    group.bench_function("restore", |bencher| {
        bencher.iter_batched(
            || sections.clone(),
            |sections| Engine::restore(Arc::clone(&settings), WaitingPolicy::Keep, sections),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn capture(engine: &mut Engine) -> Vec<Section> {
    let mut sections = vec![engine.begin_capture()];
    while let Some(section) = engine.next_section() {
        sections.push(section);
    }
    sections
}

fn write(store: &Store, number: u64, sections: &[Section]) {
    let head = Head {
        fingerprint: 0,
        place: None,
    };
    let mut writing = store.begin(number, &head).unwrap();
    for section in sections {
        writing.section(section).unwrap();
    }
    writing.commit().unwrap();
}
