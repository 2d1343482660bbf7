//! Fields in as few bytes as they take, little-endian and next to each other: what slots are made of.

use crate::event::IdHash;
use crate::time::Timestamp;

/// A field: where it begins and how many bytes it has.
pub(super) type Field = (usize, usize);

/// So many bytes with fields in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packed<const BYTES: usize>(pub(super) [u8; BYTES]);

impl<const BYTES: usize> Packed<BYTES> {
    /// All fields 0.
    pub(super) const EMPTY: Self = Self([0; BYTES]);

    /// From as many bytes as there are; `None` from others.
    #[inline]
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.as_array().copied().map(Self)
    }

    /// Writes the low bytes of a value into a field of at most eight.
    #[inline]
    pub(super) fn set(&mut self, (from, length): Field, value: u64) {
        self.0[from..from + length].copy_from_slice(&value.to_le_bytes()[..length]);
    }

    /// A field of at most eight bytes, whose end has at least eight before it.
    #[inline]
    pub(super) fn get(&self, (from, length): Field) -> u64 {
        // One load that ends where the field does.
        u64::from_le_bytes(self.part(from + length - 8)) >> (64 - 8 * length)
    }

    /// Whether a bit of a field is set.
    #[inline]
    pub(super) fn has(&self, field: Field, flag: u64) -> bool {
        self.get(field) & flag != 0
    }

    /// Sets a bit of a field, or clears it.
    #[inline]
    pub(super) fn set_flag(&mut self, field: Field, flag: u64, is_set: bool) {
        let others = self.get(field) & !flag;
        self.set(field, others | if is_set { flag } else { 0 });
    }

    /// The first four bytes of a field.
    #[inline]
    pub(super) fn low(&self, (from, _): Field) -> u32 {
        u32::from_le_bytes(self.part(from))
    }

    /// So many bytes from there on.
    #[inline]
    pub(super) fn part<const COUNT: usize>(&self, from: usize) -> [u8; COUNT] {
        let mut bytes = [0; COUNT];
        bytes.copy_from_slice(&self.0[from..from + COUNT]);
        bytes
    }

    /// Writes an id into a field of ten bytes.
    #[inline]
    pub(super) fn set_id(&mut self, (from, length): Field, id: IdHash) {
        self.0[from..from + length].copy_from_slice(&id.0.to_le_bytes()[..length]);
    }

    /// The id in a field of ten bytes.
    #[inline]
    pub(super) fn id(&self, (from, _): Field) -> IdHash {
        let low = u64::from_le_bytes(self.part(from));
        let high = u16::from_le_bytes(self.part(from + 8));
        IdHash(u128::from(high) << 64 | u128::from(low))
    }

    /// Writes a moment of the years 1970 to 9999 into a field of six bytes.
    #[inline]
    pub(super) fn set_time(&mut self, field: Field, moment: Timestamp) {
        self.set(field, moment.as_millis().cast_unsigned());
    }

    /// The moment in a field of six bytes.
    #[inline]
    pub(super) fn time(&self, field: Field) -> Timestamp {
        Timestamp::from_millis(self.get(field).cast_signed())
    }
}
