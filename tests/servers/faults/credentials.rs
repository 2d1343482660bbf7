//! Credentials that expire or are rotated, and certificates that are wrong: cxpulse says so, waits,
//! and goes on once they are right, without a restart.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cxpulse::time::{Clock, SystemClock};
use nkeys::KeyPair;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Published, Replica, WITHIN, create_streams};
use crate::support::broker::Broker;
use crate::support::process;
use crate::support::tools::require_tool;
use crate::traffic::Traffic;

/// A server, one cxpulse, and what was published.
struct Scene {
    broker: Broker,
    replica: Replica,
    traffic: Traffic,
    published: Published,
    folder: TempDir,
}

impl Scene {
    /// Makes the streams and starts a cxpulse that logs in with these keys of `[nats]`; `more`
    /// follows the configuration.
    fn start(broker: Broker, folder: TempDir, login: &str, more: &str) -> Self {
        create_streams(&mut broker.client());
        let replica = Replica::start("only", &broker.url(), folder.path(), |config| {
            config.replace("[nats]\n", &format!("[nats]\n{login}\n")) + more
        });
        let now_ms = SystemClock.now().as_millis();
        Self {
            broker,
            replica,
            traffic: Traffic::before(now_ms, 5),
            published: Published {
                messages: Vec::new(),
                now_ms,
            },
            folder,
        }
    }

    fn publish(&mut self) {
        let messages = self.traffic.messages(100);
        let mut nats = self.broker.client();
        nats.publish_acknowledged(&messages).unwrap();
        self.published.messages.extend(messages);
    }

    fn is_connected(&self) -> bool {
        let page = self.replica.service.metrics();
        page.value("cxpulse_nats_connected", &[]) == Some(1.0)
    }

    /// Disconnected, with these words in the log, while more is published.
    fn waits(&mut self, words: &str) {
        process::wait_until("a refused cxpulse", WITHIN, || {
            !self.is_connected() && self.replica.service.log().contains(words)
        });
        self.publish();
        assert!(!self.is_connected());
    }

    fn check(&mut self) {
        self.replica.check(&self.published);
    }

    /// Replaces the server's configuration while it runs.
    fn reload(&self, text: &str) {
        fs::write(self.folder.path().join("server.conf"), text).unwrap();
        self.broker.signal("HUP");
    }
}

/// A server that is not running yet, with this configuration.
fn prepare(binary: &Path, folder: &Path, text: &str) -> Broker {
    let config = folder.join("server.conf");
    fs::write(&config, text).unwrap();
    Broker::prepare(binary, folder)
        .argument("-c")
        .argument(config.display().to_string())
}

/// A JSON web token as the server wants it.
fn token(issuer: &KeyPair, subject: &KeyPair, expires: Option<i64>, nats: &Value) -> String {
    let mut claims = json!({
        "jti": "test", "iat": SystemClock.now().as_millis() / 1000,
        "iss": issuer.public_key(), "sub": subject.public_key(), "name": "test", "nats": nats,
    });
    if let Some(expires) = expires {
        claims["exp"] = json!(expires);
    }
    let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let body = format!(
        "{}.{}",
        encode(header.to_string()),
        encode(claims.to_string())
    );
    let signature = issuer.sign(body.as_bytes()).unwrap();
    format!("{body}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Issue 5: expired credentials.
#[test]
fn expired_credentials_recover_with_a_new_file() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let [operator, account, user] = [
        KeyPair::new_operator(),
        KeyPair::new_account(),
        KeyPair::new_user(),
    ];
    let all = json!({ "subs": -1, "data": -1, "payload": -1 });
    let with = |more: Value| {
        let mut claims = all.clone();
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    };
    let limits = with(json!({
        "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
        "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
    }));
    let of_account = json!({ "type": "account", "version": 2, "limits": limits });
    let of_operator = json!({ "type": "operator", "version": 2 });
    let of_user = with(json!({ "type": "user", "version": 2 }));
    let bearer = with(json!({ "type": "user", "version": 2, "bearer_token": true }));
    let system = KeyPair::new_account();
    let of_system = json!({ "type": "account", "version": 2, "limits": all });
    let config = format!(
        "operator: {}\nresolver: MEMORY\nsystem_account: {}\n\
         resolver_preload: {{ {}: {}, {}: {} }}\n",
        token(&operator, &operator, None, &of_operator),
        system.public_key(),
        system.public_key(),
        token(&operator, &system, None, &of_system),
        account.public_key(),
        token(&operator, &account, None, &of_account),
    );
    let ours = token(&account, &KeyPair::new_user(), None, &bearer);
    let mut broker = prepare(&binary, folder.path(), &config).login(json!({ "jwt": ours }));
    broker.start();

    let file = folder.path().join("user.creds");
    let write_creds = |seconds: i64| {
        let expires = SystemClock.now().as_millis() / 1000 + seconds;
        let jwt = token(&account, &user, Some(expires), &of_user);
        let seed = user.seed().unwrap();
        let text = format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        fs::write(&file, text).unwrap();
    };
    write_creds(4);
    let login = format!("creds_file = {file:?}");
    let mut scene = Scene::start(broker, folder, &login, "");
    scene.publish();
    scene.check();
    // The server ends the connection when the time has come, and takes no such login any more.
    scene.waits("waiting for NATS");
    write_creds(3600);
    scene.check();
    assert!(!scene.replica.service.log().contains(&user.seed().unwrap()));
    scene.replica.stop();
}

/// Issue 5: rotated credentials.
#[test]
fn a_rotated_password_recovers_with_a_new_file() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let config = |password: &str| {
        format!(
            "authorization {{ users: [ {{ user: raw, password: raw }},\n\
             {{ user: cx, password: {password} }} ] }}\nno_auth_user: raw\n"
        )
    };
    let mut broker = prepare(&binary, folder.path(), &config("old-canary"));
    broker.start();
    let file = folder.path().join("password");
    fs::write(&file, "old-canary\n").unwrap();
    let login = format!("user = \"cx\"\npassword_file = {file:?}");
    let mut scene = Scene::start(broker, folder, &login, "");
    scene.publish();
    scene.check();
    scene.reload(&config("new-canary"));
    scene.waits("authorization violation");
    fs::write(&file, "new-canary\n").unwrap();
    scene.check();
    assert!(!scene.replica.service.log().contains("canary"));
    scene.replica.stop();
}

fn tls_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/servers/tls")
        .join(name)
}

/// Issue 5, show 4.
#[test]
fn an_expired_certificate_and_a_wrong_authority_are_named_and_waited_for() {
    let binary = require_tool!("nats-server");
    let folder = tempfile::tempdir().unwrap();
    let config = |name: &str| {
        format!(
            "tls {{ cert_file: {:?}, key_file: {:?} }}\nallow_non_tls: true\n",
            tls_file(&format!("{name}.pem")),
            tls_file(&format!("{name}.key")),
        )
    };
    let mut broker = prepare(&binary, folder.path(), &config("server"));
    broker.start();
    let authority = folder.path().join("ca.pem");
    fs::copy(tls_file("other-ca.pem"), &authority).unwrap();
    let tls = format!("[nats.tls]\nca_file = {authority:?}\nrequired = true\n");
    let mut scene = Scene::start(broker, folder, "", &tls);
    scene.waits("UnknownIssuer");
    scene.reload(&config("expired"));
    let both = [tls_file("ca.pem"), tls_file("old-ca.pem")].map(|path| fs::read(path).unwrap());
    fs::write(&authority, both.concat()).unwrap();
    scene.waits("certificate expired");
    scene.reload(&config("server"));
    scene.check();
    // The reason has the time in it; told now and then all the same.
    let log = scene.replica.service.log();
    assert!(log.matches("certificate expired").count() < 20, "{log}");
    scene.replica.stop();
}
