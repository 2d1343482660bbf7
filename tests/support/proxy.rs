//! A TCP proxy of a test between cxpulse and a server: it can cut connections, swallow what is
//! sent, forget one side and take its time.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::process;

/// How often a connection looks at what is wanted of it.
const LOOK: Duration = Duration::from_millis(10);
/// Bytes under way in one direction of a connection; more waits in the sockets.
const UNDER_WAY: usize = 4 * 1024 * 1024;

/// A listening proxy; ends with the test.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// New connections are closed at once.
    refuses: AtomicBool,
    /// Nothing passes in either direction; nothing is closed.
    holds: AtomicBool,
    /// Of each chunk, in each direction.
    delay_ms: AtomicU64,
    ended: AtomicBool,
    accepted: AtomicU64,
    connections: Mutex<Vec<Arc<Connection>>>,
}

#[derive(Debug)]
struct Connection {
    client: TcpStream,
    server: TcpStream,
    /// Nothing passes any more, and nothing is closed.
    forgotten: AtomicBool,
}

impl Proxy {
    /// A proxy in front of `target` (`host:port`), which need not listen yet.
    pub(crate) fn before(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let target: SocketAddr = target.parse().expect("host:port");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.ended.load(Ordering::Relaxed) {
                    return;
                }
                shared.accept(client, target);
            }
        });
        Self { address, state }
    }

    /// Its address as a URL.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Closes every connection.
    pub(crate) fn cut(&self) {
        for connection in self.state.take_connections() {
            connection.close();
        }
    }

    /// Closes every connection and takes no new ones, or takes them again.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.state.refuses.store(refuses, Ordering::Relaxed);
        if refuses {
            self.cut();
        }
    }

    /// Lets nothing through in either direction, without closing anything, or lets all through that
    /// has waited.
    pub(crate) fn hold(&self, holds: bool) {
        self.state.holds.store(holds, Ordering::Relaxed);
    }

    /// Never again lets anything through the connections that stand, and closes none of them.
    pub(crate) fn forget(&self) {
        for connection in self.state.take_connections() {
            connection.forgotten.store(true, Ordering::Relaxed);
        }
    }

    /// Closes the connections towards the server, of which the client hears nothing.
    pub(crate) fn half_open(&self) {
        for connection in self.state.take_connections() {
            connection.forgotten.store(true, Ordering::Relaxed);
            drop(connection.server.shutdown(Shutdown::Both));
        }
    }

    /// What passes takes so long in each direction.
    pub(crate) fn delay(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).expect("a short delay");
        self.state.delay_ms.store(millis, Ordering::Relaxed);
    }

    /// Connections taken so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.state.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
        self.cut();
        // Wakes the listener.
        drop(TcpStream::connect(self.address));
    }
}

impl State {
    fn take_connections(&self) -> Vec<Arc<Connection>> {
        let mut connections = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *connections)
    }

    fn accept(self: &Arc<Self>, client: TcpStream, target: SocketAddr) {
        if self.refuses.load(Ordering::Relaxed) {
            return;
        }
        let Ok(server) = TcpStream::connect(target) else {
            return;
        };
        self.accepted.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection {
            client,
            server,
            forgotten: AtomicBool::new(false),
        });
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&connection));
        for towards_server in [true, false] {
            let state = Arc::clone(self);
            let connection = Arc::clone(&connection);
            thread::spawn(move || state.pump(&connection, towards_server));
        }
    }

    /// Moves bytes in one direction until the connection is closed or forgotten.
    fn pump(&self, connection: &Arc<Connection>, towards_server: bool) {
        let Some((mut from, mut to)) = connection.ends(towards_server) else {
            return;
        };
        let mut waiting: VecDeque<(std::time::Instant, Vec<u8>)> = VecDeque::new();
        let mut bytes = 0;
        let mut chunk = vec![0; 64 * 1024];
        let mut at_end = false;
        while !self.ended.load(Ordering::Relaxed) {
            if connection.forgotten.load(Ordering::Relaxed) {
                // Both ends are kept, so that neither hears of it.
                thread::sleep(LOOK * 10);
                continue;
            }
            if self.holds.load(Ordering::Relaxed) {
                thread::sleep(LOOK);
                continue;
            }
            while let Some((due, _)) = waiting.front()
                && *due <= process::now()
            {
                let (_, data) = waiting.pop_front().expect("looked at");
                bytes -= data.len();
                if to.write_all(&data).is_err() {
                    connection.close();
                    return;
                }
            }
            if at_end || bytes > UNDER_WAY {
                if waiting.is_empty() {
                    connection.close();
                    return;
                }
                thread::sleep(LOOK);
                continue;
            }
            match from.read(&mut chunk) {
                Ok(0) => at_end = true,
                Ok(size) => {
                    let delay = Duration::from_millis(self.delay_ms.load(Ordering::Relaxed));
                    waiting.push_back((process::now() + delay, chunk[..size].to_vec()));
                    bytes += size;
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => {
                    if !connection.forgotten.load(Ordering::Relaxed) {
                        connection.close();
                        return;
                    }
                }
            }
        }
    }
}

impl Connection {
    /// Where to read and where to write.
    fn ends(&self, towards_server: bool) -> Option<(TcpStream, TcpStream)> {
        let client = self.client.try_clone().ok()?;
        let server = self.server.try_clone().ok()?;
        client.set_nodelay(true).ok()?;
        server.set_nodelay(true).ok()?;
        let (from, to) = if towards_server {
            (client, server)
        } else {
            (server, client)
        };
        from.set_read_timeout(Some(LOOK)).ok()?;
        Some((from, to))
    }

    fn close(&self) {
        // One that is closed already stays so.
        drop(self.client.shutdown(Shutdown::Both));
        drop(self.server.shutdown(Shutdown::Both));
    }
}
