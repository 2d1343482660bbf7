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

/// A keyed hash of an id within its domain: the low 80 bits of SipHash-1-3-128. Among ten million ids
/// two are taken for one with a probability of 4 x 10^-11, among fifty million with one of 10^-9.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct IdHash(pub u128);

impl IdHash {
    /// The bits that a hash has.
    pub const MASK: u128 = (1 << 80) - 1;

    /// Hashes `id`. `domain` keeps equal texts of different meaning apart (an interaction and a
    /// survey with the same id): it is the first byte of what is hashed.
    pub fn of(key: HashKey, domain: u8, id: &[u8]) -> Self {
        let mut sip = Sip::new(key);
        let domain = u64::from(domain);
        let bytes = id.len() + 1;
        let (Some(first), Some(last)) = (id.first_chunk(), id.last_chunk()) else {
            let word = short_word(id) << 8 | domain;
            if bytes < 8 {
                return sip.finish(bytes, word);
            }
            sip.take(word);
            return sip.finish(bytes, 0);
        };
        sip.take(u64::from_le_bytes(*first) << 8 | domain);
        let (words, rest) = id.get(7..).unwrap_or_default().as_chunks();
        for word in words {
            sip.take(u64::from_le_bytes(*word));
        }
        // In two steps, since all 64 bits may have to go.
        let foreign = 63 - 8 * rest.len();
        sip.finish(bytes, u64::from_le_bytes(*last) >> 1 >> foreign)
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

    #[expect(clippy::as_conversions, reason = "the high half")]
    const fn high(self) -> u64 {
        (self.0 >> 64) as u64
    }

    /// The hash of an ordered pair of hashes, the second of which may be absent.
    #[must_use]
    #[inline]
    pub fn with(self, key: HashKey, other: Option<Self>) -> Self {
        let mut sip = Sip::new(key);
        sip.take(self.low());
        sip.take(self.high());
        let Some(other) = other else {
            return sip.finish(16, 0);
        };
        sip.take(other.low());
        sip.take(other.high());
        sip.finish(32, 0)
    }
}

/// Fewer than eight bytes as a word, the first of them lowest. They are read at once from both ends.
#[inline]
fn short_word(bytes: &[u8]) -> u64 {
    let count = bytes.len();
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let last = u64::from(u32::from_le_bytes(*last));
        return u64::from(u32::from_le_bytes(*first)) | last << (8 * count.saturating_sub(4));
    }
    let byte = |at: usize| {
        let byte = bytes.get(at).copied().unwrap_or_default();
        u64::from(byte) << (8 * at)
    };
    byte(0) | byte(1) | byte(2)
}

/// SipHash-1-3 with 128 bits, fed with whole words: what is hashed lies in one piece, so nothing need
/// be kept between two of them.
#[derive(Clone, Copy)]
struct Sip([u64; 4]);

#[expect(clippy::inline_always, reason = "the four words stay in registers")]
impl Sip {
    #[inline(always)]
    fn new(HashKey(key): HashKey) -> Self {
        let (low, high) = key.split_at(8);
        let word = |half: &[u8]| {
            half.first_chunk()
                .map_or(0, |half| u64::from_le_bytes(*half))
        };
        let (low, high) = (word(low), word(high));
        Self([
            low ^ 0x736f_6d65_7073_6575,
            // The last byte tells 128 bits from 64.
            high ^ 0x646f_7261_6e64_6f6d ^ 0xee,
            low ^ 0x6c79_6765_6e65_7261,
            high ^ 0x7465_6462_7974_6573,
        ])
    }

    #[inline(always)]
    fn round(&mut self) {
        let [mut v0, mut v1, mut v2, mut v3] = self.0;
        v0 = v0.wrapping_add(v1);
        v2 = v2.wrapping_add(v3);
        v1 = v1.rotate_left(13) ^ v0;
        v3 = v3.rotate_left(16) ^ v2;
        v0 = v0.rotate_left(32);
        v2 = v2.wrapping_add(v1);
        v0 = v0.wrapping_add(v3);
        v1 = v1.rotate_left(17) ^ v2;
        v3 = v3.rotate_left(21) ^ v0;
        v2 = v2.rotate_left(32);
        self.0 = [v0, v1, v2, v3];
    }

    #[inline(always)]
    fn take(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }

    /// Takes what is left of `bytes` bytes, fewer than eight; their number goes above them.
    #[inline(always)]
    #[expect(
        clippy::as_conversions,
        reason = "of the number the lowest byte counts"
    )]
    fn finish(mut self, bytes: usize, rest: u64) -> IdHash {
        self.take((bytes as u64) << 56 | rest);
        self.0[2] ^= 0xee;
        let low = self.drain();
        self.0[1] ^= 0xdd;
        let high = self.drain();
        IdHash((u128::from(low) | u128::from(high) << 64) & IdHash::MASK)
    }

    #[inline(always)]
    fn drain(&mut self) -> u64 {
        for _ in 0..3 {
            self.round();
        }
        let [v0, v1, v2, v3] = self.0;
        v0 ^ v1 ^ v2 ^ v3
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
    use siphasher::sip128::{Hasher128, SipHasher13};

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
        fn pairs_hash_as_the_reference_does(key: [u8; 16], one: u128, other: Option<u128>) {
            let mut bytes = one.to_le_bytes().to_vec();
            bytes.extend(other.iter().flat_map(|other| other.to_le_bytes()));
            let pair = IdHash(one).with(HashKey::from_bytes(key), other.map(IdHash));
            prop_assert_eq!(pair, reference(key, &bytes));
        }
    }
}
