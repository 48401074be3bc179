//! Attached streams: the log and what follows it, WebSocket, clients that take nothing, execs.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
};

use testkit::{Engine, eventually};

/// A connection after the head of its answer.
fn hijack(engine: &Engine, request: &str) -> BufReader<UnixStream> {
    let host = engine.host();
    let mut stream = UnixStream::connect(host.trim_start_matches("unix://")).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
    }
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    reader
}

fn attach(engine: &Engine, container: &str, query: &str) -> BufReader<UnixStream> {
    hijack(
        engine,
        &format!(
            "POST /containers/{container}/attach?{query} HTTP/1.1\r\nHost: d\r\n\
             User-Agent: gantry/test\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        ),
    )
}

/// The payloads of stdcopy frames.
fn payloads(frames: &[u8]) -> Vec<u8> {
    let mut rest = frames;
    let mut all = Vec::new();
    while let Some((head, tail)) = rest.split_at_checked(8) {
        let length = u32::from_be_bytes(*head.last_chunk().unwrap()) as usize;
        all.extend_from_slice(&tail[..length]);
        rest = &tail[length..];
    }
    all
}

#[test]
fn the_log_and_the_stream_behind_it_are_everything_once() {
    let engine = Engine::start();
    let script = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done";
    let options = ["--log-opt", "max-size=50k", "--log-opt", "max-file=100"];
    let command = ["busybox", "sh", "-c", script];
    engine.ok(&[&["run", "-d", "--name", "counts"][..], &options, &command].concat());
    let expected: String = (0..20000).map(|n| format!("line {n}\n")).collect();
    let mut attached = 0;
    while engine.inspect("counts", "{{.State.Running}}") == "true" {
        let mut stream = attach(&engine, "counts", "logs=1&stream=1&stdout=1&stderr=1");
        let mut frames = Vec::new();
        stream.read_to_end(&mut frames).unwrap();
        let text = String::from_utf8(payloads(&frames)).unwrap();
        // Between the question and the attach it may have ended.
        assert!(text == expected || text.contains("Error attaching"), "{} bytes", text.len());
        attached += 1;
    }
    assert!(attached > 0);
}

#[test]
fn a_websocket_carries_both_directions() {
    let engine = Engine::start();
    engine.ok(&["run", "-d", "-i", "--name", "cat", "busybox", "cat"]);
    let request = "GET /containers/cat/attach/ws?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: d\r\n\
                   Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut stream = hijack(&engine, request);
    // Binary, final, masked with zeros.
    stream.get_mut().write_all(b"\x82\x86\0\0\0\0hello\n").unwrap();
    let mut frame = [0; 8];
    stream.read_exact(&mut frame).unwrap();
    assert_eq!(&frame, b"\x82\x06hello\n");
    engine.ok(&["kill", "cat"]);
    let mut farewell = Vec::new();
    stream.read_to_end(&mut farewell).unwrap();
    assert_eq!(farewell, [0x88, 2, 3, 232]);
}

#[test]
fn a_client_that_takes_nothing_does_not_hold_the_container_up() {
    let engine = Engine::start();
    let script = "read go; head -c 20000000 /dev/zero | tr '\\0' x; echo; echo the end";
    engine.ok(&["run", "-d", "-i", "--name", "writes", "busybox", "sh", "-c", script]);
    let mut stuck = attach(&engine, "writes", "stream=1&stdin=1&stdout=1&stderr=1");
    stuck.get_mut().write_all(b"go\n").unwrap();
    eventually("the container has ended", || {
        engine.inspect("writes", "{{.State.Status}}") == "exited"
    });
    assert_eq!(engine.ok(&["logs", "--tail", "1", "writes"]), "the end");
}

#[test]
fn execs_by_the_hundred_keep_their_output_and_their_codes() {
    let engine = Engine::start();
    engine.ok(&["run", "-d", "--name", "host", "busybox", "sleep", "1000"]);
    for _ in 0..5 {
        let script = |n: usize| format!("echo out {n}; exit {}", n % 7);
        let scripts: Vec<String> = (0..20).map(script).collect();
        let sessions: Vec<_> = scripts
            .iter()
            .map(|script| engine.docker_session(&["exec", "host", "sh", "-c", script]))
            .collect();
        for (n, session) in sessions.into_iter().enumerate() {
            let output = session.wait();
            assert_eq!((output.code, output.text()), (n as i32 % 7, format!("out {n}")));
        }
    }
}

#[test]
fn execs_that_cannot_be_say_why() {
    let engine = Engine::start();
    engine.ok(&["run", "-d", "--name", "host", "busybox", "sleep", "1000"]);
    let exec = |options: &[&str], code: i32, text: &str| {
        let output = engine.docker(&[&["exec"], options].concat());
        let all = format!("{}{}", output.text(), output.stderr);
        assert!(output.code == code && all.contains(text), "{output:?}");
    };
    exec(&["-u", "nosuch", "host", "true"], 1, "unable to find user nosuch: no matching entries");
    exec(&["host", "nosuch"], 127, "executable file not found in $PATH");
    exec(&["host", "/etc"], 126, "permission denied");
    exec(&["-w", "/nosuch", "host", "true"], 127, "no such file or directory");
    engine.ok(&["pause", "host"]);
    exec(&["host", "true"], 1, "Container host is paused, unpause the container before exec");
    engine.ok(&["unpause", "host"]);
    engine.ok(&["kill", "host"]);
    exec(&["host", "true"], 1, "is not running");
}
