//! Attacks on a running engine by a container, an image or a client: each has to fail.
//!
//! What must not be reached is a [`Canary`]: a directory of the host with a secret, compared with
//! what it was. The CVE numbers name the attack as others met it first.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

mod accounts;
mod canary;
mod confinement;
mod copies;
mod descriptors;
mod images;
mod kernel_files;
mod mounts;
mod program;
mod text;

use testkit::{Engine, Output};

/// Runs a shell script in a container.
fn sh(engine: &Engine, flags: &[&str], script: &str) -> Output {
    let mut arguments = vec!["run", "--rm"];
    arguments.extend(flags);
    arguments.extend(["busybox", "sh", "-c", script]);
    engine.docker(&arguments)
}

/// Starts a container that runs a script until it is removed.
fn attacker(engine: &Engine, flags: &[&str], script: &str) {
    let mut arguments = vec!["run", "-d", "--name", "attacker"];
    arguments.extend(flags);
    arguments.extend(["busybox", "sh", "-c", script]);
    engine.ok(&arguments);
}
