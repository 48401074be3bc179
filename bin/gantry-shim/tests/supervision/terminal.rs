//! Containers and execs with a terminal.

use shim_protocol::FailureKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::fixture::{ALL, Fixture, attachment, exec_request, shell, soon, text_of};

#[tokio::test]
async fn a_terminal_is_raw_has_a_size_and_its_client_can_type() {
    let mut fixture = Fixture::new();
    let mut request = fixture.script("stty size; read line; stty size; echo got $line; exit 5");
    request.spec.process.as_mut().unwrap().terminal = true;
    request.open_stdin = true;
    request.stdin_once = true;
    request.console_size = Some((100, 40));
    let mut client = fixture.start_attached(request, ALL).await;
    let mut buffer = vec![0; 4096];
    let mut seen = Vec::new();
    while !seen.ends_with(b"40 100\r\n") {
        let count = soon(client.read(&mut buffer)).await.unwrap();
        assert_ne!(count, 0, "{:?}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&buffer[..count]);
    }
    soon(fixture.shim().resize(None, 81, 25)).await.unwrap();
    soon(client.write_all(b"typed\n")).await.unwrap();
    seen.clear();
    soon(client.read_to_end(&mut seen)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&seen), "typed\r\n25 81\r\ngot typed\r\n");
    assert_eq!(fixture.exited().await.exit_code, 5);
    let log = fixture.log();
    assert!(log.iter().all(|line| line.stream == "stdout"));
    assert_eq!(text_of(&log), "40 100\r\ntyped\r\n25 81\r\ngot typed\r\n");
    fixture.release().await;
}

#[tokio::test]
async fn a_terminals_client_may_leave_and_another_come() {
    let mut fixture = Fixture::new();
    let mut request = fixture.script("read line; echo got $line");
    request.spec.process.as_mut().unwrap().terminal = true;
    request.open_stdin = true;
    request.stdin_once = true;
    let client = fixture.start_attached(request, ALL).await;
    drop(client);
    let mut second = soon(fixture.shim().attach(None, ALL)).await.unwrap();
    soon(second.write_all(b"later\n")).await.unwrap();
    let mut seen = String::new();
    soon(second.read_to_string(&mut seen)).await.unwrap();
    assert!(seen.ends_with("got later\r\n"), "{seen:?}");
    fixture.exited().await;
}

#[tokio::test]
async fn an_exec_may_have_a_terminal_of_its_own() {
    let fixture = Fixture::new();
    fixture.start(fixture.script("exec sleep 1000")).await;
    let mut process = shell("stty size; cat; exit 3");
    process.terminal = true;
    let mut request = exec_request(process);
    request.open_stdin = true;
    request.console_size = Some((77, 33));
    let id = request.id.clone();
    let (mut client, attached) = attachment(ALL);
    soon(fixture.shim().exec(request, vec![attached])).await.unwrap();
    soon(fixture.shim().resize(Some(id), 10, 20)).await.unwrap();
    // ^D ends the input of `cat`: a terminal's end of input is typed.
    soon(client.write_all(b"\x04")).await.unwrap();
    let mut seen = String::new();
    soon(client.read_to_string(&mut seen)).await.unwrap();
    assert!(seen == "33 77\r\n" || seen == "20 10\r\n", "{seen:?}");
    assert!(fixture.log().is_empty());
}

#[tokio::test]
async fn resizing_what_is_no_terminal_is_refused() {
    let fixture = Fixture::new();
    fixture.start(fixture.script("exec sleep 1000")).await;
    let refused = soon(fixture.shim().resize(None, 1, 1)).await.unwrap_err();
    assert_eq!(refused.failure().unwrap().kind, FailureKind::Invalid);
}
