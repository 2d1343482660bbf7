//! The description of the API is true: it names the paths that answer, and what they answer is what
//! it says. Tells only the keywords that the description uses.
use std::collections::BTreeSet;

use cxpulse::http::{OPENAPI, PATHS};
use serde_json::Value;

fn description() -> Value {
    serde_json::from_str(OPENAPI).unwrap()
}

/// What is wrong with `value` as an instance of the named schema.
pub(crate) fn findings(schema: &str, value: &Value) -> Vec<String> {
    let all = description();
    let mut found = Vec::new();
    check(
        &all,
        &all["components"]["schemas"][schema],
        value,
        schema,
        &mut found,
    );
    found
}

const KEYWORDS: [&str; 10] = [
    "$ref",
    "type",
    "enum",
    "format",
    "minimum",
    "items",
    "properties",
    "required",
    "additionalProperties",
    "description",
];

fn check(all: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    let members = schema
        .as_object()
        .unwrap_or_else(|| panic!("no schema at {place}"));
    for keyword in members.keys() {
        assert!(
            KEYWORDS.contains(&keyword.as_str()),
            "{keyword} is not understood here"
        );
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let target = all.pointer(reference.strip_prefix('#').unwrap()).unwrap();
        return check(all, target, value, place, found);
    }
    if !is_of_type(&schema["type"], value) {
        found.push(format!("{place}: {value} is no {}", schema["type"]));
        return;
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        found.push(format!("{place}: {value} is none of {allowed:?}"));
    }
    if let (Some(least), Some(number)) = (schema["minimum"].as_f64(), value.as_f64())
        && number < least
    {
        found.push(format!("{place}: {number} is below {least}"));
    }
    if schema["format"] == "date-time"
        && let Some(text) = value.as_str()
        && text.parse::<jiff::Timestamp>().is_err()
    {
        found.push(format!("{place}: {text} is no moment"));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(
            all,
            &schema["items"],
            item,
            &format!("{place}[{index}]"),
            found,
        );
    }
    let Some(object) = value.as_object() else {
        return;
    };
    for name in schema["required"].as_array().into_iter().flatten() {
        if !object.contains_key(name.as_str().unwrap()) {
            found.push(format!("{place}: {name} is missing"));
        }
    }
    for (name, member) in object {
        let inside = format!("{place}.{name}");
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Value::Null, Value::Bool(false)) => found.push(format!("{inside} is not described")),
            (Value::Null, Value::Null) => {}
            (Value::Null, other) => check(all, other, member, &inside, found),
            (known, _) => check(all, known, member, &inside, found),
        }
    }
}

/// Whether a value has the type, or one of the types; without any every value does.
fn is_of_type(types: &Value, value: &Value) -> bool {
    if let Some(several) = types.as_array() {
        return several.iter().any(|one| is_of_type(one, value));
    }
    match types.as_str() {
        None => true,
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some(other) => panic!("type {other}"),
    }
}

#[test]
fn the_checker_finds_what_is_wrong() {
    let wrong = serde_json::json!({"kpis": [{"kpi": "joy", "window": 5, "more": 1}], "at": "soon"});
    let found = findings("Kpis", &wrong);
    for part in [
        "at: soon",
        "kpi: \"joy\"",
        "window: 5",
        "more is not described",
        "\"samples\" is missing",
    ] {
        assert!(
            found.iter().any(|line| line.contains(part)),
            "{part} in {found:?}"
        );
    }
}

#[test]
fn it_describes_the_paths_that_answer() {
    let all = description();
    let described: BTreeSet<&str> = all["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let served: BTreeSet<&str> = PATHS
        .into_iter()
        .filter(|path| path.starts_with("/api/"))
        .collect();
    assert_eq!(described, served);
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(all: &Value, value: &Value, seen: &mut usize) {
        if let Some(reference) = value["$ref"].as_str() {
            let target = reference
                .strip_prefix('#')
                .and_then(|path| all.pointer(path));
            assert!(target.is_some(), "{reference}");
            *seen += 1;
        }
        for inside in value
            .as_object()
            .into_iter()
            .flat_map(|object| object.values())
        {
            walk(all, inside, seen);
        }
        for inside in value.as_array().into_iter().flatten() {
            walk(all, inside, seen);
        }
    }
    let mut seen = 0;
    walk(&description(), &description(), &mut seen);
    assert!(seen > 20, "{seen} references");
}
