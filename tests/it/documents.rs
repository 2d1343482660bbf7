//! What README and docs show must be true: configurations load, events decode, names exist, links
//! lead somewhere.
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use cxpulse::config;
use cxpulse::decode::{self, Decoded, Decoder, Verdict};
use cxpulse::event::{HashKey, Kind, Reason};
use cxpulse::kpi::{Kpi, ServiceLevelFormula};
use cxpulse::source::Envelope;
use cxpulse::time::Timestamp;

const DOCUMENTS: [&str; 14] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "docs/alerts.md",
    "docs/events.md",
    "docs/kpis.md",
    "docs/metrics.md",
    "docs/operations.md",
    "docs/wallboard.md",
    "docs/security.md",
    "docs/dependencies.md",
    "fuzz/README.md",
    "docs/nats.md",
    "docs/performance.md",
];

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The fenced blocks of a language.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}");
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in document.lines() {
        match &mut open {
            Some(block) if line == "```" => {
                blocks.push(std::mem::take(block));
                open = None;
            }
            Some(block) => {
                block.push_str(line);
                block.push('\n');
            }
            None if line == fence => open = Some(String::new()),
            None => {}
        }
    }
    blocks
}

#[test]
fn every_configuration_that_is_shown_loads() {
    let folder = tempfile::tempdir().unwrap();
    let mut shown = 0;
    for document in DOCUMENTS {
        for block in blocks(&text(document), "toml") {
            let path = folder.path().join("shown.toml");
            fs::write(&path, &block).unwrap();
            if let Err(problems) = config::load(Some(&path), std::iter::empty()) {
                panic!("{document} shows a broken configuration: {problems}\n{block}");
            }
            shown += 1;
        }
    }
    assert!(shown >= 4, "{shown} configurations");
}

#[test]
fn every_event_that_is_shown_is_one() {
    let mut decoder = Decoder::new(
        Arc::new(decode::Settings::default()),
        HashKey::from_bytes([0; 16]),
    );
    let mut kinds = BTreeSet::new();
    for block in blocks(&text("README.md"), "json") {
        let envelope = Envelope {
            stored_at: Timestamp::from_millis(1_800_000_000_000),
            payload: Bytes::from(block.clone()),
            ..Envelope::default()
        };
        let mut decoded = Decoded::default();
        decoder.decode(&envelope, 0, &mut decoded);
        match decoded.items.as_slice() {
            [item] => match &item.verdict {
                Verdict::Event(event) => kinds.insert(event.kind()),
                Verdict::Reject(reject) => panic!("{reject:?}\n{block}"),
            },
            items => panic!("{} events in\n{block}", items.len()),
        };
    }
    assert_eq!(kinds, BTreeSet::from([Kind::Interaction, Kind::Survey]));
}

/// `name` stands there as code.
fn assert_names(document: &str, name: &str) {
    assert!(
        text(document).contains(&format!("`{name}`")),
        "{document} does not tell of `{name}`"
    );
}

#[test]
fn every_name_is_told_of() {
    for kpi in Kpi::ALL {
        assert_names("README.md", kpi.name());
        assert_names("docs/kpis.md", kpi.name());
        assert_names("docs/metrics.md", kpi.family());
    }
    for reason in Reason::ALL {
        assert_names("docs/events.md", reason.name());
    }
    for formula in ServiceLevelFormula::ALL {
        assert_names("docs/kpis.md", formula.name());
    }
}

#[test]
fn links_lead_somewhere() {
    for document in DOCUMENTS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
        let folder = folder.parent().unwrap();
        for after in text(document).split("](").skip(1) {
            let (target, _) = after.split_once(')').unwrap();
            let local = !target.contains("://") && !target.starts_with('#');
            assert!(
                !local || folder.join(target).exists(),
                "{document} links to {target}"
            );
        }
    }
}
