//! Tables keyed by hashes: the keys are keyed hashes already, so hashing them again buys nothing.

use std::hash::{BuildHasher, Hasher};

/// Takes the low 64 bits of a `u128` key as its hash.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct IdentityState;

impl BuildHasher for IdentityState {
    type Hasher = Identity;

    fn build_hasher(&self) -> Identity {
        Identity(0)
    }
}

/// See [`IdentityState`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        reason = "the low half"
    )]
    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

/// The shard of a key among `shards`, from its high bits: the table inside a shard uses the low.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "the high bits of 96, as many as are needed"
)]
pub(super) fn shard_of(key: u128, shards: usize) -> usize {
    (key >> 64) as usize % shards
}
