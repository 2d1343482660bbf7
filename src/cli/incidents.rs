//! Files of known incidents, for the back-test of alerts. Each line is `start,end,key`, or a JSON
//! object with the members `start`, `end` and `key`; empty lines, lines that begin with `#` and a
//! heading are passed over.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use crate::alert::back_test::Incident;
use crate::decode::parse_moment;

/// Reads a file of incidents.
pub(super) fn read(path: &Path) -> Result<Vec<Incident>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the incidents of {}", path.display()))?;
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('[') {
        return of_array(text).with_context(|| path.display().to_string());
    }
    let mut incidents = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let is_heading = incidents.is_empty() && line.to_ascii_lowercase().starts_with("start");
        if line.is_empty() || line.starts_with('#') || is_heading {
            continue;
        }
        let incident = if line.starts_with('{') {
            serde_json::from_str(line)
                .map_err(anyhow::Error::from)
                .and_then(|value| of_json(&value))
        } else {
            of_fields(line)
        };
        incidents.push(incident.with_context(|| format!("{}:{}", path.display(), number + 1))?);
    }
    Ok(incidents)
}

fn of_array(text: &str) -> Result<Vec<Incident>> {
    let values: Vec<Value> = serde_json::from_str(text)?;
    let numbered = values.iter().enumerate();
    numbered
        .map(|(number, value)| of_json(value).with_context(|| format!("incident {}", number + 1)))
        .collect()
}

/// `start,end,queue=support,channel=voice`; the fields may stand in quotes.
fn of_fields(line: &str) -> Result<Incident> {
    let mut fields = line.split([',', ';']).map(unquoted);
    let start = fields.next().unwrap_or_default();
    let Some(end) = fields.next() else {
        bail!("`{line}` is no incident; expected start,end,key");
    };
    let key = fields.filter(|field| !is_everywhere(field)).map(key_part);
    incident(start, end, key.collect())
}

fn of_json(value: &Value) -> Result<Incident> {
    let moment = |name: &str| match &value[name] {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(anyhow!("no `{name}`; expected RFC 3339 or milliseconds"))
        }
    };
    let key = match &value["key"] {
        Value::Null => Vec::new(),
        Value::String(text) => text
            .split([',', ';'])
            .map(unquoted)
            .filter(|part| !is_everywhere(part))
            .map(key_part)
            .collect(),
        Value::Object(members) => members
            .iter()
            .map(|(dimension, found)| {
                let text = found
                    .as_str()
                    .map_or_else(|| found.to_string(), str::to_owned);
                (Some(dimension.clone()), text)
            })
            .collect(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            bail!("`key` is neither an object nor a text such as queue=support")
        }
    };
    incident(&moment("start")?, &moment("end")?, key)
}

fn incident(start: &str, end: &str, key: Vec<(Option<String>, String)>) -> Result<Incident> {
    let moment = |name: &str, text: &str| {
        parse_moment(text).map_err(|problem| anyhow!("{name} `{text}`: {problem}"))
    };
    let (from, until) = (moment("start", start)?, moment("end", end)?);
    if until <= from {
        bail!("the end {end} is not after the start {start}");
    }
    Ok(Incident {
        start: from,
        end: until,
        key,
    })
}

/// `dimension=value`, or a value alone.
fn key_part(part: &str) -> (Option<String>, String) {
    match part.split_once('=') {
        Some((dimension, value)) => (
            Some(dimension.trim().to_owned()),
            unquoted(value).to_owned(),
        ),
        None => (None, part.to_owned()),
    }
}

fn unquoted(field: &str) -> &str {
    field.trim().trim_matches('"').trim()
}

fn is_everywhere(part: &str) -> bool {
    matches!(part, "" | "*" | "overall" | "{}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn parsed(text: &str) -> Result<Vec<Incident>> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), text)?;
        read(file.path())
    }

    fn named(dimension: &str, value: &str) -> (Option<String>, String) {
        (Some(dimension.into()), value.into())
    }

    #[test]
    fn lines_and_json_say_the_same() {
        let expected = vec![
            Incident {
                start: Timestamp::from_millis(1_767_261_600_000),
                end: Timestamp::from_millis(1_767_265_200_000),
                key: vec![named("channel", "voice"), named("queue", "support")],
            },
            Incident {
                start: Timestamp::from_millis(1_767_348_000_000),
                end: Timestamp::from_millis(1_767_348_060_000),
                key: Vec::new(),
            },
        ];
        for text in [
            "start,end,key\n2026-01-01T10:00:00Z,2026-01-01T11:00:00Z,channel=voice,queue=support\n\
             # a comment\n\n1767348000000, 1767348060000\n",
            "2026-01-01T11:00:00+01:00;2026-01-01T11:00:00Z;\"channel=voice\";\"queue=support\"\r\n\
             1767348000000,1767348060000,overall",
            "{\"start\":\"2026-01-01T10:00:00Z\",\"end\":1767265200000,\
             \"key\":{\"channel\":\"voice\",\"queue\":\"support\"}}\n\
             {\"start\":1767348000000,\"end\":1767348060000}\n",
            "[{\"start\":1767261600000,\"end\":1767265200000,\"key\":\"channel=voice,queue=support\"},\
             {\"start\":1767348000000,\"end\":1767348060000,\"key\":{}}]",
        ] {
            assert_eq!(parsed(text).unwrap(), expected, "{text}");
        }
        let bare = parsed("1767348000000,1767348060000,support").unwrap();
        assert_eq!(bare[0].key, [(None, "support".to_owned())]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, expected) in [
            ("\nyesterday,today,x", "incidents"),
            ("2026-01-01T10:00:00Z", "expected start,end,key"),
            (
                "1767348000001,1767348000000,x",
                "the end 1767348000000 is not after the start 1767348000001",
            ),
            ("1,2,x", "looks like seconds"),
            ("{\"start\":1767348000000}", "no `end`"),
            (
                "{\"start\":1767348000000,\"end\":1767348000001,\"key\":3}",
                "neither an object",
            ),
        ] {
            let error = format!("{:#}", parsed(text).unwrap_err());
            assert!(
                error.contains(expected) || (expected == "incidents" && error.contains(":2")),
                "{error}"
            );
        }
    }
}
