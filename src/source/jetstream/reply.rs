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

/// Reads a reply subject; `None` when it is not one of a delivered message.
pub(super) fn parse(reply: &str) -> Option<Reply> {
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
    let nanos: i64 = time.parse().ok()?;
    Some(Reply {
        stream_sequence: stream_sequence.parse().ok()?,
        consumer_sequence: consumer_sequence.parse().ok()?,
        stored_at: Timestamp::from_millis(nanos.div_euclid(NANOS_PER_MILLI)),
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
