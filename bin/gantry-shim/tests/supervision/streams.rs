//! What flows between a container and its clients.

use std::{collections::BTreeMap, time::Duration};

use crate::fixture::{
    ALL, Fixture, OUTPUT, attachment, exec_request, read_log, shell, soon, text_of,
};
use shim_client::ShimEvent;
use shim_protocol::{AttachStreams, FailureKind};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

/// Takes stdcopy frames apart: what came on standard output, and on standard error.
fn unframe(mut bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    while let Some((header, rest)) = bytes.split_first_chunk::<8>() {
        assert_eq!(header[1..4], [0; 3]);
        let length = u32::from_be_bytes(header[4..].try_into().unwrap()) as usize;
        let target = match header[0] {
            1 => &mut stdout,
            2 => &mut stderr,
            other => panic!("stream {other}"),
        };
        target.extend_from_slice(&rest[..length]);
        bytes = &rest[length..];
    }
    assert!(bytes.is_empty(), "the last frame is whole");
    (stdout, stderr)
}

async fn read_all(stream: &mut UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    soon(stream.read_to_end(&mut bytes)).await.unwrap();
    bytes
}

#[tokio::test]
async fn a_client_of_the_start_misses_nothing_and_gets_an_end() {
    let mut fixture = Fixture::new();
    let request = fixture.script("echo first; echo second >&2");
    let mut client = fixture.start_attached(request, OUTPUT).await;
    let (stdout, stderr) = unframe(&read_all(&mut client).await);
    assert_eq!((stdout.as_slice(), stderr.as_slice()), (&b"first\n"[..], &b"second\n"[..]));
    fixture.exited().await;
    fixture.release().await;
}

#[tokio::test]
async fn two_clients_each_get_the_streams_they_asked_for() {
    let fixture = Fixture::new();
    let request = fixture.script("echo out; echo err >&2");
    let (mut first, first_attachment) = attachment(OUTPUT);
    let (mut second, second_attachment) = attachment(AttachStreams { stdout: false, ..OUTPUT });
    let attachments = vec![first_attachment, second_attachment];
    soon(fixture.shim().start(request, attachments, BTreeMap::new())).await.unwrap();
    let (stdout, stderr) = unframe(&read_all(&mut first).await);
    assert_eq!((stdout.as_slice(), stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
    let (stdout, stderr) = unframe(&read_all(&mut second).await);
    assert_eq!((stdout.as_slice(), stderr.as_slice()), (&b""[..], &b"err\n"[..]));
}

#[tokio::test]
async fn input_reaches_the_process_and_its_end_too_with_stdin_once() {
    let mut fixture = Fixture::new();
    let mut request = fixture.script("cat; echo end");
    (request.open_stdin, request.stdin_once) = (true, true);
    let mut client = fixture.start_attached(request, ALL).await;
    let input = "x".repeat(300_000);
    let (mut reader, mut writer) = client.split();
    let mut bytes = Vec::new();
    soon(async {
        tokio::join!(
            async {
                writer.write_all(input.as_bytes()).await.unwrap();
                writer.shutdown().await.unwrap();
            },
            async { reader.read_to_end(&mut bytes).await.unwrap() }
        )
    })
    .await;
    let (stdout, _) = unframe(&bytes);
    assert!(stdout == format!("{input}end\n").as_bytes());
    assert_eq!(fixture.exited().await.exit_code, 0);
}

#[tokio::test]
async fn input_of_a_client_that_closed_at_once_still_arrives() {
    let mut fixture = Fixture::new();
    let mut request = fixture.script("sleep 0.2; cat");
    (request.open_stdin, request.stdin_once) = (true, true);
    let mut client = fixture.start_attached(request, ALL).await;
    // More than the pipe holds: part of it waits in the socket when the client goes.
    let input = "y".repeat(100_000);
    soon(client.write_all(input.as_bytes())).await.unwrap();
    drop(client);
    fixture.exited().await;
    assert_eq!(text_of(&fixture.log()), input);
}

#[tokio::test]
async fn open_stdin_outlives_its_clients() {
    let mut fixture = Fixture::new();
    let mut request = fixture.script("read a; read b; echo $a $b");
    request.open_stdin = true;
    let mut first = fixture.start_attached(request, ALL).await;
    soon(first.write_all(b"one\n")).await.unwrap();
    drop(first);
    let mut second = soon(fixture.shim().attach(None, ALL)).await.unwrap();
    soon(second.write_all(b"two\n")).await.unwrap();
    let (stdout, _) = unframe(&read_all(&mut second).await);
    assert_eq!(stdout, b"one two\n");
    fixture.exited().await;
}

#[tokio::test]
async fn without_open_stdin_there_is_nothing_to_read() {
    let mut fixture = Fixture::new();
    let (record, log) = fixture.run("cat; echo end").await;
    assert_eq!((record.exit_code, text_of(&log).as_str()), (0, "end\n"));
}

#[tokio::test]
async fn a_slow_client_gets_every_byte_and_the_log_too() {
    const SIZE: usize = 50_000_000;
    let mut fixture = Fixture::new();
    let line = "0123456789abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLM";
    let request = fixture.script(&format!("yes '{line}' | head -c {SIZE}"));
    let mut client = fixture.start_attached(request, OUTPUT).await;
    let (mut received, mut buffer) = (Vec::new(), vec![0; 700_000]);
    loop {
        // Slower than the container writes: it has to wait for us.
        let count = soon(client.read(&mut buffer)).await.unwrap();
        if count == 0 {
            break;
        }
        received.extend_from_slice(&buffer[..count]);
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    let (stdout, _) = unframe(&received);
    assert_eq!(stdout.len(), SIZE);
    fixture.exited().await;
    let log = text_of(&fixture.log());
    assert!(log.as_bytes() == stdout);
    fixture.release().await;
}

#[tokio::test]
async fn a_client_that_never_reads_keeps_neither_the_exit_nor_the_log_from_us() {
    let mut fixture = Fixture::new();
    let request = fixture.script("head -c 1000000 /dev/zero; echo; echo end");
    let client = fixture.start_attached(request, OUTPUT).await;
    assert_eq!(fixture.exited().await.exit_code, 0);
    assert!(text_of(&fixture.log()).ends_with("\nend\n"));
    drop(client);
    fixture.release().await;
}

#[tokio::test]
async fn a_client_that_left_does_not_hold_the_container_up() {
    let mut fixture = Fixture::new();
    let request = fixture.script("read go; yes | head -c 5000000; exit 4");
    let (client, attached) = attachment(OUTPUT);
    let (mut starter, input) = attachment(AttachStreams { stdin: true, ..OUTPUT });
    let request = shim_protocol::StartRequest { open_stdin: true, ..request };
    let attachments = vec![attached, input];
    soon(fixture.shim().start(request, attachments, BTreeMap::new())).await.unwrap();
    drop(client);
    soon(starter.write_all(b"\n")).await.unwrap();
    drop(starter);
    assert_eq!(fixture.exited().await.exit_code, 4);
    assert_eq!(text_of(&fixture.log()).len(), 5_000_000);
}

#[tokio::test]
async fn an_exec_has_streams_of_its_own_and_none_of_them_in_the_log() {
    let mut fixture = Fixture::new();
    fixture.start(fixture.script("exec sleep 1000")).await;
    let mut request = exec_request(shell("cat >&2; echo done; exit 6"));
    request.open_stdin = true;
    let id = request.id.clone();
    let (mut client, attached) = attachment(ALL);
    soon(fixture.shim().exec(request, vec![attached])).await.unwrap();
    soon(client.write_all(b"input")).await.unwrap();
    soon(client.shutdown()).await.unwrap();
    let (stdout, stderr) = unframe(&read_all(&mut client).await);
    assert_eq!((stdout.as_slice(), stderr.as_slice()), (&b"done\n"[..], &b"input"[..]));
    let event = soon(fixture.events.recv()).await;
    assert_eq!(event, Some(ShimEvent::ExecExited { id: id.clone(), exit_code: 6 }));
    assert!(fixture.log().is_empty());
    let gone = soon(fixture.shim().attach(Some(id), OUTPUT)).await.unwrap_err();
    assert_eq!(gone.failure().unwrap().kind, FailureKind::NotFound);
}

#[tokio::test]
async fn an_exec_that_leaves_a_child_with_its_output_still_ends() {
    let mut fixture = Fixture::new();
    fixture.start(fixture.script("exec sleep 1000")).await;
    let request = exec_request(shell("sleep 1000 & echo parent"));
    let (mut client, attached) = attachment(OUTPUT);
    soon(fixture.shim().exec(request, vec![attached])).await.unwrap();
    let (stdout, _) = unframe(&read_all(&mut client).await);
    assert_eq!(stdout, b"parent\n");
    assert!(matches!(
        soon(fixture.events.recv()).await,
        Some(ShimEvent::ExecExited { exit_code: 0, .. })
    ));
}

#[tokio::test]
async fn the_log_rotates_and_loses_nothing_between_its_files() {
    let mut fixture = Fixture::new();
    let mut request =
        fixture.script("i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); done");
    request.log = shim_protocol::LogTarget::JsonFile(shim_protocol::LogFile {
        path: fixture.log_path(),
        max_size_bytes: Some(4096),
        max_files: 3,
        attrs: BTreeMap::from([("tag".into(), "x<y".into())]),
        compressor: None,
    });
    fixture.start(request).await;
    fixture.exited().await;
    let file = |suffix: &str| fixture.root.path().join(format!("log.json{suffix}"));
    assert!(!file(".3").exists());
    let mut log = read_log(&file(".2"));
    log.extend(read_log(&file(".1")));
    log.extend(read_log(&file("")));
    let first = 200 - log.len();
    let expected: String = (first..200).map(|n| format!("line {n}\n")).collect();
    assert!(log.len() > 80 && text_of(&log) == expected);
    let text = std::fs::read_to_string(file("")).unwrap();
    assert!(text.contains(r#""stream":"stdout","attrs":{"tag":"x\u003cy"},"time":""#));
}
