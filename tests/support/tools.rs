//! The servers that tests run against, and what happens where one cannot be had: the test is
//! skipped by name, and with `CI=1` or `CI=true` it fails.

use std::env;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which tools there are, the least version that fits and their names on PATH; read by
/// `scripts/fetch-tools` as well.
const LIST: &str = include_str!("../../scripts/tools.list");

/// Names a file to which skipped tests are added, one line each; set by `scripts/test`.
const SKIPPED_FILE: &str = "CXPULSE_TEST_SKIPPED";

/// The path of a tool of `scripts/tools.list`, or ends the test as skipped.
macro_rules! require_tool {
    ($name:literal) => {
        match $crate::support::tools::tool($name) {
            Some(path) => path,
            None => $crate::support::tools::skip_or_fail!(concat!("no ", $name)),
        }
    };
}

/// Ends the test as skipped for a reason; with `CI=1` or `CI=true` the test fails instead.
macro_rules! skip_or_fail {
    ($reason:expr) => {{
        fn here() {}
        $crate::support::tools::record_skip(std::any::type_name_of_val(&here), $reason);
        return;
    }};
}

pub(crate) use {require_tool, skip_or_fail};

/// Finds a tool of `scripts/tools.list`: what `CXPULSE_<TOOL>` names, else the one under
/// `target/tools/bin`, else one on PATH whose version fits. Panics when the override does not fit.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let entry = Entry::of(name);
    let override_name = format!("CXPULSE_{}", name.to_uppercase().replace('-', "_"));
    if let Some(path) = env::var_os(&override_name) {
        let path = PathBuf::from(path);
        assert!(
            entry.fits(&path),
            "{override_name} names no {name} {} or newer",
            entry.least
        );
        return Some(path);
    }
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target/tools/bin")
        .join(name);
    let on_path = env::var_os("PATH").unwrap_or_default();
    std::iter::once(fetched)
        .chain(entry.places(&on_path))
        .find(|path| entry.fits(path))
}

/// Notes that a test was skipped: on the terminal and in the file for the summary. Panics in CI.
pub(crate) fn record_skip(here: &str, reason: &str) {
    let test = here.strip_suffix("::here").unwrap_or(here);
    let ci = env::var("CI").unwrap_or_default();
    assert!(
        ci != "1" && ci != "true",
        "{reason}; with CI={ci} a test is not skipped"
    );
    let line = format!("{test}: {reason}\n");
    // Past the capture of the test runner, which shows the output of failed tests only.
    drop(io::stderr().write_all(format!("skipped {line}").as_bytes()));
    if let Some(file) = env::var_os(SKIPPED_FILE) {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&file)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .expect("the list of skipped tests can be written");
    }
}

/// One line of the list.
struct Entry {
    least: &'static str,
    names: &'static str,
}

impl Entry {
    fn of(name: &str) -> Self {
        LIST.lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .find_map(|fields| match fields.as_slice() {
                [tool, least, names, _] if *tool == name => Some(Self { least, names }),
                _ => None,
            })
            .unwrap_or_else(|| panic!("{name} is not in scripts/tools.list"))
    }

    fn places<'a>(&'a self, on_path: &'a OsString) -> impl Iterator<Item = PathBuf> + 'a {
        env::split_paths(on_path)
            .flat_map(|folder| self.names.split(',').map(move |name| folder.join(name)))
    }

    /// Does the program run and say a version that is not too old?
    fn fits(&self, path: &Path) -> bool {
        let Ok(output) = Command::new(path).arg("--version").output() else {
            return false;
        };
        let text = [output.stdout, output.stderr].concat();
        version_in(&String::from_utf8_lossy(&text)) >= version_in(self.least)
    }
}

/// The first dotted number of a text; empty, and so less than any, when there is none.
fn version_in(text: &str) -> Vec<u32> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.')
        .map(|word| {
            word.split('.')
                .map_while(|part| part.parse().ok())
                .collect()
        })
        .find(|parts: &Vec<u32>| parts.len() > 1)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions_as_the_tools_print_them() {
        assert_eq!(version_in("nats-server: v2.15.1\n"), [2, 15, 1]);
        assert_eq!(
            version_in("prometheus, version 2.42.0+ds (branch: x"),
            [2, 42, 0]
        );
        assert!(version_in("v2.9.25") < version_in("2.15.1"));
        assert!(version_in("no number") < version_in("0.1"));
    }

    #[test]
    fn finds_no_tool_that_is_too_old_or_does_not_run() {
        let entry = Entry {
            least: "9999.0",
            names: "cargo",
        };
        let cargo = PathBuf::from(env!("CARGO"));
        assert!(!entry.fits(&cargo));
        assert!(
            Entry {
                least: "1.0",
                ..entry
            }
            .fits(&cargo)
        );
        assert!(!entry.fits(Path::new("/no/such/program")));
        assert_eq!(
            Entry::of("alertmanager").names,
            "alertmanager,prometheus-alertmanager"
        );
    }
}
