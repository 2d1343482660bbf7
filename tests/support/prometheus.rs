//! A real Prometheus of a test, scraping one address at short intervals.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::http;
use super::process::{self, Process};

/// How long Prometheus may take until it is ready.
const READY_WITHIN: Duration = Duration::from_mins(2);

/// A running Prometheus.
#[derive(Debug)]
pub(crate) struct Prometheus {
    address: String,
    process: Process,
}

/// One row of an instant query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    /// All labels, the name of the metric as `__name__`.
    pub(crate) labels: BTreeMap<String, String>,
    /// The value.
    pub(crate) value: f64,
}

impl Prometheus {
    /// Starts Prometheus with `target` (`host:port`) as its job `cxpulse`, scraped each second.
    /// `rules` is the text of a rule file, empty for none.
    pub(crate) fn start(binary: &Path, folder: &Path, target: &str, rules: &str) -> Self {
        let address = format!("127.0.0.1:{}", process::free_port());
        let config = folder.join("prometheus.yml");
        let rule_file = folder.join("rules.yml");
        fs::write(&rule_file, rules).expect("the rule file can be written");
        fs::write(&config, configuration(target, &rule_file)).expect("the file can be written");
        let mut command = Command::new(binary);
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("tsdb").display()
            ))
            .arg(format!("--web.listen-address={address}"));
        let mut process = Process::start("prometheus", &mut command, folder);
        process.wait_until("ready Prometheus", READY_WITHIN, || {
            http::get(&address, "/-/ready").is_ok_and(|answer| answer.status == 200)
        });
        Self { address, process }
    }

    /// `127.0.0.1:<port>`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The result of a PromQL expression that gives a vector, at this moment. Panics, with the
    /// answer, when the expression is refused.
    pub(crate) fn query(&self, expression: &str) -> Vec<Sample> {
        let answer = self.api(&format!("query?query={}", http::encode(expression)));
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        let rows = answer["data"]["result"].as_array().expect("a vector");
        rows.iter().map(sample).collect()
    }

    /// Health (`up`, `down`, `unknown`) of the target, and the error of its last scrape.
    pub(crate) fn target_health(&self) -> (String, String) {
        let answer = self.api("targets");
        let target = &answer["data"]["activeTargets"][0];
        let text = |name: &str| target[name].as_str().unwrap_or_default().to_owned();
        (text("health"), text("lastError"))
    }

    /// `GET /api/v1/<path>` as JSON.
    pub(crate) fn api(&self, path: &str) -> Value {
        http::get(&self.address, &format!("/api/v1/{path}"))
            .unwrap_or_else(|error| panic!("{path}: {error}\n{}", self.process.stderr()))
            .json()
    }
}

/// Findings of `promtool check metrics` about a page, empty when it has none.
pub(crate) fn check_metrics(promtool: &Path, page: &str) -> String {
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    // It reads all of its input before it writes, so that neither side waits for the other.
    let mut input = child.stdin.take().expect("piped");
    input.write_all(page.as_bytes()).expect("promtool reads");
    drop(input);
    let output = child.wait_with_output().expect("promtool ends");
    let findings = [output.stdout, output.stderr].concat();
    let findings = String::from_utf8_lossy(&findings);
    if output.status.success() {
        findings.into_owned()
    } else {
        format!("{findings}({})", output.status)
    }
}

fn configuration(target: &str, rule_file: &Path) -> String {
    format!(
        "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  evaluation_interval: 1s\n\
         rule_files: ['{}']\n\
         scrape_configs:\n- job_name: cxpulse\n  static_configs:\n  - targets: ['{target}']\n",
        rule_file.display()
    )
}

fn sample(row: &Value) -> Sample {
    let labels = row["metric"].as_object().into_iter().flatten();
    Sample {
        labels: labels
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        value: row["value"][1]
            .as_str()
            .and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("not a sample: {row}")),
    }
}
