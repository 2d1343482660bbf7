//! `cxpulse schema`: what the API answers, as an `OpenAPI` description.

use std::io::Write;

use anyhow::Result;

use crate::http;

/// Prints the description to `out`; gives the exit code.
pub(super) fn run(out: &mut impl Write) -> Result<u8> {
    out.write_all(http::OPENAPI.as_bytes())?;
    out.flush()?;
    Ok(0)
}
