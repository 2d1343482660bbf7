//! Hashes that stand in for ids.

use std::fmt;

use serde::{Deserialize, Serialize};
use siphasher::sip128::{SipHasher13, SipHasher24};

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

/// What an id names. Equal texts of different meaning have hashes that have nothing in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// `interaction_id`, of interactions and of surveys.
    Interaction,
    /// `survey_id`, or what serves as one.
    Survey,
    /// `customer_id`.
    Customer,
    /// `issue_id`.
    Issue,
}

impl Domain {
    /// All of them, each in the place of its number.
    const ALL: [Self; 4] = [Self::Interaction, Self::Survey, Self::Customer, Self::Issue];

    /// Its number. Part of the state: never to be changed.
    const fn number(self) -> u8 {
        match self {
            Self::Interaction => 0,
            Self::Survey => 1,
            Self::Customer => 2,
            Self::Issue => 3,
        }
    }
}

/// Hashes ids, with a key for each domain that is made of the installation's: so an id is hashed where it
/// stands, without a copy that says what it names.
#[derive(Clone, Copy)]
pub struct IdHasher {
    /// By the number of the domain.
    domains: [SipHasher13; Domain::ALL.len()],
}

impl IdHasher {
    /// A hasher of this installation.
    pub fn new(key: HashKey) -> Self {
        let of_domains = SipHasher24::new_with_key(&key.0);
        let hasher = |domain: Domain| {
            let of_domain = of_domains.hash(&[domain.number()]);
            SipHasher13::new_with_key(&of_domain.as_bytes())
        };
        Self {
            domains: Domain::ALL.map(hasher),
        }
    }

    /// Hashes the id of something in a domain.
    #[inline]
    pub fn hash(&self, domain: Domain, id: &[u8]) -> IdHash {
        let [interaction, survey, customer, issue] = &self.domains;
        let hasher = match domain {
            Domain::Interaction => interaction,
            Domain::Survey => survey,
            Domain::Customer => customer,
            Domain::Issue => issue,
        };
        IdHash(hasher.hash(id).as_u128() & IdHash::MASK)
    }
}

impl fmt::Debug for IdHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdHasher(redacted)")
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
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// By domain, by key and by text.
        #[test]
        fn ids_are_told_apart(keys: [[u8; 16]; 2], ids: [Vec<u8>; 2]) {
            let mut hashes = BTreeSet::new();
            let (mut keys, mut ids) = (Vec::from(keys), Vec::from(ids));
            keys.dedup();
            ids.dedup();
            for key in &keys {
                let hasher = IdHasher::new(HashKey::from_bytes(*key));
                for domain in Domain::ALL {
                    for id in &ids {
                        let hash = hasher.hash(domain, id);
                        prop_assert_eq!(hash.0, hash.0 & IdHash::MASK);
                        prop_assert_eq!(hasher.hash(domain, id), hash);
                        prop_assert!(hashes.insert(hash));
                    }
                }
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

    /// What is in a checkpoint is found again.
    #[test]
    fn hashes_stay_as_they_are() {
        let hasher = IdHasher::new(HashKey::from_bytes([7; 16]));
        let hashes = Domain::ALL.map(|domain| hasher.hash(domain, b"call-0001").0);
        let expected = [
            1_035_768_139_673_858_065_796_264,
            481_495_488_013_682_606_664_424,
            625_756_036_149_377_583_020_059,
            1_086_157_280_330_076_636_100_806,
        ];
        assert_eq!(hashes, expected);
        for domain in Domain::ALL {
            assert_eq!(Domain::ALL[usize::from(domain.number())], domain);
        }
    }
}
