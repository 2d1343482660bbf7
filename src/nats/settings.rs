//! How to reach NATS; `[nats]` of the configuration.

use std::path::PathBuf;

use crate::secret::Secret;

/// Server, identity and TLS.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Server URLs, comma-separated, without user information; default `nats://127.0.0.1:4222`.
    pub url: String,
    /// Connection name shown by the server; default `cxpulse`.
    pub name: String,
    /// User name.
    pub user: Option<String>,
    /// Password of the user.
    pub password: Option<Secret>,
    /// Where the password stands; read anew for each connection, in place of `password`.
    pub password_file: Option<PathBuf>,
    /// Token.
    pub token: Option<Secret>,
    /// Where the token stands; read anew for each connection, in place of `token`.
    pub token_file: Option<PathBuf>,
    /// Credentials file (JWT and seed).
    pub creds_file: Option<PathBuf>,
    /// File with an nkey seed.
    pub nkey_file: Option<PathBuf>,
    /// TLS; `None` leaves it to the URL and the server.
    pub tls: Option<Tls>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: "nats://127.0.0.1:4222".into(),
            name: "cxpulse".into(),
            user: None,
            password: None,
            password_file: None,
            token: None,
            token_file: None,
            creds_file: None,
            nkey_file: None,
            tls: None,
        }
    }
}

/// TLS towards NATS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates of the authority, PEM; default the system's.
    pub ca_file: Option<PathBuf>,
    /// Client certificate, PEM.
    pub cert_file: Option<PathBuf>,
    /// Its key, PEM.
    pub key_file: Option<PathBuf>,
    /// Refuse a connection without TLS.
    pub required: bool,
}
