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
