//! The built `cxpulse run`, watched from outside: its log, its pages, its processor time.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::cores;
use crate::measure::{now, processor_seconds};
use crate::server::Server;
use crate::support::http;
use crate::support::page::Page;
use crate::support::process::{Process, free_port};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_mins(20);

/// Where one cxpulse keeps its configuration, its state and its log, through restarts.
#[derive(Debug)]
pub(crate) struct Home {
    folder: PathBuf,
    address: String,
    starts: u32,
}

impl Home {
    /// An empty one called `name` below `folder`; `tables` are further tables of the configuration.
    pub(crate) fn new(server: &Server, folder: &Path, name: &str, tables: &str) -> Self {
        let folder = folder.join(name);
        fs::create_dir(&folder).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let config = format!(
            "[nats]\nurl = \"nats://{}\"\n\n[checkpoint]\ndir = \"{}\"\n\n\
             [log]\nformat = \"json\"\n\n{tables}\n\n[http]\nlisten = \"{address}\"\n",
            server.address(),
            folder.join("state").display(),
        );
        fs::write(folder.join("cxpulse.toml"), config).unwrap();
        Self {
            folder,
            address,
            starts: 0,
        }
    }

    /// Starts cxpulse on some cores.
    pub(crate) fn start(&mut self, on: &[usize]) -> Service {
        self.starts += 1;
        let mut command = Command::new(env!("CARGO_BIN_EXE_cxpulse"));
        command
            .arg("run")
            .arg("--config")
            .arg(self.folder.join("cxpulse.toml"));
        // What is set where the bench runs must not decide what it measures.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CXPULSE__")) {
            command.env_remove(name);
        }
        let name = format!("cxpulse-{}", self.starts);
        let began = now();
        let started_at = crate::server::now().as_seconds();
        let start = || Process::start(&name, &mut command, &self.folder);
        Service {
            log: self.folder.join(format!("{name}.err")),
            process: cores::bound_to(on, start),
            address: self.address.clone(),
            began,
            started_at,
        }
    }
}

/// A running cxpulse; gone when dropped.
#[derive(Debug)]
pub(crate) struct Service {
    process: Process,
    log: PathBuf,
    address: String,
    began: std::time::Instant,
    /// Seconds since the epoch.
    started_at: f64,
}

impl Service {
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The first answer of `/metrics`, asked for without a pause.
    pub(crate) fn first_page(&self) -> Duration {
        while !http::get(&self.address, "/metrics").is_ok_and(|answer| answer.status == 200) {
            assert!(self.began.elapsed() < PATIENCE, "no page");
            std::thread::sleep(Duration::from_micros(200));
        }
        self.began.elapsed()
    }

    /// Waits until cxpulse says that it has read all that the stream held.
    pub(crate) fn wait_until_caught_up(&mut self) {
        let process = &mut self.process;
        let told = |log: &str| log.contains("\"caught up with the stream\"");
        let log = &self.log;
        process.wait_until("having caught up", PATIENCE, || {
            told(&fs::read_to_string(log).unwrap_or_default())
        });
    }

    /// From attachment to having caught up, by the times of its own log lines.
    pub(crate) fn catching_up(&self) -> Duration {
        let from = self.logged_at("attached to the stream");
        let until = self.logged_at("caught up with the stream");
        Duration::from_secs_f64(until - from)
    }

    /// From the start of the process to having caught up.
    pub(crate) fn start_to_caught_up(&self) -> Duration {
        Duration::from_secs_f64(self.logged_at("caught up with the stream") - self.started_at)
    }

    /// When a line was logged first, seconds since the epoch.
    fn logged_at(&self, message: &str) -> f64 {
        let log = self.process.stderr();
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let line = lines
            .into_iter()
            .find(|line| line["message"] == message)
            .unwrap_or_else(|| panic!("no `{message}` in\n{log}"));
        let at: jiff::Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
        at.as_microsecond() as f64 / 1e6
    }

    pub(crate) fn page(&self) -> Page {
        Page::parse(&http::get(&self.address, "/metrics").unwrap().text())
    }

    /// Events received, as the newest view has it.
    pub(crate) fn received(&self) -> u64 {
        self.page().count("cxpulse_events_received_total")
    }

    /// Events that are in the values of the newest page, or were refused. Reads no more of the page
    /// than it takes: these figures stand on top.
    pub(crate) fn counted(&self) -> u64 {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        socket.write_all(request.as_bytes()).unwrap();
        let (mut received, mut waiting) = (0, 0);
        for line in BufReader::new(socket).lines() {
            let line = line.unwrap();
            let value = || line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap();
            if line.starts_with("cxpulse_events_received_total{") {
                received += value();
            } else if line.starts_with("cxpulse_events_waiting ") {
                waiting = value();
                break;
            }
        }
        received - waiting
    }

    pub(crate) fn processor_seconds(&self) -> f64 {
        processor_seconds(self.process.id())
    }

    pub(crate) fn signal(&self, signal: &str) {
        self.process.signal(signal);
    }

    /// Ends it in order: a last checkpoint is written.
    pub(crate) fn stop(self) {
        assert!(
            self.process.stop().success(),
            "cxpulse did not stop in order"
        );
    }
}
