//! Faults of the way between us and the server, each with a cxpulse of its own, and pauses of our
//! own process.

use std::thread;
use std::time::{Duration, Instant};

use super::{Feed, Replica, create_streams, outage, wait_for_consumers};
use crate::support::broker::Broker;
use crate::support::process;
use crate::support::proxy::Proxy;
use crate::support::tools::require_tool;

/// A fault: what it does to the way, or to the process, and from when on it counts as over.
struct Fault {
    name: &'static str,
    strike: fn(&Proxy, &Replica) -> Instant,
}

const FAULTS: [Fault; 7] = [
    Fault {
        name: "cut",
        strike: |proxy, _| {
            proxy.refuse(true);
            thread::sleep(Duration::from_secs(4));
            proxy.refuse(false);
            process::now()
        },
    },
    Fault {
        name: "blackhole",
        strike: |proxy, _| {
            proxy.hold(true);
            thread::sleep(outage(12));
            proxy.hold(false);
            process::now()
        },
    },
    // The connection that stood is gone for good and nobody says so; a new one works.
    Fault {
        name: "forgotten",
        strike: |proxy, _| {
            let began = process::now();
            proxy.forget();
            began
        },
    },
    Fault {
        name: "half_open",
        strike: |proxy, _| {
            let began = process::now();
            proxy.half_open();
            began
        },
    },
    // All the time.
    Fault {
        name: "slow",
        strike: |proxy, _| {
            proxy.delay(Duration::from_millis(150));
            process::now()
        },
    },
    Fault {
        name: "flapping",
        strike: |proxy, _| {
            for _ in 0..outage(8).as_secs() {
                proxy.cut();
                thread::sleep(Duration::from_secs(1));
            }
            process::now()
        },
    },
    Fault {
        name: "paused",
        strike: |_, replica| {
            replica.service.signal("STOP");
            thread::sleep(outage(5));
            replica.service.signal("CONT");
            process::now()
        },
    },
];

/// Issue 5, show 3.
#[test]
fn faults_of_the_way_and_pauses_lose_nothing() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    create_streams(&mut broker.client());
    let feed = Feed::begin(&[broker.address()], 50);
    let subjects: Vec<(Fault, Proxy, Replica)> = FAULTS
        .into_iter()
        .map(|fault| {
            let proxy = Proxy::before(&broker.address());
            let replica = Replica::start(fault.name, &proxy.url(), folder.path(), |config| config);
            (fault, proxy, replica)
        })
        .collect();
    wait_for_consumers(&mut broker.client(), FAULTS.len());
    thread::scope(|scope| {
        for (fault, proxy, replica) in &subjects {
            let feed = &feed;
            scope.spawn(move || {
                let over = (fault.strike)(proxy, replica);
                replica.resumes(fault.name, feed, over);
            });
        }
    });
    let published = feed.end();
    for (fault, proxy, mut replica) in subjects {
        replica.check(&published);
        let lost = replica.dead_letters();
        println!(
            "{}: {lost} dead letters not stored, {} connections",
            fault.name,
            proxy.accepted()
        );
        replica.stop();
    }
    wait_for_consumers(&mut broker.client(), 0);
}
