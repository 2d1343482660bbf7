//! How cost grows: events a second and memory against keys, windows, breakdowns, ledger and lateness,
//! each point in a process of its own, drawn to docs/performance.

use std::path::Path;
use std::time::Duration;

use cxpulse::window::WindowSpec;

use crate::child;
use crate::engine::step;
use crate::measure::{median, resident};
use crate::record;
use crate::sizes::scaled;
use crate::state::Shape;
use crate::svg::{Point, charts};

/// Ledger entries where it is not the ledger that grows.
const ENTRIES: u64 = 300_000;
/// Chunks of which the median is taken.
const CHUNKS: usize = 11;

/// One thing that grows.
struct Sweep {
    /// Of the file, and of the process that measures a point.
    name: &'static str,
    title: &'static str,
    axis: &'static str,
    sizes: &'static [u64],
}

const SWEEPS: [Sweep; 5] = [
    Sweep {
        name: "keys",
        title: "Cost against keys",
        axis: "keys by queue and channel",
        sizes: &[80, 800, 4000, 20_000, 80_000],
    },
    Sweep {
        name: "windows",
        title: "Cost against windows",
        axis: "windows: 5m, 1h, 24h, 6h, 7d, 30d",
        sizes: &[1, 2, 3, 4, 5, 6],
    },
    Sweep {
        name: "breakdowns",
        title: "Cost against breakdowns",
        axis: "breakdowns: overall, queue, channel, both, agent",
        sizes: &[1, 2, 3, 4, 5],
    },
    Sweep {
        name: "ledger",
        title: "Cost against the ledger",
        axis: "ledger entries",
        sizes: &[30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000],
    },
    Sweep {
        name: "lateness",
        title: "Cost against lateness",
        axis: "events up to a minute late, %",
        sizes: &[0, 1, 5, 20, 50],
    },
];

/// Measures all of them, or those whose name holds `filter`, and draws them.
pub(crate) fn draw(filter: Option<&str>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance");
    std::fs::create_dir_all(&folder).unwrap();
    println!("| grows | size | M events/s | MB |\n|---|---|---|---|");
    for sweep in SWEEPS {
        if filter.is_some_and(|filter| !sweep.name.contains(filter)) {
            continue;
        }
        let points: Vec<Point> = sweep
            .sizes
            .iter()
            .map(|size| point(sweep.name, *size))
            .collect();
        let drawn = charts(sweep.title, sweep.axis, &points);
        std::fs::write(folder.join(format!("{}.svg", sweep.name)), drawn).unwrap();
    }
    let there = |name: &str| folder.join(format!("{name}.svg")).exists();
    let drawn = SWEEPS.iter().filter(|sweep| there(sweep.name));
    let titles: Vec<(&str, &str)> = drawn.map(|sweep| (sweep.name, sweep.title)).collect();
    record::plots(&titles);
}

fn point(name: &str, size: u64) -> Point {
    let figures = child::run(&format!("plot-{name}"), size);
    let point = Point {
        size: size as f64,
        rate: 1000.0 / figures["nanoseconds"],
        memory: figures["resident"] / 1e6,
    };
    println!(
        "| {name} | {size} | {:.2} | {:.0} |",
        point.rate, point.memory
    );
    point
}

/// The process of one point.
pub(crate) fn child(name: &str, size: u64) {
    let mut subject = shape_of(name, size).steady();
    let steps: Vec<f64> = (0..CHUNKS).map(|_| step(&mut subject)).collect();
    child::print(&[
        ("nanoseconds", median(steps)),
        ("resident", resident() as f64),
    ]);
}

fn shape_of(name: &str, size: u64) -> Shape {
    let mut shape = Shape::of_entries(scaled(ENTRIES));
    let count = usize::try_from(size).unwrap();
    match name {
        "plot-keys" => return shape.with_keys(u32::try_from(size).unwrap()),
        "plot-ledger" => return Shape::of_entries(scaled(size)),
        "plot-windows" => {
            let day = Duration::from_hours(24);
            for (label, length) in [("6h", day / 4), ("7d", day * 7), ("30d", day * 30)] {
                shape.engine.windows.push(WindowSpec::new(label, length));
            }
            shape.engine.windows.truncate(count);
        }
        "plot-breakdowns" => {
            let more = [
                vec!["queue".into(), "channel".into()],
                vec!["agent_id".into()],
            ];
            shape.engine.breakdowns.extend(more);
            shape.engine.breakdowns.truncate(count);
            shape.engine.max_keys = 1_000_000;
        }
        _ => shape.workload.out_of_order_ppm = u32::try_from(size).unwrap() * 10_000,
    }
    shape
}
