//! What a container's process may do and what it sees.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

use testkit::Engine;

fn run(engine: &Engine, flags: &[&str], script: &str) -> String {
    let mut arguments = vec!["run", "--rm"];
    arguments.extend(flags);
    arguments.extend(["busybox", "sh", "-c", script]);
    engine.ok(&arguments)
}

#[test]
fn user_directory_and_environment() {
    let engine = Engine::start();
    assert_eq!(run(&engine, &[], "id -u; pwd; echo $HOME $HOSTNAME | wc -w"), "0\n/\n2");
    assert_eq!(
        run(&engine, &["-u", "user"], "id; echo $HOME"),
        "uid=1000(user) gid=1000(user) groups=50(staff),1000(user)\n/home"
    );
    assert_eq!(run(&engine, &["-u", "4321"], "id -u; id -g"), "4321\n0");
    assert_eq!(run(&engine, &["--group-add", "50", "--group-add", "777"], "id -G"), "0 50 777");
    assert_eq!(run(&engine, &["-w", "/made/here"], "pwd"), "/made/here");
    assert_eq!(run(&engine, &["-e", "X=a b", "-e", "PATH=/bin"], "echo $X-$PATH"), "a b-/bin");
    engine
        .docker(&["run", "--rm", "-u", "nobodyhere", "busybox", "id"])
        .fails(125, "unable to find user nobodyhere");
}

#[test]
fn capabilities_and_filters_are_docker_s() {
    let engine = Engine::start();
    let status =
        "grep -E 'CapEff|Seccomp:|NoNewPrivs' /proc/self/status | tr -d '\\t' | tr '\\n' ' '";
    assert_eq!(
        run(&engine, &[], status),
        "CapEff:00000000a80425fbNoNewPrivs:0 Seccomp:2".replace("fbNo", "fb No")
    );
    assert_eq!(
        run(&engine, &["--cap-drop", "ALL", "--cap-add", "CHOWN"], status),
        "CapEff:0000000000000001 NoNewPrivs:0 Seccomp:2"
    );
    let free = run(&engine, &["--privileged"], status);
    assert!(free.ends_with("NoNewPrivs:0 Seccomp:0"), "{free}");
    let unconfined = run(
        &engine,
        &["--security-opt", "seccomp=unconfined", "--security-opt", "no-new-privileges"],
        status,
    );
    assert!(unconfined.ends_with("NoNewPrivs:1 Seccomp:0"), "{unconfined}");
    assert_eq!(
        run(&engine, &["-u", "1000"], "grep CapEff /proc/self/status | tr -d '\\t'"),
        "CapEff:0000000000000000"
    );
    engine
        .docker(&["run", "--rm", "busybox", "unshare", "-m", "true"])
        .fails(1, "Operation not permitted");
    engine.docker(&["run", "--rm", "busybox", "mount", "-t", "tmpfs", "none", "/tmp"]).fails(1, "");
    assert_eq!(
        run(&engine, &["--privileged"], "mount -t tmpfs none /tmp && echo mounted"),
        "mounted"
    );
}

#[test]
fn an_exec_session_leaves_the_root_writable() {
    // Reading the accounts must not mount the writable layer a second time: the kernel would take
    // the working directory from under the container.
    let engine = Engine::start();
    engine.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "1000"]);
    engine.ok(&["exec", "box", "touch", "/usr/bin/made"]);
    engine.ok(&["exec", "-u", "user", "box", "id"]);
    engine.ok(&["exec", "box", "sh", "-c", "echo more >> /etc/group && mkdir /home/made"]);
    let changes = engine.ok(&["diff", "box"]);
    for line in ["A /usr/bin/made", "C /etc/group", "A /home/made"] {
        assert!(changes.lines().any(|change| change == line), "{line} is not in {changes}");
    }
}

#[test]
fn a_named_policy_holds_for_a_privileged_container() {
    let engine = Engine::start();
    let policy = engine.root().join("policy.json");
    std::fs::write(
        &policy,
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["chown","fchownat"],"action":"SCMP_ACT_ERRNO"}]}"#,
    )
    .unwrap();
    let option = format!("seccomp={}", policy.display());
    engine
        .docker(&[
            "run",
            "--rm",
            "--privileged",
            "--security-opt",
            &option,
            "busybox",
            "chown",
            "1",
            "/tmp",
        ])
        .fails(1, "Operation not permitted");
}

#[test]
fn control_groups_are_writable_when_asked_for() {
    let engine = Engine::start();
    let make = "mkdir /sys/fs/cgroup/pids/made && rmdir /sys/fs/cgroup/pids/made && echo made";
    assert_eq!(run(&engine, &["--security-opt", "writable-cgroups=true"], make), "made");
    engine.docker(&["run", "--rm", "busybox", "sh", "-c", make]).fails(1, "Read-only file system");
    engine
        .docker(&["run", "--rm", "--security-opt", "writable-cgroups=1", "busybox", "true"])
        .fails(125, "invalid --security-opt 2: \"writable-cgroups=1\"");
}

#[test]
fn kernel_files_are_masked_or_read_only() {
    let engine = Engine::start();
    assert_eq!(
        run(
            &engine,
            &[],
            "cat /proc/kcore | wc -c; ls /proc/scsi /sys/firmware 2>/dev/null | grep -v : | wc -w"
        ),
        "0\n0"
    );
    engine
        .docker(&["run", "--rm", "busybox", "sh", "-c", "echo 1 > /proc/sys/kernel/panic"])
        .fails(1, "Read-only file system");
    engine.docker(&["run", "--rm", "busybox", "mkdir", "/sys/fs/x"]).fails(1, "");
    assert_eq!(
        run(
            &engine,
            &["--sysctl", "net.ipv4.ip_default_ttl=33"],
            "cat /proc/sys/net/ipv4/ip_default_ttl"
        ),
        "33"
    );
}

#[test]
fn a_read_only_root_is_read_only_and_its_mounts_are_not() {
    let engine = Engine::start();
    engine
        .docker(&["run", "--rm", "--read-only", "busybox", "touch", "/x"])
        .fails(1, "Read-only file system");
    assert_eq!(
        run(
            &engine,
            &["--read-only", "-v", "/data", "--tmpfs", "/tmp"],
            "touch /data/x /tmp/x /dev/shm/x; echo fine"
        ),
        "fine"
    );
}

#[test]
fn it_sees_its_own_processes_only() {
    let engine = Engine::start();
    assert_eq!(
        run(&engine, &[], "echo $$; ls /proc | grep -c '^[0-9]'").lines().next().unwrap(),
        "1"
    );
    assert_ne!(run(&engine, &["--pid", "host"], "echo $$"), "1");
    assert_eq!(run(&engine, &["--ulimit", "nofile=77:99"], "ulimit -n; ulimit -Hn"), "77\n99");
    assert_eq!(run(&engine, &["--shm-size", "3m"], "df -k /dev/shm | awk 'END{print $2}'"), "3072");
    assert_eq!(
        run(
            &engine,
            &["--device", "/dev/null:/dev/mine"],
            "echo x > /dev/mine && test -c /dev/mine && echo device"
        ),
        "device"
    );
    assert_eq!(run(&engine, &["--entrypoint", "/bin/echo"], "x"), "-c x".replace("-c", "sh -c"));
}
