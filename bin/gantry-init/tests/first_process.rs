//! The program as it stands, as an ordinary process that adopts orphans.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    process::{Child, Command, Stdio},
};

const INIT: &str = env!("CARGO_BIN_EXE_gantry-init");

/// In a pid namespace of its own, as in a container.
fn start(script: &str) -> Child {
    Command::new("unshare")
        .args(["--pid", "--fork", "--kill-child", "--mount-proc", INIT, "--", "/bin/busybox"])
        .args(["sh", "-c", script])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn code(script: &str) -> Option<i32> {
    start(script).wait_with_output().unwrap().status.code()
}

#[test]
fn it_needs_no_library_of_the_root() {
    let program = std::fs::read(INIT).unwrap();
    // A program header of the kind PT_INTERP names the dynamic linker by its path.
    let needle = b"ld-linux";
    let headers = &program[..0x1000];
    assert!(!headers.windows(needle.len()).any(|bytes| bytes == needle));
}

#[test]
fn the_commands_end_is_its_own() {
    assert_eq!(code("exit 7"), Some(7));
    assert_eq!(code("kill -9 $$"), Some(137));
    let missing = Command::new(INIT).args(["--", "no-such-command"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(127));
    let refused = Command::new(INIT).args(["--", "/etc/passwd"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(126));
    assert!(!Command::new(INIT).output().unwrap().status.success());
}

#[test]
fn orphans_do_not_stay_zombies() {
    // A zombie keeps its directory: the loop ends when only init and the shell are left.
    let script = "for i in 1 2 3; do (busybox sleep 0.05 & ); done; \
                  while set -- /proc/[0-9]*; [ $# -gt 2 ]; do busybox sleep 0.02; done; exit 5";
    assert_eq!(code(script), Some(5));
}

#[test]
fn signals_reach_the_command() {
    let mut child = Command::new(INIT)
        .args(["/bin/busybox", "sh", "-c"])
        .arg("trap 'exit 3' USR1; echo ready; while true; do busybox sleep 0.05; done")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    sys::signal::send(i32::try_from(child.id()).unwrap(), 10).unwrap();
    let status = child.wait().unwrap();
    assert_eq!((status.code(), status.signal()), (Some(3), None));
}
