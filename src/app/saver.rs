//! The thread that writes checkpoints. The engine hands it sections and never waits for the disk:
//! when the channel is full it keeps the section and tries again between the next batches.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use prometheus::{Gauge, IntCounter};
use tracing::{debug, error, info};

use crate::checkpoint::{Head, Store, StoreError, Writing};
use crate::engine::{Engine, Section, SectionKind};
use crate::time::Clock;

/// Sections on their way to the disk.
const CHANNEL: usize = 64;
/// Bytes of sections taken from the engine between two batches, but for the last one of them: a few
/// milliseconds.
const STEP_BYTES: usize = 1 << 19;

enum Message {
    Begin(u64, Head),
    Section(Section),
    Commit,
}

/// What the saver counts.
#[derive(Clone, Debug)]
pub struct SaverMetrics {
    /// When the last checkpoint was written, seconds since the epoch.
    pub last_success: Gauge,
    /// Checkpoints that could not be written.
    pub failures: IntCounter,
}

/// The engine's side of checkpointing.
#[derive(Debug)]
pub struct Saver {
    sender: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<()>>,
    next_number: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Idle,
    /// A capture is under way; the message could not be sent yet.
    Capturing(Option<Message>),
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Begin(..) => "Begin",
            Self::Section(_) => "Section",
            Self::Commit => "Commit",
        })
    }
}

impl Saver {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        store: Store,
        next_number: u64,
        metrics: SaverMetrics,
        clock: std::sync::Arc<dyn Clock>,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(CHANNEL);
        let thread = std::thread::Builder::new()
            .name("checkpoint".into())
            .spawn(move || write_all(&store, &receiver, &metrics, clock.as_ref()))?;
        Ok(Self {
            sender: Some(sender),
            thread: Some(thread),
            next_number,
            state: State::Idle,
        })
    }

    /// Whether a checkpoint is being captured.
    pub fn is_busy(&self) -> bool {
        matches!(self.state, State::Capturing(_))
    }

    /// Begins a checkpoint of the present state, and says whether it has: not while one is under way
    /// or the thread is still writing the one before. A small one may be captured at once.
    pub fn begin(&mut self, engine: &mut Engine, head: Head) -> bool {
        if self.is_busy() {
            return false;
        }
        let number = self.next_number;
        let first = Message::Begin(number, head);
        let rest = match self.try_send(first) {
            // The thread is still busy with the one before: try again at the next occasion.
            Some(_) => return false,
            None => Message::Section(engine.begin_capture()),
        };
        self.next_number += 1;
        self.state = State::Capturing(self.try_send(rest));
        self.step(engine);
        true
    }

    /// Hands over a few sections; never waits.
    pub fn step(&mut self, engine: &mut Engine) {
        let mut taken = 0;
        while taken < STEP_BYTES {
            let State::Capturing(kept) = &mut self.state else {
                return;
            };
            let (message, is_last) = match kept.take() {
                Some(message) => {
                    let is_last = matches!(message, Message::Commit);
                    (message, is_last)
                }
                None => match engine.next_section() {
                    Some(section) => {
                        taken += weight(&section);
                        (Message::Section(section), false)
                    }
                    None => (Message::Commit, true),
                },
            };
            let unsent = self.try_send(message);
            if unsent.is_none() && is_last {
                self.state = State::Idle;
                return;
            }
            let is_full = unsent.is_some();
            self.state = State::Capturing(unsent);
            if is_full {
                return;
            }
        }
    }

    /// Finishes what is under way, writes one last checkpoint, and waits for the thread.
    pub fn finish(mut self, engine: &mut Engine, head: &Head) {
        while self.is_busy() {
            self.step_or_wait(engine);
        }
        while !self.begin(engine, head.clone()) {
            if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        while self.is_busy() {
            self.step_or_wait(engine);
        }
        self.sender = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            error!("the checkpoint thread ended in a panic");
        }
    }

    fn step_or_wait(&mut self, engine: &mut Engine) {
        self.step(engine);
        if matches!(&self.state, State::Capturing(Some(_))) {
            // The disk is behind: there is nothing else to do at the end of a run.
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
            self.state = State::Idle;
        }
    }

    /// Sends, or gives the message back when the channel is full. With a dead thread messages go
    /// nowhere: the failure has been logged there.
    fn try_send(&self, message: Message) -> Option<Message> {
        match self.sender.as_ref()?.try_send(message) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => None,
            Err(TrySendError::Full(message)) => Some(message),
        }
    }
}

/// What a section counts of a step: rows are gone through one by one, entries are copied.
fn weight(section: &Section) -> usize {
    match section.kind {
        SectionKind::Head => STEP_BYTES,
        SectionKind::Panes => section.bytes.len() * 4,
        SectionKind::Ledger | SectionKind::Chains => section.bytes.len(),
    }
}

fn write_all(
    store: &Store,
    messages: &Receiver<Message>,
    metrics: &SaverMetrics,
    clock: &dyn Clock,
) {
    let mut writing: Option<(u64, Writing)> = None;
    for message in messages {
        let result = match message {
            Message::Begin(number, head) => store.begin(number, &head).map(|new| {
                writing = Some((number, new));
            }),
            Message::Section(section) => match &mut writing {
                Some((_, writing)) => writing.section(&section),
                // A section of a checkpoint that has failed already.
                None => Ok(()),
            },
            Message::Commit => match writing.take() {
                Some((number, writing)) => writing.commit().map(|bytes| {
                    metrics.last_success.set(clock.now().as_seconds());
                    debug!(checkpoint = number, bytes, "checkpoint written");
                }),
                None => Ok(()),
            },
        };
        if let Err(failure) = result {
            writing = None;
            report(metrics, &failure);
        }
    }
    info!("checkpoints are written");
}

fn report(metrics: &SaverMetrics, failure: &StoreError) {
    metrics.failures.inc();
    let cause = std::error::Error::source(failure).map(ToString::to_string);
    error!(
        %failure,
        cause,
        "checkpoint failed; serving goes on, the checkpoints of before are kept, it is tried again"
    );
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::{Settings, WaitingPolicy};
    use crate::time::SystemClock;

    /// However small the state is.
    #[test]
    fn the_end_of_a_run_is_one_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let metrics = SaverMetrics {
            last_success: Gauge::new("last", "When.").unwrap(),
            failures: IntCounter::new("failures", "How many.").unwrap(),
        };
        let store = || Store::new(folder.path(), 3);
        let saver = Saver::start(store(), 1, metrics, Arc::new(SystemClock)).unwrap();
        let mut engine = Engine::new(Arc::new(Settings::default()), WaitingPolicy::Keep);
        let head = Head {
            fingerprint: 0,
            place: None,
        };
        saver.finish(&mut engine, &head);
        assert_eq!(store().list().unwrap().len(), 1);
    }
}
