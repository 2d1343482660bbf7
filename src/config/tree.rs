//! The values of a TOML text, each with the line it stands on.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::de::{DeArray, DeInteger, DeTable, DeValue};

use super::finding::{Finding, Origin};

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// The members of a table.
pub(super) type Table = BTreeMap<String, Node>;

/// What was written.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// The text of an environment variable; what it is depends on the key.
    Raw(String),
    Text(String),
    Integer(i64),
    /// An integer beyond 64 bits.
    HugeInteger,
    Float(f64),
    Boolean(bool),
    Datetime(String),
    Array(Vec<Node>),
    Table(Table),
}

impl Value {
    /// The text of a string or of an environment variable.
    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Raw(text) | Self::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// The members, or the kind of what is no table.
    pub(super) fn into_table(self) -> Result<Table, &'static str> {
        if let Self::Table(members) = self {
            Ok(members)
        } else {
            Err(self.kind())
        }
    }

    /// The kind with its article, for messages. Never the value: it may be a secret.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Raw(_) => "text",
            Self::Text(_) => "a string",
            Self::Integer(_) | Self::HugeInteger => "an integer",
            Self::Float(_) => "a float",
            Self::Boolean(_) => "a boolean",
            Self::Datetime(_) => "a date",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
        }
    }
}

impl Node {
    /// The value itself, or for the text of an environment variable the TOML value it holds.
    /// Text that is no TOML stays text.
    pub(super) fn toml(&self) -> Cow<'_, Value> {
        let Value::Raw(text) = &self.value else {
            return Cow::Borrowed(&self.value);
        };
        match DeValue::parse(text.trim()) {
            Ok(parsed) => Cow::Owned(convert(parsed.into_inner(), &Place::One(&self.origin))),
            Err(_) => Cow::Borrowed(&self.value),
        }
    }
}

/// Reads a TOML text.
///
/// # Errors
///
/// Every place where the text is not TOML.
pub(super) fn parse(text: &str, path: &Arc<Path>) -> Result<Table, Vec<Finding>> {
    let lines = Lines::of(text, Arc::clone(path));
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(convert_table(document.into_inner(), &Place::Lines(&lines)));
    }
    Err(errors
        .into_iter()
        .map(|error| Finding {
            origin: lines.origin(&error.span().unwrap_or(0..0)),
            key: String::new(),
            message: format!("not TOML: {}", error.message()),
            hint: "KEY = VALUE on a line of its own; texts and durations in quotes".into(),
        })
        .collect())
}

/// Where converted values come from.
enum Place<'a> {
    Lines(&'a Lines),
    One(&'a Origin),
}

impl Place<'_> {
    fn origin(&self, span: &Range<usize>) -> Origin {
        match self {
            Self::Lines(lines) => lines.origin(span),
            Self::One(origin) => (*origin).clone(),
        }
    }
}

/// The starts of the lines of a file.
struct Lines {
    path: Arc<Path>,
    starts: Vec<usize>,
}

impl Lines {
    fn of(text: &str, path: Arc<Path>) -> Self {
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            path,
            starts: std::iter::once(0).chain(starts).collect(),
        }
    }

    fn origin(&self, span: &Range<usize>) -> Origin {
        Origin::File {
            path: Arc::clone(&self.path),
            line: self.starts.partition_point(|start| *start <= span.start),
        }
    }
}

fn convert(value: DeValue<'_>, place: &Place<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(integer) => convert_integer(&integer),
        DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(boolean) => Value::Boolean(boolean),
        DeValue::Datetime(datetime) => Value::Datetime(datetime.to_string()),
        DeValue::Array(array) => Value::Array(convert_array(array, place)),
        DeValue::Table(table) => Value::Table(convert_table(table, place)),
    }
}

fn convert_integer(integer: &DeInteger<'_>) -> Value {
    i64::from_str_radix(integer.as_str(), integer.radix())
        .map_or(Value::HugeInteger, Value::Integer)
}

fn convert_array(array: DeArray<'_>, place: &Place<'_>) -> Vec<Node> {
    array
        .into_iter()
        .map(|element| Node {
            origin: place.origin(&element.span()),
            value: convert(element.into_inner(), place),
        })
        .collect()
}

/// A member stands on the line of its key.
fn convert_table(table: DeTable<'_>, place: &Place<'_>) -> Table {
    table
        .into_iter()
        .map(|(key, value)| {
            let node = Node {
                origin: place.origin(&key.span()),
                value: convert(value.into_inner(), place),
            };
            (key.into_inner().into_owned(), node)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(node: &Node) -> usize {
        match node.origin {
            Origin::File { line, .. } => line,
            Origin::Default | Origin::Environment { .. } => panic!("not from a file"),
        }
    }

    fn table(node: &Node) -> &Table {
        let Value::Table(members) = &node.value else {
            panic!("{}", node.value.kind())
        };
        members
    }

    #[test]
    fn knows_the_line_of_every_value() {
        let text = "a = 1\n[b]\nc = [\n  2,\n  3,\n]\n\n[[d]]\ne = 1\n[[d]]\nf.g = 2\n";
        let root = parse(text, &Arc::from(Path::new("x.toml"))).unwrap();
        assert_eq!(line(&root["a"]), 1);
        assert_eq!(line(&root["b"]), 2);
        let c = &table(&root["b"])["c"];
        assert_eq!(line(c), 3);
        let Value::Array(numbers) = &c.value else {
            panic!("not an array")
        };
        assert_eq!(line(&numbers[1]), 5);
        let Value::Array(tables) = &root["d"].value else {
            panic!("not an array")
        };
        assert_eq!(line(&tables[0]), 8);
        assert_eq!(line(&tables[1]), 10);
        assert_eq!(line(&table(&table(&tables[1])["f"])["g"]), 11);
    }

    #[test]
    fn tells_every_place_that_is_not_toml() {
        let findings = parse("a = \nb = 1\nb = 2\n", &Arc::from(Path::new("x.toml"))).unwrap_err();
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("x.toml:1: not TOML: "), "{lines:?}");
        assert!(lines[1].starts_with("x.toml:3: not TOML: "), "{lines:?}");
    }
}
