//! A real Alertmanager of a test, without receivers and without a cluster.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::http;
use super::process::{self, Process};

/// How long Alertmanager may take until it is ready.
const READY_WITHIN: Duration = Duration::from_mins(2);

/// How long an alert may take to be seen there, or to be gone.
const SEEN_WITHIN: Duration = Duration::from_mins(2);

/// A running Alertmanager.
#[derive(Debug)]
pub(crate) struct Alertmanager {
    address: String,
    process: Process,
}

impl Alertmanager {
    /// Starts Alertmanager with its data in `folder`.
    pub(crate) fn start(binary: &Path, folder: &Path) -> Self {
        let address = format!("127.0.0.1:{}", process::free_port());
        Self::start_at(binary, folder, &address)
    }

    /// The same at a given address, for one that comes back.
    pub(crate) fn start_at(binary: &Path, folder: &Path, address: &str) -> Self {
        let address = address.to_owned();
        let config = folder.join("alertmanager.yml");
        fs::write(
            &config,
            "route: { receiver: none }\nreceivers: [{ name: none }]\n",
        )
        .expect("the file can be written");
        let mut command = Command::new(binary);
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.path={}",
                folder.join("alertmanager").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=");
        let mut process = Process::start("alertmanager", &mut command, folder);
        process.wait_until("ready Alertmanager", READY_WITHIN, || {
            http::get(&address, "/-/ready").is_ok_and(|answer| answer.status == 200)
        });
        Self { address, process }
    }

    /// `127.0.0.1:<port>`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The address as a URL, as `sinks.alertmanager.urls` has it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The alerts it holds now (`GET /api/v2/alerts`), firing and not yet forgotten.
    pub(crate) fn alerts(&self) -> Vec<Value> {
        let answer = http::get(&self.address, "/api/v2/alerts")
            .unwrap_or_else(|error| panic!("{error}\n{}", self.process.stderr()));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json().as_array().cloned().unwrap_or_default()
    }

    /// The values of a label of the alerts it holds, in order; `?` for one without.
    pub(crate) fn labels(&self, name: &str) -> Vec<String> {
        let alerts = self.alerts();
        let values = alerts.iter().map(|alert| alert["labels"][name].as_str());
        let mut values: Vec<String> = values.map(|value| value.unwrap_or("?").into()).collect();
        values.sort();
        values
    }

    /// Waits until the values of a label are these, in order.
    pub(crate) fn wait_for(&self, label: &str, expected: &[&str]) {
        process::wait_until(&format!("alerts {expected:?}"), SEEN_WITHIN, || {
            self.labels(label) == expected
        });
    }
}
