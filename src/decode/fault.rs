//! What can be wrong with an event, in words for people. No word ever holds the value of a field.

use std::fmt;

use super::json::SyntaxError;
use crate::event::{Kind, Reason, Reject};

/// Longest detail, bytes: it becomes a header of the dead letter.
const MAX_DETAIL_BYTES: usize = 256;

/// A field and what is wrong with it. In a box, so that results of the many checks that pass stay
/// small.
#[derive(Debug)]
pub(super) struct Fault<'p>(Box<Detail<'p>>);

#[derive(Debug)]
struct Detail<'p> {
    /// The field as people know it.
    field: &'p str,
    problem: Problem,
    /// The scale that a score is off, in thousandths.
    scale_milli: Option<(i32, i32)>,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    #[error("required and absent")]
    Missing,
    #[error("must be a string or an integer")]
    NotId,
    #[error("longer than 256 bytes")]
    IdTooLong,
    #[error("must be an RFC 3339 string or an integer of milliseconds")]
    NotTime,
    #[error("not an RFC 3339 time with `T` and offset, or no such moment")]
    TimeText,
    #[error("a numeric time must be an integer without fraction or exponent")]
    TimeFraction,
    #[error("before 1980, looks like seconds where milliseconds are expected")]
    TimeLooksLikeSeconds,
    #[error("outside the years 1970 to 9999")]
    TimeRange,
    #[error("later than the end of the interaction")]
    StartAfterEnd,
    #[error("must be a number")]
    NotNumber,
    #[error("negative duration")]
    Negative,
    #[error("longer than 1e9 seconds")]
    DurationTooLong,
    #[error("must be a number or a numeric string")]
    NotScore,
    #[error("outside the scale")]
    OffScale,
    #[error("must be a whole number")]
    NotWhole,
    #[error("must be true or false")]
    NotFlag,
    #[error("must be `inbound` or `outbound`")]
    NotDirection,
    #[error("must be a string")]
    NotText,
    #[error("not valid base64")]
    NotBase64,
}

impl<'p> Fault<'p> {
    #[cold]
    pub(super) fn new(field: &'p str, problem: Problem) -> Self {
        Self(Box::new(Detail {
            field,
            problem,
            scale_milli: None,
        }))
    }

    /// A score that is not on its scale (in thousandths).
    #[cold]
    pub(super) fn off_scale(field: &'p str, scale_milli: (i32, i32)) -> Self {
        Self(Box::new(Detail {
            field,
            problem: Problem::OffScale,
            scale_milli: Some(scale_milli),
        }))
    }

    pub(super) fn problem(&self) -> Problem {
        self.0.problem
    }

    /// The reject for an event of this kind.
    #[cold]
    pub(super) fn reject(self, kind: Kind) -> Reject {
        let Self(detail) = self;
        let reason = match detail.problem {
            Problem::Missing => Reason::MissingField,
            Problem::NotId
            | Problem::IdTooLong
            | Problem::NotTime
            | Problem::TimeText
            | Problem::TimeFraction
            | Problem::TimeLooksLikeSeconds
            | Problem::TimeRange
            | Problem::StartAfterEnd
            | Problem::NotNumber
            | Problem::Negative
            | Problem::DurationTooLong
            | Problem::NotScore
            | Problem::OffScale
            | Problem::NotWhole
            | Problem::NotFlag
            | Problem::NotDirection
            | Problem::NotText
            | Problem::NotBase64 => Reason::InvalidField,
        };
        let Detail { field, problem, .. } = *detail;
        let words = match detail.scale_milli {
            None => format!("{field}: {problem}"),
            Some((low, high)) => format!("{field}: {problem} {} to {}", Milli(low), Milli(high)),
        };
        Reject {
            reason,
            detail: one_line(&words),
            kind: Some(kind),
        }
    }
}

/// Longer than a limit.
#[cold]
pub(super) fn too_large(what: &str, bytes: usize, limit: usize) -> Reject {
    Reject {
        reason: Reason::TooLarge,
        detail: format!("{what} of {bytes} bytes is longer than {limit}"),
        kind: None,
    }
}

/// More events in one message than it may have.
#[cold]
pub(super) fn too_many(limit: u32) -> Reject {
    Reject {
        reason: Reason::TooLarge,
        detail: format!("the rest of a message of more than {limit} events"),
        kind: None,
    }
}

/// Not JSON.
#[cold]
pub(super) fn not_json(error: SyntaxError) -> Reject {
    invalid_json(&format!("{} at byte {}", error.kind, error.at))
}

/// Not an event in JSON for another reason.
#[cold]
pub(super) fn invalid_json(detail: &str) -> Reject {
    Reject {
        reason: Reason::InvalidJson,
        detail: one_line(detail),
        kind: None,
    }
}

/// No kind, or an unknown one.
#[cold]
pub(super) fn unknown_type(detail: &str) -> Reject {
    Reject {
        reason: Reason::UnknownType,
        detail: one_line(detail),
        kind: None,
    }
}

/// `text` with control characters escaped, cut at a character to what a header may hold.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        let before = line.len();
        // U+2028 and U+2029 break lines too, though they are no control characters.
        if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
        if line.len() > MAX_DETAIL_BYTES {
            line.truncate(before);
            break;
        }
    }
    line
}

/// Thousandths written as a decimal number.
struct Milli(i32);

impl fmt::Display for Milli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", f64::from(self.0) / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_one_short_line() {
        assert_eq!(
            one_line("a\nb\0\u{7f}\u{2028}"),
            "a\\nb\\u{0}\\u{7f}\\u{2028}"
        );
        let long = one_line(&"é".repeat(200));
        assert_eq!(long.len(), 256);
        assert_eq!(one_line(&("x".repeat(255) + "\n")).len(), 255);
    }

    #[test]
    fn the_scale_reads_as_configured() {
        let fault = Fault::off_scale("csat", (1000, 5500));
        let reject = fault.reject(Kind::Survey);
        assert_eq!(reject.detail, "csat: outside the scale 1 to 5.5");
        assert_eq!(reject.reason, Reason::InvalidField);
    }
}
