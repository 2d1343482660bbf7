//! A real cluster of three nats-servers on loopback, each to be stopped, killed and started again.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::broker::Broker;
use super::nats_raw::RawNats;
use super::process;

/// How long an election, or a node that comes back, may take on a busy machine.
const WITHIN: Duration = Duration::from_mins(1);

/// Three servers with JetStream.
#[derive(Debug)]
pub(crate) struct Cluster {
    nodes: Vec<Broker>,
}

impl Cluster {
    /// Starts three servers and waits until they are one.
    pub(crate) fn start_new(binary: &Path, folder: &Path) -> Self {
        let ports = [0; 3].map(|_| process::free_port());
        let routes = ports
            .map(|port| format!("nats://127.0.0.1:{port}"))
            .join(",");
        let mut nodes = Vec::new();
        for (number, port) in (1..).zip(ports) {
            let own = folder.join(format!("n{number}"));
            std::fs::create_dir_all(&own).expect("a folder");
            let mut node = Broker::prepare(binary, &own);
            for argument in [
                "-n",
                &format!("n{number}"),
                "--cluster_name",
                "cxpulse",
                "--cluster",
                &format!("nats://127.0.0.1:{port}"),
                "--routes",
                &routes,
            ] {
                node = node.argument(argument);
            }
            node.launch();
            nodes.push(node);
        }
        let mut cluster = Self { nodes };
        for node in &mut cluster.nodes {
            node.wait_until_ready();
        }
        cluster
    }

    /// All addresses as one URL, as `nats.url` has it.
    pub(crate) fn url(&self) -> String {
        let urls: Vec<String> = self.nodes.iter().map(Broker::url).collect();
        urls.join(",")
    }

    /// `host:port` of each.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(Broker::address).collect()
    }

    /// A node by its number from 0.
    pub(crate) fn node(&mut self, number: usize) -> &mut Broker {
        &mut self.nodes[number]
    }

    /// Makes a stream with three copies; waits while the nodes get to know each other.
    pub(crate) fn create_stream(&self, name: &str, subjects: &[&str]) {
        process::wait_until("a stream with three copies", WITHIN, || {
            let mut nats = self.client();
            nats.create_stream(name, subjects, &json!({ "num_replicas": 3 }))
                .is_ok()
        });
        self.wait_until_whole(name);
    }

    /// A client of a node that runs.
    pub(crate) fn client(&self) -> RawNats {
        let addresses = self.addresses();
        let mut client = addresses
            .iter()
            .filter_map(|one| RawNats::connect(one).ok());
        client.next().expect("a node runs")
    }

    /// What the cluster says of a stream; `None` while it has no leader.
    fn stream(&self, name: &str) -> Option<Value> {
        let addresses = self.addresses();
        let clients = addresses
            .iter()
            .filter_map(|one| RawNats::connect(one).ok());
        let mut answers = clients.filter_map(|mut nats| nats.stream_info(name).ok());
        answers.find(|info| info["cluster"]["leader"].is_string())
    }

    /// The number of the node that leads a stream.
    pub(crate) fn leader(&self, stream: &str) -> usize {
        let mut leader = String::new();
        process::wait_until("a leader of the stream", WITHIN, || {
            let info = self.stream(stream);
            let name = info
                .as_ref()
                .and_then(|info| info["cluster"]["leader"].as_str());
            name.unwrap_or_default().clone_into(&mut leader);
            !leader.is_empty()
        });
        let number = leader.trim_start_matches('n').parse::<usize>();
        number.expect("n1, n2 or n3") - 1
    }

    /// Asks the leader of a stream to hand over, until another one leads.
    pub(crate) fn step_down(&self, stream: &str) {
        let before = self.leader(stream);
        let call = format!("STREAM.LEADER.STEPDOWN.{stream}");
        process::wait_until("another leader", WITHIN, || {
            // Refused while there is none; and the same one may be elected again.
            drop(self.client().api(&call, &Value::Null));
            self.leader(stream) != before
        });
    }

    /// Waits until all three copies are there and none lags behind.
    pub(crate) fn wait_until_whole(&self, stream: &str) {
        process::wait_until("three copies", WITHIN, || {
            let Some(info) = self.stream(stream) else {
                return false;
            };
            let replicas = info["cluster"]["replicas"].as_array();
            replicas.is_some_and(|replicas| {
                replicas.len() == 2 && replicas.iter().all(|copy| copy["current"] == true)
            })
        });
    }
}
