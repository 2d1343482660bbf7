//! Where the events of a message are: one object, an array, or lines of both.

use memchr::memchr;

use super::extent::{end_of_value, length_by_grammar, skip_whitespace, trim};
use super::fault::{too_large, too_many};
use super::json::{SyntaxError, SyntaxErrorKind, length_of_value};
use super::pass::{Company, Frame, Pass};

/// A value that is no object. What is said of it does not depend on this.
const NOT_AN_OBJECT: SyntaxError = SyntaxError {
    at: 0,
    kind: SyntaxErrorKind::Unexpected,
};

/// The text is not an array from end to end; what its elements were taken for is to be forgotten.
struct NotAnArray;

/// Where the next line begins, if `range` is all there is of its line.
fn line_behind(bytes: &[u8], range: (usize, usize)) -> Option<usize> {
    let end = range.0 + memchr(b'\n', bytes.get(range.0..)?)?;
    (trim(bytes, range.0, end) == range).then_some(end + 1)
}

impl Pass<'_> {
    /// Reads the whole message.
    pub(super) fn run(mut self) {
        let payload = self.envelope.payload.as_ref();
        let frame = Frame {
            bytes: payload,
            inside: None,
            cloud_event_id: self.binary_cloud_event_id(),
            may_be_envelope: !self.is_binary_cloud_event(),
        };
        let limit = self.plan.max_message_bytes;
        if payload.len() > limit {
            let reject = too_large("message", payload.len(), limit);
            self.reject(&frame, (0, payload.len()), reject);
        } else {
            self.payload(&frame);
        }
    }

    /// Reads a payload: one JSON value, else lines. Whether a value reaches from end to end is
    /// judged by brackets alone where it is not valid JSON, so that a broken event is one reject.
    fn payload(&mut self, frame: &Frame<'_>) {
        let bytes = frame.bytes;
        let start = skip_whitespace(bytes, 0);
        let is_last = |end: usize| skip_whitespace(bytes, end) == bytes.len();
        match bytes.get(start) {
            Some(b'{') => match self.capture(frame, (start, bytes.len())) {
                Ok(length) if is_last(start + length) => {
                    self.captured(frame, (start, start + length), Company::Alone);
                }
                Ok(length) if let Some(next) = line_behind(bytes, (start, start + length)) => {
                    self.captured(frame, (start, start + length), Company::Several);
                    self.lines(frame, next);
                }
                Err(error) if end_of_value(bytes, start).is_some_and(is_last) => {
                    let range = trim(bytes, start, bytes.len());
                    self.not_json(frame, range, error);
                }
                Ok(_) | Err(_) => self.lines(frame, 0),
            },
            Some(b'[') => {
                let range = trim(bytes, start, bytes.len());
                if self.array(frame, range).is_err() {
                    self.lines(frame, 0);
                }
            }
            Some(_) => self.lines(frame, 0),
            None => {}
        }
    }

    /// Reads newline-delimited events and arrays of events, from the line on that begins at `start`.
    fn lines(&mut self, frame: &Frame<'_>, mut start: usize) {
        while let Some(rest) = frame.bytes.get(start..) {
            let end = start + memchr(b'\n', rest).unwrap_or(rest.len());
            let range = trim(frame.bytes, start, end);
            start = end + 1;
            if self.is_full() && range.0 < range.1 {
                return self.rest(frame, (range.0, frame.bytes.len()));
            }
            match frame.bytes.get(range.0) {
                Some(_) if range.0 == range.1 => {}
                Some(b'[') => self.array_text(frame, range),
                Some(_) => self.event(frame, range, Company::Several),
                None => {}
            }
        }
    }

    /// Reads the data of a cloud event: one event or an array of events.
    pub(super) fn event_or_array(&mut self, frame: &Frame<'_>) {
        let range = trim(frame.bytes, 0, frame.bytes.len());
        if frame.bytes.get(range.0) == Some(&b'[') {
            self.array_text(frame, range);
        } else {
            self.event(frame, range, Company::Alone);
        }
    }

    /// Reads a text that begins as an array. One that does not parse is one reject: what its elements
    /// would be is anybody's guess.
    fn array_text(&mut self, frame: &Frame<'_>, range: (usize, usize)) {
        if self.array(frame, range).is_err() {
            let error = SyntaxError {
                at: 0,
                kind: SyntaxErrorKind::Array,
            };
            self.not_json(frame, range, error);
        }
    }

    /// Reads the elements of the array that `range` is, or nothing.
    fn array(&mut self, frame: &Frame<'_>, range: (usize, usize)) -> Result<(), NotAnArray> {
        let mark = self.out.mark();
        let first_index = self.next_index;
        let read = self.elements(frame, range);
        if read.is_err() {
            self.out.rewind(mark);
            self.next_index = first_index;
        }
        read
    }

    fn elements(&mut self, frame: &Frame<'_>, range: (usize, usize)) -> Result<(), NotAnArray> {
        let bytes = frame.bytes.get(..range.1).unwrap_or_default();
        let mut at = skip_whitespace(bytes, range.0 + 1);
        let mut closed = bytes.get(at) == Some(&b']');
        while !closed {
            let start = skip_whitespace(bytes, at);
            if self.is_full() {
                self.rest(frame, (start, range.1));
                return Ok(());
            }
            at = self.element(frame, (start, range.1))?;
            closed = match bytes.get(at) {
                Some(b',') => false,
                Some(b']') => true,
                Some(_) | None => return Err(NotAnArray),
            };
            at += usize::from(!closed);
        }
        if at + 1 == range.1 {
            Ok(())
        } else {
            Err(NotAnArray)
        }
    }

    /// Reads the array element at the start of `range` and returns where the next byte after it
    /// stands that is no white space. What its own text alone breaks (nesting, lone surrogates, bytes
    /// that are not UTF-8) is the element's reject, not that of the array.
    fn element(&mut self, frame: &Frame<'_>, range: (usize, usize)) -> Result<usize, NotAnArray> {
        let bytes = frame.bytes.get(..range.1).unwrap_or_default();
        let text = bytes.get(range.0..).unwrap_or_default();
        let is_object = text.first() == Some(&b'{');
        let read = if is_object {
            self.capture(frame, range)
        } else {
            length_of_value(text)
        };
        let length = match read {
            Ok(length) => Ok(length),
            Err(error) if error.kind.is_of_one_event() => Err(error),
            Err(_) => return Err(NotAnArray),
        };
        let end = match length {
            Ok(length) => range.0 + length,
            Err(_) => range.0 + length_by_grammar(text).ok_or(NotAnArray)?,
        };
        match length {
            Ok(_) if is_object => self.captured(frame, (range.0, end), Company::Several),
            Ok(_) => self.not_json(frame, (range.0, end), NOT_AN_OBJECT),
            Err(error) => self.not_json(frame, (range.0, end), error),
        }
        Ok(skip_whitespace(bytes, end))
    }

    /// The message has as many events as it may have.
    fn is_full(&self) -> bool {
        self.next_index >= self.plan.max_message_events
    }

    /// Rejects the rest of a message that has too many events.
    fn rest(&mut self, frame: &Frame<'_>, range: (usize, usize)) {
        self.reject(frame, range, too_many(self.plan.max_message_events));
    }

    /// Reads the one event that `range` should be.
    fn event(&mut self, frame: &Frame<'_>, range: (usize, usize), company: Company) {
        let length = range.1 - range.0;
        match self.capture(frame, range) {
            Ok(captured) if captured == length => self.captured(frame, range, company),
            Ok(captured) => {
                let error = SyntaxError {
                    at: captured,
                    kind: SyntaxErrorKind::Unexpected,
                };
                self.not_json(frame, range, error);
            }
            Err(error) => self.not_json(frame, range, error),
        }
    }

    /// Notes the values of the object that `range` begins with; returns the length of its text.
    fn capture(&mut self, frame: &Frame<'_>, range: (usize, usize)) -> Result<usize, SyntaxError> {
        let text = frame.bytes.get(range.0..range.1).unwrap_or_default();
        self.work.capture.object(&self.plan.names, text)
    }
}
