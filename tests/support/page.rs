//! A metrics page in the Prometheus text format, read into series.

use std::collections::BTreeMap;

/// All series of one scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Page {
    series: Vec<Series>,
}

/// One line of the page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    /// The name of the metric, `_bucket`, `_sum` and `_count` included.
    pub(crate) name: String,
    /// Its labels.
    pub(crate) labels: BTreeMap<String, String>,
    /// Its value.
    pub(crate) value: f64,
}

impl Series {
    /// The value of a series that counts something; panics when it is not a whole number.
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be whole and not negative; counts of a test are small"
    )]
    pub(crate) fn count(&self) -> u64 {
        let whole = self.value >= 0.0 && self.value.fract().abs() < f64::EPSILON;
        assert!(whole, "not a count: {self:?}");
        self.value as u64
    }
}

impl Page {
    /// Reads a page; panics at a line that is no series, with that line.
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self {
            series: lines
                .map(|line| parse_line(line).unwrap_or_else(|| panic!("not a series: {line}")))
                .collect(),
        }
    }

    /// All series, in the order of the page.
    pub(crate) fn series(&self) -> &[Series] {
        &self.series
    }

    /// The one series with this name and, among others, these labels; `None` when there is none.
    /// Panics when there are several.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut matching = self.matching(name, labels);
        let first = matching.next()?;
        assert!(
            matching.next().is_none(),
            "several series of {name} with {labels:?}"
        );
        Some(first.value)
    }

    /// The sum over all series of a name that count something; 0 when there are none. Panics when
    /// one is not a count.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.matching(name, &[]).map(Series::count).sum()
    }

    /// Is there a series whose name begins like this?
    pub(crate) fn has_family(&self, prefix: &str) -> bool {
        self.series
            .iter()
            .any(|series| series.name.starts_with(prefix))
    }

    fn matching(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = &Series> {
        self.series.iter().filter(move |series| {
            let has = |(label, value): &(&str, &str)| {
                series.labels.get(*label).map(String::as_str) == Some(*value)
            };
            series.name == name && labels.iter().all(has)
        })
    }
}

/// `name{label="value",...} number`
fn parse_line(line: &str) -> Option<Series> {
    let name_end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(name_end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = parse_value(after)?;
            labels.insert(label.trim_start_matches(',').to_owned(), value);
            rest = after;
        }
        rest = rest.strip_prefix('}')?;
    }
    Some(Series {
        name: name.to_owned(),
        labels,
        value: rest.trim().parse().ok()?,
    })
}

/// A label's value up to its closing quote, and what follows.
fn parse_value(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(match letters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_labels_and_values() {
        let page = Page::parse(
            "# HELP a_total What.\n# TYPE a_total counter\na_total{queue=\"x \\\"y\\\\\\n,}\",kind=\"z\"} 3\na_total{queue=\"b\",kind=\"z\"} 1e1\nup 1\n",
        );
        assert_eq!(page.series().len(), 3);
        assert_eq!(
            page.value("a_total", &[("queue", "x \"y\\\n,}")]),
            Some(3.0)
        );
        assert_eq!(page.value("up", &[]), Some(1.0));
        assert_eq!(page.value("down", &[]), None);
        assert_eq!(page.count("a_total"), 13);
        assert!(page.has_family("a_") && !page.has_family("cx_"));
    }
}
