//! One growing text per family, joined at the end, under the page's limit of series.

use super::super::families::Family;
use super::super::text::{push_count, push_float};
use super::{Page, push_header};

/// The families of a page while it is written.
pub(super) struct Blocks {
    /// Lines by [`Family::index`].
    texts: Vec<String>,
    series: usize,
    max_series: usize,
    /// The limit has been met: what comes is counted only.
    full: bool,
    suppressed: usize,
}

/// Lengths of the texts before an attempt.
type Mark = [usize; Family::LENGTH];

impl Blocks {
    pub(super) fn new(max_series: usize) -> Self {
        Self {
            texts: vec![String::new(); Family::LENGTH],
            series: 0,
            max_series,
            full: false,
            suppressed: 0,
        }
    }

    /// Writes all lines of `write` or none: none when they do not fit under the limit, and then
    /// nothing that follows either, so that what is kept does not depend on its size.
    pub(super) fn attempt(&mut self, write: impl FnOnce(&mut Self)) {
        let mark = self.mark();
        let series_before = self.series;
        write(self);
        if !self.full && self.series > self.max_series {
            self.suppressed += self.series - series_before;
            self.series = series_before;
            self.full = true;
            for (text, length) in self.texts.iter_mut().zip(mark) {
                text.truncate(length);
            }
        }
    }

    fn mark(&self) -> Mark {
        let mut mark = [0; Family::LENGTH];
        for (length, text) in mark.iter_mut().zip(&self.texts) {
            *length = text.len();
        }
        mark
    }

    /// A sample that is a count.
    pub(super) fn count(&mut self, family: Family, labels: &str, tail: &str, count: u64) {
        if let Some(text) = self.line(family, "", labels, tail) {
            push_count(text, count);
            text.push('\n');
        }
    }

    /// A sample that is a number. What is not finite is left out: the page has no NaN.
    pub(super) fn float(&mut self, family: Family, labels: &str, tail: &str, value: f64) {
        if !value.is_finite() {
            return;
        }
        if let Some(text) = self.line(family, "", labels, tail) {
            push_float(text, value);
            text.push('\n');
        }
    }

    /// A cumulative bucket of the handle-time histogram.
    pub(super) fn bucket(&mut self, labels: &str, tail: &str, count: u64) {
        if let Some(text) = self.line(Family::HandleTime, "_bucket", labels, tail) {
            push_count(text, count);
            text.push('\n');
        }
    }

    /// Sum and count of the handle-time histogram.
    pub(super) fn sum_and_count(&mut self, labels: &str, tail: &str, sum: f64, count: u64) {
        if let Some(text) = self.line(Family::HandleTime, "_sum", labels, tail) {
            push_float(text, sum);
            text.push('\n');
        }
        if let Some(text) = self.line(Family::HandleTime, "_count", labels, tail) {
            push_count(text, count);
            text.push('\n');
        }
    }

    /// Begins a line and returns the text for its value; `None` once the page is full.
    fn line(
        &mut self,
        family: Family,
        suffix: &str,
        labels: &str,
        tail: &str,
    ) -> Option<&mut String> {
        if self.full {
            self.suppressed += 1;
            return None;
        }
        self.series += 1;
        let text = self.texts.get_mut(family.index())?;
        text.push_str(family.name());
        text.push_str(suffix);
        text.push_str(labels);
        text.push_str(tail);
        Some(text)
    }

    /// The families that have samples, each with its header, in order.
    pub(super) fn into_page(self) -> Page {
        let headers = Family::LENGTH * 300;
        let length: usize = self.texts.iter().map(String::len).sum();
        let mut page = String::with_capacity(length + headers);
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
