//! Rows as CSV after RFC 4180, for spreadsheets and data frames.
//!
//! One column per dimension, named `key.<dimension>` and empty where a breakdown does not have it,
//! and one per quantile; absent figures are empty.

use std::io::{self, Write};

use super::text::{push_float, quantile_name};
use super::{Filter, Row, rows};
use crate::engine::View;
use crate::kpi::QUANTILES;

/// Writes a header and the rows.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write(out: &mut impl Write, view: &View, filter: &Filter) -> io::Result<()> {
    let dimensions = dimensions(view);
    let mut record = Record::default();
    for name in ["at", "kpi", "window", "breakdown"] {
        record.push(name);
    }
    for dimension in &dimensions {
        record.push(&format!("key.{dimension}"));
    }
    for name in [
        "value",
        "samples",
        "numerator",
        "denominator",
        "lower",
        "upper",
    ] {
        record.push(name);
    }
    for permille in QUANTILES {
        record.push(&format!("quantiles.{}", quantile_name(permille)));
    }
    record.push("complete");
    record.end(out)?;
    let at = view.at.map(|at| at.to_string()).unwrap_or_default();
    for row in rows(view, filter) {
        write_row(out, &mut record, &at, &dimensions, &row)?;
    }
    Ok(())
}

/// The dimensions of all breakdowns, in the order in which they first occur.
fn dimensions(view: &View) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for name in view.breakdowns.iter().flat_map(|b| b.dimensions.iter()) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}

fn write_row(
    out: &mut impl Write,
    record: &mut Record,
    at: &str,
    dimensions: &[&str],
    row: &Row<'_>,
) -> io::Result<()> {
    let reading = &row.reading;
    for text in [at, row.kpi.name(), &row.window.name, &row.breakdown.label] {
        record.push(text);
    }
    for dimension in dimensions {
        let value = row.dimensions().find(|(name, _)| name == dimension);
        record.push(value.map_or("", |(_, value)| value));
    }
    record.number(reading.value);
    record.push(&reading.samples.to_string());
    for figure in [
        reading.numerator,
        reading.denominator,
        reading.lower,
        reading.upper,
    ] {
        record.number(figure);
    }
    for index in 0..QUANTILES.len() {
        record.number(reading.quantiles.map(|quantiles| quantiles[index]));
    }
    record.push(if row.complete() { "true" } else { "false" });
    record.end(out)
}

/// One line in the making.
#[derive(Debug, Default)]
struct Record {
    line: String,
    fields: usize,
}

impl Record {
    /// Adds a field, quoted where it has to be.
    fn push(&mut self, field: &str) {
        if self.fields > 0 {
            self.line.push(',');
        }
        self.fields += 1;
        if field.contains([',', '"', '\r', '\n']) {
            self.line.push('"');
            self.line.push_str(&field.replace('"', "\"\""));
            self.line.push('"');
        } else {
            self.line.push_str(field);
        }
    }

    fn number(&mut self, value: Option<f64>) {
        let mut text = String::new();
        if let Some(value) = value {
            push_float(&mut text, value);
        }
        self.push(&text);
    }

    fn end(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.line.push_str("\r\n");
        out.write_all(self.line.as_bytes())?;
        self.line.clear();
        self.fields = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{rename_first_queue, sample_view};
    use super::*;

    fn lines(view: &View, kpi: &str) -> Vec<String> {
        let mut filter = Filter::default();
        filter.add_kpi(kpi).unwrap();
        filter.add_window(view, "1h").unwrap();
        let mut out = Vec::new();
        write(&mut out, view, &filter).unwrap();
        let text = String::from_utf8(out).unwrap();
        text.split_terminator("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn a_column_for_each_dimension_and_quantile() {
        let lines = lines(&sample_view(), "aht");
        assert_eq!(
            lines[0],
            "at,kpi,window,breakdown,key.queue,key.channel,value,samples,numerator,denominator,\
             lower,upper,quantiles.0.5,quantiles.0.9,quantiles.0.95,quantiles.0.99,complete"
        );
        assert!(
            lines[2]
                .starts_with("2026-03-02T08:00:00.000Z,aht,1h,queue,billing,,300.25,2,600.5,2,")
        );
        assert!(lines[2].ends_with(",,,,,true"));
    }

    #[test]
    fn what_would_break_a_line_is_quoted() {
        let mut view = sample_view();
        rename_first_queue(&mut view, "a,\"b\"\r\nc");
        let lines = lines(&view, "aht");
        assert!(lines[2].contains(",queue,\"a,\"\"b\"\""));
        assert!(lines[3].starts_with("c\",,300.25"));
    }

    #[test]
    fn nothing_accepted_is_a_header_alone() {
        let mut view = sample_view();
        view.at = None;
        assert_eq!(lines(&view, "aht").len(), 1);
    }
}
