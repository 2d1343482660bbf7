//! Refusals as problem+json (RFC 9457), and the headers that every response carries.

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Method, Response, StatusCode, Uri};
use axum::response::IntoResponse;
use serde_json::json;

/// Why a request got nothing else.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let json = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response = Response::new(Body::from(json.to_string()));
        *response.status_mut() = self.status;
        let content_type = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }
}

/// A path that answers nothing.
pub(super) async fn not_found(uri: Uri) -> Problem {
    let detail = format!("nothing is served at `{}`", uri.path());
    Problem::new(StatusCode::NOT_FOUND, detail)
}

/// A path that does not take the method; the router adds `Allow`.
pub(super) async fn method_not_allowed(method: Method) -> Problem {
    let detail = format!("`{method}` is not possible here; everything is read with GET");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

/// Headers of every response: nothing is sniffed, framed, referred to or kept, and a page may load
/// only what its own handler allows. A handler's own value stands.
pub(super) async fn strict_headers(mut response: Response<Body>) -> Response<Body> {
    const STRICT: [(HeaderName, &str); 6] = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (HeaderName::from_static("x-frame-options"), "DENY"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    let headers = response.headers_mut();
    for (name, value) in STRICT {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}
