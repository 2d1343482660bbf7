//! Three servers that hold the stream three times; two cxpulse read it, so that each failover also
//! shows that they do not disturb each other.

use serde_json::Value;

use super::{Feed, Replica, SUBJECTS, outage, wait_for_consumers};
use crate::support::cluster::Cluster;
use crate::support::process;
use crate::support::tools::require_tool;

/// A cluster with traffic and two readers.
struct Scene {
    cluster: Cluster,
    feed: Feed,
    replicas: [Replica; 2],
    _folder: tempfile::TempDir,
}

impl Scene {
    fn start(binary: &std::path::Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cluster = Cluster::start_new(binary, folder.path());
        cluster.create_stream("CX", &SUBJECTS);
        cluster.create_stream("DEAD", &["cx.dead_letter"]);
        let feed = Feed::begin(&cluster.addresses(), 50);
        let url = cluster.url();
        let replicas = ["first", "second"]
            .map(|name| Replica::start(name, &url, folder.path(), |config| config));
        for replica in &replicas {
            replica.resumes("start", &feed, process::now());
        }
        Self {
            cluster,
            feed,
            replicas,
            _folder: folder,
        }
    }

    /// Both count again what is stored from now on.
    fn both_resume(&self, what: &str, since: std::time::Instant) {
        for replica in &self.replicas {
            let what = format!("{what} ({})", replica.name);
            replica.resumes(&what, &self.feed, since);
        }
    }

    /// Both are whole and equal, and nothing is left behind.
    fn check(self) {
        let published = self.feed.end();
        let [mut first, mut second] = self.replicas;
        let both = [&mut first, &mut second].map(|replica| {
            replica.check(&published);
            let lost = replica.dead_letters();
            println!("{}: {lost} dead letters not stored", replica.name);
            // Nothing enters or leaves this window any more.
            let rows = replica.service.kpis("window=24h")["kpis"].clone();
            assert!(rows.as_array().is_some_and(|rows| rows.len() > 50));
            rows
        });
        assert_eq!(both[0], both[1], "the replicas differ");
        wait_for_consumers(&mut self.cluster.client(), 2);
        first.stop();
        wait_for_consumers(&mut self.cluster.client(), 1);
        second.stop();
        wait_for_consumers(&mut self.cluster.client(), 0);
    }
}

/// Issue 5, shows 2 and 5.
#[test]
fn leaders_that_step_down_or_die_lose_nothing() {
    let binary = require_tool!("nats-server");
    let mut scene = Scene::start(&binary);
    for round in 1..=2 {
        scene.cluster.step_down("CX");
        scene.both_resume(
            &format!("stream leader steps down, {round}"),
            process::now(),
        );
    }
    // The leaders of our consumers, wherever they are.
    for consumer in scene.cluster.client().consumers("CX").unwrap() {
        let call = format!("CONSUMER.LEADER.STEPDOWN.CX.{consumer}");
        // One copy has nowhere to step down to, which the server may say.
        drop(scene.cluster.client().api(&call, &Value::Null));
    }
    scene.both_resume("consumer leaders asked to step down", process::now());
    let leader = scene.cluster.leader("CX");
    scene.cluster.node(leader).kill();
    scene.both_resume("stream leader killed", process::now());
    scene.cluster.node(leader).start();
    scene.cluster.wait_until_whole("CX");
    scene.both_resume("killed leader back", process::now());
    scene.check();
}

/// Issue 5, shows 2 and 5.
#[test]
fn a_rolling_restart_and_a_lost_quorum_lose_nothing() {
    let binary = require_tool!("nats-server");
    let mut scene = Scene::start(&binary);
    for node in 0..3 {
        scene.cluster.node(node).stop();
        scene.both_resume(&format!("node {node} stopped"), process::now());
        scene.cluster.node(node).start();
        scene.cluster.wait_until_whole("CX");
    }
    scene.both_resume("rolling restart done", process::now());

    let leader = scene.cluster.leader("CX");
    let away = [leader, (leader + 1) % 3];
    for node in away {
        scene.cluster.node(node).kill();
    }
    std::thread::sleep(outage(3));
    for node in away {
        scene.cluster.node(node).launch();
    }
    for node in away {
        scene.cluster.node(node).wait_until_ready();
    }
    scene.both_resume("quorum lost and back", process::now());
    scene.cluster.wait_until_whole("CX");
    scene.check();
}
