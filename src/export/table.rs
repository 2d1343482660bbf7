//! Rows as a table for people.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::{Filter, Row, rows};
use crate::engine::View;
use crate::event::Reason;
use crate::kpi::{QUANTILES, Unit};

const HEADINGS: [&str; 7] = [
    "KPI",
    "WINDOW",
    "BREAKDOWN",
    "KEY",
    "VALUE",
    "N",
    "95 % INTERVAL",
];

/// The columns that are flush right.
const NUMBERS: [bool; 7] = [false, false, false, false, true, true, false];

/// Writes the moment, the accounting and the rows, aligned. A star marks figures whose history
/// does not reach back far enough; a dash stands where there is no value.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write(out: &mut impl Write, view: &View, filter: &Filter) -> io::Result<()> {
    write_summary(out, view)?;
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    let mut incomplete = false;
    for row in rows(view, filter) {
        incomplete |= !row.complete();
        lines.push(cells(&row));
    }
    if lines.len() == 1 {
        return Ok(());
    }
    writeln!(out)?;
    let mut widths = [0; HEADINGS.len()];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    for line in &lines {
        writeln!(out, "{}", aligned(line, widths).trim_end())?;
    }
    if incomplete {
        writeln!(
            out,
            "\n* the events do not reach back over all that this figure looks at"
        )?;
    }
    Ok(())
}

fn write_summary(out: &mut impl Write, view: &View) -> io::Result<()> {
    match view.at {
        Some(at) => write!(out, "at {at}")?,
        None => write!(out, "no event was accepted")?,
    }
    let stats = &view.stats;
    for (count, what) in [(stats.waiting, "waiting"), (stats.duplicates, "duplicates")] {
        if count > 0 {
            write!(out, ", {count} {what}")?;
        }
    }
    for (reason, count) in Reason::ALL.into_iter().zip(stats.rejected) {
        if count > 0 {
            write!(out, ", {count} rejected as {}", reason.name())?;
        }
    }
    writeln!(out)
}

fn cells(row: &Row<'_>) -> [String; 7] {
    let unit = row.kpi.unit();
    let reading = &row.reading;
    let mut value = match (reading.value, reading.quantiles) {
        (Some(value), _) => figure(value, unit),
        (None, Some(quantiles)) => {
            let named = QUANTILES.into_iter().zip(quantiles);
            let parts = named
                .map(|(permille, value)| format!("p{} {}", permille / 10, figure(value, unit)));
            parts.collect::<Vec<_>>().join("  ")
        }
        (None, None) => "-".into(),
    };
    value.push(if row.complete() { ' ' } else { '*' });
    let interval = match (reading.lower, reading.upper) {
        (Some(lower), Some(upper)) => format!("{} .. {}", figure(lower, unit), figure(upper, unit)),
        _ => String::new(),
    };
    [
        row.kpi.name().to_owned(),
        row.window.name.to_string(),
        row.breakdown.label.to_string(),
        key(row),
        value,
        reading.samples.to_string(),
        interval,
    ]
}

/// A value in its unit, as precise as people read it.
fn figure(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Ratio => format!("{:.1} %", value * 100.0),
        Unit::Seconds => format!("{value:.1} s"),
        Unit::Score => format!("{value:.2}"),
        Unit::NetScore => format!("{value:+.1}"),
    }
}

/// The values of the key. Control characters are shown as their escapes, so that a queue's name
/// cannot steer the terminal.
fn key(row: &Row<'_>) -> String {
    let mut text = String::new();
    for (_, value) in row.dimensions() {
        if !text.is_empty() {
            text.push_str(", ");
        }
        for character in value.chars() {
            if character.is_control() {
                // Writing into a `String` cannot fail.
                let _infallible = write!(text, "{}", character.escape_default());
            } else {
                text.push(character);
            }
        }
    }
    text
}

fn aligned(line: &[String; 7], widths: [usize; 7]) -> String {
    let mut text = String::new();
    for ((cell, width), is_number) in line.iter().zip(widths).zip(NUMBERS) {
        if !text.is_empty() {
            text.push_str("  ");
        }
        let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
        if is_number {
            text.push_str(&padding);
        }
        text.push_str(cell);
        if !is_number {
            text.push_str(&padding);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::testing::{rename_first_queue, sample_view};
    use super::*;

    fn table(view: &View, kpi: &str) -> String {
        let mut filter = Filter::default();
        filter.add_kpi(kpi).unwrap();
        filter.add_window(view, "1h").unwrap();
        let mut out = Vec::new();
        write(&mut out, view, &filter).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_line_up_and_incomplete_figures_are_marked() {
        let mut view = sample_view();
        view.stats.duplicates = 4;
        view.windows[1].complete = false;
        assert_eq!(
            table(&view, "csat"),
            "at 2026-03-02T08:00:00.000Z, 4 duplicates\n\
             \n\
             KPI   WINDOW  BREAKDOWN  KEY        VALUE   N  95 % INTERVAL\n\
             csat  1h      overall             70.0 %*  10  39.7 % .. 89.2 %\n\
             csat  1h      queue      billing  70.0 %*  10  39.7 % .. 89.2 %\n\
             csat  1h      channel    voice         -*   0\n\
             \n\
             * the events do not reach back over all that this figure looks at\n"
        );
    }

    #[test]
    fn quantiles_share_a_cell() {
        let text = table(&sample_view(), "handle_time");
        assert!(
            text.contains("p50 120.0 s  p90 480.5 s  p95 480.5 s  p99 480.5 s"),
            "{text}"
        );
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        let mut view = sample_view();
        rename_first_queue(&mut view, "\u{1b}[2Jboo\u{9b}");
        let text = table(&view, "csat");
        assert!(text.contains("\\u{1b}[2Jboo\\u{9b}"), "{text}");
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
    }

    #[test]
    fn nothing_accepted_is_one_line() {
        let mut view = sample_view();
        view.at = None;
        assert_eq!(table(&view, "csat"), "no event was accepted\n");
    }
}
