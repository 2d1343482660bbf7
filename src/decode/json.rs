//! JSON text, strictly: the whole grammar of RFC 8259 is checked, also in what nobody reads. UTF-8
//! is checked elsewhere, once for the whole text. Nothing is built; a value is a [`Token`].

use super::block::plain_bytes;
use super::escape::{code_unit, is_high_surrogate, is_low_surrogate};
use super::token::{Token, TokenKind};

/// Deepest nesting of an event; its own object is level 1.
pub(super) const MAX_DEPTH: u32 = 128;

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
    #[error("begins as an array and is none")]
    Array,
}

impl SyntaxErrorKind {
    /// The text is JSON by its grammar, and still no event: its neighbours are not concerned.
    pub(super) fn is_of_one_event(self) -> bool {
        matches!(self, Self::Surrogate | Self::Depth)
    }
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

#[expect(
    clippy::inline_always,
    reason = "these few functions are most of the work of decoding; as calls they take a quarter longer"
)]
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

    #[inline(always)]
    pub(super) fn advance(&mut self, count: usize) {
        self.at += count;
    }

    /// Goes on at `position`.
    #[inline(always)]
    pub(super) fn go_to(&mut self, position: usize) {
        self.at = position;
    }

    /// The whole text.
    #[inline(always)]
    pub(super) fn text(&self) -> &'a [u8] {
        self.bytes
    }

    #[inline(always)]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The content of a token found in this text.
    #[inline]
    pub(super) fn slice(&self, token: Token) -> &'a [u8] {
        token.of_bytes(self.bytes)
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

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Steps over white space; the byte there is not consumed.
    #[inline(always)]
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
    #[inline(always)]
    pub(super) fn expect(&mut self, wanted: u8) -> Result<(), Stop> {
        if self.next_visible()? != wanted {
            return self.unexpected();
        }
        self.at += 1;
        Ok(())
    }

    /// Consumes a string, opening quote first.
    #[inline(always)]
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
    #[inline(always)]
    fn skip_plain(&mut self) {
        self.at += plain_bytes(self.rest());
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
    #[inline(always)]
    pub(super) fn value(&mut self, depth: u32) -> Result<Token, Stop> {
        match self.next_visible()? {
            b'"' => self.string(),
            b'{' | b'[' => self.container(depth),
            _ => self.scalar(),
        }
    }

    #[inline(always)]
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

    #[inline(always)]
    fn literal(&mut self, word: &[u8], kind: TokenKind) -> Result<Token, Stop> {
        if !self.rest().starts_with(word) {
            return self.unexpected();
        }
        let start = self.at;
        self.at += word.len();
        if kind == TokenKind::Absent {
            return Ok(Token::ABSENT);
        }
        Ok(Token::new(kind, start, self.at))
    }

    #[inline(always)]
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
    #[inline(always)]
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
    #[inline(never)]
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

/// The length of the JSON value that `text` begins with, whatever it is.
pub(super) fn length_of_value(text: &[u8]) -> Result<usize, SyntaxError> {
    let mut scanner = Scanner::new(text);
    match scanner.value(0) {
        Ok(_) => Ok(scanner.position()),
        Err(Stop) => Err(scanner.error()),
    }
}

/// `text` is exactly one number in JSON grammar.
pub(super) fn is_number(text: &str) -> bool {
    let mut scanner = Scanner::new(text.as_bytes());
    scanner.number().is_ok() && scanner.position() == text.len()
}
