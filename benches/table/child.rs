//! A measurement in a process of its own: a state of millions of records leaves memory behind that
//! would be counted, or used again, by the next one.

use std::collections::BTreeMap;
use std::process::Command;

/// The word on the command line that makes this program such a process.
pub(crate) const WORD: &str = "--child";

/// What a measurement found, by name.
pub(crate) type Figures = BTreeMap<String, f64>;

/// Runs measurement `name` with `size` in a process of its own, niceness and cores as here.
pub(crate) fn run(name: &str, size: u64) -> Figures {
    run_with(name, size, [])
}

/// The same with variables of the environment.
pub(crate) fn run_with<const COUNT: usize>(
    name: &str,
    size: u64,
    variables: [(&str, &str); COUNT],
) -> Figures {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([WORD, name, &size.to_string()])
        .envs(variables)
        .stderr(std::process::Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{name} ended: {}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    let figures = text.lines().map(|line| {
        let (figure, value) = line.split_once(' ').unwrap();
        (figure.to_owned(), value.parse().unwrap())
    });
    figures.collect()
}

/// Told by the process itself.
pub(crate) fn print(figures: &[(&str, f64)]) {
    for (name, value) in figures {
        println!("{name} {value}");
    }
}
