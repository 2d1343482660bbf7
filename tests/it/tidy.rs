//! The house rules that a machine can check: imports point upstream, files say what they hold and
//! stay readable, nothing leaks from where it was written, every dependency has its reason.
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Longest source file, without its unit tests, and longest file of tests, in lines.
const LONGEST: usize = 500;
const LONGEST_TESTS: usize = 800;

/// Source files that may be longer, each with its reason.
const LONG_FILES: [(&str, &str); 3] = [
    (
        "src/app/service.rs",
        "the service from start to stop, told once",
    ),
    (
        "src/engine/booking.rs",
        "the one place that says what a record adds to which count",
    ),
    (
        "src/engine/routes.rs",
        "keys, their limits and their references change together",
    ),
];

/// Rooms that do no IO, start nothing and read no clock.
const PURE: [&str; 6] = ["alert", "decode", "engine", "export", "kpi", "window"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository: its path from the root, with `/`, and its text.
struct File {
    path: String,
    text: String,
}

impl File {
    /// Everything before the unit tests at the end.
    fn code(&self) -> &str {
        let cut = self.text.split_once("\n#[cfg(test)]\nmod ");
        cut.map_or(self.text.as_str(), |(code, _)| code)
    }

    /// The room of a file below `src`: its folder, or its own name.
    fn room(&self) -> &str {
        let inside = self.path.strip_prefix("src/").expect("a file below src");
        let name = inside.split('/').next().expect("a path has a first part");
        name.strip_suffix(".rs").unwrap_or(name)
    }
}

/// All files below `folder` (one file, if it is one) whose name ends in one of `endings`, in order.
fn files(folder: &str, endings: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    collect(&root().join(folder), &mut found);
    found.sort();
    let wanted = found.into_iter().filter(|path| {
        let name = path.to_string_lossy();
        endings.iter().any(|ending| name.ends_with(ending))
    });
    wanted
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a text file");
            let inside = path.strip_prefix(root()).expect("found below the root");
            File {
                path: inside.to_string_lossy().replace('\\', "/"),
                text,
            }
        })
        .collect()
}

fn collect(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a readable folder") {
            collect(&entry.expect("a readable entry").path(), found);
        }
    } else if path.is_file() {
        found.push(path.to_owned());
    }
}

fn sources() -> Vec<File> {
    files("src", &[".rs"])
}

fn architecture() -> String {
    fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the map of the house")
}

/// The lines between the heading `## title` and the next one.
fn chapter<'a>(text: &'a str, title: &str) -> Vec<&'a str> {
    let heading = format!("## {title}");
    let lines = text.lines().skip_while(|line| **line != heading).skip(1);
    let lines: Vec<&str> = lines.take_while(|line| !line.starts_with("## ")).collect();
    assert!(
        !lines.is_empty(),
        "ARCHITECTURE.md has no chapter `{heading}`"
    );
    lines
}

/// Room to the rooms it may import, in the order of the table.
fn import_table() -> Vec<(String, BTreeSet<String>)> {
    let text = architecture();
    let lines = chapter(&text, "Import table");
    let inside = lines
        .iter()
        .skip_while(|line| !line.starts_with("```"))
        .skip(1);
    let mut table: Vec<(String, BTreeSet<String>)> = Vec::new();
    for line in inside.take_while(|line| !line.starts_with("```")) {
        let (room, imports) = line.split_once("->").expect("room -> what it may import");
        let allowed = match imports.trim() {
            "nothing" => BTreeSet::new(),
            "everything above" => table.iter().map(|(above, _)| above.clone()).collect(),
            names => names
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect(),
        };
        table.push((room.trim().to_owned(), allowed));
    }
    table
}

/// The rooms that `text` names after `crate::`, comments left out.
fn imports(text: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    let mut rooms = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            Some(group) => rooms.extend(first_names(group)),
            None => rooms.extend(first_name(after)),
        }
    }
    rooms
}

fn first_name(text: &str) -> Option<String> {
    let letters = text.trim_start().chars();
    let name: String = letters
        .take_while(|one| one.is_ascii_alphanumeric() || *one == '_')
        .collect();
    // A type or function of the crate root would be no room.
    name.starts_with(|one: char| one.is_ascii_lowercase())
        .then_some(name)
}

/// The first names of the members of a group, up to its closing brace.
fn first_names(group: &str) -> Vec<String> {
    let (mut depth, mut current, mut members) = (0, String::new(), Vec::new());
    for one in group.chars() {
        match one {
            '}' if depth == 0 => break,
            ',' if depth == 0 => members.push(std::mem::take(&mut current)),
            one => {
                depth += i32::from(one == '{') - i32::from(one == '}');
                current.push(one);
            }
        }
    }
    members.push(current);
    members
        .iter()
        .filter_map(|member| first_name(member))
        .collect()
}

#[test]
fn the_import_reader_reads_every_form() {
    let text = "use crate::{alert, time::{Clock, Timestamp},\n    kpi};\n\
                // use crate::http;\nfn f() { crate::event::tie_break(crate::decode::x) }";
    let expected = ["alert", "decode", "event", "kpi", "time"].map(str::to_owned);
    assert_eq!(imports(text), BTreeSet::from(expected));
}

#[test]
fn imports_are_those_of_the_table() {
    let table: BTreeMap<String, BTreeSet<String>> = import_table().into_iter().collect();
    let mut wrong = Vec::new();
    for file in sources().iter().filter(|file| file.path != "src/lib.rs") {
        let Some(allowed) = table.get(file.room()) else {
            wrong.push(format!("{} is in no room of the table", file.path));
            continue;
        };
        // Unit tests may build what they need with a room further down.
        for room in imports(file.code()) {
            let own = room == file.room();
            let known = table.contains_key(&room);
            if known && !own && !allowed.contains(&room) && !is_test(&file.path) {
                wrong.push(format!("{} imports {room}", file.path));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "not in the import table:\n{}",
        wrong.join("\n")
    );
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/")
        || path.contains("/tests/")
        || path.ends_with("/tests.rs")
        || path.ends_with("/testing.rs")
}

#[test]
fn the_table_points_upstream() {
    let mut above = BTreeSet::new();
    for (room, allowed) in import_table() {
        let below: Vec<&String> = allowed.difference(&above).collect();
        assert!(
            below.is_empty(),
            "{room} may not import {below:?}: not above it"
        );
        assert!(
            above.insert(room.clone()),
            "{room} stands in the table twice"
        );
    }
}

#[test]
fn pure_rooms_stay_pure() {
    let rim = [
        "std::fs",
        "std::net",
        "std::thread",
        "std::process",
        "std::env",
        "tokio",
        "anyhow",
    ];
    let mut wrong = Vec::new();
    for file in sources() {
        if PURE.contains(&file.room()) && !is_test(&file.path) {
            let touched = rim.iter().filter(|name| file.code().contains(**name));
            wrong.extend(touched.map(|name| format!("{} uses {name}", file.path)));
        }
    }
    assert!(
        wrong.is_empty(),
        "IO lives at the rim:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_file_opens_with_what_it_holds() {
    let all = [
        "src",
        "tests",
        "benches",
        "fuzz/checks",
        "fuzz/fuzz_targets",
    ];
    let all = all.map(|folder| files(folder, &[".rs"]));
    let bare = all
        .iter()
        .flatten()
        .filter(|file| !file.text.starts_with("//! "));
    let bare: Vec<&str> = bare.map(|file| file.path.as_str()).collect();
    assert!(bare.is_empty(), "without `//!` on top: {bare:?}");
}

#[test]
fn files_can_be_read_in_one_sitting() {
    let all = ["src", "tests", "benches"].map(|folder| files(folder, &[".rs"]));
    let long = all.iter().flatten().filter(|file| {
        let longest = if is_test(&file.path) {
            LONGEST_TESTS
        } else {
            LONGEST
        };
        file.code().lines().count() > longest
    });
    let long: BTreeSet<&str> = long.map(|file| file.path.as_str()).collect();
    let listed: BTreeSet<&str> = LONG_FILES.iter().map(|(path, _)| *path).collect();
    let unlisted: Vec<_> = long.difference(&listed).collect();
    assert!(
        unlisted.is_empty(),
        "too long, and not listed with a reason: {unlisted:?}"
    );
    let stale: Vec<_> = listed.difference(&long).collect();
    assert!(
        stale.is_empty(),
        "no longer long, take them off the list: {stale:?}"
    );
}

#[test]
fn nothing_tells_where_it_was_written() {
    // In two parts, so that this list does not find itself.
    let words = [
        ("/ro", "ot/"),
        ("/ho", "me/"),
        ("/Us", "ers/"),
        ("/wo", "rk/"),
        ("C:\\U", "sers"),
        ("TO", "DO"),
        ("FIX", "ME"),
        ("XX", "X:"),
    ]
    .map(|(first, second)| format!("{first}{second}"));
    let endings = [
        ".rs", ".md", ".toml", ".yml", ".yaml", ".json", ".py", ".sh", "test", "run",
    ];
    let folders = [
        "src",
        "tests",
        "benches",
        "docs",
        "config",
        "scripts",
        "deploy",
        "tools",
        "fuzz/checks",
        "fuzz/fuzz_targets",
        "fuzz/README.md",
        "fuzz/Cargo.toml",
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "Cargo.toml",
        "clippy.toml",
        "deny.toml",
    ];
    let mut found = Vec::new();
    for file in folders.iter().flat_map(|folder| files(folder, &endings)) {
        let hits = words
            .iter()
            .filter(|word| file.text.contains(word.as_str()));
        found.extend(hits.map(|word| format!("{} has `{word}`", file.path)));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_dependency_has_its_line() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    let manifest: toml::Table = manifest.parse().expect("a manifest is TOML");
    let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
    let used: BTreeSet<&str> = tables
        .iter()
        .filter_map(|name| manifest.get(*name)?.as_table())
        .flat_map(|table| table.keys().map(String::as_str))
        .collect();
    let text = architecture();
    let lines = chapter(&text, "Dependencies");
    let explained: BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("- `")?.split_once('`'))
        .map(|(name, _)| name)
        .collect();
    let missing: Vec<_> = used.difference(&explained).collect();
    assert!(
        missing.is_empty(),
        "ARCHITECTURE.md does not say what these are for: {missing:?}"
    );
    let stale: Vec<_> = explained.difference(&used).collect();
    assert!(
        stale.is_empty(),
        "ARCHITECTURE.md explains what is not used: {stale:?}"
    );
}
