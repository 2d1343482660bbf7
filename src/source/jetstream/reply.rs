//! The reply subject of a delivered message: where it stands in stream and consumer.
//!
//! Two forms are in use (ADR-15): `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer
//! seq>.<time>.<pending>` with 9 tokens, and one that has domain and account hash behind `$JS.ACK`
//! and may have a random token at the end, 11 or 12 tokens.

use crate::time::Timestamp;

/// What a reply subject says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) stream_sequence: u64,
    pub(super) consumer_sequence: u64,
    pub(super) stored_at: Timestamp,
    /// Messages that match and were not delivered when this one was.
    pub(super) pending: u64,
}

const NANOS_PER_MILLI: i64 = 1_000_000;

/// Reads reply subjects one after the other: those of one consumer begin alike.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// How the last one began, up to its numbers, if it was of the shorter form.
    beginning: String,
}

impl Replies {
    /// Reads a reply subject; `None` when it is not one of a delivered message.
    #[inline]
    pub(super) fn read(&mut self, reply: &str) -> Option<Reply> {
        if !self.beginning.is_empty()
            && let Some(numbers) = reply.strip_prefix(self.beginning.as_str())
            && let Some(read) = numbers_at_the_end(numbers)
        {
            return Some(read);
        }
        self.read_anew(reply)
    }

    #[inline(never)]
    fn read_anew(&mut self, reply: &str) -> Option<Reply> {
        let read = parse(reply)?;
        self.beginning.clear();
        let mut dots = memchr::memchr_iter(b'.', reply.as_bytes());
        if let (8, Some(last)) = (dots.clone().count(), dots.nth(4)) {
            let beginning = reply.get(..=last).unwrap_or_default();
            self.beginning.push_str(beginning);
        }
        Some(read)
    }
}

/// Reads the numbers of a reply subject of the shorter form, which are all that is left of it; `None`
/// where they are not numbers of the usual length.
fn numbers_at_the_end(numbers: &str) -> Option<Reply> {
    let mut rest = numbers.as_bytes();
    let mut next = |end: Option<u8>| {
        let mut value = 0_u64;
        let mut digits = 0;
        loop {
            let (byte, behind) = match rest.split_first() {
                Some((byte, behind)) => (Some(*byte), behind),
                None => (None, rest),
            };
            match byte {
                // More than these may not fit.
                Some(digit @ b'0'..=b'9') if digits < 19 => {
                    value = value * 10 + u64::from(digit - b'0');
                    digits += 1;
                }
                other if other == end && digits > 0 => {
                    rest = behind;
                    return Some(value);
                }
                Some(_) | None => return None,
            }
            rest = behind;
        }
    };
    let (stream_sequence, consumer_sequence) = (next(Some(b'.'))?, next(Some(b'.'))?);
    let (time, pending) = (next(Some(b'.'))?, next(None)?);
    Some(Reply {
        stream_sequence,
        consumer_sequence,
        stored_at: moment(i64::try_from(time).ok()?),
        pending,
    })
}

/// The moment so many nanoseconds after the epoch.
fn moment(nanos: i64) -> Timestamp {
    Timestamp::from_millis(nanos.div_euclid(NANOS_PER_MILLI))
}

/// Reads a reply subject of any form.
fn parse(reply: &str) -> Option<Reply> {
    let rest = reply.strip_prefix("$JS.ACK.")?;
    let mut tokens = [""; 10];
    let mut count = 0;
    for token in rest.split('.') {
        // Tokens behind the ones we know are allowed and mean nothing to us.
        if let Some(slot) = tokens.get_mut(count) {
            *slot = token;
            count += 1;
        }
    }
    // Stream, consumer and number of deliveries come first; behind them what we need.
    let numbers = match count {
        7 => tokens.get(3..7)?,
        9 | 10 => tokens.get(5..9)?,
        _ => return None,
    };
    let [stream_sequence, consumer_sequence, time, pending] = numbers else {
        return None;
    };
    Some(Reply {
        stream_sequence: stream_sequence.parse().ok()?,
        consumer_sequence: consumer_sequence.parse().ok()?,
        stored_at: moment(time.parse().ok()?),
        pending: pending.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: Reply = Reply {
        stream_sequence: 42,
        consumer_sequence: 7,
        stored_at: Timestamp::from_millis(1_763_793_600_123),
        pending: 9,
    };

    /// Reads them one after the other, and each by itself.
    fn read(replies: &[&str]) -> Vec<Option<Reply>> {
        let mut reading = Replies::default();
        let together: Vec<_> = replies.iter().map(|reply| reading.read(reply)).collect();
        let apart: Vec<_> = replies.iter().map(|reply| parse(reply)).collect();
        assert_eq!(together, apart);
        together
    }

    #[test]
    fn what_came_before_changes_nothing() {
        let found = read(&[
            "$JS.ACK.CX.c-1.1.42.7.1763793600123456789.9",
            "$JS.ACK.CX.c-1.1.43.8.1763793600123456789.8",
            "$JS.ACK.CX.c-1.1.43.8.1763793600123456789.8.rnd",
            "$JS.ACK.CX.c-1.1.43.8.1763793600123456789.",
            "$JS.ACK.CX.c-1.1.43..1763793600123456789.1",
            "$JS.ACK.CX.c-1.1.43.8.x.8",
            "$JS.ACK.CX.c-1.1.43.8.-1.8",
            "$JS.ACK.CX.c-1.1.18446744073709551615.8.1763793600123456789.8",
            "$JS.ACK.CX.c-1.1.18446744073709551616.8.1763793600123456789.8",
            "$JS.ACK.CX.c-1.1.9.8.9999999999999999999.8",
            "$JS.ACK.CX.c-1.2.44.9.1763793600123456789.0",
            "$JS.ACK.hub.ACCHASH.CX.c-1.1.44.9.1763793600123456789.0",
            "$JS.ACK.hub.ACCHASH.CX.c-1.1.44.10.1763793600123456789.0.rnd",
            "$JS.ACK.CX.c-2.1.44.9.1763793600123456789.0",
            "",
        ]);
        let told: Vec<_> = found.iter().map(Option::is_some).collect();
        let expected = [1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0].map(|is_read| is_read == 1);
        assert_eq!(told, expected);
    }

    #[test]
    fn all_forms_say_the_same() {
        for reply in [
            "$JS.ACK.CX.c-1.1.42.7.1763793600123456789.9",
            "$JS.ACK._.ACCHASH.CX.c-1.1.42.7.1763793600123456789.9",
            "$JS.ACK.hub.ACCHASH.CX.c-1.1.42.7.1763793600123456789.9.rnd",
            "$JS.ACK.hub.ACCHASH.CX.c-1.1.42.7.1763793600123456789.9.rnd.more.to.come",
        ] {
            assert_eq!(parse(reply), Some(EXPECTED), "{reply}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for reply in [
            "",
            "_INBOX.x.1",
            "$JS.ACK.CX.c.1.42.7.1763793600123456789",
            "$JS.ACK.CX.c.1.42.7.1763793600123456789.9.1",
            "$JS.ACK.CX.c.1.x.7.1763793600123456789.9",
            "$JS.ACK.CX.c.1.-1.7.1763793600123456789.9",
            "$JS.ACK.CX.c.1.42.7.99999999999999999999.9",
            "$JS.ACKCX.c.1.42.7.1763793600123456789.9.a.b",
        ] {
            assert_eq!(parse(reply), None, "{reply}");
        }
    }
}
