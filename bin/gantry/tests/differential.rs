//! Holds `gantry` beside the `docker` CLI: both run the same command lines against the same engine,
//! and must send the same requests, print the same and end with the same code.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fake;

use std::{
    path::Path,
    process::{Command, Stdio},
};

use fake::{FakeEngine, ID, Seen};

#[derive(Debug, PartialEq)]
struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
    requests: Vec<Seen>,
}

fn run(
    program: &str,
    words: &[String],
    engine: &FakeEngine,
    dir: &Path,
    version: Option<&str>,
) -> Outcome {
    let mut command = Command::new(program);
    command.args(words).current_dir(dir).stdin(Stdio::null());
    for name in [
        "GANTRY_HOST",
        "DOCKER_CONTEXT",
        "DOCKER_TLS_VERIFY",
        "DOCKER_TLS",
        "DOCKER_API_VERSION",
        "GANTRY_CONFIG",
    ] {
        command.env_remove(name);
    }
    command
        .env("DOCKER_HOST", engine.host())
        .env("DOCKER_CONFIG", dir.join("config"))
        .env("TZ", "UTC");
    if let Some(version) = version {
        command.env("DOCKER_API_VERSION", version);
    }
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes).replace("docker", "gantry").replace("Docker", "Gantry")
    };
    let mut requests = engine.take();
    for request in &mut requests {
        sort_what_is_unordered(&mut request.body);
    }
    Outcome {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
        requests,
    }
}

/// docker walks Go maps when it builds the environment and the binds: their order changes from run
/// to run.
fn sort_what_is_unordered(body: &mut serde_json::Value) {
    for pointer in ["/Env", "/HostConfig/Binds"] {
        if let Some(list) = body.pointer_mut(pointer).and_then(serde_json::Value::as_array_mut) {
            list.sort_by_key(ToString::to_string);
        }
    }
}

fn gantry() -> &'static str {
    env!("CARGO_BIN_EXE_gantry")
}

/// One command line per line, as a shell reads it (without expansion).
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[test]
fn command_lines_do_what_dockers_do() {
    if Command::new("docker").arg("--version").output().is_err() {
        eprintln!("skipped: there is no docker CLI on this machine to compare with");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let engine = FakeEngine::start(dir.path(), "1.50");
    let mut differences = Vec::new();
    for line in include_str!("cases.txt").lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let words = words(line);
        let theirs = run("docker", &words, &engine, dir.path(), Some("1.50"));
        let ours = run(gantry(), &words, &engine, dir.path(), Some("1.50"));
        if theirs != ours {
            differences.push(format!("{line}\n  docker {theirs:?}\n  gantry {ours:?}"));
        }
    }
    assert!(differences.is_empty(), "{} differ\n{}", differences.len(), differences.join("\n"));
}

fn ours(engine: &FakeEngine, dir: &Path, line: &str) -> Outcome {
    run(gantry(), &words(line), engine, dir, None)
}

#[test]
fn a_run_needs_four_requests_and_passes_output_and_exit_code_on() {
    let dir = tempfile::tempdir().unwrap();
    let engine = FakeEngine::start(dir.path(), "1.55");
    let outcome = ours(&engine, dir.path(), "run --rm exit003 sh");
    assert_eq!(outcome.code, Some(3));
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("out\n", "err\n"));
    let lines: Vec<_> = outcome.requests.iter().map(|seen| seen.line.as_str()).collect();
    let id = format!("e003{}", &ID[4..]);
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert_eq!(lines[0], "POST /v1.55/containers/create");
    assert!(
        lines[1..3]
            .contains(&format!("POST /v1.55/containers/{id}/wait?condition=removed").as_str())
    );
    assert_eq!(lines[3], format!("POST /v1.55/containers/{id}/start"));
}

#[test]
fn an_older_engine_is_spoken_to_in_its_own_version() {
    let dir = tempfile::tempdir().unwrap();
    let engine = FakeEngine::start(dir.path(), "1.41");
    let outcome = ours(&engine, dir.path(), "ps -q");
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "0123456789ab\n"));
    let lines: Vec<_> = outcome.requests.iter().map(|seen| seen.line.as_str()).collect();
    assert_eq!(lines, ["GET /v1.55/containers/json", "GET /v1.41/containers/json"]);
}

#[test]
fn exec_gives_the_commands_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let engine = FakeEngine::start(dir.path(), "1.55");
    let outcome = ours(&engine, dir.path(), "exec web false");
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(7), "out\n"));
    assert_eq!(outcome.requests.len(), 3);
}

#[test]
fn a_missing_image_is_pulled() {
    let dir = tempfile::tempdir().unwrap();
    let engine = FakeEngine::start(dir.path(), "1.55");
    let outcome = ours(&engine, dir.path(), "create absent");
    let lines: Vec<_> = outcome.requests.iter().map(|seen| seen.line.as_str()).collect();
    assert_eq!(
        lines[1],
        "POST /v1.55/images/create?fromImage=docker.io%2Flibrary%2Fabsent&tag=latest"
    );
    assert!(
        outcome.stderr.starts_with("Unable to find image 'absent:latest' locally\nlatest: Pulling")
    );
    assert_eq!(outcome.code, Some(1), "this engine never has it");
}

#[test]
fn an_engine_behind_ssh_is_reached_through_dial_stdio() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let engine = FakeEngine::start(dir.path(), "1.55");
    // Stands for ssh and the login shell on the far side.
    let script = "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nshift 2\nexec sh -c \"$*\"\n";
    let ssh = dir.path().join("ssh");
    std::fs::write(&ssh, script).unwrap();
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let beside = Path::new(gantry()).parent().unwrap();
    let path = format!("{}:{}:/usr/bin:/bin", dir.path().display(), beside.display());
    let far = engine.host().replace("unix://", "ssh://me@far");
    for (line, code, text) in [("ps -q", 0, "0123456789ab\n"), ("run exit003", 3, "out\n")] {
        let output = Command::new(gantry())
            .args(words(line))
            .env("PATH", &path)
            .env("GANTRY_HOST", &far)
            .env("GANTRY_CONFIG", dir.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), text, "{output:?}");
        assert_eq!(output.status.code(), Some(code));
    }
}

#[test]
fn nothing_listens() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(gantry())
        .args(["-H", "unix:///nonexistent/x.sock", "ps"])
        .env("GANTRY_CONFIG", dir.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "Cannot connect to the Gantry engine at unix:///nonexistent/x.sock. Is the gantryd daemon running?\n"
    );
}

#[test]
fn a_closed_pipe_ends_the_program_quietly() {
    let dir = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(gantry())
        .arg("--help")
        .env("GANTRY_CONFIG", dir.path())
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn what_is_known_and_not_built_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let engine = FakeEngine::start(dir.path(), "1.55");
    for line in ["build .", "bake", "run --use-api-socket x", "start --checkpoint c x"] {
        let outcome = ours(&engine, dir.path(), line);
        assert_eq!(outcome.code, Some(1), "{line}");
        assert!(outcome.stderr.contains("is not built yet"), "{line}: {}", outcome.stderr);
        assert!(outcome.requests.is_empty());
    }
}
