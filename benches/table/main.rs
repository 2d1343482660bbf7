//! The speed table: every figure beside its anchor, measured in the same run, as a ratio with `pass`
//! or `short`. `scripts/bench` runs it; `scripts/bench engine` runs the rows whose name has `engine`.
#![expect(clippy::print_stdout, reason = "a bench prints what it measures")]
#![expect(
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::missing_docs_in_private_items,
    reason = "a bench ends where it cannot go on, and prints in floating point"
)]

mod anchor;
mod engine;
mod feed;
mod measure;
mod row;

fn main() {
    let filter = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let wanted = |name: &str| filter.as_deref().is_none_or(|filter| name.contains(filter));
    type Measure = fn() -> Vec<row::Row>;
    let rows: [(&str, Measure); 1] = [("engine", engine::steady)];
    row::print_head();
    for (name, measure) in rows {
        if wanted(name) {
            for row in measure() {
                row.print();
            }
        }
    }
}
