//! Every crate in the tree with its licence and its reason: `docs/dependencies.md` is made of
//! `Cargo.lock`, of what Cargo says of licences, of the reasons in `ARCHITECTURE.md`, and of those in
//! `deny.toml` for what is there twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::licences;

const DOCUMENT: &str = "docs/dependencies.md";

/// Locked more than once, and not built for any system that cxpulse is for.
const NOT_BUILT: [(&str, &str); 2] = [
    ("embedded-io", "optional in `postcard`; neither is built"),
    (
        "windows-sys",
        "Windows only, which cxpulse is not built for",
    ),
];

pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

pub(crate) fn table(path: &str) -> toml::Table {
    text(path).parse().unwrap()
}

/// Name to what uses it, and name to its versions.
struct Tree {
    users: BTreeMap<String, BTreeSet<String>>,
    versions: BTreeMap<String, BTreeSet<String>>,
}

fn tree() -> Tree {
    let lock = table("Cargo.lock");
    let mut tree = Tree {
        users: BTreeMap::new(),
        versions: BTreeMap::new(),
    };
    for package in lock["package"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let version = package["version"].as_str().unwrap().to_owned();
        tree.versions
            .entry(name.to_owned())
            .or_default()
            .insert(version);
        let dependencies = package.get("dependencies").and_then(toml::Value::as_array);
        for dependency in dependencies.into_iter().flatten() {
            // `name`, or `name version` where there are several.
            let used = dependency.as_str().unwrap().split(' ').next().unwrap();
            let users = tree.users.entry(used.to_owned()).or_default();
            users.insert(name.to_owned());
        }
    }
    tree
}

/// The reasons for what we use ourselves.
fn reasons() -> BTreeMap<String, String> {
    let text = text("ARCHITECTURE.md");
    let (_, chapter) = text.split_once("\n## Dependencies\n").unwrap();
    let lines = chapter.lines().filter_map(|line| line.strip_prefix("- `"));
    lines
        .filter_map(|line| line.split_once("` "))
        .map(|(name, reason)| (name.to_owned(), reason.to_owned()))
        .collect()
}

/// Why the older version of a crate is there as well.
fn twice() -> BTreeMap<String, String> {
    let deny = table("deny.toml");
    let skipped = deny["bans"]["skip"].as_array().unwrap();
    let entry = |one: &toml::Value| {
        let name = one["crate"].as_str().unwrap().split(':').next().unwrap();
        (name.to_owned(), one["reason"].as_str().unwrap().to_owned())
    };
    let not_built = NOT_BUILT.map(|(name, reason)| (name.to_owned(), reason.to_owned()));
    skipped.iter().map(entry).chain(not_built).collect()
}

/// Name to the licences of its versions, as Cargo has them; as the document has them where Cargo does
/// not know all.
fn licences_of(tree: &Tree) -> BTreeMap<String, String> {
    let told = licences::told_by_cargo();
    let written = text(DOCUMENT);
    let written = |name: &str| {
        let row = written.lines().find_map(|line| line.strip_prefix(name));
        row.and_then(|row| row.split(" | ").nth(1))
            .unwrap_or_default()
            .to_owned()
    };
    let versions = tree.versions.iter().map(|(name, versions)| {
        let all: Option<BTreeSet<&str>> = versions
            .iter()
            .map(|version| told.get(&(name.clone(), version.clone())))
            .map(|licence| licence.map(String::as_str))
            .collect();
        let licence = all.map(|all| all.into_iter().collect::<Vec<_>>().join("; "));
        let licence = licence.unwrap_or_else(|| written(&format!("| `{name}`")));
        (name.clone(), licence)
    });
    versions.collect()
}

fn document() -> String {
    let (tree, reasons, twice) = (tree(), reasons(), twice());
    let licences = licences_of(&tree);
    let mut out = String::from(
        "# Dependencies\n\n\
         Every crate of `Cargo.lock`, tests and build included, its licence, and what it is there for. Made by\n\
         `UPDATE_DEPENDENCIES=1 cargo test --test it dependencies`; a test keeps it true. The ordinary tests\n\
         hold licences, sources and banned crates against `deny.toml`; so does, where it is installed,\n\
         `cargo deny --offline check bans licenses sources`, which also reads the texts of the licences.\n\n\
         | crate | licence | reason |\n|---|---|---|\n",
    );
    for name in tree.versions.keys().filter(|name| *name != "cxpulse") {
        let why = reasons.get(name).cloned().unwrap_or_else(|| {
            let users = tree.users.get(name).into_iter().flatten();
            let users: Vec<String> = users.map(|user| format!("`{user}`")).collect();
            format!("used by {}", users.join(", "))
        });
        writeln!(out, "| `{name}` | {} | {why} |", licences[name]).unwrap();
    }
    out.push_str("\n## More than one version\n\n| crate | versions | reason |\n|---|---|---|\n");
    for (name, versions) in tree
        .versions
        .iter()
        .filter(|(_, versions)| versions.len() > 1)
    {
        let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
        let why = twice.get(name).map_or("", String::as_str);
        writeln!(out, "| `{name}` | {} | {why} |", versions.join(", ")).unwrap();
    }
    out
}

#[test]
fn every_crate_stands_in_the_document() {
    let expected = document();
    if std::env::var_os("UPDATE_DEPENDENCIES").is_some() {
        fs::write(
            Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT),
            &expected,
        )
        .unwrap();
    }
    assert!(
        text(DOCUMENT) == expected,
        "{DOCUMENT} is not what Cargo.lock says; UPDATE_DEPENDENCIES=1 cargo test --test it dependencies"
    );
}

/// Without `cargo deny` at hand: nothing comes from anywhere but the registry, nothing is banned.
#[test]
fn sources_and_bans_hold_in_the_lock_file() {
    let banned: BTreeSet<String> = table("deny.toml")["bans"]["deny"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["crate"].as_str().unwrap().to_owned())
        .collect();
    assert!(banned.len() > 3);
    let lock = table("Cargo.lock");
    for package in lock["package"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        assert!(!banned.contains(name), "{name} is banned");
        match package.get("source").and_then(toml::Value::as_str) {
            None => assert_eq!(name, "cxpulse"),
            Some(source) => {
                let registry = "registry+https://github.com/rust-lang/crates.io-index";
                assert_eq!(source, registry, "{name}");
                assert!(package.get("checksum").is_some(), "{name}");
            }
        }
    }
}

/// A crate that is there twice has its reason; the list is checked by name here, and by version in
/// `cargo deny`.
#[test]
fn what_is_there_twice_has_a_reason() {
    let (tree, twice) = (tree(), twice());
    let several: BTreeSet<&String> = tree
        .versions
        .iter()
        .filter(|(_, versions)| versions.len() > 1)
        .map(|(name, _)| name)
        .collect();
    let stale: Vec<_> = twice
        .keys()
        .filter(|name| !several.contains(name))
        .collect();
    assert!(stale.is_empty(), "no longer there twice: {stale:?}");
    let without: Vec<_> = several
        .iter()
        .filter(|name| !twice.contains_key(name.as_str()))
        .collect();
    assert!(
        without.is_empty(),
        "twice, and no word on why in deny.toml: {without:?}"
    );
}
