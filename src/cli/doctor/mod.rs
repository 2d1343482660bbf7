//! `cxpulse doctor`: whether what cxpulse needs of its surroundings is there. Nothing is changed:
//! the consumer it makes is its own and deleted again, and what it publishes no stream stores.

mod findings;
mod history;
mod question;
mod rights;

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use async_nats::Client;
use clap::{Args, ValueEnum};

use self::findings::{Findings, State};
use self::question::Questioner;
use super::ConfigFile;
use crate::config::Config;
use crate::nats::{self, Link};
use crate::sink;
use crate::source::Mode;

/// Something failed.
const FAILED: u8 = 1;
/// Oldest server whose consumers filter by several subjects; older ones ignore `filter_subjects`.
const OLDEST_SERVER: [u32; 3] = [2, 10, 0];
/// Oldest server that is recommended: where JetStream does not answer it says so at once, older ones
/// let the request time out; and 2.10.20 to 2.10.22 may forget a whole stream when they are killed.
const RECOMMENDED_SERVER: [u32; 3] = [2, 10, 26];

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) config: ConfigFile,
    /// How to show what was found.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Longest wait for the connection, and for each answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    timeout: f64,
    /// Fail when there is something to be warned of.
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line for each thing that was looked at.
    Text,
    /// One object.
    Json,
}

/// Looks at everything and prints what was found; gives the exit code: 0, or 1 when something failed.
pub(super) fn run(arguments: &Arguments, config: &Config, out: &mut dyn Write) -> Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let limit = Duration::try_from_secs_f64(arguments.timeout)?;
    let mut findings = Findings::default();
    runtime.block_on(Box::pin(look(config, limit, &mut findings)));
    match arguments.format {
        Format::Text => findings.write_text(out)?,
        Format::Json => findings.write_json(out)?,
    }
    let warned = arguments.strict && findings.count(State::Warning) > 0;
    let failed = findings.count(State::Failed) > 0 || warned;
    Ok(if failed { FAILED } else { 0 })
}

async fn look(config: &Config, limit: Duration, findings: &mut Findings) {
    let link = Link::new();
    if let Some(client) = connect(config, &link, limit, findings).await {
        check_server(config, &client, findings);
        let mut questioner = Questioner::new(client, &link, limit);
        match config.source.mode {
            Mode::JetStream => {
                let stream = rights::check_reading(config, &mut questioner, findings).await;
                history::check(config, stream.as_ref(), findings);
            }
            Mode::Core => rights::check_subscribing(config, &mut questioner, findings).await,
        }
        rights::check_publishing(config, &mut questioner, findings).await;
    } else {
        for check in ["server", "right", "stream", "history", "clock"] {
            findings.skipped(check, "no connection to NATS");
        }
    }
    check_sinks(config, limit, findings).await;
}

async fn connect(
    config: &Config,
    link: &std::sync::Arc<Link>,
    limit: Duration,
    findings: &mut Findings,
) -> Option<Client> {
    let url = &config.nats.url;
    let connecting = nats::connect_once(&config.nats, link);
    let failure = match tokio::time::timeout(limit, connecting).await {
        Ok(Ok(client)) => {
            let server = client.server_info();
            findings.ok(
                "nats",
                format!("{url}: connected to {}", server.server_name),
            );
            return Some(client);
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no connection within {limit:?}"),
    };
    findings.failed("nats", format!("{url}: {failure}"), hint_for(&failure));
    None
}

/// What to do about a connection that is not made.
fn hint_for(failure: &str) -> &'static str {
    let failure = failure.to_lowercase();
    let says = |words: &str| failure.contains(words);
    if says("authorization") || says("authentication") {
        "the server does not know this login: see user, password, token, creds_file and nkey_file under [nats]"
    } else if says("expired") {
        "the certificate or the credentials are past their time: renew them"
    } else if says("unknownissuer") || says("certificate") {
        "the server's certificate is not signed by nats.tls.ca_file (or the system's authorities)"
    } else if says("tls") {
        "compare nats.tls with the server's tls settings"
    } else if says("refused") {
        "nothing listens there: is the server up, and is nats.url right?"
    } else {
        "is nats.url right, and does a firewall let it through?"
    }
}

fn check_server(config: &Config, client: &Client, findings: &mut Findings) {
    let info = client.server_info();
    let version = version_of(&info.version);
    let text = format!("nats-server {}", info.version);
    if version < OLDEST_SERVER {
        let hint = "cxpulse needs 2.10 or newer: older ones ignore filter_subjects";
        findings.failed("server", text, hint);
    } else if version < RECOMMENDED_SERVER {
        findings.warning("server", text, "2.10.26 or newer is recommended");
    } else {
        findings.ok("server", text);
    }
    let largest = config.decode.max_message_bytes;
    if info.max_payload > largest {
        findings.warning(
            "server",
            format!("takes messages of up to {} bytes", info.max_payload),
            format!(
                "events.max_message_bytes is {largest}: larger messages are rejected as too_large"
            ),
        );
    }
}

/// The numbers of `2.15.1` and `2.12.0-beta.1`; what cannot be read is 0.
fn version_of(text: &str) -> [u32; 3] {
    let mut numbers = text
        .split(['.', '-', '+'])
        .map(|part| part.parse().unwrap_or(0));
    [(); 3].map(|()| numbers.next().unwrap_or(0))
}

async fn check_sinks(config: &Config, limit: Duration, findings: &mut Findings) {
    for probe in sink::probe(&config.sink, limit).await {
        let place = probe.place;
        match probe.outcome {
            Ok(()) => findings.ok(probe.sink, format!("{place}: reachable")),
            Err(reason) => findings.failed(
                probe.sink,
                format!("{place}: {reason}"),
                "alerts are kept and delivered once it answers",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert_eq!(version_of("2.15.1"), [2, 15, 1]);
        assert_eq!(version_of("2.12.0-beta.1"), [2, 12, 0]);
        assert!(version_of("2.9.25") < OLDEST_SERVER);
        assert!(version_of("") < OLDEST_SERVER);
    }

    #[test]
    fn each_failure_has_its_advice() {
        for (failure, word) in [
            ("authorization violation", "login"),
            ("invalid peer certificate: Expired", "renew"),
            ("invalid peer certificate: UnknownIssuer", "signed"),
            ("Connection refused (os error 111)", "listens"),
            ("no connection within 5s", "firewall"),
        ] {
            assert!(hint_for(failure).contains(word), "{failure}");
        }
    }
}
