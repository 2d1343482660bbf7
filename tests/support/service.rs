//! The built `cxpulse run` of a test: its config in a file, its state in a folder, its page on a
//! port of its own.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use serde_json::Value;

use super::http::{self, Response};
use super::page::Page;
use super::process::{self, Process};

/// How long cxpulse may take until it answers HTTP; it does so before it has reached NATS.
const ANSWERS_WITHIN: Duration = Duration::from_mins(2);

/// A running `cxpulse run`.
#[derive(Debug)]
pub(crate) struct Service {
    address: String,
    process: Process,
}

impl Service {
    /// The part of a configuration that every test has: server, state folder, and an address that
    /// is free; to be followed by the tables of the test. Gives the address too.
    pub(crate) fn base_config(nats_url: &str, folder: &Path) -> (String, String) {
        let address = format!("127.0.0.1:{}", process::free_port());
        let config = format!(
            "[nats]\nurl = \"{nats_url}\"\n\n[checkpoint]\ndir = \"{}\"\n\n[http]\nlisten = \"{address}\"\n\n",
            folder.join("state").display()
        );
        (config, address)
    }

    /// Starts cxpulse and waits until it answers. May be called again with the same folder, after
    /// the first one has ended: the state is kept.
    pub(crate) fn start(config: &str, address: &str, folder: &Path) -> Self {
        let mut service = Self::spawn(config, address, folder, &[]);
        service.wait_for_answer();
        service
    }

    /// Waits until it answers.
    pub(crate) fn wait_for_answer(&mut self) {
        let address = &self.address;
        self.process
            .wait_until("answer of /livez", ANSWERS_WITHIN, || {
                http::get(address, "/livez").is_ok_and(|answer| answer.status == 200)
            });
    }

    /// Starts cxpulse with more arguments of `run` and does not wait for anything. `more` with a
    /// `=` sets an environment variable.
    pub(crate) fn spawn(config: &str, address: &str, folder: &Path, more: &[&str]) -> Self {
        let file = folder.join("cxpulse.toml");
        fs::write(&file, config).expect("the config can be written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_cxpulse"));
        command.arg("run").arg("--config").arg(&file);
        // What is set where the tests run must not decide what they test.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CXPULSE__")) {
            command.env_remove(name);
        }
        for argument in more {
            match argument.split_once('=') {
                Some((name, value)) => command.env(name, value),
                None => command.arg(argument),
            };
        }
        Self {
            address: address.into(),
            process: Process::start("cxpulse", &mut command, folder),
        }
    }

    /// `host:port` of its pages.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// One page; panics when it does not answer.
    pub(crate) fn get(&self, path: &str) -> Response {
        self.try_get(path)
            .unwrap_or_else(|error| panic!("GET {path}: {error}\n{}", self.process.stderr()))
    }

    /// One page.
    pub(crate) fn try_get(&self, path: &str) -> io::Result<Response> {
        http::get(&self.address, path)
    }

    /// `/metrics`, which always answers 200.
    pub(crate) fn metrics_text(&self) -> String {
        let answer = self.get("/metrics");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    }

    /// `/metrics`, read.
    pub(crate) fn metrics(&self) -> Page {
        Page::parse(&self.metrics_text())
    }

    /// `/api/v1/kpis` with a query such as `window=1h&breakdown=queue`.
    pub(crate) fn kpis(&self, query: &str) -> Value {
        let answer = self.get(&format!("/api/v1/kpis?{query}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Waits until a page is as wanted and gives it; panics with the output of cxpulse otherwise.
    pub(crate) fn wait_for_metrics(
        &mut self,
        what: &str,
        within: Duration,
        mut wanted: impl FnMut(&Page) -> bool,
    ) -> Page {
        let mut last = Page::default();
        let address = self.address.clone();
        self.process.wait_until(what, within, || {
            let answer = http::get(&address, "/metrics").expect("/metrics always answers");
            assert_eq!(answer.status, 200, "/metrics always answers 200");
            last = Page::parse(&answer.text());
            wanted(&last)
        });
        last
    }

    /// Waits until `/readyz` answers 200.
    pub(crate) fn wait_until_ready(&mut self, within: Duration) {
        let address = self.address.clone();
        self.process.wait_until("ready cxpulse", within, || {
            http::get(&address, "/readyz").is_ok_and(|answer| answer.status == 200)
        });
    }

    /// Waits until it has ended by itself, and says how.
    pub(crate) fn wait_for_end(&mut self, within: Duration) -> ExitStatus {
        self.process.wait_for_end(within)
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, signal: &str) {
        self.process.signal(signal);
    }

    /// SIGKILL.
    pub(crate) fn kill(self) {
        self.process.kill();
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        self.process.stderr()
    }

    /// SIGTERM, and how it ended.
    pub(crate) fn stop(self) -> ExitStatus {
        self.process.stop()
    }
}
