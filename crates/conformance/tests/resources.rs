//! Limits as the kernel has them.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

use std::{fs, path::PathBuf};

use testkit::{Engine, eventually};

/// Where the controllers are: this machine has the first version of control groups.
fn limit(engine: &Engine, id: &str, controller: &str, file: &str) -> String {
    let parent = engine.slot().cgroup_parent();
    let path = PathBuf::from(format!("/sys/fs/cgroup/{controller}{parent}/{id}/{file}"));
    fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .trim()
        .to_owned()
}

#[test]
fn limits_are_in_the_cgroup_and_change_with_update() {
    let engine = Engine::start();
    let id = engine.ok(&[
        "run",
        "-d",
        "--memory",
        "64m",
        "--memory-reservation",
        "32m",
        "--cpus",
        "0.5",
        "--cpu-shares",
        "512",
        "--cpuset-cpus",
        "0",
        "--pids-limit",
        "77",
        "busybox",
        "sleep",
        "1000",
    ]);
    let get = |controller, file| limit(&engine, &id, controller, file);
    assert_eq!(get("memory", "memory.limit_in_bytes"), (64 << 20).to_string());
    assert_eq!(get("memory", "memory.soft_limit_in_bytes"), (32 << 20).to_string());
    assert_eq!(get("cpu", "cpu.shares"), "512");
    assert_eq!(get("cpu", "cpu.cfs_quota_us"), "50000");
    assert_eq!(get("cpuset", "cpuset.cpus"), "0");
    assert_eq!(get("pids", "pids.max"), "77");
    engine.ok(&[
        "update",
        "--memory",
        "96m",
        "--memory-swap",
        "192m",
        "--cpus",
        "1",
        "--pids-limit",
        "88",
        &id,
    ]);
    assert_eq!(get("memory", "memory.limit_in_bytes"), (96 << 20).to_string());
    assert_eq!(get("cpu", "cpu.cfs_quota_us"), "100000");
    assert_eq!(get("pids", "pids.max"), "88");
    assert_eq!(engine.inspect(&id, "{{.HostConfig.Memory}}"), (96 << 20).to_string());
    engine.ok(&["restart", "-t", "0", &id]);
    assert_eq!(get("pids", "pids.max"), "88");
    engine.remove_all_containers();
    engine.assert_nothing_leaked();
}

#[test]
fn too_much_memory_ends_in_an_oom_kill_that_is_told() {
    let engine = Engine::start();
    let eater = "x=a; while :; do x=$x$x; done";
    engine.ok(&[
        "run",
        "-d",
        "--name",
        "eater",
        "--memory",
        "16m",
        "--memory-swap",
        "16m",
        "busybox",
        "sh",
        "-c",
        eater,
    ]);
    assert_eq!(engine.ok(&["wait", "eater"]), "137");
    assert_eq!(engine.inspect("eater", "{{.State.OOMKilled}}"), "true");
}

#[test]
fn too_many_processes_are_refused_inside() {
    let engine = Engine::start();
    let bomb = "i=0; while [ $i -lt 30 ]; do sleep 100 & i=$((i+1)); done; echo never";
    let output = engine.docker(&["run", "--rm", "--pids-limit", "10", "busybox", "sh", "-c", bomb]);
    assert!(output.code != 0 && output.stderr.contains("fork"), "{output:?}");
    engine.assert_nothing_leaked();
}

#[test]
fn stats_and_top_tell_of_the_container() {
    let engine = Engine::start();
    engine.ok(&[
        "run",
        "-d",
        "--name",
        "busy",
        "--memory",
        "64m",
        "busybox",
        "sh",
        "-c",
        "while :; do :; done",
    ]);
    eventually("processor use", || {
        let line = engine.ok(&[
            "stats",
            "--no-stream",
            "--format",
            "{{.Name}} {{.MemUsage}} {{.PIDs}} {{.CPUPerc}}",
            "busy",
        ]);
        let cpu: f64 = line.rsplit(' ').next().unwrap().trim_end_matches('%').parse().unwrap();
        assert!(line.starts_with("busy ") && line.contains("/ 64MiB 1 "), "{line}");
        cpu > 5.0
    });
    assert!(engine.ok(&["top", "busy"]).contains("while :; do :; done"));
}

#[test]
fn a_limit_can_be_taken_away_and_conflicts_are_named() {
    let engine = Engine::start();
    let id = engine.ok(&["run", "-d", "--rm", "--pids-limit", "77", "busybox", "sleep", "1000"]);
    engine.ok(&["update", "--pids-limit", "-1", &id]);
    assert_eq!(limit(&engine, &id, "pids", "pids.max"), "max");
    assert_eq!(engine.ok(&["inspect", "-f", "{{.HostConfig.PidsLimit}}", &id]), "0");
    engine.docker(&["update", "--restart", "always", &id]).fails(
        1,
        "Restart policy cannot be updated because AutoRemove is enabled for the container",
    );
    engine.docker(&["update", "--memory", "64m", &id]).fails(
        1,
        "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
    );
    engine.ok(&["update", "--memory", "64m", "--memory-swap", "-1", &id]);
    engine.ok(&["update", "--cpus", "0.5", &id]);
    engine
        .docker(&["update", "--cpu-quota", "50000", &id])
        .fails(1, "CPU Quota cannot be updated as NanoCPUs has already been set");
}
