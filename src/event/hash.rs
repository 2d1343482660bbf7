//! Hashes that stand in for ids.

use std::fmt;
use std::hash::Hasher;

use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher13};

/// The secret of this installation that keys every [`IdHash`]. Made once, kept with mode 0600 in
/// the checkpoint directory, so that state files do not reveal ids.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashKey([u8; 16]);

impl HashKey {
    /// A key from 16 bytes of a good random source.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// A fresh random key.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// The bytes, for the key file only.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(redacted)")
    }
}

/// A keyed hash of an id within its domain: the low 96 bits of SipHash-1-3-128. Among ten million ids
/// two are taken for one with a probability of 10^-15.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct IdHash(pub u128);

impl IdHash {
    /// The bits that a hash has.
    pub const MASK: u128 = (1 << 96) - 1;

    /// Hashes `id`. `domain` keeps equal texts of different meaning apart (an interaction and a
    /// survey with the same id).
    pub fn of(key: HashKey, domain: u8, id: &[u8]) -> Self {
        let mut hasher = SipHasher13::new_with_key(&key.0);
        hasher.write_u8(domain);
        hasher.write(id);
        Self(hasher.finish128().as_u128() & Self::MASK)
    }

    /// The low half, where 64 bits do.
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        reason = "the low half"
    )]
    pub const fn low(self) -> u64 {
        self.0 as u64
    }

    /// The hash of an ordered pair of hashes, the second of which may be absent.
    #[must_use]
    pub fn with(self, key: HashKey, other: Option<Self>) -> Self {
        let mut hasher = SipHasher13::new_with_key(&key.0);
        hasher.write(&self.0.to_le_bytes());
        if let Some(other) = other {
            hasher.write(&other.0.to_le_bytes());
        }
        Self(hasher.finish128().as_u128() & Self::MASK)
    }
}

/// XXH64 with seed 0 over the id's bytes: the public order of contacts with equal times.
pub fn tie_break(interaction_id: &[u8]) -> u64 {
    xxhash_rust::xxh64::xxh64(interaction_id, 0)
}
