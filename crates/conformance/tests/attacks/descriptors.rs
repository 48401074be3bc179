//! CVE-2024-21626: a descriptor of the host's that reaches a process of a container.

use serde_json::{Value, json};
use testkit::{Engine, ImageTar};

use crate::canary::{Canary, is_leaked};

const NUMBERS: std::ops::RangeInclusive<u32> = 3..=30;

fn post(engine: &Engine, path: &str, body: &Value) -> Value {
    let answer = engine.request("POST", path, body).unwrap();
    assert!(answer.status < 500 || answer.json()["message"].is_string(), "{answer:?}");
    answer.json()
}

/// Reads the secret from wherever the working directory is.
fn command(canary: &Canary) -> Value {
    json!(["sh", "-c", format!("cat {0}/secret .{0}/secret; ls -a", canary.climbing())])
}

#[test]
fn no_working_directory_is_a_descriptor_of_the_host_s() {
    let engine = Engine::start();
    let canary = Canary::new(&engine);
    engine.import("linked", ImageTar::busybox().link("link", "/proc/self/fd/7"), &[]);
    let paths = NUMBERS.map(|n| ("busybox", format!("/proc/self/fd/{n}")));
    let linked = [("linked", "/link".to_owned()), ("linked", "/link/x".to_owned())];
    for (image, dir) in paths.chain(linked) {
        let config = json!({"Image": image, "WorkingDir": dir, "Cmd": command(&canary)});
        let id = post(&engine, "/containers/create?name=c1", &config)["Id"].clone();
        assert!(id.is_string(), "{dir}");
        let started = engine.request("POST", "/containers/c1/start", &Value::Null).unwrap();
        assert_ne!(started.status, 204, "{dir} was entered");
        let logs = engine.request("GET", "/containers/c1/logs?stdout=1&stderr=1", &Value::Null);
        assert!(!is_leaked(&logs.unwrap().body), "{dir}");
        engine.request("DELETE", "/containers/c1?force=1", &Value::Null).unwrap();
    }
    canary.assert_untouched();
    engine.assert_nothing_leaked();
}

#[test]
fn no_exec_enters_a_descriptor_of_the_host_s() {
    let engine = Engine::start();
    let canary = Canary::new(&engine);
    engine.ok(&["run", "-d", "--name", "c1", "busybox", "sleep", "600"]);
    for n in NUMBERS {
        let dir = format!("/proc/self/fd/{n}");
        let config = json!({
            "WorkingDir": dir, "Cmd": command(&canary), "AttachStdout": true, "AttachStderr": true,
        });
        let id = post(&engine, "/containers/c1/exec", &config)["Id"].as_str().unwrap().to_owned();
        let ran = engine.request("POST", &format!("/exec/{id}/start"), &json!({})).unwrap();
        assert!(!is_leaked(&ran.body), "{dir}: {ran:?}");
        let exit = engine.get(&format!("/exec/{id}/json"))["ExitCode"].clone();
        assert_ne!(exit, json!(0), "{dir}");
    }
    engine.remove_all_containers();
}

fn words(text: &str) -> Vec<&str> {
    text.split_ascii_whitespace().collect()
}

#[test]
fn processes_have_their_three_streams_and_no_more() {
    let engine = Engine::start();
    let list = "ls -1 /proc/$$/fd; true";
    for flags in [&[][..], &["-t"], &["-i"], &["--privileged"]] {
        let output = crate::sh(&engine, flags, list);
        assert_eq!(words(&output.ok()), ["0", "1", "2"], "{flags:?}");
    }
    engine.ok(&["run", "-d", "--init", "--name", "c1", "busybox", "sleep", "600"]);
    for flags in [&[][..], &["-t"], &["-i"], &["--privileged"], &["-u", "user"]] {
        let mut arguments = vec!["exec"];
        arguments.extend(flags);
        arguments.extend(["c1", "sh", "-c", list]);
        assert_eq!(words(&engine.ok(&arguments)), ["0", "1", "2"], "{flags:?}");
    }
    let init = engine.inspect("c1", "{{.State.Pid}}");
    let mut own: Vec<_> = std::fs::read_dir(format!("/proc/{init}/fd"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    own.sort();
    assert_eq!(own, ["0", "1", "2"], "init of --init");
    engine.remove_all_containers();
}
