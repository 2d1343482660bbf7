//! What can be done to our consumer: deleted, pulled from by others, and rights that are missing
//! until somebody grants them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::Value;

use super::{Feed, Replica, WITHIN, create_streams, wait_for_consumers};
use crate::support::broker::Broker;
use crate::support::nats_raw::{Publish, RawNats};
use crate::support::process;
use crate::support::tools::require_tool;

/// Issue 5, show 4.
#[test]
fn a_deleted_consumer_and_a_second_process_on_it_lose_nothing() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start_new(&binary, folder.path());
    create_streams(&mut broker.client());
    let feed = Feed::begin(&[broker.address()], 100);
    let mut replica = Replica::start("only", &broker.url(), folder.path(), |config| config);
    replica.resumes("start", &feed, process::now());
    for round in 1..=3 {
        let mut nats = broker.client();
        let consumer = nats.consumers("CX").unwrap().pop().unwrap();
        let call = format!("CONSUMER.DELETE.CX.{consumer}");
        nats.api(&call, &Value::Null).unwrap();
        let what = format!("consumer deleted, {round}");
        replica.resumes(&what, &feed, process::now());
    }

    let stop = AtomicBool::new(false);
    let stolen = thread::scope(|scope| {
        let thief = scope.spawn(|| steal(&broker.address(), &stop));
        // Long enough for several consumers, each with a thief on it.
        process::wait_until("stolen messages", WITHIN, || replica.resets() >= 7);
        stop.store(true, Ordering::Relaxed);
        thief.join().unwrap()
    });
    println!("{stolen} messages went to the second process");
    assert!(stolen > 0);
    replica.resumes("second process gone", &feed, process::now());

    let published = feed.end();
    replica.check(&published);
    wait_for_consumers(&mut broker.client(), 1);
    replica.stop();
}

/// Pulls from whatever consumer there is; gives how many messages it got.
fn steal(address: &str, stop: &AtomicBool) -> usize {
    let mut stolen = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut nats = RawNats::connect(address).unwrap();
        let Some(consumer) = nats.consumers("CX").unwrap().pop() else {
            continue;
        };
        let next = format!("$JS.API.CONSUMER.MSG.NEXT.CX.{consumer}");
        let request = Publish::new(next, r#"{"batch":1,"expires":1000000000}"#);
        // The raw client takes a delivered message for a wrong answer and names its subject.
        if let Err(error) = nats.request(&request)
            && error.to_string().contains("an answer on cx.")
        {
            stolen += 1;
        }
    }
    stolen
}

/// All that a reader is granted, but for some.
fn rights_without(missing: &str) -> String {
    let rights = [
        "$JS.API.STREAM.INFO.CX",
        "$JS.API.CONSUMER.CREATE.CX.*",
        "$JS.API.CONSUMER.MSG.NEXT.CX.*",
        "$JS.API.CONSUMER.INFO.CX.*",
        "$JS.API.CONSUMER.DELETE.CX.*",
        "cx.dead_letter",
    ];
    let granted = rights.iter().filter(|right| !right.contains(missing));
    let granted: Vec<String> = granted.map(|right| format!("{right:?}")).collect();
    format!(
        "permissions: {{ publish: [{}], subscribe: [\"_INBOX.>\"] }}",
        granted.join(", ")
    )
}

fn write_users(path: &Path, users: [(&str, &str); 3]) {
    let users = users.map(|(name, missing)| {
        format!(
            "{{ user: {name}, password: right, {} }}",
            rights_without(missing)
        )
    });
    let text = format!(
        "authorization {{ users: [ {{ user: raw, password: raw }}, {} ] }}\nno_auth_user: raw\n",
        users.join(",\n")
    );
    std::fs::write(path, text).unwrap();
}

/// Issue 5, show 4.
#[test]
fn missing_rights_are_named_and_enough_once_granted() {
    const NONE: &str = "none is missing";
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("server.conf");
    let lacks = ["MSG.NEXT", "CONSUMER.INFO", "STREAM.INFO"];
    let names = ["no_next", "no_info", "no_stream"];
    write_users(&users, [0, 1, 2].map(|i| (names[i], lacks[i])));
    let mut broker = Broker::prepare(&binary, folder.path())
        .argument("-c")
        .argument(users.display().to_string());
    broker.start();
    create_streams(&mut broker.client());
    let feed = Feed::begin(&[broker.address()], 50);
    let mut replicas = names.map(|name| {
        Replica::start(name, &broker.url(), folder.path(), |config| {
            let login = format!("[nats]\nuser = \"{name}\"\npassword = \"right\"\n");
            config.replace("[nats]\n", &login)
        })
    });
    for (replica, missing) in replicas.iter().zip(lacks) {
        process::wait_until("a line about the missing right", WITHIN, || {
            let log = replica.service.log();
            let mut lines = log.lines().filter(|line| line.contains("WARN"));
            lines.any(|line| {
                line.contains("Permissions Violation for Publish") && line.contains(missing)
            })
        });
    }
    // Without answers about the consumer, heartbeats and numbers are enough.
    replicas[1].resumes("no CONSUMER.INFO", &feed, process::now());
    assert_eq!(replicas[1].resets(), 0);
    process::wait_until("another attempt", WITHIN, || replicas[0].resets() >= 1);
    assert!(broker.client().consumers("CX").unwrap().len() <= 4);

    write_users(&users, names.map(|name| (name, NONE)));
    broker.signal("HUP");
    let granted = process::now();
    for (replica, missing) in replicas.iter().zip(lacks) {
        let what = format!("{missing} granted");
        replica.resumes(&what, &feed, granted);
    }
    let published = feed.end();
    for replica in &mut replicas {
        replica.check(&published);
    }
    wait_for_consumers(&mut broker.client(), 3);
    replicas.into_iter().for_each(Replica::stop);
}
