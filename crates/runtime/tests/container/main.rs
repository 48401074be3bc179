//! Containers with a busybox root on the real kernel. Needs root.
#![allow(clippy::unwrap_used, reason = "a test")]

mod bench;

use std::{fs::File, io::Read, os::fd::OwnedFd};

use bench::Bench;
use gantry_runtime_lib::{
    ExecLaunch, NamespaceKind, OciRuntime, Orphan, RootOwners, RuntimeErrorKind, Stdio,
    external::External, seccomp,
};
use oci::runtime::{IdMapping, LinuxResources, Mount, Namespace, Rlimit, User};

#[test]
fn a_command_runs_in_its_own_namespaces_and_root() {
    let mut bench = Bench::new(&["sh", "-c", "id -u; hostname; echo $$; ls /; echo hi > /x"]);
    bench.process().env.push("A=b".to_owned());
    let outcome = bench.run().unwrap();
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert!(outcome.output.starts_with("0\nbox\n1\nbin\n"), "{outcome:?}");
    assert_eq!(std::fs::read_to_string(bench.path("upper/x")).unwrap(), "hi\n");
}

#[test]
fn exit_codes_and_signals_come_through() {
    assert_eq!(Bench::new(&["sh", "-c", "exit 7"]).run().unwrap().code, 7);
    assert_eq!(
        Bench::new(&["sh", "-c", "sleep 1000 & kill -9 $!; wait $!"]).run().unwrap().code,
        137
    );
}

/// The pidfd of a container's init whose creator was killed.
fn orphan(user: u32, orphan: Orphan) -> (Bench, OwnedFd) {
    let mut bench = Bench::new(&["sleep", "1000"]);
    bench.process().user.uid = user;
    bench.orphan = orphan;
    let (read, write) = std::io::pipe().unwrap();
    let creator = sys::clone::spawn(sys::clone::Birth::default(), || {
        let running = bench.start_quietly();
        rustix::io::write(&write, &running.pid.to_ne_bytes()).unwrap();
        loop {
            std::thread::park();
        }
    })
    .unwrap();
    drop(write);
    let mut pid = [0; 4];
    File::from(OwnedFd::from(read)).read_exact(&mut pid).unwrap();
    let pid = rustix::process::Pid::from_raw(i32::from_ne_bytes(pid)).unwrap();
    let flags = rustix::process::PidfdFlags::empty();
    let init = rustix::process::pidfd_open(pid, flags).unwrap();
    rustix::process::pidfd_send_signal(&creator.pidfd, rustix::process::Signal::KILL).unwrap();
    assert_eq!(bench::wait(&creator.pidfd), 137);
    (bench, init)
}

fn has_ended(init: &OwnedFd, seconds: i64) -> bool {
    let mut polled = [rustix::event::PollFd::new(init, rustix::event::PollFlags::IN)];
    let timeout = rustix::event::Timespec { tv_sec: seconds, tv_nsec: 0 };
    rustix::event::poll(&mut polled, Some(&timeout)).unwrap() == 1
}

#[test]
fn init_dies_with_its_creator_if_asked() {
    for user in [0, 1000] {
        let (_bench, init) = orphan(user, Orphan::Dies);
        assert!(has_ended(&init, 10), "user {user}");
    }
    let (bench, init) = orphan(0, Orphan::Lives);
    assert!(!has_ended(&init, 0));
    bench.cgroup.kill().unwrap();
    assert!(has_ended(&init, 10));
}

#[test]
fn failures_arrive_in_dockers_words() {
    let fail = |args: &[&str]| {
        let error = Bench::new(args).run().unwrap_err();
        (error.message(), error.runtime_kind())
    };
    assert_eq!(
        fail(&["nosuch"]),
        (
            "exec: \"nosuch\": executable file not found in $PATH".to_owned(),
            RuntimeErrorKind::CommandNotFound
        )
    );
    assert_eq!(
        fail(&["/nosuch"]),
        (
            "exec: \"/nosuch\": stat /nosuch: no such file or directory".to_owned(),
            RuntimeErrorKind::CommandNotFound
        )
    );
    assert_eq!(
        fail(&["/etc/passwd"]),
        (
            "exec: \"/etc/passwd\": permission denied".to_owned(),
            RuntimeErrorKind::CommandNotExecutable
        )
    );
    assert_eq!(fail(&["/etc"]).1, RuntimeErrorKind::CommandNotExecutable);
}

fn docker_seccomp() -> oci::runtime::Seccomp {
    let capabilities: Vec<String> = bench::CAPABILITIES.map(str::to_owned).to_vec();
    seccomp::resolve(
        &seccomp::DefaultPolicy::docker().unwrap(),
        &capabilities,
        seccomp::Arch::native(),
        seccomp::KernelVersion::running().unwrap(),
    )
}

fn field(status: &str, name: &str) -> String {
    let line = status.lines().find(|l| l.starts_with(name)).unwrap_or_default();
    line.split_once(':').map(|(_, v)| v.trim().to_owned()).unwrap_or_default()
}

#[test]
fn identity_and_confinement_are_as_configured() {
    for no_new_privileges in [false, true] {
        let mut bench = Bench::new(&["sh", "-c", "cat /proc/self/status; umask; pwd; echo $HOME"]);
        bench.linux().seccomp = Some(docker_seccomp());
        let process = bench.process();
        process.user =
            User { uid: 1000, gid: 100, umask: Some(0o027), additional_gids: vec![7, 8] };
        process.no_new_privileges = no_new_privileges;
        process.cwd = "/made/for/it".to_owned();
        process.rlimits = vec![Rlimit { kind: "RLIMIT_NOFILE".to_owned(), soft: 64, hard: 128 }];
        let outcome = bench.run().unwrap();
        let text = outcome.output;
        assert_eq!(field(&text, "Uid"), "1000\t1000\t1000\t1000");
        assert_eq!(field(&text, "Gid"), "100\t100\t100\t100");
        assert_eq!(field(&text, "Groups"), "7 8");
        assert_eq!(field(&text, "Seccomp:"), "2");
        assert_eq!(field(&text, "NoNewPrivs"), u8::from(no_new_privileges).to_string());
        assert_eq!(field(&text, "CapBnd"), "00000000a80425fb");
        assert_eq!(field(&text, "CapEff"), "0000000000000000");
        assert!(text.ends_with("0027\n/made/for/it\n/home/user\n"), "{text}");
    }
}

#[test]
fn root_keeps_its_capabilities_over_execve() {
    let mut bench = Bench::new(&["cat", "/proc/self/status"]);
    bench.linux().seccomp = Some(docker_seccomp());
    let text = bench.run().unwrap().output;
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(field(&text, set), "00000000a80425fb", "{set}");
    }
    assert_eq!(field(&text, "CapInh"), "0000000000000000");
}

#[test]
fn a_terminal_is_the_containers_own() {
    let mut bench = Bench::new(&["sh", "-c", "stty size; ls -l /dev/console | cut -c1; tty"]);
    bench.process().terminal = true;
    let mut created = bench.create(Stdio::Terminal).unwrap();
    let terminal = File::from(created.take_terminal().unwrap());
    let running = created.start().unwrap();
    let text = read_terminal(terminal);
    assert_eq!(bench::wait(&running.pidfd), 0, "{text}");
    assert_eq!(text, "33 101\r\nc\r\n/dev/pts/0\r\n");
}

fn read_terminal(mut terminal: File) -> String {
    let mut text = Vec::new();
    // EIO: the last process that had the terminal open is gone.
    let error = terminal.read_to_end(&mut text).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(5));
    String::from_utf8(text).unwrap()
}

#[test]
fn exec_joins_namespaces_cgroup_and_filter() {
    let mut bench = Bench::new(&["sleep", "1000"]);
    bench.linux().seccomp = Some(docker_seccomp());
    let running = bench.start_quietly();
    let mut process = bench.process().clone();
    process.args = ["sh", "-c", "hostname; cat /proc/1/comm /proc/self/cgroup /proc/self/status"]
        .map(str::to_owned)
        .to_vec();
    let program = seccomp::compile(&docker_seccomp()).unwrap();
    let (stdio, output) = bench::pipes();
    let (exec, _) = gantry_runtime_lib::exec(ExecLaunch {
        init_pid: running.pid,
        process: &process,
        stdio,
        seccomp: Some(&program),
        cgroup: &bench.cgroup,
        console_size: None,
        inherited: 0,
        policy: None,
        agent: None,
    })
    .unwrap();
    let outcome = bench::finish(output, &exec.pidfd);
    assert_eq!(outcome.code, 0);
    assert!(outcome.output.starts_with("box\nsleep\n"), "{outcome:?}");
    assert!(outcome.output.contains(":memory:/\n"), "{outcome:?}");
    assert_eq!(field(&outcome.output, "Seccomp:"), "2");
    process.args = vec!["nosuch".to_owned()];
    let error = bench.exec(running.pid, &process).unwrap_err();
    assert_eq!(error.runtime_kind(), RuntimeErrorKind::CommandNotFound);
    bench.cgroup.kill().unwrap();
    assert_eq!(bench::wait(&running.pidfd), 137);
}

#[test]
fn exec_can_have_a_terminal() {
    let mut bench = Bench::new(&["sleep", "1000"]);
    let running = bench.start_quietly();
    let mut process = bench.process().clone();
    process.args = ["sh", "-c", "tty; stty size"].map(str::to_owned).to_vec();
    process.terminal = true;
    let (exec, terminal) = gantry_runtime_lib::exec(ExecLaunch {
        init_pid: running.pid,
        process: &process,
        stdio: Stdio::Terminal,
        seccomp: None,
        cgroup: &bench.cgroup,
        console_size: Some((90, 30)),
        inherited: 0,
        policy: None,
        agent: None,
    })
    .unwrap();
    let text = read_terminal(File::from(terminal.unwrap()));
    assert_eq!(text, "/dev/pts/0\r\n30 90\r\n");
    assert_eq!(bench::wait(&exec.pidfd), 0);
    bench.cgroup.kill().unwrap();
    bench::wait(&running.pidfd);
}

#[test]
fn masked_and_readonly_paths_hold() {
    let script = "cat /proc/kcore /proc/keys | wc -c; ls /sys/firmware | wc -l; \
                  echo 1 > /proc/sys/kernel/domainname; echo $?; \
                  mkdir /sys/fs/cgroup/memory/x; echo $?; ls -A /proc/self/fd | wc -l";
    let outcome = Bench::new(&["sh", "-c", script]).run().unwrap();
    let lines: Vec<&str> = outcome.output.lines().filter(|l| l.parse::<u32>().is_ok()).collect();
    // 0, 1, 2 and the descriptor of the listing itself.
    assert_eq!(lines, ["0", "0", "1", "1", "4"], "{outcome:?}");
}

#[test]
fn a_readonly_root_is_one() {
    let mut bench = Bench::new(&["sh", "-c", "echo x > /y || echo refused; echo x > /dev/shm/y"]);
    bench.spec.root = Some(oci::runtime::Root { path: "x".into(), readonly: true });
    let outcome = bench.run().unwrap();
    assert!(outcome.output.ends_with("refused\n"), "{outcome:?}");
    assert_eq!(outcome.code, 0);
}

#[test]
fn bind_mounts_obey_their_options() {
    let script = "cat /f; echo no > /f || echo ro-file; echo yes > /d/new; cat /link/f2; \
                  cat /etc/evil 2>/dev/null; ls /";
    let mut bench = Bench::new(&["sh", "-c", script]);
    let host = bench.path("host");
    std::fs::create_dir(&host).unwrap();
    std::fs::write(host.join("file"), "content\n").unwrap();
    // A symbolic link that leads out of the root must lead to a place within it.
    std::os::unix::fs::symlink("/outside", bench.path("lower/link")).unwrap();
    let bind = |source: &std::path::Path, destination: &str, options: &[&str]| Mount {
        destination: destination.to_owned(),
        kind: Some("bind".to_owned()),
        source: Some(source.to_string_lossy().into_owned()),
        options: options.iter().map(|o| (*o).to_owned()).collect(),
        ..Mount::default()
    };
    bench.spec.mounts.push(bind(&host.join("file"), "/f", &["rbind", "ro", "rprivate"]));
    bench.spec.mounts.push(bind(&host, "/d", &["rbind", "rw"]));
    bench.spec.mounts.push(bind(&host.join("file"), "/link/f2", &["bind"]));
    let outcome = bench.run().unwrap();
    assert!(outcome.output.contains("content\n") && outcome.output.contains("ro-file\n"));
    assert!(outcome.output.contains("outside\n"), "{outcome:?}");
    assert_eq!(std::fs::read_to_string(host.join("new")).unwrap(), "yes\n");
    assert!(!std::path::Path::new("/outside").exists());
}

#[test]
fn limits_are_in_force_and_counted() {
    let bench = Bench::new(&["sh", "-c", "cat /sys/fs/cgroup/memory/memory.limit_in_bytes"]);
    let resources = LinuxResources {
        memory: Some(oci::runtime::Memory { limit: Some(64 << 20), ..Default::default() }),
        pids: Some(oci::runtime::Pids { limit: 20 }),
        cpu: Some(oci::runtime::Cpu {
            shares: Some(512),
            quota: Some(50_000),
            period: Some(100_000),
            ..Default::default()
        }),
        ..LinuxResources::default()
    };
    bench.cgroup.update(&resources).unwrap();
    let outcome = bench.run().unwrap();
    assert_eq!(outcome.output, format!("{}\n", 64 << 20));
    let stats = bench.cgroup.stats().unwrap();
    assert_eq!(stats.memory.limit_bytes, 64 << 20);
    assert_eq!(stats.pids.limit, 20);
    assert!(stats.cpu.usage_nanos > 0, "{stats:?}");
    assert!(stats.memory.stat.contains_key("cache"));
    assert_eq!(bench.cgroup.oom_kills().unwrap(), 0);
}

#[test]
fn the_oom_killers_work_is_seen() {
    let bench = Bench::new(&["sh", "-c", "x=a; while true; do x=$x$x; done"]);
    let resources = LinuxResources {
        memory: Some(oci::runtime::Memory { limit: Some(16 << 20), ..Default::default() }),
        ..LinuxResources::default()
    };
    bench.cgroup.update(&resources).unwrap();
    assert_eq!(bench.run().unwrap().code, 137);
    assert_eq!(bench.cgroup.oom_kills().unwrap(), 1);
}

#[test]
fn freezing_holds_and_killing_works_on_the_frozen() {
    let bench = Bench::new(&["sleep", "1000"]);
    let running = bench.start_quietly();
    bench.cgroup.freeze().unwrap();
    assert!(bench.cgroup.is_frozen().unwrap());
    bench.cgroup.thaw().unwrap();
    assert!(!bench.cgroup.is_frozen().unwrap());
    bench.cgroup.freeze().unwrap();
    assert_eq!(bench.cgroup.pids().unwrap(), [running.pid]);
    bench.cgroup.kill().unwrap();
    assert_eq!(bench::wait(&running.pidfd), 137);
}

#[test]
fn device_rules_deny() {
    let script = "mknod /tmp/k c 1 1; cat /tmp/k | wc -c; echo ok > /dev/null && echo fine";
    let mut bench = Bench::new(&["sh", "-c", script]);
    let rule = |allow, kind: &str, major, minor, access: &str| oci::runtime::DeviceRule {
        allow,
        kind: Some(kind.to_owned()),
        major,
        minor,
        access: Some(access.to_owned()),
    };
    let resources = LinuxResources {
        devices: vec![
            rule(false, "a", None, None, "rwm"),
            rule(true, "c", None, None, "m"),
            rule(true, "c", Some(1), Some(3), "rwm"),
        ],
        ..LinuxResources::default()
    };
    bench.cgroup.update(&resources).unwrap();
    bench.process().env = vec!["PATH=/bin".to_owned()];
    std::os::unix::fs::symlink("busybox", bench.path("lower/bin/mknod")).unwrap();
    let outcome = bench.run().unwrap();
    assert!(outcome.output.contains("not permitted\n0\nfine\n"), "{outcome:?}");
}

#[test]
fn a_user_namespace_maps_its_root() {
    let mut bench = Bench::new(&[
        "sh",
        "-c",
        "id -u; cat /proc/self/uid_map; echo x > /dev/null; ls -ln /bin/busybox | cut -c1-10",
    ]);
    bench.linux().namespaces.push(Namespace { kind: "user".to_owned(), path: None });
    let mapping = IdMapping { container_id: 0, host_id: 100_000, size: 65_536 };
    bench.linux().uid_mappings = vec![mapping];
    bench.linux().gid_mappings = vec![mapping];
    std::fs::set_permissions(
        bench.directory.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    // Mount points are made by the container's root, as a remapped store has it.
    for name in ["upper", "work"] {
        std::os::unix::fs::chown(bench.path(name), Some(100_000), Some(100_000)).unwrap();
    }
    let outcome = bench.run().unwrap();
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert!(outcome.output.starts_with("0\n         0     100000      65536\n"), "{outcome:?}");
}

#[test]
fn a_pid_namespace_can_be_joined() {
    let bench = Bench::new(&["sleep", "1000"]);
    let running = bench.start_quietly();
    let mut second = Bench::new(&["sh", "-c", "cat /proc/1/comm"]);
    for namespace in &mut second.linux().namespaces {
        if matches!(namespace.kind.as_str(), "pid" | "network" | "ipc") {
            let name = NamespaceKind::parse(&namespace.kind).unwrap().proc_name();
            namespace.path = Some(format!("/proc/{}/ns/{name}", running.pid).into());
        }
    }
    let outcome = second.run().unwrap();
    assert_eq!(outcome.output, "sleep\n");
    bench.cgroup.kill().unwrap();
    bench::wait(&running.pidfd);
    let own = std::fs::read_link("/proc/self/ns/pid_for_children").unwrap();
    assert_eq!(own, std::fs::read_link("/proc/self/ns/pid").unwrap());
}

#[test]
fn a_container_that_is_not_started_is_gone_when_dropped() {
    let bench = Bench::new(&["true"]);
    let created = bench.create(Stdio::Inherit).unwrap();
    let pid = created.pid();
    assert_eq!(bench.cgroup.pids().unwrap(), [pid]);
    drop(created);
    assert!(bench.cgroup.pids().unwrap().is_empty());
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn sysctls_are_the_containers() {
    let mut bench = Bench::new(&["cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start"]);
    bench.linux().sysctl.insert("net.ipv4.ip_unprivileged_port_start".to_owned(), "7".to_owned());
    assert_eq!(bench.run().unwrap().output, "7\n");
    bench.linux().sysctl.insert("kernel.panic".to_owned(), "7".to_owned());
    assert_eq!(bench.run().unwrap_err().runtime_kind(), RuntimeErrorKind::Invalid);
}

#[test]
fn a_mapped_root_needs_no_change_of_owner() {
    let script =
        "ls -lnd /bin /etc/passwd | cut -c 11-40; echo new > /new; ls -ln /new | cut -c 11-40";
    let mut bench = Bench::new(&["sh", "-c", script]);
    let mapping = IdMapping { container_id: 0, host_id: 100_000, size: 65_536 };
    bench.linux().namespaces.push(Namespace { kind: "user".to_owned(), path: None });
    bench.linux().uid_mappings = vec![mapping];
    bench.linux().gid_mappings = vec![mapping];
    bench.extras.root_owners = RootOwners::Mapped;
    let outcome = bench.run().unwrap();
    let owners: Vec<Vec<&str>> = outcome
        .output
        .lines()
        .map(|line| line.split_whitespace().skip(1).take(2).collect())
        .collect();
    assert_eq!(owners, [["0", "0"]; 3], "{outcome:?}");
    // On the disk nothing of it is seen.
    let meta = std::fs::metadata(bench.path("upper/new")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&meta), 0);
}

#[test]
fn no_mount_is_left_on_the_host() {
    let bench = Bench::new(&["true"]);
    let mounts = || {
        std::fs::read_to_string("/proc/self/mountinfo")
            .unwrap()
            .lines()
            .filter(|l| l.contains(bench.directory.path().to_str().unwrap()))
            .count()
    };
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = descriptors();
    for _ in 0..3 {
        bench.run().unwrap();
    }
    assert_eq!(mounts(), 0);
    // Other tests of this process have descriptors of their own only when threads share it.
    if std::env::var_os("NEXTEST").is_some() {
        assert_eq!(descriptors(), before);
    }
}

#[test]
fn an_external_runtime_does_the_same() {
    let mut bench =
        Bench::new(&["sh", "-c", "id -u; cat /proc/self/status | head -1; read x; exit 4"]);
    bench.process().env = vec!["PATH=/bin".to_owned()];
    // The external runtime makes the cgroup itself.
    let runtime = External {
        path: "/usr/sbin/runc".into(),
        args: Vec::new(),
        root: bench.path("runc-state"),
        bundle: bench.path("bundle"),
    };
    let id = format!("gantry-test-{}", std::process::id());
    let rootfs = bench.rootfs();
    let (stdio, output) = bench::pipes();
    let created = runtime.create(bench.launch(&id, &rootfs, stdio)).unwrap();
    let running = created.start().unwrap();
    let outcome = bench::finish(output, &running.pidfd);
    assert_eq!((outcome.output.lines().next(), outcome.code), (Some("0"), 4), "{outcome:?}");
    runtime.delete(&id).unwrap();

    bench.process().args = vec!["nosuch".to_owned()];
    let (stdio, _output) = bench::pipes();
    let error = runtime.create(bench.launch(&id, &rootfs, stdio)).err().unwrap();
    assert_eq!(error.runtime_kind(), RuntimeErrorKind::CommandNotFound, "{error:?}");
    assert!(error.message().contains("executable file not found in $PATH"));

    bench.process().args = ["sh", "-c", "tty; sleep 1000"].map(str::to_owned).to_vec();
    bench.process().terminal = true;
    let mut created = runtime.create(bench.launch(&id, &rootfs, Stdio::Terminal)).unwrap();
    let terminal = File::from(created.take_terminal().unwrap());
    let running = created.start().unwrap();
    let mut process = bench.process().clone();
    process.terminal = false;
    process.args = ["sh", "-c", "echo in; exit 3"].map(str::to_owned).to_vec();
    let (stdio, output) = bench::pipes();
    let (exec, _) = runtime
        .exec(
            &id,
            ExecLaunch {
                init_pid: running.pid,
                process: &process,
                stdio,
                seccomp: None,
                cgroup: &bench.cgroup,
                console_size: None,
                inherited: 0,
                policy: None,
                agent: None,
            },
        )
        .unwrap();
    let outcome = bench::finish(output, &exec.pidfd);
    assert_eq!((outcome.output.as_str(), outcome.code), ("in\n", 3));
    bench.cgroup.kill().unwrap();
    bench::wait(&running.pidfd);
    assert_eq!(read_terminal(terminal), "/dev/pts/0\r\n");
    runtime.delete(&id).unwrap();
    assert!(
        !std::fs::read_to_string("/proc/self/mountinfo")
            .unwrap()
            .contains(bench.path("bundle").to_str().unwrap())
    );
}
