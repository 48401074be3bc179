//! Scoped API sockets: least privilege, seen through the real client.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

use std::path::Path;

use serde_json::{Value, json};
use testkit::{Engine, Output};

/// Runs `docker` against a scoped socket.
fn through(socket: &str, engine: &Engine, arguments: &[&str]) -> Output {
    let host = format!("unix://{socket}");
    let mut all = vec!["--host", &host];
    all.extend(arguments);
    engine.docker(&all)
}

fn create(engine: &Engine, name: &str, flags: &[&str]) -> String {
    let mut arguments = vec!["api-socket", "create", name];
    arguments.extend(flags);
    let output = engine.gantry(&arguments);
    assert!(output.code == 0, "{output:?}");
    output.text()
}

const DASHBOARD: [&str; 6] = [
    "--allow",
    "containers:list,containers:inspect,containers:logs,containers:top,events,images:list",
    "--filter",
    "label=tier=front",
    "--redact",
    "env",
];

fn two_containers(engine: &Engine) {
    for (name, tier) in [("shown", "tier=front"), ("hidden", "tier=back")] {
        engine.ok(&[
            "run",
            "-d",
            "--name",
            name,
            "--label",
            tier,
            "-e",
            "PASSWORD=s3cret",
            "busybox",
            "sleep",
            "1000",
        ]);
    }
}

#[test]
fn only_matching_containers_exist_and_their_environment_is_hidden() {
    let engine = Engine::start();
    two_containers(&engine);
    let socket = create(&engine, "dashboard", &DASHBOARD);
    assert_eq!(socket, engine.exec_root().join("api/dashboard.sock").display().to_string());
    let docker = |arguments: &[&str]| through(&socket, &engine, arguments);
    assert_eq!(docker(&["ps", "-a", "--format", "{{.Names}}"]).ok(), "shown");
    let told = docker(&["container", "inspect", "shown"]).ok();
    assert!(told.contains("PASSWORD=<redacted>") && !told.contains("s3cret"), "{told}");
    let id = engine.ok(&["ps", "-aq", "--no-trunc", "--filter", "name=hidden"]);
    for reference in ["hidden", &id, &id[..12], &id[..4]] {
        docker(&["container", "inspect", reference])
            .fails(1, &format!("No such container: {reference}"));
        docker(&["logs", reference]).fails(1, &format!("No such container: {reference}"));
    }
    docker(&["ps", "-a", "--filter", "before=hidden"]).fails(1, "No such container: hidden");
    assert_eq!(docker(&["info", "--format", "{{.Containers}}|{{.DockerRootDir}}"]).ok(), "1|");
    docker(&["top", "shown", "auxe"]).fails(1, "is not allowed on the API socket dashboard");
    engine.remove_all_containers();
}

#[test]
fn what_was_not_allowed_is_forbidden_and_named() {
    let engine = Engine::start();
    two_containers(&engine);
    let socket = create(&engine, "dashboard", &DASHBOARD);
    let refused: [(&[&str], i32, &str); 6] = [
        (&["run", "busybox", "true"], 125, "permission containers:create is not allowed"),
        (&["stop", "shown"], 1, "permission containers:stop is not allowed"),
        (&["exec", "shown", "true"], 1, "permission exec:create is not allowed"),
        (&["attach", "shown"], 1, "is not allowed on the API socket dashboard"),
        (&["pull", "busybox"], 1, "permission images:create is not allowed"),
        (&["volume", "ls"], 1, "permission volumes:list is not allowed"),
    ];
    for (arguments, code, text) in refused {
        let output = through(&socket, &engine, arguments);
        if arguments[0] == "attach" {
            // The client inspects first and then connects.
            assert_ne!(output.code, 0, "{output:?}");
            continue;
        }
        output.fails(code, text);
    }
    let ask = |method: &str, path: &str| {
        testkit::api::request(Path::new(&socket), method, path, &Value::Null).unwrap()
    };
    for (method, path) in [
        ("GET", "/gantry/api-sockets"),
        ("POST", "/v1.44/gantry/api-sockets"),
        ("GET", "/nowhere"),
        ("PUT", "/containers/json"),
        ("GET", "/images/busybox%2Fget"),
        ("POST", "/build"),
    ] {
        let answer = ask(method, path);
        assert_eq!(answer.status, 403, "{method} {path}: {answer:?}");
        assert!(answer.json()["message"].is_string(), "{answer:?}");
    }
    engine.remove_all_containers();
}

#[test]
fn events_of_others_are_not_told() {
    let engine = Engine::start();
    let socket = create(&engine, "dashboard", &DASHBOARD);
    let host = format!("unix://{socket}");
    let follow = engine.docker_session(&[
        "--host",
        &host,
        "events",
        "--format",
        "{{.Type}} {{.Actor.Attributes.name}} {{.Action}}",
    ]);
    engine.ok(&["create", "--name", "hidden", "--label", "tier=back", "busybox"]);
    engine.ok(&["rm", "hidden"]);
    engine.ok(&["create", "--name", "shown", "--label", "tier=front", "busybox"]);
    engine.ok(&["rm", "shown"]);
    follow.expect("container shown destroy");
    assert_eq!(follow.so_far().trim(), "container shown create\ncontainer shown destroy");
}

#[test]
fn sockets_outlive_the_engine_and_removed_ones_do_not() {
    let engine = Engine::start();
    let kept = create(&engine, "kept", &["--allow", "events", "--mode", "0600"]);
    let removed = create(&engine, "removed", &["--allow", "events"]);
    engine.kill();
    engine.start_again();
    assert_eq!(through(&kept, &engine, &["version", "--format", "{{.Server.Os}}"]).ok(), "linux");
    let names = engine.gantry(&["api-socket", "ls", "-q"]).ok();
    assert_eq!(names, "kept\nremoved");
    assert_eq!(engine.gantry(&["api-socket", "rm", "removed"]).ok(), "removed");
    assert!(!Path::new(&removed).exists());
    engine.gantry(&["api-socket", "inspect", "removed"]).fails(1, "No such API socket: removed");
    engine.stop();
    assert!(!Path::new(&kept).exists());
    engine.start_again();
    assert_eq!(engine.get("/gantry/api-sockets").as_array().unwrap().len(), 1);
    assert!(Path::new(&kept).exists() && !Path::new(&removed).exists());
}

#[test]
fn bad_requests_make_no_socket() {
    let engine = Engine::start();
    for body in [
        json!({}),
        json!({"Name": "../x", "Allow": ["events"]}),
        json!({"Name": "x", "Allow": []}),
        json!({"Name": "x", "Allow": ["everything"]}),
        json!({"Name": "x", "Allow": ["events"], "Redacted": ["env"]}),
        json!({"Name": "x", "Allow": ["events"], "Redact": ["all"]}),
        json!({"Name": "x", "Allow": ["events"], "Filters": {"name": ["a"]}}),
        json!({"Name": "x", "Allow": ["containers:create"], "Filters": {"label": ["a"]}}),
        json!({"Name": "x", "Allow": ["events"], "Path": "relative.sock"}),
        json!({"Name": "x", "Allow": ["events"], "Mode": "1777"}),
        json!({"Name": "x", "Allow": ["events"], "Group": "no such group"}),
        json!({"Name": "x", "Allow": ["events"], "Path": "/etc/passwd"}),
    ] {
        let answer = engine.request("POST", "/gantry/api-sockets", &body).unwrap();
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
    }
    create(&engine, "taken", &["--allow", "events"]);
    engine
        .gantry(&["api-socket", "create", "taken", "--allow", "events"])
        .fails(1, "already exists");
    assert_eq!(engine.get("/gantry/api-sockets").as_array().unwrap().len(), 1);
}
