//! Where alert notifications go; `[sinks]` of the configuration.

use crate::secret::Secret;

/// The receivers; each is optional.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Base URLs of Alertmanagers; every one gets every alert.
    pub alertmanager_urls: Vec<String>,
    /// Subject prefix for alerts in NATS; `Some("cx.alerts")` by default, `None` switches it off.
    pub nats_subject: Option<String>,
    /// Webhook in Alertmanager's format. The URL may itself be a secret.
    pub webhook_url: Option<Secret>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            alertmanager_urls: Vec::new(),
            nats_subject: Some("cx.alerts".into()),
            webhook_url: None,
        }
    }
}
