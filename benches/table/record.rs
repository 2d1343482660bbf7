//! What a run writes into the documents: its rows in place of those there, whole in
//! docs/performance.md and in short in README.md, and the plots.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::row::{HEAD, Row, SHORT_HEAD};

const PAGE: &str = "docs/performance.md";
const README: &str = "README.md";
const TABLE: [&str; 2] = [
    "<!-- table: written by scripts/bench --record -->\n",
    "<!-- end of the table -->",
];
const PLOTS: [&str; 2] = [
    "<!-- plots: written by scripts/bench --plots -->\n",
    "<!-- end of the plots -->",
];

/// Puts `rows` into the table; rows of other numbers stay as they are.
pub(crate) fn rows(rows: &[Row]) {
    table(PAGE, HEAD, rows.iter().map(Row::line));
    table(README, SHORT_HEAD, rows.iter().map(Row::short_line));
}

fn table(document: &str, head: &str, rows: impl Iterator<Item = String>) {
    rewrite(document, TABLE, |table| {
        let known = table
            .lines()
            .filter_map(|line| Some((order(line)?, line.to_owned())));
        let mut lines: BTreeMap<(u32, String), String> = known.collect();
        lines.extend(rows.map(|line| (order(&line).unwrap(), line)));
        let mut written = format!("{head}\n");
        for line in lines.values() {
            writeln!(written, "{line}").unwrap();
        }
        written
    });
}

/// Shows the plots that are there, with what they are about.
pub(crate) fn plots(titles: &[(&str, &str)]) {
    rewrite(PAGE, PLOTS, |_| {
        let mut written = String::new();
        for (name, title) in titles {
            writeln!(written, "![{title}](performance/{name}.svg)\n").unwrap();
        }
        written
    });
}

fn rewrite(document: &str, [begin, end]: [&str; 2], change: impl FnOnce(&str) -> String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(begin).unwrap();
    let (inside, after) = rest.split_once(end).unwrap();
    let changed = change(inside);
    std::fs::write(&path, format!("{before}{begin}{changed}{end}{after}")).unwrap();
}

/// Where a line stands: its number and letter; `None` for what is no row.
fn order(line: &str) -> Option<(u32, String)> {
    let number = line.strip_prefix("| ")?.split(' ').next()?;
    let letter = number.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = number.strip_suffix(letter)?;
    Some((digits.parse().ok()?, letter.to_owned()))
}
