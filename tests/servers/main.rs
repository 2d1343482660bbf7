//! Tests with real servers: nats-server, Prometheus, Alertmanager, and the built `cxpulse`.
//! `scripts/fetch-tools` brings the servers; a test whose server is missing is skipped by name.

mod source;
mod support_works;

#[path = "../support"]
mod support {
    //! What the tests share.

    pub(crate) mod alertmanager;
    pub(crate) mod broker;
    pub(crate) mod http;
    pub(crate) mod nats_raw;
    pub(crate) mod process;
    pub(crate) mod prometheus;
    pub(crate) mod tools;
}
