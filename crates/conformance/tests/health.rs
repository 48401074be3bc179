//! Health checks: what clients see of them, and what the engine does about them.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

use testkit::{Engine, eventually, eventually_some};

fn status(engine: &Engine, name: &str) -> String {
    engine.inspect(name, "{{with .State.Health}}{{.Status}}{{end}}")
}

fn await_status(engine: &Engine, name: &str, wanted: &str) {
    eventually(&format!("{name} is {wanted}"), || status(engine, name) == wanted);
}

fn run(engine: &Engine, flags: &[&str], command: &[&str]) {
    let mut arguments = vec!["run", "-d"];
    arguments.extend(flags);
    arguments.push("busybox");
    arguments.extend(command);
    engine.ok(&arguments);
}

/// With nanoseconds; the clients' `0s` means the beginning of this second.
fn now() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("{}.{:09}", since.as_secs(), since.subsec_nanos())
}

fn events(engine: &Engine, filters: &[&str]) -> Vec<String> {
    let until = now();
    let mut arguments =
        vec!["events", "--since", "0", "--until", &until, "--format", "{{.Action}}"];
    for filter in filters {
        arguments.extend(["--filter", filter]);
    }
    engine.ok(&arguments).lines().map(str::to_owned).collect()
}

#[test]
fn a_check_decides_on_the_status_and_every_change_is_an_event() {
    let engine = Engine::start();
    let check = "echo looking; test -e /ok";
    let flags = ["--name", "c1", "--health-cmd", check, "--health-interval", "50ms"];
    run(&engine, &[&flags[..], &["--health-retries", "2"]].concat(), &["sleep", "1000"]);
    await_status(&engine, "c1", "unhealthy");
    let listing = engine.ok(&["ps", "--format", "{{.Status}}"]);
    assert!(listing.ends_with("(unhealthy)"), "{listing}");
    let last =
        engine.inspect("c1", "{{with index .State.Health.Log 0}}{{.ExitCode}} {{.Output}}{{end}}");
    assert_eq!(last, "1 looking");
    // Written in a directory that only the image has: an exec leaves the writable layer whole.
    engine.ok(&["exec", "c1", "sh", "-c", "echo x > /home/y && touch /ok"]);
    await_status(&engine, "c1", "healthy");
    assert_eq!(engine.ok(&["ps", "-q", "--filter", "health=healthy"]).lines().count(), 1);
    assert_eq!(engine.ok(&["ps", "-q", "--filter", "health=unhealthy"]), "");
    engine.docker(&["ps", "--filter", "health=x"]).fails(1, "invalid filter 'health=x'");
    let changes = events(&engine, &["event=health_status"]);
    assert_eq!(changes, ["health_status: unhealthy", "health_status: healthy"]);
    let checks = events(&engine, &["container=c1", "event=exec_die"]);
    assert!(checks.len() >= 3, "{checks:?}");
    let log = engine.inspect("c1", "{{len .State.Health.Log}}");
    assert!(log.parse::<usize>().unwrap() <= 5, "{log}");
    engine.ok(&["rm", "-f", "c1"]);
    engine.assert_nothing_leaked();
}

#[test]
fn a_check_that_takes_too_long_ends_with_everything_it_started() {
    let engine = Engine::start();
    let check = "echo slow; sleep 71 & sleep 72";
    let flags = ["--name", "c1", "--health-cmd", check, "--health-interval", "50ms"];
    run(&engine, &[&flags[..], &["--health-timeout", "100ms"]].concat(), &["sleep", "1000"]);
    let log = eventually_some("a result", || {
        let log =
            engine.inspect("c1", "{{range .State.Health.Log}}{{.ExitCode}} {{.Output}};{{end}}");
        (!log.is_empty()).then_some(log)
    });
    assert!(log.starts_with("-1 Health check exceeded timeout (100ms): slow\n;"), "{log}");
    await_status(&engine, "c1", "unhealthy");
    engine.ok(&["pause", "c1"]);
    let top = engine.ok(&["top", "c1", "-eo", "pid,args"]);
    assert!(!top.contains("sleep 7"), "{top}");
    engine.ok(&["unpause", "c1"]);
    engine.ok(&["rm", "-f", "c1"]);
    engine.assert_nothing_leaked();
}

#[test]
fn a_restarted_engine_goes_on_probing_and_a_frozen_container_is_left_alone() {
    let engine = Engine::start();
    let flags = ["--name", "c1", "--health-cmd", "true", "--health-interval", "50ms"];
    run(&engine, &flags, &["sleep", "1000"]);
    await_status(&engine, "c1", "healthy");
    engine.kill();
    engine.start_again();
    assert_eq!(status(&engine, "c1"), "healthy");
    let last = |engine: &Engine| {
        engine.inspect("c1", "{{range .State.Health.Log}}{{.Start.UnixNano}} {{end}}")
    };
    let before = last(&engine);
    eventually("a further result", || last(&engine) != before);
    engine.ok(&["pause", "c1"]);
    assert_eq!(status(&engine, "c1"), "unhealthy");
    assert!(engine.ok(&["ps", "--format", "{{.Status}}"]).ends_with("(Paused)"));
    engine.ok(&["unpause", "c1"]);
    await_status(&engine, "c1", "healthy");
    engine.ok(&["stop", "-t", "0", "c1"]);
    assert_eq!(status(&engine, "c1"), "unhealthy");
    engine.ok(&["start", "c1"]);
    await_status(&engine, "c1", "healthy");
    engine.ok(&["rm", "-f", "c1"]);
    engine.assert_nothing_leaked();
}

#[test]
fn the_image_s_check_holds_unless_the_caller_says_otherwise() {
    let engine = Engine::start();
    let archive = testkit::ImageTar::busybox();
    engine.import(
        "checked",
        archive,
        &["HEALTHCHECK --interval=7s --retries=9 CMD true", "CMD [\"sleep\", \"1000\"]"],
    );
    let test = |flags: &[&str]| {
        let id = engine.ok(&[&["create"], flags, &["checked"]].concat());
        engine.inspect(&id, "{{json .Config.Healthcheck}}")
    };
    assert_eq!(test(&[]), r#"{"Test":["CMD-SHELL","true"],"Interval":7000000000,"Retries":9}"#);
    assert_eq!(
        test(&["--health-cmd", "x", "--health-retries", "2"]),
        r#"{"Test":["CMD-SHELL","x"],"Interval":7000000000,"Retries":2}"#
    );
    engine.ok(&["run", "-d", "--name", "none", "--no-healthcheck", "checked"]);
    assert_eq!(status(&engine, "none"), "");
    engine
        .docker(&["create", "--health-cmd", "x", "--health-interval", "10us", "busybox"])
        .fails(1, "Interval in Healthcheck cannot be less than 1ms");
    engine.remove_all_containers();
    engine.assert_nothing_leaked();
}

#[test]
fn probes_of_the_engine_reach_what_listens_on_the_container_s_loopback() {
    let engine = Engine::start();
    let serve = "mkdir -p /www && echo fine > /www/ok && httpd -f -p 127.0.0.1:8080 -h /www";
    let create = |name: &str, flags: &[&str]| {
        let common =
            ["run", "-d", "--name", name, "--health-interval", "50ms", "--health-retries", "1"];
        let gantry = engine.gantry(&[&common, flags, &["busybox", "sh", "-c", serve]].concat());
        assert_eq!(gantry.code, 0, "{gantry:?}");
    };
    create("web", &["--health-http", "http://:8080/ok", "--health-start-period", "20s"]);
    create("lost", &["--health-http", "http://:8080/nosuch"]);
    create("port", &["--health-tcp", ":8080", "--health-start-period", "20s"]);
    create("shut", &["--health-tcp", ":8081"]);
    create("grpc", &["--health-grpc", ":8080"]);
    for (name, wanted) in [
        ("web", "healthy"),
        ("port", "healthy"),
        ("lost", "unhealthy"),
        ("shut", "unhealthy"),
        ("grpc", "unhealthy"),
    ] {
        await_status(&engine, name, wanted);
    }
    let output =
        |name: &str| engine.inspect(name, "{{range .State.Health.Log}}{{.Output}};{{end}}");
    assert!(output("web").contains("HTTP/1.1 200 OK\nfine\n"), "{}", output("web"));
    assert!(output("lost").contains("404"), "{}", output("lost"));
    assert!(output("shut").contains("refused"), "{}", output("shut"));
    assert_eq!(events(&engine, &["event=exec_create"]), [] as [&str; 0], "a probe ran a command");
    engine.gantry(&["create", "--health-http", "https://x/", "busybox"]).fails(1, "https");
    engine.remove_all_containers();
    engine.assert_nothing_leaked();
}

#[test]
fn an_unhealthy_container_is_restarted_within_its_budget_and_says_why() {
    let engine = Engine::start();
    let check = [
        "--health-cmd",
        "echo bad day; false",
        "--health-interval",
        "50ms",
        "--health-retries",
        "1",
    ];
    let script = "trap 'exit 0' TERM; while :; do sleep 0.05; done";
    let flags = [
        &["--name", "c1", "--restart", "on-unhealthy", "--label", "gantry.health.budget=2/1h"],
        &check[..],
    ]
    .concat();
    run(&engine, &flags, &["sh", "-c", script]);
    eventually("the budget is used up", || {
        events(&engine, &["container=c1", "event=health_action"])
            .last()
            .is_some_and(|e| e == "health_action: exhausted")
    });
    let said = engine.ok(&["inspect", "c1"]);
    assert!(said.contains("\"RestartReason\": \"unhealthy: bad day\""), "{said}");
    assert_eq!(engine.inspect("c1", "{{.RestartCount}} {{.State.Status}}"), "2 running");
    let actions = events(&engine, &["container=c1", "event=health_action"]);
    assert_eq!(
        actions,
        ["health_action: restart", "health_action: restart", "health_action: exhausted"]
    );

    let flags = [
        &["--name", "c2", "--restart", "always", "--label", "gantry.health.action=stop"],
        &check[..],
    ]
    .concat();
    run(&engine, &flags, &["sh", "-c", script]);
    eventually("c2 is stopped", || engine.inspect("c2", "{{.State.Status}}") == "exited");
    assert_eq!(engine.inspect("c2", "{{.RestartCount}}"), "0");
    engine
        .docker(&["create", "--label", "gantry.health.action=dance", "busybox"])
        .fails(1, "gantry.health.action");
    engine.remove_all_containers();
    engine.assert_nothing_leaked();
}
