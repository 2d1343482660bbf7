//! Where the events of a message are: one object, an array, or lines of both.

use super::extent::{end_of_element, end_of_value, skip_whitespace, trim};
use super::fault::{too_large, too_many};
use super::json::{SyntaxError, SyntaxErrorKind};
use super::pass::{Company, Frame, Pass};

/// How an array ended.
enum ArrayEnd {
    /// With its bracket; the byte after it.
    Closed(usize),
    /// Not at all: from this byte on its structure is broken.
    Broken(usize),
    /// Not at all: the message has as many events as it may have, the rest is rejected.
    Full,
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
                Err(error) if end_of_value(bytes, start).is_some_and(is_last) => {
                    let range = trim(bytes, start, bytes.len());
                    self.not_json(frame, range, error);
                }
                Ok(_) | Err(_) => self.lines(frame),
            },
            Some(b'[') => {
                let mark = self.out.mark();
                match self.array(frame, (start, bytes.len())) {
                    ArrayEnd::Closed(end) if is_last(end) => {}
                    ArrayEnd::Full => {}
                    ArrayEnd::Closed(_) | ArrayEnd::Broken(_) => {
                        self.out.rewind(mark);
                        self.next_index = 0;
                        self.lines(frame);
                    }
                }
            }
            Some(_) => self.lines(frame),
            None => {}
        }
    }

    /// Reads newline-delimited events and arrays of events.
    fn lines(&mut self, frame: &Frame<'_>) {
        let mut start = 0;
        for line in frame.bytes.split(|&byte| byte == b'\n') {
            let range = trim(frame.bytes, start, start + line.len());
            start += line.len() + 1;
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

    /// Reads a text that begins as an array; what does not belong to the array is one reject.
    fn array_text(&mut self, frame: &Frame<'_>, range: (usize, usize)) {
        let rest = match self.array(frame, range) {
            ArrayEnd::Closed(end) if end == range.1 => return,
            ArrayEnd::Full => return,
            ArrayEnd::Closed(end) => skip_whitespace(frame.bytes, end),
            ArrayEnd::Broken(from) => from,
        };
        let error = SyntaxError {
            at: 0,
            kind: SyntaxErrorKind::Unexpected,
        };
        self.not_json(frame, (rest, range.1), error);
    }

    /// Reads the elements of the array that begins at the start of `range`, up to its end.
    fn array(&mut self, frame: &Frame<'_>, range: (usize, usize)) -> ArrayEnd {
        let bytes = frame.bytes.get(..range.1).unwrap_or_default();
        let mut at = skip_whitespace(bytes, range.0 + 1);
        if bytes.get(at) == Some(&b']') {
            return ArrayEnd::Closed(at + 1);
        }
        loop {
            let start = skip_whitespace(bytes, at);
            if self.is_full() {
                self.rest(frame, (start, range.1));
                return ArrayEnd::Full;
            }
            let Some(end) = self.element(frame, (start, range.1)) else {
                return ArrayEnd::Broken(start);
            };
            at = end + 1;
            if bytes.get(end) == Some(&b']') {
                return ArrayEnd::Closed(at);
            }
        }
    }

    /// The message has as many events as it may have.
    fn is_full(&self) -> bool {
        self.next_index >= self.plan.max_message_events
    }

    /// Rejects the rest of a message that has too many events.
    fn rest(&mut self, frame: &Frame<'_>, range: (usize, usize)) {
        self.reject(frame, range, too_many(self.plan.max_message_events));
    }

    /// Reads the array element at the start of `range` and returns where the `,` or `]` after it
    /// stands; nothing is read when there is neither.
    fn element(&mut self, frame: &Frame<'_>, range: (usize, usize)) -> Option<usize> {
        let bytes = frame.bytes.get(..range.1)?;
        let captured = self.capture(frame, range);
        if let Ok(length) = captured {
            let end = range.0 + length;
            let after = skip_whitespace(bytes, end);
            if let Some(b',' | b']') = bytes.get(after) {
                self.captured(frame, (range.0, end), Company::Several);
                return Some(after);
            }
        }
        let end = end_of_element(bytes, range.0)?;
        let (_, last) = trim(bytes, range.0, end);
        self.event(frame, (range.0, last), Company::Several);
        Some(end)
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
