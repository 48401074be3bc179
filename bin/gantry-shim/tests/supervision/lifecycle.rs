//! Starting, ending, and being found again.

use std::{collections::BTreeMap, fs};

use crate::fixture::{ALL, Fixture, LogLine, attachment, exec_request, shell, soon, text_of};
use shim_client::{Shim, ShimError, ShimEvent, ShimProcess, read_exit_record};
use shim_protocol::{ContainerStatus, FailureKind};

fn line(stream: &str, log: &str) -> LogLine {
    LogLine { log: log.into(), stream: stream.into() }
}

#[tokio::test]
async fn output_is_logged_and_the_exit_is_recorded() {
    let mut fixture = Fixture::new();
    let (record, log) = fixture.run("echo out; echo err >&2; printf rest; exit 7").await;
    assert_eq!(record.exit_code, 7);
    assert!(!record.oom_killed && record.started_at_nanos <= record.finished_at_nanos);
    assert_eq!(text_of(&log).len(), "out\nerr\nrest".len());
    for expected in [line("stdout", "out\n"), line("stderr", "err\n"), line("stdout", "rest")] {
        assert!(log.contains(&expected), "{expected:?} in {log:?}");
    }
    assert_eq!(read_exit_record(&fixture.dir()).unwrap(), Some(record.clone()));
    assert_eq!(soon(fixture.shim().status()).await.unwrap(), ContainerStatus::Exited(record));
    fixture.release().await;
}

#[tokio::test]
async fn a_signal_ends_init_and_gives_128_and_its_number() {
    let mut fixture = Fixture::new();
    let started = fixture.start(fixture.script("exec sleep 1000")).await;
    assert!(fs::exists(format!("/proc/{}", started.pid)).unwrap());
    let refused = soon(fixture.shim().release()).await.unwrap_err();
    assert_eq!(refused.failure().unwrap().kind, FailureKind::Conflict);
    soon(fixture.shim().signal(None, 9)).await.unwrap();
    assert_eq!(fixture.exited().await.exit_code, 137);
    let refused = soon(fixture.shim().signal(None, 9)).await.unwrap_err();
    assert_eq!(refused.failure().unwrap().kind, FailureKind::Conflict);
    fixture.release().await;
}

#[tokio::test]
async fn a_second_start_is_refused_and_the_first_goes_on() {
    let fixture = Fixture::new();
    fixture.start(fixture.script("exec sleep 1000")).await;
    let again = fixture.script("true");
    let refused = soon(fixture.shim().start(again, Vec::new(), BTreeMap::new())).await.unwrap_err();
    assert_eq!(refused.failure().unwrap().kind, FailureKind::Conflict);
    let status = soon(fixture.shim().status()).await.unwrap();
    assert!(matches!(status, ContainerStatus::Running { paused: false, .. }), "{status:?}");
}

#[tokio::test]
async fn a_failed_start_leaves_an_idle_shim_that_goes_with_its_connection() {
    let mut fixture = Fixture::new();
    let mut request = fixture.script("true");
    request.spec.process.as_mut().unwrap().args = vec!["/no/such/command".into()];
    let failed =
        soon(fixture.shim().start(request, Vec::new(), BTreeMap::new())).await.unwrap_err();
    assert_eq!(failed.failure().unwrap().kind, FailureKind::CommandNotFound, "{failed}");
    assert_eq!(soon(fixture.shim().status()).await.unwrap(), ContainerStatus::Idle);
    // A second try in the same shim works: what failed left nothing.
    let (record, _) = fixture.run("exit 3").await;
    assert_eq!(record.exit_code, 3);
    fixture.release().await;
}

#[tokio::test]
async fn an_idle_shim_ends_with_its_last_connection() {
    let mut fixture = Fixture::new();
    soon(fixture.shim().hello()).await.unwrap();
    assert!(ShimProcess::find(&fixture.dir()).unwrap().is_some());
    fixture.disconnect();
    fixture.gone().await;
    assert!(!fixture.dir().exists());
}

#[tokio::test]
async fn an_engine_that_comes_back_finds_the_container_and_its_exit() {
    let mut fixture = Fixture::new();
    let started = fixture.start(fixture.script("echo one; exec sleep 1000")).await;
    fixture.disconnect();
    let ContainerStatus::Running { pid, .. } = fixture.reconnect().await else {
        panic!("it runs without an engine")
    };
    assert_eq!(pid, started.pid);
    fixture.logged("one\n").await;
    fixture.disconnect();
    // Ends while nobody listens.
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    soon(async {
        while read_exit_record(&fixture.dir()).unwrap().is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    })
    .await;
    let ContainerStatus::Exited(record) = fixture.reconnect().await else {
        panic!("the shim waits to be released")
    };
    assert_eq!(record.exit_code, 137);
    assert_eq!(read_exit_record(&fixture.dir()).unwrap(), Some(record));
    assert_eq!(text_of(&fixture.log()), "one\n");
    fixture.release().await;
}

#[tokio::test]
async fn an_exec_that_ends_while_no_engine_is_there_is_told_to_the_next() {
    let mut fixture = Fixture::new();
    fixture.start(fixture.script("exec sleep 1000")).await;
    let request = exec_request(shell("read line; exit 9"));
    let id = request.id.clone();
    let request = shim_protocol::ExecRequest { open_stdin: true, ..request };
    let (client, attachment) = attachment(ALL);
    soon(fixture.shim().exec(request, vec![attachment])).await.unwrap();
    fixture.disconnect();
    drop(client);
    fixture.reconnect().await;
    let event = soon(fixture.events.recv()).await;
    assert_eq!(event, Some(ShimEvent::ExecExited { id, exit_code: 9 }));
}

#[tokio::test]
async fn a_hundred_execs_run_at_once_and_each_exit_is_told() {
    let mut fixture = Fixture::new();
    fixture.start(fixture.script("exec sleep 1000")).await;
    let mut expected = BTreeMap::new();
    let mut running = tokio::task::JoinSet::new();
    for number in 0..100 {
        let request = exec_request(shell(&format!("exit {number}")));
        expected.insert(request.id.clone(), number);
        let shim = fixture.shim().clone();
        running.spawn(async move { shim.exec(request, Vec::new()).await });
    }
    while let Some(started) = soon(running.join_next()).await {
        started.unwrap().unwrap();
    }
    while !expected.is_empty() {
        let Some(ShimEvent::ExecExited { id, exit_code }) = soon(fixture.events.recv()).await
        else {
            panic!("an exec's exit is expected")
        };
        assert_eq!(expected.remove(&id), Some(exit_code));
    }
    soon(fixture.shim().signal(None, 9)).await.unwrap();
    fixture.exited().await;
    fixture.release().await;
}

#[tokio::test]
async fn a_shim_that_dies_is_told_as_lost_and_fails_what_was_asked() {
    let mut fixture = Fixture::new();
    fixture.start(fixture.script("exec sleep 1000")).await;
    ShimProcess::find(&fixture.dir()).unwrap().unwrap().kill().unwrap();
    assert_eq!(soon(fixture.events.recv()).await, Some(ShimEvent::Lost));
    assert!(matches!(soon(fixture.shim().status()).await, Err(ShimError::Lost)));
    fixture.gone().await;
}

#[tokio::test]
async fn a_shim_outlives_the_process_that_started_it() {
    let mut fixture = Fixture::new();
    soon(fixture.shim().release()).await.unwrap();
    fixture.gone().await;
    fs::create_dir(fixture.dir()).unwrap();
    // A parent that is killed with -9 right after.
    let script = "\"$0\" --dir \"$1\" & kill -9 $$";
    let killed = std::process::Command::new("/bin/sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_gantry-shim")])
        .arg(fixture.dir())
        .status()
        .unwrap();
    assert!(!killed.success());
    soon(async {
        while !fixture.dir().join("shim.sock").exists() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    })
    .await;
    assert_eq!(fixture.reconnect().await, ContainerStatus::Idle);
    let (record, log) = fixture.run("echo alive; exit 8").await;
    assert_eq!((record.exit_code, text_of(&log).as_str()), (8, "alive\n"));
    fixture.release().await;
}

#[tokio::test]
async fn a_shims_directory_may_be_renamed_as_soon_as_it_is_spawned() {
    let mut fixture = Fixture::new();
    let renamed = fixture.root.path().join("r".repeat(100));
    fs::rename(fixture.dir(), &renamed).unwrap();
    let (record, _) = fixture.run("exit 4").await;
    assert_eq!(read_exit_record(&renamed).unwrap(), Some(record));
    let (second, hello, _events) = soon(Shim::connect(&renamed)).await.unwrap();
    assert!(matches!(hello.state, ContainerStatus::Exited(_)));
    soon(second.release()).await.unwrap();
    soon(async {
        while renamed.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn processes_start_with_no_signal_blocked_or_ignored() {
    let mut fixture = Fixture::new();
    let mut request = fixture.script("");
    // Not by the shell, which has signals of its own to ignore.
    request.spec.process.as_mut().unwrap().args =
        ["/bin/busybox", "cat", "/proc/self/status"].map(str::to_owned).to_vec();
    fixture.start(request).await;
    fixture.exited().await;
    let status = text_of(&fixture.log());
    for key in ["SigBlk", "SigIgn"] {
        assert!(status.contains(&format!("{key}:\t0000000000000000\n")), "{status}");
    }
}
