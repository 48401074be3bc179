//! `exec`

use std::{fs, path::Path};

use anyhow::{Context, bail};
use oci::runtime::Process;
use runtime::{ExecLaunch, Stdio, seccomp};

use crate::{
    arguments::Exec,
    container::{Container, Status},
    lifecycle::{send_terminal, wait, write_pid_file},
};

pub fn exec(root: &Path, exec: &Exec) -> anyhow::Result<u8> {
    let container = Container::load(root, &exec.id)?;
    match container.status() {
        Status::Stopped => bail!("cannot exec in a stopped container"),
        Status::Paused => bail!("cannot exec in a paused container"),
        Status::Created | Status::Running => {}
    }
    if exec.preserve_fds != 0 {
        bail!("--preserve-fds is not supported");
    }
    let process = process(&container, exec)?;
    if process.terminal && exec.console_socket.is_none() {
        bail!("a terminal needs --console-socket");
    }
    let policy = container.record.spec.linux.as_ref().and_then(|l| l.seccomp.as_ref());
    let program = policy.map(seccomp::compile).transpose()?;
    let (running, terminal) = runtime::exec(ExecLaunch {
        init_pid: container.record.pid,
        process: &process,
        stdio: if process.terminal { Stdio::Terminal } else { Stdio::Inherit },
        seccomp: program.as_deref(),
        cgroup: &container.cgroup,
        console_size: None,
        inherited: exec.preserve_fds,
    })
    .context("exec failed: unable to start container process")?;
    if let (Some(path), Some(terminal)) = (&exec.console_socket, terminal) {
        send_terminal(path, &terminal)?;
    }
    write_pid_file(exec.pid_file.as_deref(), running.pid)?;
    if exec.detach { Ok(0) } else { wait(&running.pidfd) }
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
    if let Some(cwd) = &exec.cwd {
        process.cwd.clone_from(cwd);
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
