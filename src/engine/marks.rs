//! Which keys have changed: since a view showed them, and since somebody asked.

use std::hint::black_box;

use super::routes::KeyId;

/// Marks by key.
#[derive(Debug)]
pub(super) struct Marks {
    /// Number of the view to come, from 1.
    next: u64,
    of: Vec<Mark>,
    /// Keys that changed since they were last taken, each once.
    listed: Vec<KeyId>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    /// The view to come when it changed last; 0 for one that never changed.
    revision: u64,
    is_listed: bool,
}

impl Marks {
    pub(super) fn new() -> Self {
        Self {
            next: 1,
            of: Vec::new(),
            listed: Vec::new(),
        }
    }

    /// Makes room for so many keys.
    pub(super) fn make_room(&mut self, keys: usize) {
        if self.of.len() < keys {
            self.of.resize(keys, Mark::default());
        }
    }

    /// Brings the mark of a key into the cache.
    #[inline]
    pub(super) fn fetch(&self, key: KeyId) {
        black_box(self.of.get(key.at()).map(|mark| mark.revision));
    }

    /// A key has changed.
    #[inline]
    pub(super) fn touch(&mut self, key: KeyId) {
        let next = self.next;
        let Some(mark) = self.of.get_mut(key.at()) else {
            return;
        };
        mark.revision = next;
        if !mark.is_listed {
            mark.is_listed = true;
            self.listed.push(key);
        }
    }

    /// All keys may have changed.
    pub(super) fn touch_all(&mut self) {
        for number in (0_u32..).take(self.of.len()) {
            self.touch(KeyId(number));
        }
    }

    /// A number from 1 that grows whenever the key has changed since a view showed it.
    pub(super) fn revision(&self, key: KeyId) -> u64 {
        self.of.get(key.at()).map_or(1, |mark| mark.revision + 1)
    }

    /// A view has shown the keys as they are.
    pub(super) fn shown(&mut self) {
        self.next += 1;
    }

    /// The keys that changed since the last call, each once.
    pub(super) fn take_listed(&mut self) -> Vec<KeyId> {
        for key in &self.listed {
            self.of[key.at()].is_listed = false;
        }
        std::mem::take(&mut self.listed)
    }
}
