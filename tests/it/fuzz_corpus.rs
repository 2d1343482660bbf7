//! Every input that fuzzing found worth keeping, once more through the same checks. What a fuzz
//! target finds is added to its corpus with the repair.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use crate::checks;

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target)
}

/// Runs `check` on each input of a corpus.
#[expect(clippy::print_stdout, reason = "shown for a test that fails")]
fn replay(target: &str, least: usize, check: fn(&[u8])) {
    let entries = fs::read_dir(folder(target)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= least, "{target}: {} inputs", files.len());
    for file in files {
        let input = fs::read(&file).unwrap();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&input))) {
            println!("{}: {:?}", file.display(), String::from_utf8_lossy(&input));
            resume_unwind(panic);
        }
    }
}

#[test]
fn any_bytes_are_decoded_as_by_the_reference() {
    replay("decode", 100, checks::decode::check);
}

#[test]
fn any_bytes_are_a_configuration_or_refused_with_words() {
    replay("config", 100, checks::config::check);
}

#[test]
fn any_bytes_are_a_checkpoint_or_refused() {
    for seed in checks::checkpoint::seeds() {
        checks::checkpoint::check(&seed);
    }
    replay("checkpoint", 10, checks::checkpoint::check);
}

/// Writes the inputs that fuzzing of checkpoints begins with, when asked to: they are pieces of a
/// real state and change with the format.
#[test]
fn seeds_of_checkpoints_are_written_when_asked_for() {
    if std::env::var_os("UPDATE_SEEDS").is_none() {
        return;
    }
    for (number, seed) in checks::checkpoint::seeds().into_iter().enumerate() {
        let file = folder("checkpoint").join(format!("seed-{number:02}"));
        fs::write(file, seed).unwrap();
    }
}
