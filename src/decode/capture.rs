//! One pass over the JSON text of an object: the whole text is checked, and the values that matter
//! are noted as tokens.

use super::escape::unescape;
use super::json::{MAX_DEPTH, Scanner, Stop, SyntaxError, SyntaxErrorKind};
use super::names::{Member, Names};
use super::token::{Token, TokenKind};

/// What a pass found, and memory that lasts from pass to pass.
#[derive(Debug)]
pub(super) struct Capture {
    /// One token per place of the plan.
    tokens: Vec<Token>,
    /// Per member that matters, then per object for its start: which member came next last time.
    /// Producers write their members in one order, so that this is nearly always right and spares
    /// scan and hash.
    successors: Vec<usize>,
    /// Names with escapes, unescaped.
    name: String,
}

impl Capture {
    pub(super) fn new(names: &Names) -> Self {
        Self {
            tokens: vec![Token::ABSENT; names.places()],
            successors: vec![usize::MAX; names.len() + names.objects()],
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
        let mut previous = names.len() + object;
        let mut found = self.guess(names, scanner, &mut previous);
        if found.is_none() {
            scanner.advance(1);
            if scanner.next_visible()? == b'}' {
                scanner.advance(1);
                return Ok(());
            }
            found = self.member_by_name(names, scanner, object, &mut previous)?;
        }
        loop {
            let token = match found.and_then(|member| Some((member, member.object?))) {
                None => scanner.value(depth)?,
                Some((member, inner)) => self.inner(names, scanner, member, inner, depth)?,
            };
            if let Some(place) = found.and_then(|member| member.place)
                && let Some(slot) = self.tokens.get_mut(place)
            {
                *slot = token.or_absent();
            }
            let next = scanner.next_visible()?;
            if next == b',' {
                found = self.guess(names, scanner, &mut previous);
                if found.is_some() {
                    continue;
                }
                scanner.advance(1);
            } else if next == b'}' {
                scanner.advance(1);
                return Ok(());
            } else {
                return scanner.unexpected();
            }
            found = self.member_by_name(names, scanner, object, &mut previous)?;
        }
    }

    /// Consumes the brace or comma here, name and colon of the next member if that is the one that
    /// came after `previous` last time, written without white space.
    #[inline]
    fn guess<'n>(
        &self,
        names: &'n Names,
        scanner: &mut Scanner<'_>,
        previous: &mut usize,
    ) -> Option<&'n Member> {
        let guess = *self.successors.get(*previous)?;
        let member = names.member(guess)?;
        let length = member.follows(scanner.rest())?;
        scanner.advance(1 + length);
        *previous = guess;
        Some(member)
    }

    /// Consumes name and colon of the next member; `None` when nobody asks for it.
    fn member_by_name<'n>(
        &mut self,
        names: &'n Names,
        scanner: &mut Scanner<'_>,
        object: usize,
        previous: &mut usize,
    ) -> Result<Option<&'n Member>, Stop> {
        let token = scanner.string()?;
        let name = scanner.slice(token);
        let found = if token.kind() == TokenKind::Escaped {
            self.name.clear();
            unescape(&String::from_utf8_lossy(name), &mut self.name);
            names.find(object, self.name.as_bytes())
        } else {
            names.find(object, name)
        };
        scanner.expect(b':')?;
        let Some(found) = found else {
            return Ok(None);
        };
        if let Some(successor) = self.successors.get_mut(*previous) {
            *successor = found;
        }
        *previous = found;
        Ok(names.member(found))
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
