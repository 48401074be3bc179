//! Restart policies: when a container runs again, after its own end and after the engine's.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

use testkit::{Engine, engine::Options, eventually};

const STATE: &str = "{{.State.Status}} {{.RestartCount}}";

/// With nanoseconds; the clients' `0s` means the beginning of this second.
fn now() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("{}.{:09}", since.as_secs(), since.subsec_nanos())
}

fn await_state(engine: &Engine, name: &str, wanted: &str) {
    eventually(&format!("{name} is {wanted}"), || engine.inspect(name, STATE) == wanted);
}

fn run(engine: &Engine, name: &str, flags: &[&str], script: &str) {
    let common = ["run", "-d", "--name", name];
    engine.ok(&[&common, flags, &["busybox", "sh", "-c", script]].concat());
}

#[test]
fn failures_are_retried_so_often_and_no_more() {
    let engine = Engine::start();
    run(&engine, "c1", &["--restart", "on-failure:2"], "exit 3");
    await_state(&engine, "c1", "exited 2");
    assert_eq!(engine.inspect("c1", "{{.State.ExitCode}}"), "3");
    run(&engine, "c2", &["--restart", "on-failure:2"], "exit 0");
    await_state(&engine, "c2", "exited 0");
    engine.ok(&["update", "--restart", "on-failure:3", "c1"]);
    engine.ok(&["start", "c1"]);
    await_state(&engine, "c1", "exited 3");
    engine.docker(&["run", "--restart", "always:3", "busybox"]).fails(125, "maximum retry count");
    engine.docker(&["run", "--restart", "x", "busybox"]).fails(125, "unknown policy 'x'");
    engine.remove_all_containers();
    engine.assert_nothing_leaked();
}

#[test]
fn a_container_that_waits_for_its_restart_can_be_stopped_killed_and_removed() {
    let engine = Engine::start();
    for name in ["stopped", "killed", "removed"] {
        run(&engine, name, &["--restart", "always"], "exit 1");
        // The wait has grown to seconds by then.
        eventually("it waits for its sixth start", || {
            engine.inspect(name, STATE) == "restarting 6"
        });
    }
    engine
        .docker(&["pause", "stopped"])
        .fails(1, "is restarting, wait until the container is running");
    engine.docker(&["exec", "stopped", "true"]).fails(1, "is restarting");
    engine.docker(&["rm", "removed"]).fails(1, "container is restarting");
    engine.ok(&["stop", "stopped"]);
    engine.ok(&["kill", "killed"]);
    engine.ok(&["rm", "-f", "removed"]);
    for name in ["stopped", "killed"] {
        assert_eq!(engine.inspect(name, "{{.State.Status}}"), "exited");
    }
    let until = now();
    let stop = [
        "events",
        "--since",
        "0",
        "--until",
        &until,
        "--filter",
        "event=stop",
        "--format",
        "{{.Actor.Attributes.name}}",
    ];
    assert_eq!(engine.ok(&stop), "stopped");
    engine.remove_all_containers();
    engine.assert_nothing_leaked();
}

#[test]
fn what_was_stopped_by_hand_stays_so_over_an_engine_that_takes_its_containers_along() {
    let flags =
        ["--stop-containers-on-exit", "--shutdown-timeout", "1"].map(str::to_owned).to_vec();
    let engine = Engine::with(Options { flags, ..Options::default() });
    let sleep = "trap 'exit 0' TERM; while :; do sleep 0.05; done";
    run(&engine, "kept", &["--restart", "unless-stopped"], sleep);
    run(&engine, "stopped", &["--restart", "unless-stopped"], sleep);
    run(&engine, "always", &["--restart", "always"], sleep);
    run(&engine, "none", &[], sleep);
    engine.ok(&["stop", "stopped", "always"]);
    engine.stop();
    engine.start_again();
    for (name, wanted) in [
        ("kept", "running 0"),
        ("stopped", "exited 0"),
        ("always", "running 0"),
        ("none", "exited 0"),
    ] {
        await_state(&engine, name, wanted);
    }
    engine.remove_all_containers();
    engine.assert_nothing_leaked();
}

#[test]
fn a_start_that_fails_is_tried_again() {
    let engine = Engine::start();
    let source = engine.root().join("mounted");
    std::fs::create_dir(&source).unwrap();
    let mount = format!("type=bind,src={},dst=/m", source.display());
    let script = "test -e /m/go && exec sleep 1000; exit 1";
    run(&engine, "c1", &["--restart", "always", "--mount", &mount], script);
    eventually("it waits", || engine.inspect("c1", "{{.State.Status}}") == "restarting");
    std::fs::remove_dir(&source).unwrap();
    let reason = || {
        let document: serde_json::Value =
            serde_json::from_str(&engine.ok(&["inspect", "c1"])).unwrap();
        document[0]["State"]["RestartReason"].as_str().unwrap_or_default().to_owned()
    };
    eventually("a start has failed", || reason().starts_with("start failed: "));
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("go"), "").unwrap();
    eventually("it runs", || engine.inspect("c1", "{{.State.Status}}") == "running");
    engine.remove_all_containers();
    engine.assert_nothing_leaked();
}

#[test]
fn the_engine_starts_what_others_need_first() {
    let flags =
        ["--stop-containers-on-exit", "--shutdown-timeout", "1"].map(str::to_owned).to_vec();
    let engine = Engine::with(Options { flags, ..Options::default() });
    let sleep = "trap 'exit 0' TERM; while :; do sleep 0.05; done";
    let label = |service: &str| format!("com.docker.compose.service={service}");
    let project = "com.docker.compose.project=p";
    // Made in the order in which the engine must not start them.
    run(&engine, "net", &["--restart", "always"], sleep);
    run(&engine, "joined", &["--restart", "always", "--network", "container:net"], sleep);
    run(
        &engine,
        "app",
        &[
            "--restart",
            "always",
            "-l",
            project,
            "-l",
            &label("app"),
            "-l",
            "com.docker.compose.depends_on=db:service_healthy:true",
        ],
        sleep,
    );
    let check = ["--health-cmd", "sleep 0.5", "--health-interval", "100ms"];
    run(
        &engine,
        "db",
        &[&["--restart", "always", "-l", project, "-l", &label("db")], &check[..]].concat(),
        sleep,
    );
    engine.stop();
    engine.start_again();
    for name in ["net", "joined", "app", "db"] {
        await_state(&engine, name, "running 0");
    }
    let started = |name: &str| engine.inspect(name, "{{.State.StartedAt}}");
    assert!(started("joined") > started("net"), "{} {}", started("joined"), started("net"));
    let until = now();
    let order = [
        "events",
        "--since",
        "0",
        "--until",
        &until,
        "--filter",
        "event=start",
        "--filter",
        "event=health_status",
        "--format",
        "{{.Actor.Attributes.name}} {{.Action}}",
    ];
    let order = engine.ok(&order);
    let lines: Vec<_> = order.lines().collect();
    let position = |line: &str| lines.iter().rposition(|own| *own == line);
    assert!(position("app start") > position("db health_status: healthy"), "{order}");
    engine.remove_all_containers();
    engine.assert_nothing_leaked();
}

#[test]
fn a_wait_ends_with_a_run_that_is_followed_by_another() {
    let engine = Engine::start();
    run(&engine, "c1", &["--restart", "always"], "sleep 0.5; exit 4");
    assert_eq!(engine.ok(&["wait", "c1"]), "4");
    engine.remove_all_containers();
    engine.assert_nothing_leaked();
}
