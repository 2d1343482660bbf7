//! The result of decoding a batch of messages.

use crate::event::{Event, Kind, Reason, Reject};

/// Events and rejects of a batch, in stream order. Reused from batch to batch: [`Decoded::clear`]
/// keeps the memory.
#[derive(Debug, Default)]
pub struct Decoded {
    /// One item per event of the messages, in order.
    pub items: Vec<Item>,
    /// Values of dimensions that were cut to 256 bytes since the last clear.
    pub truncated_dimensions: u64,
    pub(super) text: String,
    pub(super) spans: Vec<Span>,
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
    pub(super) first_span: u32,
    /// The event, or why there is none.
    pub verdict: Verdict,
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
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) length: u16,
    pub(super) present: bool,
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
        let at = usize::try_from(item.first_span).ok()? + dimension;
        let span = self.spans.get(at)?;
        if !span.present {
            return None;
        }
        let start = usize::try_from(span.start).ok()?;
        self.text.get(start..start + usize::from(span.length))
    }
}

impl Item {
    /// A reject without its place.
    pub(super) fn reject(reason: Reason, detail: String, kind: Option<Kind>) -> Verdict {
        Verdict::Reject(Reject {
            reason,
            detail,
            kind,
        })
    }
}
