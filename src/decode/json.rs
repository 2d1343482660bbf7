//! JSON text, strictly: the whole grammar of RFC 8259 is checked, also in what nobody reads. UTF-8
//! is checked elsewhere, once for the whole text. Nothing is built; a value is a [`Token`].

use super::block::Block;

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
    pub(super) fn of(self, text: &str) -> &str {
        text.get(index(self.start)..index(self.end))
            .unwrap_or_default()
    }
}

/// A place in a text as kept in tokens.
#[inline]
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "the decoder refuses messages of more than `u32::MAX` bytes"
)]
pub(super) fn offset(at: usize) -> u32 {
    at as u32
}

/// A place in a text as used for slicing.
#[inline]
#[expect(
    clippy::as_conversions,
    reason = "an index of 32 bits fits where there is memory for the text"
)]
pub(super) fn index(at: u32) -> usize {
    at as usize
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

/// The text is not JSON; the scanner knows where and why. Empty, so that results stay in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stop;

/// Reads one JSON text from front to back.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Why it stopped at `at`; meaningful after a [`Stop`].
    problem: SyntaxErrorKind,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            problem: SyntaxErrorKind::End,
        }
    }

    #[inline]
    pub(super) fn position(&self) -> usize {
        self.at
    }

    #[inline]
    pub(super) fn advance(&mut self, count: usize) {
        self.at += count;
    }

    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The content of a token found in this text.
    #[inline]
    pub(super) fn slice(&self, token: Token) -> &'a [u8] {
        self.bytes
            .get(index(token.start)..index(token.end))
            .unwrap_or_default()
    }

    /// Where and why it stopped.
    pub(super) fn error(&self) -> SyntaxError {
        SyntaxError {
            at: self.at,
            kind: self.problem,
        }
    }

    #[cold]
    pub(super) fn stop<T>(&mut self, problem: SyntaxErrorKind) -> Result<T, Stop> {
        self.problem = problem;
        Err(Stop)
    }

    /// Stops at an unexpected character, or at the end of the text.
    #[cold]
    pub(super) fn unexpected<T>(&mut self) -> Result<T, Stop> {
        self.problem = match self.bytes.get(self.at) {
            Some(_) => SyntaxErrorKind::Unexpected,
            None => SyntaxErrorKind::End,
        };
        Err(Stop)
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Steps over white space; the byte there is not consumed.
    #[inline]
    pub(super) fn next_visible(&mut self) -> Result<u8, Stop> {
        match self.peek() {
            Some(byte) if byte > b' ' => Ok(byte),
            Some(_) | None => self.next_after_space(),
        }
    }

    fn next_after_space(&mut self) -> Result<u8, Stop> {
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
    pub(super) fn expect(&mut self, wanted: u8) -> Result<(), Stop> {
        if self.next_visible()? != wanted {
            return self.unexpected();
        }
        self.at += 1;
        Ok(())
    }

    /// Consumes a string, opening quote first.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Token, Stop> {
        self.expect(b'"')?;
        let start = self.at;
        self.skip_plain();
        if self.peek() != Some(b'"') {
            return self.odd_string(start);
        }
        self.at += 1;
        Ok(Token::new(TokenKind::Text, start, self.at - 1))
    }

    /// Goes on with a string that began at `start` from a byte that does not end it.
    #[cold]
    fn odd_string(&mut self, start: usize) -> Result<Token, Stop> {
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(_) => return self.stop(SyntaxErrorKind::Control),
                None => return self.stop(SyntaxErrorKind::End),
            }
            self.skip_plain();
        }
        self.at += 1;
        Ok(Token::new(TokenKind::Escaped, start, self.at - 1))
    }

    /// Steps to the next byte that is a quote, a backslash or a control character, or to the end.
    #[inline]
    fn skip_plain(&mut self) {
        while let Some(&bytes) = self.rest().first_chunk() {
            let block = Block::new(bytes);
            if let Some(plain) = block.plain_bytes() {
                self.at += index(plain);
                return;
            }
            self.at += Block::SIZE;
        }
        while let Some(byte) = self.peek() {
            if byte < 0x20 || byte == b'"' || byte == b'\\' {
                return;
            }
            self.at += 1;
        }
    }

    fn escape(&mut self) -> Result<(), Stop> {
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
                    self.stop(SyntaxErrorKind::Surrogate)
                }
                Some(unit) if is_low_surrogate(unit) => self.stop(SyntaxErrorKind::Surrogate),
                Some(_) => {
                    self.at += 6;
                    Ok(())
                }
                None => self.stop(SyntaxErrorKind::Escape),
            },
            Some(_) => self.stop(SyntaxErrorKind::Escape),
            None => self.stop(SyntaxErrorKind::End),
        }
    }

    /// The number in `\uXXXX` here.
    fn code_unit(&self) -> Option<u32> {
        code_unit(self.rest())
    }

    /// Consumes one value within a container at level `depth`.
    #[inline]
    pub(super) fn value(&mut self, depth: u32) -> Result<Token, Stop> {
        match self.next_visible()? {
            b'"' => self.string(),
            b'{' | b'[' => self.container(depth),
            _ => self.scalar(),
        }
    }

    #[inline]
    fn scalar(&mut self) -> Result<Token, Stop> {
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
    fn literal(&mut self, word: &[u8], kind: TokenKind) -> Result<Token, Stop> {
        if !self.rest().starts_with(word) {
            return self.unexpected();
        }
        let start = self.at;
        self.at += word.len();
        Ok(Token::new(kind, start, self.at))
    }

    #[inline]
    fn number(&mut self) -> Result<Token, Stop> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            Some(_) | None => return self.stop(SyntaxErrorKind::Number),
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
    fn digits(&mut self) -> Result<(), Stop> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            return self.stop(SyntaxErrorKind::Number);
        }
        Ok(())
    }

    /// Consumes an object or array that stands in a container at level `depth`. Keeps the open
    /// brackets as bits instead of recursing, so that no nesting can exhaust the stack.
    #[inline(never)]
    fn container(&mut self, depth: u32) -> Result<Token, Stop> {
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => TokenKind::Object,
            Some(_) | None => TokenKind::Array,
        };
        let mut open = Open::default();
        loop {
            match self.next_visible()? {
                bracket @ (b'{' | b'[') => {
                    if depth + open.count == MAX_DEPTH {
                        return self.stop(SyntaxErrorKind::Depth);
                    }
                    open.push(bracket == b'{');
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
    fn after_value(&mut self, open: &mut Open) -> Result<(), Stop> {
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
    fn member_name(&mut self, open: Open) -> Result<(), Stop> {
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
