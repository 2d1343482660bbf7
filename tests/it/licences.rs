//! Licences of all crates in the tree, held against the list of `deny.toml`. Cargo tells them; what it
//! cannot tell (offline, with crates of other systems never fetched) stands in `docs/dependencies.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use super::dependencies::{table, text};

/// The licence expression of each crate, by name and version; nothing where Cargo cannot say.
pub(crate) fn told_by_cargo() -> BTreeMap<(String, String), String> {
    let metadata = |more: &[&str]| -> Option<serde_json::Value> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["metadata", "--locked", "--format-version", "1"]);
        cargo.args(more).current_dir(env!("CARGO_MANIFEST_DIR"));
        let output = cargo.output().ok()?;
        let shown = || serde_json::from_slice(&output.stdout).expect("JSON");
        output.status.success().then(shown)
    };
    let Some(metadata) = metadata(&["--offline"]).or_else(|| metadata(&[])) else {
        return BTreeMap::new();
    };
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let member = |name: &str| package[name].as_str().unwrap_or_default().to_owned();
            // A slash is how `OR` was written before SPDX.
            let licence = member("license").replace(" / ", "/").replace('/', " OR ");
            ((member("name"), member("version")), licence)
        })
        .collect()
}

/// Whether an SPDX expression can be met with these licences alone. `GPL-2.0 WITH an-exception` is a
/// licence of its own, as it is in `deny.toml`.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> Result<bool, String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    let met = any(&mut words, allowed)?;
    match words.pop() {
        None => Ok(met),
        Some(word) => Err(format!("`{word}` is too much in `{expression}`")),
    }
}

/// `AND` binds closer than `OR`. The words are taken from the end.
fn any(words: &mut Vec<&str>, allowed: &BTreeSet<String>) -> Result<bool, String> {
    let mut met = all(words, allowed)?;
    while words.pop_if(|word| *word == "OR").is_some() {
        met |= all(words, allowed)?;
    }
    Ok(met)
}

fn all(words: &mut Vec<&str>, allowed: &BTreeSet<String>) -> Result<bool, String> {
    let mut met = one(words, allowed)?;
    while words.pop_if(|word| *word == "AND").is_some() {
        met &= one(words, allowed)?;
    }
    Ok(met)
}

fn one(words: &mut Vec<&str>, allowed: &BTreeSet<String>) -> Result<bool, String> {
    let end = "a licence is missing".to_owned();
    match words.pop() {
        Some("(") => {
            let met = any(words, allowed)?;
            let closed = words.pop_if(|word| *word == ")");
            closed.map(|_| met).ok_or_else(|| "no `)`".to_owned())
        }
        None | Some(")" | "OR" | "AND" | "WITH") => Err(end),
        Some(name) if words.pop_if(|word| *word == "WITH").is_some() => {
            let exception = words.pop().ok_or(end)?;
            Ok(allowed.contains(&format!("{name} WITH {exception}")))
        }
        Some(name) => Ok(allowed.contains(name)),
    }
}

fn allowed() -> BTreeSet<String> {
    let deny = table("deny.toml");
    let list = deny["licenses"]["allow"].as_array().unwrap().iter();
    list.map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// Every row of the document is held against the list; that the rows say what Cargo says and name
/// every crate is looked at in `dependencies.rs`.
#[test]
fn every_crate_has_a_licence_that_is_allowed() {
    let allowed = allowed();
    let document = text("docs/dependencies.md");
    let (crates, _) = document.split_once("\n## ").unwrap();
    let rows = crates.lines().filter(|line| line.starts_with("| `"));
    let mut seen = 0;
    for row in rows {
        let licences = row.split(" | ").nth(1).unwrap();
        for licence in licences.split("; ") {
            assert_eq!(is_met(licence, &allowed), Ok(true), "{row}");
        }
        seen += 1;
    }
    assert!(seen > 100, "{seen} crates");
}

/// A licence that nothing needs any more is not on the list: it would let in what nobody looked at.
#[test]
fn every_licence_on_the_list_is_needed() {
    let told = told_by_cargo();
    for name in allowed() {
        let mut others = allowed();
        others.remove(&name);
        let needs_it = |licence: &&String| is_met(licence, &others) == Ok(false);
        assert!(
            told.is_empty() || told.values().any(|licence| needs_it(&licence)),
            "{name} is allowed in deny.toml and no crate needs it"
        );
    }
}

#[test]
fn expressions_are_read_as_spdx_has_them() {
    let allowed = ["MIT", "ISC", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"];
    let allowed = BTreeSet::from(allowed.map(str::to_owned));
    for (expression, met) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("MIT OR GPL-3.0-only", true),
        ("GPL-3.0-only OR MIT", true),
        ("MIT AND GPL-3.0-only", false),
        ("MIT AND ISC", true),
        ("GPL-3.0-only AND MIT OR ISC", true),
        ("GPL-3.0-only AND (MIT OR ISC)", false),
        ("(MIT OR GPL-3.0-only) AND ISC", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("MIT WITH LLVM-exception", false),
    ] {
        assert_eq!(is_met(expression, &allowed), Ok(met), "{expression}");
    }
    for broken in [
        "", "MIT OR", "AND MIT", "(MIT", "MIT)", "MIT ISC", "MIT WITH",
    ] {
        assert!(is_met(broken, &allowed).is_err(), "{broken}");
    }
}
