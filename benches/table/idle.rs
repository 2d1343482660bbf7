//! Row 12: what cxpulse takes when nothing happens, and how soon it answers.

use std::time::Duration;

use crate::cores;
use crate::measure::median_ms;
use crate::row::Row;
use crate::server::{Server, feed_until_now};
use crate::service::Home;
use crate::sizes::{runs, scaled};

/// How long nothing happens while it is watched.
const QUIET: Duration = Duration::from_secs(20);
/// A key for each queue and channel: 800 of them besides the default ones.
const TABLES: &str =
    "[breakdown]\nsets = [[], [\"queue\"], [\"channel\"], [\"queue\", \"channel\"]]";

/// Row 12.
pub(crate) fn rows() -> Vec<Row> {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with_stream(folder.path());
    let lines = scaled(100_000);
    server.fill(&mut feed_until_now(lines), lines, 16);
    let starts: Vec<Duration> = (0..=runs() * 2)
        .map(|run| {
            let mut home = Home::new(&server, folder.path(), &format!("start-{run}"), TABLES);
            home.start(cores::BOTH).first_page()
        })
        .collect();
    let mut home = Home::new(&server, folder.path(), "idle", TABLES);
    let mut service = home.start(cores::BOTH);
    service.wait_until_caught_up();
    // The first views after catching up still have pages to fetch.
    std::thread::sleep(Duration::from_secs(2));
    let used = service.processor_seconds();
    std::thread::sleep(QUIET);
    let used = service.processor_seconds() - used;
    let share = 100.0 * used / QUIET.as_secs_f64();
    vec![
        Row {
            number: "12a",
            what: "idle with 800 keys of queue and channel, nobody scrapes".to_owned(),
            measured: format!("{used:.2} s of processor time in {} s", QUIET.as_secs()),
            figure: share,
            unit: "% of a core",
            bar: 1.0,
            aim: 0.3,
            more_is_better: false,
        },
        Row {
            number: "12b",
            what: "start of the process to the first /metrics".to_owned(),
            measured: format!("median of {} starts without state", starts.len()),
            figure: median_ms(&starts),
            unit: "ms",
            bar: 100.0,
            aim: 30.0,
            more_is_better: false,
        },
    ]
}
