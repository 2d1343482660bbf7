//! Hashes that stand in for ids.

use std::fmt;

use serde::{Deserialize, Serialize};

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
        let mut hash = SipHash::new(key);
        let (blocks, _) = id.as_chunks();
        // The domain comes first, so that each word begins with the last byte of the block before.
        let mut before = u64::from(domain);
        for &block in blocks {
            let word = u64::from_le_bytes(block);
            hash.take(before | word << 8);
            before = word >> 56;
        }
        let (tail, bytes) = tail(id);
        let rest = before | tail << 8;
        if bytes == 7 {
            hash.take(rest);
            hash.finish(0, id.len() + 1)
        } else {
            hash.finish(rest, id.len() + 1)
        }
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
        let mut hash = SipHash::new(key);
        let mut bytes = 0;
        for Self(part) in [Some(self), other].into_iter().flatten() {
            for word in halves(part) {
                hash.take(word);
            }
            bytes += size_of_val(&part);
        }
        hash.finish(0, bytes)
    }
}

/// `SipHash`-1-3 with 128 bits of output, over whole words. Ids are short: most of the work of a hasher
/// that is fed piece by piece would be to gather the pieces.
#[derive(Debug)]
struct SipHash([u64; 4]);

impl SipHash {
    #[inline]
    fn new(HashKey(key): HashKey) -> Self {
        let key = u128::from_le_bytes(key);
        let [low, high] = halves(key);
        Self([
            low ^ 0x736f_6d65_7073_6575,
            high ^ 0x646f_7261_6e64_6f83,
            low ^ 0x6c79_6765_6e65_7261,
            high ^ 0x7465_6462_7974_6573,
        ])
    }

    /// Takes in eight bytes.
    #[inline]
    fn take(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }

    /// The hash, once the last bytes, fewer than eight, are taken in with the length of all.
    #[inline]
    fn finish(mut self, rest: u64, bytes: usize) -> IdHash {
        self.take(rest | low_byte(bytes) << 56);
        self.0[2] ^= 0xee;
        let low = self.last_rounds();
        self.0[1] ^= 0xdd;
        let high = self.last_rounds();
        IdHash((u128::from(low) | u128::from(high) << 64) & IdHash::MASK)
    }

    #[inline]
    fn last_rounds(&mut self) -> u64 {
        for _ in 0..3 {
            self.round();
        }
        let [v0, v1, v2, v3] = self.0;
        v0 ^ v1 ^ v2 ^ v3
    }

    #[inline]
    fn round(&mut self) {
        let [mut v0, mut v1, mut v2, mut v3] = self.0;
        v0 = v0.wrapping_add(v1);
        v2 = v2.wrapping_add(v3);
        v1 = v1.rotate_left(13) ^ v0;
        v3 = v3.rotate_left(16) ^ v2;
        v0 = v0.rotate_left(32).wrapping_add(v3);
        v2 = v2.wrapping_add(v1);
        v3 = v3.rotate_left(21) ^ v0;
        v1 = v1.rotate_left(17) ^ v2;
        v2 = v2.rotate_left(32);
        self.0 = [v0, v1, v2, v3];
    }
}

/// The bytes of `id` that fill no block of eight, in a word, and how many they are.
#[inline]
fn tail(id: &[u8]) -> (u64, usize) {
    let bytes = id.len() % 8;
    let word = if let Some(&last) = id.last_chunk() {
        let before = 8 * (8 - bytes);
        // In two steps, since all 64 bits may have to go.
        (u64::from_le_bytes(last) >> (before / 2)) >> (before / 2)
    } else if let (Some(&first), Some(&last)) = (id.first_chunk(), id.last_chunk()) {
        // They overlap in bytes that are equal.
        let behind = 8 * (bytes - 4);
        u64::from(u32::from_le_bytes(first)) | u64::from(u32::from_le_bytes(last)) << behind
    } else {
        let mut word = 0;
        for &byte in id.iter().rev() {
            word = word << 8 | u64::from(byte);
        }
        word
    };
    (word, bytes)
}

#[inline]
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "the two halves, the low one first"
)]
fn halves(whole: u128) -> [u64; 2] {
    [whole as u64, (whole >> 64) as u64]
}

/// `SipHash` keeps the length modulo 256.
#[inline]
#[expect(clippy::as_conversions, reason = "less than 256 after the mask")]
fn low_byte(bytes: usize) -> u64 {
    (bytes & 0xff) as u64
}

/// XXH64 with seed 0 over the id's bytes: the public order of contacts with equal times.
pub fn tie_break(interaction_id: &[u8]) -> u64 {
    xxhash_rust::xxh64::xxh64(interaction_id, 0)
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher;

    use proptest::prelude::*;
    use siphasher::sip128::{Hasher128, SipHasher13};

    use super::*;

    fn by_siphasher(key: HashKey, parts: &[&[u8]]) -> IdHash {
        let mut hasher = SipHasher13::new_with_key(&key.0);
        for part in parts {
            hasher.write(part);
        }
        IdHash(hasher.finish128().as_u128() & IdHash::MASK)
    }

    proptest! {
        #[test]
        fn is_siphash(key: [u8; 16], domain: u8, id in proptest::collection::vec(any::<u8>(), 0..40)) {
            let key = HashKey(key);
            prop_assert_eq!(IdHash::of(key, domain, &id), by_siphasher(key, &[&[domain], &id]));
        }

        #[test]
        fn a_pair_is_siphash_of_its_bytes(key: [u8; 16], first: u128, second: Option<u128>) {
            let key = HashKey(key);
            let mut bytes = first.to_le_bytes().to_vec();
            bytes.extend(second.into_iter().flat_map(u128::to_le_bytes));
            let pair = IdHash(first).with(key, second.map(IdHash));
            prop_assert_eq!(pair, by_siphasher(key, &[&bytes]));
        }
    }

    #[test]
    fn is_siphash_at_every_length_of_an_id() {
        let key = HashKey([7; 16]);
        let id: Vec<u8> = (0..=255).chain(0..=255).collect();
        for length in 0..=id.len() {
            let id = &id[..length];
            assert_eq!(
                IdHash::of(key, 3, id),
                by_siphasher(key, &[&[3], id]),
                "{length}"
            );
        }
    }

    #[test]
    fn values_never_change() {
        let hash = IdHash::of(HashKey([3; 16]), 1, b"i-000000001");
        assert_eq!(hash.0, 0xead1_961b_0b5d_a593_5bde_7885);
    }
}
