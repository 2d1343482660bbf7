//! Status messages of a pull consumer, one by one.

use async_nats::Message;

use crate::source::ResetReason;

/// What a status message asks of us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// 100: the consumer is there and has nothing for us.
    Heartbeat,
    /// The request that this answers has ended with so many of its messages undelivered; `None`
    /// when the server does not say.
    Ended { undelivered: Option<u64> },
    /// The next message is larger than the request allows; the request has ended.
    TooLarge { undelivered: Option<u64> },
    /// The consumer cannot be used any more.
    Reset(ResetReason),
}

/// Reads a status message; `None` when the message has no status.
pub(super) fn read(message: &Message) -> Option<Status> {
    let code = message.status?.as_u16();
    let text = message.description.as_deref().unwrap_or_default();
    let undelivered = message
        .headers
        .as_ref()
        .and_then(|headers| headers.get("Nats-Pending-Messages"))
        .and_then(|value| value.as_str().parse().ok());
    Some(classify(code, text, undelivered))
}

/// The texts are those of nats-server 2.9 to 2.15; they are compared without case.
fn classify(code: u16, text: &str, undelivered: Option<u64>) -> Status {
    let text = text.to_ascii_lowercase();
    let says = |words: &str| text.contains(words);
    match code {
        100 => Status::Heartbeat,
        // No messages (only for requests that do not wait), request timeout, interest expired.
        404 | 408 => Status::Ended { undelivered },
        409 if says("message size exceeds maxbytes") => Status::TooLarge { undelivered },
        409 if says("batch completed") => Status::Ended { undelivered },
        409 if says("consumer deleted") || says("consumer is push based") => {
            Status::Reset(ResetReason::ConsumerDeleted)
        }
        409 if says("leadership change") => Status::Reset(ResetReason::LeadershipChange),
        409 if says("server shutdown") => Status::Reset(ResetReason::ServerShutdown),
        503 => Status::Reset(ResetReason::NoResponders),
        // Bad request, too many requests waiting, exceeded limits of a request, pinned elsewhere, and
        // what is yet to come: asking the same again at once would be a hot loop, so the consumer is made anew with a
        // pause.
        _ => Status::Reset(ResetReason::UnexpectedStatus),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_answer() {
        let ended = Status::Ended {
            undelivered: Some(3),
        };
        let cases = [
            (100, "Idle Heartbeat", Status::Heartbeat),
            (404, "No Messages", ended.clone()),
            (408, "Request Timeout", ended.clone()),
            (409, "Batch Completed", ended),
            (
                409,
                "Message Size Exceeds MaxBytes",
                Status::TooLarge {
                    undelivered: Some(3),
                },
            ),
            (
                409,
                "Exceeded MaxWaiting",
                Status::Reset(ResetReason::UnexpectedStatus),
            ),
            (
                409,
                "Consumer Deleted",
                Status::Reset(ResetReason::ConsumerDeleted),
            ),
            (
                409,
                "Consumer is push based",
                Status::Reset(ResetReason::ConsumerDeleted),
            ),
            (
                409,
                "Leadership Change",
                Status::Reset(ResetReason::LeadershipChange),
            ),
            (
                409,
                "Server Shutdown",
                Status::Reset(ResetReason::ServerShutdown),
            ),
            (
                409,
                "Exceeded MaxRequestBatch of 100",
                Status::Reset(ResetReason::UnexpectedStatus),
            ),
            (
                400,
                "Bad Request",
                Status::Reset(ResetReason::UnexpectedStatus),
            ),
            (503, "", Status::Reset(ResetReason::NoResponders)),
            (
                423,
                "Nats-Pin-Id mismatch",
                Status::Reset(ResetReason::UnexpectedStatus),
            ),
        ];
        for (code, text, expected) in cases {
            assert_eq!(classify(code, text, Some(3)), expected, "{code} {text}");
        }
    }
}
