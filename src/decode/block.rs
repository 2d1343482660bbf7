//! Digits, eight bytes at a time, and strings, sixteen at a time.

use wide::u8x16;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Digits that are counted together.
pub(super) const DIGITS: usize = 8;

/// Number of decimal digits at the beginning; eight when all are.
#[inline]
pub(super) fn digits(bytes: [u8; DIGITS]) -> usize {
    // A digit becomes 0 to 9, to which 0x76 can be added without reaching the high bit. What is carried
    // out of a byte changes only bytes above one that is no digit.
    let value = u64::from_le_bytes(bytes) ^ (ONES * 0x30);
    let marks = (value.wrapping_add(ONES * 0x76) | value) & HIGHS;
    usize::try_from(marks.trailing_zeros() / 8).unwrap_or(DIGITS)
}

/// Bytes of strings that are looked at together.
const WIDE: usize = 16;

/// A bit for each of sixteen bytes that ends a plain run of a JSON string (quote, backslash, control
/// character), from the lowest on.
#[inline]
fn ends(bytes: [u8; WIDE]) -> u32 {
    let bytes = u8x16::new(bytes);
    let is_control = bytes.min(u8x16::splat(0x1f)).simd_eq(bytes);
    let is_quote = bytes.simd_eq(u8x16::splat(b'"'));
    let is_backslash = bytes.simd_eq(u8x16::splat(b'\\'));
    (is_control | is_quote | is_backslash).to_bitmask()
}

/// Between `start` and `end` stands no quote, no backslash and no control character; false too where
/// `text` has fewer than sixteen bytes. Not inlined: it would take the registers of the loop that calls
/// it.
#[inline(never)]
pub(super) fn is_plain(text: &[u8], start: usize, end: usize) -> bool {
    let (Some(string), Some(last)) = (text.get(start..end), text.len().checked_sub(WIDE)) else {
        return false;
    };
    if string.len() <= WIDE {
        // Where less than sixteen bytes follow, those before are looked at as well.
        let from = start.min(last);
        let block = text.get(from..).and_then(|rest| rest.first_chunk());
        let within = (1 << string.len()) - 1;
        return block.is_some_and(|block| ends(*block) >> (start - from) & within == 0);
    }
    let (blocks, _) = string.as_chunks();
    let rest = string.last_chunk();
    blocks.iter().chain(rest).all(|block| ends(*block) == 0)
}

/// How many bytes come before the end of a plain run; all where it does not end.
#[inline]
pub(super) fn plain_bytes(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(bytes) = text.get(at..).and_then(|rest| rest.first_chunk()) {
        let ends = ends(*bytes);
        if ends != 0 {
            return at + usize::try_from(ends.trailing_zeros()).unwrap_or_default();
        }
        at += WIDE;
    }
    let rest = text.get(at..).unwrap_or_default();
    let ends = |&byte: &u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    at + rest.iter().position(ends).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs of every length, near to the beginning and the end of a text and far from them, between bytes
    /// that are plain and others.
    #[test]
    fn a_plain_run_is_told_from_any_other() {
        let others: [&[u8]; 3] = [b"\"\\\0\"\"\"\"\"", b"12345678", b""];
        let around = others
            .iter()
            .flat_map(|before| others.map(|behind| (*before, behind)));
        for (before, behind) in around {
            for bytes in 0..50 {
                let (start, end) = (before.len(), before.len() + bytes);
                let mut text = [before, &vec![b'~'; bytes], behind].concat();
                assert_eq!(is_plain(&text, start, end), text.len() >= WIDE);
                assert!(!is_plain(&text, start, text.len() + 1));
                for at in 0..bytes {
                    for odd in [b'"', b'\\', 0, 0x1f] {
                        text[start + at] = odd;
                        assert!(!is_plain(&text, start, end), "{bytes} {at} {odd}");
                        assert_eq!(plain_bytes(&text[start..]), at);
                    }
                    text[start + at] = if at % 2 == 0 { b' ' } else { 0xff };
                }
            }
        }
    }

    #[test]
    fn digits_are_counted_up_to_the_first_other_byte() {
        for number in 0..=DIGITS {
            for other in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit()) {
                let mut bytes = *b"90123456";
                bytes[number..].fill(other);
                assert_eq!(digits(bytes), number, "{bytes:?}");
            }
        }
    }

    #[test]
    fn the_first_end_is_found_whatever_follows() {
        let is_end = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
        for first in 0..=u8::MAX {
            for second in [
                b'"', b'\\', 0, 0x1f, b' ', b'!', b'#', b'[', 0x7f, 0x80, 0xff,
            ] {
                for at in 0..WIDE {
                    let mut bytes = *b"  ~\xc3\xa9ab!  ~\xc3\xa9ab!";
                    bytes[at] = first;
                    bytes[(at + 1) % WIDE] = second;
                    let expected = bytes.iter().position(is_end).unwrap_or(WIDE);
                    let found = usize::try_from(ends(bytes).trailing_zeros()).unwrap();
                    assert_eq!(found.min(WIDE), expected, "{bytes:?}");
                }
            }
        }
    }
}
