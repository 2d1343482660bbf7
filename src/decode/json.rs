//! JSON text, strictly: the whole grammar of RFC 8259 is checked, also in what nobody reads. UTF-8
//! is checked elsewhere, once for the whole text. Nothing is built; a value is a [`Token`].

/// Deepest nesting of an event; its own object is level 1.
pub(super) const MAX_DEPTH: u32 = 128;

/// A value in a JSON text: what it is and where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// First byte; for a string the one after the opening quote.
    pub(super) start: u32,
    /// Byte after the last; for a string the closing quote.
    pub(super) end: u32,
}

/// What a value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Not there, or `null`: the contract makes no difference.
    #[default]
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
    pub(super) fn new(kind: TokenKind, start: usize, end: usize) -> Self {
        Self {
            kind,
            start: offset(start),
            end: offset(end),
        }
    }

    /// The value is there: not `null`, not `""`.
    pub(super) fn is_present(self) -> bool {
        match self.kind {
            TokenKind::Absent => false,
            TokenKind::Text | TokenKind::Escaped => self.start != self.end,
            TokenKind::Number
            | TokenKind::True
            | TokenKind::False
            | TokenKind::Object
            | TokenKind::Array => true,
        }
    }

    /// The text of the token within `text`, the text it was found in.
    #[inline]
    pub(super) fn text(self, text: &str) -> &str {
        text.get(index(self.start)..index(self.end))
            .unwrap_or_default()
    }
}

/// A place in a text as kept in tokens. The decoder refuses messages of more than `u32::MAX` bytes.
#[inline]
pub(super) fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// A place in a text as used for slicing.
#[inline]
pub(super) fn index(at: u32) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// Where a text stops being JSON, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) at: usize,
    pub(super) kind: SyntaxErrorKind,
}

/// Why a text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SyntaxErrorKind {
    #[error("unexpected character")]
    Unexpected,
    #[error("ends too early")]
    End,
    #[error("control character in a string")]
    Control,
    #[error("unknown escape in a string")]
    Escape,
    #[error("lone surrogate in a string")]
    Surrogate,
    #[error("malformed number")]
    Number,
    #[error("nested deeper than {MAX_DEPTH}")]
    Depth,
}

/// Reads one JSON text from front to back.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn advance(&mut self, count: usize) {
        self.at += count;
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The content of a token found in this text.
    pub(super) fn slice(&self, token: Token) -> &'a [u8] {
        self.bytes
            .get(index(token.start)..index(token.end))
            .unwrap_or_default()
    }

    pub(super) fn error<T>(&self, kind: SyntaxErrorKind) -> Result<T, SyntaxError> {
        Err(SyntaxError { at: self.at, kind })
    }

    /// An unexpected character here, or the end of the text.
    #[cold]
    pub(super) fn unexpected<T>(&self) -> Result<T, SyntaxError> {
        self.error(match self.bytes.get(self.at) {
            Some(_) => SyntaxErrorKind::Unexpected,
            None => SyntaxErrorKind::End,
        })
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Steps over white space; the byte there is not consumed.
    #[inline]
    pub(super) fn next_visible(&mut self) -> Result<u8, SyntaxError> {
        loop {
            match self.peek() {
                Some(byte) if byte > b' ' => return Ok(byte),
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(_) | None => return self.unexpected(),
            }
        }
    }

    /// Consumes `wanted` after optional white space.
    #[inline]
    pub(super) fn expect(&mut self, wanted: u8) -> Result<(), SyntaxError> {
        if self.next_visible()? != wanted {
            return self.unexpected();
        }
        self.at += 1;
        Ok(())
    }

    /// Consumes a string, opening quote first.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Token, SyntaxError> {
        self.expect(b'"')?;
        let start = self.at;
        let mut kind = TokenKind::Text;
        loop {
            self.at = end_of_plain(self.bytes, self.at);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    kind = TokenKind::Escaped;
                    self.escape()?;
                }
                Some(_) => return self.error(SyntaxErrorKind::Control),
                None => return self.error(SyntaxErrorKind::End),
            }
        }
        let end = self.at;
        self.at += 1;
        Ok(Token::new(kind, start, end))
    }

    fn escape(&mut self) -> Result<(), SyntaxError> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => match self.code_unit() {
                Some(unit) if is_high_surrogate(unit) => {
                    self.at += 6;
                    if self.code_unit().is_some_and(is_low_surrogate) {
                        self.at += 6;
                        return Ok(());
                    }
                    self.error(SyntaxErrorKind::Surrogate)
                }
                Some(unit) if is_low_surrogate(unit) => self.error(SyntaxErrorKind::Surrogate),
                Some(_) => {
                    self.at += 6;
                    Ok(())
                }
                None => self.error(SyntaxErrorKind::Escape),
            },
            Some(_) => self.error(SyntaxErrorKind::Escape),
            None => self.error(SyntaxErrorKind::End),
        }
    }

    /// The number in `\uXXXX` here.
    fn code_unit(&self) -> Option<u32> {
        code_unit(self.rest())
    }

    /// Consumes one value within a container at level `depth`.
    #[inline]
    pub(super) fn value(&mut self, depth: u32) -> Result<Token, SyntaxError> {
        match self.next_visible()? {
            b'"' => self.string(),
            b'{' | b'[' => self.container(depth),
            _ => self.scalar(),
        }
    }

    #[inline]
    fn scalar(&mut self) -> Result<Token, SyntaxError> {
        match self.peek() {
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'"') => self.string(),
            Some(b't') => self.literal(b"true", TokenKind::True),
            Some(b'f') => self.literal(b"false", TokenKind::False),
            Some(b'n') => self.literal(b"null", TokenKind::Absent),
            Some(_) | None => self.unexpected(),
        }
    }

    #[inline]
    fn literal(&mut self, word: &[u8], kind: TokenKind) -> Result<Token, SyntaxError> {
        if !self.rest().starts_with(word) {
            return self.unexpected();
        }
        let start = self.at;
        self.at += word.len();
        Ok(Token::new(kind, start, self.at))
    }

    #[inline]
    fn number(&mut self) -> Result<Token, SyntaxError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            Some(_) | None => return self.error(SyntaxErrorKind::Number),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Token::new(TokenKind::Number, start, self.at))
    }

    /// Consumes one digit or more.
    #[inline]
    fn digits(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            return self.error(SyntaxErrorKind::Number);
        }
        Ok(())
    }

    /// Consumes an object or array that stands in a container at level `depth`. Keeps the open
    /// brackets as bits instead of recursing, so that no nesting can exhaust the stack.
    fn container(&mut self, depth: u32) -> Result<Token, SyntaxError> {
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => TokenKind::Object,
            Some(_) | None => TokenKind::Array,
        };
        let mut open = Open::default();
        loop {
            match self.next_visible()? {
                bracket @ (b'{' | b'[') => {
                    open.push(bracket == b'{');
                    if depth + open.count > MAX_DEPTH {
                        return self.error(SyntaxErrorKind::Depth);
                    }
                    self.at += 1;
                    let next = self.next_visible()?;
                    if next != b'}' && next != b']' {
                        self.member_name(open)?;
                        continue;
                    }
                }
                _ => {
                    self.scalar()?;
                }
            }
            self.after_value(&mut open)?;
            if open.count == 0 {
                return Ok(Token::new(kind, start, self.at));
            }
        }
    }

    /// Closes what ends here, up to a comma (and the name of the next member) or the outermost end.
    fn after_value(&mut self, open: &mut Open) -> Result<(), SyntaxError> {
        while open.count > 0 {
            match self.next_visible()? {
                b',' => {
                    self.at += 1;
                    return self.member_name(*open);
                }
                b'}' if open.in_object() => open.pop(),
                b']' if !open.in_object() => open.pop(),
                _ => return self.unexpected(),
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Consumes name and colon where a member begins; nothing in an array.
    fn member_name(&mut self, open: Open) -> Result<(), SyntaxError> {
        if open.in_object() {
            self.string()?;
            self.expect(b':')?;
        }
        Ok(())
    }
}

/// The brackets that are open: one bit each, set for an object.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    objects: u128,
    count: u32,
}

impl Open {
    fn push(&mut self, object: bool) {
        self.objects = (self.objects << 1) | u128::from(object);
        self.count += 1;
    }

    fn pop(&mut self) {
        self.objects >>= 1;
        self.count -= 1;
    }

    fn in_object(self) -> bool {
        self.objects & 1 == 1
    }
}

/// The first byte from `at` on that ends a plain run of a string: quote, backslash or control
/// character; the end of `bytes` if there is none. Looks at eight bytes at a time.
#[inline]
fn end_of_plain(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * 0x22);
        let backslash = word ^ (ONES * 0x5c);
        // A borrow can only mark bytes above a true hit, so the lowest mark is always right.
        let marks = ((word.wrapping_sub(ONES * 0x20) & !word)
            | (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash))
            & HIGHS;
        if marks != 0 {
            return at + index(marks.trailing_zeros() / 8);
        }
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if byte < 0x20 || byte == b'"' || byte == b'\\' {
            break;
        }
        at += 1;
    }
    at
}

fn is_high_surrogate(unit: u32) -> bool {
    (0xd800..0xdc00).contains(&unit)
}

fn is_low_surrogate(unit: u32) -> bool {
    (0xdc00..0xe000).contains(&unit)
}

/// The number in `\uXXXX` at the start of `bytes`.
fn code_unit(bytes: &[u8]) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = bytes.first_chunk::<6>()? else {
        return None;
    };
    let mut unit = 0;
    for &digit in digits {
        unit = unit * 16 + char::from(digit).to_digit(16)?;
    }
    Some(unit)
}

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

/// `text` is exactly one number in JSON grammar.
pub(super) fn is_number(text: &str) -> bool {
    let mut scanner = Scanner::new(text.as_bytes());
    scanner.number().is_ok() && scanner.position() == text.len()
}
