//! Many clients at once.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

use std::thread;

use testkit::Engine;

#[test]
fn fifty_runs_at_once_all_succeed_and_leave_nothing() {
    let engine = Engine::start();
    let sessions: Vec<_> = (0..50)
        .map(|number| {
            let script = format!("echo {number}; exit {}", number % 3);
            engine.docker_session(&["run", "--rm", "busybox", "sh", "-c", &script])
        })
        .collect();
    for (number, session) in sessions.into_iter().enumerate() {
        let output = session.wait();
        assert_eq!(output.text(), number.to_string(), "{output:?}");
        assert_eq!(output.code, i32::try_from(number % 3).unwrap(), "{output:?}");
    }
    assert_eq!(engine.ok(&["ps", "-aq"]), "");
    engine.assert_nothing_leaked();
}

#[test]
fn twenty_execs_at_once_keep_their_output_and_codes_apart() {
    let engine = Engine::start();
    engine.ok(&["run", "-d", "--name", "host", "busybox", "sleep", "1000"]);
    let sessions: Vec<_> = (0..20)
        .map(|number| {
            let script = format!("cat; echo {number}; exit {number}");
            let mut session = engine.docker_session(&["exec", "-i", "host", "sh", "-c", &script]);
            session.write(format!("in{number} ").as_bytes());
            session.close_stdin();
            session
        })
        .collect();
    for (number, session) in sessions.into_iter().enumerate() {
        let output = session.wait();
        assert_eq!(output.text(), format!("in{number} {number}"), "{output:?}");
        assert_eq!(output.code, i32::try_from(number).unwrap(), "{output:?}");
    }
    engine.ok(&["rm", "-f", "host"]);
    engine.assert_nothing_leaked();
}

#[test]
fn one_name_goes_to_one_of_many() {
    let engine = Engine::start();
    let sessions: Vec<_> =
        (0..10).map(|_| engine.docker_session(&["create", "--name", "one", "busybox"])).collect();
    let codes: Vec<_> = sessions.into_iter().map(|session| session.wait().code).collect();
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert_eq!(engine.ok(&["ps", "-aq"]).lines().count(), 1);
    engine.remove_all_containers();
    engine.assert_nothing_leaked();
}

#[test]
fn contradicting_operations_on_one_container_end_in_a_true_state() {
    let engine = Engine::start();
    engine.ok(&["create", "--name", "torn", "busybox", "sleep", "1000"]);
    let operations: [&[&str]; 5] = [
        &["start", "torn"],
        &["stop", "-t", "0", "torn"],
        &["restart", "-t", "0", "torn"],
        &["kill", "torn"],
        &["exec", "torn", "true"],
    ];
    thread::scope(|scope| {
        for operation in operations {
            let engine = &engine;
            let command = move || engine.command("docker", operation);
            scope.spawn(move || {
                for _ in 0..8 {
                    // Either outcome is right; what counts is where it ends.
                    let _ = testkit::client::run(command(), &[]);
                }
            });
        }
    });
    engine.ok(&["start", "torn"]);
    let pid: i32 = engine.inspect("torn", "{{.State.Pid}}").parse().unwrap();
    assert!(testkit::process::is_alive(pid));
    engine.ok(&["rm", "-f", "torn"]);
    engine.assert_nothing_leaked();
}

#[test]
fn removal_by_many_happens_once() {
    let engine = Engine::start();
    engine.ok(&["run", "-d", "--name", "torn", "busybox", "sleep", "1000"]);
    let sessions: Vec<_> = (0..10).map(|_| engine.docker_session(&["rm", "-f", "torn"])).collect();
    for session in sessions {
        let output = session.wait();
        let is_known = output.code == 0
            || output.stderr.contains("No such container")
            || output.stderr.contains("already in progress");
        assert!(is_known, "{output:?}");
    }
    engine.assert_nothing_leaked();
}

/// A generator for a thread, seeded by its number.
fn pick<'a>(random: &mut testkit::Random, from: &[&'a str]) -> &'a str {
    from[usize::try_from(random.below(from.len() as u64)).unwrap()]
}

#[test]
fn fifty_mixed_operations_at_once_on_one_container_end_in_a_true_state() {
    let engine = Engine::start();
    let mut random = testkit::Random::announced();
    engine.ok(&[
        "create",
        "--name",
        "torn",
        "-v",
        "/data",
        "-p",
        "127.0.0.1::80",
        "busybox",
        "sleep",
        "1000",
    ]);
    let id = engine.inspect("torn", "{{.Id}}");
    let operations = [
        "POST /start",
        "POST /stop?t=0",
        "POST /restart?t=0",
        "POST /kill",
        "POST /pause",
        "POST /unpause",
        "GET /json",
        "GET /logs?stdout=1",
        "GET /stats?stream=0",
        "GET /top",
        "POST /rename?name=torn",
        "POST /update",
        "GET /changes",
        "POST /resize?h=1&w=1",
    ];
    for _ in 0..4 {
        thread::scope(|scope| {
            for _ in 0..50 {
                let operation = pick(&mut random, &operations);
                let (engine, id) = (&engine, &id);
                scope.spawn(move || {
                    let (method, rest) = operation.split_once(' ').unwrap();
                    let path = format!("/containers/{id}{rest}");
                    let body = serde_json::json!({});
                    let answer = engine.request(method, &path, &body).unwrap();
                    // Refused or done, but never broken: no 5xx for what is only too late.
                    assert!(answer.status < 500 || operation.contains("resize"), "{answer:?}");
                });
            }
        });
        let state = engine.get(&format!("/containers/{id}/json"))["State"].clone();
        let pid = i32::try_from(state["Pid"].as_i64().unwrap()).unwrap();
        let is_up = matches!(state["Status"].as_str(), Some("running" | "paused"));
        assert_eq!(is_up, pid != 0 && testkit::process::is_alive(pid), "{state}");
        assert_eq!(state["Running"], is_up, "{state}");
        assert_eq!(state["Paused"], state["Status"] == "paused", "{state}");
    }
    // Whatever the state, it can be brought to an end, and only one of many removals does it.
    let removals: Vec<_> = thread::scope(|scope| {
        let remove = || {
            let path = format!("/containers/{id}?force=1&v=1");
            engine.request("DELETE", &path, &serde_json::Value::Null).unwrap().status
        };
        let threads: Vec<_> = (0..20).map(|_| scope.spawn(remove)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(removals.contains(&204), "{removals:?}");
    assert!(removals.iter().all(|status| matches!(status, 204 | 404 | 409)), "{removals:?}");
    assert_eq!(engine.ok(&["ps", "-aq"]), "");
    assert_eq!(engine.ok(&["volume", "ls", "-q"]), "");
    engine.assert_nothing_leaked();
}

#[test]
fn ten_pulls_of_one_image_at_once_all_succeed_and_fetch_it_once() {
    let engine = Engine::start();
    let hub = testkit::Hub::start();
    let noise = vec![7; 3 << 20];
    let layer = testkit::ImageTar::busybox().file("noise", &noise, testkit::image_tar::root(0o644));
    engine.import("large", layer, &["CMD [\"sh\"]"]);
    let image = hub.take(&engine, "large", "large");
    engine.ok(&["rmi", "large"]);
    let sessions: Vec<_> = (0..10).map(|_| engine.docker_session(&["pull", &image])).collect();
    let outputs: Vec<_> = sessions.into_iter().map(|session| session.wait().ok()).collect();
    let fetched = outputs.iter().filter(|output| output.contains("Download complete")).count();
    assert_eq!(fetched, 1, "{outputs:#?}");
    assert_eq!(engine.ok(&["run", "--rm", &image, "wc", "-c", "/noise"]), "3145728 /noise");
    engine.ok(&["rmi", &image]);
    assert!(testkit::accounting::names(&engine.data_root().join("content/ingest")).is_empty());
    engine.assert_nothing_leaked();
}
