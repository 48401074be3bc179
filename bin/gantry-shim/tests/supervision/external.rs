//! Containers of another OCI runtime, by its command line.

use shim_protocol::{ExternalRuntime, FailureKind, StartRequest};
use tokio::io::AsyncReadExt as _;

use crate::fixture::{ALL, Fixture, OUTPUT, attachment, exec_request, shell, soon, text_of};

const RUNC: &str = "/usr/sbin/runc";

fn by_runc(fixture: &Fixture, script: &str) -> StartRequest {
    let mut request = fixture.script(script);
    request.external_runtime = Some(ExternalRuntime {
        path: RUNC.into(),
        args: Vec::new(),
        root: fixture.root.path().join("runc"),
    });
    request
}

#[tokio::test]
async fn runc_runs_a_container_with_log_exec_and_exit() {
    let mut fixture = Fixture::new();
    fixture.start(by_runc(&fixture, "echo out; read x < /proc/1/stat; exec sleep 1000")).await;
    fixture.logged("out\n").await;
    let (mut client, attached) = attachment(OUTPUT);
    soon(fixture.shim().exec(exec_request(shell("echo from exec; exit 3")), vec![attached]))
        .await
        .unwrap();
    let mut framed = Vec::new();
    soon(client.read_to_end(&mut framed)).await.unwrap();
    assert!(framed.ends_with(b"from exec\n"));
    soon(fixture.shim().signal(None, 9)).await.unwrap();
    assert_eq!(fixture.exited().await.exit_code, 137);
    assert_eq!(text_of(&fixture.log()), "out\n");
    fixture.release().await;
}

#[tokio::test]
async fn runc_gives_a_terminal() {
    let mut fixture = Fixture::new();
    let mut request = by_runc(&fixture, "echo on a terminal; exit 6");
    request.spec.process.as_mut().unwrap().terminal = true;
    let mut client = fixture.start_attached(request, ALL).await;
    let mut text = String::new();
    soon(client.read_to_string(&mut text)).await.unwrap();
    assert_eq!(text, "on a terminal\r\n");
    assert_eq!(fixture.exited().await.exit_code, 6);
    fixture.release().await;
}

#[tokio::test]
async fn a_command_that_runc_does_not_find_is_told_as_such() {
    let fixture = Fixture::new();
    let mut request = by_runc(&fixture, "");
    request.spec.process.as_mut().unwrap().args = vec!["nosuch".into()];
    let failed =
        soon(fixture.shim().start(request, Vec::new(), Default::default())).await.unwrap_err();
    assert_eq!(failed.failure().unwrap().kind, FailureKind::CommandNotFound, "{failed}");
    fixture.release().await;
}
