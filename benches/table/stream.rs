//! Rows 3 to 5: from a real server to windows, against what only counts.

use std::time::Duration;

use crate::cores;
use crate::measure::median;
use crate::publish::{Publisher, encode};
use crate::pull;
use crate::row::Row;
use crate::server::{Server, feed_until_now};
use crate::service::Home;
use crate::sizes::{runs, scaled};

/// How long a page may stay as it is before what is missing counts as lost.
const SILENCE: Duration = Duration::from_secs(10);

/// Row 3: the server's core is the limit.
pub(crate) fn single() -> Vec<Row> {
    compare("3", scaled(2_000_000), 1, cores::CLIENT, [0.9, 0.97])
}

/// Row 4: cxpulse may use what the server leaves of its core.
pub(crate) fn packed() -> Vec<Row> {
    compare("4", scaled(4_000_000), 16, cores::BOTH, [0.33, 0.6])
}

fn compare(
    number: &'static str,
    lines: u64,
    pack: usize,
    on: &[usize],
    [bar, aim]: [f64; 2],
) -> Vec<Row> {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with_stream(folder.path());
    server.fill(&mut feed_until_now(lines), lines, pack);
    let messages = lines.div_ceil(u64::try_from(pack).unwrap());
    let (mut raw, mut busy, mut ours, mut used) = (vec![], vec![], vec![], vec![]);
    for run in 0..runs() {
        let counted = pull::count(&server, messages);
        raw.push(lines as f64 / counted.elapsed.as_secs_f64() / 1000.0);
        busy.push(counted.server_busy);
        let mut home = Home::new(&server, folder.path(), &format!("run-{run}"), "");
        let mut service = home.start(on);
        service.wait_until_caught_up();
        let elapsed = service.catching_up().as_secs_f64();
        used.push(service.processor_seconds() / elapsed);
        ours.push(lines as f64 / elapsed / 1000.0);
        assert_eq!(
            service.received(),
            lines,
            "every line is an event or a reject"
        );
    }
    let (raw, ours) = (median(raw), median(ours));
    vec![Row {
        number,
        what: format!(
            "JetStream to windows, {pack} event{} a message, {lines} events; against a raw pull that counts",
            if pack == 1 { "" } else { "s" }
        ),
        measured: format!(
            "{ours:.0} k/s with {:.2} of a core; raw {raw:.0} k/s, server busy {:.2}",
            median(used),
            median(busy)
        ),
        figure: ours / raw,
        unit: "x",
        bar,
        aim,
        more_is_better: true,
    }]
}

/// Row 5: what core NATS does not deliver is gone.
pub(crate) fn burst() -> Vec<Row> {
    let lines = scaled(500_000);
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (mut lost, mut rates, mut noticed) = (0, vec![], 0);
    for run in 0..runs() {
        let mut home = Home::new(
            &server,
            folder.path(),
            &format!("run-{run}"),
            "[source]\nmode = \"core\"",
        );
        let mut service = home.start(cores::CLIENT);
        service.wait_until_caught_up();
        let mut bytes = Vec::new();
        encode(&feed_until_now(lines).chunk(lines), 1, false, &mut bytes);
        let mut publisher = Publisher::plain(server.address());
        let sending = || {
            crate::measure::wall(|| {
                publisher.send(&bytes);
                publisher.finish();
            })
            .0
        };
        let sent = cores::bound_to(cores::SERVER, sending);
        rates.push(lines as f64 / sent.as_secs_f64() / 1000.0);
        lost += lines - received_in_the_end(&service, lines);
        noticed += service.page().count("cxpulse_stream_gap_messages_total");
    }
    vec![Row {
        number: "5",
        what: format!("core NATS, burst of {lines}, {} times", runs()),
        measured: format!(
            "published at {:.0} k/s; cxpulse_stream_gap_messages_total {noticed}",
            median(rates)
        ),
        figure: lost as f64,
        unit: "lost",
        bar: 0.0,
        aim: 0.0,
        more_is_better: false,
    }]
}

/// Events received once all are there, or once no more come.
fn received_in_the_end(service: &crate::service::Service, lines: u64) -> u64 {
    let (mut received, mut since) = (0, crate::measure::now());
    while received < lines && since.elapsed() < SILENCE {
        std::thread::sleep(Duration::from_millis(100));
        let newest = service.received();
        if newest > received {
            (received, since) = (newest, crate::measure::now());
        }
    }
    received
}
