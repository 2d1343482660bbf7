//! Single steps by criterion, for work on one of them: `cargo bench --bench parts decode`. How they
//! come together, and against what, is `table`.
#![expect(
    clippy::unwrap_used,
    clippy::missing_docs_in_private_items,
    reason = "a bench ends where it cannot go on; criterion's macro writes the rest"
)]

mod checkpoint;
mod decode;
mod engine;
mod render;
mod view;

#[path = "../table/anchor.rs"]
mod anchor;
#[path = "../table/feed.rs"]
mod feed;
#[path = "../table/state.rs"]
#[expect(dead_code, reason = "the table uses all of it")]
mod state;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    parts,
    decode::benches,
    engine::benches,
    view::benches,
    render::benches,
    checkpoint::benches
);
criterion_main!(parts);
