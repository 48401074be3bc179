//! Measures `create` + `start` + wait of `true` in a busybox root. Needs root.
//!
//! `cargo run --example start_time -- [COUNT]`

#[path = "../tests/container/bench.rs"]
#[allow(dead_code)]
mod bench;

use std::time::{Duration, Instant};

use bench::Bench;
use gantry_runtime_lib::{Stdio, seccomp};

#[allow(clippy::unwrap_used)]
fn main() {
    let count = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(200);
    let capabilities: Vec<String> = bench::CAPABILITIES.map(str::to_owned).to_vec();
    let policy = seccomp::resolve(
        &seccomp::DefaultPolicy::docker().unwrap(),
        &capabilities,
        seccomp::Arch::native(),
        seccomp::KernelVersion::running().unwrap(),
    );
    let begin = Instant::now();
    let program = seccomp::compile(&policy).unwrap();
    println!("seccomp: {} instructions in {:?}", program.len() / 8, begin.elapsed());
    let (mut create, mut start, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count {
        let bench = Bench::new(&["true"]);
        if std::env::args().any(|a| a == "--prewarm") {
            gantry_runtime_lib::cgroup::prewarm().unwrap();
        }
        let begin = Instant::now();
        let created = bench.create_with(Stdio::Inherit, Some(&program)).unwrap();
        create.push(begin.elapsed());
        let running = created.start().unwrap();
        start.push(begin.elapsed());
        bench::wait(&running.pidfd);
        all.push(begin.elapsed());
        drop(running);
    }
    for (name, times) in [("create", create), ("create+start", start), ("to the exit", all)] {
        print(name, times);
    }
}

fn print(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!("{name:14} median {:?}  10% {:?}  90% {:?}", at(50), at(10), at(90));
}
