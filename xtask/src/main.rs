//! Development tasks: `cargo xtask layers | bench`.

mod bench;
mod layers;

use clap::Parser;

/// What to do.
#[derive(Parser)]
enum Task {
    /// Checks that the crates depend downwards only.
    Layers,
    /// Measures Gantry beside Docker and Podman and writes docs/benchmarks.md.
    Bench(bench::Options),
}

fn main() -> anyhow::Result<()> {
    match Task::parse() {
        Task::Layers => layers::check(),
        Task::Bench(options) => bench::run(&options),
    }
}
