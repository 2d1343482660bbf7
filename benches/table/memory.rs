//! Row 8: bytes of resident memory, all in. Each figure is the difference of two processes that
//! take in the same lines and differ in what they remember.

use crate::child;
use crate::measure::resident;
use crate::row::Row;
use crate::sizes::scaled;
use crate::state::Shape;

/// Keys whose memory is measured.
const KEYS: u64 = 80_000;

/// Row 8.
pub(crate) fn rows() -> Vec<Row> {
    // What is given back goes at once, and not a second later: nothing else happens in that second.
    let run = |name, size| child::run_with(name, size, [("MIMALLOC_PURGE_DELAY", "0")]);
    let entries = scaled(1_000_000);
    let bare = run("memory-bare", entries);
    let ledger = run("memory-ledger", entries);
    let chains = run("memory-chains", entries);
    let few = run("memory-keys", 800);
    let many = run("memory-keys", scaled(KEYS).max(1600));
    let per = |large: &child::Figures, small: &child::Figures, count: &str| {
        (large["resident"] - small["resident"]) / (large[count] - small[count])
    };
    vec![
        row(
            "8a",
            "a ledger entry",
            &ledger,
            "entries",
            per(&ledger, &bare, "entries"),
            "B",
            [72.0, 56.0],
        ),
        row(
            "8b",
            "a contact of a chain",
            &chains,
            "contacts",
            per(&chains, &ledger, "contacts"),
            "B",
            [48.0, 40.0],
        ),
        row(
            "8c",
            "a key with its rows",
            &many,
            "keys",
            per(&many, &few, "keys") / 1000.0,
            "kB",
            [4.0, 3.0],
        ),
    ]
}

fn row(
    number: &'static str,
    what: &str,
    large: &child::Figures,
    count: &str,
    figure: f64,
    unit: &'static str,
    [bar, aim]: [f64; 2],
) -> Row {
    Row {
        number,
        what: format!("{what}, all in"),
        measured: format!(
            "{:.0} MB with {} {count}",
            large["resident"] / 1e6,
            large[count]
        ),
        figure,
        unit,
        bar,
        aim,
        more_is_better: false,
    }
}

/// The process of one state: says what it remembers and what that takes.
pub(crate) fn child(name: &str, size: u64) {
    let remembered = if name == "memory-keys" {
        scaled(1_000_000)
    } else {
        size
    };
    let mut shape = Shape::of_entries(remembered);
    match name {
        // The limit bites all the time: as good as no chains.
        "memory-bare" | "memory-ledger" => shape.engine.kpis.fcr.max_contacts = 1000,
        "memory-keys" => shape = shape.with_keys(u32::try_from(size).unwrap()),
        _ => {}
    }
    if name == "memory-bare" {
        // Nothing is remembered for longer than lines are out of order.
        shape.engine.allowed_lateness = std::time::Duration::from_secs(1);
        shape.engine.kpis.survey_join_within = std::time::Duration::from_secs(1);
    }
    let mut subject = shape.begin();
    let before = resident();
    subject.feed_lines(shape.warm);
    // Before the view, which is no state.
    let after = resident();
    child::print(&[
        ("resident", (after - before) as f64),
        ("entries", subject.entries() as f64),
        ("contacts", subject.contacts() as f64),
        ("keys", subject.keys() as f64),
    ]);
}
