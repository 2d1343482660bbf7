//! A receiver that does what it is told: answers, misbehaves, or says nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prometheus::{IntCounterVec, Opts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Notification, Outcomes, Status, Timing};

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Answers with that status.
    Answer(u16),
    /// Answers 429 and asks for a pause of so many seconds.
    Busy(u32),
    /// Answers 302 to another path of its own.
    Redirect,
    /// Answers what is not HTTP.
    Garbage,
    /// Answers 200 with a text without end.
    Endless,
    /// Closes the connection without a word.
    Close,
    /// Never answers.
    Hang,
}

/// A request as it arrived.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) head: String,
    pub(super) body: serde_json::Value,
}

impl Arrived {
    /// Value of a header, by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// A server on a free port.
#[derive(Debug)]
pub(super) struct TestServer {
    pub(super) url: String,
    arrived: mpsc::UnboundedReceiver<Arrived>,
    _tasks: JoinSet<()>,
}

impl TestServer {
    /// Does each act once, then answers 200.
    pub(super) async fn start(acts: &[Act]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, acts)
    }

    pub(super) fn on(listener: TcpListener, acts: &[Act]) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let acts = Arc::new(Mutex::new(VecDeque::from(acts.to_vec())));
        let (sender, arrived) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, Arc::clone(&acts), sender.clone()));
            }
        });
        Self {
            url,
            arrived,
            _tasks: tasks,
        }
    }

    /// The next request; fails the test when none comes.
    pub(super) async fn next(&mut self) -> Arrived {
        tokio::time::timeout(Duration::from_secs(20), self.arrived.recv())
            .await
            .expect("a request should arrive")
            .unwrap()
    }

    /// A request that has arrived already.
    pub(super) fn try_next(&mut self) -> Option<Arrived> {
        self.arrived.try_recv().ok()
    }
}

async fn serve(
    mut stream: TcpStream,
    acts: Arc<Mutex<VecDeque<Act>>>,
    arrived: mpsc::UnboundedSender<Arrived>,
) {
    let Some(request) = read(&mut stream).await else {
        return;
    };
    let act = acts.lock().unwrap().pop_front().unwrap_or(Act::Answer(200));
    arrived.send(request).unwrap();
    let head = match act {
        Act::Answer(status) => {
            format!("HTTP/1.1 {status} X\r\ncontent-length: 7\r\n\r\nbecause")
        }
        Act::Busy(seconds) => {
            format!("HTTP/1.1 429 X\r\nretry-after: {seconds}\r\ncontent-length: 0\r\n\r\n")
        }
        Act::Redirect => {
            "HTTP/1.1 302 X\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n".to_owned()
        }
        Act::Garbage => "these are not the bytes\r\n\r\n".to_owned(),
        Act::Endless => "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
        Act::Close => return,
        Act::Hang => {
            std::future::pending::<()>().await;
            return;
        }
    };
    let mut is_writable = stream.write_all(head.as_bytes()).await.is_ok();
    while matches!(act, Act::Endless) && is_writable {
        is_writable = stream.write_all(b"4\r\nmore\r\n").await.is_ok();
    }
}

async fn read(stream: &mut TcpStream) -> Option<Arrived> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        if let Ok(body) = serde_json::from_str(body) {
            return Some(Arrived {
                head: head.to_owned(),
                body,
            });
        }
    }
}

/// Patience of a test: short pauses, nothing given up.
pub(super) fn timing() -> Timing {
    Timing {
        resend: Duration::from_hours(1),
        keep_resolved: Duration::from_hours(1),
        request: Duration::from_millis(500),
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(5),
        give_up: Duration::from_hours(1),
    }
}

pub(super) fn outcomes() -> Outcomes {
    let options = Opts::new("notifications", "test");
    let family = IntCounterVec::new(options, &["sink", "outcome"]).unwrap();
    Outcomes::of(&family, "test")
}

/// Delivered, failed, rejected, dropped.
pub(super) fn counts(outcomes: &Outcomes) -> [u64; 4] {
    [
        outcomes.delivered.get(),
        outcomes.failed.get(),
        outcomes.rejected.get(),
        outcomes.dropped.get(),
    ]
}

pub(super) fn notification(queue: &str, status: Status) -> Arc<Notification> {
    let transition = super::notification::tests::transition(queue, status);
    Arc::new(Notification::of(&transition).unwrap())
}
