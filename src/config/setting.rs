//! The types a single value can have: how each is read, and how it is shown in TOML.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::duration::{format_duration, parse_duration};
use super::finding::Origin;
use super::tree::{Node, Value};

/// Why a value cannot be what its key needs.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) hint: String,
    /// The line of the list element at fault; `None` for the value itself.
    pub(super) origin: Option<Origin>,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: hint.into(),
            origin: None,
        }
    }

    fn expected(what: &str, found: &Value, hint: &str) -> Self {
        Self::new(format!("expected {what}, found {}", found.kind()), hint)
    }
}

/// A type that a key can have.
pub(super) trait Setting: Sized {
    /// Reads the value.
    fn parse(node: &Node) -> Result<Self, Fault>;
    /// The value in TOML.
    fn show(&self) -> String;
}

impl Setting for bool {
    fn parse(node: &Node) -> Result<Self, Fault> {
        let value = node.toml();
        let Value::Boolean(boolean) = *value else {
            let hint = "write true or false without quotes";
            return Err(Fault::expected("true or false", &value, hint));
        };
        Ok(boolean)
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for String {
    fn parse(node: &Node) -> Result<Self, Fault> {
        let Some(text) = node.value.text() else {
            return Err(Fault::expected("a string", &node.value, "put it in quotes"));
        };
        if text.is_empty() {
            return Err(Fault::new(
                "is empty",
                "leave the key out to have its default",
            ));
        }
        if text.contains(char::is_control) {
            return Err(Fault::new(
                "holds a control character",
                "line breaks and tabs have no meaning here",
            ));
        }
        Ok(text.to_owned())
    }

    fn show(&self) -> String {
        toml::Value::String(self.clone()).to_string()
    }
}

impl Setting for PathBuf {
    fn parse(node: &Node) -> Result<Self, Fault> {
        String::parse(node).map(Self::from)
    }

    fn show(&self) -> String {
        self.to_string_lossy().into_owned().show()
    }
}

impl Setting for Duration {
    fn parse(node: &Node) -> Result<Self, Fault> {
        const HINT: &str =
            "write whole numbers with the units d, h, m, s, ms: \"5m\", \"1h30m\", \"90s\", \"7d\"";
        let Some(text) = node.value.text() else {
            return Err(Fault::expected("a duration", &node.value, HINT));
        };
        parse_duration(text).map_err(|message| Fault::new(message, HINT))
    }

    fn show(&self) -> String {
        format_duration(*self).show()
    }
}

impl Setting for SocketAddr {
    fn parse(node: &Node) -> Result<Self, Fault> {
        let text = String::parse(node)?;
        text.parse().map_err(|_| {
            Fault::new(
                format!("`{text}` is not an address with a port"),
                "an IP address and a port: \"127.0.0.1:10425\", \"0.0.0.0:10425\" or \"[::]:10425\"",
            )
        })
    }

    fn show(&self) -> String {
        self.to_string().show()
    }
}

impl Setting for f64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::as_conversions,
        reason = "thresholds and scale ends lie far below 2^53"
    )]
    fn parse(node: &Node) -> Result<Self, Fault> {
        let value = node.toml();
        if let Value::Integer(integer) = *value {
            return Ok(integer as Self);
        }
        if let Value::Float(float) = *value
            && float.is_finite()
        {
            return Ok(float);
        }
        if matches!(*value, Value::Float(_) | Value::HugeInteger) {
            return Err(Fault::new("is not a finite number", "write it in digits"));
        }
        Err(Fault::expected(
            "a number",
            &value,
            "write it without quotes",
        ))
    }

    fn show(&self) -> String {
        toml::Value::Float(*self).to_string()
    }
}

impl Setting for u64 {
    fn parse(node: &Node) -> Result<Self, Fault> {
        let value = node.toml();
        if let Value::Integer(integer) = *value {
            return Self::try_from(integer)
                .map_err(|_| Fault::new(format!("{integer} is negative"), "write 0 or more"));
        }
        if matches!(*value, Value::HugeInteger) {
            return Err(Fault::new("is beyond 64 bits", "write a smaller number"));
        }
        let hint = "write it without quotes and without a fraction";
        Err(Fault::expected("a whole number", &value, hint))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for u32 {
    fn parse(node: &Node) -> Result<Self, Fault> {
        let value = u64::parse(node)?;
        Self::try_from(value).map_err(|_| {
            Fault::new(
                format!("{value} is above {}", Self::MAX),
                "write a smaller number",
            )
        })
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for usize {
    fn parse(node: &Node) -> Result<Self, Fault> {
        let value = u64::parse(node)?;
        Self::try_from(value).map_err(|_| {
            Fault::new(
                format!("{value} is above {}", Self::MAX),
                "write a smaller number",
            )
        })
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn parse(node: &Node) -> Result<Self, Fault> {
        let value = node.toml();
        let Value::Array(elements) = &*value else {
            return Err(Fault::expected("a list", &value, "put it in brackets"));
        };
        elements.iter().map(parse_element).collect()
    }

    fn show(&self) -> String {
        let shown: Vec<String> = self.iter().map(Setting::show).collect();
        format!("[{}]", shown.join(", "))
    }
}

fn parse_element<T: Setting>(element: &Node) -> Result<T, Fault> {
    T::parse(element).map_err(|mut fault| {
        fault.origin.get_or_insert_with(|| element.origin.clone());
        fault
    })
}
