//! Logs: every kind of driver, rotation, following, and sinks that do not keep up.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

use std::os::unix::net::{UnixDatagram, UnixListener};

use testkit::{Engine, eventually};

const COUNT: &str = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done";

fn numbers(log: &str) -> Vec<usize> {
    let number = |line: &str| line.strip_prefix("line ").and_then(|n| n.trim().parse().ok());
    log.lines().map(|line| number(line).unwrap_or_else(|| panic!("{line:?}"))).collect()
}

#[test]
fn rotated_and_compressed_logs_are_read_as_one() {
    let engine = Engine::start();
    for driver in ["json-file", "local"] {
        let options =
            ["--log-opt", "max-size=10k", "--log-opt", "max-file=4", "--log-opt", "compress=true"];
        let run = ["run", "--name", "counts", "--log-driver", driver];
        engine.ok(&[&run[..], &options, &["busybox", "sh", "-c", COUNT]].concat());
        let log = numbers(&engine.ok(&["logs", "counts"]));
        let first = log[0];
        assert!(first > 0 && log.len() > 300, "{driver}: {} lines from {first}", log.len());
        assert_eq!(log, (first..3000).collect::<Vec<_>>(), "{driver}");
        let tail = numbers(&engine.ok(&["logs", "--tail", "400", "counts"]));
        assert_eq!(tail, (2600..3000).collect::<Vec<_>>(), "{driver}");
        let path = engine.inspect("counts", "{{.LogPath}}");
        assert_eq!(path.ends_with("-json.log"), driver == "json-file");
        engine.ok(&["rm", "counts"]);
    }
}

#[test]
fn a_follower_ends_with_the_run_and_misses_nothing_across_rotations() {
    let engine = Engine::start();
    let options = ["--log-opt", "max-size=20k", "--log-opt", "max-file=50"];
    let run = ["run", "-d", "--name", "counts"];
    let script = format!("read go; {COUNT}; exit 1");
    engine.ok(&[&run[..], &options, &["-i", "busybox", "sh", "-c", &script]].concat());
    let follower = engine.docker_session(&["logs", "-f", "counts"]);
    let attached = engine.docker_with(&["attach", "counts"], b"go\n");
    assert!(attached.text().ends_with("line 2999"), "{}", attached.stderr);
    let log = numbers(&follower.wait().text());
    assert_eq!(log, (0..3000).collect::<Vec<_>>());
    // The next run waits for its word.
    engine.ok(&["start", "counts"]);
    let follower = engine.docker_session(&["logs", "-f", "--tail", "0", "counts"]);
    engine.ok(&["rm", "-f", "counts"]);
    assert_eq!(follower.wait().code, 0, "it ends with the removal");
}

#[test]
fn a_sink_gets_the_messages_and_logs_shows_them_too() {
    let engine = Engine::start();
    let socket = engine.root().join("syslog");
    let server = UnixDatagram::bind(&socket).unwrap();
    let address = format!("syslog-address=unixgram://{}", socket.display());
    let options = ["--log-driver", "syslog", "--log-opt", &address, "--label", "app=shop"];
    let tag = ["--log-opt", "tag={{.ImageName}}/{{.Name}}", "--log-opt", "labels=app"];
    let command = ["busybox", "sh", "-c", "echo out; echo err >&2"];
    engine.ok(&[&["run", "--name", "web"][..], &options, &tag, &command].concat());
    let mut datagram = [0; 1024];
    let mut lines = Vec::new();
    for _ in 0..2 {
        let length = server.recv(&mut datagram).unwrap();
        lines.push(String::from_utf8_lossy(&datagram[..length]).into_owned());
    }
    lines.sort();
    assert!(lines[0].starts_with("<27>") && lines[0].ends_with("]: err\n"), "{lines:?}");
    assert!(lines[1].contains(" busybox/web[") && lines[1].ends_with("]: out\n"), "{lines:?}");
    let log = engine.docker(&["logs", "--details", "web"]);
    assert_eq!(log.text(), "app=shop,tag=busybox%2Fweb out");
    assert_eq!(log.stderr.trim(), "app=shop,tag=busybox%2Fweb err");
}

#[test]
fn a_sink_that_takes_nothing_does_not_hold_a_non_blocking_container_up() {
    let engine = Engine::start();
    let socket = engine.root().join("syslog");
    let _never_reads = UnixListener::bind(&socket).unwrap();
    let address = format!("syslog-address=unix://{}", socket.display());
    let options = ["--log-driver", "syslog", "--log-opt", &address, "--log-opt"];
    let script = "i=0; while [ $i -lt 200 ]; do head -c 100000 /dev/zero | tr '\\0' x; echo; \
                  i=$((i+1)); done; echo the end";
    let run = [&["run", "-d", "--name", "writes"][..], &options, &["mode=non-blocking"]].concat();
    engine.ok(&[&run[..], &["busybox", "sh", "-c", script]].concat());
    eventually("the container has ended", || {
        engine.inspect("writes", "{{.State.Status}}") == "exited"
    });
    assert_eq!(engine.ok(&["logs", "--tail", "1", "writes"]), "the end");
}

#[test]
fn mistakes_are_told_in_dockers_words() {
    let engine = Engine::start();
    let refused = |options: &[&str], text: &str| {
        let output = engine.docker(&[&["run", "--rm"], options, &["busybox", "true"]].concat());
        assert!(output.code == 125 && output.stderr.contains(text), "{output:?}");
    };
    refused(&["--log-opt", "nosuch=1"], "unknown log opt 'nosuch' for json-file log driver");
    refused(&["--log-driver", "nosuch"], "logger: no log driver named 'nosuch' is registered");
    refused(&["--log-driver", "gelf"], "gelf-address is a required parameter");
    let dead = ["--log-driver", "syslog", "--log-opt", "syslog-address=tcp://127.0.0.1:9"];
    refused(
        &dead,
        "failed to initialize logging driver: dial tcp 127.0.0.1:9: connect: connection",
    );
    engine.ok(&["run", "--name", "silent", "--log-driver", "none", "busybox", "true"]);
    let output = engine.docker(&["logs", "silent"]);
    let text = "configured logging driver does not support reading";
    assert!(output.code == 1 && output.stderr.contains(text), "{output:?}");
}
