//! `[sinks]`: where alert notifications go.

use crate::sink::Settings;

use super::super::report::{Given, Report};
use super::super::section::Section;
use super::dead_letter::check_literal;

/// The settings, and the alert subject with its place for checks against other sections.
pub(super) struct Sinks {
    pub(super) settings: Settings,
    pub(super) nats: Option<Given<String>>,
}

pub(super) fn read(root: &mut Section, report: &mut Report) -> Sinks {
    let mut section = root.child(report, "sinks");
    let alertmanager_urls = read_alertmanager(&mut section, report);
    let nats = read_nats(&mut section, report);
    let webhook_url = read_webhook(&mut section, report);
    section.finish(report);
    Sinks {
        settings: Settings {
            alertmanager_urls,
            nats_subject: nats.as_ref().map(|subject| subject.value.clone()),
            webhook_url,
        },
        nats,
    }
}

fn read_alertmanager(sinks: &mut Section, report: &mut Report) -> Vec<String> {
    let mut section = sinks.child(report, "alertmanager");
    let urls = section.read(report, "urls", Vec::<String>::new());
    for url in &urls.value {
        if let Some(fault) = url_fault(url) {
            report.problem(&urls.at, fault, "base URLs: \"http://alertmanager:9093\"");
        } else if url.contains('@') {
            report.problem(
                &urls.at,
                "a URL holds a user or password",
                "URLs are shown and logged; use an Alertmanager without authentication, or a proxy beside it",
            );
        }
    }
    section.finish(report);
    urls.value
}

fn read_nats(sinks: &mut Section, report: &mut Report) -> Option<Given<String>> {
    let default = Settings::default().nats_subject.unwrap_or_default();
    let mut section = sinks.child(report, "nats");
    let enabled = section.read(report, "enabled", true).value;
    let subject = section.read(report, "subject", default);
    check_literal(&subject, report);
    section.finish(report);
    enabled.then_some(subject)
}

fn read_webhook(sinks: &mut Section, report: &mut Report) -> Option<crate::secret::Secret> {
    let mut section = sinks.child(report, "webhook");
    let at = section.at();
    let url = section.read_secret(report, "url");
    if let Some(url) = &url
        // An empty one stands for a file that is not on this machine.
        && !url.expose().is_empty()
        && let Some(fault) = url_fault(url.expose())
    {
        report.problem(&at, fault, "url = \"https://HOST/PATH\", or url_file");
    }
    section.finish(report);
    url
}

/// What is wrong with a URL, without repeating it.
fn url_fault(url: &str) -> Option<&'static str> {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    let Some(rest) = rest else {
        return Some("a URL does not begin with http:// or https://");
    };
    if rest.is_empty() || rest.starts_with(['/', ':', '?', '#']) {
        return Some("a URL names no host");
    }
    if url.contains(char::is_whitespace) {
        return Some("a URL holds a blank");
    }
    None
}
