//! Publishing as fast as the server takes it, by a plain socket.

use std::io::Write;
use std::net::TcpStream;

use cxpulse::source::Envelope;

use crate::frames::Frames;

const SUBJECT: &str = "cx.interactions.bench";
const ACKNOWLEDGEMENTS: &str = "_BENCH.acknowledged";
/// Messages written before the server's answers are looked at.
const BLOCK: usize = 1000;
/// Messages whose acknowledgement is still to come.
const UNACKNOWLEDGED: usize = 8000;

/// A connection that publishes.
#[derive(Debug)]
pub(crate) struct Publisher {
    socket: TcpStream,
    frames: Frames,
    acknowledged: bool,
    outstanding: usize,
}

impl Publisher {
    /// Every message is to be stored by a stream, which says so.
    pub(crate) fn acknowledged(address: &str) -> Self {
        let mut publisher = Self::plain(address);
        publisher.acknowledged = true;
        let subscription = format!("SUB {ACKNOWLEDGEMENTS} 1\r\n");
        publisher.socket.write_all(subscription.as_bytes()).unwrap();
        publisher
    }

    /// Messages go out and nobody answers.
    pub(crate) fn plain(address: &str) -> Self {
        Self {
            socket: connect(address),
            frames: Frames::new(),
            acknowledged: false,
            outstanding: 0,
        }
    }

    /// Publishes lines, `pack` in a message with a newline between.
    pub(crate) fn publish(&mut self, lines: &[Envelope], pack: usize) {
        let mut bytes = Vec::new();
        for block in lines.chunks(pack * BLOCK) {
            bytes.clear();
            self.outstanding += encode(block, pack, self.acknowledged, &mut bytes);
            self.send(&bytes);
        }
    }

    /// Writes messages that are encoded already, and reads answers where there are too many to come.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
        if self.acknowledged {
            self.read_until(UNACKNOWLEDGED);
        } else {
            self.outstanding = 0;
        }
    }

    /// Waits until the server has answered for everything, or has read all where it answers nothing.
    pub(crate) fn finish(&mut self) {
        self.read_until(0);
        if !self.acknowledged {
            self.socket.write_all(b"PING\r\n").unwrap();
            self.frames.wait_for_pong(&mut self.socket);
        }
    }

    fn read_until(&mut self, left: usize) {
        while self.outstanding > left {
            let outstanding = &mut self.outstanding;
            self.frames.read(&mut self.socket, |_, body| {
                let refused = body.windows(7).any(|bytes| bytes == b"\"error\"");
                assert!(!refused, "{}", String::from_utf8_lossy(body));
                *outstanding -= 1;
            });
        }
    }
}

/// A connection that has said hello.
pub(crate) fn connect(address: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_nodelay(true).unwrap();
    let hello = b"CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"protocol\":1,\
                  \"name\":\"bench\",\"lang\":\"raw\",\"version\":\"1\"}\r\n";
    socket.write_all(hello).unwrap();
    socket
}

/// Appends lines as `PUB` frames and says how many.
pub(crate) fn encode(
    lines: &[Envelope],
    pack: usize,
    acknowledged: bool,
    out: &mut Vec<u8>,
) -> usize {
    let reply = if acknowledged {
        format!(" {ACKNOWLEDGEMENTS}")
    } else {
        String::new()
    };
    for message in lines.chunks(pack) {
        let payload: usize = message.iter().map(|line| line.payload.len()).sum();
        let size = payload + message.len() - 1;
        write!(out, "PUB {SUBJECT}{reply} {size}\r\n").unwrap();
        for (number, line) in message.iter().enumerate() {
            if number > 0 {
                out.push(b'\n');
            }
            out.extend_from_slice(&line.payload);
        }
        out.extend_from_slice(b"\r\n");
    }
    lines.len().div_ceil(pack)
}
