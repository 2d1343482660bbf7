//! The checkpoint directory: locked by one process, with the key of the id hashes and the name of
//! the instance.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::store::Store;
use crate::event::HashKey;

/// What can be wrong with the directory.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It cannot be used.
    #[error("cannot use {path}")]
    Io {
        /// The directory or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has it.
    #[error("{path} is in use by another cxpulse; give each its own checkpoint.dir")]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// A file in it is not what it should be.
    #[error("{path} is damaged; restore it, or remove the whole directory to begin anew")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// A directory that this process owns until it is dropped.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    key: HashKey,
    instance: String,
    /// Holds the lock as long as it is open.
    _lock: File,
}

impl Directory {
    /// Makes the directory (mode 0700) where it is missing, locks it, and reads or makes the key
    /// and the instance name (mode 0600).
    ///
    /// # Errors
    /// When it cannot be made, read or written, or another process has it.
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        let failed = |at: &Path| {
            let place = at.to_owned();
            move |source| DirectoryError::Io {
                path: place,
                source,
            }
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed(path))?;
        let lock_path = path.join("lock");
        let lock = open_lock(&lock_path).map_err(failed(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(DirectoryError::Locked {
                    path: path.to_owned(),
                });
            }
            Err(fs::TryLockError::Error(source)) => return Err(failed(&lock_path)(source)),
        }
        let key_path = path.join("key");
        let key = read_or_make(&key_path, 16, &HashKey::random().to_bytes())?;
        let instance_path = path.join("instance");
        let fresh = format!("{:016x}", rand::random::<u64>());
        let instance = read_or_make(&instance_path, 16, fresh.as_bytes())?;
        let instance = String::from_utf8(instance)
            .ok()
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric()))
            .ok_or(DirectoryError::Damaged {
                path: instance_path,
            })?;
        let bytes = key
            .try_into()
            .map_err(|_| DirectoryError::Damaged { path: key_path })?;
        Ok(Self {
            path: path.to_owned(),
            key: HashKey::from_bytes(bytes),
            instance,
            _lock: lock,
        })
    }

    /// The checkpoint files in it, `keep` generations.
    pub fn store(&self, keep: usize) -> Store {
        let identity = Identity {
            key: self.key,
            instance: self.instance.clone(),
            lock: Arc::default(),
        };
        Store::new(&self.path, keep).with_identity(identity)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key of the id hashes of this installation.
    pub fn key(&self) -> HashKey {
        self.key
    }

    /// The name of this instance: 16 letters and digits.
    pub fn instance(&self) -> &str {
        &self.instance
    }
}

/// What a directory that was removed while in use is made again with: a checkpoint is worth nothing
/// without the key that its ids were hashed with.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    key: HashKey,
    instance: String,
    /// The lock on the directory that was made again.
    lock: Arc<Mutex<Option<File>>>,
}

impl Identity {
    /// Makes the directory with lock, key and instance again where they are gone.
    pub(super) fn restore(&self, path: &Path) -> io::Result<()> {
        let key_path = path.join("key");
        match fs::read(&key_path) {
            Ok(bytes) if bytes == self.key.to_bytes() => return Ok(()),
            Ok(_) => {
                return Err(io::Error::other("its key is another one than at the start"));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)?;
        let lock_path = path.join("lock");
        if !lock_path.exists() {
            let lock = open_lock(&lock_path)?;
            lock.try_lock()?;
            *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = Some(lock);
        }
        write_atomically(&path.join("instance"), self.instance.as_bytes())?;
        // Last: while it is missing, all of this is tried again.
        write_atomically(&key_path, &self.key.to_bytes())
    }
}

/// Options for a file that only the owner may read, never through a link.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(O_NOFOLLOW);
    options
}

/// Opens the file to lock, made where it is missing. It is held open for reading only: a file that
/// is open for writing would keep an administrator from making the disk read-only.
fn open_lock(path: &Path) -> io::Result<File> {
    match private().read(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            drop(
                private()
                    .create(true)
                    .write(true)
                    .truncate(false)
                    .open(path)?,
            );
            private().read(true).open(path)
        }
        opened => opened,
    }
}

/// Refuse to open a symbolic link.
#[cfg(target_os = "linux")]
const O_NOFOLLOW: i32 = 0o400_000;
#[cfg(not(target_os = "linux"))]
const O_NOFOLLOW: i32 = 0x100;

/// Makes a new entry of the directory durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn read_or_make(path: &Path, length: u64, fresh: &[u8]) -> Result<Vec<u8>, DirectoryError> {
    let failed = |source| DirectoryError::Io {
        path: path.to_owned(),
        source,
    };
    match private().read(true).open(path) {
        Ok(file) => {
            let mut bytes = Vec::new();
            file.take(length + 1)
                .read_to_end(&mut bytes)
                .map_err(failed)?;
            if u64::try_from(bytes.len()).unwrap_or(u64::MAX) == length {
                Ok(bytes)
            } else {
                Err(DirectoryError::Damaged {
                    path: path.to_owned(),
                })
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write_atomically(path, fresh).map_err(failed)?;
            Ok(fresh.to_vec())
        }
        Err(error) => Err(failed(error)),
    }
}

/// Writes a small file so that it is either there as a whole or not at all: temporary file, sync,
/// rename, sync of the directory.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = private()
        .create(true)
        .write(true)
        .truncate(true)
        .open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_directory(path.parent().unwrap_or(Path::new(".")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_directory_has_one_owner_and_keeps_its_key() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("state");
        let first = Directory::open(&path).unwrap();
        assert!(matches!(
            Directory::open(&path),
            Err(DirectoryError::Locked { .. })
        ));
        let (key, instance) = (first.key(), first.instance().to_owned());
        drop(first);
        let second = Directory::open(&path).unwrap();
        assert_eq!((second.key(), second.instance()), (key, instance.as_str()));
        let mode = |at: &Path| fs::metadata(at).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join("key")), 0o600);
    }

    #[test]
    fn a_damaged_key_is_named_and_not_replaced() {
        let root = tempfile::tempdir().unwrap();
        drop(Directory::open(root.path()).unwrap());
        fs::write(root.path().join("key"), b"short").unwrap();
        assert!(matches!(
            Directory::open(root.path()),
            Err(DirectoryError::Damaged { .. })
        ));
    }
}
