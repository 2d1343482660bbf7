//! What `deploy/` holds is taken by those it is for, as far as they are at hand.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::process::{self, Process};
use crate::support::tools::{require_tool, skip_or_fail};

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

fn text(file: &str) -> String {
    std::fs::read_to_string(deploy().join(file)).expect("a text file")
}

#[test]
fn prometheus_takes_its_configuration_and_the_rules() {
    let promtool = require_tool!("promtool");
    for arguments in [
        &["check", "config", "prometheus/prometheus.yml"][..],
        &[
            "check",
            "rules",
            "prometheus/cxpulse-dashboard.rules.yml",
            "prometheus/cxpulse-alerts.rules.yml",
        ],
    ] {
        let output = Command::new(&promtool)
            .args(arguments)
            .current_dir(deploy())
            .output()
            .expect("promtool runs");
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("SUCCESS"), "{said}");
    }
}

#[test]
fn alertmanager_takes_its_configuration() {
    let binary = require_tool!("alertmanager");
    let folder = tempfile::tempdir().expect("a folder");
    let address = format!("127.0.0.1:{}", process::free_port());
    let mut command = Command::new(binary);
    command
        .arg(format!(
            "--config.file={}",
            deploy().join("alertmanager/alertmanager.yml").display()
        ))
        .arg(format!("--storage.path={}", folder.path().display()))
        .arg(format!("--web.listen-address={address}"))
        .arg("--cluster.listen-address=");
    let mut process = Process::start("alertmanager", &mut command, folder.path());
    process.wait_until("ready Alertmanager", Duration::from_secs(30), || {
        crate::support::http::get(&address, "/-/ready").is_ok_and(|answer| answer.status == 200)
    });
}

#[test]
fn cxpulse_takes_its_configuration() {
    let output = Command::new(env!("CARGO_BIN_EXE_cxpulse"))
        .arg("validate")
        .arg(deploy().join("cxpulse.toml"))
        .output()
        .expect("cxpulse runs");
    assert!(output.status.success(), "{output:?}");
}

/// The unit is well-formed; the program it starts is replaced by one that exists here.
#[test]
fn systemd_takes_the_unit() {
    let there = Command::new("systemd-analyze")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if !there.is_ok_and(|status| status.success()) {
        skip_or_fail!("no systemd-analyze");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let unit = folder.path().join("cxpulse.service");
    let program = env!("CARGO_BIN_EXE_cxpulse");
    let text = text("systemd/cxpulse.service").replace("/usr/local/bin/cxpulse", program);
    std::fs::write(&unit, text).expect("a file");
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&unit)
        .output()
        .expect("systemd-analyze runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
}

/// Every file that is mounted exists, and every service that another one asks for.
#[test]
fn the_compose_file_names_what_exists() {
    let compose = text("compose.yaml");
    let mounted = compose.lines().filter_map(|line| {
        let (from, to) = line.trim().strip_prefix("- ./")?.split_once(':')?;
        to.starts_with('/').then_some(from)
    });
    let mounted: Vec<&str> = mounted.collect();
    assert!(mounted.len() >= 5, "{mounted:?}");
    for path in mounted {
        assert!(deploy().join(path).exists(), "{path}");
    }
    for service in [
        "nats",
        "cxpulse",
        "traffic",
        "prometheus",
        "alertmanager",
        "grafana",
    ] {
        assert!(compose.contains(&format!("\n  {service}:\n")), "{service}");
    }
    // The addresses by which they know each other.
    let named = [
        ("cxpulse.toml", "nats://nats:4222"),
        ("cxpulse.toml", "http://alertmanager:9093"),
        ("prometheus/prometheus.yml", "cxpulse:10425"),
        ("prometheus/prometheus.yml", "alertmanager:9093"),
        (
            "grafana/provisioning/datasources/prometheus.yaml",
            "http://prometheus:9090",
        ),
    ];
    for (file, address) in named {
        assert!(text(file).contains(address), "{file}: {address}");
    }
}
