//! Running, waiting, stopping, removing: what the client is told and what is left.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

use rustix::process::Signal;
use testkit::{Engine, eventually, eventually_some, process};

#[test]
fn run_shows_output_and_gives_the_exit_code() {
    let engine = Engine::start();
    let run =
        engine.docker(&["run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((run.code, run.text().as_str(), run.stderr.trim()), (7, "out", "err"));
    assert_eq!(engine.ok(&["ps", "-aq"]), "");
    engine.assert_nothing_leaked();
}

#[test]
fn run_gives_125_126_and_127() {
    let engine = Engine::start();
    engine.docker(&["run", "--rm", "busybox", "nosuch"]).fails(127, "executable file not found");
    engine.docker(&["run", "--rm", "busybox", "/etc"]).fails(126, "");
    engine.docker(&["run", "--rm", "--memory", "1", "busybox", "true"]).fails(125, "memory");
    engine.docker(&["run", "--rm", "--volume", "relative/x:y", "busybox", "true"]).fails(125, "");
    assert_eq!(engine.ok(&["ps", "-aq"]), "");
    engine.assert_nothing_leaked();
}

#[test]
fn a_container_that_could_not_start_stays_created_with_its_reason() {
    let engine = Engine::start();
    engine.docker(&["run", "--name", "c1", "busybox", "nosuch"]).fails(127, "nosuch");
    let state = engine.inspect("c1", "{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}");
    assert!(state.starts_with("created 127 "), "{state}");
    assert!(state.contains("nosuch"), "{state}");
    engine.ok(&["rm", "c1"]);
    engine.assert_nothing_leaked();
}

#[test]
fn a_detached_container_is_listed_logged_and_waited_for() {
    let engine = Engine::start();
    let id = engine.ok(&["run", "-d", "--name", "c1", "busybox", "sh", "-c", "echo hello; exit 3"]);
    assert_eq!(id.len(), 64);
    assert_eq!(engine.ok(&["wait", "c1"]), "3");
    assert_eq!(engine.ok(&["logs", "c1"]), "hello");
    assert_eq!(
        engine.inspect("c1", "{{.State.Status}} {{.State.ExitCode}} {{.State.Pid}}"),
        "exited 3 0"
    );
    assert_eq!(engine.ok(&["wait", "c1"]), "3");
    engine.ok(&["rm", "c1"]);
    engine.docker(&["inspect", "c1"]).fails(1, "No such object: c1");
}

#[test]
fn wait_started_before_the_end_gives_the_code() {
    let engine = Engine::start();
    engine.ok(&[
        "run",
        "-d",
        "--name",
        "c1",
        "busybox",
        "sh",
        "-c",
        "trap 'exit 9' TERM; while :; do sleep 0.05; done",
    ]);
    let wait = engine.docker_session(&["wait", "c1"]);
    engine.ok(&["stop", "c1"]);
    assert_eq!(wait.wait().ok(), "9");
}

#[test]
fn logs_follow_until_the_end_and_keep_the_streams_apart() {
    let engine = Engine::start();
    engine.ok(&[
        "run",
        "-d",
        "--name",
        "c1",
        "busybox",
        "sh",
        "-c",
        "echo one; echo two >&2; while [ ! -e /go ]; do sleep 0.05; done; echo three; exit 4",
    ]);
    let follow = engine.docker_session(&["logs", "-f", "c1"]);
    follow.expect("one\n");
    engine.ok(&["exec", "c1", "touch", "/go"]);
    let follow = follow.wait();
    assert_eq!(
        (follow.code, follow.text().as_str(), follow.stderr.trim()),
        (0, "one\nthree", "two")
    );
    assert_eq!(engine.ok(&["logs", "--tail", "1", "c1"]), "three");
    let stamped = engine.ok(&["logs", "-t", "--tail", "1", "c1"]);
    assert!(stamped.contains("T") && stamped.ends_with("Z three"), "{stamped}");
}

#[test]
fn stdin_reaches_the_container_and_its_end_too() {
    let engine = Engine::start();
    let text = "word\n".repeat(200_000);
    let cat = engine.docker_with(&["run", "--rm", "-i", "busybox", "sha256sum"], text.as_bytes());
    let expected =
        engine.docker_with(&["run", "--rm", "-i", "busybox", "wc", "-c"], text.as_bytes());
    assert_eq!(expected.ok(), "1000000");
    assert_eq!(cat.ok().len(), 64 + 3);
    let echoed = engine.docker_with(&["run", "--rm", "-i", "busybox", "cat"], text.as_bytes());
    assert!(echoed.ok() == text.trim_end(), "a megabyte comes back as it went");
    engine.assert_nothing_leaked();
}

#[test]
fn attach_shows_what_comes_and_leaves_with_the_exit_code() {
    let engine = Engine::start();
    engine.ok(&[
        "run",
        "-d",
        "-i",
        "--name",
        "c1",
        "busybox",
        "sh",
        "-c",
        "read line; echo got $line; exit 5",
    ]);
    let mut attach = engine.docker_session(&["attach", "c1"]);
    attach.write(b"this\n");
    let attach = attach.wait();
    assert_eq!((attach.code, attach.text().as_str()), (5, "got this"));
}

#[test]
fn a_terminal_is_a_terminal() {
    let engine = Engine::start();
    let tty = engine.ok(&["run", "--rm", "-t", "busybox", "sh", "-c", "tty; stty size"]);
    assert!(tty.starts_with("/dev/pts/0"), "{tty}");
    assert!(engine.docker(&["run", "--rm", "busybox", "tty"]).text().contains("not a tty"));
    engine.ok(&["run", "-dt", "--name", "c1", "busybox", "sleep", "100"]);
    assert!(engine.ok(&["exec", "-t", "c1", "tty"]).starts_with("/dev/pts/"));
    engine.remove_all_containers();
    engine.assert_nothing_leaked();
}

#[test]
fn exec_runs_beside_init() {
    let engine = Engine::start();
    engine.ok(&["run", "-d", "--name", "c1", "-e", "A=1", "busybox", "sleep", "100"]);
    assert_eq!(
        engine.ok(&["exec", "-e", "B=2", "-w", "/tmp", "c1", "sh", "-c", "echo $A$B; pwd"]),
        "12\n/tmp"
    );
    assert_eq!(engine.docker(&["exec", "c1", "sh", "-c", "exit 6"]).code, 6);
    assert_eq!(engine.docker(&["exec", "c1", "nosuch"]).code, 127);
    assert_eq!(engine.docker(&["exec", "c1", "/etc"]).code, 126);
    assert_eq!(engine.docker_with(&["exec", "-i", "c1", "cat"], b"through").ok(), "through");
    assert_eq!(
        engine.ok(&["exec", "-u", "1000:50", "c1", "id"]),
        "uid=1000(user) gid=50(staff) groups=50(staff)"
    );
    engine.ok(&["exec", "-d", "c1", "sh", "-c", "sleep 0.1; touch /done"]);
    eventually("the detached exec has run", || {
        engine.docker(&["exec", "c1", "test", "-e", "/done"]).code == 0
    });
    engine.ok(&["stop", "-t", "0", "c1"]);
    engine.docker(&["exec", "c1", "true"]).fails(1, "is not running");
    engine.ok(&["rm", "c1"]);
    engine.docker(&["exec", "c1", "true"]).fails(1, "No such container: c1");
    engine.assert_nothing_leaked();
}

#[test]
fn stop_asks_then_kills() {
    let engine = Engine::start();
    engine.ok(&[
        "run",
        "-d",
        "--name",
        "polite",
        "busybox",
        "sh",
        "-c",
        "trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done",
    ]);
    engine.ok(&[
        "run",
        "-d",
        "--name",
        "deaf",
        "busybox",
        "sh",
        "-c",
        "trap '' TERM; while :; do sleep 0.05; done",
    ]);
    engine.ok(&[
        "run",
        "-d",
        "--name",
        "usr",
        "--stop-signal",
        "USR1",
        "busybox",
        "sh",
        "-c",
        "trap 'exit 11' USR1; while :; do sleep 0.05; done",
    ]);
    engine.ok(&["stop", "-t", "1", "polite", "deaf", "usr"]);
    let code = |name| engine.inspect(name, "{{.State.Status}} {{.State.ExitCode}}");
    assert_eq!(
        [code("polite"), code("deaf"), code("usr")],
        ["exited 0", "exited 137", "exited 11"]
    );
    assert_eq!(engine.ok(&["logs", "polite"]), "bye");
    engine.ok(&["stop", "polite"]);
}

#[test]
fn kill_sends_the_signal_that_is_named() {
    let engine = Engine::start();
    engine.ok(&[
        "run",
        "-d",
        "--name",
        "c1",
        "busybox",
        "sh",
        "-c",
        "trap 'echo hup' HUP; while :; do sleep 0.05; done",
    ]);
    engine.ok(&["kill", "-s", "HUP", "c1"]);
    eventually("the handler has run", || engine.ok(&["logs", "c1"]) == "hup");
    engine.ok(&["kill", "c1"]);
    assert_eq!(engine.ok(&["wait", "c1"]), "137");
    engine.docker(&["kill", "c1"]).fails(1, "is not running");
    engine.docker(&["kill", "-s", "NOSUCH", "c1"]).fails(1, "");
}

#[test]
fn restart_gives_a_new_process_and_keeps_the_files() {
    let engine = Engine::start();
    engine.ok(&[
        "run",
        "-d",
        "--name",
        "c1",
        "busybox",
        "sh",
        "-c",
        "echo x >> /runs; exec sleep 100",
    ]);
    let before = engine.inspect("c1", "{{.State.Pid}}");
    engine.ok(&["restart", "-t", "0", "c1"]);
    let after = engine.inspect("c1", "{{.State.Pid}}");
    assert_ne!(before, after);
    eventually("both runs have written", || engine.ok(&["exec", "c1", "cat", "/runs"]) == "x\nx");
    engine.ok(&["stop", "-t", "0", "c1"]);
    engine.ok(&["start", "c1"]);
    assert_eq!(engine.inspect("c1", "{{.State.Status}}"), "running");
    engine.ok(&["start", "c1"]);
}

/// Nothing of it outlives the host, so nothing of it is flushed; it goes on after a restart.
#[test]
fn the_layer_of_a_container_with_rm_is_volatile() {
    let engine = Engine::start();
    let is_volatile = |name: &str| {
        let mounts = engine.ok(&["exec", name, "cat", "/proc/mounts"]);
        let root = mounts.lines().find(|line| line.split(' ').nth(1) == Some("/"));
        // "volatile" or, on newer kernels, "fsync=volatile".
        root.expect("there is a root").contains("volatile")
    };
    engine.ok(&["run", "-d", "--rm", "--name", "passing", "busybox", "sleep", "1000"]);
    engine.ok(&["run", "-d", "--name", "lasting", "busybox", "sleep", "1000"]);
    assert!(is_volatile("passing") && !is_volatile("lasting"));
    for name in ["passing", "lasting"] {
        engine.ok(&["exec", name, "sh", "-c", "echo kept > /file; sync"]);
        engine.ok(&["restart", "-t", "0", name]);
        assert_eq!(engine.ok(&["exec", name, "cat", "/file"]), "kept", "{name}");
    }
}

#[test]
fn exec_finds_users_as_the_container_has_them_now() {
    let engine = Engine::start();
    engine.ok(&["run", "-d", "--name", "one", "busybox", "sleep", "1000"]);
    let script =
        "echo late:x:4711:4712::/:/bin/sh >> /etc/passwd; echo more:x:4713:late >> /etc/group";
    engine.ok(&["exec", "one", "sh", "-c", script]);
    let id = ["exec", "-u", "late", "one", "id", "-u"];
    assert_eq!(engine.ok(&id), "4711");
    assert_eq!(engine.ok(&["exec", "-u", "late", "one", "id", "-G"]), "4712 4713");
    engine.ok(&["stop", "-t", "0", "one"]);
    engine.ok(&["start", "one"]);
    assert_eq!(engine.ok(&id), "4711");
}

#[test]
fn start_with_attach_gives_output_and_code() {
    let engine = Engine::start();
    engine.ok(&["create", "--name", "c1", "busybox", "sh", "-c", "echo again; exit 2"]);
    assert_eq!(engine.inspect("c1", "{{.State.Status}}"), "created");
    for _ in 0..3 {
        let start = engine.docker(&["start", "-a", "c1"]);
        assert_eq!((start.code, start.text().as_str()), (2, "again"));
    }
}

#[test]
fn pause_freezes_and_unpause_thaws() {
    let engine = Engine::start();
    engine.ok(&[
        "run",
        "-d",
        "--name",
        "c1",
        "busybox",
        "sh",
        "-c",
        "while :; do echo >> /n; sleep 0.01; done",
    ]);
    engine.ok(&["pause", "c1"]);
    assert_eq!(engine.inspect("c1", "{{.State.Status}} {{.State.Paused}}"), "paused true");
    assert!(engine.ok(&["ps"]).contains("(Paused)"));
    engine.docker(&["pause", "c1"]).fails(1, "already paused");
    engine.docker(&["exec", "c1", "true"]).fails(1, "paused");
    engine.ok(&["unpause", "c1"]);
    engine.docker(&["unpause", "c1"]).fails(1, "not paused");
    engine.ok(&["exec", "c1", "true"]);
    engine.ok(&["pause", "c1"]);
    engine.ok(&["rm", "-f", "c1"]);
    engine.assert_nothing_leaked();
}

#[test]
fn names_are_unique_changeable_and_checked() {
    let engine = Engine::start();
    let id = engine.ok(&["create", "--name", "aa", "busybox"]);
    engine
        .docker(&["create", "--name", "aa", "busybox"])
        .fails(1, "is already in use by container");
    engine.docker(&["create", "--name", "a/b", "busybox"]).fails(1, "Invalid container name");
    engine.ok(&["rename", "aa", "bb"]);
    assert_eq!(engine.inspect(&id[..12], "{{.Name}}"), "/bb");
    engine.docker(&["inspect", "aa"]).fails(1, "No such object");
    engine.ok(&["create", "--name", "aa", "busybox"]);
    engine.docker(&["rename", "aa", "bb"]).fails(1, "already in use");
    let generated = engine.ok(&["create", "busybox"]);
    assert!(engine.inspect(&generated, "{{.Name}}").contains('_'));
}

#[test]
fn rm_refuses_what_runs_unless_forced() {
    let engine = Engine::start();
    engine.ok(&["run", "-d", "--name", "c1", "busybox", "sleep", "100"]);
    engine.docker(&["rm", "c1"]).fails(1, "container is running");
    let pid: i32 = engine.inspect("c1", "{{.State.Pid}}").parse().unwrap();
    assert!(process::is_alive(pid));
    engine.ok(&["rm", "-f", "c1"]);
    assert!(!process::is_alive(pid));
    engine.docker(&["rm", "c1"]).fails(1, "No such container: c1");
    engine.assert_nothing_leaked();
}

#[test]
fn the_restart_policy_starts_again_and_gives_up() {
    let engine = Engine::start();
    engine.ok(&[
        "run",
        "-d",
        "--name",
        "c1",
        "--restart",
        "on-failure:2",
        "busybox",
        "sh",
        "-c",
        "echo run; exit 1",
    ]);
    eventually("it gives up", || {
        engine.inspect("c1", "{{.State.Status}} {{.RestartCount}}") == "exited 2"
    });
    assert_eq!(engine.ok(&["logs", "c1"]), "run\nrun\nrun");
    engine.ok(&["run", "-d", "--name", "always", "--restart", "always", "busybox", "sleep", "100"]);
    let pid: i32 = engine.inspect("always", "{{.State.Pid}}").parse().unwrap();
    process::signal(pid, Signal::KILL);
    eventually("it runs again", || {
        let state = engine.inspect("always", "{{.State.Status}} {{.State.Pid}}");
        state.starts_with("running") && !state.ends_with(&format!(" {pid}"))
    });
    engine.ok(&["stop", "-t", "0", "always"]);
    assert_eq!(engine.inspect("always", "{{.State.Status}}"), "exited");
    engine.remove_all_containers();
    engine.assert_nothing_leaked();
}

#[test]
fn containers_outlive_a_stop_of_the_engine() {
    let engine = Engine::start();
    engine.ok(&[
        "run",
        "-d",
        "--name",
        "c1",
        "busybox",
        "sh",
        "-c",
        "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done",
    ]);
    let pid = engine.inspect("c1", "{{.State.Pid}}");
    engine.stop();
    assert!(process::is_alive(pid.parse().unwrap()));
    engine.start_again();
    assert_eq!(engine.inspect("c1", "{{.State.Status}} {{.State.Pid}}"), format!("running {pid}"));
    assert_eq!(engine.ok(&["exec", "c1", "echo", "here"]), "here");
    let lines = engine.ok(&["logs", "c1"]).lines().count();
    eventually("it goes on writing", || engine.ok(&["logs", "c1"]).lines().count() > lines);
    engine.ok(&["stop", "-t", "0", "c1"]);
    assert_eq!(engine.inspect("c1", "{{.State.ExitCode}}"), "137");
    engine.ok(&["rm", "c1"]);
    engine.assert_nothing_leaked();
}

#[test]
fn an_exit_while_the_engine_is_away_is_known_afterwards() {
    let engine = Engine::start();
    engine.ok(&[
        "run",
        "-d",
        "--name",
        "c1",
        "busybox",
        "sh",
        "-c",
        "trap 'exit 42' TERM; while :; do sleep 0.05; done",
    ]);
    engine.ok(&[
        "run",
        "-d",
        "--rm",
        "--name",
        "gone",
        "busybox",
        "sh",
        "-c",
        "trap 'exit 1' TERM; while :; do sleep 0.05; done",
    ]);
    let pids =
        ["c1", "gone"].map(|name| engine.inspect(name, "{{.State.Pid}}").parse::<i32>().unwrap());
    engine.kill();
    pids.iter().for_each(|pid| process::signal(*pid, Signal::TERM));
    eventually("both end", || pids.iter().all(|pid| !process::is_alive(*pid)));
    engine.start_again();
    assert_eq!(engine.ok(&["wait", "c1"]), "42");
    eventually("--rm is honoured", || engine.docker(&["inspect", "gone"]).code == 1);
    engine.ok(&["rm", "c1"]);
    engine.assert_nothing_leaked();
}

#[test]
fn gantry_speaks_the_same() {
    let engine = Engine::start();
    let run = engine.gantry(&["run", "--rm", "busybox", "sh", "-c", "echo out; exit 7"]);
    assert_eq!((run.code, run.text().as_str()), (7, "out"));
    let id = engine.gantry(&["run", "-d", "--name", "c1", "busybox", "sleep", "100"]).ok();
    assert_eq!(engine.ok(&["ps", "-q", "--no-trunc"]), id);
    assert_eq!(engine.gantry(&["exec", "c1", "echo", "x"]).ok(), "x");
    let status = eventually_some("a status", || {
        Some(engine.gantry(&["ps", "--format", "{{.Names}} {{.State}}"]).ok())
    });
    assert_eq!(status, "c1 running");
    let _ = engine.gantry(&["rm", "-f", "c1"]).ok();
    engine.assert_nothing_leaked();
}

#[test]
fn a_wait_ends_with_each_end_of_a_container_that_is_restarted() {
    let engine = Engine::start();
    let script = ["busybox", "sh", "-c", "sleep 0.5; exit 7"];
    let mut arguments = vec!["run", "-d", "--restart", "always", "--name", "again"];
    arguments.extend(script);
    engine.ok(&arguments);
    assert_eq!(engine.ok(&["wait", "again"]), "7");
    engine.docker(&["rm", "again"]).fails(1, "stop the container before removing or force remove");
    engine.ok(&["rm", "-f", "again"]);
}

#[test]
fn a_container_that_is_removed_at_its_end_can_be_restarted() {
    // Its layer is mounted without syncs, which overlayfs refuses to mount a second time.
    let engine = Engine::start();
    engine.ok(&["run", "-d", "--rm", "--name", "brief", "busybox", "sleep", "1000"]);
    engine.ok(&["exec", "brief", "touch", "/kept"]);
    engine.ok(&["restart", "-t", "0", "brief"]);
    assert_eq!(engine.ok(&["exec", "brief", "ls", "/kept"]), "/kept");
    engine.ok(&["rm", "-f", "brief"]);
}
