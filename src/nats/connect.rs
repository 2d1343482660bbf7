//! Making the connection, and the options that keep it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, ServerAddr};
use tokio::sync::watch;
use tracing::{info, warn};

use super::auth::Identity;
use super::retry::{jittered, pause_after};
use super::{Error, Link, Retry, Settings, stopped};

/// A silent connection is given up when two pings were not answered by the time of the third: after
/// 7.5 s. Any sign of life puts the next ping off, so a slow connection is not taken for a dead one.
const PING_INTERVAL: Duration = Duration::from_millis(2500);
/// For the handshake with one server.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(5);
/// For one answer of the JetStream API.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Messages a subscription holds before the client drops some. The JetStream source never has
/// more than its outstanding requests in it; the one for core NATS moves them on at once.
pub const SUBSCRIPTION_CAPACITY: usize = 256 * 1024;
/// The first and the longest pause between attempts to reconnect. With the time that one attempt may
/// take it stays within twice the heartbeat of a source.
const RECONNECT: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];

/// Connects, waiting for a server as long as it takes.
///
/// One line says what is waited for and why, again when the reason changes and about once a
/// minute; one says that the connection stands. From then on the client reconnects by itself,
/// without a limit, and `link` reports it. No line ever shows a password, token or URL user.
///
/// # Errors
///
/// What no waiting heals: a server URL that does not parse or holds user information. And
/// [`Error::Stopped`] when `stop` came first. Unreadable credentials and refused logins are waited
/// for, since both may be put right.
pub async fn connect(
    settings: &Settings,
    link: &Arc<Link>,
    stop: &mut watch::Receiver<bool>,
) -> Result<Client, Error> {
    let servers = server_addresses(&settings.url)?;
    let mut retry = Retry::default();
    loop {
        let attempt = options(settings, link).connect(servers.clone());
        let result = tokio::select! {
            biased;
            () = stopped(stop) => return Err(Error::Stopped),
            result = attempt => result,
        };
        let reason = match result {
            Ok(client) => {
                link.attach(&client);
                let server = client.server_info();
                info!(
                    url = settings.url,
                    server = server.server_name,
                    version = server.version,
                    "connected to NATS"
                );
                return Ok(client);
            }
            Err(error) => error.to_string(),
        };
        if retry.worth_a_line(&reason) {
            warn!(url = settings.url, reason, "waiting for NATS");
        }
        let pause = retry.pause();
        tokio::select! {
            biased;
            () = stopped(stop) => return Err(Error::Stopped),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Connects to one of the servers, or says why none takes us.
///
/// # Errors
///
/// As [`connect`], and [`Error::Unreachable`] after one attempt with each server.
pub async fn connect_once(settings: &Settings, link: &Arc<Link>) -> Result<Client, Error> {
    let servers = server_addresses(&settings.url)?;
    let client = options(settings, link).connect(servers).await;
    let client = client.map_err(|error| Error::Unreachable {
        reason: error.to_string(),
    })?;
    link.attach(&client);
    Ok(client)
}

/// The servers of a comma-separated list of URLs; without a scheme `nats://` is meant, without a
/// port 4222.
///
/// # Errors
///
/// An empty list, a URL that does not parse, or one with user information, which would reach debug
/// logs of the client library.
pub fn server_addresses(url: &str) -> Result<Vec<ServerAddr>, Error> {
    let urls = url.split(',').map(str::trim).filter(|url| !url.is_empty());
    let mut servers = Vec::new();
    for (position, text) in (1..).zip(urls) {
        if text.contains('@') {
            return Err(Error::UserInfo { position });
        }
        let server = text.parse::<ServerAddr>().map_err(|error| Error::Url {
            position,
            reason: error.to_string(),
        })?;
        servers.push(server);
    }
    if servers.is_empty() {
        return Err(Error::NoServer);
    }
    Ok(servers)
}

fn options(settings: &Settings, link: &Arc<Link>) -> ConnectOptions {
    let identity = Identity::new(settings);
    let events = Arc::clone(link);
    let waiting = Arc::new(Mutex::new(Retry::default()));
    let mut options =
        ConnectOptions::with_auth_callback(move |nonce| identity.clone().answer(nonce))
            .name(&settings.name)
            .ping_interval(PING_INTERVAL)
            .connection_timeout(CONNECTION_TIMEOUT)
            .request_timeout(Some(REQUEST_TIMEOUT))
            .subscription_capacity(SUBSCRIPTION_CAPACITY)
            .max_reconnects(None)
            .reconnect_delay_callback(reconnect_pause)
            .reconnect_to_server_callback(move |servers, _| {
                report_failures(&waiting, &servers);
                // The library's own choice of server is fine: the least failed one first.
                async { None }
            })
            .event_callback(move |event| {
                events.on_event(&event);
                async {}
            });
    if let Some(tls) = &settings.tls {
        options = options.require_tls(tls.required);
        if let Some(file) = &tls.ca_file {
            options = options.add_root_certificates(file.clone());
        }
        if let (Some(cert), Some(key)) = (&tls.cert_file, &tls.key_file) {
            options = options.add_client_certificate(cert.clone(), key.clone());
        }
    }
    options
}

/// Says why reconnecting takes so long: the library only counts failed attempts by server.
fn report_failures(waiting: &Mutex<Retry>, servers: &[async_nats::Server]) {
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    let failed = servers.iter().max_by_key(|server| server.failed_attempts);
    match failed.and_then(|server| Some((server, server.last_error.as_ref()?))) {
        Some((server, reason)) if waiting.worth_a_line(reason) => {
            warn!(server = server.addr.host(), reason, "waiting for NATS");
        }
        Some(_) => {}
        None => waiting.reset(),
    }
}

fn reconnect_pause(attempts: usize) -> Duration {
    let [first, longest] = RECONNECT;
    // The first attempt is number 1.
    let failed = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
    jittered(pause_after(failed, first, longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_servers_are_read_from_one_text() {
        let servers = server_addresses("nats://a:1, b , tls://c").unwrap();
        let shown: Vec<(&str, u16)> = servers
            .iter()
            .map(|server| (server.host(), server.port()))
            .collect();
        assert_eq!(shown, [("a", 1), ("b", 4222), ("c", 4222)]);
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_shown() {
        for url in [
            "nats://user:canary@host",
            "nats://ok,canary@host",
            "nats://u:ca@nary@:x",
        ] {
            let error = server_addresses(url).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.contains("password"), "{text}");
            assert!(!text.contains("canary") && !text.contains("host"), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(matches!(server_addresses(" , "), Err(Error::NoServer)));
        let error = server_addresses("nats://fine,http://x").unwrap_err();
        assert!(matches!(error, Error::Url { position: 2, .. }), "{error}");
    }

    #[tokio::test]
    async fn waiting_ends_when_stopped() {
        // Nothing listens on a port that was just given back.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let settings = Settings {
            url: format!("nats://127.0.0.1:{port}"),
            ..Settings::default()
        };
        let (sender, mut stop) = watch::channel(false);
        let link = Link::new();
        let waiting = connect(&settings, &link, &mut stop);
        sender.send(true).unwrap();
        assert!(matches!(waiting.await, Err(Error::Stopped)));
        assert!(!link.connected());
    }
}
