//! The bytes of a checkpoint file.
//!
//! ```text
//! magic "CXPULSE\n" | version u32 | length u32 | head (postcard) | checksum u64
//! section*: kind u8 | length u64 | bytes | checksum u64 over kind, length and bytes
//! end:      kind 0  | count u64 | checksum u64 over the checksums of all sections
//! ```
//! The first line is the same in every version of the format; what follows may change with it.
//! Integers are little-endian, checksums XXH3-64. Nothing in it depends on the clock.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::engine::{Section, SectionKind};
use crate::time::Timestamp;

/// The version this build writes and reads.
pub const FORMAT_VERSION: u32 = 8;

const MAGIC: [u8; 8] = *b"CXPULSE\n";
/// No head is longer; a longer one is not a head.
const MAX_HEAD_BYTES: u32 = 1 << 16;
/// No section is longer; a longer one is not a section.
const MAX_SECTION_BYTES: u64 = 1 << 32;
/// Memory that a length is believed for before the bytes are there.
const BELIEVED_BYTES: u64 = 1 << 20;
const END: u8 = 0;

/// What a checkpoint says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Hash of everything in the configuration that shapes state.
    pub fingerprint: u64,
    /// How far the stream was read; `None` without a stream (core NATS).
    pub place: Option<Place>,
}

/// A position in a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Name of the stream.
    pub stream: String,
    /// When the stream was created, nanoseconds since the epoch: tells two of the same name apart.
    pub created_ns: i64,
    /// Sequence of the last message in the state.
    pub sequence: u64,
    /// Its store time.
    pub stored_at: Timestamp,
    /// Every message of ours up to here is in the state.
    pub through: u64,
}

/// Why bytes are not a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The file cannot be read or ends too early.
    #[error("the file ends too early or cannot be read")]
    Read(#[from] io::Error),
    /// The file is something else.
    #[error("the file is not a checkpoint")]
    Magic,
    /// The file is of another version of the format.
    #[error("format version {found} where this build reads {FORMAT_VERSION}")]
    Version {
        /// The version of the file.
        found: u32,
    },
    /// A piece does not match its checksum.
    #[error("{piece} is damaged")]
    Damaged {
        /// Which piece.
        piece: &'static str,
    },
    /// There is something behind the end.
    #[error("there are bytes behind the end")]
    Trailing,
}

/// Writes the start of a file.
pub(super) fn write_head(out: &mut impl Write, head: &Head) -> io::Result<()> {
    let bytes = postcard::to_stdvec(head).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    let mut start = Vec::with_capacity(bytes.len() + 24);
    start.extend_from_slice(&MAGIC);
    start.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    start.extend_from_slice(&length.to_le_bytes());
    start.extend_from_slice(&bytes);
    let checksum = xxh3_64(&start);
    out.write_all(&start)?;
    out.write_all(&checksum.to_le_bytes())
}

/// Writes one section and returns its checksum.
pub(super) fn write_section(out: &mut impl Write, section: &Section) -> io::Result<u64> {
    let length = u64::try_from(section.bytes.len()).map_err(io::Error::other)?;
    let checksum = checksum(section.kind.number(), length, &section.bytes);
    out.write_all(&[section.kind.number()])?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&section.bytes)?;
    out.write_all(&checksum.to_le_bytes())?;
    Ok(checksum)
}

/// Writes the end of a file.
pub(super) fn write_end(out: &mut impl Write, checksums: &[u64]) -> io::Result<()> {
    let count = u64::try_from(checksums.len()).map_err(io::Error::other)?;
    out.write_all(&[END])?;
    out.write_all(&count.to_le_bytes())?;
    out.write_all(&checksum_of_all(checksums).to_le_bytes())
}

fn checksum(kind: u8, length: u64, bytes: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(&[kind]);
    hasher.update(&length.to_le_bytes());
    hasher.update(bytes);
    hasher.digest()
}

fn checksum_of_all(checksums: &[u64]) -> u64 {
    let mut hasher = Xxh3::new();
    for checksum in checksums {
        hasher.update(&checksum.to_le_bytes());
    }
    hasher.digest()
}

/// Reads a whole file, so that a damaged one is never begun.
///
/// # Errors
/// When it is not a checkpoint from its first byte to its last.
pub fn read(input: &mut impl Read) -> Result<(Head, Vec<Section>), FormatError> {
    let (head, sections) = open(input)?;
    let sections: Result<_, _> = sections.collect();
    Ok((head, sections?))
}

/// Reads the start of a file; the sections follow one by one.
///
/// # Errors
/// When it is not the start of a checkpoint.
pub(super) fn open<R: Read>(mut input: R) -> Result<(Head, Sections<R>), FormatError> {
    let head = read_head(&mut input)?;
    let sections = Sections {
        input,
        checksums: Vec::new(),
        is_over: false,
    };
    Ok((head, sections))
}

/// The sections of a file in order, each once its checksum has been found right. The file is whole
/// when no error comes up to the end: what was made of it must not be used before.
#[derive(Debug)]
pub struct Sections<R> {
    input: R,
    checksums: Vec<u64>,
    /// The end has been read, or an error has been told.
    is_over: bool,
}

impl<R: Read> Iterator for Sections<R> {
    type Item = Result<Section, FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.read_next().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<R: Read> Sections<R> {
    /// The next section; `None` at the end, behind which nothing follows.
    fn read_next(&mut self) -> Result<Option<Section>, FormatError> {
        let input = &mut self.input;
        let mut number = [0];
        input.read_exact(&mut number)?;
        let length = read_u64(input)?;
        if number[0] == END {
            let count = u64::try_from(self.checksums.len()).unwrap_or(u64::MAX);
            if length != count || read_u64(input)? != checksum_of_all(&self.checksums) {
                return Err(FormatError::Damaged { piece: "the end" });
            }
            return if input.read(&mut number)? == 0 {
                Ok(None)
            } else {
                Err(FormatError::Trailing)
            };
        }
        let damaged = FormatError::Damaged { piece: "a section" };
        let Some(kind) = SectionKind::from_number(number[0]) else {
            return Err(damaged);
        };
        if length > MAX_SECTION_BYTES {
            return Err(damaged);
        }
        let bytes = read_exactly(input, length)?;
        let found = read_u64(input)?;
        if found != checksum(number[0], length, &bytes) {
            return Err(damaged);
        }
        self.checksums.push(found);
        Ok(Some(Section { kind, bytes }))
    }
}

/// Reads the start of a file.
fn read_head(input: &mut impl Read) -> Result<Head, FormatError> {
    let mut start = [0; 16];
    input.read_exact(&mut start)?;
    if start[..8] != MAGIC {
        return Err(FormatError::Magic);
    }
    let length = u32::from_le_bytes([start[12], start[13], start[14], start[15]]);
    let damaged = FormatError::Damaged { piece: "the head" };
    if length > MAX_HEAD_BYTES {
        return Err(damaged);
    }
    let mut all = start.to_vec();
    all.extend(read_exactly(input, u64::from(length))?);
    if read_u64(input)? != xxh3_64(&all) {
        return Err(damaged);
    }
    // The start of a file looks the same in every version, so that a damaged one is never taken
    // for a newer one.
    let version = u32::from_le_bytes([start[8], start[9], start[10], start[11]]);
    if version != FORMAT_VERSION {
        return Err(FormatError::Version { found: version });
    }
    match postcard::take_from_bytes(&all[16..]) {
        Ok((head, [])) => Ok(head),
        Ok(_) | Err(_) => Err(damaged),
    }
}

/// Reads `length` bytes without believing the length before they are there.
fn read_exactly(input: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let believed = usize::try_from(length.min(BELIEVED_BYTES)).unwrap_or(0);
    let mut bytes = Vec::with_capacity(believed);
    let read = input.by_ref().take(length).read_to_end(&mut bytes)?;
    if u64::try_from(read).unwrap_or(u64::MAX) == length {
        Ok(bytes)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn read_u64(input: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    input.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (Head, Vec<Section>, Vec<u8>) {
        let place = Place {
            stream: "CX".into(),
            created_ns: 17,
            sequence: 42,
            stored_at: Timestamp::from_millis(5),
            through: 43,
        };
        let head = Head {
            fingerprint: 7,
            place: Some(place),
        };
        let sections = vec![
            Section {
                kind: SectionKind::Head,
                bytes: vec![1, 2, 3],
            },
            Section {
                kind: SectionKind::Panes,
                bytes: vec![],
            },
            Section {
                kind: SectionKind::Ledger,
                bytes: vec![9; 40],
            },
        ];
        let mut bytes = Vec::new();
        write_head(&mut bytes, &head).unwrap();
        let checksums: Vec<u64> = sections
            .iter()
            .map(|section| write_section(&mut bytes, section).unwrap())
            .collect();
        write_end(&mut bytes, &checksums).unwrap();
        (head, sections, bytes)
    }

    fn read(mut bytes: &[u8]) -> Result<(Head, Vec<Section>), FormatError> {
        super::read(&mut bytes)
    }

    #[test]
    fn reads_back_what_was_written() {
        let (head, sections, bytes) = file();
        assert_eq!(read(&bytes).unwrap(), (head, sections));
    }

    #[test]
    fn no_flipped_byte_is_accepted() {
        let (_, _, bytes) = file();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                assert!(read(&damaged).is_err(), "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn no_other_length_is_accepted() {
        let (_, _, bytes) = file();
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "length {length}");
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(matches!(read(&longer), Err(FormatError::Trailing)));
    }

    #[test]
    fn another_version_is_named() {
        let (_, _, mut bytes) = file();
        bytes[8] = 99;
        assert!(matches!(read(&bytes), Err(FormatError::Damaged { .. })));
        let length = usize::from(bytes[12]);
        let checksum = xxh3_64(&bytes[..16 + length]);
        bytes[16 + length..24 + length].copy_from_slice(&checksum.to_le_bytes());
        assert!(matches!(
            read(&bytes),
            Err(FormatError::Version { found: 99 })
        ));
    }
}
