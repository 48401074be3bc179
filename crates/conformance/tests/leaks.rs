//! The same work over and over leaves the machine as it was.
//!
//! `GANTRY_TEST_LIVES` says how many containers live and die (default 200).

use serde_json::{Value, json};
use testkit::{Accounting, Engine, Options, poll::within, random::count_from_env};

/// Descriptors that may come and go by themselves: idle client connections.
const TOLERATED: usize = 3;

/// Waits until the engine has no more of the machine than before.
fn assert_as_before(engine: &Engine, before: &Accounting) {
    engine.assert_nothing_leaked();
    let settled = within(std::time::Duration::from_secs(10), || {
        let now = Accounting::of(engine);
        (now.descriptors <= before.descriptors + TOLERATED
            && now.namespaces <= before.namespaces + 1)
            .then_some(())
    });
    assert!(settled.is_some(), "before: {before:#?}\nnow: {:#?}", Accounting::of(engine));
}

#[test]
fn lifecycles_leave_nothing() {
    let engine = Engine::start();
    engine.ok(&["run", "--rm", "-p", "127.0.0.1::80", "busybox", "true"]);
    engine.assert_nothing_leaked();
    let before = Accounting::of(&engine);
    let lives = count_from_env("GANTRY_TEST_LIVES", 200);
    let batch = 10;
    for _ in 0..lives / batch {
        let sessions: Vec<_> = (0..batch)
            .map(|number| match number % 5 {
                0 => engine.docker_session(&["run", "--rm", "busybox", "true"]),
                1 => engine
                    .docker_session(&["run", "--rm", "-v", "/data", "busybox", "touch", "/data/x"]),
                2 => engine.docker_session(&[
                    "run",
                    "--rm",
                    "-t",
                    "-p",
                    "127.0.0.1::80",
                    "busybox",
                    "true",
                ]),
                3 => engine.docker_session(&["run", "--rm", "busybox", "nosuch"]),
                _ => engine.docker_session(&[
                    "run",
                    "--rm",
                    "--network",
                    "none",
                    "--memory",
                    "32m",
                    "busybox",
                    "true",
                ]),
            })
            .collect();
        for (number, session) in sessions.into_iter().enumerate() {
            let output = session.wait();
            assert_eq!(output.code, if number % 5 == 3 { 127 } else { 0 }, "{output:?}");
        }
    }
    assert_as_before(&engine, &before);
    assert_eq!(engine.ok(&["volume", "ls", "-q"]), "");
}

#[test]
fn execs_attaches_and_log_readers_leave_nothing() {
    let engine = Engine::start();
    engine.ok(&[
        "run",
        "-d",
        "-i",
        "--name",
        "host",
        "busybox",
        "sh",
        "-c",
        "while :; do echo; read -t 1 x; done",
    ]);
    engine.ok(&["exec", "host", "true"]);
    let before = Accounting::of(&engine);
    for _ in 0..40 {
        engine.ok(&["exec", "host", "true"]);
        let mut gone: Vec<_> = [
            ["attach", "host"].as_slice(),
            &["logs", "-f", "host"],
            &["events"],
            &["stats", "host"],
        ]
        .iter()
        .map(|arguments| engine.docker_session(arguments))
        .collect();
        gone[1].expect("\n");
        gone.iter_mut().for_each(testkit::Session::kill);
    }
    let settled = within(std::time::Duration::from_secs(10), || {
        let now = Accounting::of(&engine);
        (now.descriptors <= before.descriptors + TOLERATED && now.processes == before.processes)
            .then_some(())
    });
    assert!(settled.is_some(), "before: {before:#?}\nnow: {:#?}", Accounting::of(&engine));
    engine.ok(&["rm", "-f", "host"]);
    engine.assert_nothing_leaked();
}

#[test]
fn clients_that_vanish_in_the_middle_leave_nothing() {
    let engine = Engine::with(Options::default());
    let mut random = testkit::Random::announced();
    engine.ok(&["run", "--rm", "busybox", "true"]);
    let before = Accounting::of(&engine);
    for _ in 0..40 {
        let mut sessions: Vec<_> = (0..3)
            .map(|_| {
                engine.docker_session(&[
                    "run",
                    "--rm",
                    "-i",
                    "-p",
                    "127.0.0.1::80",
                    "-v",
                    "/data",
                    "busybox",
                    "cat",
                ])
            })
            .collect();
        std::thread::sleep(std::time::Duration::from_millis(random.below(250)));
        sessions.iter_mut().for_each(testkit::Session::kill);
    }
    // What was created but never started, or lost its reader, is the user's to remove.
    engine.remove_all_containers();
    assert_as_before(&engine, &before);
    assert_eq!(engine.ok(&["volume", "ls", "-q"]), "");
}

/// One round of everything that is quick; returns how many requests it made.
fn round(engine: &Engine, number: u64) -> u64 {
    let name = format!("round{number}");
    let container = |rest: &str| format!("/containers/{name}{rest}");
    let create = json!({
        "Image": "busybox", "Cmd": ["sleep", "1000"], "Volumes": {"/data": {}},
        "HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}},
    });
    let none = Value::Null;
    let steps = [
        ("POST", format!("/containers/create?name={name}"), &create),
        ("POST", container("/start"), &none),
        ("GET", container("/json"), &none),
        ("GET", container("/stats?stream=0&one-shot=1"), &none),
        ("GET", container("/top"), &none),
        ("GET", container("/logs?stdout=1&stderr=1"), &none),
        ("GET", container("/changes"), &none),
        ("GET", container("/archive?path=/etc/passwd"), &none),
        ("POST", container("/pause"), &none),
        ("POST", container("/unpause"), &none),
        ("POST", container("/restart?t=0"), &none),
        ("GET", "/containers/json?all=1".to_owned(), &none),
        ("GET", "/images/json".to_owned(), &none),
        ("GET", "/events?since=0&until=1".to_owned(), &none),
        ("GET", "/info".to_owned(), &none),
        ("POST", format!("/images/busybox/tag?repo=other&tag={name}"), &none),
        ("DELETE", format!("/images/other:{name}"), &none),
        ("GET", "/images/absent/json".to_owned(), &none),
        ("POST", container("/kill"), &none),
        ("DELETE", container("?force=1&v=1"), &none),
    ];
    for (method, path, body) in &steps {
        let answer = engine.request(method, path, body).expect("the engine answers");
        assert!(answer.status < 500, "{answer:?}");
    }
    steps.len() as u64
}

#[test]
fn five_hundred_operations_leave_no_descriptor() {
    let engine = Engine::start();
    // What is made once and kept.
    let warmed: u64 = (0..3).map(|number| round(&engine, number)).sum();
    assert!(warmed > 0);
    engine.assert_nothing_leaked();
    let before = Accounting::of(&engine);
    let mut operations = 0;
    while operations < 500 {
        operations += round(&engine, operations);
    }
    assert_as_before(&engine, &before);
    assert_eq!(engine.ok(&["volume", "ls", "-q"]), "");
}
