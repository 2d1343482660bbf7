//! The little of YAML that is needed: JSON's strings are YAML's too.

/// A string in double quotes.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
