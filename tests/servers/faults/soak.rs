//! A long run with a fault every so often.

use std::thread;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use super::{Feed, Replica, create_streams, wait_for_consumers};
use crate::support::broker::Broker;
use crate::support::process;
use crate::support::proxy::Proxy;
use crate::support::tools::require_tool;

/// Between two faults.
const EVERY: Duration = Duration::from_secs(20);

/// Descriptors that may be open at one time and not at another.
const DESCRIPTORS_MORE: f64 = 6.0;

/// Memory may grow by what is remembered of the events, and by what the allocator keeps.
const MEMORY_MORE: f64 = 24e6;

/// What the process takes.
#[derive(Clone, Copy, Debug)]
struct Taken {
    bytes: f64,
    descriptors: f64,
}

fn taken(replica: &Replica) -> Taken {
    let page = replica.service.metrics();
    let value = |name: &str| page.value(name, &[]).expect("a family of the process");
    Taken {
        bytes: value("process_resident_memory_bytes"),
        descriptors: value("process_open_fds"),
    }
}

/// Issue 5, show 6: `CXPULSE_SOAK_SECONDS=600 cargo test --test servers soak -- --ignored --nocapture`.
#[test]
#[ignore = "ten minutes unless CXPULSE_SOAK_SECONDS says otherwise"]
fn soak_with_a_fault_every_twenty_seconds() {
    let binary = require_tool!("nats-server");
    let seconds: u64 = std::env::var("CXPULSE_SOAK_SECONDS")
        .map_or(600, |text| text.parse().expect("a number of seconds"));
    let seed: u64 = std::env::var("CXPULSE_SEED").map_or_else(
        |_| rand::random_range(0..1_000_000),
        |text| text.parse().unwrap(),
    );
    println!("{seconds} s, CXPULSE_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start_new(&binary, folder.path());
    create_streams(&mut broker.client());
    let proxy = Proxy::before(&broker.address());
    let feed = Feed::begin(&[broker.address()], 20);
    let mut replica = Replica::start("soaked", &proxy.url(), folder.path(), |config| config);
    let began = process::now();
    replica.resumes("start", &feed, began);
    wait_for_consumers(&mut broker.client(), 1);

    let mut samples = Vec::new();
    for round in 1.. {
        let next = EVERY * round;
        if next.as_secs() > seconds {
            break;
        }
        thread::sleep(next.saturating_sub(began.elapsed()));
        let name = strike(random.random_range(0..8), &mut broker, &proxy, &replica);
        replica.resumes(name, &feed, process::now());
        wait_for_consumers(&mut broker.client(), 1);
        let sample = taken(&replica);
        println!(
            "{:>4} s {name}: {:.1} MB, {} descriptors",
            began.elapsed().as_secs(),
            sample.bytes / 1e6,
            sample.descriptors
        );
        samples.push(sample);
    }
    let published = feed.end();
    replica.check(&published);
    let lost = replica.dead_letters();
    println!("{lost} dead letters not stored");
    wait_for_consumers(&mut broker.client(), 1);

    // Flat from a third of the way on: then all has been needed once.
    let settled = samples[samples.len() / 3];
    let last = taken(&replica);
    println!("at a third {settled:?}, at the end {last:?}");
    assert!(last.bytes <= settled.bytes + MEMORY_MORE, "memory grows");
    assert!(
        last.descriptors <= settled.descriptors + DESCRIPTORS_MORE,
        "descriptors leak"
    );
    replica.stop();
    wait_for_consumers(&mut broker.client(), 0);
}

/// Does one fault to its end and says which.
fn strike(which: u32, broker: &mut Broker, proxy: &Proxy, replica: &Replica) -> &'static str {
    match which {
        0 => {
            proxy.cut();
            "cut"
        }
        1 => {
            proxy.hold(true);
            thread::sleep(Duration::from_secs(5));
            proxy.hold(false);
            "blackhole of 5 s"
        }
        2 => {
            proxy.forget();
            "forgotten"
        }
        3 => {
            proxy.half_open();
            "half open"
        }
        4 => {
            broker.kill();
            broker.start();
            "kill -9 and restart"
        }
        5 => {
            let mut nats = broker.client();
            for consumer in nats.consumers("CX").unwrap() {
                // Gone by itself meanwhile, perhaps.
                drop(nats.api(&format!("CONSUMER.DELETE.CX.{consumer}"), &Value::Null));
            }
            "consumer deleted"
        }
        6 => {
            replica.service.signal("STOP");
            thread::sleep(Duration::from_secs(5));
            replica.service.signal("CONT");
            "paused for 5 s"
        }
        _ => {
            for _ in 0..5 {
                proxy.cut();
                thread::sleep(Duration::from_secs(1));
            }
            "flapping for 5 s"
        }
    }
}
