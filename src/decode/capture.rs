//! One pass over the JSON text of an object: the whole text is checked, and the values that matter
//! are noted as tokens.

use super::json::{MAX_DEPTH, Scanner, SyntaxError, SyntaxErrorKind, Token, TokenKind, unescape};
use super::plan::{Member, Names};

/// What a pass found, and memory that lasts from pass to pass.
#[derive(Debug)]
pub(super) struct Capture {
    /// One token per place of the plan.
    tokens: Vec<Token>,
    /// Per member that matters, then per object: which member came next last time. Producers write
    /// their members in one order, so this is nearly always right and spares scan and hash.
    successors: Vec<usize>,
    /// The member read last: the index of the guess about the next one.
    previous: usize,
    /// Names with escapes, unescaped.
    name: String,
}

impl Capture {
    pub(super) fn new(names: &Names) -> Self {
        Self {
            tokens: vec![Token::default(); names.places()],
            successors: vec![0; names.len() + names.objects()],
            previous: 0,
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
        self.tokens.fill(Token::default());
        let mut scanner = Scanner::new(text);
        self.members(names, &mut scanner, 0, 1)?;
        Ok(scanner.position())
    }

    /// Reads object number `object` of the plan, which is at level `depth`. Recurses along mapped
    /// paths only, and no deeper than [`MAX_DEPTH`].
    fn members(
        &mut self,
        names: &Names,
        scanner: &mut Scanner<'_>,
        object: usize,
        depth: u32,
    ) -> Result<(), SyntaxError> {
        if depth > MAX_DEPTH {
            return scanner.error(SyntaxErrorKind::Depth);
        }
        scanner.expect(b'{')?;
        if scanner.next_visible()? == b'}' {
            scanner.advance(1);
            return Ok(());
        }
        self.previous = names.len() + object;
        loop {
            match self.member(names, scanner, object)? {
                None => {
                    scanner.value(depth)?;
                }
                Some(member) => self.value(names, scanner, member, depth)?,
            }
            match scanner.next_visible()? {
                b',' => scanner.advance(1),
                b'}' => {
                    scanner.advance(1);
                    return Ok(());
                }
                _ => return scanner.unexpected(),
            }
        }
    }

    /// Reads the name of a member and its colon.
    #[inline]
    fn member<'n>(
        &mut self,
        names: &'n Names,
        scanner: &mut Scanner<'_>,
        object: usize,
    ) -> Result<Option<&'n Member>, SyntaxError> {
        let guess = self.successors.get(self.previous).copied();
        if let Some(guess) = guess
            && let Some(member) = names.member(guess)
            && member.is_in(object)
            && let Some(length) = member.prefix_of(scanner.rest())
        {
            scanner.advance(length);
            self.previous = guess;
            return Ok(Some(member));
        }
        self.member_by_name(names, scanner, object)
    }

    fn member_by_name<'n>(
        &mut self,
        names: &'n Names,
        scanner: &mut Scanner<'_>,
        object: usize,
    ) -> Result<Option<&'n Member>, SyntaxError> {
        let token = scanner.string()?;
        let name = scanner.slice(token);
        let found = if token.kind == TokenKind::Escaped {
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
        if let Some(successor) = self.successors.get_mut(self.previous) {
            *successor = found;
        }
        self.previous = found;
        Ok(names.member(found))
    }

    /// Reads the value of a member that matters.
    #[inline]
    fn value(
        &mut self,
        names: &Names,
        scanner: &mut Scanner<'_>,
        member: &Member,
        depth: u32,
    ) -> Result<(), SyntaxError> {
        let token = match member.object {
            None => scanner.value(depth)?,
            Some(object) => self.inner(names, scanner, member, object, depth)?,
        };
        if let Some(place) = member.place
            && let Some(slot) = self.tokens.get_mut(place)
        {
            *slot = token;
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
    ) -> Result<Token, SyntaxError> {
        for &place in &member.below {
            if let Some(slot) = self.tokens.get_mut(place) {
                *slot = Token::default();
            }
        }
        if scanner.next_visible()? != b'{' {
            return scanner.value(depth);
        }
        let start = scanner.position();
        let previous = self.previous;
        self.members(names, scanner, object, depth + 1)?;
        self.previous = previous;
        Ok(Token::new(TokenKind::Object, start, scanner.position()))
    }
}
