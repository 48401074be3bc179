//! The real `docker` CLI and docker-py against in-memory backends.
//!
//! docker-py is looked for in `GANTRY_DOCKER_PY` (a Python with the `docker` package); without it
//! that test says so and passes over.
#![allow(clippy::unwrap_used)] // Helpers of tests, not only tests.

mod fake;

use std::{path::Path, process::Stdio, time::Duration};

use fake::Fixture;
use tokio::{io::AsyncWriteExt, process::Command};

struct Ran {
    stdout: String,
    stderr: String,
    code: Option<i32>,
}

async fn run(command: &mut Command, input: &[u8]) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // Beside the reading: the echo would fill the pipes otherwise.
    let writer = tokio::spawn(async move { stdin.write_all(&input).await });
    let output = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output())
        .await
        .expect("the client ends")
        .unwrap();
    writer.abort();
    Ran {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code(),
    }
}

async fn docker(fixture: &Fixture, arguments: &[&str], input: &[u8]) -> Ran {
    let home = fixture.directory.path();
    let mut command = Command::new("docker");
    command
        .arg("-H")
        .arg(format!("unix://{}", fixture.socket().display()))
        .args(arguments)
        .env("HOME", home)
        .env_remove("DOCKER_HOST");
    run(&mut command, input).await
}

fn has_docker() -> bool {
    let is_there = std::process::Command::new("docker").arg("--version").output().is_ok();
    if !is_there {
        eprintln!("skipped: no docker client on this machine");
    }
    is_there
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docker_client_lists_versions_containers_and_images() {
    if !has_docker() {
        return;
    }
    let fixture = Fixture::start().await;
    let version = docker(&fixture, &["version"], b"").await;
    assert!(version.stdout.contains("9.9.9"), "{}{}", version.stdout, version.stderr);
    let ps = docker(&fixture, &["ps", "-a"], b"").await;
    assert!(ps.stdout.contains("Up 2 hours") && ps.stdout.contains("web"), "{}", ps.stdout);
    let images = docker(&fixture, &["images"], b"").await;
    assert!(images.stdout.contains("busybox"), "{}{}", images.stdout, images.stderr);
    let info = docker(&fixture, &["info"], b"").await;
    assert!(info.stdout.contains("Name: host"), "{}{}", info.stdout, info.stderr);
    let missing = docker(&fixture, &["rm", "missing"], b"").await;
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("No such container: missing"), "{}", missing.stderr);
    let pull = docker(&fixture, &["pull", "breaks"], b"").await;
    assert!(pull.stderr.contains("blob lost"), "{}", pull.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docker_client_execs_and_attaches_with_input() {
    if !has_docker() {
        return;
    }
    let fixture = Fixture::start().await;
    let exec = docker(&fixture, &["exec", "-i", "a", "cat"], b"through exec\n").await;
    assert_eq!((exec.stdout.as_str(), exec.stderr.as_str()), ("through exec\n", "bye\n"));
    assert_eq!(exec.code, Some(7));
    let large = vec![b'x'; 1 << 20];
    let exec = docker(&fixture, &["exec", "-i", "a", "cat"], &large).await;
    assert_eq!(exec.stdout.len(), large.len());
    let attach = docker(&fixture, &["attach", "a"], b"through attach\n").await;
    assert_eq!(attach.stdout, "through attach\n", "{}", attach.stderr);
    let logs = docker(&fixture, &["logs", "a"], b"").await;
    assert_eq!(logs.stdout, "a line\n", "{}", logs.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_py_does_not_lose_output_that_comes_at_once() {
    let python = std::env::var("GANTRY_DOCKER_PY").unwrap_or_default();
    if !Path::new(&python).is_file() {
        eprintln!("skipped: GANTRY_DOCKER_PY names no Python with docker-py");
        return;
    }
    let fixture = Fixture::start().await;
    let script = format!(
        r#"
import docker, sys
client = docker.APIClient(base_url="unix://{}", version="auto")
for _ in range(20):
    stream = client.attach("speaks", stdout=True, stderr=True, stream=True, logs=True)
    out = b"".join(stream)
    assert out == b"early output\n", out
socket = client.attach_socket("a", params={{"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}})
socket._sock.sendall(b"typed")
import socket as s
from docker.utils.socket import frames_iter, demux_adaptor
socket._sock.shutdown(s.SHUT_WR)
print([bytes(data) for _, data in frames_iter(socket, tty=False)])
exec_id = client.exec_create("a", ["cat"])["Id"]
print(client.exec_start(exec_id, detach=True))
host = client.create_host_config(network_mode="n", port_bindings={{80: 8080}})
created = client.create_container("busybox", "true", host_config=host, networking_config={{"EndpointsConfig": {{"n": None}}}}, volumes=["/v"])
print(created["Id"])
"#,
        fixture.socket().display()
    );
    let ran = run(Command::new(python).arg("-c").arg(script), b"").await;
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("[b'typed', b'bye\\n']"), "{}", ran.stdout);
    assert!(ran.stdout.contains("new"), "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docker_client_runs_a_container_and_takes_its_exit_code() {
    if !has_docker() {
        return;
    }
    let fixture = Fixture::start().await;
    let run = docker(
        &fixture,
        &[
            "run", "-i", "--name", "web", "-p", "8080:80", "-m", "64m", "-e", "A=b", "busybox",
            "cat",
        ],
        b"through run\n",
    )
    .await;
    assert_eq!(run.stdout, "through run\n", "{}", run.stderr);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    let calls = fixture.fake.calls.lock().unwrap().join("\n");
    assert!(calls.contains("memory: 67108864"), "{calls}");
    assert!(calls.contains(r#""80/tcp": Some([PortBinding { host_ip: "", host_port: "8080" }])"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docker_client_understands_the_other_answers() {
    if !has_docker() {
        return;
    }
    let fixture = Fixture::start().await;
    let commands: [&[&str]; 14] = [
        &["inspect", "a"],
        &["image", "inspect", "a/b:c"],
        &["history", "busybox"],
        &["top", "a"],
        &["diff", "a"],
        &["kill", "-s", "HUP", "a"],
        &["update", "-m", "64m", "--memory-swap", "-1", "a"],
        &["rename", "a", "b"],
        &["tag", "a", "hub.example/b"],
        &["events", "--since", "1", "--until", "2"],
        &["stats", "--no-stream", "--no-trunc", "a"],
        &["commit", "a", "b"],
        &["export", "a"],
        &["container", "prune", "-f", "--filter", "label=a"],
    ];
    for command in commands {
        let ran = docker(&fixture, command, b"").await;
        assert_eq!(ran.code, Some(0), "{command:?}: {}{}", ran.stdout, ran.stderr);
    }
    let import = docker(&fixture, &["import", "-", "b:c"], &vec![0; 100_000]).await;
    assert_eq!(import.code, Some(0), "{}", import.stderr);
    assert!(fixture.fake.last().contains("100000 bytes"), "{}", fixture.fake.last());
}
