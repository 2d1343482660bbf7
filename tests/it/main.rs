//! Tests of the library through its public face, without servers.

mod export;
mod http;
