//! How large the measured states are: as the table says, or a share of it while a row is worked on.

/// Percent of the sizes of the table; `CXPULSE_BENCH_SCALE`, default 100.
const SCALE: &str = "CXPULSE_BENCH_SCALE";
/// How often an end-to-end run is repeated; `CXPULSE_BENCH_RUNS`, default 5.
const RUNS: &str = "CXPULSE_BENCH_RUNS";

/// A size of the table at the scale of this run.
pub(crate) fn scaled(size: u64) -> u64 {
    (size * number(SCALE, 100) / 100).max(1)
}

/// Repetitions of what is measured from outside.
pub(crate) fn runs() -> usize {
    usize::try_from(number(RUNS, 5)).unwrap().max(1)
}

/// What the figures were made with, when it is not what the table says.
pub(crate) fn note() -> Option<String> {
    let scale = number(SCALE, 100);
    let runs = number(RUNS, 5);
    (scale != 100 || runs < 5)
        .then(|| format!("sizes at {scale} %, {runs} runs: for development, not for the table"))
}

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap(),
        Err(_) => default,
    }
}
