//! What is wrong for good with a connection; what may heal is waited for instead.

use std::path::PathBuf;

/// Why no connection is made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The list of servers is empty.
    #[error("no NATS server URL is given")]
    NoServer,
    /// A server URL does not parse. The URL itself is not shown, since it may hold a secret.
    #[error("server URL number {position} of nats.url is not valid: {reason}")]
    Url {
        /// Counted from 1.
        position: usize,
        /// What the parser says.
        reason: String,
    },
    /// A server URL holds user information.
    #[error(
        "server URL number {position} of nats.url holds a user or password; use nats.user, nats.password or nats.token"
    )]
    UserInfo {
        /// Counted from 1.
        position: usize,
    },
    /// A file with credentials cannot be used. The contents are not shown.
    #[error("cannot use {}: {reason}", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No server took the connection.
    #[error("{reason}")]
    Unreachable {
        /// What the last one said, or the way to it.
        reason: String,
    },
    /// The process is stopping.
    #[error("stopped while waiting for NATS")]
    Stopped,
}
