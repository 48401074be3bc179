//! Supervisors that are killed, and hosts that are booted anew: no ghosts, no stuck containers.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

use std::{fs, path::PathBuf};

use rustix::process::Signal;
use testkit::{Engine, eventually, eventually_some, process};

/// The pid of a container's supervisor.
fn supervisor(engine: &Engine, name: &str) -> i32 {
    let id = engine.inspect(name, "{{.Id}}");
    let path: PathBuf = engine.exec_root().join("shims").join(id).join("shim.pid");
    let text = fs::read_to_string(&path).unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

fn state(engine: &Engine, name: &str) -> String {
    engine.inspect(name, "{{.State.Status}} {{.State.ExitCode}}")
}

fn await_state(engine: &Engine, name: &str, expected: &str) {
    eventually(&format!("{name} is {expected}"), || state(engine, name) == expected);
}

fn pid(engine: &Engine, name: &str) -> i32 {
    engine.inspect(name, "{{.State.Pid}}").parse().unwrap()
}

fn kill_supervisor(engine: &Engine, name: &str) -> i32 {
    let init = pid(engine, name);
    process::signal(supervisor(engine, name), Signal::KILL);
    init
}

#[test]
fn a_killed_supervisor_takes_its_container_along_and_the_engine_says_so() {
    let engine = Engine::start();
    // Nobody else's: below those that engines hand out, and one for each slot.
    let slot: u16 = engine.slot().bridge().trim_start_matches("gtest").parse().unwrap();
    let publish = format!("127.0.0.1:{}:80", 20_000 + slot);
    for options in [&[][..], &["--pid", "host"], &["--init"], &["-t"]] {
        let port = ["run", "-d", "--name", "orphan", "-v", "/data", "-p", &publish];
        let command = ["busybox", "sh", "-c", "sleep 1000 & exec sleep 1001"];
        engine.ok(&[&port, options, &command].concat());
        let waiting = engine.docker_session(&["wait", "orphan"]);
        let exec = engine.docker_session(&["exec", "orphan", "sleep", "1002"]);
        let init = kill_supervisor(&engine, "orphan");
        await_state(&engine, "orphan", "exited 137");
        eventually(&format!("init is gone {options:?}"), || !process::is_alive(init));
        assert_eq!(waiting.wait().ok(), "137");
        assert_ne!(exec.wait().code, 0);
        let error = engine.inspect("orphan", "{{.State.Error}}");
        assert!(error.contains("supervisor"), "{error:?}");
        // What it held is free: its port for the next, itself for another start.
        engine.ok(&["run", "-d", "--name", "next", "-p", &publish, "busybox", "sleep", "1000"]);
        engine.ok(&["rm", "-f", "next"]);
        engine.ok(&["start", "orphan"]);
        assert_eq!(state(&engine, "orphan"), "running 0");
        assert_eq!(engine.inspect("orphan", "{{.State.Error}}"), "");
        engine.ok(&["rm", "-f", "-v", "orphan"]);
        engine.assert_nothing_leaked();
    }
}

#[test]
fn a_paused_container_dies_with_its_supervisor_too() {
    let engine = Engine::start();
    engine.ok(&["run", "-d", "--name", "frozen", "busybox", "sleep", "1000"]);
    engine.ok(&["pause", "frozen"]);
    let init = kill_supervisor(&engine, "frozen");
    await_state(&engine, "frozen", "exited 137");
    eventually("init is gone", || !process::is_alive(init));
    engine.ok(&["rm", "frozen"]);
    engine.assert_nothing_leaked();
}

#[test]
fn the_restart_policy_acts_on_a_killed_supervisor() {
    let engine = Engine::start();
    let run = ["run", "-d", "--name", "phoenix", "--restart"];
    for policy in ["always", "unless-stopped", "on-failure:3"] {
        engine.ok(&[&run[..], &[policy, "busybox", "sleep", "1000"]].concat());
        let former = kill_supervisor(&engine, "phoenix");
        let next = eventually_some("another init runs", || {
            let next = pid(&engine, "phoenix");
            (next != 0 && next != former).then_some(next)
        });
        assert!(process::is_alive(next), "{policy}");
        eventually("the former init is gone", || !process::is_alive(former));
        assert_eq!(engine.inspect("phoenix", "{{.RestartCount}}"), "1", "{policy}");
        engine.ok(&["rm", "-f", "phoenix"]);
    }
    engine.ok(&["run", "-d", "--rm", "--name", "brief", "-v", "/data", "busybox", "sleep", "9"]);
    kill_supervisor(&engine, "brief");
    eventually("--rm removes it", || engine.docker(&["inspect", "brief"]).code == 1);
    assert_eq!(engine.ok(&["volume", "ls", "-q"]), "");
    engine.assert_nothing_leaked();
}

#[test]
fn a_supervisor_killed_while_the_engine_is_away_is_found_out() {
    let engine = Engine::start();
    engine.ok(&["run", "-d", "--name", "plain", "-p", "127.0.0.1::80", "busybox", "sleep", "1000"]);
    engine.ok(&["run", "-d", "--name", "frozen", "busybox", "sleep", "1000"]);
    engine.ok(&["pause", "frozen"]);
    engine.ok(&["run", "-d", "--name", "phoenix", "--restart=always", "busybox", "sleep", "1000"]);
    engine.ok(&["run", "-d", "--rm", "--name", "brief", "-v", "/data", "busybox", "sleep", "1000"]);
    engine.ok(&["run", "-d", "--name", "bystander", "busybox", "sleep", "1000"]);
    let bystander = pid(&engine, "bystander");
    let victims = ["plain", "frozen", "phoenix", "brief"];
    let shims: Vec<_> = victims.iter().map(|name| supervisor(&engine, name)).collect();
    let inits: Vec<_> = victims.iter().map(|name| pid(&engine, name)).collect();
    engine.kill();
    shims.iter().for_each(|shim| process::signal(*shim, Signal::KILL));
    engine.start_again();
    for name in ["plain", "frozen"] {
        await_state(&engine, name, "exited 137");
    }
    await_state(&engine, "phoenix", "running 0");
    eventually("--rm removes it", || engine.docker(&["inspect", "brief"]).code == 1);
    eventually("no init is left", || !inits.iter().any(|init| process::is_alive(*init)));
    assert_eq!(pid(&engine, "bystander"), bystander);
    assert_eq!(engine.ok(&["exec", "bystander", "echo", "untouched"]), "untouched");
    engine.remove_all_containers();
    assert_eq!(engine.ok(&["volume", "ls", "-q"]), "");
    engine.assert_nothing_leaked();
}

#[test]
fn a_booted_host_has_no_ghosts_and_restart_policies_act() {
    let engine = Engine::start();
    let detached = |options: &[&str]| {
        engine.ok(&[&["run", "-d"], options, &["busybox", "sleep", "1000"]].concat());
    };
    detached(&["--name", "plain", "-p", "127.0.0.1::80"]);
    detached(&["--name", "always", "--restart=always", "-p", "127.0.0.1::80"]);
    detached(&["--name", "unless", "--restart=unless-stopped"]);
    detached(&["--name", "failed", "--restart=on-failure"]);
    detached(&["--name", "stopped", "--restart=unless-stopped"]);
    detached(&["--name", "brief", "--rm", "-v", "/data"]);
    engine.ok(&["create", "--name", "made", "--restart=always", "busybox"]);
    engine.ok(&["exec", "plain", "touch", "/written"]);
    engine.ok(&["stop", "-t", "0", "stopped"]);
    engine.kill();
    // What a boot does: no process, no namespace, no link, no rule, no cgroup, no EXEC_ROOT.
    engine.slot().sweep(engine.root());
    fs::remove_dir_all(engine.exec_root()).unwrap();
    engine.slot().make_bridge();
    engine.start_again();
    for name in ["always", "unless", "failed"] {
        await_state(&engine, name, "running 0");
        assert!(process::is_alive(pid(&engine, name)));
    }
    assert_eq!(state(&engine, "plain"), "exited 255");
    assert_eq!(state(&engine, "stopped"), "exited 137");
    assert_eq!(state(&engine, "made"), "created 0");
    eventually("--rm removes it", || engine.docker(&["inspect", "brief"]).code == 1);
    assert_eq!(engine.ok(&["volume", "ls", "-q"]), "");
    assert_ne!(engine.ok(&["port", "always", "80"]), "");
    engine.ok(&["start", "plain"]);
    assert_eq!(engine.ok(&["exec", "plain", "ls", "/written"]), "/written");
    engine.remove_all_containers();
    engine.assert_nothing_leaked();
}
