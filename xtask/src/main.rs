//! Development tasks: `cargo xtask layers | bench`.

mod layers;

use clap::Parser;

/// What to do.
#[derive(Parser)]
enum Task {
    /// Checks that the crates depend downwards only.
    Layers,
}

fn main() -> anyhow::Result<()> {
    match Task::parse() {
        Task::Layers => layers::check(),
    }
}
