//! Memory that is used again: panes come and go at the same rate and in the same size, and growing each
//! from nothing copies what is in it many times.

/// Pieces kept, at most: more panes begin between two that end only where panes lie far apart.
const MOST: usize = 4;

/// Memory of lists that are not needed any more.
#[derive(Debug)]
pub(super) struct Spare<T>(Vec<Vec<T>>);

impl<T> Default for Spare<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Spare<T> {
    /// An empty list, with memory where there is some.
    pub(super) fn take(&mut self) -> Vec<T> {
        self.0.pop().unwrap_or_default()
    }

    /// Takes over the memory of a list, unless there is enough of it, or most of it was not needed: a
    /// quiet night is not to keep the memory of a busy day.
    pub(super) fn give(&mut self, mut list: Vec<T>) {
        if self.0.len() < MOST && list.len() >= list.capacity() / 2 {
            list.clear();
            self.0.push(list);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_while_it_is_needed() {
        let mut spare = Spare::default();
        let list: Vec<u64> = (0..100).collect();
        let room = list.capacity();
        spare.give(list);
        let mut again = spare.take();
        assert_eq!((again.len(), again.capacity()), (0, room));
        again.push(1);
        spare.give(again);
        assert_eq!(spare.take().capacity(), 0, "most of it was not needed");
        for _ in 0..2 * MOST {
            spare.give(vec![1]);
        }
        assert_eq!(spare.0.len(), MOST);
    }
}
