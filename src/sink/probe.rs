//! Whether the receivers answer, without sending them anything.

use std::time::Duration;

use tokio::net::TcpStream;

use super::endpoint::Endpoint;
use super::post::Poster;
use super::{EndpointError, Settings};

/// What a receiver said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// `alertmanager` or `webhook`.
    pub sink: &'static str,
    /// Scheme, host and port; path and query of a webhook may be a secret.
    pub place: String,
    /// Why it cannot be reached.
    pub outcome: Result<(), String>,
}

/// Asks every Alertmanager for its status, and connects to the webhook. `limit` is the longest time
/// for each.
pub async fn probe(settings: &Settings, limit: Duration) -> Vec<Probe> {
    let mut probes = Vec::new();
    let poster = Poster::new(limit);
    for url in &settings.alertmanager_urls {
        let endpoint = Endpoint::parse(url, "/api/v2/status");
        probes.push(match endpoint {
            Ok(endpoint) => Probe {
                sink: "alertmanager",
                place: endpoint.to_string(),
                outcome: status(&poster, &endpoint).await,
            },
            Err(error) => invalid("alertmanager", error),
        });
    }
    if let Some(url) = &settings.webhook_url {
        let endpoint = Endpoint::parse(url.expose(), "");
        probes.push(match endpoint {
            Ok(endpoint) => Probe {
                sink: "webhook",
                place: endpoint.to_string(),
                outcome: connect(&endpoint, limit).await,
            },
            Err(error) => invalid("webhook", error),
        });
    }
    probes
}

fn invalid(sink: &'static str, error: EndpointError) -> Probe {
    Probe {
        sink,
        place: "its URL".into(),
        outcome: Err(error.to_string()),
    }
}

async fn status(poster: &Poster, endpoint: &Endpoint) -> Result<(), String> {
    match poster.get(endpoint).await {
        Ok(answer) if answer.status.is_success() => Ok(()),
        Ok(answer) => Err(format!("answers {}", answer.status)),
        Err(error) => Err(error.with_causes()),
    }
}

async fn connect(endpoint: &Endpoint, limit: Duration) -> Result<(), String> {
    let connecting = TcpStream::connect((endpoint.host.as_str(), endpoint.port));
    match tokio::time::timeout(limit, connecting).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("cannot connect: {error}")),
        Err(_) => Err(format!("no connection within {limit:?}")),
    }
}
