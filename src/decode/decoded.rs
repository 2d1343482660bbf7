//! The result of decoding a batch of messages.

use super::content::Content;
use super::fault::Fault;
use super::plan::Field;
use super::reader::Reader;
use crate::event::{Event, Reject};

/// Longest value of a dimension, bytes; a longer one is cut.
const MAX_DIMENSION_BYTES: usize = 256;

/// Events and rejects of a batch, in stream order. Reused from batch to batch: [`Decoded::clear`]
/// keeps the memory.
#[derive(Debug, Default)]
pub struct Decoded {
    /// One item per event of the messages, in order.
    pub items: Vec<Item>,
    /// Values of dimensions that were cut to 256 bytes since the last clear.
    pub truncated_dimensions: u64,
    /// The values of all dimensions of all events, one after the other.
    text: String,
    /// Where in `text` each value is: a run of `dimensions` spans per event.
    spans: Vec<Span>,
    /// Number of dimensions of an event, set by the decoder.
    pub(super) dimensions: usize,
}

/// One event or reject with its place.
#[derive(Clone, Debug)]
pub struct Item {
    /// Index of the message in the batch, as counted by the caller of the decoder.
    pub message: u32,
    /// Index of the event in its message.
    pub index: u32,
    /// Byte range of the event as received in the message's payload.
    pub raw: (u32, u32),
    /// Which run of values in [`Decoded`] holds the dimensions; meaningful for events only.
    pub(super) first_span: usize,
    /// The event, or why there is none.
    pub verdict: Verdict,
}

/// Where an event is, before it is known what it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) message: u32,
    pub(super) index: u32,
    pub(super) raw: (u32, u32),
    pub(super) first_span: usize,
}

/// Event or reject.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Well-formed.
    Event(Event),
    /// Not to be counted.
    Reject(Reject),
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: usize,
    length: u16,
    present: bool,
}

/// How full a [`Decoded`] was, to go back there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    items: usize,
    text: usize,
    spans: usize,
    truncated_dimensions: u64,
}

impl Decoded {
    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.items.clear();
        self.text.clear();
        self.spans.clear();
        self.truncated_dimensions = 0;
    }

    /// The value of dimension number `dimension` (in the order of `Settings::dimensions`) of an
    /// event of this batch; `None` when the event does not have it.
    pub fn dimension(&self, item: &Item, dimension: usize) -> Option<&str> {
        if dimension >= self.dimensions {
            return None;
        }
        let span = self.spans.get(item.first_span + dimension)?;
        if !span.present {
            return None;
        }
        self.text
            .get(span.start..span.start + usize::from(span.length))
    }

    /// The present state, for [`Decoded::rewind`].
    pub(super) fn mark(&self) -> Mark {
        Mark {
            items: self.items.len(),
            text: self.text.len(),
            spans: self.spans.len(),
            truncated_dimensions: self.truncated_dimensions,
        }
    }

    /// Forgets all that was added since `mark`.
    pub(super) fn rewind(&mut self, mark: Mark) {
        self.items.truncate(mark.items);
        self.text.truncate(mark.text);
        self.spans.truncate(mark.spans);
        self.truncated_dimensions = mark.truncated_dimensions;
    }

    /// Appends an item.
    #[inline]
    pub(super) fn push(&mut self, place: Place, verdict: Verdict) {
        self.items.push(Item {
            message: place.message,
            index: place.index,
            raw: place.raw,
            first_span: place.first_span,
            verdict,
        });
    }

    /// Where the next run of dimensions begins.
    pub(super) fn next_span(&self) -> usize {
        self.spans.len()
    }

    /// Appends the dimensions of one event and tells `content` how long they are as they are kept.
    /// Returns their texts, one behind the other. On a fault the caller rewinds.
    pub(super) fn read_dimensions<'p>(
        &mut self,
        fields: &'p [Field],
        reader: &mut Reader<'_, '_>,
        content: &mut Content,
    ) -> Result<&str, Fault<'p>> {
        let start = self.text.len();
        for field in fields {
            let value = reader.dimension(field)?;
            let kept = value.map(|value| cut(value, MAX_DIMENSION_BYTES));
            if kept.map(str::len) != value.map(str::len) {
                self.truncated_dimensions += 1;
            }
            content.dimension(kept);
            self.push_dimension(kept);
        }
        Ok(self.text.get(start..).unwrap_or_default())
    }

    fn push_dimension(&mut self, value: Option<&str>) {
        let text = value.unwrap_or_default();
        self.spans.push(Span {
            start: self.text.len(),
            length: u16::try_from(text.len()).unwrap_or(0),
            present: value.is_some(),
        });
        self.text.push_str(text);
    }
}

/// The longest beginning of `text` that ends at a character and has at most `limit` bytes.
fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    text.get(..text.floor_char_boundary(limit))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_at_characters() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "abc");
        assert_eq!(cut("aéé", 4), "aé");
        assert_eq!(cut("😀", 3), "");
    }
}
