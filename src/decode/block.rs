//! Strings, eight bytes at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Eight bytes of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block(u64);

impl Block {
    /// Number of bytes looked at together.
    pub(super) const SIZE: usize = 8;

    #[inline]
    pub(super) fn new(bytes: [u8; Self::SIZE]) -> Self {
        Self(u64::from_le_bytes(bytes))
    }

    /// How many bytes come before the first that ends a plain run of a JSON string (quote,
    /// backslash, control character); `None` when all eight are plain.
    #[inline]
    pub(super) fn plain_bytes(self) -> Option<usize> {
        let marks = self.marks();
        if marks == 0 {
            return None;
        }
        usize::try_from(marks.trailing_zeros() / 8).ok()
    }

    /// The high bit of the first byte that ends a plain run, and perhaps high bits above it; nothing
    /// when all eight are plain.
    #[inline]
    pub(super) fn marks(self) -> u64 {
        let Self(word) = self;
        // With bit 1 flipped the quote is 0x20 and the space 0x22, so that quote and control
        // characters are those below 0x21. The subtraction sets the high bit of a byte that is too
        // low for it; a borrow can do so wrongly only above such a byte, and the lowest one counts.
        let low = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
        let backslash = (word ^ (ONES * 0x5c)).wrapping_sub(ONES);
        (low | backslash) & !word & HIGHS
    }

    /// Number of decimal digits at the beginning; eight when all are.
    #[inline]
    pub(super) fn digits(self) -> usize {
        let Self(word) = self;
        // A digit becomes 0 to 9, to which 0x76 can be added without reaching the high bit. What
        // is carried out of a byte changes only bytes above one that is no digit.
        let value = word ^ (ONES * 0x30);
        let marks = (value.wrapping_add(ONES * 0x76) | value) & HIGHS;
        usize::try_from(marks.trailing_zeros() / 8).unwrap_or(Self::SIZE)
    }
}

/// Between `start` and `end` stands no quote, no backslash and no control character; false too where
/// they are so few and so near to the end of `text` that no block can be made of them. Not inlined: it
/// would take the registers of the loop that calls it.
#[inline(never)]
pub(super) fn is_plain(text: &[u8], start: usize, end: usize) -> bool {
    let Some(string) = text.get(start..end) else {
        return false;
    };
    let marks = |block: &[u8; 8]| Block::new(*block).marks();
    if let (Some(first), Some(last)) = (string.first_chunk(), string.last_chunk()) {
        let mut all = marks(first) | marks(last);
        if string.len() > 16 {
            let (blocks, _) = string.as_chunks();
            for block in blocks.iter().skip(1) {
                all |= marks(block);
            }
        }
        return all == 0;
    }
    // Marks are wrong only above a right one, so those within the string can be relied upon.
    let beyond = u64::MAX << (8 * string.len());
    let block = text.get(start..).and_then(|rest| rest.first_chunk());
    block.is_some_and(|block| marks(block) & !beyond == 0)
}

/// How many bytes come before the end of a plain run; all where it does not end.
#[inline]
pub(super) fn plain_bytes(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&bytes) = text.get(at..).and_then(|rest| rest.first_chunk()) {
        if let Some(plain) = Block::new(bytes).plain_bytes() {
            return at + plain;
        }
        at += Block::SIZE;
    }
    let rest = text.get(at..).unwrap_or_default();
    let ends = |&byte: &u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    at + rest.iter().position(ends).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_beginning_is_told_from_any_other() {
        for bytes in 0..40 {
            for behind in [&b"\"\\\0\"\"\"\"\""[..], b"12345678", b""] {
                let mut text = [&vec![b'~'; bytes], behind].concat();
                assert_eq!(is_plain(&text, 0, bytes), bytes >= 8 || text.len() >= 8);
                assert!(!is_plain(&text, 0, text.len() + 1));
                for at in 0..bytes {
                    for odd in [b'"', b'\\', 0, 0x1f] {
                        text[at] = odd;
                        assert!(!is_plain(&text, 0, bytes), "{bytes} {at} {odd}");
                        assert_eq!(plain_bytes(&text), at);
                    }
                    text[at] = if at % 2 == 0 { b' ' } else { 0xff };
                }
            }
        }
    }

    #[test]
    fn digits_are_counted_up_to_the_first_other_byte() {
        for digits in 0..=Block::SIZE {
            for other in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit()) {
                let mut bytes = *b"90123456";
                for byte in bytes.iter_mut().skip(digits) {
                    *byte = other;
                }
                assert_eq!(Block::new(bytes).digits(), digits, "{bytes:?}");
            }
        }
    }

    fn expected(bytes: &[u8]) -> Option<usize> {
        let ends = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
        bytes.iter().position(ends)
    }

    #[test]
    fn the_first_end_is_found_whatever_follows() {
        for first in 0..=u8::MAX {
            for second in [
                b'"', b'\\', 0, 0x1f, b' ', b'!', b'#', b'[', 0x7f, 0x80, 0xff,
            ] {
                for at in 0..Block::SIZE {
                    let mut bytes = *b"  ~\xc3\xa9ab!";
                    bytes[at] = first;
                    bytes[(at + 1) % Block::SIZE] = second;
                    let found = Block::new(bytes).plain_bytes();
                    assert_eq!(found, expected(&bytes), "{bytes:?}");
                }
            }
        }
    }
}
