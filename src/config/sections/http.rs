//! `[http]`: how the HTTP server listens, and to whom it answers.

use std::path::PathBuf;
use std::time::Duration;

use crate::http::{Auth, Board, Limits, Settings, Tls};

use super::super::report::Report;
use super::super::section::Section;

/// Shortest time between two views.
const SHORTEST_REFRESH: Duration = Duration::from_millis(10);

pub(super) fn read(root: &mut Section, report: &mut Report) -> Settings {
    let default = Settings::default();
    let mut section = root.child(report, "http");
    let listen = section.read(report, "listen", default.listen);
    let refresh = section.read(report, "refresh_interval", default.refresh_interval);
    refresh.must(
        refresh.value >= SHORTEST_REFRESH,
        report,
        "is shorter than 10ms",
        "a new view is made this often: \"1s\"",
    );
    let auth_given = section.has("auth");
    let auth = read_auth(&mut section, report);
    let tls = read_tls(&mut section, report);
    let limits = read_limits(&mut section, report);
    section.finish(report);
    if !listen.value.ip().is_loopback() && !auth_given {
        report.warning(
            &listen.at,
            format!("everybody who reaches {} can read everything", listen.value),
            "set http.auth, or listen on 127.0.0.1",
        );
    }
    Settings {
        listen: listen.value,
        refresh_interval: refresh.value,
        auth,
        tls,
        limits,
        board: Board::default(),
    }
}

fn read_auth(http: &mut Section, report: &mut Report) -> Option<Auth> {
    const FORM: &str =
        "auth = { bearer_token_file = \"F\" } or { user = \"U\", password_file = \"F\" }";
    let mut section = http.optional_child(report, "auth")?;
    let bearer_given = section.has("bearer_token") || section.has("bearer_token_file");
    let user_given = section.has("user");
    let password_given = section.has("password") || section.has("password_file");
    let bearer = section.read_secret(report, "bearer_token");
    let user = section.optional::<String>(report, "user");
    let password = section.read_secret(report, "password");
    if bearer_given && (user_given || password_given) {
        report.problem(&section.at(), "asks for a token and for a user", FORM);
    } else if !(bearer_given || user_given && password_given) {
        report.problem(
            &section.at(),
            "needs a token, or a user with a password",
            FORM,
        );
    }
    if let Some(user) = user.as_ref().filter(|user| user.value.contains(':')) {
        report.problem(
            &user.at,
            "a user name of basic authentication has no colon",
            "the colon separates user and password in the header",
        );
    }
    section.finish(report);
    match (bearer, user, password) {
        (Some(token), _, _) => Some(Auth::Bearer(token)),
        (None, Some(user), Some(password)) => Some(Auth::Basic {
            user: user.value,
            password,
        }),
        (None, _, _) => None,
    }
}

fn read_tls(http: &mut Section, report: &mut Report) -> Option<Tls> {
    const FORM: &str = "tls = { cert_file = \"cert.pem\", key_file = \"key.pem\" }";
    let mut section = http.optional_child(report, "tls")?;
    let cert_file = section.required::<PathBuf>(report, "cert_file", FORM);
    let key_file = section.required::<PathBuf>(report, "key_file", FORM);
    section.finish(report);
    Some(Tls {
        cert_file: cert_file?.value,
        key_file: key_file?.value,
    })
}

fn read_limits(http: &mut Section, report: &mut Report) -> Limits {
    let default = Limits::default();
    let mut section = http.child(report, "limits");
    let connections = section.read(report, "max_connections", default.max_connections);
    connections.not_zero(report, "the default is 512");
    let readers = section.read(report, "max_stream_clients", default.max_stream_clients);
    readers.not_zero(report, "the default is 256");
    let timeout = section.read(report, "header_timeout", default.header_timeout);
    timeout.not_zero(report, "the default is \"10s\"");
    let write = section.read(report, "write_timeout", default.write_timeout);
    write.not_zero(report, "the default is \"30s\"");
    section.finish(report);
    Limits {
        max_connections: connections.value,
        max_stream_clients: readers.value,
        header_timeout: timeout.value,
        write_timeout: write.value,
    }
}
