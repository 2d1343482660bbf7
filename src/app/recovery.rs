//! From checkpoint files to an engine and the position to go on from.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use tracing::{error, info, warn};
use xxhash_rust::xxh3::xxh3_64;

use crate::checkpoint::{FormatError, Place, Sections, Store, StoreError};
use crate::config::Config;
use crate::engine::{
    Engine, Part, RestoreError, Restoring, Section, SectionKind, Settings, WaitingPolicy,
};
use crate::event::HashKey;
use crate::source::{Attached, Begin};
use crate::time::Timestamp;

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
    /// The configuration has changed and the stream does not hold what the state is made of.
    #[error(
        "the configuration shapes state differently than before, and the state cannot be rebuilt: \
         {why}; go back to the configuration of before, or pass --accept-state-reset to begin with \
         what the stream holds"
    )]
    History {
        /// What is missing.
        why: String,
    },
}

/// Sections on their way to each part of the state: reading is ahead by no more.
const SECTIONS_AHEAD: usize = 64;

/// Why the state of one checkpoint cannot be taken.
#[derive(Debug, thiserror::Error)]
enum TakeError {
    /// The file is not whole.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// What is in it does not fit together.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The system gives no thread.
    #[error("no thread to restore state on")]
    Thread(#[source] io::Error),
}

/// State that is to be rebuilt from the stream, once the stream is known to hold what it takes.
#[derive(Clone, Debug)]
pub(super) struct Rebuild {
    /// How far the stream was in the state that is not continued; `None` when it was never read.
    pub(super) place: Option<Place>,
}

impl Rebuild {
    /// Makes sure that the stream is the one that was read, and reaches back to where reading
    /// begins: `needed_from` where that is not said by the configuration.
    ///
    /// # Errors
    /// When it does not.
    pub(super) fn check(
        &self,
        attached: &Attached,
        begin: Begin,
        needed_from: Timestamp,
    ) -> Result<(), RecoveryError> {
        let Some(place) = &self.place else {
            return Ok(());
        };
        let found = &attached.identity;
        if place.stream != found.name || place.created_ns != found.created_ns {
            let was = format!("{}@{}", place.stream, place.created_ns);
            let why = format!("it was made from stream {was}, and this is {found}");
            return Err(RecoveryError::History { why });
        }
        let from = match begin {
            Begin::At(moment) => moment,
            Begin::Earliest | Begin::Latest => needed_from,
        };
        let is_whole = attached.first_sequence <= 1;
        if is_whole || attached.first_stored_at.is_some_and(|first| first <= from) {
            return Ok(());
        }
        let why = match attached.first_stored_at {
            Some(first) => {
                format!("it takes messages from {from} on, the stream begins at {first}")
            }
            None => format!("it takes messages from {from} on, the stream holds none"),
        };
        Err(RecoveryError::History { why })
    }
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
    pub(super) rebuild: Option<Rebuild>,
}

/// Hash of everything that shapes state: a state of another shape is not continued. The key that
/// ids are hashed with is part of it: under another key no record would be known again.
pub fn fingerprint(config: &Config, key: HashKey) -> u64 {
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
    let mut shape = format!("{engine:?}{decode:?}{source:?}").into_bytes();
    shape.extend_from_slice(&key.to_bytes());
    xxh3_64(&shape)
}

/// Takes the newest checkpoint that is whole and fits; damaged ones are put aside.
///
/// # Errors
/// When the directory cannot be read, or the newest checkpoint is of a newer format and
/// `accept_reset` does not allow to begin anew.
pub(super) fn recover(
    store: &Store,
    config: &Config,
    key: HashKey,
    accept_reset: bool,
) -> Result<Recovered, RecoveryError> {
    let settings = Arc::new(config.engine.clone());
    let policy = WaitingPolicy::Keep;
    let fresh = || Engine::new(Arc::clone(&settings), policy);
    let files = store.list()?;
    let next_number = files.first().map_or(1, |(number, _)| number + 1);
    let expected = fingerprint(config, key);
    let mut rebuild = None;
    for (number, path) in files {
        let (head, sections) = match store.open(&path) {
            Ok(opened) => opened,
            Err(FormatError::Version { found }) if !accept_reset => {
                return Err(RecoveryError::Version { path, found });
            }
            Err(cause) => {
                put_aside(store, &path, &cause);
                continue;
            }
        };
        if head.fingerprint != expected {
            warn!(
                checkpoint = number,
                "the configuration shapes state differently now; the state is rebuilt from the stream"
            );
            rebuild = (!accept_reset).then_some(Rebuild { place: head.place });
            break;
        }
        match take(&settings, policy, sections) {
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
                    rebuild: None,
                });
            }
            Err(cause) => put_aside(store, &path, &cause),
        }
    }
    Ok(Recovered {
        engine: fresh(),
        place: None,
        next_number,
        rebuild,
    })
}

/// Puts the state of a checkpoint back: ledger, chains and panes on a thread each, while the file is
/// read. It is only handed out once the file has been found whole.
fn take(
    settings: &Arc<Settings>,
    policy: WaitingPolicy,
    mut sections: Sections<impl Read>,
) -> Result<Engine, TakeError> {
    let head = sections.next().ok_or(RestoreError::NoHead)??;
    let mut restoring = Restoring::begin(Arc::clone(settings), policy, &head)?;
    std::thread::scope(|scope| {
        let workers: Result<Vec<Worker<'_>>, _> = restoring
            .parts()
            .into_iter()
            .map(|part| Worker::start(scope, part))
            .collect();
        let workers = workers.map_err(TakeError::Thread)?;
        let read = hand_out(sections, &workers);
        // Those that have not come to their end hear of it before one is waited for.
        let threads: Vec<_> = workers.into_iter().map(Worker::end).collect();
        let taken: Vec<_> = threads.into_iter().map(taken_by).collect();
        let is_read = read?;
        taken.into_iter().collect::<Result<(), _>>()?;
        is_read.ok_or(TakeError::Restore(RestoreError::NoEnd))
    })?;
    Ok(restoring.finish())
}

/// Hands each section to the part that it belongs to, until there are no more; `None` when a part does not
/// take one and will say why, or when one has not come to its end.
fn hand_out(
    sections: Sections<impl Read>,
    workers: &[Worker<'_>],
) -> Result<Option<()>, TakeError> {
    let mut ended = vec![false; workers.len()];
    for section in sections {
        let section = section?;
        let at = workers
            .iter()
            .position(|worker| worker.kind == section.kind)
            .ok_or(RestoreError::NoHead)?;
        if std::mem::replace(&mut ended[at], section.is_last()) {
            return Err(RestoreError::NoEnd.into());
        }
        if workers[at].sections.send(section).is_err() {
            return Ok(None);
        }
    }
    let all_ended = !ended.contains(&false);
    Ok(all_ended.then_some(()))
}

/// The thread of one part.
struct Worker<'s> {
    kind: SectionKind,
    sections: SyncSender<Section>,
    thread: PartThread<'s>,
}

type PartThread<'s> = ScopedJoinHandle<'s, Result<(), RestoreError>>;

impl<'s> Worker<'s> {
    fn start<'e>(scope: &'s Scope<'s, 'e>, mut part: Part<'e>) -> io::Result<Self> {
        let (sender, receiver) = sync_channel::<Section>(SECTIONS_AHEAD);
        let kind = part.kind();
        let take_all = move || {
            for section in receiver {
                if section.is_last() {
                    break;
                }
                part.take(&section)?;
            }
            part.finish()
        };
        let builder = Builder::new().name(format!("restore {kind:?}").to_lowercase());
        Ok(Self {
            kind,
            sections: sender,
            thread: builder.spawn_scoped(scope, take_all)?,
        })
    }

    /// There are no more sections.
    fn end(self) -> PartThread<'s> {
        self.thread
    }
}

/// Waits for the thread of a part.
fn taken_by(thread: PartThread<'_>) -> Result<(), TakeError> {
    match thread.join() {
        Ok(taken) => Ok(taken?),
        Err(panic) => std::panic::resume_unwind(panic),
    }
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
