//! What must hold for any bytes. The fuzz targets look for bytes for which it does not; the ordinary
//! tests (`tests/it/fuzz_corpus.rs`) run every input that was ever of interest through the same
//! checks. Both include this folder and name the crate `library`.

pub(crate) mod checkpoint;
pub(crate) mod config;
pub(crate) mod decode;

use super::library;
