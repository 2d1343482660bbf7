//! Who may read. The probes are open, everything else asks for credentials where there are any.

use std::hint::black_box;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::middleware::Next;
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::Auth;
use super::problem::Problem;
use super::routes::is_open;

/// Lets a request through when it may be answered.
pub(super) async fn guard(
    State(auth): State<Option<Arc<Auth>>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let path = request.uri().path();
    match auth {
        Some(auth) if !is_open(path, &auth) && !admits(&auth, request.headers()) => refusal(&auth),
        Some(_) | None => next.run(request).await,
    }
}

fn refusal(auth: &Auth) -> Response<Body> {
    let (challenge, detail) = match auth {
        Auth::Bearer(_) => ("Bearer realm=\"cxpulse\"", "a bearer token is needed"),
        Auth::Basic { .. } => (
            "Basic realm=\"cxpulse\", charset=\"UTF-8\"",
            "user and password are needed",
        ),
    };
    let mut response = Problem::new(StatusCode::UNAUTHORIZED, detail).into_response();
    let challenge = HeaderValue::from_static(challenge);
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}

fn admits(auth: &Auth, headers: &HeaderMap) -> bool {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else {
        return false;
    };
    let Some((scheme, credentials)) = value.to_str().ok().and_then(|text| text.split_once(' '))
    else {
        return false;
    };
    let credentials = credentials.trim();
    match auth {
        Auth::Bearer(token) => {
            scheme.eq_ignore_ascii_case("bearer")
                && equal(credentials.as_bytes(), token.expose().as_bytes())
        }
        Auth::Basic { user, password } => {
            let expected = format!("{user}:{}", password.expose());
            let decoded = BASE64_STANDARD.decode(credentials).unwrap_or_default();
            scheme.eq_ignore_ascii_case("basic") && equal(&decoded, expected.as_bytes())
        }
    }
}

/// Compares without telling by its duration how much of a guess was right: every byte given is
/// looked at, whatever came before it.
fn equal(given: &[u8], expected: &[u8]) -> bool {
    let mut difference = u8::from(given.len() != expected.len() || expected.is_empty());
    for (index, byte) in given.iter().enumerate() {
        let other = expected.get(index % expected.len().max(1)).unwrap_or(&0);
        difference |= black_box(byte ^ other);
    }
    black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn with(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        headers
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn only_the_whole_token_is_admitted() {
        let auth = Auth::Bearer(secret("s3cret"));
        assert!(admits(&auth, &with("Bearer s3cret")));
        assert!(admits(&auth, &with("bearer s3cret")));
        for wrong in [
            "Bearer s3cre",
            "Bearer s3crets",
            "Bearer s3crets3cret",
            "Bearer ",
            "s3cret",
            "Basic s3cret",
        ] {
            assert!(!admits(&auth, &with(wrong)), "{wrong}");
        }
        assert!(!admits(&auth, &HeaderMap::new()));
        let mut twice = with("Bearer s3cret");
        twice.append(AUTHORIZATION, HeaderValue::from_static("Bearer other"));
        assert!(!admits(&auth, &twice));
    }

    #[test]
    fn user_and_password_must_both_be_right() {
        let auth = Auth::Basic {
            user: "me".into(),
            password: secret("pass:word"),
        };
        let header = |text: &str| with(&format!("Basic {}", BASE64_STANDARD.encode(text)));
        assert!(admits(&auth, &header("me:pass:word")));
        for wrong in ["me:pass", "you:pass:word", "", ":", "me:pass:word "] {
            assert!(!admits(&auth, &header(wrong)), "{wrong}");
        }
        assert!(!admits(&auth, &with("Basic not base64!")));
    }

    /// An empty secret would be no secret.
    #[test]
    fn an_empty_token_admits_nobody() {
        let auth = Auth::Bearer(secret(""));
        assert!(!admits(&auth, &with("Bearer ")));
        assert!(!admits(&auth, &with("Bearer x")));
    }
}
