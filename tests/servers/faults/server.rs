//! One server: killed, drained, away for long, and started after us.

use super::{Feed, Replica, create_streams, outage, wait_for_consumers};
use crate::support::broker::Broker;
use crate::support::process;
use crate::support::tools::require_tool;

/// Issue 5, show 1.
#[test]
fn a_server_that_is_late_killed_drained_and_away_loses_nothing() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let drained = folder.path().join("server.conf");
    // The least that the server takes; with few clients it does not take that long.
    let drain = "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"1s\"\n";
    std::fs::write(&drained, drain).unwrap();
    let mut broker = Broker::prepare(&binary, folder.path())
        .argument("-c")
        .argument(drained.display().to_string());

    let mut replica = Replica::start("late", &broker.url(), folder.path(), |config| config);
    broker.start();
    create_streams(&mut broker.client());
    let feed = Feed::begin(&[broker.address()], 100);
    let began = process::now();
    replica.resumes("server and stream started after us", &feed, began);

    broker.kill();
    broker.start();
    replica.resumes("kill -9 and restart", &feed, process::now());

    broker.signal("USR2");
    broker.wait_for_end();
    broker.start();
    replica.resumes("lame duck and restart", &feed, process::now());

    let away = outage(3);
    broker.kill();
    std::thread::sleep(away);
    broker.start();
    let what = format!("{away:?} outage");
    replica.resumes(&what, &feed, process::now());

    let published = feed.end();
    replica.check(&published);
    let lost = replica.dead_letters();
    println!("{lost} dead letters not stored");
    wait_for_consumers(&mut broker.client(), 1);
    replica.stop();
    wait_for_consumers(&mut broker.client(), 0);
}
