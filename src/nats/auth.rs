//! Who we are towards the server. Files are read anew for every connection, so that a rotated
//! credential is used at the next one without a restart.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use async_nats::{Auth, AuthError};

use super::{Error, Settings};

/// Most bytes read of a file with credentials; real ones have one or two KiB.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// The identity of the settings, ready to answer a server's nonce.
#[derive(Clone)]
pub(super) struct Identity {
    user: Option<String>,
    password: Option<String>,
    password_file: Option<PathBuf>,
    token: Option<String>,
    token_file: Option<PathBuf>,
    creds_file: Option<PathBuf>,
    nkey_file: Option<PathBuf>,
}

impl Identity {
    pub(super) fn new(settings: &Settings) -> Self {
        let text = |secret: &crate::secret::Secret| secret.expose().to_owned();
        Self {
            user: settings.user.clone(),
            password: settings.password.as_ref().map(text),
            password_file: settings.password_file.clone(),
            token: settings.token.as_ref().map(text),
            token_file: settings.token_file.clone(),
            creds_file: settings.creds_file.clone(),
            nkey_file: settings.nkey_file.clone(),
        }
    }

    /// Answers a server's nonce. Files are read on a thread for blocking work.
    pub(super) async fn answer(self, nonce: Vec<u8>) -> Result<Auth, AuthError> {
        let answer = tokio::task::spawn_blocking(move || self.sign(&nonce)).await;
        answer.map_err(AuthError::new)?.map_err(AuthError::new)
    }

    fn sign(self, nonce: &[u8]) -> Result<Auth, Error> {
        let mut auth = Auth::new();
        auth.username = self.user;
        auth.password = newest(self.password, self.password_file.as_deref())?;
        auth.token = newest(self.token, self.token_file.as_deref())?;
        if let Some(path) = self.creds_file {
            let text = read(&path)?;
            let (jwt, seed) = parse_creds(&text).ok_or_else(|| {
                unusable(
                    &path,
                    &"expected a user JWT and a seed between their markers",
                )
            })?;
            auth.jwt = Some(jwt.to_owned());
            auth.signature = Some(signature(&path, seed, nonce)?.1);
        } else if let Some(path) = self.nkey_file {
            let text = read(&path)?;
            let (public, signature) = signature(&path, text.trim(), nonce)?;
            auth.nkey = Some(public);
            auth.signature = Some(signature);
        }
        Ok(auth)
    }
}

/// Public key and signature of the nonce.
fn signature(path: &Path, seed: &str, nonce: &[u8]) -> Result<(String, Vec<u8>), Error> {
    // The library's errors name the kind of fault and never the seed.
    let pair = nkeys::KeyPair::from_seed(seed).map_err(|error| unusable(path, &error))?;
    let signature = pair.sign(nonce).map_err(|error| unusable(path, &error))?;
    Ok((pair.public_key(), signature))
}

/// What the file holds now, or what was given without one.
fn newest(given: Option<String>, file: Option<&Path>) -> Result<Option<String>, Error> {
    let Some(path) = file else {
        return Ok(given);
    };
    let text = read(path)?;
    Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned()))
}

fn read(path: &Path) -> Result<String, Error> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| unusable(path, &error))?;
    file.take(MAX_FILE_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| unusable(path, &error))?;
    Ok(text)
}

fn unusable(path: &Path, reason: &dyn std::fmt::Display) -> Error {
    Error::Credentials {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// JWT and seed of a credentials file: the first line after each `BEGIN` marker.
fn parse_creds(text: &str) -> Option<(&str, &str)> {
    let after = |what: &str| {
        text.lines()
            .skip_while(|line| !(is_marker(line) && line.contains("BEGIN") && line.contains(what)))
            .skip(1)
            .map(str::trim)
            .find(|line| !line.is_empty())
            .filter(|line| !is_marker(line))
    };
    Some((after("JWT")?, after("SEED")?))
}

fn is_marker(line: &str) -> bool {
    line.trim_start().starts_with("---")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    /// Written for this test; opens nothing.
    const SEED: &str = "SUANQDPB2RUOE4ETUA26CNX7FUKE5ZZKFCQIIW63OX225F2CO7UEXTM7ZY";

    fn creds() -> String {
        format!(
            "-----BEGIN NATS USER JWT-----\neyJ.a.b\n------END NATS USER JWT------\n\n\
             ************************* IMPORTANT *************************\n\
             -----BEGIN USER NKEY SEED-----\r\n{SEED}\r\n------END USER NKEY SEED------\n"
        )
    }

    fn identity(settings: &Settings) -> Identity {
        Identity::new(settings)
    }

    #[test]
    fn user_and_password_are_given_as_they_are() {
        let auth = identity(&Settings {
            user: Some("cx".into()),
            password: Some(Secret::new("pw".into())),
            ..Settings::default()
        })
        .sign(b"nonce")
        .unwrap();
        assert_eq!(auth.username.as_deref(), Some("cx"));
        assert_eq!(auth.password.as_deref(), Some("pw"));
        assert_eq!(auth.signature, None);
    }

    #[test]
    fn a_rotated_password_or_token_is_used_at_the_next_connection() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "old\n").unwrap();
        let given = Some(Secret::new("old".into()));
        let by_password = identity(&Settings {
            user: Some("cx".into()),
            password: given.clone(),
            password_file: Some(path.clone()),
            ..Settings::default()
        });
        let by_token = identity(&Settings {
            token: given,
            token_file: Some(path.clone()),
            ..Settings::default()
        });
        for secret in ["old", "new"] {
            std::fs::write(&path, format!("{secret}\n")).unwrap();
            let password = by_password.clone().sign(b"n").unwrap().password;
            assert_eq!(password.as_deref(), Some(secret));
            let token = by_token.clone().sign(b"n").unwrap().token;
            assert_eq!(token.as_deref(), Some(secret));
        }
    }

    #[test]
    fn files_are_read_anew_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("user.creds");
        let identity = identity(&Settings {
            creds_file: Some(path.clone()),
            ..Settings::default()
        });
        let missing = identity.clone().sign(b"n").err().unwrap().to_string();
        assert!(missing.contains("user.creds"), "{missing}");
        std::fs::write(&path, creds()).unwrap();
        let auth = identity.sign(b"nonce").unwrap();
        assert_eq!(auth.jwt.as_deref(), Some("eyJ.a.b"));
        let pair = nkeys::KeyPair::from_seed(SEED).unwrap();
        pair.verify(b"nonce", &auth.signature.unwrap()).unwrap();
    }

    #[test]
    fn an_nkey_signs_and_names_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seed");
        std::fs::write(&path, format!("{SEED}\n")).unwrap();
        let auth = identity(&Settings {
            nkey_file: Some(path),
            ..Settings::default()
        })
        .sign(b"nonce")
        .unwrap();
        let pair = nkeys::KeyPair::from_seed(SEED).unwrap();
        assert_eq!(auth.nkey, Some(pair.public_key()));
        pair.verify(b"nonce", &auth.signature.unwrap()).unwrap();
    }

    #[test]
    fn a_broken_file_is_named_and_its_contents_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("user.creds");
        std::fs::write(&path, creds().replace(SEED, "SUASECRETCANARY")).unwrap();
        let error = identity(&Settings {
            creds_file: Some(path),
            ..Settings::default()
        })
        .sign(b"n")
        .err()
        .unwrap();
        let text = format!("{error} {error:?}");
        assert!(!text.contains("CANARY"), "{text}");
    }
}
