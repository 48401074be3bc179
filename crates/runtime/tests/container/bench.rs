//! A busybox container for one test, and what it said.
#![allow(clippy::unwrap_used, reason = "a test's bench")]

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::symlink,
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use gantry_runtime_lib::{
    self as runtime, ExecLaunch, Extras, Launch, Orphan, RuntimeError, Stdio, cgroup::Cgroup,
};
use oci::runtime::{Capabilities, Linux, Mount, Namespace, Process, Root, Spec};
use types::RootFilesystem;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Docker's default capabilities.
pub const CAPABILITIES: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// A temp directory with a layer, a writable layer, and a cgroup; all gone when dropped.
pub struct Bench {
    pub directory: tempfile::TempDir,
    pub cgroup: Cgroup,
    pub spec: Spec,
    pub orphan: Orphan,
    pub extras: Extras,
}

/// Busybox in an otherwise empty root.
pub fn fill_root(root: &Path) {
    for name in ["bin", "etc", "proc", "sys", "dev", "tmp", "root", "home/user"] {
        std::fs::create_dir_all(root.join(name)).unwrap();
    }
    std::fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    for applet in [
        "sh", "true", "id", "cat", "ls", "sleep", "mount", "stty", "hostname", "pwd", "tty", "cut",
        "wc", "mkdir",
    ] {
        symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    std::fs::write(
        root.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n",
    )
    .unwrap();
}

fn mount(destination: &str, kind: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.to_owned(),
        kind: Some(kind.to_owned()),
        source: Some(kind.to_owned()),
        options: options.iter().map(|o| (*o).to_owned()).collect(),
        ..Mount::default()
    }
}

pub fn docker_like_spec(args: &[&str]) -> Spec {
    let names: Vec<String> = CAPABILITIES.iter().map(|c| (*c).to_owned()).collect();
    Spec {
        oci_version: "1.2.0".to_owned(),
        process: Some(Process {
            args: args.iter().map(|a| (*a).to_owned()).collect(),
            env: vec!["PATH=/bin".to_owned()],
            cwd: "/".to_owned(),
            capabilities: Some(Capabilities {
                bounding: names.clone(),
                effective: names.clone(),
                permitted: names,
                ..Capabilities::default()
            }),
            ..Process::default()
        }),
        root: Some(Root { path: "rootfs".into(), readonly: false }),
        hostname: Some("box".to_owned()),
        mounts: vec![
            mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
            mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount(
                "/dev/pts",
                "devpts",
                &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
            ),
            mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
            mount("/sys/fs/cgroup", "cgroup", &["ro", "nosuid", "noexec", "nodev"]),
            mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
            mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777"]),
        ],
        linux: Some(Linux {
            namespaces: ["mount", "network", "uts", "pid", "ipc", "cgroup"]
                .iter()
                .map(|kind| Namespace { kind: (*kind).to_owned(), path: None })
                .collect(),
            masked_paths: ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"]
                .map(str::to_owned)
                .to_vec(),
            readonly_paths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"]
                .map(str::to_owned)
                .to_vec(),
            ..Linux::default()
        }),
        ..Spec::default()
    }
}

impl Bench {
    pub fn new(args: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["lower", "upper", "work", "bundle"] {
            std::fs::create_dir(directory.path().join(name)).unwrap();
        }
        fill_root(&directory.path().join("lower"));
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = format!("/gantry-test-{}-{number}", std::process::id());
        let cgroup = Cgroup::create(&path, None).unwrap();
        Self {
            directory,
            cgroup,
            spec: docker_like_spec(args),
            orphan: Orphan::Lives,
            extras: Extras::default(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn process(&mut self) -> &mut Process {
        self.spec.process.as_mut().unwrap()
    }

    pub fn linux(&mut self) -> &mut Linux {
        self.spec.linux.as_mut().unwrap()
    }

    pub fn rootfs(&self) -> RootFilesystem {
        RootFilesystem::Overlay {
            lower: vec![self.path("lower")],
            upper: Some(self.path("upper")),
            work: Some(self.path("work")),
            is_volatile: false,
        }
    }

    /// Creates the container with the given streams.
    pub fn create(&self, stdio: Stdio) -> Result<runtime::Created, RuntimeError> {
        self.create_with(stdio, None)
    }

    /// Creates it with a compiled filter.
    pub fn create_with(
        &self,
        stdio: Stdio,
        seccomp: Option<&[u8]>,
    ) -> Result<runtime::Created, RuntimeError> {
        let rootfs = self.rootfs();
        let bundle = self.path("bundle");
        runtime::create(Launch {
            id: "test",
            spec: &self.spec,
            rootfs: &rootfs,
            bundle: &bundle,
            stdio,
            namespaces: BTreeMap::new(),
            seccomp,
            cgroup: &self.cgroup,
            console_size: Some((101, 33)),
            init_binary: None,
            orphan: self.orphan,
            extras: self.extras.clone(),
        })
    }

    /// What a runtime behind the trait gets.
    pub fn launch<'a>(
        &'a self,
        id: &'a str,
        rootfs: &'a RootFilesystem,
        stdio: Stdio,
    ) -> Launch<'a> {
        Launch {
            id,
            spec: &self.spec,
            rootfs,
            bundle: self.directory.path(),
            stdio,
            namespaces: BTreeMap::new(),
            seccomp: None,
            cgroup: &self.cgroup,
            console_size: None,
            init_binary: None,
            orphan: Orphan::Lives,
            extras: Default::default(),
        }
    }

    /// Runs it to its end; what it wrote, and its exit status.
    pub fn run(&self) -> Result<Outcome, RuntimeError> {
        let (streams, output) = pipes();
        let created = self.create(streams)?;
        let running = created.start()?;
        Ok(finish(output, &running.pidfd))
    }

    /// Starts it with its output thrown away.
    pub fn start_quietly(&self) -> runtime::Running {
        let null =
            || OwnedFd::from(File::options().read(true).write(true).open("/dev/null").unwrap());
        let stdio = Stdio::Fds { stdin: null(), stdout: null(), stderr: null() };
        self.create(stdio).unwrap().start().unwrap()
    }

    /// Runs a further process.
    pub fn exec(&self, init_pid: i32, process: &Process) -> Result<Outcome, RuntimeError> {
        let (stdio, output) = pipes();
        let (running, _) = runtime::exec(ExecLaunch {
            init_pid,
            process,
            stdio,
            seccomp: None,
            cgroup: &self.cgroup,
            console_size: None,
            inherited: 0,
            policy: None,
            agent: None,
        })?;
        Ok(finish(output, &running.pidfd))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.cgroup.kill();
        self.cgroup.delete().unwrap();
    }
}

/// How a process ended and what it wrote to both streams.
#[derive(Debug)]
pub struct Outcome {
    pub output: String,
    pub code: i32,
}

pub fn pipes() -> (Stdio, File) {
    let (read, write) = std::io::pipe().unwrap();
    let stdin = OwnedFd::from(File::open("/dev/null").unwrap());
    let stdout = OwnedFd::from(write);
    let stderr = stdout.try_clone().unwrap();
    (Stdio::Fds { stdin, stdout, stderr }, File::from(OwnedFd::from(read)))
}

pub fn finish(mut output: File, pidfd: &OwnedFd) -> Outcome {
    let mut text = Vec::new();
    output.read_to_end(&mut text).unwrap();
    Outcome { output: String::from_utf8_lossy(&text).into_owned(), code: wait(pidfd) }
}

/// Reaps a child; its exit code, or 128 + signal.
pub fn wait(pidfd: &OwnedFd) -> i32 {
    let status = rustix::process::waitid(
        rustix::process::WaitId::PidFd(pidfd.as_fd()),
        rustix::process::WaitIdOptions::EXITED,
    )
    .unwrap()
    .unwrap();
    status.exit_status().unwrap_or_else(|| 128 + status.terminating_signal().unwrap())
}
