//! `exec`

use std::{
    fs,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use anyhow::{Context, bail};
use oci::runtime::{Capabilities, Process};
use runtime::{Agent, ExecLaunch, Running, Stdio, cgroup::Cgroup};

use crate::{
    arguments::Exec,
    container::{Container, Status},
    create::{warn_of_capabilities, write_pid_file},
    descriptors,
    foreground::Foreground,
    report,
};

pub fn exec(root: &Path, exec: &Exec) -> anyhow::Result<u8> {
    let container = Container::load(root, &exec.id)?;
    match container.status() {
        Status::Stopped => bail!("cannot exec in a stopped container"),
        Status::Paused if !exec.ignore_paused => bail!("cannot exec in a paused container"),
        Status::Created | Status::Running | Status::Paused => {}
    }
    let process = process(&container, exec)?;
    check_terminal(exec, process.terminal)?;
    if exec.detach {
        let (running, _) = launch(&container, exec, process, None)?;
        return write_pid_file(exec.pid_file.as_deref(), running.pid).map(|()| 0);
    }
    let foreground = Foreground::prepare(process.terminal && exec.console_socket.is_none())?;
    let (running, terminal) = launch(&container, exec, process, foreground.size())?;
    write_pid_file(exec.pid_file.as_deref(), running.pid)?;
    foreground.wait(&running, terminal)
}

fn check_terminal(exec: &Exec, has_terminal: bool) -> anyhow::Result<()> {
    match (&exec.console_socket, has_terminal) {
        (None, true) if exec.detach => {
            bail!(
                "cannot allocate tty if gantry-runtime will detach without setting console socket"
            )
        }
        (Some(_), false) => {
            bail!("--console-socket is given, but the process has no terminal")
        }
        _ => Ok(()),
    }
}

/// Runs it; the terminal comes back unless a socket got it.
fn launch(
    container: &Container,
    exec: &Exec,
    mut process: Process,
    console_size: Option<(u16, u16)>,
) -> anyhow::Result<(Running, Option<OwnedFd>)> {
    let policy = container.record.spec.linux.as_ref().and_then(|l| l.seccomp.as_ref());
    let inherited = descriptors::inherited(exec.preserve_fds, &mut process)?;
    let cgroup = cgroup(container, exec)?;
    warn_of_capabilities(&process);
    if let Some(affinity) = &process.exec_cpu_affinity {
        for (when, list) in [("initial", &affinity.initial), ("final", &affinity.last)] {
            if let Some(list) = list {
                report::detail(&format!("{when} CPU affinity: {}", runtime::cpu_mask(list)?));
            }
        }
    }
    let (running, terminal) = runtime::exec(ExecLaunch {
        init_pid: container.record.pid,
        process: &process,
        stdio: if process.terminal { Stdio::Terminal } else { Stdio::Inherit },
        seccomp: None,
        cgroup: &cgroup,
        console_size,
        inherited,
        policy,
        agent: Agent::of(policy, container.document(container.status())),
    })
    .context("exec failed: unable to start container process")?;
    match (&exec.console_socket, terminal) {
        (Some(path), Some(terminal)) => {
            descriptors::send(path, "/dev/ptmx", terminal.as_fd()).map(|()| (running, None))
        }
        (_, terminal) => Ok((running, terminal)),
    }
}

/// The container's cgroup, or one below it.
fn cgroup(container: &Container, exec: &Exec) -> anyhow::Result<Cgroup> {
    let mut cgroup = container.cgroup.clone();
    for place in &exec.cgroup {
        let (controllers, path) = place.split_once(':').unwrap_or(("", place));
        let controllers: Vec<&str> = controllers.split(',').filter(|c| !c.is_empty()).collect();
        cgroup = cgroup.below(&controllers, path).with_context(|| format!("--cgroup {place}"))?;
    }
    Ok(cgroup)
}

fn process(container: &Container, exec: &Exec) -> anyhow::Result<Process> {
    if let Some(path) = &exec.process {
        let json = fs::read(path).with_context(|| format!("read {}", path.display()))?;
        return serde_json::from_slice(&json).with_context(|| format!("decode {}", path.display()));
    }
    if exec.command.is_empty() {
        bail!("exec needs a command or --process");
    }
    let mut process = container.record.spec.process.clone().unwrap_or_default();
    process.args.clone_from(&exec.command);
    process.terminal = exec.tty;
    process.env.extend(exec.env.iter().cloned());
    process.user.additional_gids.extend(&exec.additional_gids);
    process.no_new_privileges |= exec.no_new_privs;
    if let Some(cwd) = &exec.cwd {
        process.cwd.clone_from(cwd);
    }
    if exec.process_label.is_some() {
        process.selinux_label.clone_from(&exec.process_label);
    }
    if exec.apparmor.is_some() {
        process.apparmor_profile.clone_from(&exec.apparmor);
    }
    if !exec.cap.is_empty() {
        add_capabilities(process.capabilities.get_or_insert_default(), &exec.cap);
    }
    if let Some(user) = &exec.user {
        let (uid, gid) = user.split_once(':').map_or((user.as_str(), None), |(u, g)| (u, Some(g)));
        process.user.uid = uid.parse().with_context(|| format!("parse user {user:?}"))?;
        if let Some(gid) = gid {
            process.user.gid = gid.parse().with_context(|| format!("parse group {user:?}"))?;
        }
    }
    Ok(process)
}

/// As runc does: a process that is not root needs them ambient.
fn add_capabilities(sets: &mut Capabilities, names: &[String]) {
    let Capabilities { bounding, effective, permitted, inheritable, ambient } = sets;
    for set in [bounding, effective, permitted, inheritable, ambient] {
        set.extend(names.iter().cloned());
    }
}
