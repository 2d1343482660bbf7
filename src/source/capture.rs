//! Recorded events from files: plain, gzip or zstd, recognised by their first bytes; `-` is
//! standard input.
//!
//! A short file (up to `events.max_message_bytes`) is one message and may hold whatever a message
//! may: one event, an array, or lines. A longer one is read line by line, each line one message, so
//! that memory stays bounded; a JSON array that is longer than a message may be is read element by
//! element, wherever it stands.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::Envelope;
use crate::time::Timestamp;

/// Bytes read at a time.
const BUFFER_BYTES: usize = 1 << 18;

/// What can go wrong with a recorded file.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file cannot be opened.
    #[error("cannot open {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be read to its end.
    #[error("cannot read {path} after message {message}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Messages read before.
        message: u64,
        /// Why.
        source: io::Error,
    },
}

/// Reads the messages of one file.
pub struct Capture {
    path: PathBuf,
    input: Input,
    max_message_bytes: usize,
    shape: Shape,
    sequence: u64,
    stored_at: Timestamp,
    /// Compressed bytes consumed so far.
    consumed: Arc<AtomicU64>,
}

enum Shape {
    /// The whole file, waiting to be handed out.
    Whole(Bytes),
    /// Line by line.
    Lines,
    /// Element by element of one large array; lines follow it.
    Elements(Elements),
    Done,
}

/// The content of the file, of which what was looked at can be put back.
struct Input {
    /// To be read before the rest.
    head: Cursor<Vec<u8>>,
    rest: Box<dyn BufRead>,
}

/// What the next line is.
enum Line {
    Text(Bytes),
    /// An array that is longer than a message may be; nothing of it was consumed.
    LongArray,
    /// There is none.
    End,
}

/// Where a large array is being read.
#[derive(Default)]
struct Elements {
    depth: u32,
    text: Text,
    opened: bool,
    /// The bracket that ends the array has been read.
    closed: bool,
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture")
            .field("path", &self.path)
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

impl Capture {
    /// Opens a file, `-` for standard input. `first_sequence` numbers its first message;
    /// `stored_at` is the store time of every message.
    ///
    /// # Errors
    /// When the file cannot be opened or its first bytes cannot be read.
    pub fn open(
        path: &Path,
        max_message_bytes: usize,
        first_sequence: u64,
        stored_at: Timestamp,
    ) -> Result<Self, CaptureError> {
        let consumed = Arc::new(AtomicU64::new(0));
        let open = |source| CaptureError::Open {
            path: path.to_owned(),
            source,
        };
        let raw: Box<dyn Read> = if path == Path::new("-") {
            Box::new(io::stdin().lock())
        } else {
            Box::new(File::open(path).map_err(open)?)
        };
        let counted = Counted {
            inner: raw,
            consumed: Arc::clone(&consumed),
        };
        let mut input = Input {
            head: Cursor::default(),
            rest: decompressed(BufReader::with_capacity(BUFFER_BYTES, counted)).map_err(open)?,
        };
        let shape = input.first_shape(max_message_bytes).map_err(open)?;
        Ok(Self {
            path: path.to_owned(),
            input,
            max_message_bytes,
            shape,
            sequence: first_sequence,
            stored_at,
            consumed,
        })
    }

    /// Bytes of the file (compressed, if it is) read so far.
    pub fn consumed(&self) -> u64 {
        self.consumed.load(Ordering::Relaxed)
    }

    /// The number the next message will have.
    pub fn next_sequence(&self) -> u64 {
        self.sequence
    }

    /// The next message; `None` at the end of the file.
    ///
    /// # Errors
    /// When reading or decompressing fails.
    pub fn next_message(&mut self) -> Result<Option<Envelope>, CaptureError> {
        let payload = self.next_payload().map_err(|source| CaptureError::Read {
            path: self.path.clone(),
            message: self.sequence,
            source,
        })?;
        let Some(payload) = payload else {
            self.shape = Shape::Done;
            return Ok(None);
        };
        let envelope = Envelope {
            sequence: self.sequence,
            stored_at: self.stored_at,
            payload,
            ..Envelope::default()
        };
        self.sequence += 1;
        Ok(Some(envelope))
    }

    fn next_payload(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            match &mut self.shape {
                Shape::Done => return Ok(None),
                Shape::Whole(payload) => {
                    let payload = std::mem::take(payload);
                    self.shape = Shape::Done;
                    return Ok(Some(payload));
                }
                Shape::Lines => match self.input.line(self.max_message_bytes)? {
                    Line::Text(line) if line.trim_ascii().is_empty() => {}
                    Line::Text(line) => return Ok(Some(line)),
                    Line::LongArray => self.shape = Shape::Elements(Elements::default()),
                    Line::End => return Ok(None),
                },
                Shape::Elements(elements) => {
                    let element = self.input.element(elements, self.max_message_bytes)?;
                    if element.is_some() || !elements.closed {
                        return Ok(element);
                    }
                    self.shape = Shape::Lines;
                }
            }
        }
    }
}

/// An array that is not closed on its first line: the content is one large array, not lines.
fn is_long_array(head: &[u8]) -> bool {
    let Some(start) = head.iter().position(|byte| !byte.is_ascii_whitespace()) else {
        return false;
    };
    if head[start] != b'[' {
        return false;
    }
    let line = head[start..]
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    !line.trim_ascii_end().ends_with(b"]")
}

impl Input {
    /// Looks at the start of the content: short enough for one message, an array, or lines.
    fn first_shape(&mut self, max_message_bytes: usize) -> io::Result<Shape> {
        let mut head = Vec::new();
        let limit = u64::try_from(max_message_bytes)
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        self.rest.by_ref().take(limit).read_to_end(&mut head)?;
        if head.len() <= max_message_bytes {
            return Ok(Shape::Whole(Bytes::from(head)));
        }
        let is_array = is_long_array(&head);
        self.put_back(head);
        Ok(if is_array {
            Shape::Elements(Elements::default())
        } else {
            Shape::Lines
        })
    }

    fn put_back(&mut self, mut bytes: Vec<u8>) {
        bytes.extend_from_slice(self.ahead());
        self.head = Cursor::new(bytes);
    }

    /// What was put back and not read again.
    fn ahead(&self) -> &[u8] {
        let at = usize::try_from(self.head.position()).unwrap_or(usize::MAX);
        self.head.get_ref().get(at..).unwrap_or_default()
    }

    fn buffer(&mut self) -> io::Result<&[u8]> {
        if self.ahead().is_empty() {
            self.rest.fill_buf()
        } else {
            Ok(self.ahead())
        }
    }

    fn consume(&mut self, count: usize) {
        if self.ahead().is_empty() {
            self.rest.consume(count);
        } else {
            self.head.consume(count);
        }
    }

    /// Reads one line, without its end. Of a line longer than a message may be only so much is kept
    /// that the decoder sees it is too large.
    fn line(&mut self, max_bytes: usize) -> io::Result<Line> {
        let mut line = Vec::new();
        let mut seen = false;
        loop {
            let buffer = self.buffer()?;
            if buffer.is_empty() {
                return Ok(if seen {
                    Line::Text(Bytes::from(line))
                } else {
                    Line::End
                });
            }
            seen = true;
            let (text, ended) = match memchr::memchr(b'\n', buffer) {
                Some(at) => (at, true),
                None => (buffer.len(), false),
            };
            let room = (max_bytes + 1).saturating_sub(line.len());
            let taken = text.min(room);
            line.extend_from_slice(&buffer[..taken]);
            if line.len() > max_bytes && line.trim_ascii_start().starts_with(b"[") {
                self.consume(taken);
                self.put_back(line);
                return Ok(Line::LongArray);
            }
            self.consume(text + usize::from(ended));
            if ended {
                return Ok(Line::Text(Bytes::from(line)));
            }
        }
    }

    /// Reads the text of the next element of a large array, whatever is in it: brackets and strings
    /// are followed, nothing else.
    fn element(&mut self, state: &mut Elements, max_bytes: usize) -> io::Result<Option<Bytes>> {
        let mut element = Vec::new();
        while !state.closed {
            let buffer = self.buffer()?;
            if buffer.is_empty() {
                break;
            }
            let mut taken = 0;
            let mut ended = false;
            for byte in buffer {
                taken += 1;
                if state.ends_element(*byte) {
                    ended = true;
                    break;
                }
                let leads = element.is_empty() && byte.is_ascii_whitespace();
                if state.belongs(*byte) && !leads && element.len() <= max_bytes {
                    element.push(*byte);
                }
            }
            self.consume(taken);
            if ended && !element.is_empty() {
                break;
            }
        }
        Ok(whole(element, max_bytes))
    }
}

/// The text of an element; `None` when there is none. One that was cut keeps its length, so that
/// the decoder sees it is too large.
fn whole(mut element: Vec<u8>, max_bytes: usize) -> Option<Bytes> {
    if element.len() <= max_bytes {
        element.truncate(element.trim_ascii_end().len());
    }
    (!element.is_empty()).then(|| Bytes::from(element))
}

/// Where strings are.
#[derive(Clone, Copy, Default)]
enum Text {
    #[default]
    Outside,
    Inside,
    /// Behind a backslash.
    Escaped,
}

impl Elements {
    /// Follows the structure; `true` at the comma or bracket that ends an element of the array.
    fn ends_element(&mut self, byte: u8) -> bool {
        match (self.text, byte) {
            (Text::Outside, _) => {}
            (Text::Inside, b'"') => {
                self.text = Text::Outside;
                return false;
            }
            (Text::Inside, b'\\') => {
                self.text = Text::Escaped;
                return false;
            }
            (Text::Inside | Text::Escaped, _) => {
                self.text = Text::Inside;
                return false;
            }
        }
        match byte {
            b'"' => self.text = Text::Inside,
            b'{' | b'[' => {
                self.depth = self.depth.saturating_add(1);
                self.opened = self.depth > 1;
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.closed = self.depth == 0;
                return self.closed;
            }
            b',' => return self.depth == 1,
            _ => {}
        }
        false
    }

    /// Whether the byte is part of an element and not the array's own bracket.
    fn belongs(&mut self, byte: u8) -> bool {
        self.depth > 1 || !(byte == b'[' && self.depth == 1 && !self.opened)
    }
}

struct Counted {
    inner: Box<dyn Read>,
    consumed: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.consumed
            .fetch_add(u64::try_from(read).unwrap_or(0), Ordering::Relaxed);
        Ok(read)
    }
}

/// Undoes the compression that the first bytes tell of.
fn decompressed(mut raw: BufReader<Counted>) -> io::Result<Box<dyn BufRead>> {
    let start = raw.fill_buf()?;
    if start.starts_with(&[0x1f, 0x8b]) {
        let reader = flate2::bufread::MultiGzDecoder::new(raw);
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, reader)));
    }
    if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let reader = zstd::stream::read::Decoder::with_buffer(raw)?;
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, reader)));
    }
    Ok(Box::new(raw))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn messages(content: &[u8], max_message_bytes: usize) -> Vec<String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let mut capture =
            Capture::open(file.path(), max_message_bytes, 0, Timestamp::from_millis(0)).unwrap();
        let mut messages = Vec::new();
        while let Some(envelope) = capture.next_message().unwrap() {
            messages.push(String::from_utf8_lossy(&envelope.payload).into_owned());
        }
        assert_eq!(
            capture.next_sequence(),
            u64::try_from(messages.len()).unwrap()
        );
        messages
    }

    #[test]
    fn a_short_file_is_one_message() {
        assert_eq!(messages(b"{}\n{}\n", 100), ["{}\n{}\n"]);
    }

    #[test]
    fn a_long_file_is_read_by_lines() {
        assert_eq!(
            messages(b"{\"a\":1}\n\n{\"b\":2}", 8),
            ["{\"a\":1}", "{\"b\":2}"]
        );
    }

    #[test]
    fn an_overlong_line_is_cut_past_the_limit() {
        let lines = messages(b"0123456789abcdef\nx\n", 8);
        assert_eq!(lines, ["012345678", "x"]);
        // The line end does not count.
        assert_eq!(messages(b"01234567\n01234567\n", 8), ["01234567"; 2]);
    }

    #[test]
    fn a_long_array_may_stand_between_lines() {
        for size in [10, 14, 15, 16, 40] {
            assert_eq!(
                messages(b"{\"a\":1}\n[{\"b\":2},{\"c\":3}]\n\n[4,5]\n{}\n", size).len(),
                match size {
                    40 => 1,
                    _ => 5,
                },
                "{size}"
            );
        }
        let lines = messages(b"[{\"b\":2},{\"c\":3}] x\n{}\n[1,2]\n", 12);
        assert_eq!(lines, ["{\"b\":2}", "{\"c\":3}", " x", "{}", "[1,2]"]);
    }

    #[test]
    fn a_long_array_is_read_by_elements() {
        let content = b"[\n {\"a\": [1,2], \"t\": \"},]\\\"\"},\n {\"b\": NaN},\n 7\n]\n";
        assert_eq!(
            messages(content, 12),
            [
                "{\"a\": [1,2], \"t\": \"},]\\\"\"}".get(..13).unwrap(),
                "{\"b\": NaN}",
                "7"
            ]
        );
    }

    #[test]
    fn compression_is_recognised() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"{}\n").unwrap();
        assert_eq!(messages(&gzip.finish().unwrap(), 100), ["{}\n"]);
        let zstd = zstd::encode_all(&b"{}\n"[..], 1).unwrap();
        assert_eq!(messages(&zstd, 100), ["{}\n"]);
    }
}
