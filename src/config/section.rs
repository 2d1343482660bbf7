//! A table of the configuration from which values are taken; what is left in the end is unknown.

use std::path::PathBuf;

use super::finding::Origin;
use super::report::{At, Given, Report, ShownValue};
use super::setting::{Fault, Setting};
use super::tree::{Node, Table, Value};

/// One table: a section of the file, an inline table or an entry of a list of tables.
pub(super) struct Section {
    /// Its key (`kpis.fcr`, `alert[0]`); empty for the whole configuration.
    path: String,
    /// The same with list entries written as `alert[]`.
    pattern: String,
    entries: Table,
    /// Where the table begins.
    origin: Origin,
    /// The keys that were asked for.
    asked: Vec<String>,
}

impl Section {
    /// The whole configuration.
    pub(super) fn root(entries: Table) -> Self {
        Self {
            path: String::new(),
            pattern: String::new(),
            entries,
            origin: Origin::Default,
            asked: Vec::new(),
        }
    }

    /// Where the table itself stands, for what is missing in it.
    pub(super) fn at(&self) -> At {
        At {
            key: self.path.clone(),
            origin: self.origin.clone(),
        }
    }

    /// Where a key of this table stands.
    pub(super) fn at_key(&self, name: &str, origin: &Origin) -> At {
        At {
            key: join(&self.path, name),
            origin: origin.clone(),
        }
    }

    /// True if the key was written.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// Looks at a value without taking it.
    pub(super) fn peek(&self, name: &str) -> Option<&Node> {
        self.entries.get(name)
    }

    /// Takes a key out; from here on it is known.
    pub(super) fn take(&mut self, report: &mut Report, name: &str) -> Option<Node> {
        self.asked.push(name.to_owned());
        report.known.insert(join(&self.pattern, name));
        self.entries.remove(name)
    }

    /// A value with a default. A bad value is reported and the default stands in for it.
    pub(super) fn read<T: Setting>(
        &mut self,
        report: &mut Report,
        name: &str,
        default: T,
    ) -> Given<T> {
        let given = self.optional(report, name).unwrap_or_else(|| Given {
            value: default,
            at: self.at_key(name, &Origin::Default),
        });
        if !given.at.origin.is_given() {
            report.show(&given.at, given.value.show());
        }
        given
    }

    /// A value without a default.
    pub(super) fn optional<T: Setting>(
        &mut self,
        report: &mut Report,
        name: &str,
    ) -> Option<Given<T>> {
        let node = self.take(report, name)?;
        let at = self.at_key(name, &node.origin);
        match T::parse(&node) {
            Ok(value) => {
                report.show(&at, value.show());
                Some(Given { value, at })
            }
            Err(fault) => {
                report.fault(&at, fault);
                None
            }
        }
    }

    /// A value that must be there.
    pub(super) fn required<T: Setting>(
        &mut self,
        report: &mut Report,
        name: &str,
        hint: &str,
    ) -> Option<Given<T>> {
        if !self.has(name) {
            report.problem(&self.at(), format!("`{name}` is missing"), hint);
        }
        self.optional(report, name)
    }

    /// One of a few names.
    pub(super) fn choice<T: Copy + PartialEq>(
        &mut self,
        report: &mut Report,
        name: &str,
        default: T,
        choices: &[(&str, T)],
    ) -> Given<T> {
        let default_name = choices.iter().find(|(_, choice)| *choice == default);
        let default_name = default_name.map_or("", |(choice, _)| *choice).to_owned();
        let text = self.read::<String>(report, name, default_name);
        let chosen = choices.iter().find(|(choice, _)| *choice == text.value);
        if chosen.is_none() {
            let names: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
            report.problem(
                &text.at,
                format!("`{}` is not known here", text.value),
                format!("one of {}", names.join(", ")),
            );
        }
        Given {
            value: chosen.map_or(default, |(_, choice)| *choice),
            at: text.at,
        }
    }

    /// A secret: the value itself, or the file that holds it under the key with `_file`. Gives the
    /// text of the one or the path of the other.
    pub(super) fn secret(&mut self, report: &mut Report, name: &str) -> Option<Given<SecretFrom>> {
        let text = self.take(report, name).and_then(|node| {
            let at = self.at_key(name, &node.origin);
            let text = report.accept(&at, String::parse(&node))?;
            report.show(&at, "\"redacted\"".into());
            Some(Given {
                value: SecretFrom::Text(text),
                at,
            })
        });
        let file_name = format!("{name}_file");
        let file = self.optional::<PathBuf>(report, &file_name);
        let file = file.map(|file| Given {
            value: SecretFrom::File(file.value),
            at: file.at,
        });
        match (text, file) {
            (Some(text), Some(file)) => {
                let by_variable =
                    |given: &Given<_>| matches!(given.at.origin, Origin::Environment { .. });
                // A variable overrides the file, whichever of the two keys it sets.
                if by_variable(&text) != by_variable(&file) {
                    return Some(if by_variable(&text) { text } else { file });
                }
                report.problem(
                    &file.at,
                    format!("`{name}` is given as well"),
                    format!("keep `{name}` or `{file_name}`, not both"),
                );
                Some(text)
            }
            (text, file) => text.or(file),
        }
    }

    /// A table in this table; an absent one is empty.
    pub(super) fn child(&mut self, report: &mut Report, name: &str) -> Self {
        self.optional_child(report, name)
            .unwrap_or_else(|| self.table(name, Table::new(), Origin::Default))
    }

    /// A table in this table, if it is there.
    pub(super) fn optional_child(&mut self, report: &mut Report, name: &str) -> Option<Self> {
        let node = self.take(report, name)?;
        match node.toml().into_owned().into_table() {
            Ok(entries) => Some(self.table(name, entries, node.origin)),
            Err(found) => {
                let at = self.at_key(name, &node.origin);
                report.problem(
                    &at,
                    format!("expected a table, found {found}"),
                    format!("write [{}] or {{ key = value }}", at.key),
                );
                None
            }
        }
    }

    /// A list of tables (`[[alert]]`), if it is there.
    pub(super) fn children(&mut self, report: &mut Report, name: &str) -> Option<Vec<Self>> {
        let node = self.take(report, name)?;
        let at = self.at_key(name, &node.origin);
        let Value::Array(elements) = node.toml().into_owned() else {
            report.problem(
                &at,
                format!("expected a list of tables, found {}", node.value.kind()),
                format!("write [[{}]] with double brackets", at.key),
            );
            return None;
        };
        let tables = elements.into_iter().enumerate();
        let tables = tables.filter_map(|(index, element)| {
            self.entry(report, &format!("{name}[{index}]"), name, element)
        });
        Some(tables.collect())
    }

    fn entry(&self, report: &mut Report, key: &str, name: &str, element: Node) -> Option<Self> {
        match element.toml().into_owned().into_table() {
            Ok(entries) => Some(Self {
                pattern: join(&self.pattern, &format!("{name}[]")),
                ..self.table(key, entries, element.origin)
            }),
            Err(found) => {
                report.problem(
                    &self.at_key(key, &element.origin),
                    format!("expected a table, found {found}"),
                    format!("write [[{name}]] or {{ key = value }}"),
                );
                None
            }
        }
    }

    fn table(&self, name: &str, entries: Table, origin: Origin) -> Self {
        Self {
            path: join(&self.path, name),
            pattern: join(&self.pattern, name),
            entries,
            origin,
            asked: Vec::new(),
        }
    }

    /// The names of the keys that are left; the caller takes those it knows.
    pub(super) fn names(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    /// Reports every key that is left.
    pub(super) fn finish(self, report: &mut Report) {
        for (name, node) in &self.entries {
            report.unknown(self.at_key(name, &node.origin), name, &self.asked);
        }
    }
}

/// Where the text of a secret is.
#[derive(Clone, Debug)]
pub(super) enum SecretFrom {
    Text(String),
    File(PathBuf),
}

impl Report {
    /// Notes a value in effect.
    pub(super) fn show(&mut self, at: &At, value: String) {
        self.shown.push(ShownValue {
            key: at.key.clone(),
            value,
            origin: at.origin.clone(),
        });
    }

    /// Reports that a value cannot be what its key needs.
    pub(super) fn fault(&mut self, at: &At, fault: Fault) {
        let at = At {
            key: at.key.clone(),
            origin: fault.origin.unwrap_or_else(|| at.origin.clone()),
        };
        self.problem(&at, fault.message, fault.hint);
    }

    /// The value, or `None` and a report.
    pub(super) fn accept<T>(&mut self, at: &At, parsed: Result<T, Fault>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(fault) => {
                self.fault(at, fault);
                None
            }
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
