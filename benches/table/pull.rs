//! The anchor of the end-to-end rows: a pull consumer by a plain blocking socket that finds the ends
//! of messages, counts them, and asks for more. Nothing that reads the same stream with less work.

use std::io::Write;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::cores;
use crate::frames::Frames;
use crate::measure::now;
use crate::publish::connect;
use crate::server::{STREAM, Server};

/// Messages asked for at a time.
const REQUEST: u64 = 500;
/// Requests that are with the server.
const OUTSTANDING: u64 = 4;
const CONSUMER: &str = "bench";
const INBOX: &str = "_BENCH.pull";

/// What the counting took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub(crate) elapsed: Duration,
    /// Share of its core that the server was busy.
    pub(crate) server_busy: f64,
}

/// Reads a whole stream of `messages` once, from the first request to the last message.
pub(crate) fn count(server: &Server, messages: u64) -> Counted {
    let mut client = server.client();
    let config = json!({
        "stream_name": STREAM,
        "config": {
            "name": CONSUMER, "ack_policy": "none", "deliver_policy": "all",
            "inactive_threshold": 60_000_000_000_u64, "max_waiting": 16,
        },
    });
    let create = format!("CONSUMER.CREATE.{STREAM}.{CONSUMER}");
    client.api(&create, &config).unwrap();
    let busy = server.processor_seconds();
    let elapsed = thread::scope(|scope| {
        let reading = || cores::bound_to(cores::CLIENT, || read(server.address(), messages));
        scope.spawn(reading).join().unwrap()
    });
    let busy = server.processor_seconds() - busy;
    let delete = format!("CONSUMER.DELETE.{STREAM}.{CONSUMER}");
    client.api(&delete, &serde_json::Value::Null).unwrap();
    Counted {
        elapsed,
        server_busy: busy / elapsed.as_secs_f64(),
    }
}

fn read(address: &str, messages: u64) -> Duration {
    let mut socket = connect(address);
    let mut frames = Frames::new();
    let body = format!("{{\"batch\":{REQUEST}}}");
    let request = format!(
        "PUB $JS.API.CONSUMER.MSG.NEXT.{STREAM}.{CONSUMER} {INBOX} {}\r\n{body}\r\n",
        body.len()
    );
    socket
        .write_all(format!("SUB {INBOX} 1\r\n").as_bytes())
        .unwrap();
    let began = now();
    for _ in 0..OUTSTANDING {
        socket.write_all(request.as_bytes()).unwrap();
    }
    let (mut counted, mut asked) = (0, REQUEST * OUTSTANDING);
    while counted < messages {
        frames.read(&mut socket, |line, _| {
            // What has headers is a word of the server.
            counted += u64::from(line.starts_with(b"MSG "));
        });
        while asked < counted + REQUEST * (OUTSTANDING - 1) + 1 {
            socket.write_all(request.as_bytes()).unwrap();
            asked += REQUEST;
        }
    }
    began.elapsed()
}
