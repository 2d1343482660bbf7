//! Where to post to: a URL taken apart. What it shows of itself in logs is scheme, host and port,
//! since path and query of a webhook may be a secret.

use std::fmt;

use base64::Engine as _;
use hyper::Uri;
use hyper::header::HeaderValue;

/// What is wrong with a URL; the text does not repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not a URL.
    #[error("it is not a URL")]
    Syntax,
    /// Neither http nor https.
    #[error("it does not begin with http:// or https://")]
    Scheme,
    /// No host.
    #[error("it names no host")]
    Host,
}

/// A URL to post to.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) is_tls: bool,
    /// Name or address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// The `Host` header.
    pub(super) authority: HeaderValue,
    /// Path and query.
    pub(super) target: Uri,
    /// User and password of the URL.
    pub(super) authorization: Option<HeaderValue>,
}

impl Endpoint {
    /// Takes a base URL apart and appends `path` to its own.
    pub(super) fn parse(url: &str, path: &str) -> Result<Self, EndpointError> {
        let uri: Uri = url.trim().parse().map_err(|_| EndpointError::Syntax)?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) | None => return Err(EndpointError::Scheme),
        };
        let authority = uri.authority().ok_or(EndpointError::Host)?;
        if authority.host().is_empty() {
            return Err(EndpointError::Host);
        }
        let (credentials, host_port) = match authority.as_str().rsplit_once('@') {
            Some((credentials, host_port)) => (Some(credentials), host_port),
            None => (None, authority.as_str()),
        };
        let authorization = credentials.map(basic).transpose()?;
        let base = if path.is_empty() {
            uri.path()
        } else {
            uri.path().trim_end_matches('/')
        };
        let query = uri.query().map(|query| format!("?{query}"));
        let target = format!("{base}{path}{}", query.unwrap_or_default());
        Ok(Self {
            is_tls,
            host: authority
                .host()
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
            port: authority
                .port_u16()
                .unwrap_or(if is_tls { 443 } else { 80 }),
            authority: host_port.parse().map_err(|_| EndpointError::Syntax)?,
            target: target.parse().map_err(|_| EndpointError::Syntax)?,
            authorization,
        })
    }
}

/// `Authorization: Basic` of `user:password` as it stands in the URL.
fn basic(credentials: &str) -> Result<HeaderValue, EndpointError> {
    let encoded = base64::engine::general_purpose::STANDARD.encode(percent_decoded(credentials));
    let mut value: HeaderValue = format!("Basic {encoded}")
        .parse()
        .map_err(|_| EndpointError::Syntax)?;
    value.set_sensitive(true);
    Ok(value)
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let decoded = (*first == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) = decoded {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    bytes
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let plain = Endpoint::parse("http://alerts:9093", "/api/v2/alerts").unwrap();
        assert_eq!((plain.host.as_str(), plain.port), ("alerts", 9093));
        assert_eq!(plain.target, "/api/v2/alerts");
        assert!(!plain.is_tls && plain.authorization.is_none());
        let prefixed = Endpoint::parse("https://alerts/am/", "/api/v2/alerts").unwrap();
        assert_eq!((prefixed.port, prefixed.is_tls), (443, true));
        assert_eq!(prefixed.target, "/am/api/v2/alerts");
        let hook = Endpoint::parse("http://[::1]:80/hook/?token=s3cret", "").unwrap();
        assert_eq!(
            (hook.host.as_str(), hook.authority.as_bytes()),
            ("::1", &b"[::1]:80"[..])
        );
        assert_eq!(hook.target, "/hook/?token=s3cret");
    }

    #[test]
    fn credentials_become_a_header_and_nothing_secret_is_shown() {
        let hook = Endpoint::parse("http://me:p%40ss@host/s3cret", "").unwrap();
        let header = hook.authorization.as_ref().unwrap();
        // me:p@ss
        assert_eq!(header.as_bytes(), b"Basic bWU6cEBzcw==");
        assert_eq!(hook.authority, "host");
        let shown = format!("{hook} {hook:?}");
        assert_eq!(shown, "http://host:80 http://host:80");
    }

    #[test]
    fn what_is_not_a_url_is_refused() {
        for (url, fault) in [
            ("ftp://host/", EndpointError::Scheme),
            ("host:9093/", EndpointError::Syntax),
            ("/path", EndpointError::Scheme),
            ("http://", EndpointError::Syntax),
            ("http://a b/", EndpointError::Syntax),
            ("", EndpointError::Syntax),
        ] {
            assert_eq!(Endpoint::parse(url, "").err(), Some(fault), "{url}");
        }
    }
}
