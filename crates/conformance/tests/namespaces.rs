//! Namespaces and memory that containers share, and the refusals of what cannot be shared.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

use testkit::{Engine, accounting::mounts};

fn sleeper(engine: &Engine, name: &str, flags: &[&str]) -> String {
    let mut arguments = vec!["run", "-d", "--name", name];
    arguments.extend(flags);
    arguments.extend(["busybox", "sleep", "1000"]);
    engine.ok(&arguments)
}

#[test]
fn shared_memory_follows_the_ipc_mode() {
    let engine = Engine::start();
    let shm = "grep -c ' /dev/shm ' /proc/self/mountinfo || true";
    let count = |mode: &str| engine.ok(&["run", "--rm", "--ipc", mode, "busybox", "sh", "-c", shm]);
    assert_eq!(count("none"), "0");
    assert_eq!(count("private"), "1");
    sleeper(&engine, "donor", &["--ipc", "shareable", "--shm-size", "1m"]);
    engine.ok(&["exec", "donor", "sh", "-c", "echo shared > /dev/shm/file"]);
    let read = ["run", "--rm", "--ipc", "container:donor", "busybox", "cat", "/dev/shm/file"];
    assert_eq!(engine.ok(&read), "shared");
    let ipc = |name| engine.ok(&["exec", name, "readlink", "/proc/self/ns/ipc"]);
    let joiner = sleeper(&engine, "joiner", &["--ipc", "container:donor"]);
    assert_eq!(ipc("donor"), ipc(&joiner));
    // The donor's end leaves the memory to those who joined it.
    engine.ok(&["rm", "-f", "donor"]);
    assert_eq!(engine.ok(&["exec", "joiner", "cat", "/dev/shm/file"]), "shared");
    engine.ok(&["rm", "-f", "joiner"]);
    assert_eq!(mounts(&engine.data_root()).len(), 0);
}

#[test]
fn what_is_not_shared_cannot_be_joined() {
    let engine = Engine::start();
    sleeper(&engine, "private", &[]);
    let join =
        |option: &str, mode: &str| engine.docker(&["run", "--rm", option, mode, "busybox", "true"]);
    join("--ipc", "container:private").fails(125, "non-shareable IPC");
    join("--ipc", "container:nosuch").fails(125, "No such container: nosuch");
    join("--pid", "container:nosuch").fails(125, "No such container: nosuch");
    join("--ipc", "nosuch").fails(125, "invalid IPC mode: nosuch");
    engine.ok(&["create", "--name", "idle", "busybox", "true"]);
    join("--pid", "container:idle").fails(125, "failed to join PID namespace: container ");
    let seen = engine.ok(&[
        "run",
        "--rm",
        "--pid",
        "container:private",
        "busybox",
        "cat",
        "/proc/1/cmdline",
    ]);
    assert_eq!(seen.replace('\0', " "), "sleep 1000 ");
}

#[test]
fn a_shared_namespace_is_remembered_by_id() {
    let engine = Engine::start();
    let id = sleeper(&engine, "one", &["--ipc", "shareable"]);
    engine.ok(&[
        "create",
        "--name",
        "two",
        "--pid",
        "container:one",
        "--ipc",
        "container:one",
        "--network",
        "container:one",
        "busybox",
        "true",
    ]);
    let format = "{{.HostConfig.PidMode}} {{.HostConfig.IpcMode}} {{.HostConfig.NetworkMode}}";
    let modes = engine.ok(&["inspect", "--format", format, "two"]);
    assert_eq!(modes, format!("container:{id} container:{id} container:{id}"));
    engine.ok(&["rename", "one", "other"]);
    engine.ok(&["start", "two"]);
    engine.ok(&["rm", "-f", "two", "other"]);
}
