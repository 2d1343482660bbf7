//! Child processes of a test: started with their output in files, waited for by a condition, and
//! gone when the test ends, however it ends.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How often a condition is looked at while waiting for it.
const POLL: Duration = Duration::from_millis(20);

/// How long a process may take to end after it was asked to.
const STOP_WITHIN: Duration = Duration::from_mins(2);

/// A running child process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts `command` with its output in `<name>.out` and `<name>.err` of `folder`. Output of an
    /// earlier process of that name there is kept and added to.
    pub(crate) fn start(name: &str, command: &mut Command, folder: &Path) -> Self {
        let stdout = folder.join(format!("{name}.out"));
        let stderr = folder.join(format!("{name}.err"));
        let child = command
            .stdin(Stdio::null())
            .stdout(append_to(&stdout))
            .stderr(append_to(&stderr))
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self {
            name: name.into(),
            child,
            stdout,
            stderr,
        }
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to stdout.
    pub(crate) fn stdout(&self) -> String {
        read_lossy(&self.stdout)
    }

    /// What it has written to stderr.
    pub(crate) fn stderr(&self) -> String {
        read_lossy(&self.stderr)
    }

    /// Waits until `ready` is true. Panics, with the output, when the process ends before that or
    /// `within` has passed.
    pub(crate) fn wait_until(
        &mut self,
        what: &str,
        within: Duration,
        mut ready: impl FnMut() -> bool,
    ) {
        let mut ended = None;
        let done = poll(within, || {
            if ready() {
                return true;
            }
            ended = self.child.try_wait().ok().flatten();
            ended.is_some()
        });
        if let Some(status) = ended {
            panic!(
                "{} ended ({status}) while waiting for {what}\n{}",
                self.name,
                self.tail()
            );
        }
        assert!(
            done,
            "{}: no {what} within {within:?}\n{}",
            self.name,
            self.tail()
        );
    }

    /// Sends a signal by name (`TERM`, `INT`, `HUP`, `STOP`, `CONT`).
    pub(crate) fn signal(&self, signal: &str) {
        // By the shell's own `kill`, which is there on every system; the standard library only
        // knows SIGKILL.
        let status = Command::new("sh")
            .arg("-c")
            .arg(format!("kill -{signal} {}", self.id()))
            .status()
            .expect("sh runs");
        assert!(status.success(), "{} takes no {signal}", self.name);
    }

    /// Asks the process to end (SIGTERM) and waits for it.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait_for_end(STOP_WITHIN)
    }

    /// Waits until the process has ended; panics when it has not within that time.
    pub(crate) fn wait_for_end(&mut self, within: Duration) -> ExitStatus {
        let mut ended = None;
        poll(within, || {
            ended = self.child.try_wait().ok().flatten();
            ended.is_some()
        });
        ended.unwrap_or_else(|| {
            panic!(
                "{} did not end within {within:?}\n{}",
                self.name,
                self.tail()
            )
        })
    }

    /// Kills the process (SIGKILL) and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // Fails only when the process is gone already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// The last lines of its output, for messages.
    fn tail(&self) -> String {
        [("stdout", self.stdout()), ("stderr", self.stderr())]
            .map(|(title, output)| {
                let lines: Vec<&str> = output.lines().collect();
                let tail = &lines[lines.len().saturating_sub(30)..];
                format!("--- {} {title}\n{}", self.name, tail.join("\n"))
            })
            .join("\n")
    }
}

impl Drop for Process {
    #[expect(
        clippy::print_stderr,
        reason = "the test runner shows it for a failed test only"
    )]
    fn drop(&mut self) {
        self.end();
        if thread::panicking() {
            eprintln!("{}", self.tail());
        }
    }
}

/// Waits until `ready` is true and panics when `within` has passed before.
pub(crate) fn wait_until(what: &str, within: Duration, ready: impl FnMut() -> bool) {
    assert!(poll(within, ready), "no {what} within {within:?}");
}

/// The present, for figures and for what happens in real time.
#[expect(
    clippy::disallowed_methods,
    reason = "the processes measured live in real time"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Looks at `ready` until it is true or `within` has passed; says which.
pub(crate) fn poll(within: Duration, mut ready: impl FnMut() -> bool) -> bool {
    let deadline = now() + within;
    loop {
        if ready() {
            return true;
        }
        if now() >= deadline {
            return false;
        }
        thread::sleep(POLL);
    }
}

/// A port on which nobody listens. Taken from below the range the system hands to outgoing
/// connections, so that no client grabs it before the server that is about to listen there.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let spread = std::process::id().wrapping_mul(7919);
    for _ in 0..12_000 {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let offset = spread.wrapping_add(step) % 12_000;
        let port = u16::try_from(20_000 + offset).expect("below 32000");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between 20000 and 32000");
}

fn append_to(path: &Path) -> File {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read_lossy(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
