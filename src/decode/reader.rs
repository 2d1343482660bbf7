//! Fields of one event, read from the tokens of a pass and checked against the contract.

use super::decimal::Decimal;
use super::escape::unescape;
use super::fault::{Fault, Problem};
use super::json::is_number;
use super::moment::{Day, from_number, from_text, from_usual_text};
use super::plan::Field;
use super::settings::Unit;
use super::token::{Token, TokenKind};
use crate::event::Direction;
use crate::time::Timestamp;

/// Longest id, bytes.
const MAX_ID_BYTES: usize = 256;
/// Longest duration: 1e9 seconds, in milliseconds.
const MAX_DURATION_MS: f64 = 1e12;

/// Gives out the fields of one event. Every method answers `None` for a field that is absent,
/// `null` or `""`.
#[derive(Debug)]
pub(super) struct Reader<'t, 'w> {
    text: &'t str,
    tokens: &'w [Token],
    scratch: &'w mut Scratch,
}

/// Memory of readers that lasts from event to event.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Where strings with escapes are unescaped.
    text: String,
    /// The day of the last time.
    day: Day,
}

#[expect(
    clippy::inline_always,
    reason = "each is called once or a few times for each kind; as calls they take a tenth of decoding more"
)]
impl<'t, 'w> Reader<'t, 'w> {
    pub(super) fn new(text: &'t str, tokens: &'w [Token], scratch: &'w mut Scratch) -> Self {
        Self {
            text,
            tokens,
            scratch,
        }
    }

    /// The text of the event.
    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    /// The token of a field.
    #[inline(always)]
    pub(super) fn token(&self, field: &Field) -> Token {
        self.tokens.get(field.place).copied().unwrap_or_default()
    }

    /// The field is there, whatever it holds.
    #[inline(always)]
    pub(super) fn has(&self, field: &Field) -> bool {
        self.token(field).is_present()
    }

    /// The value of a string; `None` for anything else.
    #[inline(always)]
    pub(super) fn string(&mut self, token: Token) -> Option<&str> {
        match token.kind() {
            TokenKind::Text => Some(token.of(self.text)),
            TokenKind::Escaped => {
                self.scratch.text.clear();
                unescape(token.of(self.text), &mut self.scratch.text);
                Some(&self.scratch.text)
            }
            TokenKind::Absent
            | TokenKind::Number
            | TokenKind::True
            | TokenKind::False
            | TokenKind::Object
            | TokenKind::Array => None,
        }
    }

    /// An id: a string or an integer of 1 to 256 bytes.
    #[inline(always)]
    pub(super) fn id<'p>(&mut self, field: &'p Field) -> Result<Option<&[u8]>, Fault<'p>> {
        let token = self.token(field);
        let id = if token.is(TokenKind::Text) {
            Some(token.of_bytes(self.text.as_bytes()))
        } else if token.is_present() {
            self.odd_text(token, field)?.map(str::as_bytes)
        } else {
            None
        };
        match id {
            Some(id) if id.len() > MAX_ID_BYTES => fault(field, Problem::IdTooLong),
            id => Ok(id),
        }
    }

    /// The value of a dimension: a string or an integer of any length.
    #[inline(always)]
    pub(super) fn dimension<'p>(&mut self, field: &'p Field) -> Result<Option<&str>, Fault<'p>> {
        let token = self.token(field);
        if token.is(TokenKind::Text) {
            Ok(Some(token.of(self.text)))
        } else if token.is_present() {
            self.odd_text(token, field)
        } else {
            Ok(None)
        }
    }

    /// A text with escapes, or an integer that serves as one.
    #[cold]
    fn odd_text<'p>(&mut self, token: Token, field: &'p Field) -> Result<Option<&str>, Fault<'p>> {
        let text = match token.kind() {
            TokenKind::Number => integer_text(token.of(self.text)),
            TokenKind::Absent
            | TokenKind::Text
            | TokenKind::Escaped
            | TokenKind::True
            | TokenKind::False
            | TokenKind::Object
            | TokenKind::Array => self.string(token),
        };
        match text {
            Some(text) => Ok(Some(text)),
            None => fault(field, Problem::NotId),
        }
    }

    /// A moment: RFC 3339 or an integer of milliseconds, or of the mapped unit.
    #[inline(always)]
    pub(super) fn time<'p>(&mut self, field: &'p Field) -> Result<Option<Timestamp>, Fault<'p>> {
        let token = self.token(field);
        if !token.is_present() {
            return Ok(None);
        }
        if token.is(TokenKind::Text)
            && let Some(moment) =
                from_usual_text(token.of_bytes(self.text.as_bytes()), &mut self.scratch.day)
        {
            return Ok(Some(moment));
        }
        self.odd_time(token, field)
    }

    /// The same in any form.
    #[inline(never)]
    fn odd_time<'p>(
        &mut self,
        token: Token,
        field: &'p Field,
    ) -> Result<Option<Timestamp>, Fault<'p>> {
        let moment = if token.is(TokenKind::Number) {
            let unit_ms = field.unit.unwrap_or(Unit::Milliseconds).millis();
            from_number(token.of(self.text).as_bytes(), unit_ms)
        } else {
            match self.string(token) {
                Some(text) => from_text(text.as_bytes()),
                None => Err(Problem::NotTime),
            }
        };
        match moment {
            Ok(moment) => Ok(Some(moment)),
            Err(problem) => fault(field, problem),
        }
    }

    /// A duration in milliseconds: a number of seconds, or of the mapped unit, rounded to the
    /// nearest millisecond, halves up.
    #[inline(always)]
    pub(super) fn duration_ms<'p>(&self, field: &'p Field) -> Result<Option<u64>, Fault<'p>> {
        let token = self.token(field);
        if !token.is_present() {
            return Ok(None);
        }
        // The product of the other way is less than a ten-thousandth away, and is rounded to the same.
        if field.unit.unwrap_or(Unit::Seconds) == Unit::Seconds
            && let Some(millis) = thousandths(token, self.text)
        {
            return Ok(Some(millis));
        }
        self.odd_duration_ms(token, field)
    }

    /// The same of any number and unit.
    #[inline(never)]
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "the value is checked to be within 0 and 1e12"
    )]
    fn odd_duration_ms<'p>(
        &self,
        token: Token,
        field: &'p Field,
    ) -> Result<Option<u64>, Fault<'p>> {
        if !token.is(TokenKind::Number) {
            return fault(field, Problem::NotNumber);
        }
        let unit_ms = field.unit.unwrap_or(Unit::Seconds).millis();
        let millis = number(token, self.text) * f64::from(unit_ms);
        if millis < 0.0 {
            return fault(field, Problem::Negative);
        }
        if millis > MAX_DURATION_MS {
            return fault(field, Problem::DurationTooLong);
        }
        // Rounds as `f64::round` does, halves up: the difference is exact.
        let whole = millis as u64;
        Ok(Some(whole + u64::from(millis - whole as f64 >= 0.5)))
    }

    /// A score in thousandths, rounded to the nearest, on `scale_milli`.
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        reason = "the value is checked to be on a scale of 32-bit ends and whole"
    )]
    pub(super) fn score_milli<'p>(
        &mut self,
        field: &'p Field,
        scale_milli: (i32, i32),
    ) -> Result<Option<i32>, Fault<'p>> {
        let token = self.token(field);
        if !token.is_present() {
            return Ok(None);
        }
        let (low, high) = scale_milli;
        // As with durations.
        if let Some(milli) = thousandths(token, self.text)
            && let Ok(milli) = i32::try_from(milli)
            && (low..=high).contains(&milli)
        {
            return Ok(Some(milli));
        }
        let score = match token.kind() {
            TokenKind::Number => Some(number(token, self.text)),
            TokenKind::Absent
            | TokenKind::Text
            | TokenKind::Escaped
            | TokenKind::True
            | TokenKind::False
            | TokenKind::Object
            | TokenKind::Array => self.string(token).filter(|text| is_number(text)).map(parse),
        };
        let Some(score) = score else {
            return fault(field, Problem::NotScore);
        };
        let milli = (score * 1000.0).round();
        if !(f64::from(low)..=f64::from(high)).contains(&milli) {
            return Err(Fault::off_scale(&field.name, scale_milli));
        }
        Ok(Some(milli as i32))
    }

    /// A JSON boolean.
    #[inline(always)]
    pub(super) fn flag<'p>(&self, field: &'p Field) -> Result<Option<bool>, Fault<'p>> {
        let token = self.token(field);
        if !token.is_present() {
            return Ok(None);
        }
        let is_true = token.is(TokenKind::True);
        if !is_true && !token.is(TokenKind::False) {
            return fault(field, Problem::NotFlag);
        }
        Ok(Some(is_true))
    }

    /// Who called whom.
    #[inline(always)]
    pub(super) fn direction<'p>(
        &mut self,
        field: &'p Field,
    ) -> Result<Option<Direction>, Fault<'p>> {
        let token = self.token(field);
        if !token.is_present() {
            return Ok(None);
        }
        match self.string(token) {
            Some("inbound") => Ok(Some(Direction::Inbound)),
            Some("outbound") => Ok(Some(Direction::Outbound)),
            Some(_) | None => fault(field, Problem::NotDirection),
        }
    }

    /// Checks that a field that is not kept is a string.
    pub(super) fn text_or_absent<'p>(&self, field: &'p Field) -> Result<(), Fault<'p>> {
        let token = self.token(field);
        match token.kind() {
            TokenKind::Absent | TokenKind::Text | TokenKind::Escaped => Ok(()),
            TokenKind::Number
            | TokenKind::True
            | TokenKind::False
            | TokenKind::Object
            | TokenKind::Array => fault(field, Problem::NotText),
        }
    }
}

/// A fault of a field.
pub(super) fn fault<T>(field: &Field, problem: Problem) -> Result<T, Fault<'_>> {
    Err(Fault::new(&field.name, problem))
}

/// Checks an id that did not come in a field of the event.
pub(super) fn check_id(id: &str) -> Result<&str, Problem> {
    if id.len() > MAX_ID_BYTES {
        return Err(Problem::IdTooLong);
    }
    Ok(id)
}

/// The decimal text of a JSON number that is an integer.
#[inline]
fn integer_text(number: &str) -> Option<&str> {
    let digits = number.strip_prefix('-').unwrap_or(number);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(if number == "-0" { digits } else { number })
}

/// The thousandths that the token is, if it is a short number of whole ones; halves are never near.
#[inline]
fn thousandths(token: Token, text: &str) -> Option<u64> {
    if !token.is(TokenKind::Number) {
        return None;
    }
    let (last, bytes) = token.last_bytes(text.as_bytes())?;
    Decimal::read(last, bytes)?.thousandths()
}

/// The `f64` nearest to the JSON number `token` in `text`; infinite when it is too large for one.
#[inline]
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a mantissa of at most 8 digits is exact in an f64"
)]
fn number(token: Token, text: &str) -> f64 {
    /// Exact in an `f64`, so that one division rounds once: to the nearest.
    const POWERS: [f64; 8] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7];
    let decimal = token
        .last_bytes(text.as_bytes())
        .and_then(|(last, bytes)| Decimal::read(last, bytes));
    let Some(Decimal { mantissa, decimals }) = decimal else {
        return parse(token.of(text));
    };
    match POWERS.get(decimals) {
        Some(power) if decimals > 0 => mantissa as f64 / power,
        Some(_) | None => mantissa as f64,
    }
}

/// The same of any JSON number; NaN never, since JSON has none.
#[cold]
fn parse(text: &str) -> f64 {
    text.parse().unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number_in(before: &str, number: &str) -> f64 {
        let text = format!("{before}{number}]");
        let end = before.len() + number.len();
        super::number(Token::new(TokenKind::Number, before.len(), end), &text)
    }

    proptest! {
        #[test]
        fn the_short_way_to_a_number_is_the_exact_one(text in "(0|[1-9][0-9]{0,14})(\\.[0-9]{1,14})?") {
            prop_assert_eq!(number_in("{\"number\":", &text).to_bits(), text.parse::<f64>().unwrap().to_bits());
            prop_assert_eq!(number_in("[", &text).to_bits(), text.parse::<f64>().unwrap().to_bits());
        }
    }

    #[test]
    fn numbers_beyond_an_f64_are_infinite() {
        assert!(number_in("{\"a\":", "1e999").is_infinite());
        assert!(number_in("{\"a\":", "-1e999").is_infinite());
        assert_eq!(number_in("{\"a\":", "-2.5").to_bits(), (-2.5_f64).to_bits());
    }

    #[test]
    fn integers_keep_their_text() {
        assert_eq!(integer_text("-0"), Some("0"));
        assert_eq!(integer_text("-17"), Some("-17"));
        assert_eq!(integer_text("1.0"), None);
        assert_eq!(integer_text("1e2"), None);
    }
}
