//! State on disk: versioned, checksummed, atomic.
//!
//! A checkpoint is one file, `checkpoint-<number>.cxp`: a head that says what state it is and how
//! far the stream was read, then sections, each with its checksum, then an end with their count. It
//! is written under another name, synced, renamed, and the directory synced: the rename is the
//! commit. The newest file that is whole counts; a file that is not is put aside as `.corrupt` and
//! the one before it is taken.

mod directory;
pub mod faults;
mod format;
mod settings;
mod store;

pub(crate) use directory::write_atomically;
pub use directory::{Directory, DirectoryError};
pub use format::{FORMAT_VERSION, FormatError, Head, Place, Sections, read};
pub use settings::Settings;
pub use store::{Found, Store, StoreError, Writing};
