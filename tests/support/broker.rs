//! A real nats-server of a test: on a port of its own, with JetStream in a folder of its own, to be
//! stopped, killed and started again.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::nats_raw::RawNats;
use super::process::{self, Process};

/// How long the server may take until it answers.
const READY_WITHIN: Duration = Duration::from_mins(2);

/// A nats-server, running or not.
#[derive(Debug)]
pub(crate) struct Broker {
    binary: PathBuf,
    folder: PathBuf,
    port: u16,
    arguments: Vec<String>,
    /// What our own clients say of themselves.
    login: Value,
    process: Option<Process>,
}

impl Broker {
    /// A server that is not running yet, but has its address.
    pub(crate) fn prepare(binary: &Path, folder: &Path) -> Self {
        Self {
            binary: binary.into(),
            folder: folder.into(),
            port: process::free_port(),
            arguments: Vec::new(),
            login: Value::Null,
            process: None,
        }
    }

    /// A running server with JetStream.
    pub(crate) fn start_new(binary: &Path, folder: &Path) -> Self {
        let mut broker = Self::prepare(binary, folder);
        broker.start();
        broker
    }

    /// The same server with one more command-line argument, such as `-c` or a file.
    pub(crate) fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// The same server, to which our own clients log in with these members of their CONNECT line.
    pub(crate) fn login(mut self, login: Value) -> Self {
        self.login = login;
        self
    }

    /// Starts the server and waits until JetStream answers.
    pub(crate) fn start(&mut self) {
        self.launch();
        self.wait_until_ready();
    }

    /// Starts the server and does not wait for anything.
    pub(crate) fn launch(&mut self) {
        let mut command = Command::new(&self.binary);
        command
            .args(["-a", "127.0.0.1", "-js"])
            .args(["-p", &self.port.to_string()])
            .arg("-sd")
            .arg(self.folder.join("jetstream"))
            .args(&self.arguments);
        self.process = Some(Process::start("nats-server", &mut command, &self.folder));
    }

    /// Waits until JetStream answers.
    pub(crate) fn wait_until_ready(&mut self) {
        let (address, login) = (self.address(), self.login.clone());
        let process = self.process.as_mut().expect("the server runs");
        process.wait_until("answer of JetStream", READY_WITHIN, || {
            RawNats::connect_with(&address, &login)
                .and_then(|mut nats| nats.api("INFO", &Value::Null))
                .is_ok()
        });
    }

    /// Waits until the server has ended by itself.
    pub(crate) fn wait_for_end(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.wait_for_end(READY_WITHIN);
        }
    }

    /// Stops the server in order.
    pub(crate) fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop();
        }
    }

    /// Kills the server.
    pub(crate) fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
    }

    /// Sends a signal to the running server by name, such as `STOP` and `CONT`.
    pub(crate) fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("the server runs");
        process.signal(signal);
    }

    /// What the running server has logged.
    pub(crate) fn log(&self) -> String {
        self.process
            .as_ref()
            .map(Process::stderr)
            .unwrap_or_default()
    }

    /// `127.0.0.1:<port>`; the same after each start.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The address as a URL.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address())
    }

    /// A client of the running server.
    pub(crate) fn client(&self) -> RawNats {
        RawNats::connect_with(&self.address(), &self.login).expect("the server runs")
    }
}
