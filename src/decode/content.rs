//! One hash over everything that decoding keeps of a record, so that an equal version can be told
//! from a changed one.

use crate::event::{IdHash, Kind};
use crate::time::Timestamp;

/// Writes the kept values of one record in a fixed order and form, and hashes them. Every value has
/// a fixed width or is preceded by its length, so that no two different records write the same.
#[derive(Debug, Default)]
pub(super) struct Content {
    bytes: Vec<u8>,
}

impl Content {
    /// Begins a record.
    pub(super) fn begin(&mut self, kind: Kind) {
        self.bytes.clear();
        self.bytes.push(match kind {
            Kind::Interaction => 1,
            Kind::Survey => 2,
        });
    }

    pub(super) fn byte(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(super) fn flag(&mut self, value: Option<bool>) {
        self.bytes.push(match value {
            None => 0,
            Some(false) => 1,
            Some(true) => 2,
        });
    }

    /// A moment; no moment of an event is as early as the one that stands for none.
    pub(super) fn time(&mut self, value: Option<Timestamp>) {
        let millis = value.unwrap_or(Timestamp::MIN).as_millis();
        self.bytes.extend_from_slice(&millis.to_le_bytes());
    }

    /// A duration; none is as long as the one that stands for none.
    pub(super) fn duration(&mut self, value: Option<u64>) {
        let millis = value.unwrap_or(u64::MAX);
        self.bytes.extend_from_slice(&millis.to_le_bytes());
    }

    /// A score; presence is written apart, since a scale may reach any number.
    pub(super) fn score(&mut self, value: Option<i32>) {
        self.byte(u8::from(value.is_some()));
        let milli = value.unwrap_or_default();
        self.bytes.extend_from_slice(&milli.to_le_bytes());
    }

    pub(super) fn id(&mut self, value: Option<IdHash>) {
        self.byte(u8::from(value.is_some()));
        let IdHash(hash) = value.unwrap_or_default();
        self.bytes.extend_from_slice(&hash.to_le_bytes());
    }

    /// The value of a dimension as kept: cut to 256 bytes.
    pub(super) fn dimension(&mut self, value: Option<&str>) {
        let length = value.map_or(u16::MAX, |text| u16::try_from(text.len()).unwrap_or(0));
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes
            .extend_from_slice(value.unwrap_or_default().as_bytes());
    }

    /// The hash of the record (XXH3, 64 bits).
    pub(super) fn hash(&self) -> u64 {
        xxhash_rust::xxh3::xxh3_64(&self.bytes)
    }
}
