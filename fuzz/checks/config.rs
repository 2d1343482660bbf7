//! Any bytes as a configuration: either every problem is told with place and hint, or what was
//! accepted can be run.

use std::io::Write;
use std::sync::{Arc, LazyLock};

use super::library;
use library::alert::{Evaluator, prometheus_rules};
use library::config::{Finding, Loaded, Problems, SecretFiles, load_with};
use library::decode::Decoder;
use library::engine::{Engine, WaitingPolicy};
use library::event::HashKey;
use library::export;
use library::time::Timestamp;

/// Where the file is written; the configuration is read from files only.
static FOLDER: LazyLock<tempfile::TempDir> =
    LazyLock::new(|| tempfile::tempdir().expect("a folder for the configuration"));

/// The file, and after zero bytes variables (`NAME=value`).
pub(crate) fn check(input: &[u8]) {
    let mut parts = input.split(|byte| *byte == 0);
    let text = parts.next().unwrap_or_default();
    let variables = parts.filter_map(|part| {
        let (name, value) = std::str::from_utf8(part).ok()?.split_once('=')?;
        Some((format!("CXPULSE__{name}"), value.to_owned()))
    });
    let variables: Vec<(String, String)> = variables.collect();
    let mut file = tempfile::NamedTempFile::new_in(FOLDER.path()).expect("a file");
    file.write_all(text).expect("a file takes text");
    let load = || {
        let variables = variables.iter().cloned();
        load_with(Some(file.path()), variables, SecretFiles::MayBeAbsent)
    };
    match load() {
        Err(problems) => {
            assert_told(&problems);
            assert_eq!(load().err(), Some(problems), "the same words again");
        }
        Ok(loaded) => assert_runs(&loaded),
    }
}

fn assert_told(problems: &Problems) {
    assert!(!problems.findings.is_empty(), "refused without a word");
    problems.findings.iter().for_each(assert_whole);
}

fn assert_whole(finding: &Finding) {
    assert!(finding.origin.is_given(), "nobody wrote this: {finding:?}");
    assert!(
        !finding.message.is_empty() && !finding.hint.is_empty(),
        "{finding:?}"
    );
}

/// What is accepted can be built, runs, and is shown without its secrets.
fn assert_runs(loaded: &Loaded) {
    let config = &loaded.config;
    for warning in &loaded.warnings {
        assert!(
            !warning.message.is_empty() && !warning.hint.is_empty(),
            "{warning:?}"
        );
    }
    let shown: Vec<&str> = loaded
        .values
        .iter()
        .map(|value| value.key.as_str())
        .collect();
    for secret in ["password", "token", "bearer_token", "webhook.url"] {
        let values = loaded
            .values
            .iter()
            .filter(|value| value.key.ends_with(secret));
        for value in values.filter(|value| !value.key.contains("labels.")) {
            // A key of the sections with secrets; names that users choose end otherwise.
            let of_ours = ["nats.", "http.", "sinks."]
                .iter()
                .any(|of| value.key.starts_with(of));
            assert!(
                !of_ours || value.value == "\"redacted\"",
                "{value:?} among {shown:?}"
            );
        }
    }
    drop(Decoder::new(
        Arc::new(config.decode.clone()),
        HashKey::from_bytes([1; 16]),
    ));
    let mut engine = Engine::new(Arc::new(config.engine.clone()), WaitingPolicy::Keep);
    let at = Timestamp::from_millis(1_772_438_400_000);
    engine.advance(at);
    let view = engine.view(at);
    let extras = config.export_extras();
    assert!(export::estimate(&config.engine, &config.export, &extras).most_series() > 0);
    let mut renderer = export::prometheus::Renderer::default();
    drop(renderer.render(&view, &config.export, &extras, &[]));
    let mut evaluator = Evaluator::new(&config.alert, config.engine.key_ttl)
        .expect("checked templates are templates");
    evaluator.evaluate(&view, at, false);
    drop(prometheus_rules::rule_file(
        &config.alert,
        &config.engine.windows,
        "rules.yml",
    ));
}
