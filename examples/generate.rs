//! Writes generated events as lines: the benchmark workload, a month with everything that goes
//! wrong in it, sorted or shuffled within the allowed lateness, or days of the simulated contact
//! center in which now and then a queue has a bad time, with a file that says when and where.
//!
//! ```text
//! cargo run --release --example generate -- workload 1000000 > workload.jsonl
//! cargo run --release --example generate -- month 5000000 sorted > sorted.jsonl
//! cargo run --release --example generate -- month 5000000 shuffled 7 > shuffled.jsonl
//! cargo run --release --example generate -- center 30 incidents.csv > month.jsonl
//! ```

use std::io::{BufWriter, Write};

use anyhow::{Context, Result, bail};
use cxpulse::simulate::workload::{Month, MonthSettings, Settings, Workload};
use cxpulse::simulate::{self, Center, Incident, Pace};
use cxpulse::time::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The default `ledger.allowed_lateness`.
const LATENESS_MS: i64 = 24 * 3_600_000;
/// Where the center's days begin: 2026-03-02T00:00:00Z, a Monday.
const MONDAY: Timestamp = Timestamp::from_millis(1_772_409_600_000);
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

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
        ["center", days, labels] => write_center(&mut out, days.parse()?, labels)?,
        _ => bail!(
            "usage: workload EVENTS | month EVENTS sorted | month EVENTS shuffled SEED | \
             center DAYS INCIDENTS"
        ),
    }
    out.flush().context("cannot write")
}

fn write_all(out: &mut impl Write, lines: impl Iterator<Item = String>) -> Result<()> {
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// The center at 100 000 contacts a day, in the order in which it publishes; four in five days have
/// an incident.
fn write_center(out: &mut impl Write, days: i64, labels: &str) -> Result<()> {
    let settings = simulate::Settings {
        pace: Pace::Daily {
            contacts: 100_000.0,
        },
        ..simulate::Settings::starting_at(MONDAY)
    };
    let mut center = Center::new(1, settings);
    let mut csv = String::from("start,end,key\n").into_bytes();
    for incident in incidents(days) {
        let Incident { from, until, queue } = &incident;
        writeln!(csv, "{from},{until},queue={queue}")?;
        center.inject(incident)?;
    }
    std::fs::write(labels, csv).with_context(|| format!("cannot write {labels}"))?;
    for day in 1..=days {
        for event in center.events_until(MONDAY.plus_millis(day * DAY_MS)) {
            out.write_all(event.payload.as_bytes())?;
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}

/// At some hour between eight and six, half an hour to two hours long, at one of the queues.
fn incidents(days: i64) -> Vec<Incident> {
    let mut random = StdRng::seed_from_u64(1);
    let queues: Vec<&str> = Center::queues().collect();
    let mut incidents = Vec::new();
    for day in 0..days {
        let minute = random.random_range(8 * 60..18 * 60);
        let length = random.random_range(30..=120);
        let queue = queues[random.random_range(0..queues.len())];
        if random.random_bool(0.8) {
            let from = MONDAY.plus_millis(day * DAY_MS + minute * MINUTE_MS);
            incidents.push(Incident {
                from,
                until: from.plus_millis(length * MINUTE_MS),
                queue: queue.to_owned(),
            });
        }
    }
    incidents
}
