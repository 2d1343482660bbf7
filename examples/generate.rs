//! Writes generated events as lines: the benchmark workload, or a month with everything that goes
//! wrong in it, sorted or shuffled within the allowed lateness.
//!
//! ```text
//! cargo run --release --example generate -- workload 1000000 > workload.jsonl
//! cargo run --release --example generate -- month 5000000 sorted > sorted.jsonl
//! cargo run --release --example generate -- month 5000000 shuffled 7 > shuffled.jsonl
//! ```

use std::io::{BufWriter, Write};

use anyhow::{Context, Result, bail};
use cxpulse::simulate::workload::{Month, MonthSettings, Settings, Workload};

/// The default `ledger.allowed_lateness`.
const LATENESS_MS: i64 = 24 * 3_600_000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    match words.as_slice() {
        ["workload", events] => {
            let workload = Workload::new(1, Settings::with_events(events.parse()?));
            for line in workload.lines() {
                writeln!(out, "{line}")?;
            }
        }
        ["month", events, order @ ..] => {
            let settings = MonthSettings {
                events: events.parse()?,
                ..MonthSettings::default()
            };
            let month = Month::new(1, settings);
            match order {
                ["sorted"] => write_all(&mut out, month.sorted())?,
                ["shuffled", seed] => {
                    write_all(&mut out, month.shuffled(seed.parse()?, LATENESS_MS))?;
                }
                _ => bail!("an order: sorted, or shuffled with a seed"),
            }
        }
        _ => bail!("usage: workload EVENTS | month EVENTS sorted | month EVENTS shuffled SEED"),
    }
    out.flush().context("cannot write")
}

fn write_all(out: &mut impl Write, lines: impl Iterator<Item = String>) -> Result<()> {
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}
