//! The same bundle through `gantry-runtime` and `runc`; the same observations. Needs root.
#![allow(clippy::unwrap_used, reason = "a test")]

mod bundle;
mod listener;
mod mounts;
mod terminal;

use std::fs;

use bundle::{Bundle, text};

#[test]
fn the_same_bundle_looks_the_same_as_under_runc() {
    // Named hierarchies come and go with the tests of others.
    let script = "id; env | sort; grep -E 'Cap|Seccomp:|NoNew|Groups|Umask' /proc/self/status; \
                  grep -v name=gantry- /proc/self/cgroup; cat /proc/self/oom_score_adj; \
                  ls /dev /dev/pts; \
                  mount | grep -vE '^(tmpfs|systemd|cgroup) on /sys/fs/cgroup'";
    let bundle = Bundle::new("same", &["sh", "-c", script]);
    bundle.configure(|config| {
        config["linux"]["seccomp"] = serde_json::json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["reboot"], "action": "SCMP_ACT_ERRNO"}],
        });
    });
    let run = ["run", "--bundle", bundle.path(), &bundle.id];
    let (ours, theirs) = (bundle.gantry(&run), bundle.with("runc", &run));
    assert!(ours.status.success() && theirs.status.success(), "{ours:?} {theirs:?}");
    assert_eq!(text(&ours), text(&theirs));
}

#[test]
fn a_container_goes_through_its_states() {
    let bundle = Bundle::new("states", &["sleep", "1000"]);
    let id = bundle.id.as_str();
    bundle.create();
    assert_eq!(bundle.status(), "created");
    assert!(!bundle.gantry(&["delete", id]).status.success());
    assert!(bundle.gantry(&["start", id]).status.success());
    assert_eq!(bundle.status(), "running");
    assert!(!bundle.gantry(&["start", id]).status.success());
    let exec = bundle.gantry(&["exec", id, "sh", "-c", "cat /proc/1/comm; exit 5"]);
    assert_eq!((text(&exec).as_str(), exec.status.code()), ("sleep\n", Some(5)));
    assert!(bundle.gantry(&["pause", id]).status.success());
    assert_eq!(bundle.status(), "paused");
    assert!(bundle.gantry(&["resume", id]).status.success());
    assert!(bundle.gantry(&["update", "--pids-limit", "9", id]).status.success());
    let limit = fs::read_to_string(format!("/sys/fs/cgroup/pids/{id}/pids.max")).unwrap();
    assert_eq!(limit, "9\n");
    assert!(bundle.gantry(&["kill", id, "KILL"]).status.success());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while bundle.status() != "stopped" {
        assert!(std::time::Instant::now() < deadline);
        std::thread::yield_now();
    }
    assert!(bundle.gantry(&["delete", id]).status.success());
    let gone = bundle.gantry(&["state", id]);
    assert!(String::from_utf8_lossy(&gone.stderr).contains("does not exist"));
}

#[test]
fn a_missing_command_fails_the_creation_and_leaves_nothing() {
    let bundle = Bundle::new("missing", &["nosuch"]);
    let log = bundle.directory.join("log");
    let output = bundle.gantry(&[
        "--log",
        log.to_str().unwrap(),
        "--log-format",
        "json",
        "create",
        "--bundle",
        bundle.path(),
        &bundle.id,
    ]);
    assert!(!output.status.success());
    let entry: serde_json::Value = serde_json::from_slice(&fs::read(log).unwrap()).unwrap();
    assert_eq!(
        entry["msg"],
        "unable to start container process: error during container init: exec: \"nosuch\": \
         executable file not found in $PATH"
    );
    assert!(!bundle.directory.join("state").join(&bundle.id).exists());
}

#[test]
fn hooks_run_in_their_order_with_the_state() {
    let bundle = Bundle::new("hooks", &["sh", "-c", "exit 0"]);
    let trace = bundle.directory.join("trace");
    let hook = |name: &str| {
        let script = format!(
            "s=$(cat); case $s in *'\"id\":\"{}\"'*) echo {name} >> {};; esac",
            bundle.id,
            trace.display()
        );
        serde_json::json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}])
    };
    bundle.configure(|config| {
        config["hooks"] = serde_json::json!({
            "prestart": hook("prestart"),
            "createRuntime": hook("createRuntime"),
            "createContainer": hook("createContainer"),
            "poststart": hook("poststart"),
            "poststop": hook("poststop"),
        });
    });
    let output = bundle.gantry(&["run", "--bundle", bundle.path(), &bundle.id]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        fs::read_to_string(&trace).unwrap(),
        "prestart\ncreateRuntime\ncreateContainer\npoststart\npoststop\n"
    );
}

#[test]
fn the_callers_keys_are_left_behind() {
    let bundle = Bundle::new("keyring", &["cat", "/proc/keys"]);
    bundle.configure(|config| {
        config["linux"].as_object_mut().unwrap().remove("maskedPaths");
        // Root would see the keyrings of all of root's sessions, another one only its own.
        config["process"]["user"] = serde_json::json!({"uid": 1234, "gid": 1234});
    });
    let keyrings = |options: &[&str]| {
        let mut run = vec!["run", "--bundle", bundle.path()];
        run.extend(options);
        run.push(&bundle.id);
        let output = bundle.gantry(&run);
        assert!(output.status.success(), "{output:?}");
        let listed = text(&output);
        let sessions = listed.lines().filter(|line| line.contains("_ses:"));
        sessions.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect::<Vec<_>>()
    };
    let (first, second) = (keyrings(&[]), keyrings(&[]));
    assert_eq!((first.len(), second.len()), (1, 1), "{first:?} {second:?}");
    assert_ne!(first, second);
    let kept = ["--no-new-keyring"];
    assert_eq!(keyrings(&kept), keyrings(&kept));
}
