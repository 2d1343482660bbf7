//! Escapes in JSON strings.

/// Appends the value of the string content `raw` to `out`. `raw` must have passed the scanner; what
/// it would not have let through is left out.
pub(super) fn unescape(raw: &str, out: &mut String) {
    let mut rest = raw;
    while let Some((plain, tail)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut after = tail.chars();
        let escape = after.next();
        rest = after.as_str();
        match escape {
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => {
                let (character, length) = escaped_character(rest);
                out.extend(character);
                rest = rest.get(length..).unwrap_or_default();
            }
            Some(itself) => out.push(itself),
            None => {}
        }
    }
    out.push_str(rest);
}

/// The character whose escape goes on with `rest` (after `\u`), and how much of `rest` belongs to it.
fn escaped_character(rest: &str) -> (Option<char>, usize) {
    let high = rest
        .get(..4)
        .and_then(|hex| u32::from_str_radix(hex, 16).ok());
    match high {
        Some(high) if is_high_surrogate(high) => {
            let low = rest.get(4..).and_then(|tail| code_unit(tail.as_bytes()));
            let low = low.unwrap_or_default() & 0x3ff;
            (char::from_u32(0x1_0000 + ((high & 0x3ff) << 10) + low), 10)
        }
        Some(unit) => (char::from_u32(unit), 4),
        None => (None, 4),
    }
}

pub(super) fn is_high_surrogate(unit: u32) -> bool {
    (0xd800..0xdc00).contains(&unit)
}

pub(super) fn is_low_surrogate(unit: u32) -> bool {
    (0xdc00..0xe000).contains(&unit)
}

/// The number in `\uXXXX` at the start of `bytes`.
pub(super) fn code_unit(bytes: &[u8]) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = bytes.first_chunk::<6>()? else {
        return None;
    };
    let mut unit = 0;
    for &digit in digits {
        unit = unit * 16 + char::from(digit).to_digit(16)?;
    }
    Some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_serde_json() {
        for raw in [
            "",
            "plain",
            r#"\"\\\/\b\f\n\r\t"#,
            r"\u0041é\u00e9\u20AC",
            r"\ud83d\ude00\uD83D\uDE00x",
            r"a\u0000b",
            r"\uffff\udbff\udfff",
            r"\\u0041",
        ] {
            let mut out = String::new();
            unescape(raw, &mut out);
            let expected: String = serde_json::from_str(&format!("\"{raw}\"")).unwrap();
            assert_eq!(out, expected, "{raw}");
        }
    }

    #[test]
    fn what_the_scanner_refuses_does_no_harm() {
        for raw in [
            "\\",
            r"\u",
            r"\u12",
            r"\ud83d",
            r"\ud83d\u",
            r"\uzzzz",
            r"\é",
            r"\ué€",
        ] {
            unescape(raw, &mut String::new());
        }
    }
}
