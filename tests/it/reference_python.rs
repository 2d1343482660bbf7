//! The two references against each other: this one and the script in `tools/reference`.
use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::reference::generate::{BASE, universe};
use crate::reference::output::{Compare, differences};
use crate::reference::{exchange, replay};

/// Universes compared in an ordinary run; `CXPULSE_REFERENCE_CASES` asks for more and `CXPULSE_REFERENCE_SEED` for others.
const CASES: u64 = 400;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn both_references_agree() {
    if Command::new("python3").arg("--version").output().is_err() {
        assert!(
            std::env::var_os("CI").is_none(),
            "python3 is needed for the second reference"
        );
        println!("skipped: both_references_agree (python3 is not on PATH)");
        return;
    }
    let seed = setting("CXPULSE_REFERENCE_SEED")
        .unwrap_or(1)
        .to_le_bytes()
        .repeat(4);
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let strategy = (universe(), proptest::option::of(-4..40_i64));
    let mut cases = Vec::new();
    for _ in 0..setting("CXPULSE_REFERENCE_CASES").unwrap_or(CASES) {
        let ((setup, messages), at) = strategy
            .new_tree(&mut runner)
            .expect("a universe")
            .current();
        cases.push((setup, messages, at.map(|steps| BASE + steps * 500)));
    }
    let mut input = tempfile::NamedTempFile::new().expect("a file");
    for (setup, messages, at) in &cases {
        writeln!(input, "{}", exchange::case(setup, messages, *at)).expect("writing the cases");
    }
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tools/reference/cxpulse_reference.py"
    );
    let run = Command::new("python3")
        .args([script, "--universes"])
        .arg(input.path())
        .stderr(Stdio::inherit())
        .output()
        .expect("python3 runs");
    assert!(run.status.success());
    let results = String::from_utf8(run.stdout).expect("text");
    assert_eq!(results.lines().count(), cases.len());
    for (number, ((setup, messages, at), line)) in cases.iter().zip(results.lines()).enumerate() {
        let found = exchange::output(&serde_json::from_str(line).expect("JSON"));
        let list = differences(&replay(setup, messages, *at), &found, Compare::Counters);
        assert!(
            list.is_empty(),
            "universe {number} (here | script):\n{}\n{}",
            list.join("\n"),
            exchange::case(setup, messages, *at)
        );
    }
}
