//! Control groups: limits, pausing, running out of memory, and cleaning up.

use std::{fs, path::PathBuf, time::Duration};

use oci::runtime::{LinuxResources, Memory, Pids};
use shim_client::ShimEvent;
use shim_protocol::{ContainerStatus, FailureKind};

use crate::fixture::{Fixture, exec_request, shell, soon, text_of};

const MEBIBYTE: i64 = 1 << 20;

fn memory(limit: i64) -> LinuxResources {
    let memory = Memory { limit: Some(limit), swap: Some(limit), ..Memory::default() };
    LinuxResources { memory: Some(memory), ..LinuxResources::default() }
}

/// The cgroup's directories in all hierarchies.
fn cgroup_directories(fixture: &Fixture) -> Vec<PathBuf> {
    let name = fixture.cgroup().trim_start_matches('/');
    let hierarchies = fs::read_dir("/sys/fs/cgroup").unwrap();
    let found = hierarchies.map(|entry| entry.unwrap().path().join(name));
    found.chain([PathBuf::from("/sys/fs/cgroup").join(name)]).filter(|p| p.is_dir()).collect()
}

#[tokio::test]
async fn the_cgroup_is_there_while_the_container_runs_and_gone_after() {
    let mut fixture = Fixture::new();
    let started = fixture.start(fixture.script("exec sleep 1000")).await;
    let directories = cgroup_directories(&fixture);
    assert!(!directories.is_empty());
    let procs = fs::read_to_string(directories[0].join("cgroup.procs")).unwrap();
    assert_eq!(procs.trim(), started.pid.to_string());
    soon(fixture.shim().signal(None, 9)).await.unwrap();
    fixture.exited().await;
    soon(fixture.shim().release()).await.unwrap();
    assert!(cgroup_directories(&fixture).is_empty());
}

#[tokio::test]
async fn a_failed_start_leaves_no_cgroup() {
    let fixture = Fixture::new();
    let mut request = fixture.script("true");
    request.spec.process.as_mut().unwrap().args = vec!["/no/such".into()];
    soon(fixture.shim().start(request, Vec::new(), Default::default())).await.unwrap_err();
    assert!(cgroup_directories(&fixture).is_empty());
}

#[tokio::test]
async fn running_out_of_memory_is_told_and_recorded() {
    let mut fixture = Fixture::new();
    // The shell survives, its child does not: told at once, and again in the record.
    let hog = "dd if=/dev/zero of=/dev/null bs=100M count=1; echo dd: $?; read x < /proc/1/stat";
    let mut request = fixture.script(&format!("{hog}; exec sleep 1000"));
    request.spec.linux.as_mut().unwrap().resources = Some(memory(16 * MEBIBYTE));
    fixture.start(request).await;
    assert_eq!(soon(fixture.events.recv()).await, Some(ShimEvent::OutOfMemory));
    soon(fixture.shim().signal(None, 9)).await.unwrap();
    let record = fixture.exited().await;
    assert!(record.oom_killed);
    assert_eq!(record.exit_code, 137);
}

#[tokio::test]
async fn a_paused_container_stands_still_until_it_is_resumed_or_killed() {
    let mut fixture = Fixture::new();
    fixture.start(fixture.script("while :; do echo tick; done")).await;
    soon(fixture.shim().pause()).await.unwrap();
    let again = soon(fixture.shim().pause()).await.unwrap_err();
    assert_eq!(again.failure().unwrap().kind, FailureKind::Conflict);
    let status = soon(fixture.shim().status()).await.unwrap();
    assert!(matches!(status, ContainerStatus::Running { paused: true, .. }));
    let settled = soon(async {
        loop {
            let before = fixture.log().len();
            tokio::time::sleep(Duration::from_millis(20)).await;
            if fixture.log().len() == before {
                break before;
            }
        }
    })
    .await;
    soon(fixture.shim().resume()).await.unwrap();
    soon(async {
        while fixture.log().len() == settled {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    soon(fixture.shim().pause()).await.unwrap();
    soon(fixture.shim().signal(None, 9)).await.unwrap();
    assert_eq!(fixture.exited().await.exit_code, 137);
}

#[tokio::test]
async fn limits_can_be_changed_while_the_container_runs() {
    let mut fixture = Fixture::new();
    let mut request = fixture.script("read x; exec sleep 1000");
    request.open_stdin = true;
    fixture.start(request).await;
    let pids = Some(Pids { limit: 1 });
    let resources = LinuxResources { pids, ..LinuxResources::default() };
    soon(fixture.shim().update(resources)).await.unwrap();
    let request = exec_request(shell("true & wait $!"));
    let id = request.id.clone();
    soon(fixture.shim().exec(request, Vec::new())).await.unwrap_or_else(|error| {
        panic!("joining a full cgroup is allowed, forking is not: {error}")
    });
    let event = soon(fixture.events.recv()).await;
    assert!(
        matches!(&event, Some(ShimEvent::ExecExited { id: told, exit_code }) if *told == id && *exit_code != 0),
        "{event:?}"
    );
}

#[tokio::test]
async fn leftovers_die_with_init_even_in_the_hosts_pid_namespace() {
    let mut fixture = Fixture::new();
    let mut request = fixture.script("sleep 1000 & echo $!; exit 2");
    let linux = request.spec.linux.as_mut().unwrap();
    linux.namespaces.retain(|namespace| namespace.kind != "pid");
    fixture.start(request).await;
    assert_eq!(fixture.exited().await.exit_code, 2);
    soon(fixture.shim().release()).await.unwrap();
    assert!(cgroup_directories(&fixture).is_empty());
    let pid = text_of(&fixture.log());
    soon(async {
        while fs::exists(format!("/proc/{}", pid.trim())).unwrap() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}
