//! The speed table: every figure beside its anchor, measured in the same run, with `pass` or
//! `short`. `scripts/bench` runs it, `scripts/bench engine` the rows whose name holds `engine`,
//! `scripts/bench --list` says their names, `--plots` draws how cost grows. See docs/performance.md.
#![expect(clippy::print_stdout, reason = "a bench prints what it measures")]
#![expect(
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::missing_docs_in_private_items,
    reason = "a bench ends where it cannot go on, and prints in floating point"
)]

mod anchor;
mod child;
mod cores;
mod engine;
mod feed;
mod frames;
mod idle;
mod latency;
mod measure;
mod memory;
mod plots;
mod profile;
mod publish;
mod pull;
mod record;
mod recovery;
mod render;
mod row;
mod scrapers;
mod server;
mod service;
mod sizes;
mod state;
mod stops;
mod stream;
mod svg;

#[path = "../../tests/support"]
#[expect(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "the tests use all of it"
)]
mod support {
    //! What the tests start servers with.

    pub(crate) mod http;
    pub(crate) mod nats_raw;
    pub(crate) mod page;
    pub(crate) mod process;
    pub(crate) mod tools;
}

use row::Row;

type Measure = fn() -> Vec<Row>;

/// The names of the rows and what measures them, in the order of the table.
const ROWS: &[(&str, Measure)] = &[
    ("engine", engine::steady),
    ("growth-windows", engine::windows),
    ("growth-keys", engine::keys),
    ("growth-ledger", engine::ledger),
    ("jetstream", stream::single),
    ("jetstream-packed", stream::packed),
    ("core-burst", stream::burst),
    ("page", render::rows),
    ("scrapers", scrapers::rows),
    ("memory", memory::rows),
    ("stops", stops::rows),
    ("recovery", recovery::rows),
    ("latency", latency::rows),
    ("idle", idle::rows),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [child::WORD, name, size, ..] => run_child(name, size.parse().unwrap()),
        words if words.contains(&"--list") => {
            for (name, _) in ROWS {
                println!("{name}");
            }
        }
        words => {
            let filter = words.iter().find(|word| !word.starts_with('-')).copied();
            if words.contains(&"--plots") {
                plots::draw(filter);
            } else if words.contains(&"--profile") {
                profile::run();
            } else {
                print_table(filter, words.contains(&"--record"));
            }
        }
    }
}

fn print_table(filter: Option<&str>, is_recorded: bool) {
    if let Some(note) = sizes::note() {
        println!("{note}\n");
    }
    println!("{}", row::HEAD);
    for (name, measure) in ROWS {
        if filter.is_none_or(|filter| name.contains(filter)) {
            let rows = measure();
            for row in &rows {
                println!("{}", row.line());
            }
            if is_recorded {
                record::rows(&rows);
            }
        }
    }
}

fn run_child(name: &str, size: u64) {
    if name.starts_with("memory") {
        memory::child(name, size);
    } else if name.starts_with("plot") {
        plots::child(name, size);
    } else {
        stops::child(name, size);
    }
}
