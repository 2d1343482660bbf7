//! Row 10: a restart with state, against reading the whole stream again.

use crate::cores;
use crate::measure::median;
use crate::row::Row;
use crate::server::{Server, feed_until_now};
use crate::service::Home;
use crate::sizes::{runs, scaled};
use crate::state::Shape;

/// Row 10.
pub(crate) fn rows() -> Vec<Row> {
    let entries = scaled(5_000_000);
    let shape = Shape::of_entries(entries);
    // What is remembered of contacts reaches furthest back.
    let lines = shape.warm - entries;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with_stream(folder.path());
    let mut feed = feed_until_now(lines);
    server.fill(&mut feed, lines, 1);
    let mut home = Home::new(&server, folder.path(), "cxpulse", &tables(&shape));
    let mut first = home.start(cores::BOTH);
    first.wait_until_caught_up();
    let replay = first.start_to_caught_up().as_secs_f64();
    first.stop();
    let mut restarts = Vec::new();
    let (mut held, mut contacts) = (0, 0);
    for _ in 0..runs() {
        let mut service = home.start(cores::BOTH);
        service.wait_until_caught_up();
        restarts.push(service.start_to_caught_up().as_secs_f64());
        let page = service.page();
        held = page.count("cxpulse_ledger_entries");
        contacts = page.count("cxpulse_chain_contacts");
        service.stop();
    }
    let restart = median(restarts);
    let row = |number, what: String, figure, unit, bar, aim, more_is_better| Row {
        number,
        what,
        measured: format!("restart {restart:.2} s; replay of {lines} messages {replay:.1} s"),
        figure,
        unit,
        bar,
        aim,
        more_is_better,
    };
    let what = format!("recovery of {held} entries and {contacts} contacts, to having caught up");
    let ratio = "the same; against replaying the stream".to_owned();
    vec![
        row("10a", what, restart, "s", 3.0, 1.0, false),
        row("10b", ratio, replay / restart, "x", 40.0, 40.0, true),
    ]
}

/// The shape as a user would write it.
pub(crate) fn tables(shape: &Shape) -> String {
    let lateness = shape.engine.allowed_lateness.as_millis();
    let horizon = shape.engine.kpis.fcr.horizon.as_millis();
    format!(
        "[source]\nstart = \"earliest\"\n\n[ledger]\nallowed_lateness = \"{lateness}ms\"\n\n\
         [kpis]\nsurvey_join_within = \"{lateness}ms\"\n\n[kpis.fcr]\nhorizon = \"{horizon}ms\"\n"
    )
}
