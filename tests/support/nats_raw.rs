//! A small blocking NATS client on a plain TCP connection, so that tests publish and look by a
//! client that shares no code with the one cxpulse uses.

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// How long an answer of the server may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Publishes whose acknowledgement is still to come. Small enough that the server's answers fit
/// into the socket's buffer while we write, so that neither side ever waits for the other.
const UNACKNOWLEDGED: usize = 500;

/// One connection. Every failure is an [`io::Error`] that says what the server said.
#[derive(Debug)]
pub(crate) struct RawNats {
    reader: BufReader<TcpStream>,
    writer: BufWriter<TcpStream>,
    inbox: String,
    next_subscription: u64,
    next_request: u64,
    /// Messages that came while waiting for something else.
    early: VecDeque<Message>,
}

/// A message as delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// Number of the subscription; 0 for one read from a stream.
    pub(crate) subscription: u64,
    /// The subject it was published to.
    pub(crate) subject: String,
    /// Where an answer is expected.
    pub(crate) reply: Option<String>,
    /// Status of a message without payload from the server, such as 503.
    pub(crate) status: Option<u16>,
    /// Names and values in their order.
    pub(crate) headers: Vec<(String, String)>,
    /// The payload.
    pub(crate) payload: Vec<u8>,
    /// The sequence of one read from a stream, else 0.
    pub(crate) sequence: u64,
}

impl Message {
    /// The first value of a header, with exactly this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header == name)
            .map(|(_, value)| value.as_str())
    }

    /// The payload as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }
}

/// What is to be published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Publish {
    /// The subject.
    pub(crate) subject: String,
    /// Names and values; none for a plain `PUB`.
    pub(crate) headers: Vec<(String, String)>,
    /// The payload.
    pub(crate) payload: Vec<u8>,
}

impl Publish {
    /// A message without headers.
    pub(crate) fn new(subject: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            subject: subject.into(),
            headers: Vec::new(),
            payload: payload.into(),
        }
    }

    /// The same message with one more header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// Connecting, and the protocol.
impl RawNats {
    /// Connects without credentials, once.
    pub(crate) fn connect(address: &str) -> io::Result<Self> {
        Self::connect_with(address, &json!({}))
    }

    /// Connects with more members in the CONNECT line, such as `user` and `pass`.
    pub(crate) fn connect_with(address: &str, more: &Value) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        let local = stream.local_addr()?;
        let mut nats = Self {
            reader: BufReader::new(stream.try_clone()?),
            writer: BufWriter::new(stream),
            inbox: format!("_INBOX.raw.{}.{}", std::process::id(), local.port()),
            next_subscription: 2,
            next_request: 1,
            early: VecDeque::new(),
        };
        let info = nats.line()?;
        if !info.starts_with("INFO ") {
            return Err(refused(&info));
        }
        let mut options = json!({
            "verbose": false, "pedantic": false, "headers": true, "no_responders": true,
            "name": "raw", "lang": "raw", "version": "1", "protocol": 1,
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            options[name] = value.clone();
        }
        write!(nats.writer, "CONNECT {options}\r\n")?;
        write!(nats.writer, "SUB {}.* 1\r\n", nats.inbox)?;
        nats.flush()?;
        Ok(nats)
    }

    /// Sends what is written and waits until the server has taken it.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.writer.write_all(b"PING\r\n")?;
        self.writer.flush()?;
        loop {
            match self.operation()? {
                Operation::Pong => return Ok(()),
                Operation::Message(message) => self.early.push_back(message),
                Operation::Nothing => {}
            }
        }
    }

    /// Publishes; sent with the next flush, request or wait.
    pub(crate) fn publish(&mut self, message: &Publish) -> io::Result<()> {
        self.write_message(message, None)
    }

    /// Subscribes and gives the number that its messages carry.
    pub(crate) fn subscribe(&mut self, subject: &str) -> io::Result<u64> {
        let subscription = self.next_subscription;
        self.next_subscription += 1;
        write!(self.writer, "SUB {subject} {subscription}\r\n")?;
        self.flush()?;
        Ok(subscription)
    }

    /// The next message of any subscription; `None` when none came within `within`.
    pub(crate) fn next_message(&mut self, within: Duration) -> io::Result<Option<Message>> {
        if let Some(message) = self.early.pop_front() {
            return Ok(Some(message));
        }
        self.writer.flush()?;
        self.reader.get_ref().set_read_timeout(Some(within))?;
        let message = self.wait_for_message();
        self.reader
            .get_ref()
            .set_read_timeout(Some(ANSWER_WITHIN))?;
        match message {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    /// Publishes with a reply subject and waits for the answer.
    pub(crate) fn request(&mut self, message: &Publish) -> io::Result<Message> {
        let reply = self.send_request(message)?;
        self.writer.flush()?;
        let answer = self.answer()?;
        if answer.subject == reply {
            Ok(answer)
        } else {
            Err(refused(&format!("an answer on {}", answer.subject)))
        }
    }

    fn send_request(&mut self, message: &Publish) -> io::Result<String> {
        let reply = format!("{}.{}", self.inbox, self.next_request);
        self.next_request += 1;
        self.write_message(message, Some(&reply))?;
        Ok(reply)
    }

    /// The next answer to a request; messages of subscriptions are kept for later.
    fn answer(&mut self) -> io::Result<Message> {
        loop {
            let message = self.wait_for_message()?;
            if message.subscription != 1 {
                self.early.push_back(message);
            } else if message.status == Some(503) {
                return Err(refused("nobody answers this subject"));
            } else {
                return Ok(message);
            }
        }
    }

    fn wait_for_message(&mut self) -> io::Result<Message> {
        loop {
            if let Operation::Message(message) = self.operation()? {
                return Ok(message);
            }
        }
    }

    fn write_message(&mut self, message: &Publish, reply: Option<&str>) -> io::Result<()> {
        let reply = reply.map(|reply| format!(" {reply}")).unwrap_or_default();
        let subject = &message.subject;
        let size = message.payload.len();
        if message.headers.is_empty() {
            write!(self.writer, "PUB {subject}{reply} {size}\r\n")?;
        } else {
            let mut block = b"NATS/1.0\r\n".to_vec();
            for (name, value) in &message.headers {
                write!(block, "{name}: {value}\r\n")?;
            }
            block.extend(b"\r\n");
            let (head, total) = (block.len(), block.len() + size);
            write!(self.writer, "HPUB {subject}{reply} {head} {total}\r\n")?;
            self.writer.write_all(&block)?;
        }
        self.writer.write_all(&message.payload)?;
        self.writer.write_all(b"\r\n")
    }

    fn operation(&mut self) -> io::Result<Operation> {
        let line = self.line()?;
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match word {
            "PONG" => Ok(Operation::Pong),
            "PING" => {
                self.writer.write_all(b"PONG\r\n")?;
                self.writer.flush()?;
                Ok(Operation::Nothing)
            }
            "MSG" | "HMSG" => self.message(word == "HMSG", rest).map(Operation::Message),
            "INFO" | "+OK" => Ok(Operation::Nothing),
            _ => Err(refused(&line)),
        }
    }

    /// Reads a message after its first line: subject, subscription, reply if any, size of the
    /// headers if any, size of all.
    fn message(&mut self, with_headers: bool, rest: &str) -> io::Result<Message> {
        let mut fields: VecDeque<&str> = rest.split_whitespace().collect();
        let total = number(fields.pop_back())?;
        let head = if with_headers {
            number(fields.pop_back())?
        } else {
            0
        };
        let mut message = Message {
            subject: fields.pop_front().unwrap_or_default().into(),
            subscription: number(fields.pop_front())?,
            reply: fields.pop_front().map(String::from),
            ..Message::default()
        };
        let total = usize::try_from(total).map_err(io::Error::other)?;
        let head = usize::try_from(head).map_err(io::Error::other)?;
        let mut bytes = vec![0; total + 2];
        self.reader.read_exact(&mut bytes)?;
        message.payload = bytes[head..total].to_vec();
        (message.status, message.headers) = parse_headers(&bytes[..head]);
        Ok(message)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().into())
    }
}

/// JetStream, by its JSON API.
impl RawNats {
    /// Calls `$JS.API.<call>` and gives the answer.
    pub(crate) fn api(&mut self, call: &str, body: &Value) -> io::Result<Value> {
        let payload = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let answer = self.request(&Publish::new(format!("$JS.API.{call}"), payload))?;
        let answer: Value = serde_json::from_slice(&answer.payload)?;
        match answer.get("error") {
            Some(error) => Err(refused(&format!("{call}: {error}"))),
            None => Ok(answer),
        }
    }

    /// Makes a stream with limits retention, in files; `more` adds to or replaces its settings.
    pub(crate) fn create_stream(
        &mut self,
        name: &str,
        subjects: &[&str],
        more: &Value,
    ) -> io::Result<Value> {
        let mut settings = json!({
            "name": name, "subjects": subjects, "retention": "limits", "storage": "file",
            "num_replicas": 1,
        });
        for (setting, value) in more.as_object().into_iter().flatten() {
            settings[setting] = value.clone();
        }
        self.api(&format!("STREAM.CREATE.{name}"), &settings)
    }

    /// Settings and state of a stream.
    pub(crate) fn stream_info(&mut self, name: &str) -> io::Result<Value> {
        self.api(&format!("STREAM.INFO.{name}"), &Value::Null)
    }

    /// Removes messages; `filter` as the API has it (`{}` for all, `{"seq": n}`, `{"filter": s}`).
    pub(crate) fn purge_stream(&mut self, name: &str, filter: &Value) -> io::Result<Value> {
        self.api(&format!("STREAM.PURGE.{name}"), filter)
    }

    /// Deletes a stream.
    pub(crate) fn delete_stream(&mut self, name: &str) -> io::Result<Value> {
        self.api(&format!("STREAM.DELETE.{name}"), &Value::Null)
    }

    /// Names of the consumers on a stream.
    pub(crate) fn consumers(&mut self, stream: &str) -> io::Result<Vec<String>> {
        let answer = self.api(&format!("CONSUMER.NAMES.{stream}"), &Value::Null)?;
        let names = answer["consumers"].as_array().into_iter().flatten();
        Ok(names
            .filter_map(|name| name.as_str().map(String::from))
            .collect())
    }

    /// Publishes to a stream and waits for all acknowledgements; gives the last stream sequence.
    pub(crate) fn publish_acknowledged(
        &mut self,
        messages: impl IntoIterator<Item = impl Borrow<Publish>>,
    ) -> io::Result<u64> {
        let mut waiting = 0;
        let mut last = 0;
        for message in messages {
            self.send_request(message.borrow())?;
            waiting += 1;
            if waiting == UNACKNOWLEDGED {
                self.writer.flush()?;
                while waiting > UNACKNOWLEDGED / 2 {
                    last = last.max(self.acknowledgement()?);
                    waiting -= 1;
                }
            }
        }
        self.writer.flush()?;
        for _ in 0..waiting {
            last = last.max(self.acknowledgement()?);
        }
        Ok(last)
    }

    /// All messages that a stream holds, in order.
    pub(crate) fn stored_messages(&mut self, stream: &str) -> io::Result<Vec<Message>> {
        let info = self.stream_info(stream)?;
        let last = info["state"]["last_seq"].as_u64().unwrap_or_default();
        let mut messages = Vec::new();
        let mut next = info["state"]["first_seq"].as_u64().unwrap_or_default();
        while next <= last && info["state"]["messages"] != 0 {
            let call = format!("STREAM.MSG.GET.{stream}");
            let answer = self.api(&call, &json!({ "seq": next, "next_by_subj": ">" }))?;
            let message = stored_message(&answer["message"])?;
            next = message.sequence + 1;
            messages.push(message);
        }
        Ok(messages)
    }

    fn acknowledgement(&mut self) -> io::Result<u64> {
        let answer = self.answer()?;
        let ack: Value = serde_json::from_slice(&answer.payload)?;
        ack["seq"]
            .as_u64()
            .filter(|_| ack.get("error").is_none())
            .ok_or_else(|| refused(&answer.text()))
    }
}

/// What the server said, as far as it matters here.
enum Operation {
    Message(Message),
    Pong,
    Nothing,
}

/// A message as `STREAM.MSG.GET` shows it: payload and headers in base64.
fn stored_message(value: &Value) -> io::Result<Message> {
    let bytes = |name: &str| {
        STANDARD
            .decode(value[name].as_str().unwrap_or_default())
            .map_err(io::Error::other)
    };
    let (status, headers) = parse_headers(&bytes("hdrs")?);
    Ok(Message {
        subject: value["subject"].as_str().unwrap_or_default().into(),
        sequence: value["seq"].as_u64().unwrap_or_default(),
        status,
        headers,
        payload: bytes("data")?,
        ..Message::default()
    })
}

/// A header block: its status, if it has one, and its names and values.
fn parse_headers(block: &[u8]) -> (Option<u16>, Vec<(String, String)>) {
    let text = String::from_utf8_lossy(block);
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first
        .split_whitespace()
        .nth(1)
        .and_then(|status| status.parse().ok());
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    (status, headers)
}

fn number(field: Option<&str>) -> io::Result<u64> {
    field
        .unwrap_or_default()
        .parse()
        .map_err(|_| refused("a message line without its numbers"))
}

fn refused(what: &str) -> io::Error {
    io::Error::other(format!("NATS: {what}"))
}
