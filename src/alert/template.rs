//! Annotation templates: `{{ value }}`, `{{ threshold }}`, `{{ samples }}`, `{{ window }}` and the
//! dimensions of the breakdown, in Jinja's language without files, macros and blocks.
//!
//! Strict: a variable that does not exist is refused by [`check`] when the configuration is read,
//! not found out in the night when the alert fires.

use std::collections::BTreeMap;
use std::io;

use minijinja::{Environment, UndefinedBehavior, Value};

/// The variables every template knows besides the dimensions.
pub const VARIABLES: [&str; 4] = ["value", "threshold", "samples", "window"];

/// Most bytes of a rendered annotation; what is longer is cut at a character. Alertmanager and most
/// receivers behind it cut at far less.
pub const MAX_RENDERED_BYTES: usize = 4096;

/// What is wrong with a template.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// Not the template language, or an unknown filter or function.
    #[error("template is invalid: {0}")]
    Invalid(String),
    /// A variable that is neither one of [`VARIABLES`] nor a dimension of the breakdown.
    #[error("template uses the unknown variable {name:?}, known are {}", known.join(", "))]
    UnknownVariable {
        /// The variable.
        name: String,
        /// What may be used here.
        known: Vec<String>,
    },
}

/// What a template is rendered with.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// Value of the KPI; `none` in the template without samples.
    pub value: Option<f64>,
    /// What it is compared with.
    pub threshold: Option<f64>,
    /// Samples behind the value.
    pub samples: u64,
    /// Name of the window.
    pub window: &'a str,
    /// Dimension and value.
    pub key: &'a [(String, String)],
}

/// Checks a template of a rule with that breakdown.
///
/// ```
/// use cxpulse::alert::template::check;
/// let breakdown = ["queue".to_owned()];
/// assert!(check("{{ queue }} is at {{ value | round(2) }}", &breakdown).is_ok());
/// assert!(check("{{ channel }} is low", &breakdown).is_err());
/// ```
///
/// # Errors
///
/// When it is not the template language, names an unknown variable, filter or function, or cannot
/// be rendered with a made-up value.
pub fn check(source: &str, breakdown: &[String]) -> Result<(), TemplateError> {
    let environment = environment();
    let template = environment
        .template_from_str(source)
        .map_err(|error| TemplateError::Invalid(describe(&error)))?;
    let known: Vec<String> = VARIABLES
        .iter()
        .map(|name| (*name).to_owned())
        .chain(breakdown.iter().cloned())
        .collect();
    let mut unknown: Vec<String> = template
        .undeclared_variables(false)
        .into_iter()
        .filter(|name| !known.contains(name) && !is_function(&environment, name))
        .collect();
    unknown.sort_unstable();
    if let Some(name) = unknown.into_iter().next() {
        return Err(TemplateError::UnknownVariable { name, known });
    }
    let key: Vec<(String, String)> = breakdown
        .iter()
        .map(|dimension| (dimension.clone(), "example".to_owned()))
        .collect();
    let example = Values {
        value: Some(0.5),
        threshold: Some(0.7),
        samples: 100,
        window: "1h",
        key: &key,
    };
    try_render(&environment, source, &example)
        .map(drop)
        .map_err(TemplateError::Invalid)
}

/// Renders a checked template. One that fails all the same (arithmetic with a value that is `none`)
/// gives a text that says so: an alert with a clumsy annotation is better than none.
pub(super) fn render(source: &str, values: &Values<'_>) -> String {
    match try_render(&environment(), source, values) {
        Ok(text) => text,
        Err(problem) => clipped(format!("(annotation cannot be rendered: {problem})")),
    }
}

/// All annotations of a rule.
pub(super) fn render_all(
    sources: &BTreeMap<String, String>,
    values: &Values<'_>,
) -> BTreeMap<String, String> {
    sources
        .iter()
        .map(|(name, source)| (name.clone(), render(source, values)))
        .collect()
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_formatter(|output, state, value| {
        if value.is_none() {
            Ok(output.write_str("none")?)
        } else {
            minijinja::escape_formatter(output, state, value)
        }
    });
    environment
}

/// `range(3)` names a function, which the analysis reports like a variable.
fn is_function(environment: &Environment<'_>, name: &str) -> bool {
    environment.globals().any(|(global, _)| global == name)
}

fn try_render(
    environment: &Environment<'_>,
    source: &str,
    values: &Values<'_>,
) -> Result<String, String> {
    let mut context: BTreeMap<String, Value> = values
        .key
        .iter()
        .map(|(dimension, value)| (dimension.clone(), Value::from(value.as_str())))
        .collect();
    // After the dimensions, so that one of the same name does not hide the figure.
    context.insert("value".into(), number(values.value));
    context.insert("threshold".into(), number(values.threshold));
    context.insert("samples".into(), Value::from(values.samples));
    context.insert("window".into(), Value::from(values.window));
    let template = environment
        .template_from_str(source)
        .map_err(|error| describe(&error))?;
    let mut bounded = Bounded::default();
    let outcome = template.render_captured_to(Value::from(context), &mut bounded);
    match outcome {
        Err(error) if !bounded.full => Err(describe(&error)),
        // A full buffer stops the rendering with an error of ours.
        Ok(_) | Err(_) => Ok(clipped(
            String::from_utf8_lossy(&bounded.bytes).into_owned(),
        )),
    }
}

/// A number for people: at most four decimals, so that 0.7000000000000001 reads 0.7.
fn number(figure: Option<f64>) -> Value {
    figure.map_or(Value::from(()), |figure| {
        Value::from((figure * 10_000.0).round() / 10_000.0)
    })
}

/// One line of what is wrong, without the excerpt of the source.
fn describe(error: &minijinja::Error) -> String {
    let what = error
        .detail()
        .map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) if line > 1 => format!("{what} (line {line})"),
        Some(_) | None => what,
    }
}

/// The text cut to [`MAX_RENDERED_BYTES`] at a character.
fn clipped(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_RENDERED_BYTES));
    text
}

/// A buffer that refuses to grow beyond what is needed.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Some bytes more, so that cutting at a character has a character to look at.
        let room = (MAX_RENDERED_BYTES + 4).saturating_sub(self.bytes.len());
        if room == 0 && !bytes.is_empty() {
            self.full = true;
            return Err(io::Error::other("annotation is too long"));
        }
        let taken = room.min(bytes.len());
        self.bytes.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(key: &[(String, String)]) -> Values<'_> {
        Values {
            value: Some(0.700_000_000_000_000_1),
            threshold: Some(0.75),
            samples: 42,
            window: "1h",
            key,
        }
    }

    #[test]
    fn figures_and_dimensions_are_filled_in() {
        let key = [("queue".to_owned(), "<b>{{ value }}</b>".to_owned())];
        let text = render(
            "{{ queue }}: {{ value }} < {{ threshold }} of {{ samples }} in {{ window }}, {{ (value * 100) | round(1) }} %",
            &values(&key),
        );
        assert_eq!(text, "<b>{{ value }}</b>: 0.7 < 0.75 of 42 in 1h, 70.0 %");
    }

    #[test]
    fn what_does_not_exist_is_refused() {
        let breakdown = ["queue".to_owned()];
        for (source, problem) in [
            (
                "{{ team }}",
                "template uses the unknown variable \"team\", known are value, threshold, samples, window, queue",
            ),
            (
                "{% if false %}{{ tean }}{% endif %}",
                "unknown variable \"tean\"",
            ),
            (
                "{{ value | percent }}",
                "template is invalid: filter percent is unknown",
            ),
            ("{{ value", "template is invalid: "),
            ("{% include \"/etc/passwd\" %}", "template is invalid: "),
            ("{{ nothing() }}", "unknown variable \"nothing\""),
            ("{{ queue.name }}", "template is invalid: "),
        ] {
            let message = check(source, &breakdown).unwrap_err().to_string();
            assert!(message.contains(problem), "{source}: {message}");
        }
    }

    #[test]
    fn language_constructs_are_allowed() {
        for source in [
            "plain text, 5 % of {x}",
            "{% if value is not none and value < 0.5 %}very {% endif %}low",
            "{% for n in range(3) %}{{ n }}{% endfor %}",
            "{% set share = value * 100 %}{{ share }}",
        ] {
            check(source, &[]).unwrap();
        }
    }

    #[test]
    fn a_value_that_is_missing_does_not_lose_the_alert() {
        let none = Values {
            value: None,
            ..values(&[])
        };
        assert_eq!(render("{{ value }}", &none), "none");
        let text = render("{{ value * 100 }}", &none);
        assert!(
            text.starts_with("(annotation cannot be rendered: "),
            "{text}"
        );
    }

    #[test]
    fn the_length_is_bounded_at_a_character() {
        let key = [("queue".to_owned(), "ü".repeat(5000))];
        let text = render("x{{ queue }}", &values(&key));
        assert_eq!(text.len(), MAX_RENDERED_BYTES - 1);
        assert!(text.ends_with('ü'));
        let endless =
            "{% for a in range(9999) %}{% for b in range(9999) %}abcdefgh{% endfor %}{% endfor %}";
        assert_eq!(render(endless, &values(&[])).len(), MAX_RENDERED_BYTES);
    }
}
