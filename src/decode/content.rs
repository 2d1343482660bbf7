//! One hash over everything that decoding keeps of a record, so that an equal version can be told
//! from a changed one.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::event::{IdHash, Kind};
use crate::time::Timestamp;

/// Collects the kept values of one record in a fixed order and form, and hashes them. Every value has
/// a fixed width, or its length is among them, so that no two different records write the same.
#[derive(Debug, Default)]
pub(super) struct Content {
    bytes: Vec<u8>,
}

/// The values of fixed width, with which a record begins: so many bytes for each kind. Beside the
/// [`Content`], where it is known where each value goes.
#[derive(Debug)]
pub(super) struct Head<const BYTES: usize> {
    bytes: [u8; BYTES],
    at: usize,
}

#[expect(
    clippy::inline_always,
    reason = "where each value goes is known only where all of them are written"
)]
impl<const BYTES: usize> Head<BYTES> {
    /// Begins a record.
    #[inline(always)]
    pub(super) fn new(kind: Kind) -> Self {
        let mut head = Self {
            bytes: [0; BYTES],
            at: 0,
        };
        head.byte(match kind {
            Kind::Interaction => 1,
            Kind::Survey => 2,
        });
        head
    }

    #[inline(always)]
    fn write<const WIDTH: usize>(&mut self, value: [u8; WIDTH]) {
        let room = self.bytes.get_mut(self.at..self.at + WIDTH);
        debug_assert!(room.is_some(), "{BYTES} bytes are too few");
        if let Some(room) = room {
            room.copy_from_slice(&value);
        }
        self.at += WIDTH;
    }

    #[inline(always)]
    pub(super) fn byte(&mut self, value: u8) {
        self.write([value]);
    }

    #[inline(always)]
    pub(super) fn flag(&mut self, value: Option<bool>) {
        self.byte(match value {
            None => 0,
            Some(false) => 1,
            Some(true) => 2,
        });
    }

    /// A moment; no moment of an event is as early as the one that stands for none.
    #[inline(always)]
    pub(super) fn time(&mut self, value: Option<Timestamp>) {
        let millis = value.unwrap_or(Timestamp::MIN).as_millis();
        self.write(millis.to_le_bytes());
    }

    /// A duration; none is as long as the one that stands for none.
    #[inline(always)]
    pub(super) fn duration(&mut self, value: Option<u64>) {
        let millis = value.unwrap_or(u64::MAX);
        self.write(millis.to_le_bytes());
    }

    /// A score; presence is written apart, since a scale may reach any number.
    #[inline(always)]
    pub(super) fn score(&mut self, value: Option<i32>) {
        self.byte(u8::from(value.is_some()));
        self.write(value.unwrap_or_default().to_le_bytes());
    }

    #[inline(always)]
    pub(super) fn id(&mut self, value: Option<IdHash>) {
        self.byte(u8::from(value.is_some()));
        let IdHash(hash) = value.unwrap_or_default();
        self.write(hash.to_le_bytes());
    }
}

impl Content {
    /// Begins a record with all that comes before its dimensions.
    #[inline]
    pub(super) fn begin<const BYTES: usize>(&mut self, head: &Head<BYTES>) {
        debug_assert_eq!(head.at, BYTES, "fewer bytes");
        self.bytes.clear();
        self.bytes.extend_from_slice(&head.bytes);
    }

    /// Adds how long the value of a dimension is as kept, cut to 256 bytes. Its text is handed in with those
    /// of the others in the end.
    #[inline]
    pub(super) fn dimension(&mut self, value: Option<&str>) {
        let length = value.map_or(u16::MAX, |text| u16::try_from(text.len()).unwrap_or(0));
        self.bytes.extend_from_slice(&length.to_le_bytes());
    }

    /// The hash of the record (XXH3, 64 bits), the values of whose dimensions are `texts`, one behind the
    /// other: hashed where they lie, with which the hash of all else begins.
    pub(super) fn hash(&self, texts: &str) -> u64 {
        xxh3_64_with_seed(&self.bytes, xxh3_64(texts.as_bytes()))
    }
}
