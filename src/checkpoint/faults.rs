//! Points at which a test can make the process die or a step fail. Compiled in with the feature
//! `fault-points` only, which nothing but tests switches on; elsewhere they are nothing.
//!
//! `CXPULSE_FAULT=<point>:<action>[:<skip>]` arms one point: `crash` ends the process at once
//! without unwinding, `fail` makes the step fail, `short` writes half, `hang` never comes back. `skip`
//! lets it pass so many times first.

use std::io;

/// What an armed point does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The step fails.
    Fail,
    /// Only half is written, then the step fails.
    Short,
}

/// Passes the point `name`.
///
/// # Errors
/// When the point is armed to fail.
#[cfg(not(feature = "fault-points"))]
#[inline]
pub fn pass(_name: &str) -> io::Result<Option<Fault>> {
    Ok(None)
}

/// Passes the point `name`.
///
/// # Errors
/// When the point is armed to fail.
#[cfg(feature = "fault-points")]
pub fn pass(name: &str) -> io::Result<Option<Fault>> {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static ARMED: OnceLock<Option<(String, String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let armed = ARMED.get_or_init(|| {
        let text = std::env::var("CXPULSE_FAULT").ok()?;
        let mut parts = text.split(':');
        let point = parts.next()?.to_owned();
        let action = parts.next()?.to_owned();
        let skip = parts.next().and_then(|skip| skip.parse().ok()).unwrap_or(0);
        Some((point, action, skip))
    });
    let Some((point, action, skip)) = armed else {
        return Ok(None);
    };
    if point != name || PASSED.fetch_add(1, Ordering::SeqCst) < *skip {
        return Ok(None);
    }
    match action.as_str() {
        "crash" => std::process::abort(),
        "hang" => loop {
            std::thread::park();
        },
        "short" => Ok(Some(Fault::Short)),
        _ => Err(io::Error::other(format!("fault point {name}"))),
    }
}
