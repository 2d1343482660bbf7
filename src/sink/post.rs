//! One HTTP request: JSON out, a status in.
//!
//! Each request has a connection of its own: there is about one a minute, and a kept connection that
//! died unnoticed would cost a page its first attempt. Redirects are not followed, as they could
//! lead a notification to wherever a receiver points; answers are read up to a bound; everything
//! together has one time limit.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::endpoint::Endpoint;

/// Most bytes read of an answer.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// Most characters of an answer that are logged.
const MAX_SHOWN_CHARS: usize = 200;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error("cannot connect")]
    Connect(#[source] std::io::Error),
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    #[error("no answer to the request")]
    Exchange(#[source] hyper::Error),
    #[error("request cannot be made")]
    Request(#[source] hyper::http::Error),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

impl PostError {
    /// The error and its causes in one line. hyper says of some causes itself what they are; those
    /// are not repeated.
    pub(super) fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let words = error.to_string();
            if !text.ends_with(&words) {
                text.push_str(": ");
                text.push_str(&words);
            }
            cause = error.source();
        }
        text
    }
}

/// What a receiver answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The pause it asks for.
    pub(super) retry_after: Option<Duration>,
    /// The beginning of the text, one line, for the log.
    pub(super) text: String,
}

/// Makes requests. Clones share the certificates of the authorities.
#[derive(Clone, Debug)]
pub(super) struct Poster {
    limit: Duration,
    tls: Arc<OnceLock<Arc<ClientConfig>>>,
}

impl Poster {
    /// `limit` is the longest time for one request.
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit,
            tls: Arc::new(OnceLock::new()),
        }
    }

    /// Posts JSON. `idempotency_key` tells the receiver that it has seen this one before.
    pub(super) async fn post(
        &self,
        endpoint: &Endpoint,
        body: Bytes,
        idempotency_key: Option<&str>,
    ) -> Result<Answer, PostError> {
        tokio::time::timeout(self.limit, self.exchange(endpoint, body, idempotency_key))
            .await
            .unwrap_or(Err(PostError::Timeout(self.limit)))
    }

    /// Gets what is there.
    pub(super) async fn get(&self, endpoint: &Endpoint) -> Result<Answer, PostError> {
        let mut request = Request::get(endpoint.target.clone())
            .header(HOST, &endpoint.authority)
            .header(USER_AGENT, concat!("cxpulse/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = &endpoint.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(Bytes::new()));
        let sent = self.send(endpoint, request.map_err(PostError::Request)?);
        tokio::time::timeout(self.limit, sent)
            .await
            .unwrap_or(Err(PostError::Timeout(self.limit)))
    }

    async fn exchange(
        &self,
        endpoint: &Endpoint,
        body: Bytes,
        idempotency_key: Option<&str>,
    ) -> Result<Answer, PostError> {
        let request = request(endpoint, body, idempotency_key).map_err(PostError::Request)?;
        self.send(endpoint, request).await
    }

    async fn send(
        &self,
        endpoint: &Endpoint,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, PostError> {
        let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port))
            .await
            .map_err(PostError::Connect)?;
        if !endpoint.is_tls {
            return answer(stream, request).await;
        }
        let name = ServerName::try_from(endpoint.host.clone())
            .map_err(|_| PostError::Tls(rustls::Error::General("host is no name".into())))?;
        let connector = TlsConnector::from(self.tls()?);
        let secured = connector
            .connect(name, stream)
            .await
            .map_err(PostError::Connect)?;
        answer(secured, request).await
    }

    /// The TLS set-up, made at the first need: it reads the system's certificates.
    fn tls(&self) -> Result<Arc<ClientConfig>, PostError> {
        if let Some(ready) = self.tls.get() {
            return Ok(Arc::clone(ready));
        }
        let mut roots = RootCertStore::empty();
        // Unreadable certificates of the system are skipped; without any, no handshake succeeds
        // and its error says so.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(PostError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::clone(self.tls.get_or_init(|| Arc::new(config))))
    }
}

fn request(
    endpoint: &Endpoint,
    body: Bytes,
    idempotency_key: Option<&str>,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let mut request = Request::post(endpoint.target.clone())
        .header(HOST, &endpoint.authority)
        .header(USER_AGENT, concat!("cxpulse/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, "application/json");
    if let Some(authorization) = &endpoint.authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    if let Some(key) = idempotency_key {
        request = request.header("idempotency-key", key);
    }
    request.body(Full::new(body))
}

async fn answer<Stream>(stream: Stream, request: Request<Full<Bytes>>) -> Result<Answer, PostError>
where
    Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(PostError::Exchange)?;
    // Aborted with the set, so that a connection never outlives its request.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response = sender
        .send_request(request)
        .await
        .map_err(PostError::Exchange)?;
    Ok(Answer {
        status: response.status(),
        retry_after: retry_after(&response),
        text: text(response.into_body()).await,
    })
}

/// The pause in seconds; the form with a date is not understood and counts as none.
fn retry_after(response: &Response<Incoming>) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

/// The beginning of the text. The status says what counts, so that a text that breaks off, or is
/// too long, is no text.
async fn text(body: Incoming) -> String {
    let bytes = match Limited::new(body, MAX_ANSWER_BYTES).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(_) => Bytes::new(),
    };
    String::from_utf8_lossy(&bytes)
        .chars()
        .take(MAX_SHOWN_CHARS)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
