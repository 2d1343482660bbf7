//! From checkpoint files to an engine and the position to go on from.

use std::path::PathBuf;
use std::sync::Arc;

use tracing::{error, info, warn};
use xxhash_rust::xxh3::xxh3_64;

use crate::checkpoint::{FormatError, Found, Place, Store, StoreError};
use crate::config::Config;
use crate::engine::{Engine, WaitingPolicy};

/// Why the service cannot begin with what the checkpoint directory holds.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The directory cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A newer version of cxpulse wrote the state.
    #[error(
        "{path} has format version {found}, which this build does not read; \
         run the version that wrote it, or pass --accept-state-reset to begin anew"
    )]
    Version {
        /// The checkpoint.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
}

/// What there is to go on from.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) engine: Engine,
    /// How far the stream is in the state; `None` at a fresh start.
    pub(super) place: Option<Place>,
    /// The number of the next checkpoint.
    pub(super) next_number: u64,
    /// There was state, and it was not taken since the configuration shapes it differently: it is
    /// to be rebuilt from the stream.
    pub(super) rebuilds: Option<Place>,
}

/// Hash of everything in the configuration that shapes state: a state of another shape is not
/// continued.
pub fn fingerprint(config: &Config) -> u64 {
    let mut engine = config.engine.clone();
    // Bounds do not shape what is in the state, and which windows are shown does not either.
    engine.max_entries = 0;
    engine.kpis.fcr.max_contacts = 0;
    for window in &mut engine.windows {
        window.for_alert_only = false;
    }
    let mut decode = config.decode.clone();
    decode.max_event_bytes = 0;
    decode.max_message_bytes = 0;
    let source = (&config.source.stream, &config.source.subjects);
    xxh3_64(format!("{engine:?}{decode:?}{source:?}").as_bytes())
}

/// Takes the newest checkpoint that is whole and fits; damaged ones are put aside.
///
/// # Errors
/// When the directory cannot be read, or the newest checkpoint is of a newer format and
/// `accept_reset` does not allow to begin anew.
pub(super) fn recover(
    store: &Store,
    config: &Config,
    accept_reset: bool,
) -> Result<Recovered, RecoveryError> {
    let settings = Arc::new(config.engine.clone());
    let policy = WaitingPolicy::Keep;
    let fresh = || Engine::new(Arc::clone(&settings), policy);
    let files = store.list()?;
    let next_number = files.first().map_or(1, |(number, _)| number + 1);
    let mut rebuilds = None;
    for (number, path) in files {
        let found = match store.read(number, &path) {
            Ok(found) => found,
            Err(FormatError::Version { found }) if !accept_reset => {
                return Err(RecoveryError::Version { path, found });
            }
            Err(cause) => {
                put_aside(store, &path, &cause);
                continue;
            }
        };
        if found.head.fingerprint != fingerprint(config) {
            warn!(
                checkpoint = found.number,
                "the configuration shapes state differently now; the state is rebuilt from the stream"
            );
            rebuilds = found.head.place;
            break;
        }
        let Found { head, sections, .. } = found;
        match Engine::restore(Arc::clone(&settings), policy, sections) {
            Ok(engine) => {
                info!(
                    checkpoint = number,
                    sequence = head.place.as_ref().map(|place| place.sequence),
                    entries = engine.stats().ledger_entries,
                    "state restored"
                );
                return Ok(Recovered {
                    engine,
                    place: head.place,
                    next_number,
                    rebuilds: None,
                });
            }
            Err(cause) => put_aside(store, &path, &cause),
        }
    }
    Ok(Recovered {
        engine: fresh(),
        place: None,
        next_number,
        rebuilds,
    })
}

fn put_aside(store: &Store, path: &std::path::Path, cause: &dyn std::error::Error) {
    match store.quarantine(path) {
        Ok(aside) => warn!(
            path = %path.display(),
            aside = %aside.display(),
            %cause,
            "checkpoint is damaged and put aside; the one before it is taken"
        ),
        Err(failure) => error!(
            path = %path.display(),
            %cause,
            %failure,
            "checkpoint is damaged and cannot be put aside; the one before it is taken"
        ),
    }
}
