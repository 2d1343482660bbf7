//! One growing text per family, joined at the end, under the page's limit of series.

use std::fmt::Write;

use super::super::families::Family;
use super::super::text::{push_count, push_float};
use super::Page;
use super::heads::Head;

/// The families of a page while it is written. Kept from page to page, so that its memory is.
#[derive(Debug)]
pub(super) struct Blocks {
    /// Lines by [`Family::index`].
    texts: Vec<String>,
    series: usize,
    max_series: usize,
    /// The limit has been met: what comes is counted only.
    full: bool,
    suppressed: usize,
}

impl Default for Blocks {
    fn default() -> Self {
        Self {
            texts: vec![String::new(); Family::LENGTH],
            series: 0,
            max_series: 0,
            full: false,
            suppressed: 0,
        }
    }
}

impl Blocks {
    /// Begins a page.
    pub(super) fn begin(&mut self, max_series: usize) {
        self.texts.iter_mut().for_each(String::clear);
        self.series = 0;
        self.max_series = max_series;
        self.full = false;
        self.suppressed = 0;
    }

    /// Writes all lines of `write` or none: none when they do not fit under the limit, and then
    /// nothing that follows either, so that what is kept does not depend on its size.
    pub(super) fn attempt(&mut self, write: impl FnOnce(&mut Self)) {
        let lengths = self.lengths();
        let series_before = self.series;
        write(self);
        if !self.full && self.series > self.max_series {
            self.suppressed += self.series - series_before;
            self.series = series_before;
            self.full = true;
            for (text, length) in self.texts.iter_mut().zip(lengths) {
                text.truncate(length);
            }
        }
    }

    fn lengths(&self) -> [usize; Family::LENGTH] {
        let mut lengths = [0; Family::LENGTH];
        for (length, text) in lengths.iter_mut().zip(&self.texts) {
            *length = text.len();
        }
        lengths
    }

    /// A sample that is a count.
    pub(super) fn count(&mut self, head: &Head, tail: &str, count: u64) {
        if let Some(text) = self.line(head, tail) {
            push_count(text, count);
            text.push('\n');
        }
    }

    /// A sample that is a number. What is not finite is left out: the page has no NaN.
    pub(super) fn float(&mut self, head: &Head, tail: &str, value: f64) {
        if !value.is_finite() {
            return;
        }
        if let Some(text) = self.line(head, tail) {
            push_float(text, value);
            text.push('\n');
        }
    }

    /// Begins a line and returns the text for its value; `None` once the page is full.
    fn line(&mut self, head: &Head, tail: &str) -> Option<&mut String> {
        /// A number and the end of the line are shorter than this.
        const VALUE: usize = 32;
        if self.full {
            self.suppressed += 1;
            return None;
        }
        self.series += 1;
        let text = self.texts.get_mut(head.family.index())?;
        text.reserve(head.text.len() + tail.len() + VALUE);
        text.push_str(&head.text);
        text.push_str(tail);
        Some(text)
    }

    /// The families that have samples, each with its header, in order.
    pub(super) fn page(&self) -> Page {
        /// A header is shorter than this.
        const HEADER: usize = 400;
        let length: usize = self.texts.iter().map(|text| text.len() + HEADER).sum();
        let mut page = String::with_capacity(length);
        for (family, text) in Family::all().zip(&self.texts) {
            if !text.is_empty() {
                push_header(&mut page, family);
                page.push_str(text);
            }
        }
        Page {
            text: page,
            series: self.series,
            suppressed: self.suppressed,
        }
    }
}

/// `# HELP` and `# TYPE` of a family.
fn push_header(out: &mut String, family: Family) {
    let (name, help, kind) = (family.name(), family.help(), family.kind());
    // Writing into a `String` cannot fail.
    let _infallible = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
}
