//! What ends a source; all else is waited for.

/// Why a source cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Messages of such a stream go away when somebody reads them; two readers would each miss some
    /// and no state could be rebuilt.
    #[error(
        "stream {stream} has {retention} retention; cxpulse needs limits retention: make a stream that mirrors or sources {stream}"
    )]
    Retention {
        /// The stream.
        stream: String,
        /// What the server says.
        retention: String,
    },
    /// The stream does not say when it was created, so it could not be told from another one of
    /// the same name.
    #[error("stream {stream} has an unreadable creation time {created}")]
    Identity {
        /// The stream.
        stream: String,
        /// What the server says.
        created: String,
    },
    /// A subscription was refused by the client library.
    #[error("cannot subscribe to {subject}: {reason}")]
    Subscribe {
        /// The subject.
        subject: String,
        /// What the library says.
        reason: String,
    },
}
