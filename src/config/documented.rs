//! `config/cxpulse.toml`, the documented default, is held true here.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::checked::Config;
use super::load::load;
use super::report::Report;
use super::secret_file::SecretFiles;
use super::section::Section;
use super::sections;
use super::tree::{self, Table, Value};

const DOCUMENTED: &str = "config/cxpulse.toml";

fn text() -> String {
    std::fs::read_to_string(DOCUMENTED).unwrap()
}

/// The text with every key that is commented out put into effect: `#key` and `#[section]`, but not
/// `# prose`.
fn all_keys_in_effect() -> String {
    let lines = text();
    let lines = lines.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => rest,
        Some(_) | None => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Every key of a tree, list entries written as `alert[].name`.
fn keys(table: &Table, path: &str, found: &mut BTreeSet<String>) {
    for (name, node) in table {
        let key = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        if let Value::Table(members) = &node.value {
            keys(members, &key, found);
        }
        if let Value::Array(elements) = &node.value {
            for element in elements {
                if let Value::Table(members) = &element.value {
                    keys(members, &format!("{key}[]"), found);
                }
            }
        }
        found.insert(key);
    }
}

#[test]
fn it_says_what_is_built_in() {
    let loaded = load(Some(Path::new(DOCUMENTED)), std::iter::empty()).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.warnings, []);
    let built_in = load(None, std::iter::empty()).unwrap();
    assert_eq!(built_in.config, Config::default());
}

#[test]
fn every_value_in_effect_without_a_file_is_written_in_it() {
    let built_in = load(None, std::iter::empty()).unwrap();
    let documented = load(Some(Path::new(DOCUMENTED)), std::iter::empty()).unwrap();
    let shown = |values: Vec<super::ShownValue>| {
        let pairs = values.into_iter().map(|shown| (shown.key, shown.value));
        pairs.collect::<BTreeSet<_>>()
    };
    for value in &documented.values {
        assert!(value.origin.is_given(), "{} is not written", value.key);
    }
    assert_eq!(shown(documented.values).len(), shown(built_in.values).len());
}

#[test]
fn every_key_there_is_occurs_in_it() {
    let path: Arc<Path> = Arc::from(Path::new(DOCUMENTED));
    let tree = tree::parse(&all_keys_in_effect(), &path).unwrap();
    let mut written = BTreeSet::new();
    keys(&tree, "", &mut written);
    let mut report = Report::new(SecretFiles::MayBeAbsent);
    sections::read(Section::root(tree), &mut report);
    report.close();
    let missing: Vec<&String> = report
        .known
        .iter()
        .filter(|key| !written.contains(*key))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    // All alternatives at once contradict each other, but each is known and well-formed.
    let problems: Vec<String> = report
        .problems
        .iter()
        .map(|problem| format!("{}: {}", problem.key, problem.message))
        .collect();
    assert_eq!(
        problems,
        [
            "nats: says in several ways who we are",
            "nats.password_file: `password` is given as well",
            "nats.token_file: `token` is given as well",
            "alert[0]: has several conditions: below, above, drops_by, drops_by_ratio, rises_by, \
             rises_by_ratio, slo, no_data_for",
            "alert[0].quantile: goes with kpi = \"handle_time\" only",
            "sinks.webhook.url_file: `url` is given as well",
            "http.auth: asks for a token and for a user",
            "http.auth.bearer_token_file: `bearer_token` is given as well",
            "http.auth.password_file: `password` is given as well",
        ]
    );
}

#[test]
fn every_value_can_be_set_by_the_environment() {
    for shown in load(None, std::iter::empty()).unwrap().values {
        if shown.key.contains('[') {
            continue;
        }
        let name = format!("CXPULSE__{}", shown.key.replace('.', "__").to_uppercase());
        let value = shown.value.trim_matches('"').to_owned();
        let variable = std::iter::once((name.clone(), value));
        let loaded = load(None, variable).unwrap();
        assert_eq!(loaded.config, Config::default(), "{name}");
        let origin = &loaded
            .values
            .iter()
            .find(|other| other.key == shown.key)
            .unwrap()
            .origin;
        assert_eq!(origin.to_string(), name);
    }
}
