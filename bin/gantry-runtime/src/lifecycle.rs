//! Commands that change a container.

use std::{
    fs,
    io::IoSlice,
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use oci::runtime::{Cpu, LinuxResources, Memory, Pids, Spec};
use runtime::{
    Launch, Running, Stdio,
    cgroup::Cgroup,
    hook::{self, Point},
};
use rustix::{
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags},
    process::{Pid, Signal, WaitId, WaitIdOptions},
};
use types::RootFilesystem;

use crate::{
    arguments::{Create, Run, Update},
    container::{Container, Status},
    report,
    state::{self, Record},
};

/// How long `delete --force` waits for the killed process to be gone.
const KILL_DEADLINE: Duration = Duration::from_secs(10);

pub fn create(root: &Path, create: &Create) -> anyhow::Result<()> {
    make(root, create).map(drop)
}

fn make(root: &Path, create: &Create) -> anyhow::Result<Running> {
    if create.no_pivot {
        bail!("--no-pivot is not supported");
    }
    if create.preserve_fds != 0 {
        bail!("--preserve-fds is not supported");
    }
    let directory = state::directory(root, &create.id)?;
    let bundle = fs::canonicalize(&create.bundle)
        .with_context(|| format!("find bundle {}", create.bundle.display()))?;
    let spec = load_spec(&bundle)?;
    fs::create_dir_all(root).with_context(|| format!("make {}", root.display()))?;
    match fs::create_dir(&directory) {
        Ok(()) => {}
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            bail!("container with id exists: {:?}", create.id)
        }
        Err(e) => return Err(e).with_context(|| format!("make {}", directory.display())),
    }
    let made = make_in(&directory, &bundle, spec, create);
    if made.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_dir_all(&directory);
    }
    made
}

fn make_in(
    directory: &Path,
    bundle: &Path,
    spec: Spec,
    create: &Create,
) -> anyhow::Result<Running> {
    let root = spec.root.as_ref().context("config.json has no root")?;
    let rootfs = RootFilesystem::Directory { path: bundle.join(&root.path) };
    let is_terminal = spec.process.as_ref().is_some_and(|p| p.terminal);
    match (is_terminal, &create.console_socket) {
        (true, None) => bail!("cannot allocate tty: a terminal needs --console-socket"),
        (false, Some(_)) => bail!("--console-socket is given, but process.terminal is not set"),
        _ => {}
    }
    let cgroup_path = cgroup_path(&spec, &create.id)?;
    let mut resources = spec.linux.as_ref().and_then(|l| l.resources.clone());
    if let Some(resources) = resources.as_mut().filter(|r| !r.devices.is_empty()) {
        resources.devices.extend(runtime::cgroup::default_device_rules());
    }
    let cgroup = Cgroup::create(&cgroup_path, resources.as_ref()).context("create cgroup")?;
    let launched = launch(directory, bundle, &spec, &rootfs, &cgroup, create);
    let running = match launched {
        Ok(running) => running,
        Err(error) => {
            let _ = cgroup.delete();
            return Err(
                error.context("unable to start container process: error during container init")
            );
        }
    };
    let record = Record {
        id: create.id.clone(),
        pid: running.pid,
        start_time: state::start_time(running.pid).context("init has ended")?,
        bundle: bundle.to_owned(),
        created: report::now(),
        cgroup_path,
        spec,
    };
    record.save(directory)?;
    write_pid_file(create.pid_file.as_deref(), running.pid)?;
    Ok(running)
}

fn launch(
    directory: &Path,
    bundle: &Path,
    spec: &Spec,
    rootfs: &RootFilesystem,
    cgroup: &Cgroup,
    create: &Create,
) -> anyhow::Result<Running> {
    let fifo = runtime::fifo::make(&state::fifo(directory))?;
    let is_terminal = create.console_socket.is_some();
    let mut created = runtime::create_behind_fifo(
        Launch {
            id: &create.id,
            spec,
            rootfs,
            bundle,
            stdio: if is_terminal { Stdio::Terminal } else { Stdio::Inherit },
            namespaces: Default::default(),
            seccomp: None,
            cgroup,
            console_size: None,
            init_binary: None,
            // Whoever ran `create` ends before the container does.
            orphan: runtime::Orphan::Lives,
            extras: Default::default(),
        },
        fifo,
    )?;
    if let (Some(path), Some(terminal)) = (&create.console_socket, created.take_terminal()) {
        send_terminal(path, &terminal)?;
    }
    Ok(created.leave()?)
}

fn load_spec(bundle: &Path) -> anyhow::Result<Spec> {
    let path = bundle.join("config.json");
    let json = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    let spec: Spec =
        serde_json::from_slice(&json).with_context(|| format!("decode {}", path.display()))?;
    if !spec.oci_version.starts_with("1.") {
        bail!("unsupported ociVersion {:?}", spec.oci_version);
    }
    Ok(spec)
}

fn cgroup_path(spec: &Spec, id: &str) -> anyhow::Result<String> {
    let given = spec.linux.as_ref().and_then(|l| l.cgroups_path.as_deref());
    Ok(match given.filter(|p| !p.is_empty()) {
        None => format!("/{id}"),
        Some(path) if path.contains(':') => {
            bail!("cgroupsPath {path:?} is systemd's form, which is not supported")
        }
        Some(path) if path.starts_with('/') => path.to_owned(),
        Some(path) => format!("/{path}"),
    })
}

/// Sends the terminal to an engine, in runc's form: one message with one descriptor.
pub fn send_terminal(path: &Path, terminal: &OwnedFd) -> anyhow::Result<()> {
    let socket = UnixStream::connect(path)
        .with_context(|| format!("connect to console socket {}", path.display()))?;
    let fds = [terminal.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    let name = [IoSlice::new(b"/dev/ptmx")];
    rustix::net::sendmsg(&socket, &name, &mut control, SendFlags::NOSIGNAL)
        .context("send terminal")?;
    Ok(())
}

pub fn write_pid_file(path: Option<&Path>, pid: i32) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    let draft = path.with_extension("new");
    fs::write(&draft, pid.to_string())
        .and_then(|()| fs::rename(&draft, path))
        .with_context(|| format!("write {}", path.display()))
}

pub fn start(root: &Path, id: &str) -> anyhow::Result<()> {
    let container = Container::load(root, id)?;
    match container.status() {
        Status::Created => {}
        Status::Stopped => bail!("cannot start a container that has stopped"),
        Status::Running | Status::Paused => bail!("cannot start an already running container"),
    }
    let released = runtime::fifo::release(&container.fifo());
    fs::remove_file(container.fifo()).context("remove exec fifo")?;
    released?;
    if let Some(hooks) = &container.record.spec.hooks {
        let document = container.document(Status::Running);
        hook::run_all(Point::Poststart, &hooks.poststart, &document)?;
    }
    Ok(())
}

pub fn run(root: &Path, run: &Run) -> anyhow::Result<u8> {
    let running = make(root, &run.create)?;
    let id = &run.create.id;
    if let Err(error) = start(root, id) {
        let _ = delete(root, id, true);
        return Err(error);
    }
    if run.detach {
        return Ok(0);
    }
    let code = wait(&running.pidfd)?;
    if !run.keep {
        delete(root, id, true)?;
    }
    Ok(code)
}

/// Reaps a child; its exit code, or 128 + signal.
pub fn wait(pidfd: &OwnedFd) -> anyhow::Result<u8> {
    let status = rustix::io::retry_on_intr(|| {
        rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED)
    })?
    .context("the process is not a child")?;
    let code = status
        .exit_status()
        .or_else(|| status.terminating_signal().map(|signal| 128 + signal))
        .context("the process did not end")?;
    Ok(u8::try_from(code)?)
}

pub fn kill(root: &Path, id: &str, signal: &str, all: bool) -> anyhow::Result<()> {
    let signal = parse_signal(signal)?;
    let container = Container::load(root, id)?;
    if all {
        for pid in container.cgroup.pids()?.into_iter().filter_map(Pid::from_raw) {
            match rustix::process::kill_process(pid, signal) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(e) => return Err(e).context("kill"),
            }
        }
        return Ok(());
    }
    if container.status() == Status::Stopped {
        bail!("container not running");
    }
    let pid = Pid::from_raw(container.record.pid).context("the container has no process")?;
    rustix::process::kill_process(pid, signal).context("kill")
}

fn parse_signal(text: &str) -> anyhow::Result<Signal> {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
        "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let number = match name.parse::<i32>() {
        Ok(number) => Some(number),
        Err(_) => {
            NAMES.iter().position(|known| *known == name).and_then(|at| i32::try_from(at + 1).ok())
        }
    };
    number.and_then(Signal::from_named_raw).with_context(|| format!("unknown signal {text:?}"))
}

pub fn delete(root: &Path, id: &str, force: bool) -> anyhow::Result<()> {
    let container = match Container::load(root, id) {
        Ok(container) => container,
        Err(_) if force && !state::directory(root, id)?.exists() => return Ok(()),
        Err(_) if force => {
            // A creation that was cut off before its record.
            return fs::remove_dir_all(state::directory(root, id)?).context("remove state");
        }
        Err(error) => return Err(error),
    };
    let status = container.status();
    if status != Status::Stopped {
        if !force {
            bail!("cannot delete container {id} that is not stopped: {}", status.name());
        }
        container.cgroup.kill()?;
        let deadline = Instant::now() + KILL_DEADLINE;
        while container.status() != Status::Stopped {
            if Instant::now() >= deadline {
                bail!("container {id} did not end after SIGKILL");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    // What outlived init without a pid namespace.
    container.cgroup.kill()?;
    container.cgroup.delete().context("remove cgroup")?;
    fs::remove_dir_all(&container.directory).context("remove state")?;
    if let Some(hooks) = &container.record.spec.hooks {
        let document = container.document(Status::Stopped);
        hook::run_all(Point::Poststop, &hooks.poststop, &document)?;
    }
    Ok(())
}

pub fn pause(root: &Path, id: &str) -> anyhow::Result<()> {
    let container = Container::load(root, id)?;
    match container.status() {
        Status::Running | Status::Created => Ok(container.cgroup.freeze()?),
        other => bail!("container is {}, not running", other.name()),
    }
}

pub fn resume(root: &Path, id: &str) -> anyhow::Result<()> {
    let container = Container::load(root, id)?;
    match container.cgroup.is_frozen()? {
        true => Ok(container.cgroup.thaw()?),
        false => bail!("container not paused"),
    }
}

pub fn update(root: &Path, update: &Update) -> anyhow::Result<()> {
    let container = Container::load(root, &update.id)?;
    let mut resources: LinuxResources = match update.resources.as_deref() {
        None => LinuxResources::default(),
        Some(path) if path == Path::new("-") => serde_json::from_reader(std::io::stdin())?,
        Some(path) => serde_json::from_slice(
            &fs::read(path).with_context(|| format!("read {}", path.display()))?,
        )?,
    };
    let memory = Memory {
        limit: update.memory,
        swap: update.memory_swap,
        reservation: update.memory_reservation,
        ..Memory::default()
    };
    if memory != Memory::default() {
        resources.memory = Some(memory);
    }
    let cpu = Cpu {
        shares: update.cpu_shares,
        period: update.cpu_period,
        quota: update.cpu_quota,
        cpus: update.cpuset_cpus.clone(),
        mems: update.cpuset_mems.clone(),
        ..Cpu::default()
    };
    if cpu != Cpu::default() {
        resources.cpu = Some(cpu);
    }
    if let Some(limit) = update.pids_limit {
        resources.pids = Some(Pids { limit });
    }
    Ok(container.cgroup.update(&resources)?)
}
