//! One pass over the JSON text of an object: the whole text is checked, and the values that matter
//! are noted as tokens.

use super::block::{DIGITS, digits, is_plain, plain_bytes};
use super::escape::unescape;
use super::json::{MAX_DEPTH, Scanner, Stop, SyntaxError, SyntaxErrorKind};
use super::layout::{Layout, Step, find};
use super::names::{Member, Names};
use super::token::{Token, TokenKind};

/// Kinds of events, each of which has an order of members of its own.
const KINDS: usize = 2;

/// What a pass found, and memory that lasts from pass to pass.
#[derive(Debug)]
pub(super) struct Capture {
    /// One token per place of the plan.
    tokens: Vec<Token>,
    /// The order of members per kind and object: those of the first kind, then those of the second.
    layouts: Vec<Layout>,
    /// Which kind is read, as a guess: that of the object before until the kind field comes.
    kind: usize,
    /// The place of the kind field.
    kind_place: usize,
    /// Names with escapes, unescaped.
    name: String,
}

impl Capture {
    pub(super) fn new(names: &Names, kind_place: usize) -> Self {
        Self {
            tokens: vec![Token::ABSENT; names.places()],
            layouts: vec![Layout::default(); KINDS * names.objects()],
            kind: 0,
            kind_place,
            name: String::new(),
        }
    }

    /// The token of each place, as the last pass left them; meaningful after a pass that succeeded.
    pub(super) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// Reads the object that `text` begins with. Returns the length of its text.
    ///
    /// # Errors
    ///
    /// When the text up to the end of the object is not JSON.
    pub(super) fn object(&mut self, names: &Names, text: &[u8]) -> Result<usize, SyntaxError> {
        self.tokens.fill(Token::ABSENT);
        let mut scanner = Scanner::new(text);
        let outcome = self.members(names, &mut scanner, 0, 1);
        match outcome {
            Ok(()) => Ok(scanner.position()),
            Err(Stop) => Err(scanner.error()),
        }
    }

    /// Reads object number `object` of the plan, which is at level `depth`. Recurses along mapped
    /// paths only, and no deeper than [`MAX_DEPTH`].
    fn members(
        &mut self,
        names: &Names,
        scanner: &mut Scanner<'_>,
        object: usize,
        depth: u32,
    ) -> Result<(), Stop> {
        if depth > MAX_DEPTH {
            return scanner.stop(SyntaxErrorKind::Depth);
        }
        if scanner.next_visible()? != b'{' {
            return scanner.unexpected();
        }
        let mut cursor = Cursor {
            object,
            kinds: names.objects(),
            step: 0,
        };
        let start = scanner.position();
        loop {
            // Elsewhere than at the start a brace is an error, which guessing would not see. White
            // space is never guessed at.
            if let [first, b'"', ..] = scanner.rest()
                && (*first == b',' || scanner.position() == start)
            {
                self.expected(scanner, &mut cursor);
            }
            let is_first = scanner.position() == start;
            match scanner.next_visible()? {
                b'{' if is_first => {
                    scanner.advance(1);
                    if scanner.next_visible()? == b'}' {
                        scanner.advance(1);
                        return Ok(());
                    }
                }
                b',' if !is_first => scanner.advance(1),
                b'}' if !is_first => {
                    scanner.advance(1);
                    return Ok(());
                }
                _ => return scanner.unexpected(),
            }
            self.member(names, scanner, &mut cursor, depth)?;
        }
    }

    /// Notes members for as long as they come as expected, with plain values and without white
    /// space: from the brace or comma here to the comma or brace after the last of them. What is not
    /// expected, and every error, is left to [`Self::member`], from the comma before it on.
    #[inline(never)]
    fn expected(&mut self, scanner: &mut Scanner<'_>, cursor: &mut Cursor) {
        let text = scanner.text();
        let mut at = scanner.position();
        let mut steps = steps_of(&mut self.layouts, cursor.layout(self.kind));
        while let Some(found) = find(steps, cursor.step, text, at)
            && let Some(step) = steps.get_mut(found)
            && let Some(place) = step.place.map(usize::from)
        {
            let start = at + step.written.bytes();
            let Some((token, end)) = expected_value(text, start, &mut step.text_bytes) else {
                break;
            };
            let Some(next @ (b',' | b'}')) = text.get(end) else {
                break;
            };
            if let Some(slot) = self.tokens.get_mut(place) {
                *slot = token;
            }
            at = end;
            cursor.step = found + 1;
            if *next == b'}' {
                break;
            }
            if place == self.kind_place && kind_of(token.of_bytes(text)) != self.kind {
                self.kind = kind_of(token.of_bytes(text));
                let member = step.member();
                let other = cursor.layout(self.kind);
                let layout = self.layouts.get(other);
                cursor.step = layout.map_or(0, |layout| layout.after(member));
                steps = steps_of(&mut self.layouts, other);
            }
        }
        scanner.go_to(at);
    }

    /// Consumes one member, whatever it is, and notes it if it matters.
    fn member(
        &mut self,
        names: &Names,
        scanner: &mut Scanner<'_>,
        cursor: &mut Cursor,
        depth: u32,
    ) -> Result<(), Stop> {
        let written = scanner.string()?;
        let name = scanner.slice(written);
        let found = if written.kind() == TokenKind::Escaped {
            self.name.clear();
            unescape(&String::from_utf8_lossy(name), &mut self.name);
            names.find(cursor.object, self.name.as_bytes())
        } else {
            names.find(cursor.object, name)
        };
        scanner.expect(b':')?;
        let Some((index, member)) = found.and_then(|index| Some((index, names.member(index)?)))
        else {
            scanner.value(depth)?;
            return Ok(());
        };
        if let Some(layout) = self.layouts.get_mut(cursor.layout(self.kind)) {
            cursor.step = layout.came(index, member, cursor.step);
        }
        let token = match member.object {
            None => scanner.value(depth)?,
            Some(inner) => self.inner(names, scanner, member, inner, depth)?,
        };
        if let Some(place) = member.place {
            if let Some(slot) = self.tokens.get_mut(place) {
                *slot = token.or_absent();
            }
            if place == self.kind_place {
                self.kind = kind_of(scanner.slice(token));
                if let Some(layout) = self.layouts.get_mut(cursor.layout(self.kind)) {
                    cursor.step = layout.came(index, member, cursor.step);
                }
            }
        }
        Ok(())
    }

    /// Reads a value that a mapping looks into. Of several members with the same name the last
    /// counts, so what an earlier one left is taken away first.
    fn inner(
        &mut self,
        names: &Names,
        scanner: &mut Scanner<'_>,
        member: &Member,
        object: usize,
        depth: u32,
    ) -> Result<Token, Stop> {
        for &place in &member.below {
            if let Some(slot) = self.tokens.get_mut(place) {
                *slot = Token::ABSENT;
            }
        }
        if scanner.next_visible()? != b'{' {
            return scanner.value(depth);
        }
        let start = scanner.position();
        self.members(names, scanner, object, depth + 1)?;
        Ok(Token::new(TokenKind::Object, start, scanner.position()))
    }
}

/// Where in which layout a pass is.
#[derive(Debug)]
struct Cursor {
    /// Number of the object.
    object: usize,
    /// Number of layouts a kind.
    kinds: usize,
    /// The step that is expected next.
    step: usize,
}

impl Cursor {
    /// The layout of the object for a kind.
    #[inline]
    fn layout(&self, kind: usize) -> usize {
        kind * self.kinds + self.object
    }
}

/// The steps of a layout.
fn steps_of(layouts: &mut [Layout], layout: usize) -> &mut [Step] {
    layouts
        .get_mut(layout)
        .map(Layout::steps)
        .unwrap_or_default()
}

/// Which kind a kind field stands for, as a guess.
#[inline]
fn kind_of(value: &[u8]) -> usize {
    usize::from(value == b"survey")
}

/// The value at `start`, if it is a string without escapes, a number without sign and exponent, a
/// boolean or null, and where it ends. `text_bytes` is the length of a string as a guess, then as it is.
#[inline]
fn expected_value(text: &[u8], start: usize, text_bytes: &mut u32) -> Option<(Token, usize)> {
    match text.get(start)? {
        b'"' => {
            let first = start + 1;
            let mut end = first + usize::try_from(*text_bytes).unwrap_or_default();
            if text.get(end) != Some(&b'"') || !is_plain(text, first, end) {
                let bytes = plain_bytes(text.get(first..)?);
                *text_bytes = u32::try_from(bytes).unwrap_or_default();
                end = first + bytes;
                if text.get(end) != Some(&b'"') {
                    return None;
                }
            }
            let token = Token::new(TokenKind::Text, first, end);
            Some((token.or_absent(), end + 1))
        }
        b'0'..=b'9' => {
            let end = start + number_bytes(text.get(start..)?)?;
            Some((Token::new(TokenKind::Number, start, end), end))
        }
        b't' => word(text, start, b"true", TokenKind::True),
        b'f' => word(text, start, b"false", TokenKind::False),
        b'n' => word(text, start, b"null", TokenKind::Absent),
        _ => None,
    }
}

/// The word that should stand at `start`.
#[inline]
fn word<const BYTES: usize>(
    text: &[u8],
    start: usize,
    word: &[u8; BYTES],
    kind: TokenKind,
) -> Option<(Token, usize)> {
    let end = start + BYTES;
    let token = if kind == TokenKind::Absent {
        Token::ABSENT
    } else {
        Token::new(kind, start, end)
    };
    (text.get(start..end)? == word).then_some((token, end))
}

/// The length of the number that `text` begins with if it is a short one without exponent. Not
/// inlined, as `is_plain` is not.
#[inline(never)]
fn number_bytes(text: &[u8]) -> Option<usize> {
    let whole = digits(*text.first_chunk()?);
    if whole == 0 || (whole > 1 && text.first() == Some(&b'0')) {
        return None;
    }
    let (bytes, last_run) = if text.get(whole) == Some(&b'.') {
        let fraction = text.get(whole + 1..)?;
        let run = digits(*fraction.first_chunk()?);
        (whole + 1 + run, run)
    } else {
        (whole, whole)
    };
    let goes_on = matches!(text.get(bytes), Some(b'e' | b'E') | None);
    (last_run > 0 && last_run < DIGITS && !goes_on).then_some(bytes)
}
