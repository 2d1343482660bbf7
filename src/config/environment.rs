//! Environment variables laid over the file: `CXPULSE__NATS__URL` sets `nats.url`.
//!
//! Two underscores separate the levels; letters count as small ones. A number addresses an entry of
//! a list of tables (`CXPULSE__ALERT__0__BELOW`; one past the end appends). Strings, paths and
//! durations are taken as they are; everything else is written in TOML syntax
//! (`CXPULSE__BREAKDOWN__SETS='[[], ["queue"]]'`).

use super::finding::Origin;
use super::report::{At, Report};
use super::tree::{Node, Table, Value};

/// What the names of our variables begin with.
const PREFIX: &str = "CXPULSE__";

/// More levels than any key has; a bound for the recursion.
const DEEPEST: usize = 16;

/// The variables of this process that belong to us, for `config::load`. Names and values that are
/// not Unicode are taken with replacement characters, so that they are reported instead of
/// overlooked.
pub fn process_environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .map(|(name, value)| {
            let name = name.to_string_lossy().into_owned();
            (name, value.to_string_lossy().into_owned())
        })
        .filter(|(name, _)| name.starts_with("CXPULSE_"))
}

/// Lays the variables over the tree, in the order of their names.
pub(super) fn overlay(root: &mut Table, mut variables: Vec<(String, String)>, report: &mut Report) {
    variables.sort();
    for (name, value) in variables {
        let Some(path) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let steps: Vec<&str> = path.split("__").collect();
        let origin = Origin::Environment { name: name.clone() };
        let node = Node {
            value: Value::Raw(value),
            origin: origin.clone(),
        };
        let outcome = if steps.len() > DEEPEST {
            Err("goes deeper than any key".to_owned())
        } else {
            set(root, &steps, node)
        };
        if let Err(message) = outcome {
            let at = At {
                key: path.replace("__", ".").to_ascii_lowercase(),
                origin,
            };
            report.problem(
                &at,
                message,
                "two underscores separate the levels: CXPULSE__NATS__URL sets nats.url",
            );
        }
    }
}

/// Puts a node where the steps lead.
fn set(table: &mut Table, steps: &[&str], node: Node) -> Result<(), String> {
    let Some((first, rest)) = steps.split_first() else {
        return Err("names no key".into());
    };
    if first.is_empty() {
        return Err("has an empty level".into());
    }
    let key = existing_key(table, first);
    if rest.is_empty() {
        table.insert(key, node);
        return Ok(());
    }
    let is_new = !table.contains_key(&key);
    let child = table.entry(key.clone()).or_insert_with(|| Node {
        value: empty_for(rest),
        origin: node.origin.clone(),
    });
    expand(child);
    let outcome = match &mut child.value {
        Value::Table(members) => set(members, rest, node),
        Value::Array(elements) => set_element(elements, rest, node),
        Value::Raw(_)
        | Value::Text(_)
        | Value::Integer(_)
        | Value::HugeInteger
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_) => Err(format!("`{key}` is not a table")),
    };
    if outcome.is_err() && is_new {
        // What was made on the way to a wrong name is no value.
        table.remove(&key);
    }
    outcome
}

fn set_element(elements: &mut Vec<Node>, steps: &[&str], node: Node) -> Result<(), String> {
    let Some((first, rest)) = steps.split_first() else {
        return Err("names no entry of the list".into());
    };
    let count = elements.len();
    let index: usize = first
        .parse()
        .ok()
        .filter(|index| *index <= count)
        .ok_or_else(|| format!("`{first}` is not an entry of the list (0 to {count})"))?;
    if index == count {
        elements.push(Node {
            value: Value::Table(Table::new()),
            origin: node.origin.clone(),
        });
    }
    match elements.get_mut(index) {
        Some(element) if rest.is_empty() => {
            *element = node;
            Ok(())
        }
        Some(element) => {
            expand(element);
            if let Value::Table(members) = &mut element.value {
                set(members, rest, node)
            } else {
                let kind = element.value.kind();
                Err(format!("entry {index} is {kind}, not a table"))
            }
        }
        None => Err(format!("there is no entry {index}")),
    }
}

/// What must be there for the steps to go on: a list before a number, else a table.
fn empty_for(steps: &[&str]) -> Value {
    let numbered = steps
        .first()
        .is_some_and(|step| step.bytes().all(|byte| byte.is_ascii_digit()));
    if numbered {
        Value::Array(Vec::new())
    } else {
        Value::Table(Table::new())
    }
}

/// Turns the text of a variable into the table or array it holds, so that a longer name can reach
/// into it.
fn expand(node: &mut Node) {
    let parsed = node.toml().into_owned();
    if matches!(parsed, Value::Table(_) | Value::Array(_)) {
        node.value = parsed;
    }
}

/// The key as the file writes it, whatever its letters; else in small letters.
fn existing_key(table: &Table, step: &str) -> String {
    table
        .keys()
        .find(|key| key.eq_ignore_ascii_case(step))
        .cloned()
        .unwrap_or_else(|| step.to_ascii_lowercase())
}
