//! How the HTTP server listens; `[http]` of the configuration.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Board;
use crate::secret::Secret;

/// Address, refresh, authentication and limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Address; default `127.0.0.1:10425`.
    pub listen: SocketAddr,
    /// Time between two views; default 1s.
    pub refresh_interval: Duration,
    /// Who may read everything but the probes; default everybody who can connect.
    pub auth: Option<Auth>,
    /// TLS; default none.
    pub tls: Option<Tls>,
    /// Bounds of what clients may take.
    pub limits: Limits,
    /// What the wallboard shows; `[board]`.
    pub board: Board,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 10425)),
            refresh_interval: Duration::from_secs(1),
            auth: None,
            tls: None,
            limits: Limits::default(),
            board: Board::default(),
        }
    }
}

/// How clients identify themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer <token>`.
    Bearer(Secret),
    /// `Authorization: Basic <user:password>`.
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: Secret,
    },
}

/// TLS of the listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificate chain, PEM.
    pub cert_file: PathBuf,
    /// Key, PEM.
    pub key_file: PathBuf,
}

/// Bounds of what clients may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most open connections; default 512.
    pub max_connections: usize,
    /// Most readers of the event stream; default 256.
    pub max_stream_clients: usize,
    /// Longest time for a request's headers, also on a silent connection; default 10s.
    pub header_timeout: Duration,
    /// Longest time a client may take nothing of a response that waits for it; default 30s.
    pub write_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 512,
            max_stream_clients: 256,
            header_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
        }
    }
}
