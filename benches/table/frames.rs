//! Frames of the NATS protocol in a byte stream: where one ends, and nothing more.

use std::io::{Read, Write};
use std::net::TcpStream;

use memchr::memmem::Finder;

/// Read at a time.
const BUFFER: usize = 1 << 20;

/// What a socket has brought and nobody has taken yet.
#[derive(Debug)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    filled: usize,
    /// The server has answered a `PING`.
    ponged: bool,
    line_end: Finder<'static>,
}

impl Frames {
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; BUFFER],
            filled: 0,
            ponged: false,
            line_end: Finder::new("\r\n"),
        }
    }

    /// Waits for the answer to a `PING`; messages before it are dropped.
    pub(crate) fn wait_for_pong(&mut self, socket: &mut TcpStream) {
        while !self.ponged {
            self.read(socket, |_, _| {});
        }
        self.ponged = false;
    }

    /// Waits for bytes, and hands every whole message to `on_message`: its first line and its body.
    /// What is no message is passed over; a `PING` is answered.
    pub(crate) fn read(
        &mut self,
        socket: &mut TcpStream,
        mut on_message: impl FnMut(&[u8], &[u8]),
    ) {
        if self.filled == self.bytes.len() {
            self.bytes.resize(self.filled * 2, 0);
        }
        let read = socket.read(&mut self.bytes[self.filled..]).unwrap();
        assert!(read > 0, "the server has closed the connection");
        self.filled += read;
        let mut from = 0;
        while let Some(length) = self.line_end.find(&self.bytes[from..self.filled]) {
            let line = &self.bytes[from..from + length];
            let body = from + length + 2;
            if line.starts_with(b"MSG ") || line.starts_with(b"HMSG ") {
                let end = body + last_number(line);
                if end + 2 > self.filled {
                    break;
                }
                on_message(line, &self.bytes[body..end]);
                from = end + 2;
            } else {
                assert!(
                    !line.starts_with(b"-ERR"),
                    "{}",
                    String::from_utf8_lossy(line)
                );
                if line == b"PING" {
                    socket.write_all(b"PONG\r\n").unwrap();
                }
                self.ponged |= line == b"PONG";
                from = body;
            }
        }
        self.bytes.copy_within(from..self.filled, 0);
        self.filled -= from;
    }
}

/// The number at the end of a line.
fn last_number(line: &[u8]) -> usize {
    let digits = line.iter().rev().take_while(|byte| byte.is_ascii_digit());
    let mut unit = 1;
    digits.fold(0, |number, digit| {
        let number = number + usize::from(digit - b'0') * unit;
        unit *= 10;
        number
    })
}
