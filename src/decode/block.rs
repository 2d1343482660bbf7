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
        let Self(word) = self;
        // With bit 1 flipped the quote is 0x20 and the space 0x22, so that quote and control
        // characters are those below 0x21. The subtraction sets the high bit of a byte that is too
        // low for it; a borrow can do so wrongly only above such a byte, and the lowest one counts.
        let low = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
        let backslash = (word ^ (ONES * 0x5c)).wrapping_sub(ONES);
        let marks = (low | backslash) & !word & HIGHS;
        if marks == 0 {
            return None;
        }
        usize::try_from(marks.trailing_zeros() / 8).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
