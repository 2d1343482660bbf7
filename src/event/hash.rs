//! Hashes that stand in for ids.

use std::fmt;

use serde::{Deserialize, Serialize};
use siphasher::sip128::SipHasher13;

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

/// A keyed hash of an id within its domain: the low 80 bits of SipHash-1-3-128. Among ten million ids
/// two are taken for one with a probability of 4 x 10^-11, among fifty million with one of 10^-9.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct IdHash(pub u128);

/// Bytes of an id with its domain that are put together without an allocation.
const SHORT_BYTES: usize = 48;

impl IdHash {
    /// The bits that a hash has.
    pub const MASK: u128 = (1 << 80) - 1;

    /// Hashes `id`. `domain` keeps equal texts of different meaning apart (an interaction and a
    /// survey with the same id): it is the first byte of what is hashed.
    #[inline]
    pub fn of(key: HashKey, domain: u8, id: &[u8]) -> Self {
        // In one piece, which is hashed much faster than parts are; nearly all are short.
        let mut short = [0; SHORT_BYTES];
        let length = id.len() + 1;
        if let Some(piece) = short.get_mut(..length) {
            piece[0] = domain;
            piece[1..].copy_from_slice(id);
            return Self::of_bytes(key, piece);
        }
        let mut long = Vec::with_capacity(length);
        long.push(domain);
        long.extend_from_slice(id);
        Self::of_bytes(key, &long)
    }

    #[inline]
    fn of_bytes(key: HashKey, bytes: &[u8]) -> Self {
        let hasher = SipHasher13::new_with_key(&key.0);
        Self(hasher.hash(bytes).as_u128() & Self::MASK)
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

    /// What stands for a pair of hashes of different domains, the second of which may be absent. Nobody
    /// without the key can say anything of either, so two pairs are taken for one as seldom as two ids
    /// are.
    #[must_use]
    #[inline]
    pub fn with(self, other: Option<Self>) -> Self {
        Self(self.0 ^ other.unwrap_or_default().0)
    }
}

/// XXH64 with seed 0 over the id's bytes: the public order of contacts with equal times.
pub fn tie_break(interaction_id: &[u8]) -> u64 {
    xxhash_rust::xxh64::xxh64(interaction_id, 0)
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher;

    use proptest::prelude::*;
    use siphasher::sip128::Hasher128;

    use super::*;

    fn reference(key: [u8; 16], bytes: &[u8]) -> IdHash {
        let mut hasher = SipHasher13::new_with_key(&key);
        hasher.write(bytes);
        IdHash(hasher.finish128().as_u128() & IdHash::MASK)
    }

    proptest! {
        #[test]
        fn ids_hash_as_the_reference_does(key: [u8; 16], domain: u8, id in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = vec![domain];
            for length in 0..=id.len() {
                let hash = IdHash::of(HashKey::from_bytes(key), domain, &id[..length]);
                prop_assert_eq!(hash, reference(key, &bytes), "{} bytes", length);
                bytes.extend(id.get(length));
            }
        }

        #[test]
        fn pairs_are_told_apart(ids: [u128; 3]) {
            let [one, other, third] = ids.map(|id| IdHash(id & IdHash::MASK));
            prop_assert_eq!(one.with(Some(other)) == one.with(Some(third)), other == third);
            prop_assert_eq!(one.with(Some(third)) == other.with(Some(third)), one == other);
            prop_assert_eq!(one.with(None) == other.with(None), one == other);
            prop_assert_eq!(one.with(Some(other)) == one.with(None), other == IdHash::default());
        }
    }
}
