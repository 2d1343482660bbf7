//! Checkpoint files: write one, find the newest whole one, keep a few.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use tracing::debug;

use super::directory::{Identity, private, sync_directory};
use super::faults::{self, Fault};
use super::format::{self, FormatError, Head, Sections, write_end, write_head, write_section};
use crate::engine::Section;

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 1 << 20;
/// Bytes read at a time of what is short. The rest of a section is read to where it stays.
const SHORT_BYTES: usize = 1 << 12;

/// What can go wrong with a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A step of writing or reading failed.
    #[error("cannot {step} {path}")]
    Io {
        /// What was tried.
        step: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The checkpoint files of one directory.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
    keep: usize,
    /// What the directory is made again with when it is gone.
    identity: Option<Identity>,
}

/// A checkpoint that was found whole.
#[derive(Debug)]
pub struct Found {
    /// Its number; the next one has the next.
    pub number: u64,
    /// What it says of itself.
    pub head: Head,
    /// The state.
    pub sections: Vec<Section>,
}

impl Store {
    /// The store in `directory`, which keeps `keep` generations (at least one).
    pub fn new(directory: &Path, keep: usize) -> Self {
        Self {
            directory: directory.to_owned(),
            keep: keep.max(1),
            identity: None,
        }
    }

    /// The same store in a directory that can be made again.
    pub(super) fn with_identity(self, identity: Identity) -> Self {
        let identity = Some(identity);
        Self { identity, ..self }
    }

    /// The checkpoints there are, the newest first: number and path.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn list(&self) -> Result<Vec<(u64, PathBuf)>, StoreError> {
        let entries = fs::read_dir(&self.directory).map_err(self.failed("list"))?;
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(self.failed("list"))?.path();
            if let Some(number) = number_of(&path) {
                found.push((number, path));
            }
        }
        found.sort_unstable_by(|left, right| right.cmp(left));
        Ok(found)
    }

    /// Reads one checkpoint, all of it, so that a damaged one is never begun.
    ///
    /// # Errors
    /// When it cannot be read or is not whole.
    pub fn read(&self, number: u64, path: &Path) -> Result<Found, FormatError> {
        let (head, sections) = self.open(path)?;
        let sections: Result<_, _> = sections.collect();
        Ok(Found {
            number,
            head,
            sections: sections?,
        })
    }

    /// Reads the head of one checkpoint; its sections follow. What is made of them must not be used
    /// before the last one was found whole.
    ///
    /// # Errors
    /// When it cannot be read or its head is not whole.
    pub fn open(&self, path: &Path) -> Result<(Head, Sections<BufReader<File>>), FormatError> {
        let file = private().read(true).open(path)?;
        format::open(BufReader::with_capacity(SHORT_BYTES, file))
    }

    /// Puts a file that is not a whole checkpoint aside, so that it is looked at once only.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn quarantine(&self, path: &Path) -> Result<PathBuf, StoreError> {
        let aside = path.with_extension("corrupt");
        fs::rename(path, &aside).map_err(|source| StoreError::Io {
            step: "put aside",
            path: path.to_owned(),
            source,
        })?;
        Ok(aside)
    }

    /// Begins checkpoint `number`.
    ///
    /// # Errors
    /// When the temporary file cannot be made. The directory is made again where it was removed.
    pub fn begin(&self, number: u64, head: &Head) -> Result<Writing, StoreError> {
        if let Some(identity) = &self.identity {
            identity
                .restore(&self.directory)
                .map_err(self.failed("make"))?;
        }
        // On a full disk what a crash left over may be what is missing.
        self.remove_unfinished()?;
        let temporary = self.directory.join(format!("checkpoint-{number:010}.tmp"));
        let failed = |source| StoreError::Io {
            step: "create",
            path: temporary.clone(),
            source,
        };
        faults::pass("create").map_err(failed)?;
        let file = private()
            .create(true)
            .write(true)
            .truncate(true)
            .open(&temporary);
        let mut writing = Writing {
            out: BufWriter::with_capacity(BUFFER_BYTES, file.map_err(failed)?),
            checksums: Vec::new(),
            target: self.directory.join(format!("checkpoint-{number:010}.cxp")),
            temporary,
            store: self.clone(),
            is_renamed: false,
        };
        write_head(&mut writing.out, head).map_err(writing.failed("write"))?;
        Ok(writing)
    }

    /// Removes all but the newest generations.
    fn prune(&self) -> Result<(), StoreError> {
        for (_, path) in self.list()?.into_iter().skip(self.keep) {
            remove(&path)?;
        }
        self.remove_unfinished()
    }

    /// Removes what unfinished writing left. Nobody else writes here, and one at a time.
    fn remove_unfinished(&self) -> Result<(), StoreError> {
        let entries = fs::read_dir(&self.directory).map_err(self.failed("list"))?;
        for entry in entries {
            let path = entry.map_err(self.failed("list"))?.path();
            let is_left_over = path.extension().is_some_and(|extension| extension == "tmp")
                && path
                    .file_stem()
                    .and_then(|stem| stem.to_str())
                    .is_some_and(|stem| stem.starts_with("checkpoint-"));
            if is_left_over {
                remove(&path)?;
            }
        }
        Ok(())
    }

    fn failed(&self, step: &'static str) -> impl Fn(io::Error) -> StoreError + use<> {
        let path = self.directory.clone();
        move |source| StoreError::Io {
            step,
            path: path.clone(),
            source,
        }
    }
}

/// A checkpoint being written.
#[derive(Debug)]
pub struct Writing {
    out: BufWriter<File>,
    checksums: Vec<u64>,
    temporary: PathBuf,
    target: PathBuf,
    store: Store,
    /// The temporary file has become the checkpoint.
    is_renamed: bool,
}

impl Drop for Writing {
    /// A checkpoint that failed gives its space back at once.
    fn drop(&mut self) {
        if !self.is_renamed && fs::remove_file(&self.temporary).is_err() {
            debug!(path = %self.temporary.display(), "an unfinished checkpoint is left to the next one");
        }
    }
}

impl Writing {
    /// Writes one section.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn section(&mut self, section: &Section) -> Result<(), StoreError> {
        if faults::pass("section").map_err(self.failed("write"))? == Some(Fault::Short) {
            let half = Section {
                kind: section.kind,
                bytes: section.bytes[..section.bytes.len() / 2].to_vec(),
            };
            write_section(&mut self.out, &half).map_err(self.failed("write"))?;
            self.out.flush().map_err(self.failed("write"))?;
            return Err(self.failed("write")(io::ErrorKind::WriteZero.into()));
        }
        let checksum = write_section(&mut self.out, section).map_err(self.failed("write"))?;
        self.checksums.push(checksum);
        Ok(())
    }

    /// Commits: end, sync, rename, sync of the directory; then old generations go. Returns the
    /// size of the file.
    ///
    /// # Errors
    /// When a step fails. The checkpoints of before are then still there.
    pub fn commit(mut self) -> Result<u64, StoreError> {
        write_end(&mut self.out, &self.checksums).map_err(self.failed("write"))?;
        faults::pass("before_sync").map_err(self.failed("sync"))?;
        self.out.flush().map_err(self.failed("write"))?;
        self.out.get_ref().sync_all().map_err(self.failed("sync"))?;
        let size = self
            .out
            .get_ref()
            .metadata()
            .map_err(self.failed("read"))?
            .len();
        faults::pass("before_rename").map_err(self.failed("rename"))?;
        fs::rename(&self.temporary, &self.target).map_err(self.failed("rename"))?;
        self.is_renamed = true;
        faults::pass("before_directory_sync").map_err(self.failed("sync"))?;
        sync_directory(&self.store.directory).map_err(self.store.failed("sync"))?;
        faults::pass("before_prune").map_err(self.failed("remove"))?;
        self.store.prune()?;
        faults::pass("after_commit").map_err(self.failed("remove"))?;
        Ok(size)
    }

    fn failed(&self, step: &'static str) -> impl Fn(io::Error) -> StoreError + use<> {
        let path = self.temporary.clone();
        move |source| StoreError::Io {
            step,
            path: path.clone(),
            source,
        }
    }
}

fn remove(path: &Path) -> Result<(), StoreError> {
    fs::remove_file(path).map_err(|source| StoreError::Io {
        step: "remove",
        path: path.to_owned(),
        source,
    })
}

/// The number of a checkpoint file; `None` for every other file.
fn number_of(path: &Path) -> Option<u64> {
    if path.extension()? != "cxp" {
        return None;
    }
    path.file_stem()?
        .to_str()?
        .strip_prefix("checkpoint-")?
        .parse()
        .ok()
}
