//! Values in a JSON text, by their place.

/// Longest text that tokens can point into: their places have 30 bits.
pub(super) const MAX_TEXT_BYTES: usize = (1 << PLACE_BITS) - 1;

const PLACE_BITS: u32 = 30;

/// A value in a JSON text: what it is and where it stands. One word, so that it travels in a
/// register and is stored and read at once: from low to high bits the first byte (for a string the
/// one after the opening quote), the byte after the last (for a string the closing quote), the kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Token(u64);

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Not there, or `null`: the contract makes no difference.
    Absent,
    /// A string without escapes: its text is the value.
    Text,
    /// A string with escapes: see [`unescape`].
    Escaped,
    Number,
    True,
    False,
    Object,
    Array,
}

impl Token {
    /// Nothing: also what a token is that nothing was written to.
    pub(super) const ABSENT: Self = Self(0);

    #[inline]
    #[expect(
        clippy::as_conversions,
        reason = "from narrower to wider, and from an enum to its number"
    )]
    pub(super) fn new(kind: TokenKind, start: usize, end: usize) -> Self {
        let places = start as u64 | (end as u64) << PLACE_BITS;
        Self(places | (kind as u64) << (2 * PLACE_BITS))
    }

    #[inline]
    pub(super) fn kind(self) -> TokenKind {
        match self.0 >> (2 * PLACE_BITS) {
            1 => TokenKind::Text,
            2 => TokenKind::Escaped,
            3 => TokenKind::Number,
            4 => TokenKind::True,
            5 => TokenKind::False,
            6 => TokenKind::Object,
            7 => TokenKind::Array,
            _ => TokenKind::Absent,
        }
    }

    /// It is of that kind: cheaper to ask than which it is.
    #[inline]
    #[expect(clippy::as_conversions, reason = "from an enum to its number")]
    pub(super) fn is(self, kind: TokenKind) -> bool {
        self.0 >> (2 * PLACE_BITS) == kind as u64
    }

    /// This token, or nothing for `""`, which the contract takes for nothing.
    #[inline]
    pub(super) fn or_absent(self) -> Self {
        let is_empty = self.is(TokenKind::Text) && self.start() == self.end();
        if is_empty { Self::ABSENT } else { self }
    }

    #[inline]
    pub(super) fn is_present(self) -> bool {
        self != Self::ABSENT
    }

    #[inline]
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        reason = "made from a `usize`"
    )]
    fn start(self) -> usize {
        (self.0 as usize) & MAX_TEXT_BYTES
    }

    #[inline]
    #[expect(clippy::as_conversions, reason = "made from a `usize`")]
    fn end(self) -> usize {
        ((self.0 >> PLACE_BITS) as usize) & MAX_TEXT_BYTES
    }

    /// The text of the token within `text`, the text it was found in.
    #[inline]
    pub(super) fn of(self, text: &str) -> &str {
        text.get(self.start()..self.end()).unwrap_or_default()
    }

    /// The same in bytes.
    #[inline]
    pub(super) fn of_bytes(self, text: &[u8]) -> &[u8] {
        text.get(self.start()..self.end()).unwrap_or_default()
    }

    /// The last bytes of the token within `text`, and how many of them are its own: for a token that
    /// is no longer than that. What stands before it is cheaper to take away than to leave out.
    #[inline]
    pub(super) fn last_bytes(self, text: &[u8]) -> Option<([u8; 8], usize)> {
        let (start, end) = (self.start(), self.end());
        let bytes = end.checked_sub(start)?;
        let last = text.get(..end)?.last_chunk()?;
        (bytes <= last.len()).then_some((*last, bytes))
    }
}
