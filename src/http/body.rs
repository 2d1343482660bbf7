//! A rendered body with its compressed form.

use std::io::Write;
use std::sync::OnceLock;

use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// A body that many clients take, compressed when the first of them asks for it.
#[derive(Debug)]
pub(super) struct Rendered {
    content_type: &'static str,
    plain: Bytes,
    /// `None` inside: it could not be made.
    gzip: OnceLock<Option<Bytes>>,
}

impl Rendered {
    pub(super) fn new(content_type: &'static str, plain: impl Into<Bytes>) -> Self {
        Self {
            content_type,
            plain: plain.into(),
            gzip: OnceLock::new(),
        }
    }

    pub(super) fn plain(&self) -> Bytes {
        self.plain.clone()
    }

    /// Makes the compressed form if it is wanted and not there; the expensive part of
    /// [`Rendered::response`], for a thread that may be blocked.
    pub(super) fn prepare(&self, wants_gzip: bool) {
        if wants_gzip {
            self.gzip.get_or_init(|| gzip(&self.plain));
        }
    }

    /// Whether [`Rendered::prepare`] has nothing left to do.
    pub(super) fn is_prepared(&self, wants_gzip: bool) -> bool {
        !wants_gzip || self.gzip.get().is_some()
    }

    /// The response in the form that the client takes.
    pub(super) fn response(&self, wants_gzip: bool) -> Response<Body> {
        let compressed = self
            .gzip
            .get()
            .filter(|_| wants_gzip)
            .and_then(Option::as_ref);
        let body = compressed.unwrap_or(&self.plain).clone();
        let mut response = Response::new(Body::from(body));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if compressed.is_some() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// Level 1: on a page of 9 MB level 6 takes four times as long and saves a third.
fn gzip(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
    encoder.write_all(plain).ok()?;
    Some(encoder.finish().ok()?.into())
}

/// Whether `Accept-Encoding` takes gzip: named, or by `*`, and not with a weight of 0.
pub(super) fn wants_gzip(headers: &HeaderMap) -> bool {
    let mut by_star = false;
    for line in headers.get_all(ACCEPT_ENCODING) {
        for offer in line.to_str().unwrap_or_default().split(',') {
            let mut parts = offer.split(';').map(str::trim);
            let coding = parts.next().unwrap_or_default();
            let refused = parts.any(|part| {
                let weight = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
                weight.is_some_and(|weight| weight.trim().parse() == Ok(0.0))
            });
            if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
                return !refused;
            }
            by_star |= coding == "*" && !refused;
        }
    }
    by_star
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn gzip_is_taken_only_where_it_is_offered() {
        let wants = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(value));
            wants_gzip(&headers)
        };
        assert!(wants("gzip"));
        assert!(wants("deflate, GZIP;q=0.5"));
        assert!(wants("br, *"));
        assert!(!wants("identity"));
        assert!(!wants("gzip;q=0, *"));
        assert!(!wants("gzip; q=0.000"));
        assert!(!wants("*;q=0"));
        assert!(!wants_gzip(&HeaderMap::new()));
    }

    #[test]
    fn the_compressed_form_reads_back() {
        let text = "cx_csat_ratio 0.7\n".repeat(1000);
        let compressed = gzip(text.as_bytes()).unwrap();
        assert!(compressed.len() < text.len() / 10);
        let mut back = String::new();
        flate2::read::GzDecoder::new(&*compressed)
            .read_to_string(&mut back)
            .unwrap();
        assert_eq!(back, text);
    }

    #[test]
    fn without_its_compressed_form_a_body_goes_out_plain() {
        let body = Rendered::new("text/plain", "hello");
        assert!(
            body.response(true)
                .headers()
                .get(CONTENT_ENCODING)
                .is_none()
        );
        body.prepare(true);
        assert_eq!(body.response(true).headers()[CONTENT_ENCODING], "gzip");
        assert!(
            body.response(false)
                .headers()
                .get(CONTENT_ENCODING)
                .is_none()
        );
    }
}
