//! Accepting connections: limits, timeouts, and a stop that ends within a bound.

use std::convert::Infallible;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus::{IntCounterVec, IntGauge};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::connection::{AnswerBody, Connections, Entry, Impatient};
use super::routes::router;
use super::shared::Shared;
use super::tls::{TlsError, acceptor};
use super::{Limits, Settings};

/// Longest time that answers under way get at the end.
const DRAIN: Duration = Duration::from_secs(5);

/// Pause after a failed accept: without descriptors the next one would fail at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Longest wait for a connection that was told to make room.
const EVICTION: Duration = Duration::from_secs(1);

/// Longest request head in bytes; a longer one is answered with 431.
const MAX_HEAD: usize = 32 * 1024;

/// What a connection gets for which there is no room.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-length: 0\r\nretry-after: 5\r\nconnection: close\r\n\r\n";

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Every answer under way was finished.
    Drained,
    /// So many connections were cut because they did not finish in time.
    Cut(usize),
}

/// The server, ready to be given a listener.
pub struct Server {
    shared: Arc<Shared>,
    router: Router,
    tls: Option<TlsAcceptor>,
    limits: Limits,
}

impl Server {
    /// A server of `shared`. `settings.listen` is not looked at: the listener is bound by the
    /// caller, who knows what to do when it cannot be.
    ///
    /// # Errors
    /// When `settings.tls` cannot be set up; there is no falling back to plain text.
    pub fn new(shared: Arc<Shared>, settings: &Settings) -> Result<Self, TlsError> {
        Ok(Self {
            router: router(Arc::clone(&shared), settings.auth.clone()),
            shared,
            tls: settings.tls.as_ref().map(acceptor).transpose()?,
            limits: settings.limits.clone(),
        })
    }

    /// Serves on `listener` until `shutdown` resolves, then finishes the answers under way within
    /// five seconds.
    ///
    /// Call [`Shared::set_stopping`] before, so that `/readyz` fails while answers are still given.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Stopped {
        let mut doorman = Doorman {
            slots: Arc::new(Semaphore::new(self.limits.max_connections)),
            server: self,
            connections: Connections::default(),
            accepted: 0,
            stop: watch::Sender::new(false),
            tasks: JoinSet::new(),
        };
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => doorman.admit(stream).await,
                    Err(failure) => {
                        warn!(%failure, "connection could not be accepted");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                () = &mut shutdown => break,
            }
        }
        drop(listener);
        doorman.drain().await
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("tls", &self.tls.is_some())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// The accept loop's own state.
struct Doorman {
    server: Server,
    /// Free places for connections.
    slots: Arc<Semaphore>,
    connections: Connections,
    /// Connections so far.
    accepted: u64,
    /// True when connections have to finish.
    stop: watch::Sender<bool>,
    /// One task per open connection.
    tasks: JoinSet<()>,
}

impl Doorman {
    /// Serves a connection on its own task, or refuses it.
    async fn admit(&mut self, stream: TcpStream) {
        while self.tasks.try_join_next().is_some() {}
        let Some(slot) = self.slot().await else {
            self.server.shared.metrics.http.connections_refused.inc();
            refuse(stream);
            return;
        };
        self.accepted += 1;
        let connection = OpenConnection {
            entry: self.connections.enter(self.accepted),
            stop: self.stop.subscribe(),
            router: self.server.router.clone(),
            tls: self.server.tls.clone(),
            limits: self.server.limits.clone(),
            cuts: Cuts(self.server.shared.metrics.http.connections_cut.clone()),
        };
        let place = Place::new(slot, self.server.shared.metrics.http.connections.clone());
        self.tasks.spawn(async move {
            connection.run(stream).await;
            drop(place);
        });
    }

    /// A free place, if need be that of a connection that asks for nothing.
    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            return Some(slot);
        }
        if !self.connections.evict_idle() {
            return None;
        }
        let freed = timeout(EVICTION, Arc::clone(&self.slots).acquire_owned());
        freed.await.ok()?.ok()
    }

    /// Lets the open connections finish, and cuts those that do not.
    async fn drain(mut self) -> Stopped {
        self.stop.send_replace(true);
        let finished = timeout(DRAIN, async {
            while self.tasks.join_next().await.is_some() {}
        });
        if finished.await.is_ok() {
            return Stopped::Drained;
        }
        let cut = self.tasks.len();
        self.tasks.shutdown().await;
        Stopped::Cut(cut)
    }
}

/// A connection's slot, counted while it is held.
struct Place {
    open: IntGauge,
    _slot: OwnedSemaphorePermit,
}

impl Place {
    fn new(slot: OwnedSemaphorePermit, open: IntGauge) -> Self {
        open.inc();
        Self { open, _slot: slot }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// Says that there is no room, without waiting for the client to listen.
fn refuse(stream: TcpStream) {
    // Best effort: the connection is closed either way.
    let _refused = stream
        .into_std()
        .and_then(|mut stream| stream.write(NO_ROOM));
}

/// Connections cut, by reason.
#[derive(Clone, Debug)]
struct Cuts(IntCounterVec);

impl Cuts {
    fn count(&self, reason: &str) {
        self.0.with_label_values(&[reason]).inc();
    }

    /// Notes how a connection ended that did not end well.
    fn note(&self, failure: &hyper::Error) {
        debug!(%failure, "connection ended early");
        let cause = std::error::Error::source(failure);
        let io = cause.and_then(|cause| cause.downcast_ref::<io::Error>());
        if failure.is_timeout() {
            self.count("headers");
        } else if failure.is_parse_too_large() {
            self.count("head");
        } else if io.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            self.count("write");
        }
    }
}

/// A connection and what it runs under.
struct OpenConnection {
    entry: Entry,
    stop: watch::Receiver<bool>,
    router: Router,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    cuts: Cuts,
}

impl OpenConnection {
    /// Answers requests until the client leaves, breaks a limit, is evicted, or the server stops.
    async fn run(mut self, stream: TcpStream) {
        if let Err(failure) = stream.set_nodelay(true) {
            debug!(%failure, "connection could not be set up");
        }
        let impatient = Impatient::new(stream, self.limits.write_timeout);
        let Some(tls) = self.tls.take() else {
            return self.answer(impatient).await;
        };
        let cuts = self.cuts.clone();
        let handshake = tokio::select! {
            handshake = timeout(self.limits.header_timeout, tls.accept(impatient)) => handshake,
            () = self.entry.connection.evicted() => return cuts.count("idle"),
            _ = self.stop.wait_for(|stop| *stop) => return,
        };
        match handshake {
            Ok(Ok(encrypted)) => self.answer(encrypted).await,
            Ok(Err(failure)) => debug!(%failure, "tls handshake failed"),
            Err(_) => {
                debug!("tls handshake took too long");
                cuts.count("headers");
            }
        }
    }

    async fn answer(mut self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let connection = Arc::clone(&self.entry.connection);
        let router = TowerToHyperService::new(self.router.clone());
        let service = service_fn(|request: Request<Incoming>| {
            let answering = connection.begin_answer();
            let answer = router.call(request);
            async move {
                let response: Response<Body> = answer.await?;
                Ok::<_, Infallible>(response.map(|body| AnswerBody::new(body, answering)))
            }
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_timeout)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let mut serving = std::pin::pin!(serving);
        let cuts = self.cuts.clone();
        let mut told = false;
        loop {
            let ended = tokio::select! {
                ended = serving.as_mut() => ended,
                () = self.entry.connection.evicted() => return cuts.count("idle"),
                _ = self.stop.wait_for(|stop| *stop), if !told => {
                    told = true;
                    serving.as_mut().graceful_shutdown();
                    continue;
                }
            };
            if let Err(failure) = ended {
                cuts.note(&failure);
            }
            return;
        }
    }
}
