//! The placeholders of annotations: `{{ value }}`.

/// What every alert knows of itself.
const VARIABLES: [&str; 4] = ["value", "threshold", "samples", "window"];

/// What is wrong with an annotation of an alert with these dimensions: message and hint.
pub(super) fn fault(text: &str, dimensions: &[String]) -> Option<(String, String)> {
    let known = || {
        let dimensions = dimensions.iter().map(String::as_str);
        VARIABLES.into_iter().chain(dimensions)
    };
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        if before.contains("}}") {
            return Some(unbalanced());
        }
        let Some((inside, behind)) = after.split_once("}}") else {
            return Some(unbalanced());
        };
        let name = inside.trim();
        if !known().any(|variable| variable == name) {
            let names: Vec<&str> = known().collect();
            return Some((
                format!("`{{{{ {name} }}}}` is not known here"),
                format!("one of {}", names.join(", ")),
            ));
        }
        rest = behind;
    }
    rest.contains("}}").then(unbalanced)
}

fn unbalanced() -> (String, String) {
    (
        "has `{{` and `}}` that do not match".into(),
        "placeholders are written {{ value }}".into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_placeholders() {
        let queue = ["queue".to_owned()];
        assert_eq!(fault("{{ value }} in {{queue}} of { x }", &queue), None);
        assert_eq!(fault("", &queue), None);
        for bad in [
            "{{ team }}",
            "{{ value",
            "value }}",
            "{{ value }} }}",
            "{{ }}",
        ] {
            assert!(fault(bad, &queue).is_some(), "{bad}");
        }
    }
}
