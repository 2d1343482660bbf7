//! Where values end in text that may not be JSON: only brackets and strings are looked at, so that
//! one broken event does not hide where the next begins.

use serde::de::IgnoredAny;

/// The end of the object or array that begins at `at` (byte after its closing bracket); `None`
/// when it never closes.
pub(super) fn end_of_value(bytes: &[u8], at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut position = at;
    while let Some(&byte) = bytes.get(position) {
        match byte {
            b'"' => position = end_of_string(bytes, position)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(position + 1);
                }
            }
            _ => {}
        }
        position += 1;
    }
    None
}

/// The length of the JSON value that `text` begins with, by its grammar alone: what its strings mean
/// and how deep it goes is not looked at. `None` when there is none.
pub(super) fn length_by_grammar(text: &[u8]) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

/// The closing quote of the string that opens at `at`. A raw line break in it is no end: it makes
/// the event invalid, not its neighbours.
fn end_of_string(bytes: &[u8], at: usize) -> Option<usize> {
    let mut position = at + 1;
    loop {
        match bytes.get(position)? {
            b'"' => return Some(position),
            b'\\' => position += 2,
            _ => position += 1,
        }
    }
}

/// The first byte from `at` on that is not JSON white space; the length of `bytes` if there is none.
pub(super) fn skip_whitespace(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

/// The range `start..end` without JSON white space at its ends.
pub(super) fn trim(bytes: &[u8], start: usize, mut end: usize) -> (usize, usize) {
    while end > start
        && let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(end - 1)
    {
        end -= 1;
    }
    (skip_whitespace(bytes, start).min(end), end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_with_its_bracket() {
        assert_eq!(end_of_value(br#"{"a":{}} {"#, 0), Some(8));
        assert_eq!(end_of_value(b"{\"a\":\"}\n\"}", 0), Some(10));
        assert_eq!(end_of_value(b"[[]", 0), None);
    }

    #[test]
    fn trims_json_white_space_only() {
        assert_eq!(trim(b" \t{}\r\n", 0, 6), (2, 4));
        assert_eq!(trim(b"  ", 0, 2), (0, 0));
        assert_eq!(trim(b"\x0b", 0, 1), (0, 1));
    }
}
