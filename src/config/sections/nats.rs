//! `[nats]`: the server and who we are to it.

use std::path::PathBuf;

use crate::nats::{Settings, Tls};

use super::super::finding::Origin;
use super::super::report::{Given, Report};
use super::super::section::Section;
use super::super::setting::Setting;

pub(super) fn read(root: &mut Section, report: &mut Report) -> Settings {
    let default = Settings::default();
    let mut section = root.child(report, "nats");
    let url = read_url(&mut section, report, &default.url);
    let name = section.read(report, "name", default.name).value;
    // What was written, not what could be read: an absent secret file is reported once.
    let user_given = section.has("user");
    let password_given = section.has("password") || section.has("password_file");
    let user = section.optional::<String>(report, "user");
    let (password, password_file) = section.read_secret_and_place(report, "password");
    let (token, token_file) = section.read_secret_and_place(report, "token");
    let creds_file = section.optional::<PathBuf>(report, "creds_file");
    let nkey_file = section.optional::<PathBuf>(report, "nkey_file");
    if user_given != password_given {
        report.problem(
            &user
                .as_ref()
                .map_or_else(|| section.at(), |user| user.at.clone()),
            "user and password belong together",
            "give `user` and `password` (or `password_file`)",
        );
    }
    let ways = [
        user_given || password_given,
        token.is_some(),
        creds_file.is_some(),
        nkey_file.is_some(),
    ];
    if ways.into_iter().filter(|given| *given).count() > 1 {
        report.problem(
            &section.at(),
            "says in several ways who we are",
            "keep one of user and password, token, creds_file, nkey_file",
        );
    }
    let tls = read_tls(&mut section, report);
    section.finish(report);
    Settings {
        url,
        name,
        user: user.map(|user| user.value),
        password,
        password_file,
        token,
        token_file,
        creds_file: creds_file.map(|file| file.value),
        nkey_file: nkey_file.map(|file| file.value),
        tls,
    }
}

/// The URL is shown and logged, so it must not hold a password. Taken apart before it is shown.
fn read_url(section: &mut Section, report: &mut Report, default: &str) -> String {
    let Some(node) = section.take(report, "url") else {
        let at = section.at_key("url", &Origin::Default);
        report.show(&at, default.to_owned().show());
        return default.to_owned();
    };
    let at = section.at_key("url", &node.origin);
    let parsed = String::parse(&node);
    let Some(text) = report.accept(&at, parsed) else {
        return default.to_owned();
    };
    let url = Given { value: text, at };
    let fault = url.value.split(',').find_map(server_fault);
    match fault {
        Some((message, hint)) => report.problem(&url.at, message, hint),
        None => report.show(&url.at, url.value.show()),
    }
    url.value
}

/// What is wrong with one server, without repeating it.
fn server_fault(server: &str) -> Option<(&'static str, &'static str)> {
    const FORM: &str = "nats://HOST:4222, tls://HOST:4222; several separated by commas";
    let server = server.trim();
    let (scheme, rest) = server.split_once("://").unwrap_or(("nats", server));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    if rest.contains('@') {
        return Some((
            "holds a user or password",
            "use the keys `user` and `password` (or `password_file`, `token_file`, `creds_file`)",
        ));
    }
    if !matches!(scheme, "nats" | "tls") {
        return Some(("is neither a nats:// nor a tls:// address", FORM));
    }
    let port = match authority.rsplit_once(':') {
        // A colon inside brackets belongs to an IPv6 address.
        Some((host, port)) if !port.contains(']') => (!host.is_empty()).then_some(port),
        _ => (!authority.is_empty()).then_some("4222"),
    };
    match port {
        None => Some(("names no host", FORM)),
        Some(port) if !port.parse().is_ok_and(|port: u16| port > 0) => {
            Some(("has a port that is no number from 1 to 65535", FORM))
        }
        Some(_) => None,
    }
}

fn read_tls(section: &mut Section, report: &mut Report) -> Option<Tls> {
    let mut tls = section.optional_child(report, "tls")?;
    let ca_file = tls.optional::<PathBuf>(report, "ca_file");
    let cert_file = tls.optional::<PathBuf>(report, "cert_file");
    let key_file = tls.optional::<PathBuf>(report, "key_file");
    let required = tls.read(report, "required", false).value;
    if cert_file.is_some() != key_file.is_some() {
        report.problem(
            &tls.at(),
            "certificate and key belong together",
            "give both `cert_file` and `key_file`",
        );
    }
    tls.finish(report);
    Some(Tls {
        ca_file: ca_file.map(|file| file.value),
        cert_file: cert_file.map(|file| file.value),
        key_file: key_file.map(|file| file.value),
        required,
    })
}

#[cfg(test)]
mod tests {
    use super::server_fault;

    #[test]
    fn takes_servers_in_all_their_forms() {
        for good in [
            "nats://127.0.0.1:4222",
            "tls://nats.example.com",
            "localhost:4222",
            "nats://[::1]:4222",
            "nats://[::1]",
        ] {
            assert_eq!(server_fault(good), None, "{good}");
        }
        for bad in [
            "nats://me:word@host:4222",
            "word@host",
            "http://host:4222",
            "nats://",
            "nats://:4222",
            "nats://host:0",
            "nats://host:70000",
            "",
        ] {
            assert!(server_fault(bad).is_some(), "{bad}");
        }
    }
}
