//! The address of an event: the values that decide where it is booked, in one piece, and their hash.
//! Made beside the decoding of an event, on the same thread as that, it spares the engine's own.

use std::hash::{BuildHasher, Hasher};
use std::ops::Range;

use hashbrown::DefaultHashBuilder;

use super::Dimensions;

/// Makes addresses for one engine; others have other hashes.
#[derive(Clone, Debug, Default)]
pub struct Addressing {
    /// Positions of the dimensions that decide, in a decoded event.
    dimensions: Vec<usize>,
    hasher: DefaultHashBuilder,
}

/// Addresses, by number in the order in which they were made.
#[derive(Debug, Default)]
pub struct Addresses {
    text: Vec<u8>,
    /// Hash, and where in the text it is.
    each: Vec<(u64, Range<usize>)>,
}

/// Where an event is booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    pub(super) text: &'a [u8],
    pub(super) hash: u64,
}

impl Addresses {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.each.clear();
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.each.len()
    }

    /// The one of a number; `None` when there are not so many.
    pub fn at(&self, number: usize) -> Option<Address<'_>> {
        let (hash, place) = self.each.get(number)?;
        let text = self.text.get(place.clone())?;
        Some(Address { text, hash: *hash })
    }
}

impl Addressing {
    pub(super) fn new(dimensions: Vec<usize>) -> Self {
        Self {
            dimensions,
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// Adds the address of an event.
    #[inline]
    pub fn add(&self, event: &(impl Dimensions + ?Sized), addresses: &mut Addresses) {
        let start = addresses.text.len();
        for at in &self.dimensions {
            write(event.value(*at), &mut addresses.text);
        }
        let place = start..addresses.text.len();
        let hash = self.hash(&addresses.text[start..]);
        addresses.each.push((hash, place));
    }

    /// Of the bytes alone: their length is among them.
    #[inline]
    pub(super) fn hash(&self, text: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(text);
        hasher.finish()
    }
}

/// Values in one piece.
pub(super) fn written(values: &[Option<&str>]) -> Box<[u8]> {
    let mut text = Vec::new();
    for value in values {
        write(*value, &mut text);
    }
    text.into()
}

/// Appends a value to those in one piece: behind its length in a byte, behind one that says that a
/// longer one follows, or as one that says that there is none.
#[inline]
pub(super) fn write(value: Option<&str>, text: &mut Vec<u8>) {
    const LONG: u8 = 254;
    const NONE: u8 = 255;
    let Some(value) = value else {
        text.push(NONE);
        return;
    };
    if let Ok(short @ 0..LONG) = u8::try_from(value.len()) {
        text.push(short);
    } else {
        text.push(LONG);
        text.extend_from_slice(&value.len().to_le_bytes());
    }
    text.extend_from_slice(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_made_of_what_decides() {
        let addressing = Addressing::new(vec![2, 0]);
        let event = |values: [&str; 3]| values.map(|value| Some(value.to_owned()));
        let mut addresses = Addresses::default();
        for values in [["a", "b", "c"], ["a", "x", "c"], ["ac", "b", ""]] {
            addressing.add(event(values).as_slice(), &mut addresses);
        }
        let absent = [None, None, Some("ca".to_owned())];
        addressing.add(absent.as_slice(), &mut addresses);
        assert_eq!(addresses.count(), 4);
        let at = |number| addresses.at(number).unwrap();
        assert_eq!(at(0), at(1));
        assert_eq!(at(0).text, &*written(&[Some("c"), Some("a")]));
        assert_eq!(at(2).text, &*written(&[Some(""), Some("ac")]));
        assert_ne!(at(2).text, at(3).text);
        assert_eq!(addresses.at(4), None);
        addresses.clear();
        assert_eq!(addresses.at(0), None);
    }

    #[test]
    fn long_values_are_told_from_short_ones() {
        for length in [253, 254, 255, 256, 300] {
            let (long, shorter) = ("x".repeat(length), "x".repeat(length - 1));
            let (text, other) = (written(&[Some(&long)]), written(&[Some(&shorter)]));
            assert_ne!(text[..8], other[..8]);
        }
    }
}
