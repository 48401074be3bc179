//! Attach and exec as old and new clients use them, on raw sockets.
#![allow(clippy::unwrap_used)] // Helpers of tests, not only tests.

mod fake;

use fake::Fixture;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

async fn head(stream: &mut UnixStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

async fn rest(mut stream: UnixStream) -> Vec<u8> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    rest
}

const ATTACH: &str = "stream=1&stdin=1&stdout=1&stderr=1";

#[tokio::test]
async fn with_upgrade_the_stream_is_multiplexed_both_ways_and_half_closes() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.connect().await;
    let request = format!(
        "POST /v1.43/containers/a/attach?{ATTACH} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
         Upgrade: tcp\r\nContent-Length: 0\r\nUser-Agent: Docker-Client/1\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101 UPGRADED\r\n"), "{head}");
    assert!(head.contains("Content-Type: application/vnd.docker.multiplexed-stream\r\n"), "{head}");
    assert!(
        head.contains("Upgrade: tcp\r\n") && head.contains("Connection: Upgrade\r\n"),
        "{head}"
    );
    stream.write_all(b"hello").await.unwrap();
    let mut frame = [0; 13];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(&frame, b"\x01\0\0\0\0\0\0\x05hello");
    stream.shutdown().await.unwrap();
    assert_eq!(rest(stream).await, b"\x02\0\0\0\0\0\0\x04bye\n");
}

#[tokio::test]
async fn without_upgrade_an_old_client_gets_a_bare_200_and_raw_bytes() {
    let fixture = Fixture::start().await;
    for (path, agent) in
        [("/v1.24/containers/tty/attach", ""), ("/containers/tty/attach", "User-Agent: x\r\n")]
    {
        let mut stream = fixture.connect().await;
        // Input follows the head at once, and the client closes its side.
        let request = format!("POST {path}?{ATTACH} HTTP/1.1\r\nHost: x\r\n{agent}\r\nearly input");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let head = head(&mut stream).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("Content-Type: application/vnd.docker.raw-stream\r\n"), "{head}");
        assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
        assert_eq!(rest(stream).await, b"early inputbye\n");
    }
}

#[tokio::test]
async fn below_1_42_the_multiplexed_type_is_not_named() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.connect().await;
    let request = format!(
        "POST /v1.41/containers/a/attach?{ATTACH} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = head(&mut stream).await;
    assert!(head.contains("Content-Type: application/vnd.docker.raw-stream\r\n"), "{head}");
}

#[tokio::test]
async fn an_exec_reads_its_document_and_then_the_stream() {
    let fixture = Fixture::start().await;
    for upgrade in ["Connection: Upgrade\r\nUpgrade: tcp\r\n", ""] {
        let mut stream = fixture.connect().await;
        let body = r#"{"Detach":false,"Tty":true,"ConsoleSize":[24,80]}"#;
        let request = format!(
            "POST /exec/exec-tty/start HTTP/1.1\r\nHost: x\r\n{upgrade}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}typed",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        head(&mut stream).await;
        let mut echoed = [0; 5];
        stream.read_exact(&mut echoed).await.unwrap();
        assert_eq!(&echoed, b"typed");
        stream.shutdown().await.unwrap();
        assert_eq!(rest(stream).await, b"bye\n");
        assert!(fixture.fake.last().contains("height: 24, width: 80"), "{}", fixture.fake.last());
    }
}

#[tokio::test]
async fn failures_before_the_hijack_are_ordinary_answers() {
    let fixture = Fixture::start().await;
    let reply = fixture.ask("POST", "/containers/missing/attach?stream=1", "").await;
    assert_eq!((reply.status, reply.message().as_str()), (404, "No such container: missing"));
    let reply = fixture.ask("POST", "/exec/gone/start", r#"{"Detach":false}"#).await;
    assert_eq!((reply.status, reply.message().as_str()), (404, "No such exec instance: gone"));
    let reply = fixture.ask("POST", "/containers/a/attach?detachKeys=ctrl-", "").await;
    assert_eq!(reply.status, 400);
    let reply = fixture.ask("POST", "/containers/a/exec", r#"{"Cmd":[]}"#).await;
    assert_eq!(reply.message(), "No exec command specified");
    let detached = fixture.ask("POST", "/exec/x/start", r#"{"Detach":true}"#).await;
    assert_eq!((detached.status, detached.body.as_str()), (200, ""));
}

#[tokio::test]
async fn a_hijacked_stream_is_cut_when_the_server_stops() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.connect().await;
    let request = format!("POST /containers/a/attach?{ATTACH} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    head(&mut stream).await;
    fixture.stop.cancel();
    fixture.task.await.unwrap();
    assert_eq!(rest(stream).await, b"");
}
