//! The wallboard in headless Chromium: `tests/board/board.test.mjs`, driven by Node, which starts the
//! built cxpulse and a real nats-server itself. `CXPULSE_SCREENSHOTS` names a folder for screenshots.

use std::path::Path;
use std::process::Command;

use crate::support::tools::{require_tool, skip_or_fail};

/// The lines of a failure that are shown.
const SHOWN_LINES: usize = 120;

#[test]
fn the_wallboard_in_a_browser() {
    let node = require_tool!("node");
    let chromium = require_tool!("chromium");
    let nats = require_tool!("nats-server");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let modules = root.join("target/tools/node/node_modules");
    if !modules.join("playwright-core").is_dir() || !modules.join("axe-core").is_dir() {
        skip_or_fail!("no playwright-core and axe-core");
    }
    let output = Command::new(node)
        .args(["--test", "--test-reporter=spec", "board.test.mjs"])
        .current_dir(root.join("tests/board"))
        .env("CXPULSE_NODE_MODULES", modules)
        .env("CXPULSE_CHROMIUM", chromium)
        .env("CXPULSE_NATS_SERVER", nats)
        .env("CXPULSE_BINARY", env!("CARGO_BIN_EXE_cxpulse"))
        .output()
        .expect("node runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{text}");
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines.len().saturating_sub(SHOWN_LINES);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("pass "),
        "{}\n{errors}",
        lines[tail..].join("\n")
    );
}
