//! Tests with real servers: nats-server, Prometheus, Alertmanager, and the built `cxpulse`.
//! `scripts/fetch-tools` brings the servers; a test whose server is missing is skipped by name.

mod abuse;
mod alert_rules;
mod alert_service;
mod alert_sinks;
mod canaries;
mod connection;
mod crash;
mod dashboard;
mod dead_letter;
mod deploy;
mod doctor;
mod expected;
mod faults;
mod feed;
mod hostile;
mod main_job;
mod many_wallboards;
mod recovery;
mod rejects;
mod scrapes;
mod source;
mod support_works;
mod traffic;
mod wallboard;

#[path = "../reference/mod.rs"]
#[expect(dead_code, reason = "the tests without servers use all of it")]
mod reference;

#[path = "../support"]
mod support {
    //! What the tests share.

    pub(crate) mod alertmanager;
    pub(crate) mod broker;
    pub(crate) mod cluster;
    pub(crate) mod http;
    pub(crate) mod nats_raw;
    pub(crate) mod page;
    pub(crate) mod process;
    pub(crate) mod prometheus;
    pub(crate) mod proxy;
    pub(crate) mod service;
    pub(crate) mod tools;
}
