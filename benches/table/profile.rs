//! Where the time of row 1 goes: the engine alone, on lines that were made beforehand, watched by
//! `perf`. Not part of the table.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::measure::{now, thread_ns};
use crate::sizes::scaled;
use crate::state::{CHUNK, Shape};

/// Chunks that are watched: two million events.
const CHUNKS: usize = 40;
/// Where `perf` leaves what it saw.
const DATA: &str = "target/profile.data";
/// Until `perf` has attached itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// Brings the state of row 1 up, then watches what the engine does with the next chunks.
pub(crate) fn run() {
    let mut subject = Shape::of_entries(scaled(1_000_000)).steady();
    let chunks: Vec<_> = (0..CHUNKS).map(|_| subject.feed.chunk(CHUNK)).collect();
    let perf = watch();
    let (began, used) = (now(), thread_ns());
    for chunk in &chunks {
        subject.take(chunk);
    }
    let events = CHUNKS as f64 * CHUNK as f64;
    println!(
        "{:.0} ns an event, {:.0} of processor time, {} entries, {} contacts",
        began.elapsed().as_nanos() as f64 / events,
        (thread_ns() - used) as f64 / events,
        subject.entries(),
        subject.contacts()
    );
    if let Some(perf) = perf {
        finish(perf);
        println!("perf report -i {DATA} --no-inline -g none --children");
    }
}

/// Starts `perf` on this process; `None` where it cannot be.
fn watch() -> Option<Child> {
    let perf = Command::new("perf")
        .args(["record", "-q", "-F", "1999", "--call-graph", "dwarf,4096"])
        .args(["-o", DATA, "-p", &std::process::id().to_string()])
        .stderr(Stdio::null())
        .spawn();
    if perf.is_err() {
        println!("perf cannot be started: only the time is told");
    }
    let perf = perf.ok()?;
    thread::sleep(PATIENCE);
    Some(perf)
}

/// Lets `perf` write down what it saw.
fn finish(mut perf: Child) {
    let interrupted = Command::new("kill")
        .args(["-INT", &perf.id().to_string()])
        .status();
    assert!(interrupted.unwrap().success(), "perf is gone");
    perf.wait().unwrap();
}
