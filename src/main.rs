//! The `cxpulse` command: parse, run, print the chain of causes once, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    cxpulse::cli::main()
}
